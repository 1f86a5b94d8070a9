//! A whole good house of files, broken one way at a time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use challenge::{Algorithm, mint::Connector};
use chrono::{DateTime, Duration, TimeZone, Utc};
use issuer::{Issuer, LocalCa, LocalCaParts, create_root};
use pki::{
    Certificate, CertificateBuilder, Curve, Digest, Extension, KeyKind, KeyUsage, Name, PrivateKey,
    Serial, SubjectAltNames,
};

use super::*;
use crate::config::Secret;

mod previous_ra;
mod usable;

const CANARY: &str = "canary-0d1e-challenge";

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2025, 6, 1, 12, 0, 0).unwrap()
}

/// A directory with everything that the configuration names.
struct House {
    directory: tempfile::TempDir,
    ca: LocalCa,
    config: Config,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        let (ca_certificate, ca_key) = create_root(
            &Name::parse("O=Test, CN=Test CA").unwrap(),
            KeyKind::Ec(Curve::P256),
            now(),
            10,
        )
        .unwrap();
        write(&root.join("ca.pem"), ca_certificate.to_pem().as_bytes());
        write_key(&root.join("ca.key"), &ca_key);
        let ca = LocalCa::from_parts("local", LocalCaParts::new(ca_certificate, ca_key)).unwrap();

        let tls_key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
        let names = SubjectAltNames {
            dns: vec!["localhost".to_owned()],
            ..SubjectAltNames::default()
        };
        let tls = ca.issue_tls(tls_key.public_key(), &names, now()).unwrap();
        write(&root.join("tls.pem"), tls.to_pem().as_bytes());
        write_key(&root.join("tls.key"), &tls_key);

        let ra_key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
        let ra = ca.issue_ra(ra_key.public_key(), "corp", now()).unwrap();
        write(&root.join("ra.pem"), ra.to_pem().as_bytes());
        write_key(&root.join("ra.key"), &ra_key);

        let connector = Connector::throwaway(Algorithm::Es256, "connector", now(), 365).unwrap();
        write(
            &root.join("connector.pem"),
            connector.certificate.to_pem().as_bytes(),
        );
        fs::copy(root.join("ca.pem"), root.join("mtls.pem")).unwrap();
        write(&root.join("challenge"), format!("{CANARY}\n").as_bytes());

