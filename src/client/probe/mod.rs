//! What a SCEP server can do, found out with harmless messages: it is asked for a CRL, again and again.

mod report;

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use pki::{
    Certificate, ContentCipher, Csr, Digest, KeyKind, KeyTransport, Name, PrivateKey,
    SubjectAltNames,
};
use scep::client::{Content, Reply, RequestBuilder, new_transaction_id, self_signed};
use scep::{FailInfo, caps::Capabilities};

use super::{Asked, Device, Dialect, Error, Method, Outcome, Request, Server, ask, differences};
pub use report::{AlgorithmReport, CertificateReport, Probe, Trial};
use report::{describe, judge, role};

/// What is found out beside the harmless things.
#[derive(Default)]
pub struct ProbeOptions {
    /// With a challenge, a throwaway device really enrolls and renews.
    pub challenge: Option<String>,
    /// The subject of that device.
    pub subject: Option<Name>,
}

/// Finds out what `server` can do.
///
/// # Errors
/// Only when nothing can be found out at all: what a server cannot do is in the report.
pub async fn probe(
    server: &mut Server,
    options: &ProbeOptions,
    now: DateTime<Utc>,
) -> Result<Probe, Error> {
    let mut findings = Vec::new();
    let subject = match &options.subject {
        Some(subject) => subject.clone(),
        None => Name::parse("CN=scepd probe")?,
    };
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 })?;
    let device = Device {
        certificate: self_signed(&subject, &key, now)?,
        key,
    };
    let caps = server.capabilities;
    // Whether it is offered or not: the point is to find out.
    let usual = Dialect::choose(&caps, true)?;

    let post = try_method(
        server,
        &device,
        Dialect {
            method: Method::Post,
            ..usual
        },
    )
    .await;
    let get = try_method(
        server,
        &device,
        Dialect {
            method: Method::Get,
            ..usual
        },
    )
    .await;
    if caps.post && !post.works {
        findings.push("POSTPKIOperation is offered but does not work".to_owned());
    }
    let usual = Dialect {
        method: if post.works {
            Method::Post
        } else {
            Method::Get
        },
        ..usual
    };
    let mut algorithms = Vec::new();
    for (name, trial, offered) in trials(usual, &caps) {
        let (accepted, answer) = match harmless(server, &device, trial).await {
            Ok(reply) => (opened(&reply), reply_words(&reply)),
            Err(error) => (Some(false), error.to_string()),
        };
        if offered && accepted == Some(false) {
            findings.push(format!("{name} is offered but not accepted"));
        }
        algorithms.push(AlgorithmReport {
            name,
            accepted,
            answer,
        });
    }

    let next_ca = match server.session.next_ca(&server.ca).await {
        Ok(Some(next)) => {
            let report = |c: &Certificate| describe(c, role(c, next.issuing(), next.ras()), now);
            Some(next.all().iter().map(report).collect())
        }
        Ok(None) => None,
        Err(error) => {
            if caps.next_ca {
                findings.push(format!(
                    "GetNextCACert is offered but does not work: {error}"
                ));
            }
            None
        }
    };

    let (mut enrollment, mut renewal) = (None, None);
    if let Some(challenge) = &options.challenge {
        let (first, second) =
            enroll_and_renew(server, &device, &subject, challenge, usual, &mut findings).await?;
        for (what, trial) in [("enrollment", Some(&first)), ("renewal", second.as_ref())] {
            if let Some(failed) = trial.filter(|trial| !trial.works) {
                findings.push(format!("the {what} did not work: {}", failed.answer));
            }
        }
        enrollment = Some(first);
        renewal = second;
    }

    let certificates: Vec<CertificateReport> = server
        .ca
        .all()
        .iter()
        .map(|c| describe(c, role(c, server.ca.issuing(), server.ca.ras()), now))
        .collect();
    judge(&certificates, &caps, &mut findings);
    let unfit = server.unfit_ras.iter();
    findings.extend(unfit.map(|why| format!("what the server shows as its RA is none: {why}")));
    Ok(Probe {
        url: server.session.endpoint().to_string(),
        at: now,
        capabilities: caps.keywords(),
        certificates,
        next_ca,
        get,
        post,
        algorithms,
        renewal_advertised: caps.renewal,
        enrollment,
        renewal,
        findings,
    })
}

