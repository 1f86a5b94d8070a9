//! `scepd certs revoke` and `release`: many certificates at the running server, counted first.

use std::path::PathBuf;

use api::{BulkAction, BulkReply, BulkRequest, CertificateSelection, RevocationReason};
use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat, Utc};
use clap::{Args, ValueEnum};

use crate::cli::Failure;
use crate::cli::orders::{carry_out, unexpected};
use crate::cli::sources::SourceArgs;
use crate::control::{Answer, Order};

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    #[command(flatten)]
    change: ChangeArgs,
    /// Why; goes into the CRL
    #[arg(long, value_enum, default_value_t = Reason::Unspecified)]
    reason: Reason,
}

#[derive(Debug, Args)]
pub(super) struct ReleaseArgs {
    #[command(flatten)]
    change: ChangeArgs,
}

/// Which certificates, and whether it is done.
#[derive(Debug, Args)]
struct ChangeArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Only those of this SCEP profile; "" is the root profile
    #[arg(long, value_name = "PATH_ID")]
    profile: Option<String>,
    /// Only those of this issuer
    #[arg(long, value_name = "ID")]
    issuer: Option<String>,
    /// Only those of this device
    #[arg(long, value_name = "DEVICE")]
    device: Option<String>,
    /// Only those with this text in a name, the serial number, the device or the transactionID
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Only those issued then or later (2026-01-31, or RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = time)]
    issued_since: Option<DateTime<Utc>>,
    /// Only those issued before
    #[arg(long, value_name = "TIME", value_parser = time)]
    issued_before: Option<DateTime<Utc>>,
    /// Only those revoked at exactly this time: what an earlier command did, as it said
    #[arg(long, value_name = "TIME", value_parser = time)]
    revoked_at: Option<DateTime<Utc>>,
    /// Only this serial number, in hex; may be repeated
    #[arg(long, value_name = "SERIAL")]
    serial: Vec<String>,
    /// Only the serial numbers in this file, in hex, apart by blanks, commas or lines
    #[arg(long, value_name = "FILE")]
    serials_file: Option<PathBuf>,
    /// Do it, if there are exactly so many; without this they are counted and nothing is changed
    #[arg(long, value_name = "NUMBER")]
    expected: Option<u64>,
    /// Anything worth keeping in the audit
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The reasons of RFC 5280, section 5.3.1, as the admin API calls them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Reason {
    /// None in particular
    Unspecified,
    /// Its key is in wrong hands: no certificate is issued for the key again
    KeyCompromise,
    /// The CA's key is in wrong hands
    CaCompromise,
    /// Its names are no longer right
    AffiliationChanged,
    /// Another one has taken its place
    Superseded,
    /// It is no longer needed
    CessationOfOperation,
    /// Its holder may no longer have it
    PrivilegeWithdrawn,
    /// For a while; taken back with `scepd certs release`
    CertificateHold,
}

impl From<Reason> for RevocationReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::KeyCompromise => Self::KeyCompromise,
            Reason::CaCompromise => Self::CaCompromise,
            Reason::AffiliationChanged => Self::AffiliationChanged,
            Reason::Superseded => Self::Superseded,
            Reason::CessationOfOperation => Self::CessationOfOperation,
            Reason::PrivilegeWithdrawn => Self::PrivilegeWithdrawn,
            Reason::CertificateHold => Self::CertificateHold,
        }
    }
}

pub(super) fn revoke(args: RevokeArgs) -> Result<(), Failure> {
    let did = match args.reason {
        Reason::CertificateHold => "put on hold",
        _ => "revoked",
    };
    let reason = Some(args.reason.into());
    let reply = change(&args.change, BulkAction::Revoke, reason, did)?;
    if let Some(at) = reply.at.filter(|_| args.reason == Reason::CertificateHold)
        && !args.change.json
    {
        println!(
            "taken back by: scepd certs release --revoked-at {}",
            shown(at)
        );
    }
    Ok(())
}

pub(super) fn release(args: ReleaseArgs) -> Result<(), Failure> {
    change(
        &args.change,
        BulkAction::Release,
        None,
        "released from hold",
    )
    .map(drop)
}