        let text = "
            [server]
            data_dir = 'data'
            mtls_listen = '127.0.0.1:9443'
            tls_cert_path = 'tls.pem'
            tls_key_path = 'tls.key'
            [[issuer]]
            id = 'local'
            ca_cert_path = 'ca.pem'
            ca_key_path = 'ca.key'
            [[certificate_profile]]
            id = 'device'
            [[profile]]
            path_id = 'corp'
            issuer_id = 'local'
            profile_id = 'device'
            challenge_password_file = 'challenge'
            ra_cert_path = 'ra.pem'
            ra_key_path = 'ra.key'
            [profile.mtls]
            enabled = true
            client_ca_trust_bundle_path = 'mtls.pem'
            [profile.intune]
            enabled = true
            connector_cert_path = 'connector.pem'
            audience = 'https://scep'
        ";
        let file = root.join("scepd.toml");
        write(&file, text.as_bytes());
        let sources = crate::config::Sources {
            file: Some(file),
            ..crate::config::Sources::default()
        };
        let config = sources.load().unwrap().config;
        Self {
            directory,
            ca,
            config,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn profile(&mut self) -> &mut crate::config::Profile {
        self.config.profiles.first_mut().unwrap()
    }

    fn load(&self) -> Outcome {
        load(&self.config, now())
    }

    /// The one failure that is left, as text.
    fn failure(&self) -> String {
        let outcome = self.load();
        let failures: Vec<String> = outcome.failures().map(ToString::to_string).collect();
        assert!(outcome.loaded.is_none());
        assert_eq!(failures.len(), 1, "{failures:#?}");
        failures.concat()
    }

    /// An end-entity certificate of the house's CA or of a stranger.
    fn certificate(
        key: &PrivateKey,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        usage: KeyUsage,
    ) -> Certificate {
        let subject = Name::parse("CN=handmade").unwrap();
        CertificateBuilder {
            subject: subject.clone(),
            issuer: subject,
            serial: Serial::random().unwrap(),
            not_before: from,
            not_after: until,
            public_key: key.public_key().clone(),
            extensions: vec![Extension::key_usage(usage)],
        }
        .sign(key, &key.scheme(Digest::Sha256).unwrap())
        .unwrap()
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    // As if it had been there for a while: one that was written just now is waited for.
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_modified(past)
        .unwrap();
}

fn write_key(path: &Path, key: &PrivateKey) {
    write(path, key.to_pkcs8_pem().unwrap().as_bytes());
}

fn ra_usage() -> KeyUsage {
    KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT)
}

#[test]
fn a_good_house_is_loaded_whole() {
    let house = House::new();
    let outcome = house.load();
    assert_eq!(outcome.problems, []);
    let loaded = outcome.loaded.unwrap();
    let [corp] = loaded.profiles.as_slice() else {
        panic!("one profile")
    };
    assert_eq!(corp.issuer.id(), "local");
    assert_eq!(corp.policy.id, "device");
    assert_eq!(corp.challenge_password.as_ref().unwrap().expose(), CANARY);
    assert_eq!(corp.identities(now()).len(), 1);
    assert_eq!(corp.mtls.as_ref().unwrap().len(), 1);
    assert_eq!(corp.anchors.as_ref().unwrap().anchors().len(), 1);
    assert!(house.path("data").is_dir());
    assert_eq!(loaded.tls.certificate.sans().dns, ["localhost"]);
}

#[test]
fn checking_changes_nothing() {
    let mut house = House::new();
    let profile = house.profile();
    profile.ra = crate::config::Ra::Auto;
    (profile.ra_cert_path, profile.ra_key_path) = (None, None);
    let outcome = check(&house.config, now());
    assert_eq!(outcome.problems, []);
    assert!(!house.path("data").exists());
}

/// Every kind of bad file at every setting that names one: each refusal names profile, setting and file.
#[test]
fn each_kind_of_bad_file_is_named() {
    let certificates = ["ca.pem", "tls.pem", "ra.pem", "mtls.pem", "connector.pem"];
    let keys = ["ca.key", "tls.key", "ra.key"];
    let setting = |file: &str| match file {
        "ca.pem" => "issuer local: ca_cert_path",
        "ca.key" => "issuer local: ca_key_path",
        "tls.pem" => "server: tls_cert_path",
        "tls.key" => "server: tls_key_path",
        "ra.pem" => "profile corp: ra_cert_path",
        "ra.key" => "profile corp: ra_key_path",
        "mtls.pem" => "profile corp: mtls.client_ca_trust_bundle_path",
        _ => "profile corp: intune.connector_cert_path",
    };
    for file in certificates.into_iter().chain(keys) {
        let house = House::new();
        let path = house.path(file);
        let whole = fs::read(&path).unwrap();
        let said = |kind: &str| {
            let outcome = house.load();
            let text: Vec<String> = outcome.failures().map(ToString::to_string).collect();
            let named = format!("{} ({})", setting(file), path.display());
            assert!(outcome.loaded.is_none(), "{file} {kind}");
            assert!(
                text.iter().any(|line| line.starts_with(&named)),
                "{file} {kind}: {text:#?}"
            );
            text.join("\n")
        };
        fs::remove_file(&path).unwrap();
        assert!(said("absent").contains("there is no such file"));
        write(&path, b"");
        assert!(said("empty").contains("it is empty"));
        write(&path, b"garbage");
        said("garbage");
        write(&path, &whole[..whole.len() / 2]);
        said("truncated");
        write(&path, &whole);
        assert!(house.load().loaded.is_some(), "{file} whole again");
    }
}

#[test]
fn expired_certificates_are_named_with_their_date() {
    for (file, key_file) in [
        ("tls.pem", "tls.key"),
        ("ra.pem", "ra.key"),
        ("mtls.pem", "ra.key"),
        ("connector.pem", "ra.key"),
    ] {
        let house = House::new();
        let key = PrivateKey::from_pem(&fs::read(house.path(key_file)).unwrap()).unwrap();
        let (from, until) = (now() - Duration::days(30), now() - Duration::days(1));
        let expired = House::certificate(&key, from, until, ra_usage());
        write(&house.path(file), expired.to_pem().as_bytes());
        let text = house
            .load()
            .failures()
            .map(ToString::to_string)
            .collect::<String>();
        assert!(
            text.contains("expired") && text.contains("2025-05-31") && text.contains(file),
            "{text}"
        );
    }
    let house = House::new();
    let late = load(&house.config, now() + Duration::days(4000));
    assert!(
        late.failures()
            .any(|found| found.to_string().starts_with("issuer local: ca_cert_path"))
    );
}

#[test]
fn a_certificate_of_tomorrow_is_refused() {
    let house = House::new();
    let key = PrivateKey::from_pem(&fs::read(house.path("ra.key")).unwrap()).unwrap();
    let early = House::certificate(
        &key,
        now() + Duration::days(1),
        now() + Duration::days(90),
        ra_usage(),
    );
    write(&house.path("ra.pem"), early.to_pem().as_bytes());
    assert!(house.failure().contains("is not valid before 2025-06-02"));
}

#[test]
fn what_ends_within_thirty_days_is_a_warning() {
    let house = House::new();
    let outcome = load(&house.config, now() + Duration::days(350));
    assert!(outcome.loaded.is_some());
    let warned: Vec<String> = outcome.warnings().map(ToString::to_string).collect();
    assert!(
        warned
            .iter()
            .any(|line| line.contains("ra_cert_path") && line.contains("in 14 days")),
        "{warned:#?}"
    );
    assert!(
        warned
            .iter()
            .any(|line| line.contains("connector_cert_path")),
        "{warned:#?}"
    );
    assert!(
        !warned.iter().any(|line| line.contains("ca_cert_path")),
        "{warned:#?}"
    );
}

#[test]
fn a_ca_that_may_not_sign_crls_is_a_warning() {
    let house = House::new();
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let name = Name::parse("O=Test, CN=Test CA").unwrap();
    for (usage, warns) in [
        (KeyUsage::KEY_CERT_SIGN.union(KeyUsage::CRL_SIGN), false),
        (KeyUsage::KEY_CERT_SIGN, true),
    ] {
        let certificate = CertificateBuilder {
            subject: name.clone(),
            issuer: name.clone(),
            serial: Serial::random().unwrap(),
            not_before: now(),
            not_after: now() + Duration::days(3650),
            public_key: key.public_key().clone(),
            extensions: vec![
                Extension::basic_constraints(true, None),
                Extension::key_usage(usage),
            ],
        }
        .sign(&key, &key.scheme(Digest::Sha256).unwrap())
        .unwrap();
        write(&house.path("ca.pem"), certificate.to_pem().as_bytes());
        write_key(&house.path("ca.key"), &key);
        let warned = house
            .load()
            .warnings()
            .any(|problem| problem.to_string().contains("cRLSign"));
        assert_eq!(warned, warns);
    }
}

#[test]
fn keys_of_other_certificates_are_refused() {
    for (key, words) in [
        ("ca.key", "ca.pem"),
        ("tls.key", "tls.pem"),
        ("ra.key", "ra.pem"),
    ] {
        let house = House::new();
        write_key(
            &house.path(key),
            &PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap(),
        );
        let text = house
            .load()
            .failures()
            .map(ToString::to_string)
            .collect::<String>();
        assert!(
            text.contains("the key is not that of the certificate in") && text.contains(words),
            "{text}"
        );
    }
}

#[test]
fn open_keys_and_secrets_are_refused() {
    for (file, setting) in [
        ("ca.key", "issuer local: ca_key_path"),
        ("tls.key", "server: tls_key_path"),
        ("ra.key", "profile corp: ra_key_path"),
        ("challenge", "profile corp: challenge_password_file"),
    ] {
        let house = House::new();
        fs::set_permissions(house.path(file), Permissions::from_mode(0o640)).unwrap();
        let text = house.failure();
        assert!(
            text.starts_with(setting) && text.contains("mode 0640") && text.contains("chmod 600"),
            "{text}"
        );
    }
}

#[test]
fn an_ra_must_be_rsa_and_usable() {
    let house = House::new();
    let ec = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let (from, until) = (now() - Duration::days(1), now() + Duration::days(90));
    write_key(&house.path("ra.key"), &ec);
    write(
        &house.path("ra.pem"),
        House::certificate(&ec, from, until, ra_usage())
            .to_pem()
            .as_bytes(),
    );
    assert!(
        house.failure().contains("it must be RSA"),
        "{}",
        house.failure()
    );

    let rsa = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    write_key(&house.path("ra.key"), &rsa);
    let signs_only = House::certificate(&rsa, from, until, KeyUsage::DIGITAL_SIGNATURE);
    write(&house.path("ra.pem"), signs_only.to_pem().as_bytes());
    assert!(
        house
            .failure()
            .contains("an RA needs digitalSignature and keyEncipherment")
    );

    let stranger = House::certificate(&rsa, from, until, ra_usage());
    write(&house.path("ra.pem"), stranger.to_pem().as_bytes());
    let outcome = house.load();
    assert!(outcome.loaded.is_some());
    assert!(
        outcome
            .warnings()
            .any(|found| found.what.contains("not issued by the profile's issuer"))
    );
}

#[test]
fn the_ca_can_be_its_own_ra_when_it_is_rsa() {
    let mut house = House::new();
    let profile = house.profile();
    profile.ra = crate::config::Ra::Ca;
    (profile.ra_cert_path, profile.ra_key_path) = (None, None);
    assert!(
        house
            .failure()
            .contains("the CA has a key of the type EC P-256")
    );

    let (certificate, key) = create_root(
        &Name::parse("CN=RSA CA").unwrap(),
        KeyKind::Rsa { bits: 2048 },
        now(),
        10,
    )
    .unwrap();
    write(&house.path("ca.pem"), certificate.to_pem().as_bytes());
    write_key(&house.path("ca.key"), &key);
    let loaded = house.load().loaded.unwrap();
    assert_eq!(
        loaded
            .profiles
            .first()
            .unwrap()
            .identities(now())
            .first()
            .unwrap()
            .certificate,
        certificate
    );
}

#[test]
fn every_failure_is_listed_at_once() {
    let mut house = House::new();
    fs::remove_file(house.path("tls.pem")).unwrap();
    fs::remove_file(house.path("mtls.pem")).unwrap();
    fs::set_permissions(house.path("ra.key"), Permissions::from_mode(0o644)).unwrap();
    house.config.server.max_connections = 0;
    house.config.log.level = "loud=!".to_owned();
    house.profile().profile_id = "devise".to_owned();
    house.profile().intune.clock_skew_tolerance = Span::hours(1);
    let outcome = house.load();
    let text: Vec<String> = outcome.failures().map(ToString::to_string).collect();
    for words in [
        "server: tls_cert_path (",
        "server: max_connections: 0 is out of range",
        "log: level: ",
        "profile corp: profile_id: there is no `devise` among the [[certificate_profile]] sections; did you mean `device`?",
        "profile corp: mtls.client_ca_trust_bundle_path (",
        "profile corp: ra_key_path (",
        "profile corp: intune.clock_skew_tolerance: 1h is not less than challenge_validity, 1h",
    ] {
        assert!(
            text.iter().any(|line| line.starts_with(words)),
            "{words}: {text:#?}"
        );
    }
    assert_eq!(text.len(), 7, "{text:#?}");
}

#[test]
fn profiles_that_share_a_connector_need_audiences_of_their_own() {
    let mut house = House::new();
    let mut twin = house.profile().clone();
    twin.path_id = "field".to_owned();
    house.config.profiles.push(twin);
    let mut warned_with = |first: Option<&str>, second: Option<&str>| {
        for (profile, audience) in house.config.profiles.iter_mut().zip([first, second]) {
            profile.intune.audience = audience.map(str::to_owned);
        }
        let outcome = house.load();
        outcome
            .warnings()
            .map(ToString::to_string)
            .filter(|line| line.contains("trusts the same connector"))
            .collect::<Vec<_>>()
    };
    for (first, second) in [(Some("a"), Some("a")), (None, Some("a")), (None, None)] {
        let warned = warned_with(first, second);
        assert_eq!(warned.len(), 1, "{warned:#?}");
        let words = "profile field: intune.audience: nothing tells its challenges from those of profile corp";
        assert!(warned.concat().starts_with(words), "{warned:#?}");
    }
    assert!(warned_with(Some("a"), Some("b")).is_empty());
}

#[test]
fn the_skew_stays_below_what_used_challenges_are_remembered_for() {
    let mut house = House::new();
    house.profile().intune.challenge_validity = Span::hours(2);
    house.profile().intune.clock_skew_tolerance = Span::hours(1);
    assert!(house.load().loaded.is_some());
    house.profile().intune.clock_skew_tolerance = Span::minutes(61);
    let failure = house.failure();
    assert!(failure.contains("set it from 0s to 1h"), "{failure}");
}

#[test]
fn a_long_retransmission_window_is_warned_of() {
    let mut house = House::new();
    house.profile().intune.retransmission_window = Span::hours(2);
    let warned = |house: &House| {
        let outcome = house.load();
        outcome
            .warnings()
            .any(|problem| problem.to_string().contains("gets its certificate again"))
    };
    assert!(warned(&house));
    house.profile().intune.challenge_validity = Span::ZERO;
    house.profile().intune.clock_skew_tolerance = Span::ZERO;
    assert!(!warned(&house), "no validity to be longer than");
}

#[test]
fn profiles_need_a_way_to_authenticate_and_a_path_of_their_own() {
    let mut house = House::new();
    house.profile().challenge_password_file = None;
    assert!(house.load().loaded.is_some(), "Intune alone is enough");
    house.profile().intune.enabled = false;
    assert!(house.failure().contains("no way to authenticate a device"));
    house.profile().challenge_password = Some(Secret::new(""));
    assert!(house.failure().contains("the secret is empty"));

    let mut house = House::new();
    let twin = house.profile().clone();
    house.config.profiles.push(twin);
    assert!(
        house
            .failure()
            .contains("another profile has the same path id")
    );
    house.config.profiles.pop();
    for path_id in ["Corp", "-a", "a/b", "certsrv"] {
        house.profile().path_id = path_id.to_owned();
        assert!(house.failure().contains("path_id"), "{path_id}");
    }
    house.profile().path_id = String::new();
    assert!(house.load().loaded.is_some());
    house.profile().issuer_id = String::new();
    assert!(
        house
            .failure()
            .starts_with("profile (root): issuer_id: it is not set")
    );
}

#[test]
fn listeners_and_mtls_must_go_together() {
    let mut house = House::new();
    house.config.server.http_listen = Some(house.config.server.https_listen);
    assert!(
        house
            .failure()
            .contains("is the address of https_listen as well")
    );
    house.config.server.http_listen = None;
    house.config.server.mtls_listen = None;
    assert!(house.failure().contains("server.mtls_listen is not set"));
}

#[test]
fn the_compliance_webhook_is_https_to_an_allowed_host() {
    let mut house = House::new();
    let compliance = &mut house.profile().intune.compliance;
    compliance.url = Some(crate::config::AskedUrl::new("https://hook.example:8443/x"));
    compliance.allowed_hosts = vec!["HOOK.example".to_owned()];
    compliance.hmac_secret = Some(Secret::new(CANARY));
    let loaded = house.load().loaded.unwrap();
    assert!(loaded.profiles.first().unwrap().compliance.is_some());
    house.profile().intune.compliance.allowed_hosts = vec!["other.example".to_owned()];
    assert!(
        house
            .failure()
            .contains("the host of url, hook.example, is not among them")
    );
    house.profile().intune.compliance.url =
        Some(crate::config::AskedUrl::new("http://hook.example"));
    assert!(house.failure().contains("it is not https"));
}

#[test]
fn oidc_needs_audience_and_keys() {
    let mut house = House::new();
    house.config.admin.oidc.issuer = Some("https://login".to_owned());
    let text = house
        .load()
        .failures()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        text.contains("oidc.audience") && text.contains("neither it nor jwks_url is set"),
        "{text}"
    );
    house.config.admin.oidc.audience = Some("scepd".to_owned());
    house.config.admin.oidc.keys_file = Some(house.path("challenge"));
    assert!(house.failure().contains("it is no JWK set"));
    house.config.admin.oidc.keys_file = None;
    house.config.admin.oidc.jwks_url = Some(crate::config::AskedUrl::new("http://keys.example/"));
    assert!(house.failure().contains("it is not https"));
    house.config.admin.oidc.jwks_url = Some(crate::config::AskedUrl::new("https://keys.example/"));
    assert!(house.load().loaded.is_some());
}

