//! The AWS Private CA issuer against the fake of `crates/issuer-fakes`, which verifies signatures and was written from what
//! is published about the service, not from this client.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use issuer::{Found, Handle, Issuance, IssueError, Issuer as _, Order, RemoteCa as _};
use issuer_fakes::{CHANGES, Change, Clock, Decision, Fake, Fault, Kind, Operation, Options};
use outbound::{Client, Trust, Url, endpoint};
use pki::{Certificate, RevocationReason, SubjectAltNames};
use remote_issuers::aws_pca::{AwsPca, Place, Settings, Source};
use remote_issuers::{Credential, Opening};
use zeroize::Zeroizing;

use crate::support::*;

/// A fake whose clock stands at the moment until it is moved.
async fn fake() -> Fake {
    let options = Options {
        kind: Kind::AwsPca,
        clock: Clock::standing(Utc::now().timestamp()),
        first_port: None,
    };
    Fake::start(options).await.unwrap()
}

/// Trusts the fake; its answers may have a mebibyte.
fn http(fake: &Fake) -> Client {
    let roots = Certificate::bundle_from_pem(fake.trust().as_bytes()).unwrap();
    let roots = roots.iter().map(|root| root.der().to_vec()).collect();
    Client::new(outbound::Options {
        timeout: Duration::from_secs(60),
        max_body: 1 << 20,
        ..outbound::Options::new(Trust::Roots(roots))
    })
    .unwrap()
}

/// Reaches the fake in its own time.
fn opened(fake: &Fake, hand: &Hand) -> Opening {
    let clock = fake.clock();
    Opening {
        clock: Arc::new(move || DateTime::from_timestamp(clock.now(), 0).unwrap()),
        ..opening(fake.url(), http(fake), hand.ticks())
    }
}

/// The keys that the fake knows.
fn keys(fake: &Fake) -> Source {
    let settings = fake.aws_pca_settings();
    let (access_key_id, secret_access_key) = settings.credentials;
    Source::Keys {
        access_key_id,
        secret_access_key: secret(&secret_access_key),
        session_token: settings.session_token.as_deref().map(secret),
    }
}

fn settings_with(fake: &Fake, source: Source) -> Settings {
    let ca_arn = fake.aws_pca_settings().ca_arn;
    let crl: Url = endpoint(&format!("{}/crl/ca.crl", fake.url())).unwrap();
    Settings {
        place: Place::of(&ca_arn).unwrap(),
        ca_arn,
        source,
        crl: Some((http(fake), crl)),
    }
}

async fn ready() -> (Fake, AwsPca) {
    let fake = fake().await;
    let settings = settings_with(&fake, keys(&fake));
    let aws = AwsPca::open(opened(&fake, &Hand::new()), settings)
        .await
        .unwrap();
    (fake, aws)
}

/// Nothing that was sent is of a form that the documents of the service do not have.
fn clean(fake: &Fake) {
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
    assert_eq!(fake.count(Operation::Elsewhere), 0);
}

fn is_as_approved(aws: &AwsPca, order: &Order, certificate: &Certificate) {
    order.approved.matches(certificate).unwrap();
    aws.authority().made(certificate).unwrap();
    order.approved.whole_validity(certificate).unwrap();
}

/// When to ask again, and whether a certificate may have been made unheard.
fn again(error: IssueError) -> (String, Option<Duration>, bool) {
    match error {
        IssueError::Again {
            why,
            after,
            unheard,
        } => (why, after, unheard),
        IssueError::Refused(words) => panic!("refused: {words}"),
    }
}

fn later(issuance: Issuance) -> Handle {
    match issuance {
        Issuance::Later { handle, .. } => handle,
        Issuance::Issued(_) => panic!("it is not ready"),
    }
}

#[tokio::test]
async fn a_certificate_lives_from_its_order_to_the_crl() {
    let (fake, aws) = ready().await;
    let order = order();
    let certificate = issued(aws.issue(&order).await.unwrap());
    is_as_approved(&aws, &order, &certificate);
    let made = fake.issued();
    assert_eq!(made.len(), 1);
    assert!(
        made[0]
            .reference
            .ends_with(&format!("/certificate/{}", made[0].serial))
    );
    let now = DateTime::from_timestamp(fake.clock().now(), 0).unwrap();
    let before = aws.newest_crl(now).await.unwrap().unwrap();
    assert!(before.entries().is_empty());
    for _ in 0..2 {
        let reason = RevocationReason::PrivilegeWithdrawn;
        aws.revoke(&certificate, reason).await.unwrap();
    }
    assert!(matches!(fake.issued()[0].revoked, Some((_, 9))));
    let crl = aws.newest_crl(now).await.unwrap().unwrap();
    assert_eq!(crl.entries().len(), 1);
    assert_eq!(&crl.entries()[0].serial, certificate.serial());
    clean(&fake);
}

