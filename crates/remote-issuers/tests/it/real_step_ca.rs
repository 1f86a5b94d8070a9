//! The real step-ca, as Debian has it. `cargo xtask test --only issuer-step-ca` builds it and names its program in `STEP_CA`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use issuer::{IssueError, Issuer as _, RemoteCa as _};
use josekit::jwk::KeyPair as _;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use outbound::{Client, Options, Trust};
use pki::{
    CertificateBuilder, Curve, Digest, Extension, KeyKind, KeyUsage, Name, PrivateKey,
    RevocationReason, Serial, SubjectAltNames,
};
use remote_issuers::Opening;
use remote_issuers::step_ca::{Proof, RootPin, Settings, StepCa, recommended};
use serde_json::json;

use crate::step_ca_server::{StepCaServer, provisioner};
use crate::support::*;

fn reached(server: &StepCaServer) -> Opening {
    let roots = Trust::Roots(vec![server.root.der().to_vec()]);
    let client = Client::new(Options {
        timeout: Duration::from_secs(20),
        ..Options::new(roots)
    });
    opening(&server.url(), client.unwrap(), Hand::new().ticks())
}

fn settings(server: &StepCaServer, proof: Proof) -> Settings {
    Settings {
        provisioner: "scepd".to_owned(),
        proof,
        audience: None,
        // Of that age it does not show it.
        intermediates: vec![server.intermediate.clone()],
        root: None,
    }
}

fn key() -> EcKeyPair {
    let mut pair = EcKeyPair::generate(EcCurve::P256).unwrap();
    pair.set_key_id(Some("key-1"));
    pair.set_algorithm(Some("ES256"));
    pair
}

#[tokio::test]
#[ignore = "needs step-ca"]
async fn the_recommended_provisioner_gives_exactly_what_was_approved() {
    let pair = key();
    let own = json!({"type": "JWK", "name": "scepd", "key": pair.to_jwk_public_key()});
    let jwk = provisioner(&recommended(&policy()), &own);
    let mut server = StepCaServer::start(std::slice::from_ref(&jwk));
    let proof = Proof::Jwk {
        key: secret(&pair.to_jwk_private_key().to_string()),
        password: None,
    };
    // Believed by the fingerprint of its root alone.
    let pinned = Settings {
        root: Some(RootPin {
            fingerprint: server.root.fingerprint(),
            options: Options::new(Trust::Fingerprint([0; 32])),
        }),
        ..settings(&server, proof)
    };
    let unknown = opening(
        &server.url(),
        Client::new(Options::new(Trust::Fingerprint([0; 32]))).unwrap(),
        Hand::new().ticks(),
    );
    let ca = StepCa::open(unknown, pinned).await.unwrap();
    assert_eq!(ca.findings(), []);
    assert_eq!(ca.objections(&policy()), []);
    assert_eq!(
        ca.authority().chain(),
        [server.intermediate.clone(), server.root.clone()]
    );
    let mut wide = policy();
    wide.subject.attributes = None;
    wide.subject.allow_empty = true;
    for (subject, sans) in [
        ("CN=device one {x}, serialNumber=C02-7, UID=u7", sans()),
        (
            "C=DE, O=Corp\\, Inc., OU=a, OU=b, CN=dev \"q\" \u{e4}",
            sans(),
        ),
        ("CN=device two", SubjectAltNames::default()),
        ("OU=no name, O=Corp", SubjectAltNames::default()),
        ("", sans()),
    ] {
        let order = order_for(&wide, subject, &sans);
        ca.can_express(&order.approved).unwrap();
        let certificate = issued(ca.issue(&order).await.unwrap());
        order.approved.matches(&certificate).unwrap();
        order.approved.whole_validity(&certificate).unwrap();
        ca.authority().made(&certificate).unwrap();
        for _ in 0..2 {
            ca.revoke(&certificate, RevocationReason::Superseded)
                .await
                .unwrap();
        }
    }
    let end = Utc::now() + chrono::Duration::days(1000);
    let csr = csr("CN=SCEP RA corp", &SubjectAltNames::default());
    ca.certify_ra(&csr, end).await.unwrap();
    assert!(ca.newest_crl(Utc::now()).await.unwrap().is_none());

    // Away, back without the provisioner, and back with it.
    // A kept connection may have carried the order before its end was seen; a new one cannot.
    server.kill();
    loop {
        match ca.issue(&order()).await.unwrap_err() {
            IssueError::Again { unheard: true, .. } => {}
            IssueError::Again { unheard: false, .. } => break,
            other => panic!("nothing listens, and it says {other:?}"),
        }
    }
    server.restart(&[]);
    let said = ca.issue(&order()).await.unwrap_err().to_string();
    assert!(said.contains("the token was not taken"), "{said}");
    let said = ca.look().await.unwrap_err().to_string();
    assert!(
        said.contains("there is no JWK provisioner `scepd`"),
        "{said}"
    );
    server.restart(std::slice::from_ref(&jwk));
    let proof = Proof::Jwk {
        key: secret(&pair.to_jwk_private_key().to_string()),
        password: None,
    };
    let ca = StepCa::open(reached(&server), settings(&server, proof))
        .await
        .unwrap();
    issued(ca.issue(&order()).await.unwrap());

    // Longer than its claims allow.
    let mut long = policy();
    long.max_ttl = chrono::Duration::days(400);
    assert!(ca.objections(&long)[0].is_fatal);
    let error = ca.issue(&order_for(&long, "CN=long", &sans())).await;
    assert!(matches!(error.unwrap_err(), IssueError::Refused(words) if words.contains("duration")));
}

