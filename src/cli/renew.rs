//! `scepd renew`: a new certificate in place of an old one, signed for with the old one.

use std::path::PathBuf;

use clap::Args;
use pki::{KeyKind, PrivateKey};

use super::Failure;
use super::errand::{AnswerArgs, CertificateRequest, ChallengeArgs};
use super::outcome::nothing_waits;
use super::server_args::{DialectArgs, ServerArgs, block_on, failure};
use crate::client::folder::{read_certificate, read_key};
use crate::client::{Device, Error, Folder};

/// Renew a certificate: RenewalReq where the server has it, else PKCSReq signed with the old certificate.
///
/// Subject and alternative names are those of the old certificate. A certificate that is not what was asked for is refused
/// by name, and nothing is overwritten. Exit code 3 means that the request waits for approval.
#[derive(Debug, Args)]
pub(super) struct RenewArgs {
    /// The server.
    #[arg(long)]
    url: String,
    /// PEM file with the old certificate. Without it cert.pem of the directory.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// PEM file with its key. Without it key.pem of the directory.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Keep the old key. Without this flag a new one is made, of the same kind.
    #[arg(long)]
    same_key: bool,
    #[command(flatten)]
    challenge: ChallengeArgs,
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

pub(super) fn run(args: RenewArgs) -> Result<(), Failure> {
    block_on(renew(args))
}

async fn renew(args: RenewArgs) -> Result<(), Failure> {
    let challenge = args.challenge.read()?;
    let folder = Folder::open(&args.out).map_err(failure)?;
    nothing_waits(&folder)?;
    let cert_file = args.cert.unwrap_or_else(|| folder.file("cert.pem"));
    let key_name = match args.key {
        Some(path) => std::path::absolute(&path)
            .map_err(|error| Error::file(&path, error))
            .map_err(failure)?,
        None => PathBuf::from("key.pem"),
    };
    let old = Device {
        certificate: read_certificate(&cert_file).map_err(failure)?,
        key: read_key(&folder.file(&key_name)).map_err(failure)?,
    };
    if old.certificate.public_key() != old.key.public_key() {
        return Err(Failure::usage(format!(
            "{} is not the key of {}",
            folder.file(&key_name).display(),
            cert_file.display()
        )));
    }
    if !matches!(old.key.kind(), KeyKind::Rsa { .. }) {
        return Err(Failure::usage(format!(
            "the old key is {}: SCEP can send a renewal's reply to RSA keys only. Enroll again with `scepd enroll`",
            old.key.kind()
        )));
    }
    // A new key is on disk before anything is issued for it, and the old one stays until then.
    let (key, key_file) = if args.same_key {
        (old.key.clone(), key_name)
    } else {
        let key = PrivateKey::generate(old.key.kind().clone())
            .map_err(Error::from)
            .map_err(failure)?;
        let file = folder.write_next_key(&key).map_err(failure)?;
        (key, file)
    };

    let request = CertificateRequest {
        subject: old.certificate.subject().clone(),
        sans: old.certificate.sans().clone(),
        challenge,
        key,
        key_file,
        renews: Some((old.certificate.not_before(), old.certificate.not_after())),
        signer: old,
        folder,
    };
    request
        .send(args.url, &args.server, &args.dialect, args.answer)
        .await
}