fn change(
    args: &ChangeArgs,
    action: BulkAction,
    reason: Option<RevocationReason>,
    did: &str,
) -> Result<BulkReply, Failure> {
    let mut serials = args.serial.clone();
    if let Some(file) = &args.serials_file {
        let text = super::read(file).map_err(Failure::new)?;
        serials.extend(listed(&String::from_utf8_lossy(&text)));
        if serials.is_empty() {
            // Nothing given would mean any.
            let words = format!("{}: there is no serial number in it", file.display());
            return Err(Failure::new(words));
        }
    }
    let order = Order::ChangeCertificates(BulkRequest {
        action,
        selection: CertificateSelection {
            issuer_id: args.issuer.clone(),
            profile: args.profile.clone(),
            device: args.device.clone(),
            q: args.text.clone(),
            issued_since: args.issued_since,
            issued_before: args.issued_before,
            revoked_at: args.revoked_at,
            serials,
        },
        reason,
        note: args.note.clone(),
        expected: args.expected,
    });
    let Answer::CertificatesChanged(reply) = carry_out(&args.sources, &order)? else {
        return Err(unexpected());
    };
    if args.json {
        let text = serde_json::to_string_pretty(&reply)
            .map_err(Failure::while_doing("cannot show what was done"))?;
        println!("{text}");
    } else {
        for line in told(&reply, did) {
            println!("{line}");
        }
    }
    Ok(reply)
}

/// What was done, or would be, in lines.
fn told(reply: &BulkReply, did: &str) -> Vec<String> {
    let count = reply.count;
    let ordered = (reply.ordered > 0).then(|| {
        format!(
            "{} of them are of issuers elsewhere, which are asked one by one until each has answered",
            reply.ordered
        )
    });
    if let Some(at) = reply.at {
        let done = format!("{count} certificates {did} as of {}", shown(at));
        return std::iter::once(done).chain(ordered).collect();
    }
    let mut lines = vec![format!("{count} certificates would be {did}")];
    lines.extend(reply.profiles.iter().map(|one| {
        let profile = match one.profile.as_str() {
            "" => "the root profile".to_owned(),
            path_id => format!("profile {path_id}"),
        };
        format!("  {} of {profile}", one.count)
    }));
    lines.extend(reply.newest.iter().map(|one| {
        let name = one.common_name.escape_debug();
        format!("  {}  {name}  issued {}", one.serial, shown(one.issued_at))
    }));
    let more = count.saturating_sub(reply.newest.len() as u64);
    if more > 0 && !reply.newest.is_empty() {
        lines.push(format!("  and {more} more"));
    }
    lines.extend(ordered);
    if count > 0 {
        lines.push(format!(
            "nothing was changed; the same command with --expected {count} does it"
        ));
    }
    lines
}

fn listed(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || c == ',' || c == ';')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A time, or the beginning of a day in UTC.
fn time(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| "write it as 2026-01-31 or 2026-01-31T08:00:00Z".to_owned())
}

/// With everything that the store keeps of it, so that it can be given back.
fn shown(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::ProfileCount;

    fn reply(count: u64) -> BulkReply {
        BulkReply {
            done: false,
            count,
            ordered: 0,
            profiles: vec![ProfileCount {
                profile: String::new(),
                count,
            }],
            newest: Vec::new(),
            at: None,
        }
    }

    #[test]
    fn a_preview_says_what_does_it_and_what_was_done_says_when() {
        let lines = told(&reply(3), "revoked");
        assert_eq!(
            lines,
            [
                "3 certificates would be revoked",
                "  3 of the root profile",
                "nothing was changed; the same command with --expected 3 does it"
            ]
        );
        assert_eq!(told(&reply(0), "revoked").len(), 2, "nothing to do");
        let at = DateTime::from_timestamp_micros(1_800_000_000_000_001);
        let done = BulkReply {
            done: true,
            ordered: 2,
            at,
            ..reply(3)
        };
        let lines = told(&done, "revoked");
        assert_eq!(
            lines[0],
            "3 certificates revoked as of 2027-01-15T08:00:00.000001Z"
        );
        assert!(lines[1].starts_with("2 of them are of issuers elsewhere"));
        // What is shown is what is meant.
        assert_eq!(time("2027-01-15T08:00:00.000001Z").ok(), at);
    }

    #[test]
    fn days_and_lists_are_read() {
        assert_eq!(
            time("2026-01-31").map(shown).as_deref(),
            Ok("2026-01-31T00:00:00Z")
        );
        assert!(time("yesterday").is_err());
        assert_eq!(listed("0a, 0b;\n\n0c "), ["0a", "0b", "0c"]);
    }
}
