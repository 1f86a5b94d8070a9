#![allow(clippy::unwrap_used)]
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeZone;
use josekit::jwk::KeyPair;
use josekit::jws::{HS256, JwsSigner};
use josekit::jwt::JwtPayload;
use serde_json::json;

use super::*;

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 23, 12, 0, 0).unwrap()
}

fn settings() -> OidcSettings {
    OidcSettings {
        issuer: "https://id.example.com".to_owned(),
        audience: "scepd".to_owned(),
        role_claim: "realm_access.roles".to_owned(),
        admin_roles: vec!["scepd-admin".to_owned()],
        viewer_roles: vec!["scepd-viewer".to_owned()],
        user_claim: "preferred_username".to_owned(),
        skew: chrono::Duration::seconds(60),
        refresh: Duration::from_secs(3600),
    }
}

fn good_claims() -> Value {
    json!({
        "iss": "https://id.example.com", "aud": ["other", "scepd"], "exp": now().timestamp() + 300,
        "preferred_username": "alice", "realm_access": {"roles": ["x", "scepd-admin"]},
    })
}

struct Provider {
    jwk: Jwk,
    signer: Box<dyn JwsSigner>,
}

fn provider(kid: &str) -> Provider {
    let pair = ES256.generate_key_pair().unwrap();
    let mut jwk = pair.to_jwk_public_key();
    jwk.set_key_id(kid);
    let signer = ES256.signer_from_jwk(&pair.to_jwk_private_key()).unwrap();
    Provider {
        jwk,
        signer: Box::new(signer),
    }
}

impl Provider {
    fn key_set(&self) -> Vec<u8> {
        json!({"keys": [self.jwk.as_ref()]})
            .to_string()
            .into_bytes()
    }

    fn token(&self, claims: &Value) -> String {
        self.token_with(claims, json!({"kid": self.jwk.key_id()}))
    }

    fn token_with(&self, claims: &Value, header: Value) -> String {
        let header = JwsHeader::from_map(header.as_object().unwrap().clone()).unwrap();
        let payload = JwtPayload::from_map(claims.as_object().unwrap().clone()).unwrap();
        jwt::encode_with_signer(&payload, &header, self.signer.as_ref()).unwrap()
    }

    fn oidc(&self) -> Arc<Oidc> {
        Arc::new(Oidc::with_keys(settings(), &self.key_set()).unwrap())
    }
}

async fn verdict(oidc: &Arc<Oidc>, token: &str) -> Result<Caller, OidcError> {
    oidc.verify(token, now(), Instant::now()).await
}

#[tokio::test]
async fn a_good_token_names_its_user_and_role() {
    let provider = provider("k1");
    let caller = verdict(&provider.oidc(), &provider.token(&good_claims()))
        .await
        .unwrap();
    assert_eq!(
        (caller.name.as_str(), caller.role, caller.kind),
        ("alice", Some(api::Role::Admin), CallerKind::Oidc)
    );
    assert_eq!(caller.until, Some(now() + chrono::Duration::seconds(360)));
    let mut claims = good_claims();
    claims["realm_access"]["roles"] = json!("scepd-viewer");
    claims["aud"] = json!("scepd");
    let caller = verdict(&provider.oidc(), &provider.token(&claims))
        .await
        .unwrap();
    assert_eq!(caller.role, Some(api::Role::Viewer));
    for roles in [json!({"roles": ["scepd-admins"]}), Value::Null] {
        claims["realm_access"] = roles;
        let caller = verdict(&provider.oidc(), &provider.token(&claims)).await;
        assert_eq!(caller.unwrap().role, None, "known, and nothing more");
    }
}

#[tokio::test]
async fn claims_are_strict() {
    let provider = provider("k1");
    let oidc = provider.oidc();
    let claim = |name: &str| OidcError::Claim(name.to_owned());
    let cases: [(&str, Value, OidcError); 10] = [
        ("iss", json!("https://evil.example.com"), claim("iss")),
        ("iss", Value::Null, claim("iss")),
        ("aud", json!("other"), claim("aud")),
        ("aud", Value::Null, claim("aud")),
        ("exp", Value::Null, claim("exp")),
        (
            "exp",
            json!(now().timestamp() - 61),
            OidcError::Expired(now() - chrono::Duration::seconds(61)),
        ),
        (
            "nbf",
            json!(now().timestamp() + 61),
            OidcError::NotYetValid(now() + chrono::Duration::seconds(61)),
        ),
        (
            "preferred_username",
            Value::Null,
            claim("preferred_username"),
        ),
        (
            "preferred_username",
            json!("a\nb"),
            claim("preferred_username"),
        ),
        ("preferred_username", json!(7), claim("preferred_username")),
    ];
    for (name, value, expected) in cases {
        let mut claims = good_claims();
        let members = claims.as_object_mut().unwrap();
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.to_owned(), value.clone());
        }
        assert_eq!(
            verdict(&oidc, &provider.token(&claims)).await,
            Err(expected),
            "{name}: {value}"
        );
    }
    let mut within_skew = good_claims();
    within_skew["exp"] = json!(now().timestamp() - 59);
    within_skew["nbf"] = json!(now().timestamp() + 59);
    assert!(verdict(&oidc, &provider.token(&within_skew)).await.is_ok());
}

