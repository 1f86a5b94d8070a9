//! From octets to something that can be decided on. Runs on the compute pool: everything here may
//! cost RSA time or a look into the store, and nothing here changes anything.

use crate::enrollment::{
    BY_CERTIFICATE, EnrollmentRequest, Evidence, Key, PriorResult, Question, Rejected, Waiting,
    digest, poll_key,
};
use crate::judge;
use crate::refusal::Refusal;
use crate::renewal::{self, SignerStatus};
use crate::shared::Shared;
use challenge::{Check, CsrFacts, NotVouched, Request, Validator};
use chrono::{DateTime, Utc};
use issuer::{CertificatePolicy, CertificateRequest};
use pki::{Certificate, Csr, Serial};
use scep::{Body, FailInfo, MessageType, OpenError, Opened, ReplyTo};
use std::net::IpAddr;
use std::sync::Arc;
use store::CaId;

/// What a PKIMessage turned out to be.
pub(crate) enum Read {
    /// Not a PKIMessage: HTTP 400.
    Unreadable(String),
    /// A PKIMessage that is refused before it is known what it asks for.
    Refused(Box<Rejected>),
    Enrollment(Arc<EnrollmentRequest>),
    Query {
        reply: Box<ReplyTo>,
        question: Question,
        findings: Vec<String>,
    },
    /// The store could not be read.
    Unavailable(store::Error),
}

/// What a device is told that takes the CA's certificate for the RA's. Who a message is for stands in it in the clear, and
/// nothing was decrypted.
const TO_THE_CA: &str = "the message is encrypted to the CA, not to the RA; get the CA certificates again and use the RA's";

/// Opens a message and gathers all that its decision needs.
pub(crate) fn read(shared: &Shared, message: &[u8], source: IpAddr, now: DateTime<Utc>) -> Read {
    let spec = &shared.spec;
    let Opened {
        reply,
        body,
        findings,
    } = match scep::open(message, spec.openers().map(|ra| &ra.opens), spec.mode) {
        Ok(opened) => opened,
        Err(OpenError::Unreadable(words)) => return Read::Unreadable(words),
        Err(OpenError::Refused {
            reply,
            fail_info,
            text,
            detail,
            verified,
            opaque,
            strangers,
        }) => {
            let authority = spec.issuer.authority();
            let ca = authority.certificate();
            let (text, detail) = match strangers.iter().any(|id| id.names(ca)) {
                true => (
                    TO_THE_CA.into(),
                    format!("encrypted to the CA, not to the RA: {detail}"),
                ),
                false => (text, detail),
            };
            let rejected = Rejected {
                reply: *reply,
                fail_info,
                text,
                detail,
                verified,
                opaque,
                guess: opaque,
            };
            return Read::Refused(Box::new(rejected));
        }
    };
    let poll_key = poll_key(transaction_id(&reply), &reply.signer);
    match body {
        Body::PkcsReq(csr) | Body::RenewalReq(csr) => {
            let keys = (poll_key, digest(&[message]));
            match asked(shared, reply, csr, keys, source, findings, now) {
                Ok(asked) => Read::Enrollment(Arc::new(asked)),
                Err(error) => Read::Unavailable(error),
            }
        }
        Body::CertPoll { issuer, .. } => Read::Query {
            reply: Box::new(reply),
            question: Question::CertPoll { issuer, poll_key },
            findings,
        },
        Body::GetCert { issuer, serial } => Read::Query {
            reply: Box::new(reply),
            question: Question::GetCert { issuer, serial },
            findings,
        },
        Body::GetCrl { issuer, serial } => Read::Query {
            reply: Box::new(reply),
            question: Question::GetCrl { issuer, serial },
            findings,
        },
    }
}

