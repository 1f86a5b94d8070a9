//! The step-ca issuer against a fake.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use issuer::{Found, IssueError, Issuer as _, RemoteCa as _};
use josekit::jwk::{Jwk, KeyPair as _};
use outbound::{Options, Trust};
use pki::{RevocationReason, SubjectAltNames};
use remote_issuers::Opening;
use remote_issuers::step_ca::{Proof, RootPin, Settings, StepCa, recommended};
use serde_json::{Value, json};

use crate::fake_step_ca::{Act, FakeStepCa};
use crate::scripted::Way;
use crate::support::*;

/// The provisioner's key: private, public.
static JWK: LazyLock<(Jwk, Jwk)> = LazyLock::new(|| {
    let mut pair =
        josekit::jwk::alg::ec::EcKeyPair::generate(josekit::jwk::alg::ec::EcCurve::P256).unwrap();
    pair.set_key_id(Some("key-1"));
    (pair.to_jwk_private_key(), pair.to_jwk_public_key())
});

fn settings() -> Settings {
    Settings {
        provisioner: "scepd".to_owned(),
        proof: Proof::Jwk {
            key: secret(&JWK.0.to_string()),
            password: None,
        },
        audience: Some("https://ca.example.com/".to_owned()),
        intermediates: Vec::new(),
        root: None,
    }
}

async fn fake() -> FakeStepCa {
    let fake = FakeStepCa::start().await;
    fake.has("somebody", &JWK.1, &json!({}));
    fake.has("scepd", &JWK.1, &recommended(&policy()));
    fake
}

async fn ready() -> (FakeStepCa, StepCa) {
    let fake = fake().await;
    let ca = StepCa::open(patient(fake.url()), settings()).await.unwrap();
    (fake, ca)
}

#[tokio::test]
async fn what_was_approved_goes_into_the_token_and_comes_back() {
    let (fake, ca) = ready().await;
    assert_eq!(ca.findings(), []);
    assert_eq!(ca.objections(&policy()), []);
    let chain: Vec<_> = ca.authority().chain().to_vec();
    {
        let state = fake.state();
        assert_eq!(chain, [state.intermediate.clone(), state.root.clone()]);
    }
    let order = order();
    let certificate = issued(ca.issue(&order).await.unwrap());
    order.approved.matches(&certificate).unwrap();
    order.approved.whole_validity(&certificate).unwrap();
    ca.authority().made(&certificate).unwrap();
    assert_eq!(certificate.not_before(), order.approved.not_before());
    assert_eq!(certificate.not_after(), order.approved.not_after());
    let again = issued(ca.issue(&order).await.unwrap());
    assert_ne!(again.serial(), certificate.serial());

    for _ in 0..2 {
        ca.revoke(&certificate, RevocationReason::KeyCompromise)
            .await
            .unwrap();
    }
    let revoked = fake.state().revoked.clone();
    assert!(
        matches!(&revoked[..], [(serial, 1)] if serial.bytes().all(|digit| digit.is_ascii_digit())),
        "{revoked:?}"
    );
    let crl = ca.newest_crl(chrono::Utc::now()).await.unwrap().unwrap();
    assert!(crl.is_partial() && crl.is_placed());
    assert!(crl.entries()[0].serial.same_number(certificate.serial()));
}

#[tokio::test]
async fn a_subject_without_names_and_names_without_a_subject_are_signed_as_approved() {
    let (_fake, ca) = ready().await;
    let mut policy = policy();
    policy.subject.allow_empty = true;
    for (subject, sans) in [
        ("CN=device one", SubjectAltNames::default()),
        ("serialNumber=C02-7", SubjectAltNames::default()),
        ("", sans()),
    ] {
        let order = order_for(&policy, subject, &sans);
        let certificate = issued(ca.issue(&order).await.unwrap());
        order.approved.matches(&certificate).unwrap();
    }
}

