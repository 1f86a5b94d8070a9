#![allow(clippy::unwrap_used)]
use std::sync::Arc;

use actors::{Clock, SystemClock};
use chrono::TimeDelta;
use issuer::{
    CertificatePolicy, CertificateRequest, CrlSigner as _, Issuer as _, LocalCa, LocalCaParts,
    LocalSigner as _, RaCertifier as _,
};
use pki::{Csr, Curve, KeyKind, Name, PrivateKey, RevocationReason, SubjectAltNames};
use store::{ClockReading, SledOptions, SledStore, Store};

use super::*;
use crate::auth::tokens::By;
use crate::control::alone;

fn authority(now: DateTime<Utc>, name: &str) -> LocalCa {
    let kind = KeyKind::Ec(Curve::P256);
    let subject = Name::parse(name).unwrap();
    let (certificate, key) = issuer::create_root(&subject, kind, now, 20).unwrap();
    LocalCa::from_parts("local", LocalCaParts::new(certificate, key)).unwrap()
}

fn issue(ca: &LocalCa, now: DateTime<Utc>) -> Certificate {
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    let (name, sans) = (Name::parse("CN=x").unwrap(), SubjectAltNames::default());
    let csr = Csr::build(&name, &sans, None, &[], &key).unwrap();
    let request = CertificateRequest {
        csr: &csr,
        vouched_sid: None,
        previous: None,
    };
    let approved = CertificatePolicy::new("device")
        .approve(request, now)
        .unwrap();
    ca.sign_approved(&approved, now).unwrap()
}

fn ra(ca: &LocalCa, now: DateTime<Utc>) -> Certificate {
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
    ca.certify_ra(key.public_key(), "x", now).unwrap()
}

const NOBODY: Servers = Servers {
    own: Vec::new(),
    devices_serve_tls: false,
};

#[test]
fn certificates_of_servers_are_no_devices() {
    let now = Utc::now();
    let ca = authority(now, "CN=CA");
    let (device, agent) = (issue(&ca, now), ra(&ca, now));
    let dir = tempfile::tempdir().unwrap();
    let bundle = format!("{}{}", device.to_pem(), agent.to_pem());
    fs::write(dir.path().join("all.pem"), bundle).unwrap();
    let cas = [ca.authority().certificate().clone()];
    let from = [dir.path().to_owned()];
    let found = gather(&from, &cas, &NOBODY, now).unwrap();
    assert_eq!(found.certificates, std::slice::from_ref(&device));
    assert!(
        found.no_devices[0].contains("an RA's"),
        "{:?}",
        found.no_devices
    );
    // The same one where it is the server's own.
    let servers = Servers {
        own: vec![device],
        devices_serve_tls: false,
    };
    let found = gather(&from, &cas, &servers, now).unwrap();
    assert_eq!((found.certificates.len(), found.no_devices.len()), (0, 2));
}

#[test]
fn without_a_configuration_it_says_which_one_is_wanted() {
    let words = no_profiles(&SourceArgs::default()).to_string();
    assert!(words.contains("--config"), "{words}");
}

#[test]
fn a_directory_is_imported_once_with_what_the_crl_revokes() {
    let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).unwrap();
    let long_ago = now - TimeDelta::days(3650);
    let (ca, other) = (
        authority(long_ago, "CN=CA"),
        authority(long_ago, "CN=Other"),
    );
    let (good, revoked, old) = (issue(&ca, now), issue(&ca, now), issue(&ca, long_ago));
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("certs")).unwrap();
    fs::create_dir(path("certs/more")).unwrap();
    let bundle = format!("{}{}", good.to_pem(), issue(&other, now).to_pem());
    fs::write(path("certs/bundle.pem"), bundle).unwrap();
    fs::write(path("certs/more/one.cer"), revoked.der()).unwrap();
    fs::write(path("certs/old.pem"), old.to_pem()).unwrap();
    fs::write(path("certs/readme"), "nothing").unwrap();
    let cas = [ca.authority().certificate().clone()];
    let found = gather(&[path("certs")], &cas, &NOBODY, now).unwrap();
    assert_eq!((found.foreign, found.expired), (1, 1));
    assert_eq!(found.unread.len(), 1, "{:?}", found.unread);
    let entry = RevokedEntry {
        serial: revoked.serial().clone(),
        revoked_at: now - TimeDelta::hours(1),
        reason: Some(RevocationReason::KeyCompromise),
    };
    let crl = ca.sign_crl(&[entry], 3, now).unwrap();
    fs::write(path("old.crl"), crl.der()).unwrap();
    assert!(revocations(&path("old.crl"), &[other.authority().certificate().clone()]).is_err());
    let revocations = revocations(&path("old.crl"), &cas).unwrap();

    let options = SledOptions::default();
    let store: Arc<dyn Store> = Arc::new(SledStore::open(path("store"), &options).unwrap());
    let by = By {
        name: "uid 0".to_owned(),
        kind: "CLI",
        request_id: None,
    };
    let import = |revoked: &HashMap<_, _>| {
        let order = Order::ImportCertificates(Import {
            issuer_id: "local".to_owned(),
            ca: [0; 16],
            profile: "corp".to_owned(),
            through_gates: false,
            certificates: found
                .certificates
                .iter()
                .map(|one| imported(one, revoked))
                .collect(),
        });
        let clocks = ClockReading {
            wall: now,
            monotonic: SystemClock.instant(),
        };
        match alone(store.as_ref(), &order, &by, clocks, &mut |_| Ok(())) {
            Ok(Answer::Imported(counts)) => counts,
            Ok(_) => ImportCounts::default(),
            Err(error) => {
                assert_eq!(error, "");
                ImportCounts::default()
            }
        }
    };
    let counts = |new, known, revoked| ImportCounts {
        new,
        known,
        conflicting: 0,
        revoked,
    };
    // First without the CRL, then with it, then once more.
    assert_eq!(import(&HashMap::new()), counts(2, 0, 0));
    assert_eq!(import(&revocations), counts(0, 2, 1));
    assert_eq!(import(&revocations), counts(0, 2, 0));
    let record = |certificate: &Certificate| {
        let serial = certificate.serial().as_bytes();
        let ca = CaId::of_ca(ca.authority().certificate());
        store.certificate(&ca, serial).unwrap().unwrap()
    };
    assert_eq!(record(&good).profile, "corp");
    assert_eq!(record(&good).through_gates, Some(false));
    assert_eq!(
        record(&revoked).revoked.map(|revoked| revoked.reason),
        Some(1)
    );
    let events = store.audit(&store::AuditQuery::default()).unwrap();
    assert_eq!(
        events.total, 2,
        "an import that changes nothing is no event"
    );
}
