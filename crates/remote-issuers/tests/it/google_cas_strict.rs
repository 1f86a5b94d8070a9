//! The Google CAS issuer against the fake of `crates/issuer-fakes`, which verifies tokens and was written from what is
//! published about the service.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use issuer::{Found, Issuance, IssueError, Issuer as _, Order, RemoteCa as _};
use issuer_fakes::{CHANGES, Change, Clock, Fake, Fault, Kind, Operation, Options};
use outbound::{Client, Trust, Url};
use pki::{Certificate, RevocationReason, SubjectAltNames};
use remote_issuers::Opening;
use remote_issuers::google_cas::{GoogleCas, Login, Settings};
use serde_json::json;

use crate::support::*;

/// A fake whose clock stands at the moment until it is moved.
async fn fake() -> Fake {
    let options = Options {
        kind: Kind::GoogleCas,
        clock: Clock::standing(Utc::now().timestamp()),
        first_port: None,
    };
    Fake::start(options).await.unwrap()
}

/// Reaches the fake in its own time; answers may have a mebibyte.
fn opened(fake: &Fake, hand: &Hand) -> Opening {
    let roots = Certificate::bundle_from_pem(fake.trust().as_bytes()).unwrap();
    let roots = roots.iter().map(|root| root.der().to_vec()).collect();
    let client = Client::new(outbound::Options {
        timeout: Duration::from_secs(60),
        max_body: 1 << 20,
        ..outbound::Options::new(Trust::Roots(roots))
    });
    let clock = fake.clock();
    Opening {
        clock: Arc::new(move || DateTime::from_timestamp(clock.now(), 0).unwrap()),
        ..opening(fake.url(), client.unwrap(), hand.ticks())
    }
}

async fn logged_in(fake: &Fake, login: Login, hand: &Hand) -> Result<GoogleCas, IssueError> {
    let settings = Settings {
        pool: fake.google_cas_settings().pool,
        ca: None,
        template: None,
        login,
    };
    GoogleCas::open(opened(fake, hand), settings).await
}

fn metadata(fake: &Fake) -> Login {
    Login::Metadata(Url::parse(fake.metadata_url()).unwrap())
}

async fn ready() -> (Fake, GoogleCas) {
    let fake = fake().await;
    let google = logged_in(&fake, metadata(&fake), &Hand::new()).await;
    (fake, google.unwrap())
}

/// Nothing that was sent is of a form that the documents of the service do not have.
fn clean(fake: &Fake) {
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
    assert_eq!(fake.count(Operation::Elsewhere), 0);
}

fn is_as_approved(google: &GoogleCas, order: &Order, certificate: &Certificate) {
    order.approved.matches(certificate).unwrap();
    google.authority().made(certificate).unwrap();
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

#[tokio::test]
async fn a_certificate_lives_from_its_creation_to_the_crl() {
    let (fake, google) = ready().await;
    let order = order();
    let certificate = issued(google.issue(&order).await.unwrap());
    is_as_approved(&google, &order, &certificate);
    let now = DateTime::from_timestamp(fake.clock().now(), 0).unwrap();
    let before = google.newest_crl(now).await.unwrap().unwrap();
    assert!(before.entries().is_empty());
    for _ in 0..2 {
        let reason = RevocationReason::PrivilegeWithdrawn;
        google.revoke(&certificate, reason).await.unwrap();
    }
    assert!(matches!(fake.issued()[0].revoked, Some((_, 9))));
    let crl = google.newest_crl(now).await.unwrap().unwrap();
    assert_eq!(crl.entries().len(), 1);
    assert_eq!(&crl.entries()[0].serial, certificate.serial());
    assert_eq!(fake.count(Operation::Login), 1, "the token is kept");
    clean(&fake);
}

#[tokio::test]
async fn names_of_every_kind_come_back_as_approved() {
    let (fake, google) = ready().await;
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
            id: [at as u8 + 1; 16],
            ..order_for(&any, subject, &names)
        };
        let certificate = issued(google.issue(&order).await.unwrap());
        is_as_approved(&google, &order, &certificate);
    }
    clean(&fake);
}

