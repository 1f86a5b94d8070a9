//! `scepd completions`: what a shell needs to complete this command line.

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::{Cli, Failure};

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Put the text where your shell looks for it, for example:
  scepd completions bash > /usr/share/bash-completion/completions/scepd
  scepd completions zsh > /usr/share/zsh/vendor-completions/_scepd
  scepd completions fish > /usr/share/fish/vendor_completions.d/scepd.fish")]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: ShellArg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ShellArg {
    Bash,
    Zsh,
    Fish,
}

/// Prints the completions.
///
/// # Errors
/// Standard output cannot be written to.
pub(super) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    let shell = match args.shell {
        ShellArg::Bash => Shell::Bash,
        ShellArg::Zsh => Shell::Zsh,
        ShellArg::Fish => Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "scepd", &mut text);
    print!("{}", String::from_utf8_lossy(&text));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_command_can_be_completed_in_every_shell() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "scepd", &mut text);
            let text = String::from_utf8(text).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(
                    text.contains(command.get_name()),
                    "{shell} does not know {}",
                    command.get_name()
                );
            }
        }
    }
}
