//! Part sizes of an upload: always valid, and never more memory than a part may take.

/// The smallest part, and the largest object that is sent in one request.
pub const PART_MIN_BYTES: u64 = 8 << 20;

/// The largest part that this version holds in memory.
pub const PART_MAX_BYTES: u64 = 64 << 20;

/// The most parts of an upload.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const PARTS_MAX: u64 = 10_000;

/// The largest file that is captured: what fits the parts.
pub const FILE_MAX_BYTES: u64 = PART_MAX_BYTES * PARTS_MAX;

/// The size of every part but the last, for a file of `size_bytes`; `None` where the file is
/// larger than [`FILE_MAX_BYTES`]. Whole mebibytes, so that parts stay aligned.
#[must_use]
pub fn part_size_bytes(size_bytes: u64) -> Option<u64> {
    const MEBIBYTE: u64 = 1 << 20;
    let needed = size_bytes.div_ceil(PARTS_MAX).next_multiple_of(MEBIBYTE);
    let part = needed.max(PART_MIN_BYTES);
    (part <= PART_MAX_BYTES).then_some(part)
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
    }
}