fn asked(
    shared: &Shared,
    reply: ReplyTo,
    csr: Csr,
    (poll_key, message): (Key, Key),
    source: IpAddr,
    mut findings: Vec<String>,
    now: DateTime<Utc>,
) -> store::Result<EnrollmentRequest> {
    let spec = &shared.spec;
    let key = digest(&[
        reply.message_type.as_text().as_bytes(),
        transaction_id(&reply).as_bytes(),
        reply.signer.der(),
        csr.der(),
    ]);
    let record = shared.enrollment(&key)?;
    let facts = CsrFacts::from_csr(&csr);
    let validator = shared.validator(csr.challenge_password());
    let intune = validator.is_some_and(Validator::is_counted);
    let (mut by_holder, mut notes) = (false, Vec::new());
    let bounds = match csr.der().len() {
        octets if octets > spec.max_csr_bytes => Err(too_large(octets, spec.max_csr_bytes)),
        _ => CertificatePolicy::bounds(&csr).map_err(Refusal::from),
    };
    let (renews, evidence) = match bounds {
        Ok(()) => {
            let status = renewal::signer_status(shared, &reply.signer, now)?;
            if let SignerStatus::Active { former, .. } = &status {
                by_holder = true;
                notes.extend(former.clone());
            }
            let request = Request {
                challenge: csr.challenge_password(),
                names: &facts,
                transaction_id: transaction_id(&reply),
                csr: csr.der(),
                source: Some(source),
            };
            authenticate(shared, &reply, &csr, &request, validator, status, now)
        }
        Err(refused) => (None, Err(refused.anonymous())),
    };
    let keys = [csr.public_key(), reply.signer.public_key()];
    let evidence = match evidence {
        Ok(evidence) if renewal::is_compromised(shared, &keys)? => {
            Err(renewal::compromised().after(evidence.proven.grounds))
        }
        evidence => evidence,
    };
    if let Ok(evidence) = &evidence {
        notes.extend(evidence.proven.grounds.note.clone());
    }
    if renews.is_some() && csr.subject().matches_reversed(reply.signer.subject()) {
        findings.push("the request has the certificate's subject in reverse order".to_owned());
    }
    // Policy costs time, and what nobody vouches for needs none: the refusal stands.
    let approval = match &evidence {
        // What it may have is decided when it is known who vouches for what.
        Ok(evidence) if evidence.open => Err(Refusal::new(
            FailInfo::BadRequest,
            "not_validated",
            "nobody has vouched for this request yet",
        )),
        Ok(evidence) => {
            let request = CertificateRequest {
                csr: &csr,
                vouched_sid: evidence.proven.grounds.sid.as_deref(),
                previous: renews.as_ref().map(|_| &reply.signer),
            };
            judge::approve_first(shared, request, now).map_err(Refusal::from)
        }
        Err(refusal) => Err(refusal.clone()),
    };
    let waits = spec.approval.is_some() && renews.is_none() && approval.is_ok();
    let waiting = waits.then(|| Arc::new(Waiting::new(&csr, Some(source))));
    let (evidence, approval) = match intune {
        true => (
            evidence.map_err(Refusal::counted),
            approval.map_err(Refusal::counted),
        ),
        false => (evidence, approval),
    };
    Ok(EnrollmentRequest {
        key,
        poll_key,
        message,
        waiting,
        renews,
        intune,
        by_holder,
        notes,
        known: record.as_ref().map(PriorResult::from),
        evidence,
        approval,
        findings,
        reply,
        csr,
        facts,
    })
}

fn too_large(octets: usize, most: usize) -> Refusal {
    let words = format!("the CSR has {octets} octets, and limits.max_csr_bytes allows {most}");
    Refusal::new(FailInfo::BadRequest, "csr_too_large", words)
        .telling(&format!("the CSR is larger than {most} octets"))
}

