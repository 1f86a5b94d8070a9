//! What `enroll`, `renew` and `poll` do with an answer, and how they print it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use pki::Certificate;
use serde_json::{Value, json};

use super::Failure;
use super::errand::Errand;
use super::server_args::failure;
use crate::client::folder::PENDING as PENDING_FILE;
use crate::client::{Difference, Folder, Issued, Outcome, Pending, differences};

/// The exit code of a request that waits for a decision.
pub(super) const PENDING: u8 = 3;

/// Refuses a new request where one waits still: its keys would be lost, and what it is issued with them.
pub(super) fn nothing_waits(folder: &Folder) -> Result<(), Failure> {
    let Some(pending) = folder.waiting().map_err(failure)? else {
        return Ok(());
    };
    Err(Failure::usage(format!(
        "a request for \"{}\" waits here: `scepd poll --out {}`, or remove {} to ask anew",
        pending.subject,
        shell(folder.path()),
        folder.file(PENDING_FILE).display()
    )))
}

/// Keeps what came in the directory and prints it.
pub(super) fn settle(outcome: Outcome, errand: &Errand) -> Result<(), Failure> {
    let (folder, pending) = (&errand.folder, &errand.pending);
    let as_json = errand.answer.json;
    match outcome {
        Outcome::Issued(mut issued) => {
            let (changed, wrong): (Vec<_>, Vec<_>) =
                differences(&errand.asked, &issued.certificate)
                    .into_iter()
                    .partition(Difference::is_change);
            if !wrong.is_empty() || (!changed.is_empty() && !errand.answer.accept_changes) {
                return Err(not_as_asked(errand, &issued, &changed, &wrong)?);
            }
            issued
                .findings
                .extend(changed.iter().map(Difference::to_string));
            let key = folder.write_issued(&issued, pending).map_err(failure)?;
            print_issued(&issued, folder, &key, pending, as_json);
            Ok(())
        }
        Outcome::Pending => {
            folder
                .write_pending(pending, &errand.device)
                .map_err(failure)?;
            let dir = folder.path();
            if as_json {
                print_json(&json!({
                    "status": "pending",
                    "url": pending.url,
                    "transaction_id": pending.transaction_id,
                    "subject": pending.subject,
                    "dir": dir,
                }));
            }
            Err(Failure::new(format!(
                "the request is pending; when it has been decided: scepd poll --out {}",
                shell(dir)
            ))
            .with_code(PENDING))
        }
        Outcome::Refused { fail_info, text } => {
            folder.forget_pending().map_err(failure)?;
            if as_json {
                print_json(&json!({
                    "status": "refused",
                    "url": pending.url,
                    "transaction_id": pending.transaction_id,
                    "subject": pending.subject,
                    "fail_info": fail_info.name(),
                    "text": text,
                }));
            }
            let why = text.map(|text| format!(": {text}")).unwrap_or_default();
            Err(Failure::new(format!(
                "the server refused the request with {fail_info}{why}"
            )))
        }
    }
}

/// Says what is wrong with a certificate. One with mere changes can be had still: the request is kept for `poll`.
fn not_as_asked(
    errand: &Errand,
    issued: &Issued,
    changed: &[Difference],
    wrong: &[Difference],
) -> Result<Failure, Failure> {
    let (folder, pending) = (&errand.folder, &errand.pending);
    let all: Vec<String> = wrong
        .iter()
        .chain(changed)
        .map(ToString::to_string)
        .collect();
    if errand.answer.json {
        print_json(&json!({
            "status": if wrong.is_empty() { "changed" } else { "not_as_asked" },
            "url": pending.url,
            "transaction_id": pending.transaction_id,
            "certificate": describe(&issued.certificate),
            "differences": all,
        }));
    }
    let what = all.join("; ");
    if !wrong.is_empty() {
        return Ok(Failure::new(format!(
            "the certificate that came is not what was asked for, and was not kept: {what}"
        )));
    }
    folder
        .write_pending(pending, &errand.device)
        .map_err(failure)?;
    Ok(Failure::new(format!(
        "the server changed what was asked for, and the certificate was not kept: {what}. To take it as it is: scepd poll \
         --accept-changes --out {}",
        shell(folder.path())
    )))
}

fn print_issued(issued: &Issued, folder: &Folder, key: &Path, pending: &Pending, as_json: bool) {
    let certificate = &issued.certificate;
    let (cert, chain, ca) = (
        folder.file("cert.pem"),
        folder.file("chain.pem"),
        folder.file("ca.pem"),
    );
    if as_json {
        print_json(&json!({
            "status": "issued",
            "url": pending.url,
            "transaction_id": pending.transaction_id,
            "certificate": describe(certificate),
            "chain": issued.chain.iter().map(describe).collect::<Vec<_>>(),
            "findings": issued.findings,
            "files": { "key": key, "cert": cert, "chain": chain, "ca": ca },
        }));
        return;
    }
    let mut text = format!("certificate for \"{}\"", certificate.subject());
    if !certificate.sans().is_empty() {
        let _ = write!(text, "\n  names    {}", certificate.sans());
    }
    let _ = write!(text, "\n  issuer   {}", certificate.issuer());
    let _ = write!(text, "\n  serial   {}", certificate.serial());
    let _ = write!(
        text,
        "\n  valid    {} to {}",
        certificate.not_before(),
        certificate.not_after()
    );
    let _ = write!(text, "\n  key      {}", key.display());
    let _ = write!(text, "\n  cert     {}", cert.display());
    let _ = write!(text, "\n  chain    {}", chain.display());
    for finding in &issued.findings {
        let _ = write!(text, "\n  finding  {finding}");
    }
    // A server may leave out the root; then the last CA is all there is to trust.
    let partial = match issued.chain.last() {
        Some(top) if top.is_self_issued() => "",
        _ => "-partial_chain ",
    };
    let _ = write!(
        text,
        "\ncheck it:\n  openssl verify {partial}-CAfile {} -untrusted {} {}",
        shell(&ca),
        shell(&chain),
        shell(&cert)
    );
    print_text(&text);
}

fn describe(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject().to_string(),
        "sans": certificate.sans().to_string(),
        "issuer": certificate.issuer().to_string(),
        "serial": certificate.serial().to_hex(),
        "not_before": certificate.not_before().to_rfc3339(),
        "not_after": certificate.not_after().to_rfc3339(),
        "key": certificate.public_key().kind().to_string(),
        "sha256": hex::encode(certificate.fingerprint()),
    })
}

/// Prints a JSON document to stdout.
pub(super) fn print_json(value: &Value) {
    print_text(&format!("{value:#}"));
}

/// Prints text and a line feed to stdout. Who reads it may have gone away (`| head`): that is no failure of the command.
pub(super) fn print_text(text: &str) {
    let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
}

/// A path as a shell takes it.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
