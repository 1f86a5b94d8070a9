//! A whole good set of files, broken one way at a time: the set is here, what is broken in the modules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use challenge::{Algorithm, mint::Connector};
use chrono::{DateTime, Duration, TimeZone, Utc};
use issuer::{LocalCa, LocalCaParts, RaCertifier, RaRole, create_root};
use pki::{
    Certificate, CertificateBuilder, Curve, Digest, Extension, KeyKind, KeyUsage, Name, PrivateKey,
    Serial, SubjectAltNames,
};

use super::*;
use crate::config::Secret;

mod admin;
mod advice;
mod auto_ra;
mod files;
mod issuers;
mod previous_ra;
mod profiles;
mod ra;
mod store;
mod tenants;
mod usable;
mod validity;
mod whole;

const CANARY: &str = "canary-0d1e-challenge";

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2025, 6, 1, 12, 0, 0).unwrap()
}

/// A directory with everything that the configuration names.
struct TestEnv {
    directory: tempfile::TempDir,
    ca: LocalCa,
    config: Config,
}

impl TestEnv {
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
        let ra = ca.certify_ra(ra_key.public_key(), "corp", now()).unwrap();
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
            cdp_urls = ['http://pki.example.com/ca.crl']
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
            required = true
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

    /// An end-entity certificate of the environment's CA or of a stranger.
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