/// Why the device may enroll, and the serial of what it renews, if it does.
fn authenticate(
    shared: &Shared,
    reply: &ReplyTo,
    csr: &Csr,
    request: &Request<'_>,
    validator: Option<&dyn Validator>,
    status: SignerStatus,
    now: DateTime<Utc>,
) -> (Option<Serial>, Result<Box<Evidence>, Refusal>) {
    let spec = &shared.spec;
    let rules = &spec.renewal;
    let intune = validator.is_some_and(Validator::guards_renewals);
    let renewal_message = reply.message_type == MessageType::RenewalReq;
    // Signed by a certificate that this profile issued, and for its names, a PKCSReq is a renewal too. Any other
    // certificate proves nothing and harms nothing there: a key like any other.
    let must_renew = match &status {
        SignerStatus::Revoked(_) => true,
        SignerStatus::Expired(_) => renewal_message && !rules.expired_with_challenge,
        _ => renewal_message,
    };
    let renewal = match status {
        SignerStatus::Active { through_gates, .. } => {
            Some(renewal::same_names(shared, csr, &reply.signer).map(|()| through_gates))
        }
        SignerStatus::Expired(refusal)
        | SignerStatus::NotEligible(refusal)
        | SignerStatus::Revoked(refusal) => Some(Err(refusal)),
        SignerStatus::Unknown if renewal_message => Some(Err(renewal::foreign())),
        SignerStatus::Unknown => None,
    };
    if must_renew
        && renewal_message
        && !intune
        && let Some(Err(refusal)) = renewal
    {
        return (None, Err(refusal));
    }
    let by_challenge = match validator {
        Some(validator) => vouched(validator.id(), validator.check(request, now)),
        None => Err(nobody(csr)),
    };
    // Around the gates there is no renewal. Who knows the static challenge may start anew, as anybody may who does.
    let (around_gates, through_gates) = match &renewal {
        Some(Ok(through_gates)) => {
            let around = *through_gates && !intune && !rules.without_gates;
            (around, intune || *through_gates)
        }
        _ => (false, intune),
    };
    if around_gates {
        match by_challenge {
            Ok(_) if !renewal_message => {}
            // A guess counts as one.
            Err(wrong) if csr.challenge_password().is_some() => return (None, Err(wrong)),
            _ => return (None, Err(renewal::around_gates())),
        }
    }
    let renews =
        (matches!(renewal, Some(Ok(_))) && !around_gates).then(|| reply.signer.serial().clone());
    if renews.is_none()
        && let Some(signers) = &spec.signers
        && !signers
            .iter()
            .any(|one| one.public_key().spki_der() == reply.signer.public_key().spki_der())
    {
        // Whether its challenge was right is nobody's business.
        return (None, Err(stranger(reply)));
    }
    if renews.is_none()
        && spec.signer_key_must_match
        && reply.signer.public_key().spki_der() != csr.public_key().spki_der()
    {
        let words = "the message must be signed with the key that the CSR asks a certificate for";
        return (
            None,
            Err(Refusal::new(FailInfo::BadRequest, "signer_key", words)),
        );
    }
    let through_gates = match around_gates {
        true => intune,
        false => through_gates,
    };
    let evidence = match (by_challenge, renewal) {
        // The gates, and besides the rules of renewal.
        (Ok(evidence), Some(Err(unfit))) if must_renew => Err(unfit.after(evidence.proven.grounds)),
        (Ok(evidence), _) => Ok(Box::new(Evidence {
            through_gates,
            ..*evidence
        })),
        // A device that holds its certificate needs no challenge, unless the profile demands one,
        // or brought one for the gates, or the gates are all there is.
        (Err(_), Some(Ok(_)))
            if !intune
                && !rules.challenge_required
                && (spec.challenge_free_renewals() || rules.without_gates) =>
        {
            Ok(Box::new(Evidence {
                validator: BY_CERTIFICATE.to_owned(),
                through_gates,
                ..Evidence::default()
            }))
        }
        // An unfit certificate says more about what went wrong than a missing challenge.
        (Err(_), Some(Err(unfit))) if !intune && csr.challenge_password().is_none() => Err(unfit),
        (Err(refusal), _) => Err(refusal),
    };
    (renews, evidence)
}

/// The refusal of a first request that did not come through the profile's proxy.
fn stranger(reply: &ReplyTo) -> Refusal {
    let words = format!(
        "the message is signed by `{}`, whose key is none of those in signers_path",
        reply.signer.subject()
    );
    Refusal::new(FailInfo::BadRequest, "signer_unknown", words)
        .telling("the signer may not ask for certificates here")
        .anonymous()
}

fn vouched(validator: &str, check: Check) -> Result<Box<Evidence>, Refusal> {
    match check {
        Check::Proven(proven) => Ok(Box::new(Evidence {
            validator: validator.to_owned(),
            proven: *proven,
            open: false,
            through_gates: false,
        })),
        Check::Ask(_) | Check::Later { .. } => Ok(Box::new(Evidence {
            validator: validator.to_owned(),
            open: true,
            ..Evidence::default()
        })),
        Check::Refused(refused) => Err(Refusal::from(*refused)),
    }
}

/// The refusal of a challenge that none of the profile's validators takes.
fn nobody(csr: &Csr) -> Refusal {
    let words = match csr.challenge_password() {
        Some(_) => {
            "the challengePassword has the shape of none of the challenges that the profile takes, and the profile has no static one"
        }
        None => "the CSR holds no challengePassword; the profile wants an Intune challenge",
    };
    Refusal::from(NotVouched::of_challenge(words))
}

fn transaction_id(reply: &ReplyTo) -> &str {
    reply.transaction_id.as_deref().unwrap_or_default()
}

/// The certificate of a record; `None` while the two are being written: an enrollment is seen before its certificate, and
/// a certificate only when it is durable.
pub(crate) fn certificate_of(
    shared: &Shared,
    ca: &CaId,
    serial: &[u8],
) -> Result<Option<Certificate>, String> {
    let found = shared.services.store.certificate(ca, serial);
    let record = found.map_err(|error| error.to_string())?;
    let certificate = record.map(|record| Certificate::from_der(&record.der));
    certificate.transpose().map_err(|error| error.to_string())
}
