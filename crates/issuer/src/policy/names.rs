//! Rules for the subject and for alternative names.

use std::net::IpAddr;

use pki::{Certificate, Name, SubjectAltNames, oid};

use super::readable::{quoted, quoted_up_to};
use super::{CertificatePolicy, CertificateRequest};
use crate::approved::{PolicyRefusal, Rule};
use crate::pattern::Pattern;
use crate::sid::names_a_sid;

/// Octets of DER that a subject may take.
const LONGEST_SUBJECT: usize = 16 * 1024;
/// Characters in a common name, whatever a policy says: more has no place in lists and logs.
pub(super) const LONGEST_COMMON_NAME: usize = 1024;
/// Characters in one alternative name.
const LONGEST_NAME: usize = 8 * 1024;
/// The whole beginning of such a URI; the identifier follows.
const SID_PREFIX: &str = "tag:microsoft.com,2022-09-14:sid:";

/// Whether names of one type may appear, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameRule {
    /// None at all.
    Refused,
    /// Any that is well formed.
    Any,
    /// Those that match one of the patterns.
    Matching(Vec<Pattern>),
}

impl NameRule {
    fn check(&self, kind: &str, name: &str) -> Result<(), PolicyRefusal> {
        let allowed = match self {
            NameRule::Refused => {
                return Err(refused(format!(
                    "alternative names of type {kind} are not allowed (asked for: {})",
                    quoted(name)
                )));
            }
            NameRule::Any => true,
            NameRule::Matching(patterns) => patterns.iter().any(|pattern| pattern.matches(name)),
        };
        if allowed {
            Ok(())
        } else {
            Err(refused(format!(
                "the {kind} name {} matches no allowed pattern",
                quoted(name)
            )))
        }
    }
}

/// A range of addresses: those whose first `prefix` bits are those of `network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpRange {
    /// Any address of the range.
    pub network: IpAddr,
    /// Bits that count, 0 to 32 for IPv4 and 0 to 128 for IPv6; more counts as all.
    pub prefix: u8,
}

impl IpRange {
    /// Whether `address` lies in the range. IPv4 and IPv6 are apart.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing = match (self.network, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                u128::from(ours.to_bits() ^ theirs.to_bits()) << 96
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => ours.to_bits() ^ theirs.to_bits(),
            _ => return false,
        };
        differing
            .checked_shr(128_u32.saturating_sub(u32::from(self.prefix)))
            .unwrap_or(0)
            == 0
    }
}

/// Whether IP addresses may appear, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IpRule {
    /// None at all.
    Refused,
    /// Any.
    Any,
    /// Those in one of the ranges.
    Within(Vec<IpRange>),
}

impl IpRule {
    fn check(&self, address: IpAddr) -> Result<(), PolicyRefusal> {
        match self {
            IpRule::Any => Ok(()),
            IpRule::Within(ranges) if ranges.iter().any(|range| range.contains(address)) => Ok(()),
            IpRule::Within(_) => Err(refused(format!(
                "the IP address {address} lies in no allowed range"
            ))),
            IpRule::Refused => Err(refused(format!(
                "alternative names of type IP are not allowed (asked for: {address})"
            ))),
        }
    }
}

/// URI schemes that fleets are known to need: names of devices and services. None that a program would run, or find a file
/// by.
pub const USUAL_URI_SCHEMES: [&str; 27] = [
    "https",
    "http",
    "urn",
    "tag",
    "spiffe",
    "intunedeviceid",
    "id",
    "uuid",
    "oid",
    "did",
    "ni",
    "acct",
    "mailto",
    "tel",
    "sip",
    "sips",
    "im",
    "xmpp",
    "ldap",
    "ldaps",
    "coap",
    "coaps",
    "mqtt",
    "mqtts",
    "opc.tcp",
    "ssh",
    "dns",
];

/// Rules for each type of alternative name (RFC 5280, section 4.2.1.6). Types that are not listed here are never
/// allowed.
#[derive(Debug, Clone)]
pub struct SanRules {
    /// dNSName.
    pub dns: NameRule,
    /// rfc822Name.
    pub email: NameRule,
    /// otherName userPrincipalName: names a user to log on as.
    pub upn: NameRule,
    /// uniformResourceIdentifier. A security-identifier URI is allowed by its challenge alone, not by this rule.
    pub uri: NameRule,
    /// Schemes that a URI may have, in any letter case; none: any scheme.
    pub uri_schemes: Vec<String>,
    /// iPAddress.
    pub ip: IpRule,
    /// Whether `*.` may begin a DNS name.
    pub wildcard_dns: bool,
    /// The most names in one certificate.
    pub max_names: usize,
}

impl Default for SanRules {
    fn default() -> SanRules {
        SanRules {
            dns: NameRule::Any,
            email: NameRule::Any,
            upn: NameRule::Refused,
            uri: NameRule::Any,
            uri_schemes: USUAL_URI_SCHEMES.map(str::to_owned).to_vec(),
            ip: IpRule::Any,
            wildcard_dns: false,
            max_names: 100,
        }
    }
}