#[test]
fn scep_can_be_switched_off() {
    let mut house = House::new();
    house.config.server.scep_enabled = false;
    house.profile().issuer_id = "nobody".to_owned();
    assert_eq!(house.load().loaded.unwrap().profiles.len(), 0);
}

#[test]
fn the_next_ca_is_read_with_or_without_its_key() {
    let mut house = House::new();
    let (next, key) = create_root(
        &Name::parse("CN=Next CA").unwrap(),
        KeyKind::Ec(Curve::P256),
        now(),
        20,
    )
    .unwrap();
    write(&house.path("next.pem"), next.to_pem().as_bytes());
    write_key(&house.path("next.key"), &key);
    let (certificate, key) = (house.path("next.pem"), house.path("next.key"));
    let issuer = house.config.issuers.first_mut().unwrap();
    issuer.next_ca_cert_path = Some(certificate);
    let next_of = |house: &House| {
        house
            .load()
            .loaded
            .unwrap()
            .issuers
            .get("local")
            .unwrap()
            .next_ca()
            .unwrap()
    };
    assert_eq!(next_of(&house), [next]);
    house.config.issuers.first_mut().unwrap().next_ca_key_path = Some(key);
    assert_eq!(next_of(&house).len(), 1);
    house.config.issuers.first_mut().unwrap().next_ca_cert_path = None;
    assert!(house.failure().contains("there is no next_ca_cert_path"));
}

