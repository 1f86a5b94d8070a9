//! Is the signer of a message somebody whose certificate this profile issued, and may it renew?

use crate::hooks::{Former, FormerRevocations};
use crate::records;
use crate::refusal::Refusal;
use crate::shared::Shared;
use chrono::{DateTime, Utc};
use pki::{Certificate, Csr, PublicKey};
use scep::FailInfo;
use store::{CertificateRecord, Store};

/// Of a record that does not say how its device was let in, so many renewals are followed back.
const RENEWALS_FOLLOWED: usize = 64;

/// What the signer's certificate is to this profile.
pub(crate) enum SignerStatus {
    /// Not one of this issuer's: self-signed, a proxy's, somebody else's.
    Unknown,
    /// Issued through this profile, valid, not revoked.
    Active {
        /// Whether the gates of a signed challenge let the device in.
        through_gates: bool,
        /// Of a certificate that the store does not know: what vouches for it.
        former: Option<String>,
    },
    /// Issued through this profile, not revoked, and past its end: no ground for a renewal. With a challenge the device
    /// may start anew.
    Expired(Refusal),
    /// One of this issuer's, but no ground for a renewal.
    NotEligible(Refusal),
    /// One of this issuer's that was revoked: nothing that it signed is served, challenge or not.
    Revoked(Refusal),
}

/// Looks at the signer's certificate.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn signer_status(
    shared: &Shared,
    signer: &Certificate,
    now: DateTime<Utc>,
) -> store::Result<SignerStatus> {
    Ok(match holder(shared, signer, now)? {
        SignerStatus::Active { .. } | SignerStatus::Expired(_) | SignerStatus::NotEligible(_)
            if !shared.spec.renewal.enabled =>
        {
            let words = "this profile does not renew certificates";
            SignerStatus::NotEligible(unfit("renewal_off", words))
        }
        other => other,
    })
}

/// Whether the signer holds a certificate of this profile that is valid and not revoked, whether or not such
/// certificates are renewed.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn is_holder(
    shared: &Shared,
    signer: &Certificate,
    now: DateTime<Utc>,
) -> store::Result<bool> {
    Ok(matches!(
        holder(shared, signer, now)?,
        SignerStatus::Active { .. }
    ))
}

fn holder(
    shared: &Shared,
    signer: &Certificate,
    now: DateTime<Utc>,
) -> store::Result<SignerStatus> {
    let issuer = &shared.spec.issuer;
    if signer.is_ca() || !issuer.authority().issued(signer) {
        return Ok(SignerStatus::Unknown);
    }
    let ca = records::ca_of(&**issuer, signer);
    let record = shared
        .services
        .store
        .certificate(&ca, signer.serial().as_bytes())?;
    if let Some(record) = &record
        && record.revoked.is_some()
        && record.der == signer.der()
    {
        let words = "the signer's certificate is revoked";
        return Ok(SignerStatus::Revoked(unfit("renewal_revoked", words)));
    }
    if record.is_none()
        && let Some(former) = &shared.spec.former
    {
        return Ok(issued_by_another(shared, &**former, signer, now));
    }
    let refusal = match record {
        // Perhaps it was let go since its end.
        None if !signer.valid_at(now) => return Ok(expired(signer)),
        None => unfit(
            "renewal_unknown",
            "the signer's certificate is not in the store",
        ),
        Some(record) if record.der != signer.der() => unfit(
            "renewal_unknown",
            "the signer's certificate differs from the one issued",
        ),
        Some(record) if !shared.spec.is_called(&record.profile) => unfit(
            "renewal_foreign_profile",
            &format!(
                "the signer's certificate was issued through profile `{}`",
                record.profile
            ),
        ),
        Some(_) if !signer.valid_at(now) => return Ok(expired(signer)),
        Some(record) => {
            let through_gates = came_through_gates(&*shared.services.store, record)?;
            return Ok(SignerStatus::Active {
                through_gates,
                former: None,
            });
        }
    };
    Ok(SignerStatus::NotEligible(refusal))
}

fn expired(signer: &Certificate) -> SignerStatus {
    let words = format!(
        "the signer's certificate is valid from {} to {} only",
        signer.not_before(),
        signer.not_after()
    );
    SignerStatus::Expired(unfit("renewal_expired", &words))
}

