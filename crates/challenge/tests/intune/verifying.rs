//! The gates together: what passes each, in which order they refuse, and what comes out.

use crate::support::*;
use base64::Engine;
use challenge::{
    CsrFacts, DeviceKey, IntuneSettings, Label, TrustAnchors, looks_like_challenge, verify,
};
use serde_json::json;

#[test]
fn shape_is_length_and_two_dots() {
    let good = signed(&claims(), ec());
    assert!(looks_like_challenge(&good));
    let filler = |length: usize| "a".repeat(length);
    for (text, expected) in [
        (format!("{}..", filler(198)), false),
        (format!("{}..", filler(199)), true),
        (format!("{}.", filler(300)), false),
        (format!("{}...", filler(300)), false),
        (filler(300), false),
        ("a.b.c".into(), false),
        (String::new(), false),
        (format!("{good}."), false),
    ] {
        assert_eq!(
            looks_like_challenge(&text),
            expected,
            "{} characters",
            text.len()
        );
    }
}

#[test]
fn versions_absent_empty_and_v1_are_one() {
    for changes in [
        json!({"version": null}),
        json!({"version": ""}),
        json!({"version": "v1"}),
    ] {
        try_verify(&signed(&claims_with(changes), ec())).unwrap();
    }
}

#[test]
fn padding_in_every_segment_is_taken() {
    let engine = base64::engine::general_purpose::URL_SAFE;
    for filler in ["", "1", "22", "333"] {
        let header = engine.encode(format!(r#"{{"alg":"ES256","x":"{filler}"}}"#));
        let payload = engine.encode(claims_with(json!({"x": filler})).to_string());
        let challenge = with_segments(&header, &payload, ec());
        try_verify(&challenge).unwrap();
        let [_, _, signature] = segments(&challenge);
        try_verify(&format!("{header}.{payload}.{signature}==")).unwrap();
    }
}

#[test]
fn unknown_claims_and_header_members_are_ignored() {
    let claims = claims_with(
        json!({"nbf": "never", "jti": 5, "x": {"y": [1.5, null]}, "expiry": 0, "is": 1}),
    );
    try_verify(&signed(&claims, ec())).unwrap();
    try_verify(&with_header(
        r#"{"typ":5,"alg":"ES256","cty":"x","b64":false,"zip":"DEF","CRIT":1}"#,
        ec(),
    ))
    .unwrap();
}

#[test]
fn optional_claims_may_be_absent() {
    let claims = claims_with(json!({"iss": null, "sub": null, "nonce": null}));
    let verified = try_verify(&signed(&claims, ec())).unwrap();
    assert_eq!(verified.device_key, DeviceKey::of("", ""));
    assert_eq!(serde_json::to_value(&verified.claim).unwrap(), claims);
}

#[test]
fn audience_is_checked_where_configured() {
    let none = IntuneSettings {
        audience: None,
        ..settings()
    };
    for aud in [json!(null), json!("https://elsewhere")] {
        let challenge = signed(&claims_with(json!({"aud": aud})), ec());
        verify(&challenge, &both(), &none, &csr(), now()).unwrap();
        let refused = verify(&challenge, &both(), &settings(), &csr(), now()).unwrap_err();
        assert_eq!((refused.gate, refused.label), (5, Label::WrongAudience));
        assert!(refused.reason.contains(AUDIENCE), "{}", refused.reason);
    }
}

/// One challenge with everything wrong, mended from the first gate on.
#[test]
fn gates_refuse_in_their_order() {
    let wrong = |changes| claims_with(changes);
    let csr = CsrFacts::default();
    let late = json!({"version": "v9", "exp": NOW - 1_000, "aud": "x"});
    let timely = json!({"exp": NOW - 1_000, "aud": "x"});
    for (connector, changes, gate, label) in [
        (stranger(), late.clone(), 2, Label::SignatureInvalid),
        (ec(), late, 3, Label::UnknownVersion),
        (ec(), timely, 4, Label::Expired),
        (ec(), json!({"aud": "x"}), 5, Label::WrongAudience),
        (ec(), json!({}), 6, Label::ClaimMismatch),
    ] {
        let refused = verify(
            &signed(&wrong(changes), connector),
            &both(),
            &settings(),
            &csr,
            now(),
        )
        .unwrap_err();
        assert_eq!((refused.gate, refused.label), (gate, label));
        assert_eq!(refused.authentic, gate > 2);
        let claim = refused.claim.as_ref().unwrap();
        assert_eq!(
            (claim.sub.as_str(), claim.iss.as_str()),
            ("device-7", "connector-1")
        );
        assert_eq!(refused.fail_info(), challenge::fail_info(label));
    }
    assert!(try_verify(&signed(&claims(), ec())).is_ok());
}

#[test]
fn the_claims_of_an_unsigned_challenge_are_told_apart() {
    let refused =
        try_verify(&signed(&claims_with(json!({"sub": "canary"})), stranger())).unwrap_err();
    assert!(!refused.authentic && !refused.reason.contains("canary"));
    assert_eq!(refused.claim.unwrap().sub, "canary");
}

#[test]
fn of_claims_that_cannot_be_read_the_rest_is_told() {
    let claims = claims_with(json!({"exp": "soon", "nonce": 5, "san_dns": "x", "aud": ["x"]}));
    let refused = try_verify(&signed(&claims, ec())).unwrap_err();
    assert_eq!((refused.gate, refused.label), (4, Label::Malformed));
    assert_eq!(
        serde_json::to_value(refused.claim).unwrap(),
        json!({
            "iss": "connector-1", "sub": "device-7", "iat": NOW - 60, "device_name": "LAPTOP-7",
            "san_rfc822": ["ada@example.com"], "san_upn": ["ada@corp.example.com"],
        })
    );
    let garbage = try_verify(&signed_text(&"x".repeat(200), ec())).unwrap_err();
    assert_eq!((garbage.gate, garbage.claim), (3, None));
}

#[test]
fn replay_keys_follow_issuer_and_nonce() {
    let key = |changes| {
        try_verify(&signed(&claims_with(changes), ec()))
            .unwrap()
            .replay_key
    };
    let first = key(json!({}));
    assert_eq!(
        key(json!({"sub": "another", "exp": NOW + 601})),
        first,
        "same issuer and nonce"
    );
    assert_ne!(key(json!({"nonce": "other"})), first);
    assert_ne!(key(json!({"iss": "connector-2"})), first);
    let without = key(json!({"nonce": null}));
    assert_ne!(
        key(json!({"nonce": ""})),
        without,
        "other octets were signed"
    );
    assert_ne!(key(json!({"nonce": null, "exp": NOW + 601})), without);
    let rsa_key = try_verify(&signed(&claims(), rsa())).unwrap().replay_key;
    assert_eq!(rsa_key, first, "whoever signed it");
}

#[test]
fn device_keys_follow_subject_and_issuer() {
    let key = |changes| {
        try_verify(&signed(&claims_with(changes), ec()))
            .unwrap()
            .device_key
    };
    let first = key(json!({}));
    assert_eq!(first, DeviceKey::of("device-7", "connector-1"));
    assert_eq!(key(json!({"nonce": "x", "exp": NOW + 601})), first);
    assert_ne!(key(json!({"sub": "device-8"})), first);
    assert_ne!(key(json!({"iss": "connector-2"})), first);
}

#[test]
fn a_long_challenge_is_read_in_linear_time() {
    let names: Vec<String> = (0..4_000)
        .map(|n| format!("host-{n}.example.com"))
        .collect();
    let challenge = signed(&claims_with(json!({"san_dns": names.clone()})), ec());
    assert!(challenge.len() > 100_000);
    let mut csr = csr();
    csr.sans.dns = names.into_iter().rev().collect();
    verify(&challenge, &both(), &settings(), &csr, now()).unwrap();
    let many = (0..20_000)
        .map(|n| format!("\"k{n}\":{n}"))
        .collect::<Vec<_>>()
        .join(",");
    try_verify(&with_raw("x", &format!("{{{many}}}"))).unwrap();
}

#[test]
fn an_empty_pool_cannot_be_made() {
    assert!(TrustAnchors::parse("f", b"", now()).is_err());
}
