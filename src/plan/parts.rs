//! Part sizes of an upload: always valid, and never more memory than a part may take.

use std::ops::Range;

/// The smallest part, and the largest object that is sent in one request.
pub const PART_MIN_BYTES: u64 = 8 << 20;

/// The largest part that this version holds in memory.
pub const PART_MAX_BYTES: u64 = 64 << 20;

/// The most parts of an upload.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const PARTS_MAX: u64 = 10_000;

/// The smallest part of a copy within the store. It takes no memory of ours, so that larger ones
/// only spare requests; and each gives up no more than this where it fails.
pub const COPY_PART_MIN_BYTES: u64 = 128 << 20;

/// The largest part that a store copies.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
pub const COPY_PART_MAX_BYTES: u64 = 5 << 30;

/// The largest object that is copied: more than a store takes (50 TB).
pub const COPY_MAX_BYTES: u64 = COPY_PART_MAX_BYTES * PARTS_MAX;

/// The largest file that is captured by reading it: what fits the parts.
pub const FILE_MAX_BYTES: u64 = PART_MAX_BYTES * PARTS_MAX;

/// The size of every part but the last, for a file of `size_bytes`; `None` where the file is
/// larger than [`FILE_MAX_BYTES`]. Whole mebibytes, so that parts stay aligned.
#[must_use]
pub fn part_size_bytes(size_bytes: u64) -> Option<u64> {
    let part = needed(size_bytes).max(PART_MIN_BYTES);
    (part <= PART_MAX_BYTES).then_some(part)
}

/// The size of every part but the last, for an object of `size_bytes` that the store copies by
/// itself; `None` where it is larger than [`COPY_MAX_BYTES`].
#[must_use]
pub fn copy_part_size_bytes(size_bytes: u64) -> Option<u64> {
    let part = needed(size_bytes).max(COPY_PART_MIN_BYTES);
    (part <= COPY_PART_MAX_BYTES).then_some(part)
}

/// The parts of such an object: the first byte of each, and the one after its last.
#[must_use]
pub fn copy_ranges(size_bytes: u64) -> Option<Vec<Range<u64>>> {
    let part = copy_part_size_bytes(size_bytes)?;
    let count = size_bytes.div_ceil(part);
    let range = |number: u64| number * part..((number + 1) * part).min(size_bytes);
    Some((0..count).map(range).collect())
}

/// The least size of a part with which they are enough.
fn needed(size_bytes: u64) -> u64 {
    const MEBIBYTE: u64 = 1 << 20;
    size_bytes.div_ceil(PARTS_MAX).next_multiple_of(MEBIBYTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w27_a_plan_is_valid_at_every_boundary() {
        for edge in [
            0,
            PART_MIN_BYTES,
            PARTS_MAX * PART_MIN_BYTES,
            5 << 30,
            FILE_MAX_BYTES,
        ] {
            for size in [edge.saturating_sub(1), edge, (edge + 1).min(FILE_MAX_BYTES)] {
                let part = part_size_bytes(size).unwrap();
                assert!(size.div_ceil(part) <= PARTS_MAX, "{size}");
                assert!((PART_MIN_BYTES..=PART_MAX_BYTES).contains(&part), "{size}");
            }
        }
    }

    #[test]
    fn w28_a_file_beyond_the_limit_has_no_plan() {
        assert_eq!(part_size_bytes(FILE_MAX_BYTES + 1), None);
        assert_eq!(copy_ranges(COPY_MAX_BYTES + 1), None);
    }

    #[test]
    fn w27_the_parts_of_a_copy_are_all_of_it() {
        for edge in [
            PART_MIN_BYTES + 1,
            COPY_PART_MIN_BYTES,
            PARTS_MAX * COPY_PART_MIN_BYTES,
            50_000_000_000_000,
            COPY_MAX_BYTES - 1,
        ] {
            for size in [edge - 1, edge, edge + 1] {
                let ranges = copy_ranges(size).unwrap();
                assert!(ranges.len() as u64 <= PARTS_MAX, "{size}");
                assert!(ranges[0].start == 0 && ranges[ranges.len() - 1].end == size);
                assert!(ranges.iter().all(
                    |range| !range.is_empty() && range.end - range.start <= COPY_PART_MAX_BYTES
                ));
                assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
            }
        }
    }
}
