//! Gates 4 and 5: when and where a challenge may be used.

use super::claim::Claim;
use super::quoted::quoted;
use super::refused::Refused;
use crate::{AnchorTenant, Label};
use chrono::{DateTime, Duration, Utc};

/// Gate 4: `now + skew >= iat`, `now - skew < exp`, and `now - iat <= validity`.
pub(crate) fn check_time(
    claim: &Claim,
    skew: Duration,
    validity: Option<Duration>,
    now: DateTime<Utc>,
) -> Result<(), Refused> {
    let refuse = |label, reason| Err(Refused::new(label, reason));
    let (Some(issued), Some(expires)) = (claim.issued_at(), claim.expires_at()) else {
        return refuse(Label::Malformed, "`iat` or `exp` is out of range".into());
    };
    // Saturated: an absurd skew makes every time fit rather than overflow.
    let skew = skew.max(Duration::zero());
    let latest_now = now
        .checked_add_signed(skew)
        .unwrap_or(DateTime::<Utc>::MAX_UTC);
    let earliest_now = now
        .checked_sub_signed(skew)
        .unwrap_or(DateTime::<Utc>::MIN_UTC);
    if latest_now < issued {
        return refuse(
            Label::NotYetValid,
            format!(
                "minted in the future: `iat` is {issued}, {} ahead of this server; check both clocks",
                in_words(issued - now)
            ),
        );
    }
    if earliest_now >= expires {
        return refuse(
            Label::Expired,
            format!(
                "`exp` is {expires}, {} ago (tolerance {})",
                in_words(now - expires),
                in_words(skew)
            ),
        );
    }
    if let Some(validity) = validity
        && now - issued > validity
    {
        return refuse(
            Label::Expired,
            format!(
                "minted {} ago; this profile takes {} at most",
                in_words(now - issued),
                in_words(validity)
            ),
        );
    }
    Ok(())
}

/// Gate 5: the audience, where the profile has one.
pub(crate) fn check_audience(claim: &Claim, expected: &str) -> Result<(), Refused> {
    let meant_for = match &claim.aud {
        Some(audience) if audience == expected => return Ok(()),
        Some(audience) => quoted(audience),
        None => "nobody in particular".to_owned(),
    };
    Err(Refused::new(
        Label::WrongAudience,
        format!("meant for {meant_for}; this profile's audience is {expected:?}"),
    ))
}

/// Whether a challenge that a tenant's anchor signed says that it is this tenant's.
pub(crate) fn check_issuer(claim: &Claim, tenant: &AnchorTenant) -> Result<(), Refused> {
    if claim.iss == tenant.issuer {
        return Ok(());
    }
    Err(Refused::new(
        Label::WrongAudience,
        format!(
            "the tenant {:?} signed it, which vouches for the issuer {:?} alone; it says {}",
            tenant.id,
            tenant.issuer,
            quoted(&claim.iss)
        ),
    ))
}

/// A challenge with a tenant's issuer that another connector signed.
pub(crate) fn not_of_tenant(tenant: &AnchorTenant) -> Refused {
    Refused::new(
        Label::WrongAudience,
        format!(
            "it says the issuer {:?}, for which the anchors of the tenant {:?} vouch alone; another connector signed it",
            tenant.issuer, tenant.id
        ),
    )
}

/// A length of time as an operator would say it.
pub(crate) fn in_words(duration: Duration) -> String {
    let seconds = duration.num_seconds();
    match seconds {
        ..=-1 => format!("-{}", in_words(-duration)),
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
