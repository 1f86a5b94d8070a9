//! `[[certificate_profile]]`: settings to a policy.

use std::collections::BTreeMap;

use issuer::policy::usage::{eku_from_name, key_usage_from_name};
use issuer::policy::{IpRange, IpRule};
use issuer::{
    CertificatePolicy, KeyRules, NameRule, Pattern, ReadableRules, SanRules, SubjectRules,
};
use pki::{Curve, KeyUsage, Name};

use super::problem::{Findings, Location};
use crate::config::{CertificateProfile, KeyType, San, SanType};

/// All policies by id. A policy that is missing here was named among the findings.
pub(super) fn load(
    profiles: &[CertificateProfile],
    findings: &mut Findings,
) -> BTreeMap<String, CertificatePolicy> {
    let mut policies = BTreeMap::new();
    for (index, settings) in profiles.iter().enumerate() {
        let location = Location::one_of("certificate_profile", &settings.id);
        super::check_id(
            &settings.id,
            index,
            profiles.iter().map(|profile| &profile.id),
            &location,
            findings,
        );
        if let Some(policy) = policy(settings, &location, findings) {
            policies.entry(settings.id.clone()).or_insert(policy);
        }
    }
    policies
}

fn policy(
    settings: &CertificateProfile,
    location: &Location,
    findings: &mut Findings,
) -> Option<CertificatePolicy> {
    let before = findings.0.len();
    let policy = CertificatePolicy {
        key_types: KeyRules {
            rsa_min_bits: settings
                .key_types
                .contains(&KeyType::Rsa)
                .then_some(settings.rsa_bits_min),
            rsa_max_bits: settings.rsa_bits_max,
            curves: settings.key_types.iter().filter_map(curve).collect(),
        },
        subject: SubjectRules {
            common_name: patterns(&settings.common_name_patterns),
            common_name_max: settings.common_name_max,
            attributes: attributes(
                &settings.subject_attributes,
                &location.at("subject_attributes"),
                findings,
            ),
            allow_empty: settings.allow_empty_subject,
        },
        sans: sans(&settings.san),
        readable: ReadableRules {
            allow_placeholders: settings.allow_placeholders,
            allow_invisible: settings.allow_invisible_characters,
        },
        ekus_default: ekus(
            &settings.ekus_default,
            &location.at("ekus_default"),
            findings,
        ),
        ekus_allowed: ekus(
            &settings.ekus_allowed,
            &location.at("ekus_allowed"),
            findings,
        ),
        key_usage_default: usages(
            &settings.key_usages_default,
            &location.at("key_usages_default"),
            findings,
        ),
        key_usage_allowed: usages(
            &settings.key_usages_allowed,
            &location.at("key_usages_allowed"),
            findings,
        ),
        max_ttl: settings.max_ttl.chrono(),
        min_ttl: settings.min_ttl.chrono(),
        backdate: settings.backdate.chrono(),
        honour_requested_validity: settings.honour_requested_validity,
        must_staple: settings.must_staple,
        ..CertificatePolicy::new(&settings.id)
    };
    super::count(
        usize::try_from(settings.rsa_bits_max).unwrap_or(usize::MAX),
        2048..=8192,
        &location.at("rsa_bits_max"),
        findings,
    );
    for (setting, patterns, kind) in [
        ("san.dns_patterns", &settings.san.dns_patterns, SanType::Dns),
        (
            "san.email_patterns",
            &settings.san.email_patterns,
            SanType::Email,
        ),
        ("san.upn_patterns", &settings.san.upn_patterns, SanType::Upn),
        ("san.uri_patterns", &settings.san.uri_patterns, SanType::Uri),
    ] {
        unused(
            !patterns.is_empty(),
            &settings.san,
            kind,
            &location.at(setting),
            findings,
        );
    }
    unused(
        !settings.san.ip_ranges.is_empty(),
        &settings.san,
        SanType::Ip,
        &location.at("san.ip_ranges"),
        findings,
    );
    let seals = KeyUsage::KEY_ENCIPHERMENT;
    if policy.ekus_default.is_empty()
        && (policy.key_usage_default.union(policy.key_usage_allowed)).contains(seals)
    {
        findings.warn(
            &location.at("ekus_default"),
            "devices get certificates without an extended key usage that may encrypt keys: a client that knows RAs by their \
             key usage alone takes such a device for one, and encrypts its challenge to it",
            "name what the certificates are for, such as client_auth",
        );
    }
    if findings.0.len() == before {
        for problem in policy.problems() {
            findings.fail(
                &location.at(problem.setting),
                problem.what,
                "correct the certificate profile",
            );
        }
    }
    (!findings
        .0
        .iter()
        .skip(before)
        .any(|found| found.severity == super::Severity::Failure))
    .then_some(policy)
}

