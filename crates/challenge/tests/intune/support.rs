//! One connector of each key type, one device, and ways to say "the same but".

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use challenge::mint::{Connector, sign, sign_as_given};
use challenge::{
    Algorithm, CsrFacts, IntuneSettings, Refused, TrustAnchors, Verified, looks_like_challenge,
    verify,
};
use chrono::{DateTime, Duration, Utc};
use pki::SubjectAltNames;
use serde_json::{Value, json};
use std::sync::OnceLock;

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const AUDIENCE: &str = "https://scep.example.com/scep/corp";

pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

pub(crate) fn now() -> DateTime<Utc> {
    at(NOW)
}

/// The connector that the profile trusts, with a P-256 key.
pub(crate) fn ec() -> &'static Connector {
    static CONNECTOR: OnceLock<Connector> = OnceLock::new();
    CONNECTOR.get_or_init(|| connector(Algorithm::Es256, "EC connector"))
}

/// The connector that the profile trusts, with an RSA key.
pub(crate) fn rsa() -> &'static Connector {
    static CONNECTOR: OnceLock<Connector> = OnceLock::new();
    CONNECTOR.get_or_init(|| connector(Algorithm::Rs256, "RSA connector"))
}

/// Somebody else's connector.
pub(crate) fn stranger() -> &'static Connector {
    static CONNECTOR: OnceLock<Connector> = OnceLock::new();
    CONNECTOR.get_or_init(|| connector(Algorithm::Es256, "EC connector"))
}

pub(crate) fn connector(algorithm: Algorithm, name: &str) -> Connector {
    Connector::throwaway(algorithm, name, now() - Duration::days(1), 365).unwrap()
}

/// A pool of these certificates, loaded long ago, so that none had expired then.
pub(crate) fn pool(certificates: &[&pki::Certificate]) -> TrustAnchors {
    let pem: String = certificates
        .iter()
        .map(|certificate| certificate.to_pem())
        .collect();
    TrustAnchors::parse("anchors.pem", pem.as_bytes(), at(0)).unwrap()
}

pub(crate) fn both() -> TrustAnchors {
    pool(&[&ec().certificate, &rsa().certificate])
}

pub(crate) fn settings() -> IntuneSettings {
    IntuneSettings {
        audience: Some(AUDIENCE.into()),
        ..IntuneSettings::default()
    }
}

pub(crate) fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// What the device asks for.
pub(crate) fn csr() -> CsrFacts {
    CsrFacts {
        common_names: strings(&["LAPTOP-7"]),
        sans: SubjectAltNames {
            dns: strings(&["laptop-7.corp.example.com"]),
            email: strings(&["ada@example.com"]),
            upn: strings(&["ada@corp.example.com"]),
            ..SubjectAltNames::default()
        },
    }
}

/// What the connector says of the device.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "connector-1",
        "sub": "device-7",
        "aud": AUDIENCE,
        "iat": NOW - 60,
        "exp": NOW + 600,
        "nonce": "b7d0f1",
        "device_name": "LAPTOP-7",
        "san_dns": ["laptop-7.corp.example.com"],
        "san_rfc822": ["ada@example.com"],
        "san_upn": ["ada@corp.example.com"],
    })
}

/// The claims with some of them replaced; `null` takes one out.
pub(crate) fn claims_with(changes: Value) -> Value {
    let mut claims = claims();
    let object = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => object.remove(name),
            value => object.insert(name.clone(), value.clone()),
        };
    }
    claims
}

pub(crate) fn signed(payload: &Value, connector: &Connector) -> String {
    signed_text(&payload.to_string(), connector)
}

pub(crate) fn signed_text(payload: &str, connector: &Connector) -> String {
    let header = match connector.key.kind() {
        pki::KeyKind::Rsa { .. } => r#"{"alg":"RS256","typ":"JWT"}"#,
        _ => r#"{"alg":"ES256","typ":"JWT"}"#,
    };
    sign_as_given(header.as_bytes(), payload.as_bytes(), &connector.key).unwrap()
}

/// The good claims under another header, signed all the same.
pub(crate) fn with_header(header: &str, connector: &Connector) -> String {
    sign_as_given(
        header.as_bytes(),
        claims().to_string().as_bytes(),
        &connector.key,
    )
    .unwrap()
}

/// The good claims with one member's text replaced, to write what a JSON library would not.
pub(crate) fn with_raw(name: &str, raw: &str) -> String {
    let claims = claims_with(json!({ name: null })).to_string();
    signed_text(
        &claims.replacen('{', &format!("{{\"{name}\":{raw},"), 1),
        ec(),
    )
}

/// Any first two segments with a good signature over them.
pub(crate) fn with_segments(header: &str, payload: &str, connector: &Connector) -> String {
    let input = format!("{header}.{payload}");
    let signature = sign(input.as_bytes(), &connector.key).unwrap();
    format!("{input}.{}", b64(&signature))
}

pub(crate) fn b64(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// Header, payload and signature segments.
pub(crate) fn segments(challenge: &str) -> [String; 3] {
    let parts: Vec<String> = challenge.split('.').map(ToOwned::to_owned).collect();
    parts.try_into().unwrap()
}

pub(crate) fn with_signature(challenge: &str, signature: &[u8]) -> String {
    let [header, payload, _] = segments(challenge);
    format!("{header}.{payload}.{}", b64(signature))
}

pub(crate) fn signature_of(challenge: &str) -> Vec<u8> {
    let [_, _, signature] = segments(challenge);
    URL_SAFE_NO_PAD.decode(signature).unwrap()
}

/// Against both anchors, the profile's settings, the device's CSR, now.
pub(crate) fn try_verify(challenge: &str) -> Result<Verified, Refused> {
    verify(challenge, &both(), &settings(), &csr(), now())
}

#[test]
fn the_reference_challenge_passes_with_either_key() {
    for connector in [ec(), rsa()] {
        let challenge = signed(&claims(), connector);
        assert!(looks_like_challenge(&challenge));
        let verified = try_verify(&challenge).unwrap();
        assert_eq!(verified.anchor, connector.certificate);
        assert_eq!(serde_json::to_value(&verified.claim).unwrap(), claims());
    }
}

#[test]
fn the_reference_challenge_of_a_stranger_does_not() {
    let refused = try_verify(&signed(&claims(), stranger())).unwrap_err();
    assert_eq!(refused.label, challenge::Label::SignatureInvalid);
}
