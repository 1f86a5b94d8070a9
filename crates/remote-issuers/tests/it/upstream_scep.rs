//! Another SCEP server as issuer, against a fake.

use std::sync::LazyLock;
use std::time::Duration;

use issuer::{Found, Handle, Issuance, IssueError, Issuer as _, RemoteCa as _};
use pki::{
    Certificate, Curve, Extension, KeyKind, KeyUsage, Name, PrivateKey, RevocationReason,
    SubjectAltNames,
};
use remote_issuers::upstream_scep::{CaTrust, Settings, UpstreamScep};
use scep::FailInfo;

use crate::fake_upstream::{Act, FakeUpstream, certified};
use crate::scripted::Way;
use crate::support::*;

/// scepd's signer: a certificate of some CA, and its RSA key.
static SIGNER: LazyLock<(Certificate, PrivateKey)> = LazyLock::new(|| {
    let name = Name::parse("CN=Own CA").unwrap();
    let kind = KeyKind::Ec(Curve::P256);
    let now = chrono::Utc::now() - chrono::Duration::minutes(5);
    let (ca, ca_key) = issuer::create_root(&name, kind, now, 5).unwrap();
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let usage = KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::KEY_ENCIPHERMENT);
    let extensions = vec![Extension::key_usage(usage)];
    let certificate = certified((&ca, &ca_key), "CN=scepd", key.public_key(), extensions);
    (certificate, key)
});

fn settings() -> Settings {
    Settings {
        signer: SIGNER.clone(),
        trust: CaTrust::Connection,
        identifier: None,
        allows_legacy: false,
        poll_every: Duration::from_secs(60),
    }
}

async fn ready() -> (FakeUpstream, UpstreamScep) {
    let fake = FakeUpstream::start().await;
    fake.state().signer = Some(SIGNER.0.clone());
    let upstream = UpstreamScep::open(patient(fake.url()), settings())
        .await
        .unwrap();
    (fake, upstream)
}

#[tokio::test]
async fn a_request_goes_on_and_the_certificate_comes_back() {
    let (fake, upstream) = ready().await;
    let ca = fake.state().ca.clone();
    assert_eq!(upstream.authority().chain(), std::slice::from_ref(&ca));
    let order = order();
    let certificate = issued(upstream.issue(&order).await.unwrap());
    order.approved.matches(&certificate).unwrap();
    order.approved.whole_validity(&certificate).unwrap();
    upstream.authority().made(&certificate).unwrap();
    // The same enrollment is the same transaction there.
    let again = issued(upstream.issue(&order).await.unwrap());
    assert_eq!(again, certificate);
    assert_eq!(fake.state().methods, ["POST", "POST"]);

    fake.state().revoked.push(certificate.serial().clone());
    let crl = upstream.newest_crl(chrono::Utc::now()).await.unwrap();
    assert!(
        crl.unwrap().entries()[0]
            .serial
            .same_number(certificate.serial())
    );
    assert!(!upstream.revokes());
    let reason = RevocationReason::Superseded;
    let refused = upstream.revoke(&certificate, reason).await.unwrap_err();
    assert!(matches!(refused, IssueError::Refused(_)), "{refused:?}");
}

#[tokio::test]
async fn the_challenge_goes_on_in_the_csr_of_the_device() {
    let (fake, upstream) = ready().await;
    let subject = Name::parse("CN=device").unwrap();
    let none = SubjectAltNames::default();
    let csr = pki::Csr::build(&subject, &none, Some("open-sesame"), &[], &KEY).unwrap();
    let mut order = order_for(&policy(), "CN=device", &none);
    order.csr = csr.der().to_vec();
    issued(upstream.issue(&order).await.unwrap());
    assert_eq!(fake.state().challenges, [Some("open-sesame".to_owned())]);
}

#[tokio::test]
async fn a_server_without_post_is_asked_by_get() {
    let fake = FakeUpstream::start().await;
    fake.state().caps = "AES\nSHA-256\n";
    let upstream = UpstreamScep::open(patient(fake.url()), settings())
        .await
        .unwrap();
    issued(upstream.issue(&order()).await.unwrap());
    assert_eq!(fake.state().methods, ["GET"]);
}

