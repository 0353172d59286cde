//! The tree that is read and the target that is written, on real directories.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "the helpers of tests stand outside of test functions"
)]

mod faulty;
mod mounts;
mod target;
mod walk;
