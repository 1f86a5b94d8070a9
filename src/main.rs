//! The `scepd` command.

use std::process::ExitCode;

/// Enrollments are many small allocations on one thread that are freed on another, which this
/// allocator is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    scepd::cli::main()
}
