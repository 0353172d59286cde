//! The hands: one file for each thing outside the process, and nothing that decides.
//!
//! Each adapter is thin, named after what it touches, and turns that thing's errors into its own
//! words; no type of an SDK leaves this room. Two of them are traits, because the engine also
//! runs against a simulated store and a simulated tree: [`store::Store`] and [`tree::Tree`].
//!
//! Depends on `plan` and `api` only.

mod beneath;
pub mod bucket;
pub mod clock;
pub mod cluster;
pub mod codec;
pub mod credentials;
pub mod mounted;
pub mod process;
pub mod s3;
mod sdk;
pub mod segment;
pub mod sns;
pub mod sqs;
pub mod store;
pub mod target;
pub mod termination;
pub mod textfile;
pub mod tree;
pub mod xattrs;