#[test]
fn a_replaced_ra_pair_is_held_for_its_overlap() {
    let mut house = House::new();
    house.profile().ra_overlap = Span::hours(2);
    let before = house.load().loaded.unwrap();
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let certificate = house.ca.issue_ra(key.public_key(), "corp", now()).unwrap();
    write(&house.path("ra.pem"), certificate.to_pem().as_bytes());
    write_key(&house.path("ra.key"), &key);

    let mut after = house.load().loaded.unwrap();
    after.carry_over(&before, now());
    let corp = after.profiles.first().unwrap();
    assert_eq!(corp.identities(now()).len(), 2);
    assert_eq!(
        corp.identities(now()).first().unwrap().certificate,
        certificate
    );
    assert_eq!(corp.identities(now() + Duration::hours(2)).len(), 1);
    assert_eq!(after.reload_at, Some(now() + Duration::hours(2)));

    let mut again = house.load().loaded.unwrap();
    again.carry_over(&after, now() + Duration::hours(1));
    assert_eq!(
        again
            .profiles
            .first()
            .unwrap()
            .identities(now() + Duration::hours(1))
            .len(),
        2
    );
    let mut later = house.load().loaded.unwrap();
    later.carry_over(&again, now() + Duration::hours(3));
    assert_eq!(
        later
            .profiles
            .first()
            .unwrap()
            .identities(now() + Duration::hours(3))
            .len(),
        1
    );
}