fn curve(key_type: &KeyType) -> Option<Curve> {
    match key_type {
        KeyType::Rsa => None,
        KeyType::EcP256 => Some(Curve::P256),
        KeyType::EcP384 => Some(Curve::P384),
    }
}

fn patterns(texts: &[String]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::new(text)).collect()
}

fn unused(given: bool, san: &San, kind: SanType, location: &Location, findings: &mut Findings) {
    if given && !san.types.contains(&kind) {
        findings.warn(
            location,
            "names of this type are not accepted at all",
            "add the type to san.types or remove this",
        );
    }
}

fn sans(settings: &San) -> SanRules {
    let rule = |kind: SanType, texts: &[String]| match (settings.types.contains(&kind), texts) {
        (false, _) => NameRule::Refused,
        (true, []) => NameRule::Any,
        (true, texts) => NameRule::Matching(patterns(texts)),
    };
    let ip = match (
        settings.types.contains(&SanType::Ip),
        settings.ip_ranges.as_slice(),
    ) {
        (false, _) => IpRule::Refused,
        (true, []) => IpRule::Any,
        (true, ranges) => IpRule::Within(
            ranges
                .iter()
                .map(|range| IpRange {
                    network: range.address(),
                    prefix: range.prefix(),
                })
                .collect(),
        ),
    };
    SanRules {
        dns: rule(SanType::Dns, &settings.dns_patterns),
        email: rule(SanType::Email, &settings.email_patterns),
        upn: rule(SanType::Upn, &settings.upn_patterns),
        uri: rule(SanType::Uri, &settings.uri_patterns),
        uri_schemes: settings.uri_schemes.clone(),
        ip,
        wildcard_dns: settings.wildcard_dns,
        max_names: settings.max_names,
    }
}

/// The dotted types of subject attributes given by short name or dotted; none given = all that have a name.
fn attributes(
    texts: &[String],
    location: &Location,
    findings: &mut Findings,
) -> Option<Vec<String>> {
    let mut dotted = Vec::with_capacity(texts.len());
    for text in texts {
        let name = Name::parse(&format!("{text}=XX"));
        match name
            .ok()
            .and_then(|name| name.attributes().first().map(|first| first.oid.clone()))
        {
            Some(oid) => dotted.push(oid),
            None => findings.fail(
                location,
                format!("`{text}` is no attribute of a name"),
                "write short names such as CN, O, OU, C, ST, L, or dotted object identifiers",
            ),
        }
    }
    (!texts.is_empty()).then_some(dotted)
}

fn ekus(texts: &[String], location: &Location, findings: &mut Findings) -> Vec<String> {
    let mut dotted = Vec::with_capacity(texts.len());
    for text in texts {
        match eku_from_name(text) {
            Some(oid) => dotted.push(oid),
            None => findings.fail(
                location,
                format!("`{text}` is no extended key usage"),
                "write names such as client_auth, server_auth, or dotted object identifiers",
            ),
        }
    }
    dotted
}