#[tokio::test]
async fn each_error_of_the_service_has_its_outcome() {
    let (fake, google) = ready().await;
    let unheard = ["INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"];
    for name in fake.errors() {
        let fault = Fault::Error {
            name: name.to_owned(),
        };
        fake.fail(Operation::Issue, None, fault);
        let calls = fake.count(Operation::Issue);
        let error = google.issue(&order()).await.unwrap_err();
        fake.heal();
        let is_of_token = name == "UNAUTHENTICATED";
        let tries = fake.count(Operation::Issue) - calls;
        assert_eq!(tries, if is_of_token { 2 } else { 1 }, "{name}");
        if name == "INVALID_ARGUMENT" {
            assert!(
                matches!(&error, IssueError::Refused(words) if words.contains("invalid argument")),
                "{name}: {error:?}"
            );
            continue;
        }
        let (why, _, may_be_there) = again(error);
        assert_eq!(may_be_there, unheard.contains(&name), "{name}: {why}");
        let hints = why.contains("scepd issuer role google-cas");
        assert_eq!(hints, name == "PERMISSION_DENIED", "{name}: {why}");
    }
    fake.fail(
        Operation::Issue,
        Some(1),
        Fault::Status {
            status: 429,
            retry_after: Some("17".to_owned()),
        },
    );
    let (_, after, unheard) = again(google.issue(&order()).await.unwrap_err());
    assert_eq!((after, unheard), (Some(Duration::from_secs(17)), false));
    assert!(fake.issued().is_empty());
    issued(google.issue(&order()).await.unwrap());
    clean(&fake);
}

#[tokio::test]
async fn a_lost_answer_is_found_by_the_certificates_id() {
    for (fault, words) in [
        (Fault::CutAfter, "connection"),
        (Fault::CutHalfway, ""),
        (Fault::StatusAfter { status: 500 }, "status 500"),
        (Fault::StatusAfter { status: 502 }, "status 502"),
        (Fault::StatusAfter { status: 503 }, "not available"),
        (Fault::TooLong { octets: 10 << 20 }, "larger than"),
    ] {
        let (fake, google) = ready().await;
        let order = order();
        assert!(matches!(google.find(&order).await.unwrap(), Found::Nothing));
        fake.fail(Operation::Issue, Some(1), fault.clone());
        let (why, _, unheard) = again(google.issue(&order).await.unwrap_err());
        assert!(unheard && why.contains(words), "{fault:?}: {why}");
        let Found::Issued(found) = google.find(&order).await.unwrap() else {
            panic!("{fault:?}: it is there");
        };
        is_as_approved(&google, &order, &found);
        assert_eq!(issued(google.issue(&order).await.unwrap()), found);
        assert_eq!(fake.issued().len(), 1, "{fault:?}");
        clean(&fake);
    }
}

#[tokio::test]
async fn an_hour_later_the_same_order_makes_no_second_certificate() {
    let (fake, hand) = (fake().await, Hand::new());
    let google = logged_in(&fake, metadata(&fake), &hand).await.unwrap();
    let order = order();
    fake.fail(Operation::Issue, Some(1), Fault::CutAfter);
    assert!(again(google.issue(&order).await.unwrap_err()).2);
    // The request's id is forgotten, the token has ended, and the certificate's id is there for ever.
    hand.passes(3700);
    fake.clock().advance(3700);
    let certificate = issued(google.issue(&order).await.unwrap());
    order.approved.matches(&certificate).unwrap();
    assert_eq!(fake.issued().len(), 1);
    assert_eq!(fake.count(Operation::Login), 2);
    clean(&fake);
}

#[tokio::test]
async fn a_creation_given_up_while_its_answer_is_slow_leaves_one_certificate() {
    let (fake, google) = ready().await;
    let order = order();
    fake.fail(Operation::Issue, Some(1), Fault::Held);
    tokio::select! {
        answer = google.issue(&order) => panic!("it is held: {answer:?}"),
        () = fake.came(Operation::Issue, 1) => {}
    }
    let certificate = issued(google.issue(&order).await.unwrap());
    is_as_approved(&google, &order, &certificate);
    assert_eq!(fake.issued().len(), 1);
    clean(&fake);
}

#[tokio::test]
async fn answers_that_are_none_leave_the_order_open() {
    let (fake, google) = ready().await;
    for (fault, words, unheard) in [
        (Fault::Redirect { location: None }, "not followed", false),
        (Fault::Html, "cannot be read", true),
        (Fault::Garbage, "cannot be read", true),
        (Fault::Empty, "cannot be read", true),
    ] {
        fake.fail(Operation::Issue, Some(1), fault.clone());
        let (why, _, may_be_there) = again(google.issue(&order()).await.unwrap_err());
        assert!(why.contains(words), "{fault:?}: {why}");
        assert_eq!(may_be_there, unheard, "{fault:?}: {why}");
    }
    assert!(fake.issued().is_empty());
    clean(&fake);
}

