//! Is the signer of a message somebody whose certificate this profile issued, and may it renew?

use crate::refusal::Refusal;
use crate::shared::Shared;
use chrono::{DateTime, Utc};
use pki::{Certificate, Csr};
use scep::FailInfo;

/// What the signer's certificate is to this profile.
pub(crate) enum Standing {
    /// Not one of this issuer's: self-signed, a proxy's, somebody else's.
    Foreign,
    /// Issued through this profile, valid, not revoked.
    Holder,
    /// One of this issuer's, but no ground for a renewal. With a challenge the device may start
    /// anew.
    Unfit(Refusal),
    /// One of this issuer's that was revoked: nothing that it signed is served, challenge or not.
    Revoked(Refusal),
}

/// Looks at the signer's certificate.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn standing(
    shared: &Shared,
    signer: &Certificate,
    now: DateTime<Utc>,
) -> store::Result<Standing> {
    Ok(match holder(shared, signer, now)? {
        Standing::Holder | Standing::Unfit(_) if !shared.spec.renewal.enabled => {
            let words = "this profile does not renew certificates";
            Standing::Unfit(unfit("renewal_off", words))
        }
        standing => standing,
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
    Ok(matches!(holder(shared, signer, now)?, Standing::Holder))
}

fn holder(shared: &Shared, signer: &Certificate, now: DateTime<Utc>) -> store::Result<Standing> {
    let issuer = &shared.spec.issuer;
    if signer.is_ca() || !issuer.issued(signer) {
        return Ok(Standing::Foreign);
    }
    let record = shared
        .services
        .store
        .certificate(issuer.id(), signer.serial().as_bytes())?;
    if let Some(record) = &record
        && record.revoked.is_some()
        && record.der == signer.der()
    {
        let words = "the signer's certificate is revoked";
        return Ok(Standing::Revoked(unfit("renewal_revoked", words)));
    }
    let refusal = match record {
        None => unfit(
            "renewal_unknown",
            "the signer's certificate is not in the store",
        ),
        Some(record) if record.der != signer.der() => unfit(
            "renewal_unknown",
            "the signer's certificate differs from the one issued",
        ),
        Some(record) if record.profile != shared.spec.path_id => unfit(
            "renewal_foreign_profile",
            &format!(
                "the signer's certificate was issued through profile `{}`",
                record.profile
            ),
        ),
        Some(_) if !signer.valid_at(now) => unfit(
            "renewal_expired",
            &format!(
                "the signer's certificate is valid from {} to {} only",
                signer.not_before(),
                signer.not_after()
            ),
        ),
        Some(_) => return Ok(Standing::Holder),
    };
    Ok(Standing::Unfit(refusal))
}

/// Whether the CSR asks for the names of the certificate that it renews, if it must.
pub(crate) fn same_names(shared: &Shared, csr: &Csr, signer: &Certificate) -> Result<(), Refusal> {
    let rules = shared.spec.renewal;
    let same_subject = csr.subject().matches(signer.subject());
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
