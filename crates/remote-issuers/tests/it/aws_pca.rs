//! The AWS Private CA issuer against a fake.

use std::time::Duration;

use chrono::Utc;
use issuer::{Found, Issuance, IssueError, Issuer as _, RemoteCa as _};
use outbound::endpoint;
use pki::{RevocationReason, SubjectAltNames};
use remote_issuers::aws_pca::{AwsPca, Place, Settings, Source, recommended};
use serde_json::json;

use crate::fake_aws::{ARN, Act, Fake, fake};
use crate::maker::{Twist, WRONG};
use crate::support::*;
use crate::web::{Answer, Manner, Server};

fn keys(id: &str) -> Source {
    Source::Keys {
        access_key_id: id.to_owned(),
        secret_access_key: secret("canary-secret"),
        session_token: None,
    }
}

fn settings_with(source: Source) -> Settings {
    Settings {
        ca_arn: ARN.to_owned(),
        place: Place::of(ARN).unwrap(),
        source,
        crl: None,
    }
}

async fn ready() -> (Server<Fake>, AwsPca) {
    let fake = fake().await;
    let aws = AwsPca::open(patient(&fake.url()), settings_with(keys("AKIA1")))
        .await
        .unwrap();
    (fake, aws)
}

#[tokio::test]
async fn what_was_approved_goes_into_the_fields_and_comes_back() {
    let (fake, aws) = ready().await;
    let order = order();
    let certificate = issued(aws.issue(&order).await.unwrap());
    order.approved.matches(&certificate).unwrap();
    order.approved.whole_validity(&certificate).unwrap();
    aws.authority().made(&certificate).unwrap();
    let body = fake.state().ordered[0].clone();
    assert_eq!(body["IdempotencyToken"], "07".repeat(16));
    assert_eq!(body["Validity"]["Type"], "ABSOLUTE");
    let extensions = &body["ApiPassthrough"]["Extensions"];
    assert_eq!(
        extensions["ExtendedKeyUsage"],
        json!([{"ExtendedKeyUsageType": "CLIENT_AUTH"}])
    );
    assert!(extensions.get("CustomExtensions").is_none());
    assert!(
        fake.state()
            .authorization
            .starts_with("AWS4-HMAC-SHA256 Credential=AKIA1/")
    );
    assert!(fake.state().authorization.contains("/eu-central-1/acm-pca/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, "));
    for _ in 0..2 {
        aws.revoke(&certificate, RevocationReason::KeyCompromise)
            .await
            .unwrap();
    }
    assert_eq!(fake.state().maker.revoked.len(), 1);
    assert!(aws.newest_crl(Utc::now()).await.unwrap().is_none());
    assert!(aws.findings()[0].what.contains("aws_pca.crl_url"));
}

