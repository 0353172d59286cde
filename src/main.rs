//! The `backstay` command: one binary for the controller, the worker and the command line.

use std::process::ExitCode;

use backstay::cli;

// The C library of a static build allocates slowly under threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