#[tokio::test]
async fn weak_algorithms_are_used_only_where_that_is_agreed_to() {
    let fake = FakeUpstream::start().await;
    fake.state().caps = "POSTPKIOperation\nDES3\nSHA-1\n";
    let refused = UpstreamScep::open(patient(fake.url()), settings()).await;
    let said = refused.err().unwrap().to_string();
    assert!(said.contains("scep.legacy"), "{said}");
    let legacy = Settings {
        allows_legacy: true,
        ..settings()
    };
    let upstream = UpstreamScep::open(patient(fake.url()), legacy)
        .await
        .unwrap();
    issued(upstream.issue(&order()).await.unwrap());
}

#[tokio::test]
async fn what_waits_there_waits_here_and_is_polled() {
    let (fake, upstream) = ready().await;
    fake.state().acts.push_back(Act::Waits);
    let order = order();
    let Issuance::Later { handle, after } = upstream.issue(&order).await.unwrap() else {
        panic!("it waits");
    };
    assert_eq!(after, Duration::from_secs(60));
    assert!(matches!(
        upstream.resume(&order, &handle).await.unwrap(),
        Issuance::Later { .. }
    ));
    assert!(matches!(
        upstream.find(&order).await.unwrap(),
        Found::Pending(found) if found == handle
    ));
    fake.approves(&pki::Csr::from_der(&order.csr).unwrap());
    let certificate = issued(upstream.resume(&order, &handle).await.unwrap());
    order.approved.matches(&certificate).unwrap();
}

#[tokio::test]
async fn a_lost_answer_is_found_by_its_transaction() {
    let (fake, upstream) = ready().await;
    fake.state().acts.push_back(Act::Answers(Way::Lost));
    let order = order();
    let error = upstream.issue(&order).await.unwrap_err();
    assert!(
        matches!(error, IssueError::Again { unheard: true, .. }),
        "{error:?}"
    );
    let Found::Issued(found) = upstream.find(&order).await.unwrap() else {
        panic!("it is there");
    };
    order.approved.matches(&found).unwrap();
    // One that answers no such question cannot tell; asked again, it gives the same certificate.
    fake.state().answers_polls = false;
    assert!(matches!(
        upstream.find(&order).await.unwrap(),
        Found::CannotTell
    ));
    assert_eq!(issued(upstream.issue(&order).await.unwrap()), found);
}

#[tokio::test]
async fn a_server_that_has_no_such_operation_cannot_tell_and_has_no_crl() {
    let (fake, upstream) = ready().await;
    fake.state().answers_polls = false;
    fake.state().knows_crls = false;
    let order = order();
    for (status, is_unknown) in [
        (500, true),
        (501, true),
        (400, true),
        (502, false),
        (503, false),
    ] {
        fake.state().unknown = Some(status);
        let found = upstream.find(&order).await;
        let crl = upstream.newest_crl(chrono::Utc::now()).await;
        if is_unknown {
            assert!(
                matches!(found, Ok(Found::CannotTell)),
                "{status}: {found:?}"
            );
            assert!(matches!(crl, Ok(None)), "{status}: {crl:?}");
        } else {
            assert!(
                matches!(found, Err(IssueError::Again { .. })),
                "{status}: {found:?}"
            );
            assert!(
                matches!(crl, Err(IssueError::Again { .. })),
                "{status}: {crl:?}"
            );
        }
    }
    // What waits there is asked for again: nobody knows better.
    fake.state().unknown = Some(500);
    let resumed = upstream.resume(&order, &Handle("0".to_owned())).await;
    let error = resumed.unwrap_err().to_string();
    assert!(error.contains("status 500"), "{error}");
}

