//! What a Vault issuer cannot make, by field and setting.

use issuer::{Objection, RemoteCa as _};
use pki::SubjectAltNames;
use remote_issuers::vault::{Login, Vault, recommended};
use serde_json::json;

use crate::fake_vault::FakeVault;
use crate::support::*;

async fn with_role(change: impl FnOnce(&mut serde_json::Value)) -> Vault {
    let fake = FakeVault::start().await;
    change(&mut fake.state().role);
    open(
        &fake.url(),
        settings(Login::Token(secret("canary-token-7f31"))),
    )
    .await
    .unwrap()
}

fn names(change: impl FnOnce(&mut SubjectAltNames)) -> SubjectAltNames {
    let mut names = sans();
    change(&mut names);
    names
}

#[tokio::test]
async fn fields_that_cannot_be_made_are_named_with_the_setting() {
    let vault = with_role(|_| {}).await;
    let mut open_policy = policy();
    open_policy.subject.attributes = None;
    let say = |subject: &str, sans: &SubjectAltNames| {
        let order = order_for(&open_policy, subject, sans);
        let refused = vault.can_express(&order.approved);
        refused.map_err(|error| (error.field, format!("{} | {}", error.why, error.remedy)))
    };
    assert_eq!(say("CN=a, serialNumber=b, UID=c, UID=d", &sans()), Ok(()));
    assert_eq!(say("CN=a", &SubjectAltNames::default()), Ok(()));
    for (subject, why, remedy) in [
        (
            "O=Example, CN=a",
            "O=`Example` cannot be asked for",
            "organization on the role scepd",
        ),
        ("CN=a, CN=b", "more than one CN", "leave one CN"),
        (
            "UID=c, CN=a",
            "CN, UID, in this order, and UID, CN",
            "in its order",
        ),
        (
            "DC=corp, CN=a",
            "DC=`corp` cannot be asked for",
            "take DC out",
        ),
    ] {
        let (field, words) = say(subject, &sans()).unwrap_err();
        assert_eq!(field, "subject", "{words}");
        assert!(
            words.contains(why) && words.contains(remedy),
            "{subject}: {words}"
        );
    }
    for (names, why) in [
        (
            names(|names| names.dns.push("-bad.example.com".to_owned())),
            "left out without a word",
        ),
        (
            names(|names| names.email.push("a,b@example.com".to_owned())),
            "would be split",
        ),
        (
            names(|names| names.dns.push("a.example.com".to_owned())),
            "there twice",
        ),
    ] {
        let (field, words) = say("CN=a", &names).unwrap_err();
        assert!(
            field == "subjectAltName" && words.contains(why),
            "{field} {words}"
        );
    }
}

#[tokio::test]
async fn constants_of_the_role_are_part_of_the_subject() {
    let vault = with_role(|role| role["organization"] = json!(["Example"])).await;
    let mut policy = policy();
    policy.subject.attributes = None;
    let of = |subject: &str| {
        let order = order_for(&policy, subject, &sans());
        vault.can_express(&order.approved)
    };
    assert_eq!(of("O=Example, CN=a"), Ok(()));
    let missing = of("CN=a").unwrap_err().to_string();
    assert!(
        missing.contains("it would consist of O, CN, in this order, and CN was approved"),
        "{missing}"
    );
    assert!(of("O=Other, CN=a").is_err());
}

#[tokio::test]
async fn usages_staple_and_an_end_beyond_the_ca_are_refused_beforehand() {
    let vault = with_role(|role| role["key_usage"] = json!(["DigitalSignature"])).await;
    let refused = vault.can_express(&order().approved).unwrap_err();
    assert_eq!(refused.field, "keyUsage");
    let vault = with_role(|role| role["server_flag"] = json!(true)).await;
    let refused = vault.can_express(&order().approved).unwrap_err();
    assert_eq!(refused.field, "extKeyUsage");
    assert!(refused.remedy.contains("ekus_default"), "{refused}");
    let vault = with_role(|_| {}).await;
    let mut staple = policy();
    staple.must_staple = true;
    let refused = vault.can_express(&order_for(&staple, "CN=a", &sans()).approved);
    assert!(refused.unwrap_err().remedy.contains("must_staple = false"));
    let mut long = policy();
    long.max_ttl = chrono::Duration::days(20 * 366);
    let refused = vault.can_express(&order_for(&long, "CN=a", &sans()).approved);
    assert!(
        refused
            .unwrap_err()
            .remedy
            .contains("accept_shorter_validity = true")
    );
}

fn fatal(found: &[Objection]) -> Vec<&'static str> {
    let fatal = found.iter().filter(|one| one.is_fatal);
    fatal.map(|one| one.setting).collect()
}

#[tokio::test]
async fn a_policy_that_the_role_cannot_make_is_objected_to() {
    let vault = with_role(|_| {}).await;
    let mut good = policy();
    good.key_types.curves.clear();
    assert_eq!(vault.objections(&good), []);
    let mut bad = good.clone();
    bad.must_staple = true;
    bad.ekus_default = vec!["1.3.6.1.5.5.7.3.1".to_owned()];
    bad.key_usage_default = pki::KeyUsage::DIGITAL_SIGNATURE;
    bad.subject.attributes = Some(vec!["2.5.4.3".to_owned(), "2.5.4.10".to_owned()]);
    assert_eq!(
        fatal(&vault.objections(&bad)),
        [
            "subject_attributes",
            "must_staple",
            "key_usages_default",
            "ekus_default"
        ]
    );
    // Its EC keys would be refused; others are not.
    let both = vault.objections(&policy());
    assert!(fatal(&both).is_empty());
    assert!(
        both.iter().any(|one| one.setting == "key_types"),
        "{both:?}"
    );
}

#[tokio::test]
async fn a_role_that_follows_requests_or_ties_certificates_to_the_token_is_refused() {
    let good = with_role(|_| {}).await;
    assert_eq!(good.findings(), []);
    let bad = with_role(|role| {
        role["use_csr_sans"] = json!(true);
        role["use_csr_common_name"] = json!(true);
        role["generate_lease"] = json!(true);
        role["no_store"] = json!(true);
    })
    .await;
    let findings = bad.findings();
    assert_eq!(findings.iter().filter(|one| one.is_fatal).count(), 3);
    assert_eq!(findings.len(), 4);
    assert!(
        findings.iter().all(|one| one.remedy.contains("=false")),
        "{findings:?}"
    );
    let bare = with_role(|role| *role = json!({"key_type": "rsa"})).await;
    assert!(
        bare.findings().len() >= 5,
        "an old role's defaults are known"
    );
}

#[tokio::test]
async fn a_role_that_may_not_be_read_is_a_word_and_no_more() {
    let fake = FakeVault::start().await;
    fake.state().role_readable = false;
    let login = Login::Token(secret("canary-token-7f31"));
    let vault = open(&fake.url(), settings(login)).await.unwrap();
    let findings = vault.findings();
    assert!(
        findings.len() == 1 && findings[0].remedy.contains("pki/roles/scepd"),
        "{findings:?}"
    );
    assert!(vault.can_express(&order().approved).is_ok());
}

#[test]
fn the_recommended_role_is_made_from_the_policy() {
    let settings = recommended(&policy());
    for one in [
        "use_csr_common_name=false",
        "use_csr_sans=false",
        "key_usage=DigitalSignature,KeyEncipherment",
        "ext_key_usage_oids=1.3.6.1.5.5.7.3.2",
        "max_ttl=31536000s",
        "generate_lease=false",
    ] {
        assert!(
            settings.iter().any(|setting| setting == one),
            "{one}: {settings:?}"
        );
    }
}