#[test]
fn the_ra_before_can_be_given_as_files() {
    let mut house = House::new();
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let old = house
        .ca
        .issue_ra(key.public_key(), "corp", now() - Duration::hours(12))
        .unwrap();
    write(&house.path("old.pem"), old.to_pem().as_bytes());
    write_key(&house.path("old.key"), &key);
    let (certificate, key) = (house.path("old.pem"), house.path("old.key"));
    house.profile().ra_previous_cert_path = Some(certificate);
    assert!(
        house
            .failure()
            .contains("ra_previous_key_path: it is not set")
    );
    house.profile().ra_previous_key_path = Some(key);
    let outcome = house.load();
    assert_eq!(outcome.problems, []);
    let identities = outcome
        .loaded
        .unwrap()
        .profiles
        .first()
        .unwrap()
        .identities(now());
    assert_eq!(identities.len(), 2);
    assert_eq!(identities.last().unwrap().certificate, old);
}

#[test]
fn anchors_are_reloaded_alone() {
    let house = House::new();
    let profile = house.config.profiles.first().unwrap();
    assert_eq!(reload_anchors(profile, now()).unwrap().anchors().len(), 1);
    write(&house.path("connector.pem"), b"garbage");
    let problems = reload_anchors(profile, now()).unwrap_err();
    assert!(
        problems
            .iter()
            .any(|found| found.to_string().contains("connector.pem"))
    );
    let mut off = profile.clone();
    off.intune.enabled = false;
    assert!(reload_anchors(&off, now()).is_err());
}

