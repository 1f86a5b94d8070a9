//! A certificate that came, held against what was asked for.
//!
//! A CA may sign what it likes, and a device that stores it without looking is what the certificate says. Some
//! differences are none that a server makes in good faith; others it may make by its policy, and then whoever asked says
//! whether that will do.

use chrono::{DateTime, Utc};
use pki::{Certificate, Digest, KeyUsage, Name, NameAttribute, SubjectAltNames, fold, oid};

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The subject.
    pub subject: Name,
    /// The alternative names; `None` where nobody remembers.
    pub sans: Option<SubjectAltNames>,
    /// The validity of the certificate that is renewed, its first and last second.
    pub previous: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// Whether a signature with SHA-1 was allowed.
    pub sha1: bool,
}

/// What is not as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The subject has attributes that nobody asked for, and all that were asked for, in their order.
    #[error("the server added {added} to the subject: \"{got}\"")]
    SubjectAdded {
        /// Attributes, as in a name.
        added: String,
        /// The subject.
        got: String,
    },
    /// The subject has the attributes that were asked for, in another order.
    #[error("the subject is \"{got}\", in another order than \"{asked}\"")]
    SubjectOrder {
        /// The subject asked for.
        asked: String,
        /// The subject.
        got: String,
    },
    /// A renewal that is valid for a shorter time than the certificate before.
    #[error("it is valid for {got}, the certificate before was for {before}")]
    ShorterLife {
        /// How long it is valid.
        got: Span,
        /// How long the one before was.
        before: Span,
    },
    /// A renewal that ends before the certificate that it takes the place of.
    #[error("it ends on {got}, before the certificate that it renews ({before})")]
    EndsEarlier {
        /// Its last second.
        got: DateTime<Utc>,
        /// That of the one before.
        before: DateTime<Utc>,
    },
    /// Another subject.
    #[error("its subject is \"{got}\", and not \"{asked}\"")]
    Subject {
        /// The subject asked for.
        asked: String,
        /// The subject.
        got: String,
    },
    /// Alternative names that are missing.
    #[error("the alternative names lack {0}")]
    SansMissing(String),
    /// Alternative names that nobody asked for.
    #[error("it has alternative names that nobody asked for: {0}")]
    SansAdded(String),
    /// A CA's certificate.
    #[error("it is a CA's certificate (CA:TRUE)")]
    Ca,
    /// A CA's key usages.
    #[error("its key usage is a CA's: {0}")]
    SignsCertificates(KeyUsage),
    /// Good for everything.
    #[error("it has the extended key usage anyExtendedKeyUsage")]
    AnyUsage,
    /// Not version 3.
    #[error("it is an X.509 certificate of version {0}, and not 3")]
    Version(u8),
    /// An extension that is there more than once (RFC 5280, section 4.2).
    #[error("it has the extension {0} twice")]
    Twice(String),
    /// An extension that cannot be read.
    #[error("its {0} cannot be read")]
    Unreadable(&'static str),
    /// A signature with a digest that is broken.
    #[error("it is signed with {0}")]
    WeakSignature(Digest),
}

impl Difference {
    /// Whether a server may make it by its policy, so that whoever asked decides.
    #[must_use]
    pub fn is_change(&self) -> bool {
        matches!(
            self,
            Difference::SubjectAdded { .. }
                | Difference::SubjectOrder { .. }
                | Difference::ShorterLife { .. }
                | Difference::EndsEarlier { .. }
        )
    }
}

/// A time of so many seconds; shown in the largest unit that says it well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(i64);

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            172_800.. => write!(f, "{} days", self.0 / 86_400),
            7_200.. => write!(f, "{} hours", self.0 / 3_600),
            seconds => write!(f, "{} minutes", seconds / 60),
        }
    }
}

/// Everything in which `got` differs from what was asked for; nothing where it is as it should be. Key, chain and validity
/// are no part of it: [`ask`](super::ask) refuses a certificate about another key, of another CA, or not valid now.
#[must_use]
pub fn differences(asked: &Asked, got: &Certificate) -> Vec<Difference> {
    let mut found = Vec::new();
    found.extend(subject(&asked.subject, got.subject()));
    if let Some(sans) = &asked.sans {
        let missing = without(sans, got.sans());
        let added = without(got.sans(), sans);
        if !missing.is_empty() {
            found.push(Difference::SansMissing(missing.to_string()));
        }
        if !added.is_empty() {
            found.push(Difference::SansAdded(added.to_string()));
        }
    }
    found.extend(powers(got));
    found.extend(form(got, asked.sha1));
    found.extend(asked.previous.and_then(|previous| life(previous, got)));
    found
}

