//! `scepd enroll`: a key, a request, a certificate.

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use clap::Args;
use pki::{Csr, Curve, KeyKind, Name, PrivateKey, SubjectAltNames};
use scep::client::{new_transaction_id, self_signed};

use super::Failure;
use super::errand::Errand;
use super::outcome::nothing_waits;
use super::server_args::{DialectArgs, ServerArgs, block_on, failure};
use crate::client::folder::{read, read_key};
use crate::client::{Device, Error, Folder, Method, Patience, Pending, Request};

/// Get a certificate from a SCEP server.
///
/// Exit code 3 means that the request waits for approval: `scepd poll` asks again.
#[derive(Debug, Args)]
pub(super) struct EnrollArgs {
    /// The server, for instance https://scep.example.com:8443/scep/corp
    #[arg(long)]
    url: String,
    /// The challenge password.
    #[arg(
        long,
        env = "SCEPD_CHALLENGE",
        hide_env_values = true,
        conflicts_with = "challenge_file"
    )]
    challenge: Option<String>,
    /// File with the challenge password; blanks and line feeds around it are dropped.
    #[arg(long, value_name = "FILE")]
    challenge_file: Option<PathBuf>,
    /// The name, for instance "C=US, O=Example, CN=laptop-17"
    #[arg(long, value_name = "DN")]
    subject: String,
    /// Alternative names, for instance dns:laptop-17.example.com,email:a@example.com,upn:..,uri:..,ip:..
    #[arg(long, value_name = "NAMES")]
    san: Vec<String>,
    /// PEM file with the key to use. Without it key.pem of the directory, which is made where it is missing.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Kind of key to make: rsa2048, rsa3072, rsa4096, p256 or p384.
    #[arg(long, value_name = "KIND", default_value = "rsa2048", value_parser = key_kind)]
    key_type: KeyKind,
    /// Directory for key.pem, cert.pem, chain.pem and ca.pem.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    dialect: DialectArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How long to wait for a decision.
#[derive(Debug, Clone, Args)]
pub(super) struct WaitArgs {
    /// While the request is pending, poll for this long, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    /// Time between two polls, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    interval: u64,
}

impl WaitArgs {
    /// The same as a value.
    pub(super) fn patience(&self) -> Patience {
        Patience {
            interval: Duration::from_secs(self.interval.max(1)),
            longest: Duration::from_secs(self.wait),
        }
    }
}

pub(super) fn run(args: EnrollArgs) -> Result<(), Failure> {
    block_on(enroll(args))
}

async fn enroll(args: EnrollArgs) -> Result<(), Failure> {
    let subject = Name::parse(&args.subject)
        .map_err(|error| Failure::usage(format!("--subject: {error}")))?;
    let sans = SubjectAltNames::parse(&args.san.join(","))
        .map_err(|error| Failure::usage(format!("--san: {error}")))?;
    let challenge = challenge(args.challenge, args.challenge_file.as_deref())?;
    let folder = Folder::open(&args.out).map_err(failure)?;
    nothing_waits(&folder)?;
    let (key, key_file) = device_key(&folder, args.key, args.key_type).map_err(failure)?;

    let server = args.server.meet(&args.url).await?;
    let dialect = args.dialect.choose(&server)?;
    let signer = signer(&subject, &key).map_err(failure)?;
    let csr = Csr::build(&subject, &sans, challenge.as_deref(), &[], &key)
        .map_err(Error::from)
        .map_err(failure)?;
    let id = new_transaction_id().map_err(Error::from).map_err(failure)?;
    let poll = Request::Poll {
        subject,
        key: key.public_key().clone(),
    };
    let pending = Pending {
        url: args.url,
        transaction_id: id,
        subject: csr.subject().to_string(),
        ca_fingerprint: hex::encode(server.ca.issuing().fingerprint()),
        by_get: dialect.method == Method::Get,
        legacy: args.dialect.legacy(),
        key: key_file,
    };
    let errand = Errand {
        server,
        dialect,
        request: Request::Initial(csr),
        poll,
        device: signer,
        pending,
        folder,
        patience: args.wait.patience(),
        json: args.json,
    };
    errand.run().await
}

/// The challenge, from the flag or the file.
pub(super) fn challenge(
    given: Option<String>,
    file: Option<&std::path::Path>,
) -> Result<Option<String>, Failure> {
    let Some(path) = file else { return Ok(given) };
    let text = String::from_utf8(read(path).map_err(failure)?)
        .map_err(|_| Failure::new(format!("{}: it is not text", path.display())))?;
    Ok(Some(text.trim().to_owned()))
}

/// The key to be certified, and its file: the one that is named, else the directory's own, else a new one.
pub(super) fn device_key(
    folder: &Folder,
    named: Option<PathBuf>,
    kind: KeyKind,
) -> Result<(PrivateKey, PathBuf), Error> {
    if let Some(path) = named {
        let path = std::path::absolute(&path).map_err(|error| Error::file(&path, error))?;
        return Ok((read_key(&path)?, path));
    }
    let key = match folder.key()? {
        Some(key) => key,
        None => {
            let key = PrivateKey::generate(kind)?;
            folder.write_key(&key)?;
            key
        }
    };
    Ok((key, PathBuf::from("key.pem")))
}

/// Who signs the request: the key itself, self-signed, or for keys that cannot receive an encrypted reply a throwaway
/// RSA key.
fn signer(subject: &Name, key: &PrivateKey) -> Result<Device, Error> {
    let key = match key.kind() {
        KeyKind::Rsa { .. } => key.clone(),
        _ => PrivateKey::generate(KeyKind::Rsa { bits: 2048 })?,
    };
    Ok(Device {
        certificate: self_signed(subject, &key, Utc::now())?,
        key,
    })
}

fn key_kind(name: &str) -> Result<KeyKind, String> {
    match name {
        "rsa2048" => Ok(KeyKind::Rsa { bits: 2048 }),
        "rsa3072" => Ok(KeyKind::Rsa { bits: 3072 }),
        "rsa4096" => Ok(KeyKind::Rsa { bits: 4096 }),
        "p256" => Ok(KeyKind::Ec(Curve::P256)),
        "p384" => Ok(KeyKind::Ec(Curve::P384)),
        _ => Err("it is none of rsa2048, rsa3072, rsa4096, p256 and p384".to_owned()),
    }
}