#[tokio::test]
async fn each_way_to_log_in_gets_a_token_and_another_when_it_ran_out() {
    let fake = fake().await;
    let workload = |impersonates: bool| {
        let mut config = json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/v1/token", fake.url()),
            "credential_source": {"file": "/run/token"},
        });
        if impersonates {
            let account = fake.google_cas_settings().account;
            config["service_account_impersonation_url"] = format!(
                "{}/v1/projects/-/serviceAccounts/{account}:generateAccessToken",
                fake.url()
            )
            .into();
        }
        Login::Workload {
            config: secret(&config.to_string()),
            subject: secret(&fake.google_cas_settings().subject_token),
        }
    };
    let key = Login::ServiceAccount(secret(&fake.google_key_file()));
    for login in [key, workload(false), workload(true), metadata(&fake)] {
        let google = logged_in(&fake, login, &Hand::new()).await.unwrap();
        let logins = fake.count(Operation::Login);
        fake.fail(Operation::Chain, Some(1), Fault::LoginRanOut);
        google.look().await.unwrap();
        assert!(fake.count(Operation::Login) > logins);
        assert_eq!(google.health().trouble, None);
    }
    clean(&fake);
}

#[tokio::test]
async fn a_login_that_is_refused_says_why_and_shows_no_secret() {
    let fake = fake().await;
    let mut key: serde_json::Value = serde_json::from_str(&fake.google_key_file()).unwrap();
    key["client_email"] = "gone@fake.iam.gserviceaccount.com".into();
    let login = Login::ServiceAccount(secret(&key.to_string()));
    let refused = logged_in(&fake, login, &Hand::new()).await.err().unwrap();
    let said = format!("{refused} {refused:?}");
    assert!(said.contains("invalid_grant"), "{said}");
    assert!(
        !said.contains("PRIVATE KEY") && !said.contains("assertion"),
        "{said}"
    );
    // The machine has no account for a while.
    fake.fail(
        Operation::Login,
        Some(1),
        Fault::Status {
            status: 503,
            retry_after: None,
        },
    );
    let refused = logged_in(&fake, metadata(&fake), &Hand::new()).await.err();
    assert!(
        refused
            .unwrap()
            .to_string()
            .contains("asking the metadata server")
    );
}

#[tokio::test]
async fn what_the_pool_cuts_or_adds_is_not_as_approved() {
    for (at, field) in [(1, "notAfter"), (2, "extKeyUsage")] {
        let (fake, google) = ready().await;
        fake.settings(|settings| match at {
            1 => settings.google_cas.maximum_lifetime = Some(86_400),
            _ => settings.google_cas.baseline_usages = vec!["1.3.6.1.5.5.7.3.1".to_owned()],
        });
        let order = order();
        let certificate = issued(google.issue(&order).await.unwrap());
        let compared = order
            .approved
            .matches(&certificate)
            .and_then(|()| order.approved.whole_validity(&certificate));
        assert_eq!(compared.unwrap_err().field, field);
    }
    let (fake, google) = ready().await;
    fake.settings(|settings| settings.google_cas.allow_config = false);
    let refused = google.issue(&order()).await.unwrap_err();
    assert!(
        matches!(&refused, IssueError::Refused(words) if words.contains("issuance policy")),
        "{refused:?}"
    );
    fake.settings(|settings| settings.google_cas.ca_state = "DISABLED".to_owned());
    let (_, _, unheard) = again(google.issue(&order()).await.unwrap_err());
    assert!(!unheard);
    let (why, ..) = again(google.look().await.unwrap_err());
    assert!(why.contains("no CA of the pool is enabled"), "{why}");
}

#[tokio::test]
async fn no_certificate_that_differs_is_taken_for_the_approved_one() {
    let (fake, google) = ready().await;
    let mut taken = Vec::new();
    for (at, change) in CHANGES.into_iter().enumerate() {
        let order = Order {
            id: [at as u8 + 1; 16],
            ..order()
        };
        fake.change(change);
        let fetched = google.issue(&order).await;
        assert_eq!(fake.issued().pop().unwrap().changes, [change]);
        let certificate = match fetched {
            Ok(Issuance::Issued(certificate)) => certificate,
            // What cannot be read is asked for again, and never delivered.
            Err(error) if change == Change::Garbage => {
                let (why, _, unheard) = again(error);
                assert!(unheard && why.contains("can be read"), "{why}");
                continue;
            }
            other => panic!("{change:?}: {other:?}"),
        };
        let compared = order
            .approved
            .matches(&certificate)
            .and_then(|()| google.authority().made(&certificate))
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
    let (fake, google) = ready().await;
    let before = google.authority().certificate().clone();
    fake.renew_ca_key().unwrap();
    let order = order();
    let certificate = issued(google.issue(&order).await.unwrap());
    is_as_approved(&google, &order, &certificate);
    assert_ne!(*google.authority().certificate(), before);
    clean(&fake);
}

#[tokio::test]
async fn a_pool_that_keeps_no_certificates_cannot_revoke() {
    let (fake, google) = ready().await;
    fake.settings(|settings| settings.google_cas.tier = "DEVOPS".to_owned());
    let certificate = issued(google.issue(&order()).await.unwrap());
    let error = google
        .revoke(&certificate, RevocationReason::Superseded)
        .await
        .unwrap_err();
    assert!(again(error).0.contains("DEVOPS tier"));
    clean(&fake);
}