/// What a certificate of this issuer is that another server has issued. Nobody knows how its device was let in: where there
/// are gates, they hold.
fn issued_by_another(
    shared: &Shared,
    former: &dyn FormerRevocations,
    signer: &Certificate,
    now: DateTime<Utc>,
) -> SignerStatus {
    match former.look(signer, now) {
        Err(why) => {
            let words = format!(
                "the signer's certificate is not in the store, and renewal.unknown_crl does not vouch for it: {why}"
            );
            SignerStatus::NotEligible(unfit("renewal_unknown", &words))
        }
        Ok(Former {
            revoked: true,
            list,
        }) => {
            let words = format!("the signer's certificate is revoked: {list}");
            SignerStatus::Revoked(unfit("renewal_revoked", &words))
        }
        Ok(_) if !signer.valid_at(now) => expired(signer),
        Ok(Former { list, .. }) => SignerStatus::Active {
            through_gates: shared.spec.intune.is_some(),
            former: Some(format!(
                "the signer's certificate {} is not in the store; accepted by renewal.unknown_certificates and {list}",
                signer.serial()
            )),
        },
    }
}

/// Whether the gates of a signed challenge let in who was issued this certificate, or the first of those that it renews.
fn came_through_gates(store: &dyn Store, record: CertificateRecord) -> store::Result<bool> {
    let mut record = record;
    for _ in 0..RENEWALS_FOLLOWED {
        if record.through_gates.is_some() || record.device.is_some() {
            break;
        }
        let Some(serial) = &record.renews else { break };
        // A rollover may lie between the two.
        let before = store.certificates_with_serial(serial)?.into_iter();
        let mut before =
            before.filter(|before| before.ca == record.ca || before.issuer_id == record.issuer_id);
        match before.next() {
            Some(before) => record = before,
            None => break,
        }
    }
    Ok(record.is_through_gates())
}

/// Whether the CSR asks for the names of the certificate that it renews, if it must.
pub(crate) fn same_names(shared: &Shared, csr: &Csr, signer: &Certificate) -> Result<(), Refusal> {
    let rules = shared.spec.renewal;
    let (asked, has) = (csr.subject(), signer.subject());
    // A client that turns its name round is still the same device; policy gives it the certificate's.
    let same_subject = asked.matches(has) || asked.matches_reversed(has);
    let same_sans = csr.sans().same_names(signer.sans());
    if (same_subject || rules.subject_may_change) && (same_sans || rules.sans_may_change) {
        return Ok(());
    }
    Err(unfit(
        "renewal_names",
        &format!(
            "a renewal keeps its names: the certificate has `{}` [{}], the request `{}` [{}]",
            signer.subject(),
            signer.sans(),
            csr.subject(),
            csr.sans()
        ),
    )
    .telling("a renewal must keep subject and alternative names"))
}

/// The refusal of a renewal that comes around the gates.
pub(crate) fn around_gates() -> Refusal {
    unfit(
        "renewal_gates",
        "the signer's certificate was issued to a signed challenge and is renewed with one only; renewal.without_gates \
         = true allows renewals without",
    )
    .telling("a renewal of this certificate needs a challenge of the device management")
}

/// Whether a certificate of this CA for one of these keys was revoked as compromised.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn is_compromised(shared: &Shared, keys: &[&PublicKey]) -> store::Result<bool> {
    let services = &shared.services;
    let issuer = &*shared.spec.issuer;
    services.compromised.has(&*services.store, issuer, keys)
}

/// The refusal of a request for or with a key that was revoked as compromised.
pub(crate) fn compromised() -> Refusal {
    let words = "a certificate of this CA for the key of the request, or for the key that signed it, was revoked for \
                 keyCompromise; the device must make a new key";
    unfit("key_compromised", words).telling("this key was reported as compromised; make a new one")
}

/// The refusal of a RenewalReq whose signer is nobody's.
pub(crate) fn foreign() -> Refusal {
    unfit(
        "renewal_foreign",
        "a RenewalReq must be signed with a certificate of this issuer",
    )
    .anonymous()
}

fn unfit(reason: &'static str, message: &str) -> Refusal {
    Refusal::new(FailInfo::BadRequest, reason, message).telling("the signer may not renew here")
}
