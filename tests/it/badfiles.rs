//! Bad files: a server does not start on them, and a running one keeps what it has.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{Duration, Utc};
use pki::{Certificate, CertificateBuilder, Curve, Digest, KeyKind, PrivateKey, Serial};
use scep::client::Content;
use scepd::running::Caller;

use crate::device::{Device, issued};
use crate::fleet::device_key;
use crate::intune;
use crate::test_env::{Running, TestEnv};

/// The files that are damaged: certificates, then keys.
const CERTIFICATES: [&str; 4] = ["ra.pem", "tls.pem", "anchors.pem", "clients.pem"];
const KEYS: [&str; 2] = ["ra.key", "tls.key"];

/// An environment in which each of these files is in use.
fn env() -> TestEnv {
    let env = TestEnv::new();
    env.renew_ra(&PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap());
    let connector = intune::connector("connector");
    env.file("anchors.pem", connector.certificate.to_pem().as_bytes());
    env.file("clients.pem", env.ca.to_pem().as_bytes());
    let dir = env.dir().to_owned();
    let settings = format!(
        "ra = 'files'\nra_cert_path = '{0}/ra.pem'\nra_key_path = '{0}/ra.key'\n\
         mtls = {{ enabled = true, client_ca_trust_bundle_path = '{0}/clients.pem' }}\n{1}",
        dir.display(),
        intune::settings(&dir)
    );
    env.with("server = { mtls_listen = '127.0.0.1:0' }")
        .profile("corp", &settings)
}

/// Ways in which a file is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Absent,
    Empty,
    Garbage,
    Truncated,
    /// A second block that ends in its middle.
    HalfWritten,
    Expired,
    WrongKey,
    OpenToOthers,
}

const ALL: [Damage; 8] = [
    Damage::Absent,
    Damage::Empty,
    Damage::Garbage,
    Damage::Truncated,
    Damage::HalfWritten,
    Damage::Expired,
    Damage::WrongKey,
    Damage::OpenToOthers,
];

impl Damage {
    fn fits(self, name: &str) -> bool {
        match self {
            // A trust bundle has no key to go with it.
            Damage::WrongKey => matches!(name, "ra.pem" | "tls.pem") || KEYS.contains(&name),
            Damage::Expired | Damage::HalfWritten => CERTIFICATES.contains(&name),
            Damage::OpenToOthers => KEYS.contains(&name),
            _ => true,
        }
    }

    fn make(self, env: &TestEnv, name: &str) {
        let path = env.dir().join(name);
        let good = fs::read(&path).unwrap();
        let certificate = || Certificate::from_pem(&good).unwrap();
        let bad = match self {
            Damage::Absent => return fs::remove_file(&path).unwrap(),
            Damage::OpenToOthers => {
                return fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            }
            Damage::Empty => Vec::new(),
            Damage::Garbage => b"\x00\xffthis is no PEM\n".repeat(40),
            Damage::Truncated => good[..good.len() / 2].to_vec(),
            Damage::HalfWritten => [&good, &good[..good.len() / 2]].concat(),
            Damage::Expired => expired(env, &certificate()).to_pem().into_bytes(),
            Damage::WrongKey if KEYS.contains(&name) => {
                let kind = PrivateKey::from_pem(&good).unwrap().kind().clone();
                let other = PrivateKey::generate(kind).unwrap();
                other.to_pkcs8_pem().unwrap().as_bytes().to_vec()
            }
            Damage::WrongKey => {
                let other = PrivateKey::generate(KeyKind::Ec(Curve::P256)).unwrap();
                let names = pki::SubjectAltNames::parse("dns:localhost").unwrap();
                let other = env.local.issue_tls(other.public_key(), &names, Utc::now());
                other.unwrap().to_pem().into_bytes()
            }
        };
        env.replace(name, &bad);
    }
}

use issuer::RaCertifier;

/// The same certificate, but its time is over.
fn expired(env: &TestEnv, certificate: &Certificate) -> Certificate {
    let now = Utc::now();
    let builder = CertificateBuilder {
        issuer: env.ca.subject().clone(),
        subject: certificate.subject().clone(),
        serial: Serial::random().unwrap(),
        not_before: now - Duration::days(30),
        not_after: now - Duration::days(1),
        public_key: certificate.public_key().clone(),
        extensions: certificate.extensions().to_vec(),
    };
    let scheme = env.ca_key.scheme(Digest::Sha256).unwrap();
    builder.sign(&env.ca_key, &scheme).unwrap()
}

