//! Tenants with anchors of their own: each vouches under its own issuer and audience alone.

use super::support::{
    AUDIENCE, at, claims_with, connector, csr, ec, now, pool, rsa, settings, signed,
};
use challenge::mint::Connector;
use challenge::{
    Algorithm, AnchorTenant, Check, CsrFacts, IntuneSettings, Label, Request, SignedChallenges,
    TrustAnchors, Validator, inspect, verify,
};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

const CONTOSO: &str = "https://connector.contoso.example";
const FABRIKAM: &str = "https://connector.fabrikam.example";
const OTHER_AUDIENCE: &str = "https://scep.example.com/scep/fabrikam";

fn fabrikam() -> &'static Connector {
    static CONNECTOR: OnceLock<Connector> = OnceLock::new();
    CONNECTOR.get_or_init(|| connector(Algorithm::Es256, "Fabrikam"))
}

fn tenant(id: &str, issuer: &str, audience: &str) -> AnchorTenant {
    AnchorTenant {
        id: id.to_owned(),
        issuer: issuer.to_owned(),
        audience: audience.to_owned(),
    }
}

/// The RSA connector is the profile's own, the P-256 one that of contoso; fabrikam has a third.
fn anchors() -> TrustAnchors {
    TrustAnchors::with_tenants(
        Some(pool(&[&rsa().certificate])),
        vec![
            (
                tenant("contoso", CONTOSO, AUDIENCE),
                pool(&[&ec().certificate]),
            ),
            (
                tenant("fabrikam", FABRIKAM, OTHER_AUDIENCE),
                pool(&[&fabrikam().certificate]),
            ),
        ],
    )
}

fn says(issuer: &str, audience: &str) -> Value {
    claims_with(json!({"iss": issuer, "aud": audience}))
}

#[test]
fn no_key_vouches_under_an_issuer_or_audience_that_is_not_its_own() {
    let keys = [
        ("own", rsa(), "connector-1", AUDIENCE),
        ("contoso", ec(), CONTOSO, AUDIENCE),
        ("fabrikam", fabrikam(), FABRIKAM, OTHER_AUDIENCE),
    ];
    let anchors = anchors();
    for (name, key, own_issuer, own_audience) in keys {
        for issuer in ["connector-1", CONTOSO, FABRIKAM] {
            for audience in [AUDIENCE, OTHER_AUDIENCE] {
                let challenge = signed(&says(issuer, audience), key);
                let judged = verify(&challenge, &anchors, &settings(), &csr(), now());
                let words = format!("{name} says {issuer} for {audience}");
                match (issuer, audience) == (own_issuer, own_audience) {
                    true => {
                        let tenant = judged.expect(&words).tenant;
                        assert_eq!(tenant.as_deref().unwrap_or("own"), name);
                    }
                    false => {
                        let refused = judged.expect_err(&words);
                        assert_eq!(refused.label, Label::WrongAudience, "{words}");
                        assert_eq!((refused.gate, refused.authentic), (5, true));
                    }
                }
            }
        }
    }
}

#[test]
fn an_issuer_of_a_tenant_is_its_own_where_the_profile_has_no_audience_too() {
    let settings = IntuneSettings {
        audience: None,
        ..settings()
    };
    let challenge = signed(&says(CONTOSO, AUDIENCE), rsa());
    let refused = verify(&challenge, &anchors(), &settings, &csr(), now()).unwrap_err();
    assert!(refused.reason.contains("contoso"), "{}", refused.reason);
    let challenge = signed(&says("connector-1", "anything"), rsa());
    let verified = verify(&challenge, &anchors(), &settings, &csr(), now()).unwrap();
    assert_eq!(verified.tenant, None);
}

#[test]
fn a_key_of_two_tenants_counts_for_the_first() {
    let twice = TrustAnchors::with_tenants(
        None,
        vec![
            (
                tenant("contoso", CONTOSO, AUDIENCE),
                pool(&[&ec().certificate]),
            ),
            (
                tenant("fabrikam", FABRIKAM, AUDIENCE),
                pool(&[&ec().certificate]),
            ),
        ],
    );
    let judge = |issuer| {
        let challenge = signed(&says(issuer, AUDIENCE), ec());
        verify(&challenge, &twice, &settings(), &csr(), now())
    };
    assert_eq!(judge(CONTOSO).unwrap().tenant.as_deref(), Some("contoso"));
    assert_eq!(judge(FABRIKAM).unwrap_err().label, Label::WrongAudience);
}

#[test]
fn who_vouched_is_noted_and_explained() {
    let challenge = signed(&says(CONTOSO, AUDIENCE), ec());
    let validator = SignedChallenges {
        settings: settings(),
        anchors: Arc::new(anchors()),
    };
    let names: CsrFacts = csr();
    let request = Request {
        challenge: Some(&challenge),
        names: &names,
        transaction_id: "1",
        csr: &[],
        source: None,
    };
    let Check::Proven(proven) = validator.check(&request, now()) else {
        panic!("it passes");
    };
    let note = proven.grounds.note.unwrap();
    let fingerprint = hex::encode(ec().certificate.fingerprint());
    assert!(
        note.contains("contoso") && note.contains(&fingerprint),
        "{note}"
    );
    let report = inspect(&challenge, Some(&anchors()), &settings(), None, now());
    assert!(report.signed_by.unwrap().contains("tenant contoso"));
    let audience = report.gates.iter().find(|gate| gate.gate == 5).unwrap();
    assert!(audience.words.contains(CONTOSO), "{}", audience.words);
}

#[test]
fn the_same_certificates_of_other_tenants_are_another_pool() {
    let of = |first: &str, second: &str| {
        TrustAnchors::with_tenants(
            None,
            vec![
                (tenant(first, CONTOSO, AUDIENCE), pool(&[&ec().certificate])),
                (
                    tenant(second, FABRIKAM, AUDIENCE),
                    pool(&[&rsa().certificate]),
                ),
            ],
        )
    };
    assert_eq!(of("a", "b"), of("a", "b"));
    assert_ne!(of("a", "b"), of("b", "a"));
    assert_eq!(of("a", "b").anchors(), of("b", "a").anchors());
    assert_eq!(of("a", "b").soonest_expiry(), Some(at(1_831_449_600)));
}