impl SanRules {
    /// Passes all names or refuses at the first that no rule allows. `vouched_sid` and the certificate that is
    /// renewed are what a security-identifier URI can stand on.
    pub(super) fn check(
        &self,
        sans: &SubjectAltNames,
        vouched_sid: Option<&str>,
        previous: Option<&Certificate>,
    ) -> Result<(), PolicyRefusal> {
        if let Some(other) = sans.other.first() {
            return Err(refused(format!(
                "alternative names of this kind are not allowed: {}",
                quoted_up_to(other, 200)
            )));
        }
        let known = previous.map(Certificate::sans);
        let count =
            sans.dns.len() + sans.email.len() + sans.upn.len() + sans.uri.len() + sans.ip.len();
        if count > self.max_names {
            return Err(refused(format!(
                "{count} alternative names are more than {}",
                self.max_names
            )));
        }
        for name in &sans.dns {
            let is_new = known.is_none_or(|known| !known.dns.contains(name));
            if is_new && is_address(name) {
                return Err(refused(format!(
                    "the DNS name {} is an IP address: ask for it as an alternative name of type IP",
                    quoted(name)
                )));
            }
            check_form("DNS", name, self.is_dns_name(name))?;
            self.dns.check("DNS", name)?;
        }
        for name in &sans.email {
            check_form("e-mail", name, is_email(name))?;
            self.email.check("e-mail", name)?;
        }
        for name in &sans.upn {
            check_form("UPN", name, !name.trim().is_empty())?;
            self.upn.check("UPN", name)?;
        }
        for name in &sans.uri {
            check_form("URI", name, is_uri(name))?;
            if names_a_sid(name) {
                check_sid(name, vouched_sid, previous)?;
            } else {
                self.uri.check("URI", name)?;
                if known.is_none_or(|known| !known.uri.contains(name)) {
                    self.check_scheme(name)?;
                }
            }
        }
        sans.ip
            .iter()
            .try_for_each(|address| self.ip.check(*address))
    }

    fn check_scheme(&self, uri: &str) -> Result<(), PolicyRefusal> {
        let (scheme, _) = uri.split_once(':').unwrap_or_default();
        let mut allowed = self.uri_schemes.iter();
        if self.uri_schemes.is_empty() || allowed.any(|one| one.eq_ignore_ascii_case(scheme)) {
            return Ok(());
        }
        Err(refused(format!(
            "the URI {} has a scheme that is not allowed: add {} to san.uri_schemes to allow it",
            quoted(uri),
            quoted(scheme)
        )))
    }

    fn is_dns_name(&self, name: &str) -> bool {
        let name = match name.strip_prefix("*.") {
            Some(rest) if self.wildcard_dns => rest,
            _ => name,
        };
        name.len() <= 253
            && name.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && label.bytes().all(|octet| {
                        octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_'
                    })
            })
    }
}

/// Rules for the subject.
#[derive(Debug, Clone)]
pub struct SubjectRules {
    /// Patterns of which each common name must match one, and there must be one; none: any common name, or no such.
    pub common_name: Vec<Pattern>,
    /// The most characters in a common name: 64 by RFC 5280 (ub-common-name), which some programs hold certificates
    /// to. 1 to 1024.
    pub common_name_max: usize,
    /// Attribute types, dotted, that may appear; `None`: those with a name ([`Name::knows`]).
    pub attributes: Option<Vec<String>>,
    /// Whether a subject without any attribute is taken where there are alternative names, patterns or not.
    pub allow_empty: bool,
}

impl Default for SubjectRules {
    fn default() -> SubjectRules {
        SubjectRules {
            common_name: Vec::new(),
            common_name_max: Name::LONGEST_COMMON_NAME,
            attributes: None,
            allow_empty: false,
        }
    }
}

/// Refuses a subject that is too long to be looked at.
pub(super) fn check_length(subject: &Name) -> Result<(), PolicyRefusal> {
    if subject.der().len() > LONGEST_SUBJECT {
        return Err(PolicyRefusal::new(
            Rule::Subject,
            format!("the subject is longer than {LONGEST_SUBJECT} octets"),
        ));
    }
    Ok(())
}

impl SubjectRules {
    /// The subject as it goes into the certificate, written anew, if it may.
    pub(super) fn certified(&self, asked: &Name) -> Result<Name, PolicyRefusal> {
        let subject = asked
            .for_certificate(self.common_name_max)
            .map_err(|error| {
                let asked = quoted_up_to(&asked.to_string(), 200);
                PolicyRefusal::new(
                    Rule::Subject,
                    format!("the subject {asked} cannot be certified: {error}"),
                )
            })?;
        self.check(&subject)?;
        Ok(subject)
    }

