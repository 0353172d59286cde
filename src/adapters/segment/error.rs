//! What can be wrong with a segment.

use crate::api::catalog::Sha256;

/// Why rows cannot be written, or a segment cannot be read.
///
/// Everything that reading finds is damage or forgery: an integrity failure, never a reason to
/// believe that a path is gone.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The bytes are not those that were written.
    #[error("the {part} has the hash {found} instead of {expected}")]
    HashMismatch {
        /// Which bytes: the object, its deciding range, or its footer.
        part: &'static str,
        /// What was written.
        expected: Sha256,
        /// What was read.
        found: Sha256,
    },
    /// The bytes are more or fewer than were written.
    #[error("the {part} has {found} bytes instead of {expected}")]
    LengthMismatch {
        /// Which bytes.
        part: &'static str,
        /// What was written.
        expected: u64,
        /// What was read.
        found: u64,
    },
    /// The rows are not those that the commit record announces.
    #[error("the segment's {fact} is not what its commit says")]
    FactMismatch {
        /// Which fact: the number of rows, the first or the last order key.
        fact: &'static str,
    },
    /// The columns are not a segment's.
    #[error("the file has other columns than a segment of this format: {detail}")]
    OtherColumns {
        /// What differs.
        detail: String,
    },
    /// There are more rows, or more bytes of them, than a segment may have.
    #[error("the segment has {found} {what}, more than {limit}")]
    TooLarge {
        /// Rows or bytes.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// There is no row.
    #[error("the segment has no row")]
    Empty,
    /// A value is not one that a catalog may have.
    #[error("row {row} has a bad {column}: {detail}")]
    BadValue {
        /// The row's number, from 0.
        row: usize,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A row does not come after the one before it.
    #[error("row {row} does not come after the row before it: {path}")]
    OrderViolated {
        /// The row's number, from 0.
        row: usize,
        /// Its path, encoded.
        path: String,
    },
    /// The Parquet library could not write.
    #[error("encode {what}")]
    Encode {
        /// A segment, or a list of dropped paths.
        what: &'static str,
        /// The library's own words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The Parquet library could not read.
    #[error("decode {what}")]
    Decode {
        /// The column, or the footer.
        what: &'static str,
        /// The library's own words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The Parquet library panicked on bytes that are not its own.
    #[error("the parser gave up on the segment: {detail}")]
    Panicked {
        /// The panic's message.
        detail: String,
    },
}

/// An error for more rows or bytes than there may be.
pub(super) fn check_limit(
    what: &'static str,
    found: usize,
    limit: usize,
) -> Result<(), SegmentError> {
    if found > limit {
        return Err(SegmentError::TooLarge {
            what,
            found: found as u64,
            limit: limit as u64,
        });
    }
    Ok(())
}

/// An error for a value that no catalog may have.
pub(super) fn bad_value(row: usize, column: &'static str, detail: &str) -> SegmentError {
    SegmentError::BadValue {
        row,
        column,
        detail: detail.to_owned(),
    }
}
