//! Gate 2: the signature, by an anchor that is in date.

use super::ecdsa;
use super::jws::{Algorithm, Jws};
use super::refused::Refused;
use crate::anchors::Verifier;
use crate::{Label, TrustAnchors};
use chrono::{DateTime, Duration, Utc};
use pki::Certificate;

/// The anchor that signed `jws`, with the tenant whose it is.
///
/// Every anchor of the algorithm's key type is tried: nothing in the header chooses among them.
/// Where an expired anchor and one in date have the same key, the latter counts.
pub(crate) fn check<'a>(
    jws: &Jws<'_>,
    anchors: &'a TrustAnchors,
    skew: Duration,
    now: DateTime<Utc>,
) -> Result<&'a Verifier, Refused> {
    let algorithm = jws.algorithm()?;
    let mut out_of_date: Option<&Verifier> = None;
    for verifier in anchors.verifiers(algorithm) {
        let in_date = is_in_date(&verifier.certificate, skew, now);
        if (in_date || out_of_date.is_none()) && signed_by(verifier, algorithm, jws) {
            if in_date {
                return Ok(verifier);
            }
            out_of_date = Some(verifier);
        }
    }
    let out_of_date = out_of_date.map(|verifier| &verifier.certificate);
    Err(refusal(algorithm, out_of_date, anchors, now))
}

fn signed_by(verifier: &Verifier, algorithm: Algorithm, jws: &Jws<'_>) -> bool {
    match algorithm {
        Algorithm::Rs256 => verifier.verifies(jws.signing_input, &jws.signature),
        Algorithm::Es256 => ecdsa::readings(&jws.signature)
            .any(|signature| verifier.verifies(jws.signing_input, &signature)),
    }
}

/// The connector's clock may have been ahead when its certificate was made; expiry knows no
/// tolerance.
fn is_in_date(certificate: &Certificate, skew: Duration, now: DateTime<Utc>) -> bool {
    let latest_now = now
        .checked_add_signed(skew.max(Duration::zero()))
        .unwrap_or(DateTime::<Utc>::MAX_UTC);
    certificate.not_before() <= latest_now && now <= certificate.not_after()
}

fn refusal(
    algorithm: Algorithm,
    out_of_date: Option<&Certificate>,
    anchors: &TrustAnchors,
    now: DateTime<Utc>,
) -> Refused {
    let (label, reason) = match out_of_date {
        Some(anchor) if anchor.not_after() < now => (
            Label::Expired,
            format!(
                "signed by the trust anchor {:?}, which expired at {}; put the connector's present certificate into \
                 the trust-anchor file and reload",
                anchor.subject().to_string(),
                anchor.not_after()
            ),
        ),
        Some(anchor) => (
            Label::NotYetValid,
            format!(
                "signed by the trust anchor {:?}, which is valid only from {}",
                anchor.subject().to_string(),
                anchor.not_before()
            ),
        ),
        None => {
            let tried = anchors.verifiers(algorithm).count();
            let of = anchors.anchors().len();
            let name = algorithm.as_str();
            (
                Label::SignatureInvalid,
                format!(
                    "no trust anchor made this {name} signature ({tried} of {of} have a key for {name})"
                ),
            )
        }
    };
    Refused {
        authentic: out_of_date.is_some(),
        ..Refused::new(label, reason)
    }
}