#[tokio::test]
async fn the_crl_is_read_where_it_is_published() {
    let fake = fake().await;
    let url = endpoint(&format!("{}/corp.crl", fake.url())).unwrap();
    let settings = Settings {
        crl: Some((client(Duration::from_secs(20)), url)),
        ..settings_with(keys("AKIA1"))
    };
    let aws = AwsPca::open(patient(&fake.url()), settings).await.unwrap();
    assert!(aws.findings().is_empty());
    let crl = aws.newest_crl(Utc::now()).await.unwrap().unwrap();
    assert!(crl.entries().is_empty());
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    let flood = Answer::new(200, "application/x-amz-json-1.1", vec![b' '; 10 << 20]);
    let elsewhere = Answer::json(302, &json!({})).with("Location", "https://elsewhere.example/");
    for (act, contains, after, unheard) in [
        (Act::Sends(Manner::Lost), "connection", None, true),
        (Act::Sends(Manner::Cut), "", None, true),
        (
            Act::Says(500, "InternalFailure", "x"),
            "status 500: x",
            None,
            true,
        ),
        (
            Act::Says(503, "ServiceUnavailable", "x"),
            "not available",
            None,
            true,
        ),
        (
            Act::Says(400, "InvalidArgsException", "bad"),
            "refused: InvalidArgsException: bad",
            None,
            false,
        ),
        (
            Act::Says(400, "MalformedCSRException", "bad"),
            "refused: MalformedCSRException",
            None,
            false,
        ),
        (
            Act::Says(400, "InvalidStateException", "x"),
            "must be ACTIVE",
            None,
            false,
        ),
        (
            Act::Says(400, "LimitExceededException", "x"),
            "a quota",
            None,
            false,
        ),
        (
            Act::Says(400, "AccessDeniedException", "x"),
            "scepd issuer role aws-pca",
            None,
            false,
        ),
        (
            Act::Says(400, "ThrottlingException", "Rate exceeded"),
            "Rate exceeded",
            Some(5),
            false,
        ),
        (Act::Is(elsewhere), "not followed", None, false),
        (Act::Is(flood), "larger than", None, true),
        (
            Act::Is(Answer::new(200, "text/html", "<html>")),
            "not JSON",
            None,
            true,
        ),
        (
            Act::Is(Answer::json(200, &json!({}))),
            "names no certificate",
            None,
            true,
        ),
    ] {
        let (fake, aws) = ready().await;
        fake.state().acts.push_back(act.clone());
        let said = match aws.issue(&order()).await.unwrap_err() {
            IssueError::Refused(words) => (format!("refused: {words}"), None, false),
            IssueError::Again {
                why,
                after,
                unheard,
            } => (why, after.map(|pause| pause.as_secs()), unheard),
        };
        assert!(said.0.contains(contains), "{act:?}: {said:?}");
        assert_eq!((said.1, said.2), (after, unheard), "{act:?}: {said:?}");
        assert!(!said.0.contains("canary"), "{said:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_ready_is_fetched_later() {
    let (fake, aws) = ready().await;
    let order = order();
    fake.state().acts.push_back(Act::Works(2));
    let Issuance::Later { handle, after } = aws.issue(&order).await.unwrap() else {
        panic!("it is not ready")
    };
    assert_eq!(after, Duration::from_secs(1));
    let again = aws.resume(&order, &handle).await.unwrap();
    assert!(matches!(again, Issuance::Later { handle: same, .. } if same == handle));
    let certificate = issued(aws.resume(&order, &handle).await.unwrap());
    order.approved.matches(&certificate).unwrap();
    let unknown = issuer::Handle(format!("{ARN}/certificate/00"));
    let error = aws.resume(&order, &unknown).await.unwrap_err();
    assert!(matches!(error, IssueError::Again { .. }), "{error:?}");
}

#[tokio::test]
async fn an_order_is_known_again_for_some_minutes() {
    let fake = fake().await;
    let hand = Hand::new();
    let opening = opening(&fake.url(), client(Duration::from_secs(20)), hand.ticks());
    let aws = AwsPca::open(opening, settings_with(keys("AKIA1")))
        .await
        .unwrap();
    let order = order();
    assert!(matches!(aws.find(&order).await.unwrap(), Found::CannotTell));
    fake.state().acts.push_back(Act::Sends(Manner::Lost));
    aws.issue(&order).await.unwrap_err();
    assert!(matches!(aws.find(&order).await.unwrap(), Found::Nothing));
    let certificate = issued(aws.issue(&order).await.unwrap());
    assert_eq!(fake.state().maker.made, [certificate]);
    hand.passes(270);
    assert!(matches!(aws.find(&order).await.unwrap(), Found::CannotTell));
}

#[tokio::test]
async fn no_answer_in_time_may_have_left_a_certificate() {
    let fake = fake().await;
    let opening = opening(
        &fake.url(),
        client(Duration::from_millis(300)),
        Hand::new().ticks(),
    );
    let aws = AwsPca::open(opening, settings_with(keys("AKIA1")))
        .await
        .unwrap();
    fake.state().acts.push_back(Act::Sends(Manner::Hangs));
    let error = aws.issue(&order()).await.unwrap_err();
    assert!(
        matches!(error, IssueError::Again { unheard: true, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_certificate_that_differs_is_told_by_the_field() {
    for (twist, field) in WRONG {
        let (fake, aws) = ready().await;
        fake.state().acts.push_back(Act::Makes(twist));
        let order = order();
        let certificate = issued(aws.issue(&order).await.unwrap());
        let compared = order
            .approved
            .matches(&certificate)
            .and_then(|()| aws.authority().made(&certificate))
            .and_then(|()| order.approved.whole_validity(&certificate));
        assert_eq!(compared.unwrap_err().field, field, "{twist:?}");
    }
}

#[tokio::test]
async fn what_would_be_taken_from_the_request_is_refused() {
    let (fake, aws) = ready().await;
    let mut order = order_for(&policy(), "CN=a", &SubjectAltNames::default());
    order.csr = csr("CN=a", &sans()).der().to_vec();
    let refused = aws.issue(&order).await.unwrap_err().to_string();
    assert!(
        refused.contains("cannot make this subjectAltName"),
        "{refused}"
    );
    let mut long = policy();
    long.max_ttl = chrono::Duration::days(20 * 366);
    let refused = aws.can_express(&order_for(&long, "CN=a", &sans()).approved);
    assert_eq!(refused.unwrap_err().field, "notAfter");
    assert!(fake.state().ordered.is_empty());
    let mut staple = policy();
    staple.must_staple = true;
    issued(
        aws.issue(&order_for(&staple, "CN=a", &sans()))
            .await
            .unwrap(),
    );
    let body = fake.state().ordered[0].clone();
    assert_eq!(
        body["ApiPassthrough"]["Extensions"]["CustomExtensions"],
        json!([{"ObjectIdentifier": "1.3.6.1.5.5.7.1.24", "Value": "MAMCAQU=", "Critical": false}])
    );
}

#[tokio::test]
async fn a_ca_that_is_not_active_or_for_short_lives_says_so() {
    let fake = fake().await;
    fake.state().status = "EXPIRED";
    let open = || AwsPca::open(patient(&fake.url()), settings_with(keys("AKIA1")));
    let said = open().await.err().unwrap().to_string();
    assert!(said.contains("`EXPIRED`, not ACTIVE"), "{said}");
    fake.state().status = "ACTIVE";
    fake.state().mode = "SHORT_LIVED_CERTIFICATE";
    let objections = open().await.unwrap().objections(&policy());
    assert!(objections.len() == 1 && objections[0].is_fatal && objections[0].setting == "max_ttl");
    fake.state().may_describe = false;
    assert!(open().await.unwrap().objections(&policy()).is_empty());
}

#[tokio::test]
async fn keys_come_from_pods_containers_and_instances_and_are_exchanged_before_their_end() {
    let fake = fake().await;
    fake.state().keys = Some(Vec::new());
    let http = || client(Duration::from_secs(20));
    let at = |path: &str| endpoint(&format!("{}{path}", fake.url())).unwrap();
    let pod = |token: &str| Source::WebIdentity {
        client: http(),
        sts: at("/sts"),
        role_arn: "arn:aws:iam::1:role/scepd".to_owned(),
        token: secret(token),
    };
    let container = Source::Container {
        client: http(),
        url: at("/v1/credentials"),
        token: Some(secret("canary-container-token")),
    };
    let instance = Source::Instance {
        client: http(),
        url: at("/"),
    };
    for source in [pod("canary-web-identity"), container, instance] {
        let given = fake.state().given;
        let aws = AwsPca::open(patient(&fake.url()), settings_with(source))
            .await
            .unwrap();
        issued(aws.issue(&order()).await.unwrap());
        assert_eq!(fake.state().given, given + 1);
        let session = format!("canary-session-{}", given + 1);
        assert_eq!(fake.state().session.as_deref(), Some(session.as_str()));
        // They are not taken any more.
        fake.state().keys = Some(Vec::new());
        aws.look().await.unwrap();
        assert_eq!(fake.state().given, given + 2);
        // They near their end.
        fake.state().keys = Some(Vec::new());
        fake.state().keys_end = Utc::now() + chrono::Duration::minutes(4);
        aws.look().await.unwrap();
        let before = fake.state().given;
        aws.look().await.unwrap();
        assert!(fake.state().given > before);
        fake.state().keys_end = Utc::now() + chrono::Duration::hours(1);
    }
    let wrong = settings_with(pod("canary-wrong"));
    let error = AwsPca::open(patient(&fake.url()), wrong)
        .await
        .err()
        .unwrap();
    let said = format!("{error} {error:?}");
    assert!(
        said.contains("status 400: InvalidIdentityToken: No OpenIDConnect provider found"),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
}

#[tokio::test]
async fn keys_of_a_file_are_read_anew_when_they_are_not_taken() {
    let fake = fake().await;
    fake.state().keys = Some(vec!["AKIA2".to_owned()]);
    let file = "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = canary-1\n\
                [pki]\naws_access_key_id = AKIA2\naws_secret_access_key = canary-2\n";
    let of = |profile: &str| Source::Profile {
        file: secret(file),
        profile: profile.to_owned(),
    };
    AwsPca::open(patient(&fake.url()), settings_with(of("pki")))
        .await
        .unwrap();
    let error = AwsPca::open(patient(&fake.url()), settings_with(of("default")))
        .await
        .err()
        .unwrap();
    let said = format!("{error} {error:?}");
    assert!(
        said.contains("UnrecognizedClientException") && said.contains("see to the credentials"),
        "{said}"
    );
    let error = AwsPca::open(patient(&fake.url()), settings_with(of("other")))
        .await
        .err()
        .unwrap();
    let said = format!("{error} {error:?}");
    assert!(
        said.contains("no profile `other`") && !said.contains("canary"),
        "{said}"
    );
}

#[tokio::test]
async fn it_makes_ras() {
    let (fake, aws) = ready().await;
    let csr = csr("CN=SCEP RA corp", &SubjectAltNames::default());
    let end = Utc::now() + chrono::Duration::days(30);
    fake.state().acts.push_back(Act::Works(1));
    let ra = aws.certify_ra(&csr, end).await.unwrap();
    assert_eq!(ra.subject().common_name(), Some("SCEP RA corp"));
    assert_eq!(ra.not_after().timestamp(), end.timestamp());
    fake.state().acts.push_back(Act::Makes(Twist::SwapsTheKey));
    let refused = aws.certify_ra(&csr, end).await.unwrap_err().to_string();
    assert!(
        refused.contains("of no use for an RA: it is for another key"),
        "{refused}"
    );
}

#[test]
fn the_policy_names_what_is_called() {
    let policy = recommended(ARN, "aws");
    let read: serde_json::Value = serde_json::from_str(&policy).unwrap();
    let [issues, others] = [0, 1].map(|at| &read["Statement"][at]);
    assert_eq!(issues["Action"], "acm-pca:IssueCertificate");
    assert_eq!(
        issues["Condition"]["StringLike"]["acm-pca:TemplateArn"],
        "arn:aws:acm-pca:::template/BlankEndEntityCertificate_APIPassthrough/V1"
    );
    assert!(issues["Resource"] == ARN && others["Resource"] == ARN);
    assert_eq!(others["Action"].as_array().unwrap().len(), 4);
}