#[tokio::test]
async fn names_of_every_kind_come_back_as_approved() {
    let (fake, aws) = ready().await;
    let mut any = policy();
    any.subject.attributes = None;
    let subject = "C=DE, O=Example, OU=IT, OU=Devices, CN=a, serialNumber=7, DC=example, DC=org";
    for (at, (subject, names)) in [
        (subject, sans()),
        ("CN=without names", SubjectAltNames::default()),
    ]
    .into_iter()
    .enumerate()
    {
        let order = Order {
            id: [at as u8; 16],
            ..order_for(&any, subject, &names)
        };
        let certificate = issued(aws.issue(&order).await.unwrap());
        is_as_approved(&aws, &order, &certificate);
    }
    clean(&fake);
}

#[tokio::test]
async fn each_error_of_the_service_has_its_outcome() {
    let (fake, aws) = ready().await;
    let refusals = [
        "InvalidArgsException",
        "InvalidRequestException",
        "MalformedCSRException",
        "RequestFailedException",
    ];
    let slower = ["ThrottlingException", "ConcurrentModificationException"];
    let unheard = ["InternalFailure", "ServiceUnavailable"];
    let keys = [
        "ExpiredTokenException",
        "InvalidSignatureException",
        "UnrecognizedClientException",
    ];
    for name in fake.errors() {
        let fault = Fault::Error {
            name: name.to_owned(),
        };
        fake.fail(Operation::Issue, None, fault);
        let calls = fake.count(Operation::Issue);
        let error = aws.issue(&order()).await.unwrap_err();
        fake.heal();
        let is_of_keys = keys.contains(&name);
        let tries = fake.count(Operation::Issue) - calls;
        assert_eq!(tries, if is_of_keys { 2 } else { 1 }, "{name}");
        if refusals.contains(&name) {
            assert!(
                matches!(&error, IssueError::Refused(words) if words.starts_with(name)),
                "{name}: {error:?}"
            );
            continue;
        }
        let (why, after, may_be_there) = again(error);
        assert_eq!(after.is_some(), slower.contains(&name), "{name}: {why}");
        assert_eq!(may_be_there, unheard.contains(&name), "{name}: {why}");
        assert_eq!(why.contains("credentials"), is_of_keys, "{name}: {why}");
    }
    assert!(fake.issued().is_empty());
    issued(aws.issue(&order()).await.unwrap());
    clean(&fake);
}

#[tokio::test]
async fn a_certificate_in_progress_is_fetched_when_it_is_ready() {
    let (fake, aws) = ready().await;
    fake.settings(|settings| settings.aws_pca.in_progress = 2);
    let order = order();
    let handle = later(aws.issue(&order).await.unwrap());
    assert_eq!(handle.0, fake.issued()[0].reference);
    assert_eq!(later(aws.resume(&order, &handle).await.unwrap()), handle);
    let certificate = issued(aws.resume(&order, &handle).await.unwrap());
    is_as_approved(&aws, &order, &certificate);
    assert_eq!(fake.issued().len(), 1);
    clean(&fake);
}

#[tokio::test]
async fn a_request_that_fails_while_it_is_in_progress_is_refused() {
    let (fake, aws) = ready().await;
    for (at, decision) in [(1, Decision::Denied), (2, Decision::Approved)] {
        fake.fail(Operation::Issue, Some(1), Fault::Pending);
        let order = Order {
            id: [at; 16],
            ..order()
        };
        let handle = later(aws.issue(&order).await.unwrap());
        fake.decide(&handle.0, decision).unwrap();
        let fetched = aws.resume(&order, &handle).await;
        match decision {
            Decision::Denied => assert!(
                matches!(&fetched, Err(IssueError::Refused(words)) if words.contains("RequestFailedException")),
                "{fetched:?}"
            ),
            _ => is_as_approved(&aws, &order, &issued(fetched.unwrap())),
        }
    }
    assert_eq!(fake.issued().len(), 1);
    clean(&fake);
}

