//! The Vault issuer against a fake.

use std::time::Duration;

use issuer::{Found, IssueError, Issuer as _, RemoteCa as _};
use pki::RevocationReason;
use remote_issuers::Opening;
use remote_issuers::vault::{Login, Vault};
use serde_json::json;

use crate::fake_vault::{Act, FakeVault};
use crate::support::*;

const TOKEN: &str = "canary-token-7f31";

fn by_token() -> Login {
    Login::Token(secret(TOKEN))
}

fn by_approle(secret_id: &str) -> Login {
    Login::AppRole {
        mount: "approle".to_owned(),
        role_id: "role-1".to_owned(),
        secret_id: secret(secret_id),
    }
}

async fn ready() -> (FakeVault, Vault) {
    let fake = FakeVault::start().await;
    let vault = open(&fake.url(), settings(by_token())).await.unwrap();
    (fake, vault)
}

#[tokio::test]
async fn what_was_approved_goes_into_the_fields_and_comes_back() {
    let (fake, vault) = ready().await;
    let order = order();
    let certificate = issued(vault.issue(&order).await.unwrap());
    order.approved.matches(&certificate).unwrap();
    order.approved.whole_validity(&certificate).unwrap();
    vault.authority().made(&certificate).unwrap();
    let asked = fake.state().asked.clone();
    let [body] = asked.as_slice() else {
        panic!("one call")
    };
    assert_eq!(body["common_name"], "device one {x}");
    assert_eq!(body["exclude_cn_from_sans"], true);
    assert_eq!(
        body["alt_names"],
        "B.example.com,a.example.com,dev@example.com"
    );
    // An array: as a text it would be split at the comma.
    assert_eq!(
        body["uri_sans"],
        json!(["urn:device:7", "tag:example.com,2026:a,b"])
    );
    assert_eq!(
        body["other_sans"],
        json!(["1.3.6.1.4.1.311.20.2.3;UTF8:u@example.com"])
    );
    assert!(body.get("ttl").is_none(), "{body}");

    vault
        .revoke(&certificate, RevocationReason::KeyCompromise)
        .await
        .unwrap();
    vault
        .revoke(&certificate, RevocationReason::KeyCompromise)
        .await
        .unwrap();
    let crl = vault.newest_crl(chrono::Utc::now()).await.unwrap().unwrap();
    assert_eq!(crl.entries().len(), 1);
    assert!(
        crl.verify_signature_by(vault.authority().certificate().public_key())
            .is_ok()
    );
}

/// What an issue call came to: refused, or to be tried again, the pause, and whether a certificate may be there unheard.
async fn outcome(act: Act) -> (String, Option<u64>, bool) {
    let (fake, vault) = ready().await;
    fake.state().acts.push_back(act);
    let (words, after, unheard) = match vault.issue(&order()).await.unwrap_err() {
        IssueError::Refused(words) => (format!("refused: {words}"), None, false),
        IssueError::Again {
            why,
            after,
            unheard,
        } => (why, after.map(|after| after.as_secs()), unheard),
    };
    assert!(!words.contains("canary"), "{words}");
    (words, after, unheard)
}

#[tokio::test]
async fn each_answer_has_its_outcome() {
    for (act, contains, after, unheard) in [
        (Act::LosesItsAnswer, "connection", None, true),
        (Act::CutsItsAnswer, "", None, true),
        (
            Act::Says(500, "storage is full"),
            "status 500: storage is full",
            None,
            true,
        ),
        (Act::Says(502, ""), "status 502", None, true),
        (
            Act::Says(503, "Vault is sealed"),
            "Vault is sealed",
            None,
            false,
        ),
        (Act::Says(412, "not yet"), "not yet", None, false),
        (Act::Says(404, "no handler"), "no handler", None, false),
        (
            Act::Says(400, "unknown role: scepd"),
            "unknown role",
            None,
            false,
        ),
        (
            Act::Says(
                400,
                "1 error occurred:\n\t* common name x not allowed by this role\n\n",
            ),
            "refused: common name x not allowed by this role",
            None,
            false,
        ),
        (Act::Redirects, "not followed", None, false),
        (Act::IsBusy(7), "quota", Some(7), false),
        (Act::IsBusy(86_400), "quota", Some(300), false),
        (Act::Floods((1 << 20) + 1), "larger than", None, true),
        (Act::Garbles("<html>"), "not JSON", None, true),
        (Act::Garbles("{\"data\":{}}"), "no certificate", None, true),
        (
            Act::Garbles("{\"data\":{\"certificate\":\"-----BEGIN CERTIFICATE-----\"}}"),
            "no certificate",
            None,
            true,
        ),
    ] {
        let said = outcome(act.clone()).await;
        assert!(said.0.contains(contains), "{act:?}: {said:?}");
        assert_eq!((said.1, said.2), (after, unheard), "{act:?}: {said:?}");
    }
}

