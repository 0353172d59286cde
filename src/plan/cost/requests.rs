//! How many requests a run makes, and how each is priced.

use std::collections::BTreeMap;

use crate::plan::parts;

/// What a first run asks besides sending files and segments: the repository, its HEAD and claims
/// are made, and the store is tried out. For one bucket, and for each bucket more.
pub(super) const FIRST_RUN: Requests = Requests {
    writes: 13,
    reads: 9,
};
pub(super) const FIRST_RUN_BUCKET: Requests = Requests {
    writes: 3,
    reads: 6,
};

/// What every later run asks besides, and for each bucket.
pub(super) const LATER_RUN: Requests = Requests {
    writes: 2,
    reads: 5,
};
pub(super) const LATER_RUN_BUCKET: Requests = Requests {
    writes: 0,
    reads: 2,
};

/// What making a restore point asks besides.
pub(super) const COMMIT: Requests = Requests {
    writes: 2,
    reads: 0,
};

/// What reading a restore point asks besides its segments and files.
pub(super) const RESTORE: Requests = Requests {
    writes: 0,
    reads: 2,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Requests {
    pub(super) writes: u64,
    pub(super) reads: u64,
}

/// How a request is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Write,
    Read,
    Free,
}

/// How many of these requests, by operation, are of a kind.
pub(super) fn count(requests: &BTreeMap<String, u64>, kind: Kind) -> u64 {
    let of_kind = requests.iter().filter(|(name, _)| kind_of(name) == kind);
    of_kind.map(|(_, count)| count).sum()
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequestPricing.html>
fn kind_of(operation: &str) -> Kind {
    let begins = |words: &[&str]| words.iter().any(|word| operation.starts_with(word));
    if begins(&[
        "Put", "Copy", "Post", "List", "Create", "Upload", "Complete",
    ]) {
        Kind::Write
    } else if begins(&["Delete", "Abort"]) {
        Kind::Free
    } else {
        Kind::Read
    }
}

/// How many writes a file takes that is stored in so many bytes; `None` where it is too large.
pub(super) fn writes_of_file(size_bytes: u64, stored_bytes: u64) -> Option<u64> {
    let part_size_bytes = parts::part_size_bytes(size_bytes)?;
    Some(writes_of_parts(size_bytes, stored_bytes, part_size_bytes))
}

/// How many writes an object takes that the store copies by itself; `None` where it is too large.
pub(super) fn writes_of_copy(size_bytes: u64) -> Option<u64> {
    let part_size_bytes = parts::copy_part_size_bytes(size_bytes)?;
    Some(writes_of_parts(size_bytes, size_bytes, part_size_bytes))
}

fn writes_of_parts(size_bytes: u64, stored_bytes: u64, part_size_bytes: u64) -> u64 {
    if size_bytes <= parts::PART_MIN_BYTES {
        return 1;
    }
    // An upload is begun and ended.
    2 + stored_bytes.div_ceil(part_size_bytes).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: u64 = 1 << 20;

    #[test]
    fn what_the_store_copies_by_itself_takes_fewer_requests_and_may_be_larger() {
        assert_eq!(writes_of_copy(MEBIBYTE), Some(1));
        assert_eq!(writes_of_copy(300 * MEBIBYTE), Some(5));
        assert_eq!(writes_of_file(300 * MEBIBYTE, 300 * MEBIBYTE), Some(40));
        assert!(writes_of_copy(parts::FILE_MAX_BYTES + 1).is_some());
        assert_eq!(kind_of("UploadPartCopy"), Kind::Write);
    }

    #[test]
    fn a_large_file_that_shrinks_takes_fewer_parts() {
        assert_eq!(writes_of_file(300 * MEBIBYTE, 8 * MEBIBYTE), Some(3));
        assert_eq!(writes_of_file(MEBIBYTE, 1), Some(1));
        assert_eq!(writes_of_file(parts::FILE_MAX_BYTES + 1, 1), None);
    }
}