/// What an issue call came to: refused, or to be tried again, and whether a certificate may be there unheard.
async fn outcome(act: Act) -> (String, bool) {
    let (fake, ca) = ready().await;
    fake.state().acts.push_back(act);
    let (words, unheard) = match ca.issue(&order()).await.unwrap_err() {
        IssueError::Refused(words) => (format!("refused: {words}"), false),
        IssueError::Again { why, unheard, .. } => (why, unheard),
    };
    (words, unheard)
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    for (act, contains, unheard) in [
        (Act::Answers(Way::Lost), "connection", true),
        (Act::Answers(Way::Cut), "", true),
        (Act::Says(400, "missing csr"), "refused: missing csr", false),
        (
            Act::Says(
                401,
                "The request lacked necessary authorization to be completed.",
            ),
            "the token was not taken",
            false,
        ),
        (
            Act::Says(
                403,
                "requested duration of 8760h0m0s is more than the authorized maximum",
            ),
            "refused: requested duration",
            false,
        ),
        (Act::Says(404, "no"), "signing: no", false),
        (
            Act::Says(429, "slow down"),
            "too many requests: slow down",
            false,
        ),
        (
            Act::Says(
                500,
                "The certificate authority encountered an Internal Server Error.",
            ),
            "status 500",
            true,
        ),
        (Act::Says(503, "away"), "not available", false),
        (Act::Redirects, "not followed", false),
        (Act::Floods((1 << 20) + 1), "larger than", true),
        (Act::Garbles("<html>"), "not JSON", true),
        (Act::Garbles("{}"), "", true),
        (Act::Garbles("{\"crt\": \"x\"}"), "no certificate", true),
    ] {
        let said = outcome(act.clone()).await;
        assert!(said.0.contains(contains), "{act:?}: {said:?}");
        assert_eq!(said.1, unheard, "{act:?}: {said:?}");
    }
}

#[tokio::test]
async fn no_answer_in_time_may_have_left_a_certificate_and_nobody_can_tell() {
    let fake = fake().await;
    let opening = opening(
        fake.url(),
        client(Duration::from_millis(200)),
        Hand::new().ticks(),
    );
    let ca = StepCa::open(opening, settings()).await.unwrap();
    fake.state().acts.push_back(Act::Answers(Way::Hangs));
    let error = ca.issue(&order()).await.unwrap_err();
    assert!(
        matches!(error, IssueError::Again { unheard: true, .. }),
        "{error:?}"
    );
    let found = ca.find(&order()).await.unwrap();
    assert!(matches!(found, Found::CannotTell), "{found:?}");
}

#[tokio::test]
async fn a_certificate_that_differs_is_told_by_the_field() {
    for (act, field) in [
        (Act::Clips(30), "notAfter"),
        (Act::AddsAnEku, "extKeyUsage"),
        (Act::DropsNames, "subjectAltName (DNS)"),
        (Act::SwapsTheKey, "subjectPublicKeyInfo"),
        (Act::IsAnImpostor, "signature"),
    ] {
        let (fake, ca) = ready().await;
        fake.state().acts.push_back(act.clone());
        let order = order();
        let certificate = issued(ca.issue(&order).await.unwrap());
        let compared = order
            .approved
            .matches(&certificate)
            .and_then(|()| ca.authority().made(&certificate))
            .and_then(|()| order.approved.whole_validity(&certificate));
        assert_eq!(compared.unwrap_err().field, field, "{act:?}");
    }
}

#[tokio::test]
async fn tokens_of_before_a_restart_are_not_taken_and_made_anew() {
    let (fake, ca) = ready().await;
    fake.state().started = chrono::Utc::now() + chrono::Duration::minutes(5);
    let said = ca.issue(&order()).await.unwrap_err().to_string();
    assert!(said.contains("see to the clocks"), "{said}");
    let trouble = ca.health().trouble.unwrap();
    assert!(trouble.contains("the token was not taken"), "{trouble}");
    fake.state().started = chrono::Utc::now() - chrono::Duration::minutes(5);
    issued(ca.issue(&order()).await.unwrap());
    assert_eq!(ca.health().trouble, None);
}

#[tokio::test]
async fn a_provisioner_that_goes_away_says_so_until_it_is_back() {
    let (fake, ca) = ready().await;
    let (shown, keys) = {
        let mut state = fake.state();
        (
            std::mem::take(&mut state.provisioners),
            std::mem::take(&mut state.keys),
        )
    };
    let said = ca.look().await.unwrap_err().to_string();
    assert!(
        said.contains("there is no JWK provisioner `scepd`"),
        "{said}"
    );
    let error = ca.issue(&order()).await.unwrap_err();
    assert!(
        matches!(error, IssueError::Again { unheard: false, .. }),
        "{error:?}"
    );
    {
        let mut state = fake.state();
        (state.provisioners, state.keys) = (shown, keys);
    }
    ca.look().await.unwrap();
    issued(ca.issue(&order()).await.unwrap());
}

