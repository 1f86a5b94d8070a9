//! Gate 6: the CSR asks for what the claim vouches for, no more and no less.

use super::claim::Claim;
use super::csr_facts::CsrFacts;
use super::quoted::quoted;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// How a URI starts that carries a Windows security identifier (SID) into a certificate.
pub const SID_URI_PREFIX: &str = "tag:microsoft.com,2022-09-14:sid:";

/// A kind of name that claim and CSR are compared in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// The claim `device_name` and the subject's common name.
    DeviceName,
    /// The claim `san_dns` and the SANs of type dNSName.
    SanDns,
    /// The claim `san_rfc822` and the SANs of type rfc822Name.
    SanRfc822,
    /// The claim `san_upn` and the SANs of type otherName 1.3.6.1.4.1.311.20.2.3.
    SanUpn,
    /// SANs of type uniformResourceIdentifier; no claim.
    SanUri,
    /// SANs of type iPAddress; no claim.
    SanIp,
    /// Any other SAN; no claim.
    SanOther,
}

impl Dimension {
    /// The name in audit events: that of the claim where there is one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DeviceName => "device_name",
            Self::SanDns => "san_dns",
            Self::SanRfc822 => "san_rfc822",
            Self::SanUpn => "san_upn",
            Self::SanUri => "san_uri",
            Self::SanIp => "san_ip",
            Self::SanOther => "san_other",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Kinds of names that no claim speaks of. Each is refused at gate 6 unless allowed here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtraNames {
    /// IP addresses.
    pub ip: bool,
    /// URIs, except a SID URI, which the challenge itself must vouch for.
    pub uri: bool,
    /// Any other kind.
    pub other: bool,
}

/// One dimension in which claim and CSR differ, with the values as they were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Which one.
    pub dimension: Dimension,
    /// What the claim allows.
    pub claim: Vec<String>,
    /// What the CSR asks for.
    pub csr: Vec<String>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: the challenge says {}, the CSR {}",
            self.dimension,
            Values(&self.claim),
            Values(&self.csr)
        )
    }
}

struct Values<'a>(&'a [String]);

impl fmt::Display for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (position, value) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if position == 0 { "" } else { ", " };
            write!(f, "{comma}{}", quoted(value))?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Every dimension in which the CSR is not what the claim (and a vouched SID) says; none = bound.
pub(crate) fn mismatches(
    claim: &Claim,
    vouched_sid: Option<&str>,
    csr: &CsrFacts,
    pinned_only: bool,
    allowed: ExtraNames,
) -> Vec<Mismatch> {
    let sans = [
        (Dimension::SanDns, &claim.san_dns, &csr.sans.dns),
        (Dimension::SanRfc822, &claim.san_rfc822, &csr.sans.email),
        (Dimension::SanUpn, &claim.san_upn, &csr.sans.upn),
    ];
    let mut found: Vec<_> = device_name(claim, csr).into_iter().collect();
    for (dimension, said, asked) in sans {
        if said.is_none() && pinned_only {
            continue;
        }
        let said = said.as_deref().unwrap_or_default();
        if folded(said) != folded(asked) {
            found.push(Mismatch {
                dimension,
                claim: said.to_vec(),
                csr: asked.clone(),
            });
        }
    }
    found.extend(unclaimed(vouched_sid, csr, allowed));
    found
}

/// The common name: exactly the claimed one; without a claim, none but one of the other names.
fn device_name(claim: &Claim, csr: &CsrFacts) -> Option<Mismatch> {
    let asked: BTreeSet<&str> = csr.common_names.iter().map(String::as_str).collect();
    let said = match &claim.device_name {
        Some(name) if asked.len() == 1 && asked.contains(name.as_str()) => return None,
        Some(name) => vec![name.clone()],
        None => {
            let others: Vec<String> = [&claim.san_dns, &claim.san_rfc822, &claim.san_upn]
                .into_iter()
                .flatten()
                .flatten()
                .cloned()
                .collect();
            if folded(&csr.common_names).is_subset(&folded(&others)) {
                return None;
            }
            others
        }
    };
    Some(Mismatch {
        dimension: Dimension::DeviceName,
        claim: said,
        csr: csr.common_names.clone(),
    })
}

/// Names that no claim speaks of.
fn unclaimed(vouched_sid: Option<&str>, csr: &CsrFacts, allowed: ExtraNames) -> Vec<Mismatch> {
    let vouched = vouched_sid.map(|sid| format!("{SID_URI_PREFIX}{sid}"));
    let refused_uris = csr.sans.uri.iter().filter(|uri| match is_sid(uri) {
        true => vouched.as_ref() != Some(uri),
        false => !allowed.uri,
    });
    let ips = csr
        .sans
        .ip
        .iter()
        .filter(|_| !allowed.ip)
        .map(ToString::to_string);
    let others = csr.sans.other.iter().filter(|_| !allowed.other);
    [
        (
            Dimension::SanUri,
            refused_uris.cloned().collect::<Vec<_>>(),
            vouched.clone(),
        ),
        (Dimension::SanIp, ips.collect(), None),
        (Dimension::SanOther, others.cloned().collect(), None),
    ]
    .into_iter()
    .filter(|(_, refused, _)| !refused.is_empty())
    .map(|(dimension, csr, said)| Mismatch {
        dimension,
        claim: said.into_iter().collect(),
        csr,
    })
    .collect()
}

fn is_sid(uri: &str) -> bool {
    uri.get(..SID_URI_PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(SID_URI_PREFIX))
}

/// Trimmed, letter case set aside, each once.
///
/// Spaces are those of ASCII, and letters are folded as [`pki::fold`] does: what only looks like the
/// claimed name (with a Kelvin sign for a `k`) is another one.
fn folded(values: &[String]) -> BTreeSet<String> {
    values
        .iter()
        .map(|value| pki::fold(value.trim_ascii()))
        .collect()
}