/// One attribute of a name, as it is compared: string types, letter case and runs of spaces set aside (RFC 5280, 7.1).
type Attribute = (String, String);

fn comparable(name: &Name) -> Vec<Attribute> {
    let folded = |value: &str| {
        let words: Vec<&str> = value.split_whitespace().collect();
        fold(&words.join(" "))
    };
    let attributes = name.attributes().iter();
    attributes
        .map(|attribute| (attribute.oid.clone(), folded(&attribute.value)))
        .collect()
}

fn subject(asked: &Name, got: &Name) -> Option<Difference> {
    if asked.matches(got) {
        return None;
    }
    let (wanted, there) = (comparable(asked), comparable(got));
    // What is left of the subject when everything that was asked for has been taken out of it, in order.
    let mut next = wanted.iter().peekable();
    let rest: Vec<&NameAttribute> = there
        .iter()
        .zip(got.attributes())
        .filter(|(attribute, _)| next.next_if_eq(attribute).is_none())
        .map(|(_, as_it_stands)| as_it_stands)
        .collect();
    let (asked, got) = (asked.to_string(), got.to_string());
    if next.peek().is_none() && !rest.is_empty() && !wanted.is_empty() {
        let added = rest
            .iter()
            .map(|attribute| belonging(&attribute.oid, &attribute.value));
        return Some(match added.collect::<Option<Vec<_>>>() {
            Some(added) => Difference::SubjectAdded {
                added: added.join(", "),
                got,
            },
            None => Difference::Subject { asked, got },
        });
    }
    let sorted = |mut list: Vec<Attribute>| {
        list.sort_unstable();
        list
    };
    if sorted(wanted) == sorted(there) {
        return Some(Difference::SubjectOrder { asked, got });
    }
    Some(Difference::Subject { asked, got })
}

/// An attribute that says where something belongs, in words. Others say who it is: with one more of those, it is another.
fn belonging(oid: &str, value: &str) -> Option<String> {
    let name = match oid {
        oid::ORGANIZATION => "O",
        oid::ORGANIZATIONAL_UNIT => "OU",
        oid::COUNTRY => "C",
        oid::STATE => "ST",
        oid::LOCALITY => "L",
        oid::DOMAIN_COMPONENT => "DC",
        _ => return None,
    };
    Some(format!("{name}={value}"))
}

/// The names of `all` that are not among `some`, compared as [`SubjectAltNames::same_names`] does.
fn without(all: &SubjectAltNames, some: &SubjectAltNames) -> SubjectAltNames {
    fn left<T: Clone, K: PartialEq>(all: &[T], some: &[T], key: impl Fn(&T) -> K) -> Vec<T> {
        let some: Vec<K> = some.iter().map(&key).collect();
        let kept = all.iter().filter(|name| !some.contains(&key(name)));
        kept.cloned().collect()
    }
    let folded = |name: &String| fold(name);
    SubjectAltNames {
        dns: left(&all.dns, &some.dns, folded),
        email: left(&all.email, &some.email, folded),
        upn: left(&all.upn, &some.upn, folded),
        uri: left(&all.uri, &some.uri, String::clone),
        ip: left(&all.ip, &some.ip, |ip| *ip),
        other: left(&all.other, &some.other, String::clone),
    }
}

/// What makes a device more than a device.
fn powers(got: &Certificate) -> Vec<Difference> {
    let mut found = Vec::new();
    if got.is_ca() {
        found.push(Difference::Ca);
    }
    match (got.extension(oid::KEY_USAGE), got.key_usage()) {
        (Some(_), None) => found.push(Difference::Unreadable("keyUsage")),
        (_, Some(usage)) => {
            let both = [KeyUsage::KEY_CERT_SIGN, KeyUsage::CRL_SIGN];
            let signs = both.into_iter().filter(|bit| usage.contains(*bit));
            let signs = signs.fold(KeyUsage::empty(), KeyUsage::union);
            if !signs.is_empty() {
                found.push(Difference::SignsCertificates(signs));
            }
        }
        (None, None) => {}
    }
    let usages = got.ext_key_usages();
    if got.extension(oid::EXT_KEY_USAGE).is_some() && usages.is_empty() {
        found.push(Difference::Unreadable("extKeyUsage"));
    }
    if usages.iter().any(|usage| usage == oid::EKU_ANY) {
        found.push(Difference::AnyUsage);
    }
    found
}