#[tokio::test]
async fn algorithms_are_those_of_the_key() {
    let ours = provider("k1");
    let oidc = ours.oidc();
    let claims = good_claims();
    let stranger = provider("k1");
    assert_eq!(
        verdict(&oidc, &stranger.token(&claims)).await,
        Err(OidcError::Signature)
    );

    let payload = JwtPayload::from_map(claims.as_object().unwrap().clone()).unwrap();
    let unsigned = jwt::encode_unsecured(&payload, &JwsHeader::new()).unwrap();
    assert_eq!(
        verdict(&oidc, &unsigned).await,
        Err(OidcError::Algorithm("none".to_owned()))
    );

    // The public key's octets as an HMAC secret: the classic confusion.
    let hmac = HS256
        .signer_from_bytes(ours.jwk.to_string().as_bytes())
        .unwrap();
    let confused = jwt::encode_with_signer(&payload, &JwsHeader::new(), &hmac).unwrap();
    assert_eq!(
        verdict(&oidc, &confused).await,
        Err(OidcError::Algorithm("HS256".to_owned()))
    );

    let critical = ours.token_with(&claims, json!({"crit": ["x"], "x": 1}));
    assert_eq!(verdict(&oidc, &critical).await, Err(OidcError::Malformed));

    let good = ours.token(&claims);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let flipped = format!(
        "{head}.{}{}",
        if signature.starts_with('A') { 'B' } else { 'A' },
        &signature[1..]
    );
    assert_eq!(verdict(&oidc, &flipped).await, Err(OidcError::Signature));
    for garbage in ["", "a.b", "a.b.c", "....", &"x".repeat(20_000)] {
        assert_eq!(
            verdict(&oidc, garbage).await,
            Err(OidcError::Malformed),
            "{garbage}"
        );
    }
}

#[tokio::test]
async fn a_token_without_kid_is_held_against_every_key() {
    let provider = provider("k1");
    assert!(
        verdict(
            &provider.oidc(),
            &provider.token_with(&good_claims(), json!({}))
        )
        .await
        .is_ok()
    );
}

#[tokio::test]
async fn keys_of_other_kinds_are_no_key_set() {
    for set in [
        "",
        "{}",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#,
    ] {
        assert!(
            matches!(
                Oidc::with_keys(settings(), set.as_bytes()),
                Err(OidcError::Keys(_))
            ),
            "{set}"
        );
    }
}

struct Fetched {
    set: Mutex<Result<Vec<u8>, String>>,
    times: AtomicUsize,
}

impl KeySource for Fetched {
    fn address(&self) -> String {
        "test".to_owned()
    }

    fn fetch(&self) -> KeysFuture {
        self.times.fetch_add(1, Ordering::SeqCst);
        let set = self.set.lock().unwrap().clone();
        Box::pin(async move { set })
    }
}

#[tokio::test]
async fn an_unknown_key_makes_the_keys_be_fetched_again_but_not_too_often() {
    let (old, new) = (provider("old"), provider("new"));
    let source = Arc::new(Fetched {
        set: Mutex::new(Ok(old.key_set())),
        times: AtomicUsize::new(0),
    });
    let oidc = Arc::new(Oidc::with_source(settings(), source.clone()));
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let claims = good_claims();

    assert!(oidc.verify(&old.token(&claims), now(), at(0)).await.is_ok());
    *source.set.lock().unwrap() = Ok(new.key_set());
    for second in 1..30 {
        let verdict = oidc.verify(&new.token(&claims), now(), at(second)).await;
        assert_eq!(verdict, Err(OidcError::Signature));
    }
    assert_eq!(source.times.load(Ordering::SeqCst), 1);
    assert!(
        oidc.verify(&new.token(&claims), now(), at(30))
            .await
            .is_ok()
    );
    assert_eq!(source.times.load(Ordering::SeqCst), 2);

    *source.set.lock().unwrap() = Err("down".to_owned());
    assert!(
        oidc.verify(&old.token(&claims), now(), at(100))
            .await
            .is_err()
    );
    assert!(
        oidc.verify(&new.token(&claims), now(), at(101))
            .await
            .is_ok(),
        "known keys stay in use"
    );
}

#[tokio::test]
async fn a_member_that_stands_twice_is_refused() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let provider = provider("k1");
    let oidc = provider.oidc();
    let signed = |header: &str, payload: &str| {
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = provider.signer.sign(text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let header = r#"{"alg":"ES256","kid":"k1"}"#;
    let claims = good_claims().to_string();
    assert!(verdict(&oidc, &signed(header, &claims)).await.is_ok());
    let twice = claims.replacen('{', r#"{"preferred_username":"bob","#, 1);
    let deep = claims.replacen(r#"{"roles""#, r#"{"roles":[],"roles""#, 1);
    for (header, claims) in [
        (header, twice.as_str()),
        (header, deep.as_str()),
        (r#"{"alg":"ES256","alg":"ES256","kid":"k1"}"#, &claims),
    ] {
        let verdict = verdict(&oidc, &signed(header, claims)).await;
        assert_eq!(verdict, Err(OidcError::Malformed), "{header} {claims}");
    }
}

#[test]
fn whom_the_provider_lets_in_makes_another_configuration() {
    let keys = provider("k1").key_set();
    let of = |settings: OidcSettings, keys: &[u8]| {
        *Oidc::with_keys(settings, keys)
            .unwrap()
            .configuration()
            .octets()
    };
    let before = of(settings(), &keys);
    let slower = OidcSettings {
        refresh: Duration::from_secs(60),
        ..settings()
    };
    assert_eq!(of(slower, &keys), before);
    let stricter = OidcSettings {
        admin_roles: vec!["root".to_owned()],
        ..settings()
    };
    assert_ne!(of(stricter, &keys), before);
    assert_ne!(of(settings(), &provider("k2").key_set()), before);
}