/// What an issue call came to: refused, or to be tried again, and whether a certificate may be there unheard.
async fn outcome(act: Act) -> (String, bool) {
    let (fake, upstream) = ready().await;
    fake.state().acts.push_back(act);
    match upstream.issue(&order()).await.unwrap_err() {
        IssueError::Refused(words) => (format!("refused: {words}"), false),
        IssueError::Again { why, unheard, .. } => (why, unheard),
    }
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    for (act, contains, unheard) in [
        (Act::Answers(Way::Cut), "", true),
        (
            Act::Fails(FailInfo::BadRequest, "no such template"),
            "refused: badRequest: no such template",
            false,
        ),
        (
            Act::Fails(FailInfo::BadTime, ""),
            "refuses scepd's messages with badTime",
            false,
        ),
        (
            Act::Fails(FailInfo::BadMessageCheck, "who are you"),
            "badMessageCheck: who are you; see to",
            false,
        ),
        (Act::Says(404), "correct `url`", false),
        (Act::Says(503), "busy", false),
        (Act::Says(500), "status 500", true),
        (Act::Redirects, "not followed", false),
        (Act::Floods((1 << 20) + 1), "larger than", true),
        (Act::Garbles, "cannot be believed", true),
    ] {
        let said = outcome(act.clone()).await;
        assert!(said.0.contains(contains), "{act:?}: {said:?}");
        assert_eq!(said.1, unheard, "{act:?}: {said:?}");
    }
}

#[tokio::test]
async fn no_answer_in_time_may_have_left_a_certificate() {
    let fake = FakeUpstream::start().await;
    let opening = opening(
        fake.url(),
        client(Duration::from_millis(500)),
        Hand::new().ticks(),
    );
    let upstream = UpstreamScep::open(opening, settings()).await.unwrap();
    fake.state().acts.push_back(Act::Answers(Way::Hangs));
    let error = upstream.issue(&order()).await.unwrap_err();
    assert!(
        matches!(error, IssueError::Again { unheard: true, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_certificate_that_differs_is_told_by_the_field() {
    for (act, field) in [
        (Act::Clips(30), "notAfter"),
        (Act::AddsAnEku, "extKeyUsage"),
        (Act::IsAnImpostor, "signature"),
    ] {
        let (fake, upstream) = ready().await;
        fake.state().acts.push_back(act.clone());
        let order = order();
        let certificate = issued(upstream.issue(&order).await.unwrap());
        let compared = order
            .approved
            .matches(&certificate)
            .and_then(|()| upstream.authority().made(&certificate))
            .and_then(|()| order.approved.whole_validity(&certificate));
        assert_eq!(compared.unwrap_err().field, field, "{act:?}");
    }
}

#[tokio::test]
async fn names_that_are_not_those_of_the_csr_are_refused_beforehand() {
    let (fake, upstream) = ready().await;
    let mut other = order();
    other.csr = csr("CN=another", &sans()).der().to_vec();
    let refused = upstream.issue(&other).await.unwrap_err().to_string();
    assert!(refused.contains("subject"), "{refused}");
    let mut other = order_for(&policy(), "CN=device", &sans());
    other.csr = csr("CN=device", &SubjectAltNames::default()).der().to_vec();
    let refused = upstream.issue(&other).await.unwrap_err().to_string();
    assert!(refused.contains("subjectAltName"), "{refused}");
    assert!(fake.state().methods.is_empty(), "nothing was asked");
}

#[tokio::test]
async fn a_ca_that_nobody_vouches_for_is_not_believed() {
    let fake = FakeUpstream::start().await;
    let ca = fake.state().ca.clone();
    let open = async |trust| {
        let settings = Settings {
            trust,
            ..settings()
        };
        UpstreamScep::open(patient(fake.url()), settings).await
    };
    open(CaTrust::Fingerprint(ca.fingerprint())).await.unwrap();
    open(CaTrust::Anchors(vec![ca.clone()])).await.unwrap();
    for wrong in [
        CaTrust::Fingerprint([7; 32]),
        CaTrust::Anchors(vec![SIGNER.0.clone()]),
    ] {
        let said = open(wrong).await.err().unwrap().to_string();
        let fingerprint = hex::encode(ca.fingerprint());
        assert!(said.contains(&fingerprint), "{said}");
    }
}

#[tokio::test]
async fn a_signer_that_is_not_known_there_is_the_operators_to_see_to() {
    let (fake, upstream) = ready().await;
    let other = fake.state().ca.clone();
    fake.state().signer = Some(other);
    let error = upstream.issue(&order()).await.unwrap_err();
    assert!(
        matches!(&error, IssueError::Again { why, unheard: false, .. } if why.contains("signer")),
        "{error:?}"
    );
    let gone = upstream.resume(&order(), &Handle("0".to_owned())).await;
    assert!(gone.is_err());
}