fn trials(usual: Dialect, caps: &Capabilities) -> Vec<(&'static str, Dialect, bool)> {
    let cipher = |cipher| Dialect { cipher, ..usual };
    let digest = |digest| Dialect { digest, ..usual };
    let oaep = |digest| Dialect {
        key_transport: KeyTransport::oaep(digest),
        ..usual
    };
    vec![
        ("AES-128", cipher(ContentCipher::Aes128Cbc), caps.aes),
        ("AES-256", cipher(ContentCipher::Aes256Cbc), false),
        ("DES-EDE3", cipher(ContentCipher::DesEde3Cbc), caps.des3),
        ("SHA-256", digest(Digest::Sha256), caps.sha256),
        ("SHA-384", digest(Digest::Sha384), caps.sha384),
        ("SHA-512", digest(Digest::Sha512), caps.sha512),
        ("SHA-1", digest(Digest::Sha1), caps.sha1),
        ("RSA-OAEP with SHA-1", oaep(Digest::Sha1), false),
        ("RSA-OAEP with SHA-256", oaep(Digest::Sha256), false),
    ]
}

async fn try_method(server: &mut Server, device: &Device, dialect: Dialect) -> Trial {
    let start = Instant::now();
    let result = harmless(server, device, dialect).await;
    let took = start.elapsed();
    match result {
        Ok(reply) => trial(arrived(&reply), reply_words(&reply), took),
        Err(error) => trial(false, error.to_string(), took),
    }
}

fn trial(works: bool, answer: String, took: Duration) -> Trial {
    Trial {
        works,
        answer,
        milliseconds: took.as_secs_f64() * 1000.0,
    }
}

/// GetCRL for the issuing CA's own certificate.
async fn harmless(server: &mut Server, device: &Device, dialect: Dialect) -> Result<Reply, Error> {
    let ca = server.ca.issuing().clone();
    let recipient = server.ca.recipient()?.clone();
    let recipients = [&recipient];
    let content = Content::GetCrl {
        issuer: ca.subject(),
        serial: ca.serial(),
    };
    let mut request = RequestBuilder::new(content, (&device.certificate, &device.key), &recipients)
        .cipher(dialect.cipher)
        .digest(dialect.digest)
        .key_transport(dialect.key_transport)
        .build()?;
    let body = server
        .session
        .pki_operation(request.take_message(), dialect.method)
        .await?;
    Ok(request.open_reply(&body, &server.ca.reply_signers())?)
}

/// Whether the message got to the server whole: any reply to it says so, but for one that doubts just that.
fn arrived(reply: &Reply) -> bool {
    !matches!(
        reply,
        Reply::Failure {
            fail_info: FailInfo::BadMessageCheck,
            ..
        }
    )
}

/// Whether the server has opened the envelope of a question, as far as its reply shows it.
fn opened(reply: &Reply) -> Option<bool> {
    match reply {
        Reply::Crl(_) | Reply::Certificate { .. } => Some(true),
        Reply::Failure { fail_info, .. } => match fail_info {
            FailInfo::BadAlg | FailInfo::BadMessageCheck => Some(false),
            // By RFC 8894 there is no such CRL, so the question was read. But a server that is no oracle, such as
            // scepd, says the same of an envelope that it could not decrypt.
            FailInfo::BadCertId => None,
            // What is refused here, such as GetCRL itself or the time, stands outside the envelope too.
            FailInfo::BadRequest | FailInfo::BadTime => None,
        },
        // No answer to a question: whoever gives it has not looked at what was asked.
        Reply::Pending => None,
    }
}

