//! `scepd enroll`: a key, a request, a certificate.

use std::path::PathBuf;

use chrono::Utc;
use clap::Args;
use pki::{Curve, KeyKind, Name, PrivateKey, SubjectAltNames};
use scep::client::self_signed;

use super::Failure;
use super::errand::{AnswerArgs, CertificateRequest, ChallengeArgs};
use super::outcome::nothing_waits;
use super::server_args::{DialectArgs, ServerArgs, block_on, failure};
use crate::client::folder::read_key;
use crate::client::{Device, Error, Folder};

/// Get a certificate from a SCEP server.
///
/// A certificate that is not what was asked for is refused by name, and nothing is overwritten. Exit code 3 means that the
/// request waits for approval: `scepd poll` asks again.
#[derive(Debug, Args)]
pub(super) struct EnrollArgs {
    /// The server, for instance https://scep.example.com:8443/scep/corp
    #[arg(long)]
    url: String,
    #[command(flatten)]
    challenge: ChallengeArgs,
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
    /// Directory for key.pem, cert.pem, chain.pem and ca.pem. They change together, by one rename; what they were before
    /// stays as key.pem.previous and cert.pem.previous.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    answer: AnswerArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    dialect: DialectArgs,
}

pub(super) fn run(args: EnrollArgs) -> Result<(), Failure> {
    block_on(enroll(args))
}

async fn enroll(args: EnrollArgs) -> Result<(), Failure> {
    let subject = Name::parse(&args.subject)
        .map_err(|error| Failure::usage(format!("--subject: {error}")))?;
    let sans = SubjectAltNames::parse(&args.san.join(","))
        .map_err(|error| Failure::usage(format!("--san: {error}")))?;
    let challenge = args.challenge.read()?;
    let folder = Folder::open(&args.out).map_err(failure)?;
    nothing_waits(&folder)?;
    let (key, key_file) = device_key(&folder, args.key, args.key_type).map_err(failure)?;
    let signer = signer(&subject, &key).map_err(failure)?;
    let request = CertificateRequest {
        subject,
        sans,
        challenge,
        key,
        key_file,
        signer,
        renews: None,
        folder,
    };
    request
        .send(args.url, &args.server, &args.dialect, args.answer)
        .await
}

/// The key to be certified, and its file: the one that is named, else the directory's own, else a new one.
fn device_key(
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