fn usages(texts: &[String], location: &Location, findings: &mut Findings) -> KeyUsage {
    let mut all = KeyUsage::empty();
    for text in texts {
        match key_usage_from_name(text) {
            Some(usage) => all = all.union(usage),
            None => findings.fail(
                location,
                format!("`{text}` is no key usage"),
                "write digital_signature, content_commitment, key_encipherment, data_encipherment or key_agreement",
            ),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::problem::Severity;
    use super::*;
    use crate::config::Config;

    fn read(text: &str) -> (BTreeMap<String, CertificatePolicy>, Vec<(Severity, String)>) {
        let config = Config::parse(text, "t").unwrap();
        let mut findings = Findings::default();
        let policies = load(&config.certificate_profiles, &mut findings);
        (
            policies,
            findings
                .0
                .iter()
                .map(|found| (found.severity, found.to_string()))
                .collect(),
        )
    }

    #[test]
    fn settings_become_the_policy() {
        let (policies, said) = read(
            "[[certificate_profile]]\nid='device'\nkey_types=['rsa','ec-p384']\nrsa_bits_min=3072\n\
             ekus_default=['client_auth']\nekus_allowed=['server_auth','1.3.6.1.4.1.311.20.2.2']\n\
             key_usages_default=['digital_signature']\nmax_ttl='90d'\nbackdate='24h'\nmust_staple=true\n\
             subject_attributes=['CN','O','2.5.4.5']\ncommon_name_patterns=['dev-*']\n\
             allow_placeholders=true\nallow_invisible_characters=true\n\
             [certificate_profile.san]\nuri_schemes=['gopher']\ntypes=['dns','upn','ip']\ndns_patterns=['*.example.com']\nip_ranges=['10.0.0.0/8']\n",
        );
        assert_eq!(said, []);
        let policy = policies.get("device").unwrap();
        assert_eq!(policy.key_types.rsa_min_bits, Some(3072));
        assert_eq!(policy.key_types.curves, [Curve::P384]);
        assert_eq!(policy.ekus_default, ["1.3.6.1.5.5.7.3.2"]);
        assert_eq!(
            policy.ekus_allowed,
            ["1.3.6.1.5.5.7.3.1", "1.3.6.1.4.1.311.20.2.2"]
        );
        assert_eq!(policy.key_usage_default, KeyUsage::DIGITAL_SIGNATURE);
        assert_eq!(policy.max_ttl, chrono::Duration::days(90));
        assert_eq!(policy.backdate, chrono::Duration::hours(24));
        assert!(policy.must_staple);
        assert!(policy.readable.allow_placeholders && policy.readable.allow_invisible);
        assert_eq!(policy.sans.uri_schemes, ["gopher"]);
        assert_eq!(
            policy.subject.attributes.as_deref().unwrap(),
            ["2.5.4.3", "2.5.4.10", "2.5.4.5"]
        );
        assert!(matches!(policy.sans.dns, NameRule::Matching(_)));
        assert_eq!(policy.sans.upn, NameRule::Any);
        assert_eq!(policy.sans.uri, NameRule::Refused);
        assert!(matches!(&policy.sans.ip, IpRule::Within(ranges) if ranges.len() == 1));
    }

    #[test]
    fn devices_that_could_pass_for_an_ra_are_warned_of() {
        let (policies, said) =
            read("[[certificate_profile]]\nid='device'\nekus_default=[]\nekus_allowed=[]\n");
        assert!(policies.contains_key("device"));
        assert!(
            said.iter()
                .any(|(_, words)| words.contains("takes such a device for one")),
            "{said:?}"
        );
    }

    #[test]
    fn the_defaults_are_a_sound_policy() {
        let (policies, said) = read("[[certificate_profile]]\nid='device'\n");
        assert_eq!(said, []);
        assert!(policies.get("device").unwrap().problems().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, words) in [
            (
                "ekus_allowed=['telepathy']",
                "`telepathy` is no extended key usage",
            ),
            ("key_usages_allowed=['key_cert_sign']", "for CAs"),
            ("key_usages_allowed=['x']", "`x` is no key usage"),
            ("key_types=[]", "no kind of key"),
            ("rsa_bits_min=1024", "2048"),
            ("rsa_bits_max=16384", "8192"),
            ("backdate='25h'", "24 hours"),
            ("subject_attributes=['favourite colour']", "no attribute"),
            ("max_ttl='0s'", "used up"),
            ("san.uri_schemes=['https://']", "no scheme of a URI"),
        ] {
            let (policies, said) = read(&format!("[[certificate_profile]]\nid='device'\n{line}\n"));
            assert!(policies.is_empty(), "{line}");
            assert!(
                said.iter().any(|(_, text)| text.contains(words)),
                "{line}: {said:?}"
            );
            assert!(
                said.iter()
                    .all(|(_, text)| text.starts_with("certificate_profile device: ")),
                "{said:?}"
            );
            let setting = line.split('=').next().unwrap();
            assert!(
                said.iter().any(|(_, text)| text
                    .starts_with(&format!("certificate_profile device: {setting}: "))),
                "{line}: {said:?}"
            );
        }
    }

    #[test]
    fn ids_are_present_and_unique() {
        let (_, said) = read(
            "[[certificate_profile]]\n[[certificate_profile]]\nid='a'\n[[certificate_profile]]\nid='a'\n",
        );
        assert_eq!(said.len(), 2, "{said:?}");
    }

    #[test]
    fn patterns_of_a_type_that_is_not_accepted_are_a_warning() {
        let (policies, said) = read(
            "[[certificate_profile]]\nid='device'\n[certificate_profile.san]\ntypes=['dns']\nupn_patterns=['*@x']\n",
        );
        assert_eq!(policies.len(), 1);
        assert!(
            matches!(said.as_slice(), [(Severity::Warning, text)] if text.contains("san.upn_patterns")),
            "{said:?}"
        );
    }
}