#[tokio::test]
async fn one_that_is_away_is_there_with_its_chain_of_before() {
    let fake = fake().await;
    fake.state().is_away = true;
    assert!(StepCa::open(patient(fake.url()), settings()).await.is_err());
    let known = {
        let state = fake.state();
        vec![state.intermediate.clone(), state.root.clone()]
    };
    let opening = Opening {
        known: known.clone(),
        ..patient(fake.url())
    };
    let ca = StepCa::open(opening, settings()).await.unwrap();
    assert_eq!(ca.authority().chain(), &known[..]);
    assert!(ca.health().trouble.is_some());
    fake.state().is_away = false;
    ca.look().await.unwrap();
    assert_eq!(ca.health().trouble, None);
    assert_eq!(ca.findings(), []);
}

#[tokio::test]
async fn another_intermediate_is_taken_over_with_its_chain() {
    let (fake, ca) = ready().await;
    let before = ca.authority().certificate().clone();
    fake.rolls_over();
    let order = order();
    let certificate = issued(ca.issue(&order).await.unwrap());
    ca.authority().made(&certificate).unwrap();
    assert_ne!(ca.authority().certificate(), &before);
    assert!(ca.authority().certificates().any(|one| *one == before));
}

#[tokio::test]
async fn a_server_that_shows_no_intermediate_needs_it_named() {
    let fake = fake().await;
    fake.state().shows_intermediates = false;
    let error = StepCa::open(patient(fake.url()), settings()).await;
    let said = error.err().unwrap().to_string();
    assert!(said.contains("step_ca.intermediate_path"), "{said}");
    let named = Settings {
        intermediates: vec![fake.state().intermediate.clone()],
        ..settings()
    };
    let ca = StepCa::open(patient(fake.url()), named).await.unwrap();
    assert_eq!(ca.authority().chain().len(), 2);
}

