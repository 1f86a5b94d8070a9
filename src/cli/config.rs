//! `scepd config`: show the configuration in effect, print an example.

use clap::{Args, Subcommand};

use super::{Failure, sources::SourceArgs};
use crate::config::EXAMPLE;

/// Show the configuration in effect, or print a commented example
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the settings in effect after file, environment and flags; secrets as `<set>`
    Show(#[command(flatten)] Box<SourceArgs>),
    /// Print a commented configuration file with every setting
    Example,
}

pub(super) fn run(args: ConfigArgs) -> Result<(), Failure> {
    match args.action {
        Action::Show(sources) => {
            let effective = sources.load()?;
            for notice in &effective.notices {
                eprintln!("scepd: {}", notice.text);
            }
            let text = toml::to_string(&effective.config)
                .map_err(Failure::while_doing("cannot show the configuration"))?;
            print!("{text}");
        }
        Action::Example => print!("{EXAMPLE}"),
    }
    Ok(())
}
