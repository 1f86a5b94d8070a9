//! A request on its way: sent, waited for where it needs a decision, and what comes of it kept.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use pki::{Csr, Name, PrivateKey, SubjectAltNames};
use scep::client::new_transaction_id;

use super::Failure;
use super::outcome::settle;
use super::server_args::{DialectArgs, ServerArgs, failure};
use crate::client::folder::read;
use crate::client::{
    Asked, Device, Dialect, Error, Folder, Method, Outcome, Patience, Pending, Request, Server,
    ask, wait_for_decision,
};

/// The flags about the answer that `enroll`, `renew` and `poll` share.
#[derive(Debug, Clone, Args)]
pub(super) struct AnswerArgs {
    /// While the request is pending, poll for this long, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
    /// Time between two polls, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    interval: u64,
    /// Take a certificate that the server changed as it may: organization or place added to the subject, attributes in
    /// another order, a renewal with a shorter life. What is refused by name otherwise is refused with this flag too.
    #[arg(long)]
    pub(super) accept_changes: bool,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl AnswerArgs {
    fn patience(&self) -> Patience {
        Patience {
            interval: Duration::from_secs(self.interval.max(1)),
            longest: Duration::from_secs(self.wait),
        }
    }
}

/// The flags with a challenge password that `enroll` and `renew` share.
#[derive(Debug, Clone, Args)]
pub(super) struct ChallengeArgs {
    /// The challenge password. Renewals need one only where the server says so.
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
}

impl ChallengeArgs {
    /// The challenge, from the flag or the file.
    pub(super) fn read(self) -> Result<Option<String>, Failure> {
        let Some(path) = self.challenge_file else {
            return Ok(self.challenge);
        };
        let text = String::from_utf8(read(&path).map_err(failure)?)
            .map_err(|_| Failure::new(format!("{}: it is not text", path.display())))?;
        Ok(Some(text.trim().to_owned()))
    }
}

/// What `enroll` and `renew` want, before a server has been met.
pub(super) struct CertificateRequest {
    pub(super) subject: Name,
    pub(super) sans: SubjectAltNames,
    pub(super) challenge: Option<String>,
    /// The key to be certified.
    pub(super) key: PrivateKey,
    /// Its file.
    pub(super) key_file: PathBuf,
    /// Who signs.
    pub(super) signer: Device,
    /// The validity of the certificate that is renewed; none for a first certificate.
    pub(super) renews: Option<(DateTime<Utc>, DateTime<Utc>)>,
    pub(super) folder: Folder,
}

impl CertificateRequest {
    /// Meets the server at `url`, asks, and keeps what comes.
    ///
    /// # Errors
    /// As [`Errand::run`].
    pub(super) async fn send(
        self,
        url: String,
        server: &ServerArgs,
        dialect: &DialectArgs,
        answer: AnswerArgs,
    ) -> Result<(), Failure> {
        let legacy = dialect.legacy();
        let server = server.meet(&url).await?;
        let dialect = dialect.choose(&server)?;
        let (subject, sans, key) = (self.subject, self.sans, self.key);
        let csr = Csr::build(&subject, &sans, self.challenge.as_deref(), &[], &key)
            .map_err(Error::from)
            .map_err(failure)?;
        let id = new_transaction_id().map_err(Error::from).map_err(failure)?;
        let pending = Pending {
            url,
            transaction_id: id,
            subject: csr.subject().to_string(),
            sans: Some(sans.to_string()),
            previous: self.renews,
            ca_fingerprint: hex::encode(server.ca.issuing().fingerprint()),
            tls: server.session.trust().clone(),
            by_get: dialect.method == Method::Get,
            legacy,
            key: self.key_file,
        };
        let errand = Errand {
            server,
            dialect,
            request: match self.renews {
                Some(_) => Request::Renewal(csr),
                None => Request::Initial(csr),
            },
            poll: Request::Poll {
                subject: subject.clone(),
                key: key.public_key().clone(),
            },
            asked: Asked {
                subject,
                sans: Some(sans),
                previous: self.renews,
                sha1: legacy,
            },
            device: self.signer,
            pending,
            folder: self.folder,
            answer,
        };
        errand.run().await
    }
}

/// What `enroll`, `renew` and `poll` have in common once they know what to ask.
pub(super) struct Errand {
    pub(super) server: Server,
    pub(super) dialect: Dialect,
    /// What is asked first.
    pub(super) request: Request,
    /// What is asked while a decision is waited for.
    pub(super) poll: Request,
    /// What the certificate has to be.
    pub(super) asked: Asked,
    /// Who signs.
    pub(super) device: Device,
    /// What is to be known of the request should it have to wait.
    pub(super) pending: Pending,
    pub(super) folder: Folder,
    pub(super) answer: AnswerArgs,
}

impl Errand {
    /// Sends, waits and keeps.
    ///
    /// # Errors
    /// The server cannot be asked, refuses, has not decided in time, or gives another certificate than was asked for.
    pub(super) async fn run(mut self) -> Result<(), Failure> {
        let id = &self.pending.transaction_id;
        let (server, device, dialect) = (&mut self.server, &self.device, self.dialect);
        let mut outcome = ask(server, &self.request, device, id, dialect, Utc::now())
            .await
            .map_err(failure)?;
        if let Outcome::Pending = outcome {
            // Kept before the waiting starts: it may be interrupted.
            let kept = self.folder.write_pending(&self.pending, device);
            kept.map_err(failure)?;
            let patience = self.answer.patience();
            outcome = wait_for_decision(server, &self.poll, device, id, dialect, patience)
                .await
                .map_err(failure)?;
        }
        settle(outcome, &self)
    }
}
