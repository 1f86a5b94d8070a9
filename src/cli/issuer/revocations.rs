//! `scepd issuer revocations`: what somebody has to revoke over there by hand.

use std::io::{self, Write};

use clap::Args;
use pki::{RevocationReason, Serial};
use remote_issuers::adcs::revocation_command;

use crate::cli::orders::{carry_out_with, unexpected};
use crate::cli::{Failure, SourceArgs};
use crate::config::{Config, Issuer, IssuerKind};
use crate::control::{Answer, Order, WaitingRevocation};

#[derive(Debug, Args)]
pub(super) struct RevocationsArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// One JSON object a line, for a program
    #[arg(long)]
    json: bool,
    /// The id of the [[issuer]]
    id: String,
}

/// Writes to stdout. A reader that has seen enough (`| head`) ends that without a word.
pub(super) fn run(args: RevocationsArgs) -> Result<(), Failure> {
    let config: Config = args.sources.load()?.config;
    let known = config.issuers.iter().find(|issuer| issuer.id == args.id);
    let issuer =
        known.ok_or_else(|| Failure::new(format!("there is no [[issuer]] `{}`", args.id)))?;
    let order = Order::WaitingRevocations {
        issuer: args.id.clone(),
    };
    let stdout = io::stdout();
    let mut out = io::BufWriter::new(stdout.lock());
    let mut broken = None;
    let mut sink = |line: &str| {
        let shown = match args.json {
            true => line.to_owned(),
            false => words(issuer, &serde_json::from_str(line)?),
        };
        writeln!(out, "{shown}").map_err(|error| {
            let kind = error.kind();
            broken = Some(error);
            kind.into()
        })
    };
    let answer = carry_out_with(&args.sources, &order, &mut sink);
    let flushed = out.flush();
    match broken.or(flushed.err()) {
        Some(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
        Some(error) => return Err(Failure::while_doing("standard output")(error)),
        None => {}
    }
    match answer? {
        Answer::Exported { events } => {
            eprintln!("scepd: {events} revocations wait");
            Ok(())
        }
        _ => Err(unexpected()),
    }
}

/// The command that does it, or else what waits.
fn words(issuer: &Issuer, waiting: &WaitingRevocation) -> String {
    let reason =
        RevocationReason::from_number(waiting.reason).unwrap_or(RevocationReason::Unspecified);
    match (issuer.kind, Serial::from_hex(&waiting.serial)) {
        (IssuerKind::Adcs, Ok(serial)) => {
            revocation_command(issuer.adcs.ca.as_deref(), &serial, reason)
        }
        _ => format!(
            "{} {} since {} by {}: {}",
            waiting.serial,
            reason.name(),
            waiting
                .since
                .to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            waiting.by.escape_debug(),
            waiting.common_name.escape_debug()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    #[test]
    fn a_command_is_given_where_there_is_one() {
        let waiting = WaitingRevocation {
            serial: "0c8f01".to_owned(),
            reason: 1,
            since: DateTime::UNIX_EPOCH,
            by: "ann".to_owned(),
            common_name: "phone\n7".to_owned(),
        };
        let mut issuer = Issuer {
            kind: IssuerKind::Adcs,
            ..Issuer::default()
        };
        issuer.adcs.ca = Some("ca01\\Corp".to_owned());
        assert_eq!(
            words(&issuer, &waiting),
            "certutil -config \"ca01\\Corp\" -revoke 0c8f01 1"
        );
        issuer.kind = IssuerKind::Vault;
        assert_eq!(
            words(&issuer, &waiting),
            "0c8f01 keyCompromise since 1970-01-01T00:00:00Z by ann: phone\\n7"
        );
    }
}