#[tokio::test]
async fn no_answer_in_time_may_have_left_a_certificate_and_nobody_can_tell() {
    let fake = FakeVault::start().await;
    let client = client(Duration::from_millis(200));
    let opening = opening(&fake.url(), client, Hand::new().ticks());
    let vault = Vault::open(opening, settings(by_token())).await.unwrap();
    fake.state().acts.push_back(Act::Hangs);
    let error = vault.issue(&order()).await.unwrap_err();
    assert!(
        matches!(error, IssueError::Again { unheard: true, .. }),
        "{error:?}"
    );
    let found = vault.find(&order()).await.unwrap();
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
        let (fake, vault) = ready().await;
        fake.state().acts.push_back(act.clone());
        let order = order();
        let certificate = issued(vault.issue(&order).await.unwrap());
        let compared = order
            .approved
            .matches(&certificate)
            .and_then(|()| vault.authority().made(&certificate))
            .and_then(|()| order.approved.whole_validity(&certificate));
        assert_eq!(compared.unwrap_err().field, field, "{act:?}");
    }
}

#[tokio::test]
async fn a_token_is_renewed_at_two_thirds_and_exchanged_when_it_is_not_taken() {
    let fake = FakeVault::start().await;
    let hand = Hand::new();
    let opening = opening(&fake.url(), client(Duration::from_secs(20)), hand.ticks());
    let vault = Vault::open(opening, settings(by_approle("canary-secret-id-91b2")))
        .await
        .unwrap();
    let counts = |fake: &FakeVault| {
        let state = fake.state();
        (state.logins, state.renewals)
    };
    assert_eq!(counts(&fake), (1, 0));
    hand.passes(799);
    vault.issue(&order()).await.unwrap();
    assert_eq!(counts(&fake), (1, 0));
    hand.passes(1);
    vault.issue(&order()).await.unwrap();
    assert_eq!(counts(&fake), (1, 1));
    // What can be renewed for less alone is exchanged.
    fake.state().lease = 300;
    hand.passes(800);
    vault.issue(&order()).await.unwrap();
    assert_eq!(counts(&fake), (2, 2));
    // One that was revoked over there.
    fake.state().tokens.clear();
    vault.issue(&order()).await.unwrap();
    assert_eq!(fake.state().logins, 3);
    // Not renewable.
    fake.state().renewable = false;
    fake.state().tokens.clear();
    vault.issue(&order()).await.unwrap();
    hand.passes(250);
    vault.issue(&order()).await.unwrap();
    assert_eq!(counts(&fake), (5, 2));
}

#[tokio::test]
async fn a_kept_token_is_renewed_while_it_can_be() {
    let fake = FakeVault::start().await;
    let hand = Hand::new();
    let opening = opening(&fake.url(), client(Duration::from_secs(20)), hand.ticks());
    let vault = Vault::open(opening, settings(by_token())).await.unwrap();
    hand.passes(900);
    vault.look().await.unwrap();
    assert_eq!(fake.state().renewals, 1);
    fake.state().tokens.clear();
    let error = vault.issue(&order()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the login is refused: 2 errors occurred: * permission denied"),
        "{error}"
    );
    assert!(matches!(error, IssueError::Again { unheard: false, .. }));
    // Whoever keeps it has written another one.
    fake.state().tokens.push(TOKEN.to_owned());
    vault.issue(&order()).await.unwrap();
}

