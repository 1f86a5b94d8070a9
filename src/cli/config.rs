//! `scepd config`: show the effective configuration, print an example.

use clap::{Args, Subcommand};

use super::Failure;

/// Show the configuration in effect, or print a commented example
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the settings in effect, secrets as `<set>`
    Show {
        /// The configuration file
        #[arg(long, value_name = "FILE", env = "SCEPD_CONFIG")]
        config: std::path::PathBuf,
    },
}

pub(super) fn run(args: ConfigArgs) -> Result<(), Failure> {
    match args.action {
        Action::Show { config } => {
            let name = config.display().to_string();
            let text = std::fs::read_to_string(&config).map_err(Failure::while_doing(&name))?;
            let config = crate::config::Config::parse(&text, &name)
                .map_err(|errors| Failure::new(errors.to_string()))?;
            println!(
                "{}",
                toml::to_string(&config)
                    .map_err(Failure::while_doing("cannot show the configuration"))?
            );
            Ok(())
        }
    }
}
