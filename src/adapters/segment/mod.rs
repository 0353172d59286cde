//! The codec of catalog segments: sorted rows to Parquet and back.
//!
//! A [`Batch`] holds rows in columns, [`encode`] makes a Parquet file of one row group of it, and
//! [`decode`] turns the file back into a batch. [`decode_deciding`] reads only the columns that
//! decide whether an entry has changed, which stand in one range at the file's start: a run that
//! finds nothing changed never downloads pins.
//!
//! # Guarantees
//! - The same rows give the same bytes, always.
//! - Nothing is parsed whose hash has not been verified: a third of all single-bit flips would
//!   otherwise decode to other values in silence.
//! - What is not valid is neither written nor read: paths are relative and made of plain
//!   components, order keys strictly increase, every value is within its bound.
//!
//! # Caveats
//! The Parquet library can panic on bytes that it did not write. That is caught and becomes
//! [`SegmentError::Panicked`], which needs `panic = "unwind"`; the message of the panic still
//! goes to the process's panic hook.

mod batch;
mod check;
mod columns;
mod deciding;
mod decode;
mod encode;
mod error;
mod footer;
mod gone;
mod pages;
mod schema;
mod sparse;
mod table;
mod xattrs;

pub use batch::Batch;
pub use check::{
    ETAG_MAX_BYTES, KEY_MAX_BYTES, LINK_TARGET_MAX_BYTES, PATH_MAX_BYTES, VERSION_MAX_BYTES,
};
pub use deciding::Deciding;
pub use decode::{decode, decode_deciding, decode_hashed};
pub use encode::{Encoded, encode};
pub use error::SegmentError;
pub use gone::{GoneReader, GoneWriter};
pub use xattrs::XATTRS_MAX_BYTES;

/// The most rows that one segment may have: several times what a writer cuts at.
pub const ROWS_MAX: usize = 1 << 18;

/// The most memory that the rows of one segment may take, encoded or decoded.
pub const HEAP_MAX_BYTES: usize = 256 << 20;

#[cfg(test)]
mod tests;
