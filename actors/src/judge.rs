//! What policy says of a request, seen beside the CAs and RAs of the server.

use crate::shared::Shared;
use challenge::Terms;
use chrono::{DateTime, TimeDelta, Utc};
use issuer::policy::keys::refuse_prime_modulus;
use issuer::{Approved, CertificateRequest, PolicyRefusal};

/// Approves the request of a message that came in, or says why not. Costs time: runs on the compute pool.
pub(crate) fn approve_first(
    shared: &Shared,
    request: CertificateRequest<'_>,
    now: DateTime<Utc>,
) -> Result<Approved, PolicyRefusal> {
    let approved = approve(shared, request, now)?;
    let (key, services) = (approved.public_key(), &shared.services);
    if services.primality.affords(key, services.clock.instant()) {
        refuse_prime_modulus(key)?;
    }
    Ok(approved)
}

/// Approves a request whose key was looked at before, or says why not.
pub(crate) fn approve(
    shared: &Shared,
    request: CertificateRequest<'_>,
    now: DateTime<Utc>,
) -> Result<Approved, PolicyRefusal> {
    let spec = &shared.spec;
    let approved = spec.policy.approve(request, now)?;
    let ras: Vec<_> = spec.ras.iter().flat_map(scep::Ra::certificates).collect();
    approved.check_apart(&spec.issuer.authority(), &ras)?;
    shared.services.peers.known().names.check(&approved)?;
    if let Some(remote) = spec.issuer.remote() {
        remote.can_express(&approved)?;
    }
    Ok(approved)
}

/// The same under the terms of whoever vouched.
pub(crate) fn under_terms(approved: Approved, terms: &Terms, now: DateTime<Utc>) -> Approved {
    let approved = match terms.longest.and_then(TimeDelta::try_seconds) {
        Some(longest) => approved.no_longer_than(longest, now),
        None => approved,
    };
    let approved = match terms.without_sid {
        true => approved.without_sid(),
        false => approved,
    };
    match &terms.sid {
        Some(sid) => approved.with_sid(sid),
        None => approved,
    }
}