#[tokio::test]
async fn a_lost_answer_is_heard_by_asking_again() {
    let hand = Hand::new();
    for (fault, words) in [
        (Fault::CutAfter, "connection"),
        (Fault::CutHalfway, ""),
        (Fault::StatusAfter { status: 500 }, "status 500"),
        (Fault::StatusAfter { status: 502 }, "status 502"),
        (Fault::StatusAfter { status: 503 }, "not available"),
        (Fault::TooLong { octets: 10 << 20 }, "larger than"),
    ] {
        let fake = fake().await;
        let settings = settings_with(&fake, keys(&fake));
        let aws = AwsPca::open(opened(&fake, &hand), settings).await.unwrap();
        let order = order();
        fake.fail(Operation::Issue, Some(1), fault.clone());
        let (why, _, unheard) = again(aws.issue(&order).await.unwrap_err());
        assert!(unheard && why.contains(words), "{fault:?}: {why}");
        assert_eq!(fake.issued().len(), 1, "{fault:?}");
        assert!(matches!(aws.find(&order).await.unwrap(), Found::Nothing));
        let certificate = issued(aws.issue(&order).await.unwrap());
        is_as_approved(&aws, &order, &certificate);
        assert_eq!(fake.issued().len(), 1, "{fault:?}: the same one");
        clean(&fake);
    }
}

#[tokio::test]
async fn after_five_minutes_nobody_can_tell() {
    let (fake, hand) = (fake().await, Hand::new());
    let settings = settings_with(&fake, keys(&fake));
    let aws = AwsPca::open(opened(&fake, &hand), settings).await.unwrap();
    let order = order();
    fake.fail(Operation::Issue, Some(1), Fault::CutAfter);
    assert!(again(aws.issue(&order).await.unwrap_err()).2);
    hand.passes(301);
    fake.clock().advance(301);
    assert!(matches!(aws.find(&order).await.unwrap(), Found::CannotTell));
    issued(aws.issue(&order).await.unwrap());
    assert_eq!(fake.issued().len(), 2, "the service forgets its orders");
    clean(&fake);
}

#[tokio::test]
async fn an_answer_that_is_lost_while_fetching_is_asked_for_again() {
    let (fake, aws) = ready().await;
    for (at, fault) in [
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::CutHalfway,
        Fault::Status {
            status: 503,
            retry_after: None,
        },
        Fault::Error {
            name: "ThrottlingException".to_owned(),
        },
        Fault::TooLong { octets: 10 << 20 },
        Fault::Html,
    ]
    .into_iter()
    .enumerate()
    {
        let order = Order {
            id: [at as u8; 16],
            ..order()
        };
        fake.fail(Operation::Collect, Some(1), fault);
        let handle = later(aws.issue(&order).await.unwrap());
        let certificate = issued(aws.resume(&order, &handle).await.unwrap());
        is_as_approved(&aws, &order, &certificate);
        assert_eq!(fake.issued().len(), at + 1);
    }
    clean(&fake);
}

#[tokio::test]
async fn an_order_given_up_while_its_answer_is_slow_leaves_one_certificate() {
    let (fake, aws) = ready().await;
    let order = order();
    fake.fail(Operation::Issue, Some(1), Fault::Held);
    tokio::select! {
        answer = aws.issue(&order) => panic!("it is held: {answer:?}"),
        () = fake.came(Operation::Issue, 1) => {}
    }
    let certificate = issued(aws.issue(&order).await.unwrap());
    is_as_approved(&aws, &order, &certificate);
    assert_eq!(fake.issued().len(), 1);
    clean(&fake);
}

#[tokio::test]
async fn answers_that_are_none_leave_the_order_open() {
    let (fake, aws) = ready().await;
    for (fault, words, unheard) in [
        (Fault::Redirect { location: None }, "not followed", false),
        (Fault::Html, "not JSON", true),
        (Fault::Garbage, "not JSON", true),
        (Fault::Empty, "names no certificate", true),
        (
            Fault::Status {
                status: 500,
                retry_after: None,
            },
            "status 500",
            true,
        ),
    ] {
        fake.fail(Operation::Issue, Some(1), fault.clone());
        let (why, after, may_be_there) = again(aws.issue(&order()).await.unwrap_err());
        assert!(why.contains(words), "{fault:?}: {why}");
        assert_eq!((after, may_be_there), (None, unheard), "{fault:?}: {why}");
    }
    assert!(fake.issued().is_empty());
    clean(&fake);
}