#[tokio::test]
async fn without_a_crl_over_there_there_is_none() {
    let (fake, ca) = ready().await;
    fake.state().makes_crls = false;
    assert!(ca.newest_crl(chrono::Utc::now()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_root_is_believed_by_its_fingerprint_alone() {
    let fake = fake().await;
    let pinned = |fingerprint| Settings {
        root: Some(RootPin {
            fingerprint,
            options: Options::new(Trust::Fingerprint([0; 32])),
        }),
        ..settings()
    };
    let right = fake.state().root.fingerprint();
    StepCa::open(patient(fake.url()), pinned(right))
        .await
        .unwrap();
    let other = fake.state().intermediate.fingerprint();
    let error = StepCa::open(patient(fake.url()), pinned(other)).await;
    let said = error.err().unwrap().to_string();
    assert!(said.contains("tls_fingerprint"), "{said}");
}

#[tokio::test]
async fn templates_and_lifetimes_that_do_not_fit_are_objected_to() {
    let with = async |more: Value| {
        let fake = FakeStepCa::start().await;
        fake.has("scepd", &JWK.1, &more);
        StepCa::open(patient(fake.url()), settings()).await.unwrap()
    };
    let fatal = async |more: Value| {
        let found = with(more).await.findings();
        found.into_iter().map(|one| (one.is_fatal, one.what)).next()
    };
    let none = fatal(json!({})).await.unwrap();
    assert!(none.0 && none.1.contains("it has no template"), "{none:?}");
    let other = json!({"options": {"x509": {"template": "{\"subject\": {{ toJson .Subject }}}"}}});
    let other = fatal(other).await.unwrap();
    assert!(other.0 && other.1.contains("does not write"), "{other:?}");
    let file = json!({"options": {"x509": {"templateFile": "/etc/x.tpl"}}});
    assert_eq!(fatal(file).await, None);

    let objection = async |claims: Value| {
        let mut more = recommended(&policy());
        more["claims"] = claims;
        let found = with(more).await.objections(&policy());
        found
            .into_iter()
            .map(|one| (one.is_fatal, one.setting, one.remedy))
            .next()
    };
    let short = objection(json!({"maxTLSCertDuration": "8760h0m0s"})).await;
    let (is_fatal, setting, remedy) = short.unwrap();
    assert!(
        is_fatal && setting == "max_ttl" && remedy.contains("8761h"),
        "{remedy}"
    );
    let unsaid = objection(Value::Null).await.unwrap();
    assert_eq!((unsaid.0, unsaid.1), (false, "max_ttl"));
    assert_eq!(
        objection(json!({"maxTLSCertDuration": "8761h"})).await,
        None
    );
}

#[tokio::test]
async fn a_key_that_is_not_the_provisioners_and_one_that_cannot_be_read_are_said_without_it() {
    let fake = fake().await;
    let other = josekit::jwk::alg::ec::EcKeyPair::generate(josekit::jwk::alg::ec::EcCurve::P256);
    let mut other = other.unwrap();
    other.set_key_id(Some("key-2"));
    let other = other.to_jwk_private_key();
    let open = async |proof| {
        let settings = Settings {
            proof,
            ..settings()
        };
        let opened = StepCa::open(patient(fake.url()), settings).await;
        opened.err().unwrap().to_string()
    };
    let said = open(Proof::Jwk {
        key: secret(&other.to_string()),
        password: None,
    })
    .await;
    assert!(
        said.contains("takes tokens of the key `key-1`") && said.contains("`key-2`"),
        "{said}"
    );
    let private = other.parameter("d").unwrap().as_str().unwrap().to_owned();
    assert!(!said.contains(&private), "{said}");
    let said = open(Proof::Jwk {
        key: secret("canary"),
        password: Some(secret("canary")),
    })
    .await;
    assert!(
        said.contains("cannot be opened") && !said.contains("canary"),
        "{said}"
    );
    let said = open(Proof::Jwk {
        key: Arc::new(|| Err("/etc/scepd/key.json: it is not there".to_owned())),
        password: None,
    })
    .await;
    assert!(said.contains("/etc/scepd/key.json"), "{said}");
}

#[tokio::test]
async fn an_ra_is_made_by_the_same_provisioner() {
    let (_fake, ca) = ready().await;
    let csr = csr("CN=SCEP RA corp", &SubjectAltNames::default());
    let end = chrono::Utc::now() + chrono::Duration::days(30);
    let ra = ca.certify_ra(&csr, end).await.unwrap();
    assert_eq!(ra.subject().common_name(), Some("SCEP RA corp"));
    assert_eq!(ra.ext_key_usages(), [pki::oid::EKU_REQUEST_AGENT]);
    // No longer than the provisioner lets it live; it is made anew in time.
    let far = chrono::Utc::now() + chrono::Duration::days(1000);
    let ra = ca.certify_ra(&csr, far).await.unwrap();
    let life = ra.not_after() - chrono::Utc::now();
    assert!(
        life > chrono::Duration::days(360) && life < chrono::Duration::hours(8761),
        "{life}"
    );
}

/// What Go's jose makes of a JWK, as `step crypto jwk create` does; the password is `correct horse`.
#[tokio::test]
async fn a_key_that_step_encrypted_is_opened_by_its_password() {
    let fixture = include_str!("fixtures/step-jwk.json");
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let public = Jwk::from_map(fixture["public"].as_object().unwrap().clone()).unwrap();
    for key in [
        fixture["compact"].as_str().unwrap().to_owned(),
        fixture["full"].to_string(),
    ] {
        let fake = FakeStepCa::start().await;
        fake.has("scepd", &public, &recommended(&policy()));
        let with = |password: &str| Settings {
            proof: Proof::Jwk {
                key: secret(&key),
                password: Some(secret(password)),
            },
            ..settings()
        };
        let ca = StepCa::open(patient(fake.url()), with("correct horse"))
            .await
            .unwrap();
        issued(ca.issue(&order()).await.unwrap());
        let wrong = StepCa::open(patient(fake.url()), with("wrong")).await;
        assert!(wrong.err().unwrap().to_string().contains("this password"));
    }
}
