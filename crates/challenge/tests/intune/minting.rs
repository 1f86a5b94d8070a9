//! Minted challenges and throwaway connectors.

use crate::support::*;
use challenge::mint::{Connector, Minter, algorithm_for, mint};
use challenge::{Algorithm, Error, looks_like_challenge, verify};
use chrono::Duration;
use pki::{Curve, KeyKind, PrivateKey};
use serde_json::{Map, Value, json};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn what_is_minted_passes() {
    for connector in [ec(), rsa()] {
        let claims = map(claims_with(
            json!({"iat": null, "exp": null, "nonce": null}),
        ));
        assert!(!claims.contains_key("nonce"));
        let challenge = mint(claims, &connector.key, Duration::minutes(5), now()).unwrap();
        let verified = try_verify(&challenge).unwrap();
        assert_eq!((verified.claim.iat, verified.claim.exp), (NOW, NOW + 300));
        assert_eq!(verified.claim.nonce.unwrap().len(), 32);
    }
}

#[test]
fn claims_that_are_given_stay() {
    let challenge = mint(map(claims()), &ec().key, Duration::minutes(5), now()).unwrap();
    assert_eq!(
        serde_json::to_value(try_verify(&challenge).unwrap().claim).unwrap(),
        claims()
    );
}

#[test]
fn null_leaves_out_what_would_be_added() {
    let mut claims = map(claims());
    claims.insert("nonce".into(), Value::Null);
    let challenge = mint(claims, &ec().key, Duration::minutes(5), now()).unwrap();
    assert_eq!(try_verify(&challenge).unwrap().claim.nonce, None);
}

#[test]
fn each_has_its_own_nonce() {
    let minter = Minter::new(&ec().key).unwrap();
    let nonce = || {
        let claims = map(claims_with(json!({"nonce": null})));
        try_verify(&minter.mint(claims, Duration::minutes(5), now()).unwrap())
            .unwrap()
            .replay_key
    };
    assert_ne!(nonce(), nonce());
}

#[test]
fn even_a_bare_one_is_taken_for_a_challenge() {
    let challenge = mint(Map::new(), &ec().key, Duration::minutes(5), now()).unwrap();
    assert!(
        looks_like_challenge(&challenge),
        "{} characters",
        challenge.len()
    );
}

#[test]
fn other_keys_cannot_mint() {
    let key = PrivateKey::generate(KeyKind::Ec(Curve::P384)).unwrap();
    let error = mint(Map::new(), &key, Duration::minutes(5), now()).unwrap_err();
    assert!(matches!(error, Error::WrongKey { .. }), "{error}");
    assert!(algorithm_for(&key).is_err());
}

#[test]
fn impossible_lifetimes_are_refused() {
    let error = mint(Map::new(), &ec().key, Duration::MAX, now()).unwrap_err();
    assert!(matches!(error, Error::OutOfRange { .. }), "{error}");
}

#[test]
fn a_throwaway_connector_works_from_its_files() {
    for (algorithm, kind) in [
        (Algorithm::Es256, "EC P-256"),
        (Algorithm::Rs256, "RSA 2048"),
    ] {
        let connector =
            Connector::throwaway(algorithm, "Contoso, \"Connector\" + 1", now(), 30).unwrap();
        assert_eq!(connector.key.kind().to_string(), kind);
        assert_eq!(
            connector.certificate.subject().common_name(),
            Some("Contoso, \"Connector\" + 1")
        );
        assert_eq!(
            connector.certificate.not_after(),
            now() + Duration::days(30)
        );
        assert!(
            connector
                .certificate
                .verify_signature_by(connector.key.public_key())
                .is_ok()
        );
        let key = PrivateKey::from_pem(connector.key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
        let challenge = mint(map(claims()), &key, Duration::minutes(5), now()).unwrap();
        verify(
            &challenge,
            &pool(&[&connector.certificate]),
            &settings(),
            &csr(),
            now(),
        )
        .unwrap();
    }
}
