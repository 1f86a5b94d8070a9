//! Asking for a certificate, and for what became of the request.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pki::{Certificate, Csr, Name, PrivateKey};
use scep::FailInfo;
use scep::client::{Content, Reply, RequestBuilder};

use super::{Dialect, Error, Server};

/// Who asks: the certificate and key that sign requests and open replies.
#[derive(Clone)]
pub struct Device {
    /// Self-signed for a first request, the old certificate for a renewal.
    pub certificate: Certificate,
    /// Its RSA key.
    pub key: PrivateKey,
}

/// What is asked.
#[derive(Clone)]
pub enum Request {
    /// PKCSReq (19).
    Initial(Csr),
    /// RenewalReq (17), or PKCSReq signed with the old certificate where the server has no renewal.
    Renewal(Csr),
    /// CertPoll (20).
    Poll {
        /// The name that was asked for.
        subject: Name,
        /// The key that the certificate will be about.
        key: pki::PublicKey,
    },
}

/// A certificate, with every check passed.
#[derive(Debug, Clone)]
pub struct Issued {
    /// It is about the key of the request.
    pub certificate: Certificate,
    /// Its issuer first, up to the last CA that the server showed.
    pub chain: Vec<Certificate>,
    /// What about the reply was not as it should be, though not wrong enough to refuse it.
    pub findings: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A certificate.
    Issued(Box<Issued>),
    /// Waits for a decision.
    Pending,
    /// Refused.
    Refused {
        /// Why.
        fail_info: FailInfo,
        /// failInfoText.
        text: Option<String>,
    },
}

/// Sends one request and checks the reply: signature by the RA or CA of GetCACert, transactionID, nonce, key, chain,
/// validity at `now`.
///
/// # Errors
/// When nothing that can be believed came back.
pub async fn ask(
    server: &mut Server,
    request: &Request,
    device: &Device,
    transaction_id: &str,
    dialect: Dialect,
    now: DateTime<Utc>,
) -> Result<Outcome, Error> {
    let issuer = server.ca.issuing().subject().clone();
    let recipient = server.ca.recipient()?.clone();
    let recipients = [&recipient];
    let content = match request {
        Request::Initial(csr) => Content::PkcsReq(csr),
        Request::Renewal(csr) if server.capabilities.renewal => Content::RenewalReq(csr),
        Request::Renewal(csr) => Content::PkcsReq(csr),
        Request::Poll { subject, key } => Content::CertPoll {
            issuer: &issuer,
            subject,
            key,
        },
    };
    let mut message = RequestBuilder::new(content, (&device.certificate, &device.key), &recipients)
        .cipher(dialect.cipher)
        .digest(dialect.digest)
        .key_transport(dialect.key_transport)
        .transaction_id(transaction_id)
        .build()?;
    let body = server
        .session
        .pki_operation(message.take_message(), dialect.method)
        .await?;
    let reply = message
        .open_reply(&body, &server.ca.reply_signers())
        .map_err(|error| Error::reply("PKIOperation", error))?;
    match reply {
        Reply::Certificate {
            leaf, leaf_first, ..
        } => {
            let chain = server
                .ca
                .chain(&leaf, now)
                .map_err(|error| Error::reply("PKIOperation", error))?;
            let mut findings = Vec::new();
            if !leaf_first {
                findings.push("the certificate is not the first in the reply; many clients would store another".to_owned());
            }
            Ok(Outcome::Issued(Box::new(Issued {
                certificate: leaf,
                chain,
                findings,
            })))
        }
        Reply::Pending => Ok(Outcome::Pending),
        Reply::Failure { fail_info, text } => Ok(Outcome::Refused { fail_info, text }),
        Reply::Crl(_) => Err(Error::reply(
            "PKIOperation",
            "a CRL came where a certificate was asked for",
        )),
    }
}

/// How long to wait for a decision.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Between two polls.
    pub interval: Duration,
    /// In all.
    pub longest: Duration,
}

/// Polls until there is a decision or patience ends; then the outcome is PENDING still.
///
/// # Errors
/// As [`ask`].
pub async fn wait_for_decision(
    server: &mut Server,
    poll: &Request,
    device: &Device,
    transaction_id: &str,
    dialect: Dialect,
    patience: Patience,
) -> Result<Outcome, Error> {
    let start = tokio::time::Instant::now();
    loop {
        if start.elapsed() + patience.interval > patience.longest {
            return Ok(Outcome::Pending);
        }
        tokio::time::sleep(patience.interval).await;
        let outcome = ask(server, poll, device, transaction_id, dialect, Utc::now()).await?;
        if !matches!(outcome, Outcome::Pending) {
            return Ok(outcome);
        }
    }
}