#[tokio::test]
async fn wrong_credentials_make_devices_wait_and_are_not_repeated_in_words() {
    let fake = FakeVault::start().await;
    let settings = settings(by_approle("canary-wrong"));
    let error = open(&fake.url(), settings).await.err().unwrap();
    let said = error.to_string();
    assert!(
        said.contains("the login is refused: invalid role or secret ID"),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
}

#[tokio::test]
async fn a_pods_token_logs_in_and_the_namespace_is_named() {
    let fake = FakeVault::start().await;
    let login = Login::Kubernetes {
        mount: "kubernetes".to_owned(),
        role: "scepd".to_owned(),
        jwt: secret("pod-token"),
    };
    let mut settings = settings(login);
    settings.namespace = Some("it/pki".to_owned());
    let vault = open(&fake.url(), settings).await.unwrap();
    vault.issue(&order()).await.unwrap();
    assert_eq!(fake.state().namespace.as_deref(), Some("it/pki"));
}

#[tokio::test]
async fn one_that_is_sealed_is_there_with_its_chain_of_before() {
    let fake = FakeVault::start().await;
    fake.state().sealed = true;
    let error = open(&fake.url(), settings(by_token())).await.err().unwrap();
    assert!(error.to_string().contains("it is sealed"), "{error}");
    let known = [fake.state().ca.clone()];
    let hand = Hand::new();
    let client = client(Duration::from_secs(20));
    let opening = Opening {
        known: known.to_vec(),
        ..opening(&fake.url(), client, hand.ticks())
    };
    let vault = Vault::open(opening, settings(by_token())).await.unwrap();
    assert_eq!(vault.authority().certificate(), &known[0]);
    hand.passes(300);
    let health = vault.health();
    assert!(
        !health.reached && health.silent_for == Duration::from_secs(300),
        "{health:?}"
    );
    assert!(health.trouble.unwrap().contains("it is sealed"));
    fake.state().sealed = false;
    vault.look().await.unwrap();
    let health = vault.health();
    assert!(health.reached && health.trouble.is_none() && health.silent_for.is_zero());
    assert!(vault.role().is_some());
}

#[tokio::test]
async fn another_ca_over_there_is_taken_over_with_its_chain() {
    let (fake, vault) = ready().await;
    let before = vault.authority().certificate().clone();
    let old = issued(vault.issue(&order()).await.unwrap());
    fake.rolls_over();
    let order = order();
    let new = issued(vault.issue(&order).await.unwrap());
    let authority = vault.authority();
    assert_ne!(authority.certificate(), &before);
    authority.made(&new).unwrap();
    assert!(
        authority.issued(&old),
        "what the CA of before issued is still its own"
    );
}

#[tokio::test]
async fn a_role_that_is_not_there_says_so() {
    let fake = FakeVault::start().await;
    let mut settings = settings(by_token());
    settings.role = "other".to_owned();
    let error = open(&fake.url(), settings).await.err().unwrap().to_string();
    assert!(
        error.contains("there is no role `other` at the mount `pki`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_crl_is_kept_until_something_is_revoked_and_shown_while_the_issuer_is_away() {
    let fake = FakeVault::start().await;
    let hand = Hand::new();
    let client = client(Duration::from_secs(20));
    let opening = opening(&fake.url(), client, hand.ticks());
    let vault = Vault::open(opening, settings(by_token())).await.unwrap();
    let path = "pki/issuer/default/crl/der";
    let asked = |fake: &FakeVault| fake.state().calls.get(path).copied().unwrap_or_default();
    let now = chrono::Utc::now();
    let certificate = issued(vault.issue(&order()).await.unwrap());
    for _ in 0..3 {
        let crl = vault.newest_crl(now).await.unwrap().unwrap();
        assert!(crl.entries().is_empty());
    }
    assert_eq!(asked(&fake), 1);
    vault
        .revoke(&certificate, RevocationReason::Superseded)
        .await
        .unwrap();
    assert_eq!(
        vault
            .newest_crl(now)
            .await
            .unwrap()
            .unwrap()
            .entries()
            .len(),
        1
    );
    hand.passes(300);
    fake.state().sealed = true;
    assert_eq!(
        vault
            .newest_crl(now)
            .await
            .unwrap()
            .unwrap()
            .entries()
            .len(),
        1
    );
    let later = now + chrono::Duration::days(4);
    vault.newest_crl(later).await.unwrap_err();
    // Of another CA by the same address.
    fake.state().sealed = false;
    fake.rolls_over();
    let error = vault.newest_crl(later).await.unwrap_err().to_string();
    assert!(error.contains("not signed by this CA"), "{error}");
}

#[tokio::test]
async fn an_ra_of_its_own_role_is_of_use_and_another_is_not() {
    let fake = FakeVault::start().await;
    let mut of_ra = settings(by_token());
    of_ra.ra_role = Some("ra".to_owned());
    let vault = open(&fake.url(), of_ra).await.unwrap();
    let csr = csr("CN=SCEP RA corp", &pki::SubjectAltNames::default());
    let end = chrono::Utc::now() + chrono::Duration::days(30);
    let ra = vault.certify_ra(&csr, end).await.unwrap();
    assert_eq!(ra.subject().common_name(), Some("SCEP RA corp"));
    assert_eq!(ra.ext_key_usages(), ["1.3.6.1.4.1.311.20.2.1"]);
    assert_eq!(ra.not_after().timestamp(), end.timestamp());
    // Not beyond the CA.
    let far = end + chrono::Duration::days(100 * 365);
    let ra = vault.certify_ra(&csr, far).await.unwrap();
    assert_eq!(ra.not_after(), fake.state().ca.not_after());
    fake.state().acts.push_back(Act::SwapsTheKey);
    let mut of_devices = settings(by_token());
    of_devices.ra_role = Some("scepd".to_owned());
    let vault = open(&fake.url(), of_devices).await.unwrap();
    let refused = vault.certify_ra(&csr, end).await.unwrap_err().to_string();
    assert!(refused.contains("it is for another key"), "{refused}");
    let none = open(&fake.url(), settings(by_token())).await.unwrap();
    assert!(!none.makes_ras() && none.certify_ra(&csr, end).await.is_err());
}