#[test]
fn no_finding_shows_a_secret() {
    let mut house = House::new();
    let keys = ["ca.key", "tls.key", "ra.key", "challenge"];
    let mut secrets = vec![CANARY.to_owned()];
    for key in keys {
        let text = fs::read_to_string(house.path(key)).unwrap();
        secrets.extend(
            text.lines()
                .filter(|line| line.len() > 20 && !line.starts_with('-'))
                .map(str::to_owned),
        );
    }
    house.profile().challenge_password = Some(Secret::new(CANARY));
    house.config.admin.metrics_token = Some(Secret::new(format!("{CANARY}\n{CANARY}")));
    house.profile().intune.compliance.url = Some(crate::config::AskedUrl::new(format!(
        "https://u:{CANARY}@h"
    )));
    for pair in [
        ("ca.pem", "ca.key"),
        ("tls.pem", "tls.key"),
        ("ra.pem", "ra.key"),
    ] {
        fs::copy(house.path(pair.1), house.path(pair.0)).unwrap();
    }
    let outcome = house.load();
    let said = format!(
        "{:?}{}{}{:?}",
        outcome.problems,
        outcome
            .problems
            .iter()
            .map(ToString::to_string)
            .collect::<String>(),
        serde_json::to_string(&outcome.problems).unwrap(),
        house.config
    );
    assert!(outcome.failures().count() >= 6, "{said}");
    for secret in secrets {
        assert!(!said.contains(&secret), "{secret} in {said}");
    }
}