    fn check(&self, subject: &Name) -> Result<(), PolicyRefusal> {
        let refused = |reason: String| Err(PolicyRefusal::new(Rule::Subject, reason));
        if subject.is_empty() && !self.allow_empty {
            return refused("the request has no subject".to_owned());
        }
        // Programs that read a certificate without a common name look for the name elsewhere, where no pattern holds.
        if !self.common_name.is_empty() && !subject.is_empty() && subject.common_name().is_none() {
            return refused(
                "the subject has no common name, which has to match an allowed pattern".to_owned(),
            );
        }
        for attribute in subject.attributes() {
            let (attribute, value) = (&attribute.oid, &attribute.value);
            if value.chars().any(char::is_control) {
                return refused(format!(
                    "the subject holds a control character: {}",
                    quoted(value)
                ));
            }
            let allowed = match &self.attributes {
                Some(allowed) => allowed.contains(attribute),
                None => Name::knows(attribute),
            };
            if !allowed {
                return refused(format!(
                    "the subject attribute {attribute} is not allowed (value {})",
                    quoted(value)
                ));
            }
            let held_to_patterns = attribute == oid::COMMON_NAME && !self.common_name.is_empty();
            if held_to_patterns
                && !self
                    .common_name
                    .iter()
                    .any(|pattern| pattern.matches(value))
            {
                return refused(format!(
                    "the common name {} matches no allowed pattern",
                    quoted(value)
                ));
            }
        }
        Ok(())
    }
}

impl CertificatePolicy {
    /// The names that the certificate is to have, before the rules for them: those of the CSR, but a renewal keeps what
    /// this policy does not let it change. Then they are the old certificate's, letter for letter; that the CSR asks for
    /// the same names may allow it another spelling.
    pub(super) fn names_for<'a>(
        &self,
        request: &CertificateRequest<'a>,
    ) -> Result<(&'a Name, &'a SubjectAltNames), PolicyRefusal> {
        let (mut subject, mut sans) = (request.csr.subject(), request.csr.sans());
        let Some(previous) = request.previous else {
            return Ok((subject, sans));
        };
        let refused = |reason: String| Err(PolicyRefusal::new(Rule::Renewal, reason));
        if previous.is_ca() {
            return refused("a CA certificate cannot be renewed by SCEP".to_owned());
        }
        // A client that turns its name round is still the same device.
        let turned = subject.matches_reversed(previous.subject());
        if !self.renewal_subject_may_change || turned {
            if !turned && !subject.matches(previous.subject()) {
                return refused(format!(
                    "a renewal keeps its subject: the certificate says {}, the request {}",
                    quoted(&previous.subject().to_string()),
                    quoted(&subject.to_string()),
                ));
            }
            subject = previous.subject();
        }
        if !self.renewal_sans_may_change {
            if !sans.same_names(previous.sans()) {
                return refused(format!(
                    "a renewal keeps its alternative names: the certificate says {}, the request {}",
                    quoted(&previous.sans().to_string()),
                    quoted(&sans.to_string()),
                ));
            }
            sans = previous.sans();
        }
        Ok((subject, sans))
    }
}

fn check_form(kind: &str, name: &str, well_formed: bool) -> Result<(), PolicyRefusal> {
    if !well_formed || name.chars().any(char::is_control) || name.chars().count() > LONGEST_NAME {
        return Err(refused(format!(
            "{} is not a well-formed {kind} name",
            quoted(name)
        )));
    }
    Ok(())
}

/// Two to four numbers with dots between them, decimal or `0x` and hexadecimal, or an IPv6 address, in brackets or not: as a
/// DNS name it would be taken for the address by some programs (browsers read `127.1` as 127.0.0.1), and by the rules for
/// addresses it has not been held against. One number alone may be a device's name.
fn is_address(name: &str) -> bool {
    let bare = name.trim_matches(['[', ']']);
    let mut labels = bare.split('.');
    bare.parse::<IpAddr>().is_ok()
        || ((2..=4).contains(&labels.clone().count()) && labels.all(is_number))
}

fn is_number(label: &str) -> bool {
    let hexadecimal = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|octet| octet.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|octet| octet.is_ascii_digit()),
    }
}

fn is_email(name: &str) -> bool {
    name.is_ascii()
        && !name.contains(' ')
        && name.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !local.contains('@')
        })
}

/// A scheme, a colon, and something after it, in ASCII without spaces (RFC 3986, section 3).
fn is_uri(name: &str) -> bool {
    name.bytes().all(|octet| octet.is_ascii_graphic())
        && name
            .split_once(':')
            .is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
}

/// RFC 3986, section 3.1.
pub(super) fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet))
}

fn check_sid(
    uri: &str,
    vouched_sid: Option<&str>,
    previous: Option<&Certificate>,
) -> Result<(), PolicyRefusal> {
    let by_challenge =
        vouched_sid.is_some_and(|sid| uri == sid || uri.strip_prefix(SID_PREFIX) == Some(sid));
    let by_previous =
        previous.is_some_and(|certificate| certificate.sans().uri.iter().any(|known| known == uri));
    if by_challenge || by_previous {
        return Ok(());
    }
    Err(refused(format!(
        "nothing vouches for the security identifier in {}",
        quoted(uri)
    )))
}

fn refused(reason: String) -> PolicyRefusal {
    PolicyRefusal::new(Rule::SubjectAltName, reason)
}
