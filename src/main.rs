//! The `scepd` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    scepd::cli::main()
}