#[tokio::test]
#[ignore = "needs step-ca"]
async fn without_the_template_it_makes_something_else_and_that_is_said() {
    let pair = key();
    let mut plain = recommended(&policy());
    plain["options"] = json!({});
    let own = json!({"type": "JWK", "name": "scepd", "key": pair.to_jwk_public_key()});
    let server = StepCaServer::start(&[provisioner(&plain, &own)]);
    let proof = Proof::Jwk {
        key: secret(&pair.to_jwk_private_key().to_string()),
        password: None,
    };
    let ca = StepCa::open(reached(&server), settings(&server, proof))
        .await
        .unwrap();
    let findings = ca.findings();
    assert!(
        findings[0].is_fatal && findings[0].what.contains("it has no template"),
        "{findings:?}"
    );
    let order = order();
    let certificate = issued(ca.issue(&order).await.unwrap());
    assert!(order.approved.matches(&certificate).is_err());
}

#[tokio::test]
#[ignore = "needs step-ca"]
async fn a_certificate_of_the_x5c_provisioners_roots_signs_the_tokens() {
    let (now, kind) = (Utc::now(), KeyKind::Ec(Curve::P256));
    let (root, root_key) =
        issuer::create_root(&Name::parse("CN=Own Root").unwrap(), kind.clone(), now, 2).unwrap();
    let key = PrivateKey::generate(kind).unwrap();
    let own = CertificateBuilder {
        subject: Name::parse("CN=scepd").unwrap(),
        issuer: root.subject().clone(),
        serial: Serial::random().unwrap(),
        not_before: now,
        not_after: now + chrono::Duration::days(400),
        public_key: key.public_key().clone(),
        extensions: vec![
            Extension::key_usage(KeyUsage::DIGITAL_SIGNATURE),
            Extension::ext_key_usage(&[pki::oid::EKU_CLIENT_AUTH]).unwrap(),
        ],
    }
    .sign(&root_key, &root_key.scheme(Digest::Sha256).unwrap())
    .unwrap();
    let roots = STANDARD.encode(root.to_pem());
    let x5c = json!({"type": "X5C", "name": "scepd", "roots": roots});
    let server = StepCaServer::start(&[provisioner(&recommended(&policy()), &x5c)]);
    let proof = Proof::X5c {
        chain: secret(&own.to_pem()),
        key: secret(&key.to_pkcs8_pem().unwrap()),
    };
    let ca = StepCa::open(reached(&server), settings(&server, proof))
        .await
        .unwrap();
    assert_eq!(ca.findings(), []);
    let order = order();
    let certificate = issued(ca.issue(&order).await.unwrap());
    order.approved.matches(&certificate).unwrap();
    order.approved.whole_validity(&certificate).unwrap();
    ca.revoke(&certificate, RevocationReason::Unspecified)
        .await
        .unwrap();
    // Nothing may outlive the certificate that vouches.
    let mut long = policy();
    long.max_ttl = chrono::Duration::days(500);
    let beyond = order_for(&long, "CN=long", &sans());
    let refused = ca.can_express(&beyond.approved).unwrap_err();
    assert_eq!(refused.field, "notAfter");
    assert!(refused.why.contains("X5C"), "{refused}");
}