mod kept_by_the_server {
    use super::super::auto_ra::{Keeping, Kept, NewKeys, keep};
    use super::*;

    const OVERLAP: Duration = Duration::days(7);

    fn kept(house: &House, at: DateTime<Utc>) -> Kept {
        let mut findings = Findings::default();
        let kept = keep(
            &keeping(&house.path("ra"), &house.ca, &NewKeys::default()),
            at,
            &Spot::one_of("profile", "corp").at("ra"),
            &mut findings,
        );
        assert_eq!(findings.0, []);
        kept.unwrap()
    }

    fn keeping<'a>(directory: &'a Path, issuer: &'a LocalCa, new_keys: &'a NewKeys) -> Keeping<'a> {
        Keeping {
            directory,
            issuer,
            path_id: "corp",
            new_keys,
            overlap: OVERLAP,
            may_write: true,
        }
    }

    fn current(kept: &Kept) -> &Certificate {
        &kept.ras.first().unwrap().identity.certificate
    }

    #[test]
    fn a_pair_is_made_once_and_found_again() {
        let house = House::new();
        let first = kept(&house, now());
        assert_eq!(first.ras.len(), 1);
        let usage = current(&first).key_usage().unwrap();
        assert!(usage.contains(ra_usage()) && house.ca.issued(current(&first)));
        let again = kept(&house, now() + Duration::days(100));
        assert_eq!(current(&again), current(&first));
        let files: Vec<_> = fs::read_dir(house.path("ra"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .collect();
        assert_eq!(files.len(), 1);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&files.first().unwrap().path()), 0o600);
        assert_eq!(mode(&house.path("ra")), 0o700);
    }

    #[test]
    fn pairs_of_one_run_share_a_key_and_no_certificate() {
        let mut house = House::new();
        let first = house.profile();
        first.ra = crate::config::Ra::Auto;
        (first.ra_cert_path, first.ra_key_path) = (None, None);
        let mut second = first.clone();
        second.path_id = "iot".to_owned();
        house.config.profiles.push(second);
        let loaded = house.load().loaded.unwrap();
        let [corp, iot] = loaded.profiles.as_slice() else {
            panic!("two profiles")
        };
        let (corp, iot) = (corp.identities(now()), iot.identities(now()));
        let (corp, iot) = (
            &corp.first().unwrap().certificate,
            &iot.first().unwrap().certificate,
        );
        assert_eq!(corp.public_key().spki_der(), iot.public_key().spki_der());
        assert_ne!(corp.serial().as_bytes(), iot.serial().as_bytes());
        assert_ne!(corp.subject().to_string(), iot.subject().to_string());
    }

    #[test]
    fn it_is_renewed_in_time_with_an_overlap() {
        let house = House::new();
        let first = kept(&house, now());
        let due = first.look_again_at.unwrap();
        assert!(
            due < current(&first).not_after() - Duration::days(100),
            "{due}"
        );

        let renewed = kept(&house, due);
        assert_ne!(current(&renewed), current(&first));
        assert_eq!(renewed.ras.len(), 2);
        assert_eq!(
            renewed.ras.last().unwrap().identity.certificate,
            *current(&first)
        );
        assert_eq!(renewed.ras.last().unwrap().until, Some(due + OVERLAP));
        assert_eq!(renewed.look_again_at, Some(due + OVERLAP));

        let in_overlap = kept(&house, due + OVERLAP - Duration::seconds(1));
        assert_eq!(in_overlap.ras.len(), 2);
        let over = kept(&house, due + OVERLAP);
        assert_eq!(over.ras.len(), 1);
        assert_eq!(current(&over), current(&renewed));
        assert_eq!(fs::read_dir(house.path("ra")).unwrap().count(), 1);
    }

    #[test]
    fn another_ca_gets_another_pair_at_once() {
        let house = House::new();
        let first = kept(&house, now());
        let mut other = House::new();
        other.directory = house.directory;
        let second = kept(&other, now());
        assert_ne!(current(&second), current(&first));
        assert_eq!(second.ras.len(), 2);
    }

    #[test]
    fn a_pair_that_ends_with_its_ca_is_not_renewed_again_and_again() {
        let house = House::new();
        let end = house.ca.ca_certificate().not_after();
        let last = kept(&house, end - Duration::days(20));
        assert_eq!(current(&last).not_after(), end);
        let again = kept(&house, end - Duration::days(1));
        assert_eq!(current(&again), current(&last));
    }

    #[test]
    fn a_damaged_or_open_pair_is_named_and_not_replaced() {
        let house = House::new();
        kept(&house, now());
        let file = fs::read_dir(house.path("ra"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let whole = fs::read(&file).unwrap();
        let refused = || {
            let mut findings = Findings::default();
            let spot = Spot::one_of("profile", "corp").at("ra");
            assert!(
                keep(
                    &keeping(&house.path("ra"), &house.ca, &NewKeys::default()),
                    now(),
                    &spot,
                    &mut findings
                )
                .is_none()
            );
            findings
                .0
                .iter()
                .map(ToString::to_string)
                .collect::<String>()
        };
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert!(refused().contains("chmod 600"));
        write(&file, &whole[..whole.len() / 2]);
        assert!(refused().contains(file.to_str().unwrap()));
        write(&file, &whole);
        assert_eq!(kept(&house, now()).ras.len(), 1);
    }

    #[test]
    fn a_crash_while_writing_leaves_no_trace() {
        let house = House::new();
        fs::create_dir(house.path("ra")).unwrap();
        let name = format!("{:012}.new", now().timestamp());
        write(&house.path("ra").join(name), b"half");
        assert_eq!(kept(&house, now()).ras.len(), 1);
        assert_eq!(fs::read_dir(house.path("ra")).unwrap().count(), 1);
    }
}

/// Only root can give files away; for others there is nothing to look at.
#[test]
fn a_store_of_another_user_is_not_opened() {
    let house = House::new();
    drop(open_store(&house.config).unwrap_or_else(|problem| panic!("{problem}")));
    assert_eq!(check_store(&house.config), None);
    let data = house.config.store_path().join("db");
    if std::os::unix::fs::chown(&data, Some(54_321), None).is_err() {
        return;
    }
    let before = fs::metadata(&data).unwrap().modified().unwrap();
    for problem in [
        check_store(&house.config),
        probe_store(&house.config).err().map(|problem| *problem),
        open_store(&house.config).err().map(|problem| *problem),
    ] {
        let problem = problem.unwrap();
        assert_eq!(problem.severity, Severity::Failure);
        assert!(
            problem.to_string().contains("belongs to user 54321"),
            "{problem}"
        );
    }
    assert_eq!(fs::metadata(&data).unwrap().modified().unwrap(), before);
}

#[test]
fn a_store_that_is_no_store_is_named() {
    let house = House::new();
    assert_eq!(
        check_store(&house.config),
        None,
        "one that is still to be made is fine"
    );
    fs::create_dir_all(house.config.server.data_dir.clone()).unwrap();
    write(
        &house.config.store_path(),
        b"a file where the directory should be",
    );
    assert!(
        open_store(&house.config)
            .is_err_and(|problem| problem.to_string().starts_with("store: path ("))
    );
}