#[tokio::test]
async fn keys_that_ran_out_are_exchanged_in_mid_run() {
    let fake = fake().await;
    let (id, secret_key) = fake.aws_pca_settings().credentials;
    let file = |id: &str, secret_key: &str| {
        Zeroizing::new(format!(
            "[default]\naws_access_key_id = {id}\naws_secret_access_key = {secret_key}\naws_session_token = s-{id}\n"
        ))
    };
    let content = Arc::new(Mutex::new(file(&id, &secret_key)));
    fake.settings(|settings| settings.aws_pca.session_token = Some(format!("s-{id}")));
    let of_file: Credential = {
        let content = Arc::clone(&content);
        Arc::new(move || Ok(content.lock().unwrap().clone()))
    };
    let source = Source::Profile {
        file: of_file,
        profile: "default".to_owned(),
    };
    let aws = AwsPca::open(opened(&fake, &Hand::new()), settings_with(&fake, source))
        .await
        .unwrap();
    // They ran out, and there are no others yet.
    fake.fail(Operation::Issue, Some(2), Fault::LoginRanOut);
    let (why, _, unheard) = again(aws.issue(&order()).await.unwrap_err());
    assert!(
        why.contains("ExpiredTokenException") && why.contains("see to the credentials"),
        "{why}"
    );
    assert!(!unheard && !why.contains(&secret_key), "{why}");
    // They are exchanged: the file is read anew, and the same call goes through.
    fake.settings(|settings| {
        settings.aws_pca.credentials = ("AKIA2".to_owned(), "another".to_owned());
        settings.aws_pca.session_token = Some("s-AKIA2".to_owned());
    });
    *content.lock().unwrap() = file("AKIA2", "another");
    issued(aws.issue(&order()).await.unwrap());
    assert_eq!(fake.issued().len(), 1);
    clean(&fake);
}

#[tokio::test]
async fn a_ca_that_is_not_active_lets_devices_wait() {
    let (fake, aws) = ready().await;
    fake.settings(|settings| settings.aws_pca.ca_status = "DISABLED".to_owned());
    let (why, _, unheard) = again(aws.issue(&order()).await.unwrap_err());
    assert!(!unheard && why.contains("must be ACTIVE"), "{why}");
    let (why, ..) = again(aws.look().await.unwrap_err());
    assert!(why.contains("`DISABLED`, not ACTIVE"), "{why}");
    assert!(aws.health().trouble.unwrap().contains("DISABLED"));
    fake.settings(|settings| settings.aws_pca.ca_status = "ACTIVE".to_owned());
    aws.look().await.unwrap();
    issued(aws.issue(&order()).await.unwrap());
    assert_eq!(aws.health().trouble, None);
    clean(&fake);
}

#[tokio::test]
async fn no_certificate_that_differs_is_taken_for_the_approved_one() {
    let (fake, aws) = ready().await;
    let mut taken = Vec::new();
    for (at, change) in CHANGES.into_iter().enumerate() {
        let order = Order {
            id: [at as u8; 16],
            ..order()
        };
        fake.change(change);
        let fetched = aws.issue(&order).await;
        assert_eq!(fake.issued().pop().unwrap().changes, [change]);
        let certificate = match fetched {
            Ok(Issuance::Issued(certificate)) => certificate,
            // What cannot be read is asked for again, and never delivered.
            Ok(Issuance::Later { handle, .. }) => {
                let unread = aws.resume(&order, &handle).await.unwrap_err();
                let (why, _, unheard) = again(unread);
                assert!(unheard && why.contains("can be read"), "{change:?}: {why}");
                continue;
            }
            Err(error) => panic!("{change:?}: {error:?}"),
        };
        let compared = order
            .approved
            .matches(&certificate)
            .and_then(|()| aws.authority().made(&certificate))
            .and_then(|()| order.approved.whole_validity(&certificate));
        if compared.is_ok() {
            taken.push(change);
        }
    }
    // An order may wait, and its certificate may begin up to a day after it was approved.
    assert_eq!(taken, [Change::LaterNotBefore]);
    clean(&fake);
}

#[tokio::test]
async fn a_new_key_of_the_ca_is_found_by_its_first_certificate() {
    let (fake, aws) = ready().await;
    let before = aws.authority().certificate().clone();
    fake.renew_ca_key().unwrap();
    let order = order();
    let certificate = issued(aws.issue(&order).await.unwrap());
    is_as_approved(&aws, &order, &certificate);
    assert_ne!(*aws.authority().certificate(), before);
    clean(&fake);
}

#[tokio::test]
async fn it_makes_ras() {
    let (fake, aws) = ready().await;
    fake.fail(Operation::Collect, Some(1), Fault::Html);
    let csr = csr("CN=SCEP RA corp", &SubjectAltNames::default());
    let end = Utc::now() + chrono::Duration::days(30);
    let unread = aws.certify_ra(&csr, end).await.unwrap_err();
    assert!(again(unread).2);
    let ra = aws.certify_ra(&csr, end).await.unwrap();
    assert_eq!(ra.subject().common_name(), Some("SCEP RA corp"));
    aws.authority().made(&ra).unwrap();
    clean(&fake);
}