/// Every file and every damage that it can have.
fn cases() -> impl Iterator<Item = (&'static str, Damage)> {
    let names = CERTIFICATES.into_iter().chain(KEYS);
    names.flat_map(|name| {
        let damages = ALL.into_iter().filter(move |damage| damage.fits(name));
        damages.map(move |damage| (name, damage))
    })
}

/// What all files hold, to put it back.
fn save(env: &TestEnv) -> Vec<(&'static str, Vec<u8>)> {
    let names = CERTIFICATES.into_iter().chain(KEYS);
    names
        .map(|name| (name, fs::read(env.dir().join(name)).unwrap()))
        .collect()
}

fn restore(env: &TestEnv, saved: &[(&'static str, Vec<u8>)]) {
    for (name, octets) in saved {
        env.replace(name, octets);
    }
}

/// The line that names the file, or its pair where the two do not belong together.
fn names(words: &str, env: &TestEnv, name: &str, damage: Damage) -> bool {
    let of = |name: &str| env.dir().join(name).display().to_string();
    let pair = [of(name), of(&name.replace(".pem", ".key"))];
    words.lines().any(|line| {
        line.contains(&pair[0]) || damage == Damage::WrongKey && line.contains(&pair[1])
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_start_on_a_bad_file_and_names_it() {
    let env = env();
    let good = save(&env);
    for (name, damage) in cases() {
        damage.make(&env, name);
        let Err(error) = env.try_start().await else {
            panic!("{name} {damage:?}: the server starts");
        };
        let words = error.to_string();
        assert!(
            names(&words, &env, name, damage),
            "{name} {damage:?}: {words}"
        );
        restore(&env, &good);
    }
    // All of it was for the damage alone.
    env.start().await;
}

fn caller() -> Caller {
    Caller {
        name: "test".to_owned(),
        kind: "System".to_owned(),
        request_id: "0".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_meets_a_bad_file_changes_nothing_but_good_trust_files() {
    let env = env();
    let connector = intune::connector("second connector");
    let server = env.start().await;
    let url = server.https("/scep/corp");
    let device = Device::at(url, server.client(), device_key()).await;
    let before = server.profile("corp").view.ca_cert.octets.clone();
    let anchors = anchors(&server);
    let good = save(&server.env);
    let tls = shown_tls(&server).await;
    let rotated = vec![connector.certificate.clone()];
    let (mut refusals, mut trust_refusals, mut rotations) = (0, 0, 0);
    for (name, damage) in cases() {
        // Everything else is new and good: none of it may come through, but whom the profile trusts.
        server.env.renew_tls();
        server
            .env
            .replace("anchors.pem", connector.certificate.to_pem().as_bytes());
        damage.make(&server.env, name);
        let error = server.server.reload("test").await.unwrap_err().to_string();
        assert!(
            names(&error, &server.env, name, damage),
            "{name} {damage:?}: {error}"
        );
        refusals += 1;
        if name == "anchors.pem" {
            let error = server.server.trust().reload("corp", &caller()).await;
            let words = error.unwrap_err().to_string();
            assert!(words.contains("anchors.pem"), "{damage:?}: {words}");
            trust_refusals += 1;
        }
        assert_eq!(server.profile("corp").view.ca_cert.octets, before);
        let trusted = match name {
            "anchors.pem" => &anchors,
            _ => &rotated,
        };
        assert_eq!(self::anchors(&server), *trusted, "{name} {damage:?}");
        rotations += usize::from(name != "anchors.pem");
        let fresh = Device {
            http: server.client(),
            ..device.clone()
        };
        fresh.enroll().await;
        assert_eq!(shown_tls(&server).await, tls, "{name} {damage:?}");
        restore(&server.env, &good);
        server.server.reload("test").await.unwrap();
        // What was good before is in force again, with its TLS certificate.
        assert_eq!(self::anchors(&server), anchors);
    }
    let count = |action: &str, outcome| {
        let events = server.events(action);
        let of_outcome = |event: &&store::StoredEvent| event.event.details.outcome == Some(outcome);
        events.iter().filter(of_outcome).count()
    };
    use store::Outcome::{Failure, Success};
    assert_eq!(count("scep_config_reload", Failure), refusals);
    assert_eq!(count("scep_config_reload", Success), refusals);
    assert_eq!(count("scep_trust_reload", Failure), trust_refusals);
    assert_eq!(count("scep_trust_reload", Success), rotations);

    // One profile's bad file is no reason to keep another file of it from being rotated.
    Damage::Garbage.make(&server.env, "ra.pem");
    server
        .env
        .replace("anchors.pem", connector.certificate.to_pem().as_bytes());
    server
        .server
        .trust()
        .reload("corp", &caller())
        .await
        .unwrap();
    let csr = device.csr(Some(&intune::challenge_by(&connector)));
    issued(device.post(&device.request(Content::PkcsReq(&csr))).await);
}

/// The TLS certificate that a new connection is shown, DER.
async fn shown_tls(server: &Running) -> Vec<u8> {
    let looks = server.client_builder().tls_info(true).build().unwrap();
    let reply = looks.get(server.https("/healthz")).send().await.unwrap();
    let info = reply.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
    info.peer_certificate().unwrap().to_vec()
}

/// Two profiles with trust files of their own.
fn two_profiles() -> TestEnv {
    let env = TestEnv::new().with("server = { mtls_listen = '127.0.0.1:0' }");
    let dir = env.dir().display().to_string();
    let mut env = env;
    for path_id in ["a", "b"] {
        let connector = intune::connector("connector");
        env.file(
            &format!("{path_id}-anchors.pem"),
            connector.certificate.to_pem().as_bytes(),
        );
        env.file(
            &format!("{path_id}-clients.pem"),
            env.ca.to_pem().as_bytes(),
        );
        let settings = format!(
            "mtls = {{ enabled = true, client_ca_trust_bundle_path = '{dir}/{path_id}-clients.pem' }}\n\
             intune = {{ enabled = true, connector_cert_path = '{dir}/{path_id}-anchors.pem' }}\n"
        );
        env = env.profile(path_id, &settings);
    }
    env
}

/// What a profile trusts: connectors, then CAs of mTLS clients.
fn trusted(server: &Running, path_id: &str) -> (Vec<Certificate>, Vec<Certificate>) {
    let profile = server.profile(path_id);
    let intune = profile.spec.intune.as_ref().unwrap();
    let client_cas = profile.spec.mtls.clone().unwrap();
    (intune.signed.anchors.anchors().to_vec(), client_cas)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_profile_does_not_keep_the_others_from_rotating_their_trust_files() {
    let server = two_profiles().start().await;
    let a_before = trusted(&server, "a");
    let b_before = trusted(&server, "b");
    let connector = intune::connector("second connector");
    let stranger = intune::connector("another CA");
    let file = |name: &str, octets: &[u8]| drop(server.env.replace(name, octets));
    file("a-anchors.pem", b"");
    file("a-clients.pem", b"");
    file("b-anchors.pem", connector.certificate.to_pem().as_bytes());
    let error = server
        .server
        .reload("SIGHUP")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("a-anchors.pem") && error.contains("a-clients.pem"),
        "{error}"
    );
    assert_eq!(trusted(&server, "a"), a_before);
    assert_eq!(
        trusted(&server, "b"),
        (vec![connector.certificate.clone()], b_before.1)
    );

    // The CAs of mTLS clients go the same way; what is in use already is not exchanged once more.
    file("b-clients.pem", stranger.certificate.to_pem().as_bytes());
    server.server.reload("SIGHUP").await.unwrap_err();
    let b_now = (vec![connector.certificate], vec![stranger.certificate]);
    assert_eq!(trusted(&server, "b"), b_now);
    let events = server.events("scep_trust_reload");
    let said: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event.event.resource_id.as_str(),
                event.event.details.message.as_deref(),
            )
        })
        .collect();
    let rest = "reloaded; the rest of the reload was refused";
    assert_eq!(
        said,
        [
            ("b", Some(format!("mTLS client CAs {rest}").as_str())),
            ("b", Some(format!("trust anchors {rest}").as_str())),
        ]
    );
    assert_eq!(events[0].event.actor, "SIGHUP");
    let refused = &server.events("scep_config_reload")[0].event.details;
    let message = refused.message.as_deref().unwrap();
    assert!(
        message.starts_with("reload refused, nothing has changed but mTLS client CAs of b: "),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_read_does_not_block_trust_files() {
    let server = two_profiles().start().await;
    let before = trusted(&server, "b");
    let connector = intune::connector("second connector");
    server.env.replace("scepd.toml", b"[server\n");
    server
        .env
        .replace("a-anchors.pem", connector.certificate.to_pem().as_bytes());
    server.env.replace("b-anchors.pem", b"garbage");
    server.server.reload("SIGHUP").await.unwrap_err();
    assert_eq!(trusted(&server, "a").0, [connector.certificate]);
    assert_eq!(trusted(&server, "b"), before);
    // The refused reload has not named that file: nobody had looked at it.
    let events = server.events("scep_trust_reload");
    let bad = events
        .iter()
        .find(|event| event.event.resource_id == "b")
        .unwrap();
    let details = &bad.event.details;
    assert_eq!(details.outcome, Some(store::Outcome::Failure));
    assert!(details.message.as_ref().unwrap().contains("b-anchors.pem"));
}

fn anchors(server: &Running) -> Vec<Certificate> {
    let profile = server.profile("corp");
    let anchors = &profile.spec.intune.as_ref().unwrap().signed.anchors;
    anchors.anchors().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_written_over_while_they_are_read_never_give_a_mixed_state() {
    let env = env();
    let keys = [0, 1].map(|_| PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap());
    let states: Vec<State> = keys.iter().map(|key| State::new(&env, key)).collect();
    let server = env.start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (stop, dir) = (Arc::clone(&stop), server.env.dir().to_owned());
        let states = states.clone();
        move || {
            let mut rounds = 0;
            while !stop.load(Ordering::SeqCst) {
                for state in &states {
                    state.write_badly(&dir);
                    rounds += 1;
                }
            }
            rounds
        }
    });
    let original = server.profile("corp").spec.ras[0].opens.certificate.clone();
    let first_anchors = anchors(&server);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..40 {
        match server.server.reload("test").await {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
        let profile = server.profile("corp");
        let ra = &profile.spec.ras[0].opens;
        let pair = ra.certificate.public_key().spki_der() == ra.key.public_key().spki_der();
        assert!(pair, "a key of another certificate");
        let known = states.iter().any(|state| state.ra == ra.certificate);
        assert!(known || ra.certificate == original);
        let anchors = anchors(&server);
        let known = states.iter().any(|state| state.anchors == anchors);
        assert!(
            known || anchors == first_anchors,
            "{} anchors",
            anchors.len()
        );
    }
    stop.store(true, Ordering::SeqCst);
    assert!(writer.join().unwrap() > 0);
    assert_eq!(taken + refused, 40);
    // What the last round left is whole, and is taken.
    server.server.reload("test").await.unwrap();
    assert_eq!(
        server.profile("corp").spec.ras[0].opens.certificate,
        states[1].ra
    );
    assert_eq!(anchors(&server), states[1].anchors);
    let device = Device::at(server.http("corp"), server.client(), device_key()).await;
    device.enroll().await;
}

/// Files that belong together.
#[derive(Clone)]
struct State {
    ra: Certificate,
    key: Vec<u8>,
    anchors: Vec<Certificate>,
}

impl State {
    fn new(env: &TestEnv, key: &PrivateKey) -> State {
        let ra = env
            .local
            .certify_ra(key.public_key(), "corp", Utc::now())
            .unwrap();
        let anchors = ["one", "two"].map(|name| intune::connector(name).certificate);
        State {
            ra,
            key: key.to_pkcs8_pem().unwrap().as_bytes().to_vec(),
            anchors: anchors.to_vec(),
        }
    }

    /// As one should not: in place, in two steps. The cut is in the middle of the last block.
    fn write_badly(&self, dir: &std::path::Path) {
        let anchors: String = self.anchors.iter().map(Certificate::to_pem).collect();
        for (name, octets) in [
            ("ra.pem", self.ra.to_pem().as_bytes()),
            ("ra.key", &self.key),
            ("anchors.pem", anchors.as_bytes()),
        ] {
            let (head, tail) = octets.split_at(octets.len() * 3 / 4);
            let mut file = fs::File::create(dir.join(name)).unwrap();
            file.write_all(head).unwrap();
            std::thread::yield_now();
            file.write_all(tail).unwrap();
            // Else every reading waits for the writer to be done.
            let past = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
            file.set_modified(past).unwrap();
        }
    }
}