/// What RFC 5280 asks of every certificate.
fn form(got: &Certificate, sha1: bool) -> Vec<Difference> {
    let mut found = Vec::new();
    if got.version() != 3 {
        found.push(Difference::Version(got.version()));
    }
    let oids: Vec<&str> = got.extensions().iter().map(|e| e.oid.as_str()).collect();
    let mut said: Vec<&str> = Vec::new();
    for (at, oid) in oids.iter().enumerate() {
        let before = oids.get(..at).unwrap_or_default();
        if before.contains(oid) && !said.contains(oid) {
            said.push(oid);
            found.push(Difference::Twice(extension_name(oid)));
        }
    }
    if let Ok(scheme) = got.signature_scheme() {
        match scheme.digest() {
            Digest::Sha1 if sha1 => {}
            weak @ (Digest::Sha1 | Digest::Md5) => found.push(Difference::WeakSignature(weak)),
            _ => {}
        }
    }
    found
}

fn extension_name(oid: &str) -> String {
    let name = match oid {
        oid::SUBJECT_ALT_NAME => "subjectAltName",
        oid::KEY_USAGE => "keyUsage",
        oid::EXT_KEY_USAGE => "extKeyUsage",
        oid::BASIC_CONSTRAINTS => "basicConstraints",
        oid::SUBJECT_KEY_ID => "subjectKeyIdentifier",
        oid::AUTHORITY_KEY_ID => "authorityKeyIdentifier",
        other => other,
    };
    name.to_owned()
}

/// Whether a renewal shortens the life of the certificate that it takes the place of.
fn life(previous: (DateTime<Utc>, DateTime<Utc>), got: &Certificate) -> Option<Difference> {
    let (first, last) = previous;
    if got.not_after() < last {
        return Some(Difference::EndsEarlier {
            got: got.not_after(),
            before: last,
        });
    }
    let life = (got.not_after() - got.not_before()).num_seconds();
    let before = (last - first).num_seconds();
    // A server may count from another second, or leave out the minutes before now.
    (life < before - before / 100).then_some(Difference::ShorterLife {
        got: Span(life),
        before: Span(before),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn compared(asked: &str, got: &str) -> Option<Difference> {
        subject(&Name::parse(asked).unwrap(), &Name::parse(got).unwrap())
    }

    #[test]
    fn what_may_come_with_a_subject_and_what_makes_it_another() {
        for (asked, got) in [
            ("CN=a", "O=x, CN=a"),
            ("O=x, CN=a", "C=US, O=x, OU=y, CN=A"),
            ("CN=a", "CN=a, DC=example, DC=com"),
        ] {
            let found = compared(asked, got);
            assert!(
                matches!(found, Some(Difference::SubjectAdded { .. })),
                "{got}: {found:?}"
            );
        }
        for (asked, got) in [
            ("CN=a", "CN=b"),
            ("CN=a", "CN=a, CN=b"),
            ("CN=a", "CN=a, UID=b"),
            ("O=x, CN=a", "CN=a"),
            ("O=x, CN=a", "O=y, CN=a"),
            ("O=x, CN=a", "CN=a, O=x, OU=y"),
            ("CN=a", ""),
            // Whoever asks for no name at all gets none.
            ("", "O=x"),
        ] {
            let found = compared(asked, got);
            assert!(
                matches!(found, Some(Difference::Subject { .. })),
                "{got}: {found:?}"
            );
        }
        assert_eq!(compared("O=x y, CN=a", "O=X  Y, CN=A"), None);
    }

    #[test]
    fn names_are_missing_or_added_by_kind() {
        let parse = |text: &str| SubjectAltNames::parse(text).unwrap();
        let all =
            parse("dns:a.example, email:x@a.example, upn:x@a.example, uri:urn:x, ip:10.0.0.1");
        let same =
            parse("ip:10.0.0.1, uri:urn:x, upn:X@A.example, email:X@A.EXAMPLE, dns:A.example");
        assert!(without(&all, &same).is_empty() && without(&same, &all).is_empty());
        assert_eq!(
            without(&all, &parse("dns:a.example, ip:10.0.0.1")).to_string(),
            "email:x@a.example, upn:x@a.example, uri:urn:x"
        );
        assert_eq!(without(&all, &parse("email:a.example")).dns, ["a.example"]);
    }
}
