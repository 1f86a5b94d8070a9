//! `scepd man`: manual pages, made from the command line's own help.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};

use super::{Cli, Failure};

/// Write the manual pages, or print the one of scepd itself
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write a page for each command into this directory instead
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes or prints the pages.
///
/// # Errors
/// The directory or standard output cannot be written to.
pub(super) fn run(args: &ManArgs) -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    match &args.dir {
        Some(dir) => {
            fs::create_dir_all(dir).map_err(Failure::while_doing(format!(
                "{} cannot be made",
                dir.display()
            )))?;
            write(&command, dir)
        }
        None => {
            let page = page(&command)?;
            std::io::stdout()
                .write_all(&page)
                .map_err(|error| Failure::new(format!("the page cannot be printed: {error}")))
        }
    }
}

/// `scepd.1`, `scepd-serve.1`, `scepd-token-create.1` and so on.
fn write(command: &Command, dir: &Path) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let path = dir.join(format!("{name}.1"));
    fs::write(&path, page(command)?)
        .map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display())))?;
    command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help" && !sub.is_hide_set())
        .try_for_each(|sub| write(sub, dir))
}

fn page(command: &Command) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|error| Failure::new(format!("a manual page cannot be made: {error}")))?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_command_has_a_page_of_its_own_with_its_options() {
        let dir = tempfile::tempdir().unwrap();
        run(&ManArgs {
            dir: Some(dir.path().join("man")),
        })
        .unwrap();
        let page = |name: &str| fs::read_to_string(dir.path().join("man").join(name)).unwrap();
        assert!(page("scepd.1").contains("SCEP"));
        assert!(page("scepd-serve.1").contains("config"));
        assert!(page("scepd-token-create.1").contains("role"));
    }
}
