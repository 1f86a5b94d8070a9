//! The EJBCA issuer against a fake.

use std::time::Duration;

use chrono::Utc;
use issuer::{Found, Issuance, IssueError, Issuer as _, RemoteCa as _};
use outbound::endpoint;
use pki::{RevocationReason, SubjectAltNames};
use remote_issuers::ejbca::{Ejbca, Login, Profiles, Settings, recommended};
use serde_json::json;

use crate::fake_ejbca::{Act, CA_NAME, Fake, SECRET, fake, said};
use crate::maker::{Twist, WRONG};
use crate::support::*;
use crate::web::{Answer, Manner, Server};

fn settings_with(login: Login) -> Settings {
    Settings {
        ca: "Corp".to_owned(),
        profiles: Profiles {
            certificate: "device".to_owned(),
            end_entity: "scepd".to_owned(),
        },
        ra_profiles: None,
        sends_end_time: true,
        login,
    }
}

async fn ready() -> (Server<Fake>, Ejbca) {
    let fake = fake().await;
    let ejbca = Ejbca::open(patient(&fake.url()), settings_with(Login::Certificate))
        .await
        .unwrap();
    (fake, ejbca)
}

#[tokio::test]
async fn what_was_approved_is_asked_for_and_comes_back() {
    let (fake, ejbca) = ready().await;
    let order = order();
    let certificate = issued(ejbca.issue(&order).await.unwrap());
    order.approved.matches(&certificate).unwrap();
    order.approved.whole_validity(&certificate).unwrap();
    ejbca.authority().made(&certificate).unwrap();
    let body = fake.state().enrollments[0].clone();
    assert_eq!(body["username"], "scepd-07070707070707070707070707070707");
    assert_eq!(
        (
            &body["certificate_profile_name"],
            &body["end_entity_profile_name"]
        ),
        (&json!("device"), &json!("scepd"))
    );
    assert_eq!(body["certificate_authority_name"], "Corp");
    assert_eq!(body["email"], "dev@example.com");
    assert_eq!(body["password"].as_str().unwrap().len(), 32);

    for _ in 0..2 {
        ejbca
            .revoke(&certificate, RevocationReason::KeyCompromise)
            .await
            .unwrap();
    }
    let crl = ejbca.newest_crl(Utc::now()).await.unwrap().unwrap();
    assert_eq!(crl.entries().len(), 1);
    let unknown = fake.state().maker.ca.clone();
    let refused = ejbca
        .revoke(&unknown, RevocationReason::KeyCompromise)
        .await;
    assert!(
        matches!(refused, Err(IssueError::Refused(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_older_servers_do_not_know_is_left_out() {
    let fake = fake().await;
    let settings = Settings {
        sends_end_time: false,
        ..settings_with(Login::Certificate)
    };
    let ejbca = Ejbca::open(patient(&fake.url()), settings).await.unwrap();
    let order = order_for(&policy(), "CN=a", &SubjectAltNames::default());
    let certificate = issued(ejbca.issue(&order).await.unwrap());
    order.approved.matches(&certificate).unwrap();
    let body = fake.state().enrollments[0].clone();
    assert!(
        body.get("end_time").is_none() && body.get("email").is_none(),
        "{body}"
    );
    let warned = ejbca.objections(&policy());
    assert!(
        warned.len() == 1 && warned[0].setting == "max_ttl" && !warned[0].is_fatal,
        "{warned:?}"
    );
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    let flood = Answer::new(201, "application/json", vec![b' '; 10 << 20]);
    let elsewhere = Answer::json(302, &json!({})).with("Location", "https://elsewhere.example/");
    let busy = said(429, "slow down").with("Retry-After", "7");
    for (act, contains, after, unheard) in [
        (Act::Sends(Manner::Lost), "connection", None, true),
        (Act::Sends(Manner::Cut), "", None, true),
        (
            Act::Says(500, "General failure."),
            "status 500: General failure.",
            None,
            true,
        ),
        (
            Act::Says(503, "Device was unavailable."),
            "not available: Device was",
            None,
            false,
        ),
        (
            Act::Says(400, "CA with ID 7 is offline."),
            "CA is not at work",
            None,
            false,
        ),
        (
            Act::Says(
                403,
                "Administrator is not authorized to resource /administrator. Msg: .",
            ),
            "enrolling: Administrator is not authorized",
            None,
            false,
        ),
        (
            Act::Says(404, "CA with name x doesn't exist."),
            "enrolling: CA with name",
            None,
            false,
        ),
        (
            Act::Says(
                422,
                "Wrong number of DNSNAME fields in Subject Alternative Name.",
            ),
            "refused: Wrong number of DNSNAME fields",
            None,
            false,
        ),
        (
            Act::Says(409, "conflicting"),
            "refused: conflicting",
            None,
            false,
        ),
        (
            Act::Waits(false),
            "refused: it waits for an approval",
            None,
            false,
        ),
        (Act::Is(elsewhere), "not followed", None, false),
        (Act::Is(busy), "too many requests", Some(7), false),
        (Act::Is(flood), "larger than", None, true),
        (
            Act::Is(Answer::new(201, "text/html", "<html>")),
            "not JSON",
            None,
            true,
        ),
        (
            Act::Is(Answer::json(201, &json!({"certificate": "AAAA"}))),
            "no certificate",
            None,
            true,
        ),
        (
            Act::Is(Answer::json(201, &json!({}))),
            "no certificate",
            None,
            true,
        ),
    ] {
        let (fake, ejbca) = ready().await;
        fake.state().acts.push_back(act.clone());
        let said = match ejbca.issue(&order()).await.unwrap_err() {
            IssueError::Refused(words) => (format!("refused: {words}"), None, false),
            IssueError::Again {
                why,
                after,
                unheard,
            } => (why, after.map(|pause| pause.as_secs()), unheard),
        };
        assert!(said.0.contains(contains), "{act:?}: {said:?}");
        assert_eq!((said.1, said.2), (after, unheard), "{act:?}: {said:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_found_again_by_the_orders_own_user() {
    let (fake, ejbca) = ready().await;
    let order = order();
    assert!(matches!(ejbca.find(&order).await.unwrap(), Found::Nothing));
    fake.state().acts.push_back(Act::Sends(Manner::Lost));
    let error = ejbca.issue(&order).await.unwrap_err();
    assert!(
        matches!(error, IssueError::Again { unheard: true, .. }),
        "{error:?}"
    );
    let Found::Issued(found) = ejbca.find(&order).await.unwrap() else {
        panic!("it was made")
    };
    assert_eq!(fake.state().maker.made, [found]);
    // Of the same user, with another key.
    fake.state().acts.push_back(Act::Makes(Twist::SwapsTheKey));
    issued(ejbca.issue(&order).await.unwrap());
    assert!(matches!(ejbca.find(&order).await.unwrap(), Found::Nothing));
    fake.state().has_search = false;
    assert!(matches!(
        ejbca.find(&order).await.unwrap(),
        Found::CannotTell
    ));
}

#[tokio::test]
async fn no_answer_in_time_may_have_left_a_certificate() {
    let fake = fake().await;
    let opening = opening(
        &fake.url(),
        client(Duration::from_millis(300)),
        Hand::new().ticks(),
    );
    let ejbca = Ejbca::open(opening, settings_with(Login::Certificate))
        .await
        .unwrap();
    fake.state().acts.push_back(Act::Sends(Manner::Hangs));
    let error = ejbca.issue(&order()).await.unwrap_err();
    assert!(
        matches!(error, IssueError::Again { unheard: true, .. }),
        "{error:?}"
    );
    assert!(matches!(
        ejbca.find(&order()).await.unwrap(),
        Found::Issued(_)
    ));
}

#[tokio::test]
async fn what_waits_for_an_approval_is_fetched_when_it_is_given() {
    let (fake, ejbca) = ready().await;
    let order = order();
    fake.state().acts.push_back(Act::Waits(true));
    let Issuance::Later { handle, after } = ejbca.issue(&order).await.unwrap() else {
        panic!("it waits")
    };
    assert_eq!(after, Duration::from_secs(60));
    let again = ejbca.resume(&order, &handle).await.unwrap();
    assert!(matches!(again, Issuance::Later { handle: same, .. } if same == handle));
    if let Some(waiting) = &mut fake.state().waiting {
        waiting.2 = true;
    }
    // The answer is lost, and it is not given twice.
    fake.state().acts.push_back(Act::Sends(Manner::Lost));
    let error = ejbca.resume(&order, &handle).await.unwrap_err();
    assert!(
        matches!(error, IssueError::Again { unheard: true, .. }),
        "{error:?}"
    );
    let certificate = issued(ejbca.resume(&order, &handle).await.unwrap());
    order.approved.matches(&certificate).unwrap();
    assert_eq!(fake.state().maker.made.len(), 1);
    // One that was rejected.
    fake.state().users.clear();
    let refused = ejbca.resume(&order, &handle).await.unwrap_err().to_string();
    assert!(
        refused.contains("the request 17 over there: Request with Id '17'"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_certificate_that_differs_is_told_by_the_field() {
    for (twist, field) in WRONG {
        let (fake, ejbca) = ready().await;
        fake.state().acts.push_back(Act::Makes(twist));
        let order = order();
        let certificate = issued(ejbca.issue(&order).await.unwrap());
        let compared = order
            .approved
            .matches(&certificate)
            .and_then(|()| ejbca.authority().made(&certificate))
            .and_then(|()| order.approved.whole_validity(&certificate));
        assert_eq!(compared.unwrap_err().field, field, "{twist:?}");
    }
}

#[tokio::test]
async fn names_that_the_request_has_not_are_not_asked_for() {
    let (fake, ejbca) = ready().await;
    let mut order = order();
    order.csr = csr("CN=another", &sans()).der().to_vec();
    let refused = ejbca.issue(&order).await.unwrap_err().to_string();
    assert!(
        refused.contains("cannot make this subject") && refused.contains("`CN=another`"),
        "{refused}"
    );
    let mut fewer = sans();
    fewer.dns.clear();
    order.csr = csr("CN=device one {x}, serialNumber=C02-7, UID=u7", &fewer)
        .der()
        .to_vec();
    let refused = ejbca.issue(&order).await.unwrap_err().to_string();
    assert!(
        refused.contains("cannot make this subjectAltName"),
        "{refused}"
    );
    let mut long = policy();
    long.max_ttl = chrono::Duration::days(20 * 366);
    let order = order_for(&long, "CN=a", &sans());
    let refused = ejbca.can_express(&order.approved).unwrap_err();
    assert_eq!(refused.field, "notAfter");
    assert!(fake.state().enrollments.is_empty());
}

fn by_oauth(fake: &Server<Fake>, secret_text: &str) -> Login {
    Login::OAuth {
        client: client(Duration::from_secs(20)),
        token_url: endpoint(&format!("{}/token", fake.url())).unwrap(),
        client_id: "scepd".to_owned(),
        client_secret: secret(secret_text),
        scope: Some("ejbca".to_owned()),
    }
}

#[tokio::test]
async fn a_token_is_fetched_anew_when_it_runs_out_and_when_it_is_not_taken() {
    let fake = fake().await;
    fake.state().tokens = Some(Vec::new());
    let hand = Hand::new();
    let opening = opening(&fake.url(), client(Duration::from_secs(20)), hand.ticks());
    let ejbca = Ejbca::open(opening, settings_with(by_oauth(&fake, SECRET)))
        .await
        .unwrap();
    hand.passes(199);
    ejbca.issue(&order()).await.unwrap();
    assert_eq!(fake.state().logins, 1);
    hand.passes(1);
    ejbca.issue(&order()).await.unwrap();
    assert_eq!(fake.state().logins, 2);
    fake.state().tokens = Some(Vec::new());
    ejbca.issue(&order()).await.unwrap();
    assert_eq!(fake.state().logins, 3);
}

#[tokio::test]
async fn credentials_that_are_not_taken_make_devices_wait_and_are_not_repeated_in_words() {
    let fake = fake().await;
    let login = by_oauth(&fake, "canary-wrong");
    let error = Ejbca::open(patient(&fake.url()), settings_with(login))
        .await
        .err()
        .unwrap();
    let said = format!("{error} {error:?}");
    assert!(
        said.contains("refuses the login: invalid_client Invalid client"),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
    fake.state().tokens = Some(vec!["canary-token-0".to_owned()]);
    let login = Login::Token(secret("canary-old"));
    let error = Ejbca::open(patient(&fake.url()), settings_with(login))
        .await
        .err()
        .unwrap();
    let said = format!("{error} {error:?}");
    assert!(
        said.contains("does not let scepd in: Error no client certificate"),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
    let login = Login::Token(secret("canary-token-0"));
    let ejbca = Ejbca::open(patient(&fake.url()), settings_with(login))
        .await
        .unwrap();
    issued(ejbca.issue(&order()).await.unwrap());
}

#[tokio::test]
async fn a_ca_that_is_not_shown_and_an_api_that_is_not_there_are_told_apart() {
    let fake = fake().await;
    let open = |path: &str, ca: &str| {
        let settings = Settings {
            ca: ca.to_owned(),
            ..settings_with(Login::Certificate)
        };
        Ejbca::open(patient(&format!("{}{path}", fake.url())), settings)
    };
    let said = open("", "Other").await.err().unwrap().to_string();
    assert!(
        said.contains("no CA `Other`, but `ManagementCA`, `Corp`"),
        "{said}"
    );
    let said = open("/elsewhere", "Corp").await.err().unwrap().to_string();
    assert!(said.contains("no REST API at this address"), "{said}");
    open("/ejbca/ejbca-rest-api/", "Corp").await.unwrap();
}

#[tokio::test]
async fn another_ca_over_there_is_taken_over() {
    let (fake, ejbca) = ready().await;
    let old = issued(ejbca.issue(&order()).await.unwrap());
    fake.state().maker.rolls_over(CA_NAME);
    let new = issued(ejbca.issue(&order()).await.unwrap());
    let authority = ejbca.authority();
    authority.made(&new).unwrap();
    assert!(authority.issued(&old));
}

#[tokio::test]
async fn an_ra_of_its_own_profiles_is_of_use_and_another_is_not() {
    let fake = fake().await;
    let with = |profile: &str| Settings {
        ra_profiles: Some(Profiles {
            certificate: profile.to_owned(),
            end_entity: "ra".to_owned(),
        }),
        ..settings_with(Login::Certificate)
    };
    let ejbca = Ejbca::open(patient(&fake.url()), with("ra")).await.unwrap();
    let csr = csr("CN=SCEP RA corp", &SubjectAltNames::default());
    let end = Utc::now() + chrono::Duration::days(30);
    let ra = ejbca.certify_ra(&csr, end).await.unwrap();
    assert_eq!(ra.ext_key_usages(), ["1.3.6.1.4.1.311.20.2.1"]);
    assert_eq!(ra.not_after().timestamp(), end.timestamp());
    let ejbca = Ejbca::open(patient(&fake.url()), with("device"))
        .await
        .unwrap();
    fake.state().acts.push_back(Act::Makes(Twist::SwapsTheKey));
    let refused = ejbca.certify_ra(&csr, end).await.unwrap_err().to_string();
    assert!(
        refused.contains("`device` makes is of no use for an RA: it is for another key"),
        "{refused}"
    );
    let none = Ejbca::open(patient(&fake.url()), settings_with(Login::Certificate))
        .await
        .unwrap();
    assert!(!none.makes_ras() && none.certify_ra(&csr, end).await.is_err());
}

#[test]
fn what_to_prepare_is_said_for_the_policy() {
    let profiles = Profiles {
        certificate: "device".to_owned(),
        end_entity: "scepd".to_owned(),
    };
    let lines = recommended(&policy(), "Corp", &profiles);
    for one in [
        "  Subject DN Attributes, none required: CN, serialNumber, UID",
        "  Extended Key Usage: 1.3.6.1.5.5.7.3.2",
        "  /endentityprofilesrules/scepd/create_end_entity",
        "  /ca/Corp",
    ] {
        assert!(lines.iter().any(|line| line == one), "{one}: {lines:#?}");
    }
}
