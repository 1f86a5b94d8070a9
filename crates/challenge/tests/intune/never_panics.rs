//! Whatever comes, the verifier answers.

use crate::support::*;
use challenge::{CsrFacts, Label, inspect, verify};
use pki::SubjectAltNames;
use proptest::prelude::*;
use serde_json::{Value, json};

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!(NOW)),
        Just(json!("ada@example.com")),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("\\PC{0,4}", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_claim() -> impl Strategy<Value = (String, Value)> {
    let name = prop::sample::select(vec![
        "version",
        "iss",
        "sub",
        "aud",
        "iat",
        "exp",
        "nonce",
        "device_name",
        "san_dns",
        "san_rfc822",
        "san_upn",
        "x",
    ]);
    (name.prop_map(ToOwned::to_owned), any_value())
}

fn any_csr() -> impl Strategy<Value = CsrFacts> {
    let names = || prop::collection::vec("\\PC{0,8}|ada@example.com| ADA@example.com ", 0..4);
    (names(), names(), names(), names(), names()).prop_map(
        |(common_names, dns, email, upn, uri)| CsrFacts {
            common_names,
            sans: SubjectAltNames {
                dns,
                email,
                upn,
                uri,
                ..SubjectAltNames::default()
            },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn on_any_text(text in "\\PC{0,300}") {
        prop_assert!(try_verify(&text).is_err());
        let _ = inspect(&text, Some(&both()), &settings(), Some(&csr()), now());
    }

    #[test]
    fn on_any_header_and_payload(header in ".{0,60}", payload in ".{0,60}") {
        let challenge = with_segments(&b64(header), &b64(payload), ec());
        prop_assert!(try_verify(&challenge).is_err());
        let _ = inspect(&challenge, Some(&both()), &settings(), Some(&csr()), now());
    }

    /// A changed claim never gets a certificate for other names than the CSR's.
    #[test]
    fn on_any_claims_and_csr(changes in prop::collection::vec(any_claim(), 0..4), csr in any_csr()) {
        let mut claims = claims();
        for (name, value) in changes {
            claims[name] = value;
        }
        let challenge = signed(&claims, ec());
        let _ = inspect(&challenge, Some(&both()), &settings(), Some(&csr), now());
        if let Ok(verified) = verify(&challenge, &both(), &settings(), &csr, now()) {
            prop_assert!(csr.sans.uri.is_empty());
            for upn in &csr.sans.upn {
                let claimed = verified.claim.san_upn.clone().unwrap_or_default();
                prop_assert!(claimed.iter().any(|one| one.trim().eq_ignore_ascii_case(upn.trim())));
            }
        }
    }

    /// One changed character anywhere: refused, and never as anything but these.
    #[test]
    fn on_one_changed_character(position in any::<prop::sample::Index>(), other in any::<char>()) {
        let good = signed(&claims(), ec());
        let position = position.index(good.len());
        let changed: String = good.char_indices().map(|(at, c)| if at == position { other } else { c }).collect();
        if let Err(refused) = try_verify(&changed) {
            prop_assert!(matches!(refused.label, Label::Malformed | Label::SignatureInvalid), "{refused}");
        } else {
            prop_assert_eq!(changed, good);
        }
    }

    #[test]
    fn on_any_signature(signature in prop::collection::vec(any::<u8>(), 0..300)) {
        for connector in [ec(), rsa()] {
            let refused = try_verify(&with_signature(&signed(&claims(), connector), &signature)).unwrap_err();
            prop_assert_eq!(refused.label, Label::SignatureInvalid);
        }
    }
}