fn reply_words(reply: &Reply) -> String {
    match reply {
        Reply::Crl(crl) => format!("a CRL with {} entries", crl.entries().len()),
        Reply::Certificate { .. } => "a certificate".to_owned(),
        Reply::Pending => "PENDING".to_owned(),
        Reply::Failure { fail_info, text } => refused_words(*fail_info, text.as_deref()),
    }
}

fn refused_words(fail_info: FailInfo, text: Option<&str>) -> String {
    match text {
        Some(text) if !text.is_empty() => format!("{fail_info}: {text}"),
        _ => fail_info.to_string(),
    }
}

async fn enroll_and_renew(
    server: &mut Server,
    device: &Device,
    subject: &Name,
    challenge: &str,
    dialect: Dialect,
    findings: &mut Vec<String>,
) -> Result<(Trial, Option<Trial>), Error> {
    let now = Utc::now();
    let mut asked = Asked {
        subject: subject.clone(),
        sans: Some(SubjectAltNames::default()),
        previous: None,
        sha1: false,
    };
    let sans = SubjectAltNames::default();
    let csr = Csr::build(subject, &sans, Some(challenge), &[], &device.key)?;
    let start = Instant::now();
    let id = new_transaction_id()?;
    let outcome = ask(server, &Request::Initial(csr), device, &id, dialect, now).await;
    let took = start.elapsed();
    let issued = match outcome {
        Ok(Outcome::Issued(issued)) => issued,
        other => return Ok((trial(false, in_words(other), took), None)),
    };
    compare(&asked, &issued.certificate, "the certificate", findings);
    asked.previous = Some((
        issued.certificate.not_before(),
        issued.certificate.not_after(),
    ));
    let first = trial(
        true,
        format!("a certificate, serial {}", issued.certificate.serial()),
        took,
    );

    let csr = Csr::build(subject, &sans, None, &[], &device.key)?;
    let renewing = Device {
        certificate: issued.certificate,
        key: device.key.clone(),
    };
    let start = Instant::now();
    let id = new_transaction_id()?;
    let outcome = ask(server, &Request::Renewal(csr), &renewing, &id, dialect, now).await;
    let works = matches!(outcome, Ok(Outcome::Issued(_)));
    if let Ok(Outcome::Issued(issued)) = &outcome {
        compare(
            &asked,
            &issued.certificate,
            "the renewed certificate",
            findings,
        );
    }
    Ok((
        first,
        Some(trial(works, in_words(outcome), start.elapsed())),
    ))
}

/// Adds in what a certificate is not as it was asked for.
fn compare(asked: &Asked, got: &Certificate, what: &str, findings: &mut Vec<String>) {
    let found = differences(asked, got);
    findings.extend(
        found
            .iter()
            .map(|difference| format!("{what} is not as it was asked for: {difference}")),
    );
}

fn in_words(outcome: Result<Outcome, Error>) -> String {
    match outcome {
        Ok(Outcome::Issued(issued)) => {
            format!("a certificate, serial {}", issued.certificate.serial())
        }
        Ok(Outcome::Pending) => "PENDING".to_owned(),
        Ok(Outcome::Refused { fail_info, text }) => refused_words(fail_info, text.as_deref()),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_shows_no_more_than_it_says() {
        for (fail_info, got_there, was_opened) in [
            (FailInfo::BadAlg, true, Some(false)),
            (FailInfo::BadMessageCheck, false, Some(false)),
            (FailInfo::BadRequest, true, None),
            (FailInfo::BadTime, true, None),
            (FailInfo::BadCertId, true, None),
        ] {
            let reply = Reply::Failure {
                fail_info,
                text: None,
            };
            assert_eq!(arrived(&reply), got_there, "{fail_info}");
            assert_eq!(opened(&reply), was_opened, "{fail_info}");
        }
        assert!(arrived(&Reply::Pending));
        assert_eq!(opened(&Reply::Pending), None);
    }
}
