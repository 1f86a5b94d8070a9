//! Entra: secrets, signed and federated assertions, and what it refuses.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use intune_fake::{Fake, Secret, Tenant};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use serde_json::{Value, json};

use crate::client::{
    GRAPH, INTUNE, NOW, Signs, another_key, by_secret, certificate, fake, form, get, jwt, key,
    post_form, read,
};

fn codes(body: &Value) -> i64 {
    body["error_codes"][0].as_i64().unwrap_or_default()
}

#[tokio::test]
async fn a_secret_gets_a_token_for_one_resource() {
    let fake = fake().await;
    let tenant = fake.tenants().remove(0);
    for scope in [GRAPH, INTUNE, "https://api.manage.microsoft.com/.default"] {
        for name in [&tenant.id, &tenant.domain] {
            let (status, body) = post_form(&fake, name, by_secret(&tenant, scope)).await;
            assert_eq!(
                (status, &body["token_type"], &body["expires_in"]),
                (200, &json!("Bearer"), &json!(3599))
            );
            let token = body["access_token"].as_str().unwrap();
            let claims = token.split('.').nth(1).unwrap();
            let claims: Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
            assert_eq!(claims["tid"], json!(tenant.id));
            let is_intune = scope.contains("manage");
            let role = json!("scep_challenge_provider");
            assert_eq!(
                claims["roles"].as_array().unwrap().contains(&role),
                is_intune
            );
        }
    }
    assert!(fake.problems().is_empty(), "{:?}", fake.problems());
}

#[tokio::test]
async fn what_entra_refuses() {
    let fake = fake().await;
    let tenant = fake.tenants().remove(0);
    let good = by_secret(&tenant, GRAPH);
    let elsewhere = Tenant::named("fabrikam").client_id;
    let cases: [(&str, String, u16, i64); 9] = [
        ("nobody.example", good.clone(), 400, 90_002),
        (
            &tenant.id,
            good.replace("contoso-secret", "guess"),
            401,
            7_000_215,
        ),
        (
            &tenant.id,
            good.replace(&tenant.client_id, &elsewhere),
            400,
            700_016,
        ),
        (
            &tenant.id,
            good.replace("client_secret=contoso-secret&", ""),
            401,
            7_000_218,
        ),
        (
            &tenant.id,
            good.replace("client_credentials", "password"),
            400,
            70_003,
        ),
        (
            &tenant.id,
            by_secret(&tenant, "https://graph.microsoft.com/User.Read"),
            400,
            70_011,
        ),
        (
            &tenant.id,
            by_secret(&tenant, &format!("{GRAPH} {INTUNE}")),
            400,
            700_022,
        ),
        (
            &tenant.id,
            by_secret(&tenant, "https://vault.azure.net/.default"),
            400,
            500_011,
        ),
        (&tenant.id, String::new(), 400, 900_144),
    ];
    for (name, body, status, code) in cases {
        let (found, answer) = post_form(&fake, name, body).await;
        assert_eq!((found, codes(&answer)), (status, code), "{answer}");
        let words = answer["error_description"].as_str().unwrap();
        assert!(words.starts_with(&format!("AADSTS{code}: ")), "{words}");
        assert!(words.contains("Timestamp: 2026-11-30 14:00:00Z"), "{words}");
    }

    fake.tenant(&tenant.id, |tenant| {
        tenant.secrets = vec![Secret {
            value: "contoso-secret".to_owned(),
            expires: NOW,
        }];
    });
    assert_eq!(
        codes(&post_form(&fake, &tenant.id, good.clone()).await.1),
        7_000_222
    );
    fake.tenant(&tenant.id, |tenant| tenant.enabled = false);
    assert_eq!(
        codes(&post_form(&fake, &tenant.id, good).await.1),
        7_000_112
    );
}

#[tokio::test]
async fn the_body_must_be_a_form() {
    let fake = fake().await;
    let tenant = fake.tenants().remove(0);
    let url = format!("{}/{}/oauth2/v2.0/token", fake.urls().entra, tenant.id);
    let request = crate::client::http()
        .post(url)
        .header("content-type", "application/json");
    let response = request
        .body(by_secret(&tenant, GRAPH))
        .send()
        .await
        .unwrap();
    assert_eq!(read(response).await.0, 400);
    assert_eq!(fake.problems().len(), 1);
}

struct Signed {
    fake: Fake,
    tenant: Tenant,
    key: PKey<Private>,
    certificate: X509,
}

impl Signed {
    async fn new() -> Signed {
        let (fake, key) = (fake().await, key());
        let certificate = certificate(&key);
        let tenant = fake.tenants().remove(0);
        let pem = String::from_utf8(certificate.to_pem().unwrap()).unwrap();
        fake.tenant(&tenant.id, |tenant| tenant.certificates = vec![pem]);
        Signed {
            fake,
            tenant,
            key,
            certificate,
        }
    }

    fn sha256(&self) -> Vec<u8> {
        self.certificate
            .digest(MessageDigest::sha256())
            .unwrap()
            .to_vec()
    }

    fn header(&self) -> Value {
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(self.sha256())})
    }

    fn claims(&self, number: u32) -> Value {
        json!({
            "aud": format!("{}/{}/oauth2/v2.0/token", self.fake.urls().entra, self.tenant.id),
            "iss": self.tenant.client_id, "sub": self.tenant.client_id,
            "jti": format!("00000000-0000-4000-8000-{number:012}"),
            "nbf": NOW, "iat": NOW, "exp": NOW + 600,
        })
    }

    async fn ask(&self, assertion: &str) -> (u16, i64) {
        let body = form(&[
            ("grant_type", "client_credentials"),
            ("client_id", &self.tenant.client_id),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            ("client_assertion", assertion),
            ("scope", INTUNE),
        ]);
        let (status, body) = post_form(&self.fake, &self.tenant.id, body).await;
        (status, codes(&body))
    }
}

const PS256: Signs = Signs::Ps256 { salt: 32 };

#[tokio::test]
async fn a_certificate_signs_assertions_in_every_form() {
    let side = Signed::new().await;
    let sha1 = side
        .certificate
        .digest(MessageDigest::sha1())
        .unwrap()
        .to_vec();
    let mut number = 0;
    for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
        for (alg, name, print, signs) in [
            ("PS256", "x5t#S256", side.sha256(), PS256),
            ("RS256", "x5t", sha1.clone(), Signs::Rs256),
        ] {
            let header = json!({"alg": alg, "typ": "JWT", name: engine.encode(print)});
            number += 1;
            let text = jwt(&header, &side.claims(number), &side.key, signs);
            assert_eq!(side.ask(&text).await, (200, 0), "{header}");
        }
    }
    assert!(
        side.fake.problems().is_empty(),
        "{:?}",
        side.fake.problems()
    );
}

#[tokio::test]
async fn assertions_that_are_wrong_somewhere_are_refused() {
    let side = Signed::new().await;
    let with = |number: u32, name: &str, value: Value| {
        let mut claims = side.claims(number);
        claims[name] = value;
        jwt(&side.header(), &claims, &side.key, PS256)
    };
    let headed = |number: u32, name: &str, value: Value| {
        let mut header = side.header();
        header[name] = value;
        jwt(&header, &side.claims(number), &side.key, PS256)
    };
    let mut cases = vec![
        (
            "audience",
            with(1, "aud", json!("https://login.microsoftonline.com/")),
            50_012,
        ),
        ("subject", with(2, "sub", json!("me")), 50_012),
        ("issuer", with(3, "iss", json!("me")), 700_211),
        ("no GUID", with(4, "jti", json!("1")), 50_012),
        ("expired", with(5, "exp", json!(NOW - 301)), 700_024),
        ("of the future", with(6, "nbf", json!(NOW + 301)), 700_024),
        ("no end", with(7, "exp", Value::Null), 700_024),
        (
            "another certificate",
            headed(8, "x5t#S256", json!(URL_SAFE.encode([7; 32]))),
            700_027,
        ),
        ("other algorithm", headed(9, "alg", json!("RS256")), 700_027),
        ("none", headed(10, "alg", json!("none")), 50_012),
        ("type", headed(11, "typ", json!("at+jwt")), 50_012),
        ("no JWT", "a.b".to_owned(), 50_012),
    ];
    // Another salt than the digest's length is not PS256 (RFC 7518, section 3.5).
    let salted = jwt(
        &side.header(),
        &side.claims(12),
        &side.key,
        Signs::Ps256 { salt: 20 },
    );
    cases.push(("salt", salted, 700_027));
    let stranger = jwt(&side.header(), &side.claims(13), &another_key(), PS256);
    cases.push(("another key", stranger, 700_027));
    for (what, text, code) in cases {
        assert_eq!(side.ask(&text).await, (401, code), "{what}");
    }
    let once = with(14, "iat", json!(NOW));
    assert_eq!(side.ask(&once).await.0, 200);
    assert_eq!(side.ask(&once).await, (401, 50_012), "a jti twice");
}

#[tokio::test]
async fn a_federated_credential_takes_its_issuers_tokens() {
    let side = Signed::new().await;
    let good = side.fake.foreign_token(&side.tenant.id, 600).unwrap();
    assert_eq!(side.ask(&good).await.0, 200);
    assert_eq!(
        side.ask(&good).await.0,
        200,
        "the file is read again while it is good"
    );
    let late = side.fake.foreign_token(&side.tenant.id, -301).unwrap();
    assert_eq!(side.ask(&late).await, (401, 700_024));
    // The same claims by another issuer's key.
    let forged = fake().await.foreign_token(&side.tenant.id, 600).unwrap();
    assert_eq!(side.ask(&forged).await, (401, 700_211));
    side.fake.tenant(&side.tenant.id, |tenant| {
        tenant.federated.as_mut().unwrap().subject = "somebody".to_owned();
    });
    assert_eq!(side.ask(&good).await, (401, 700_213));
}

#[tokio::test]
async fn tokens_end() {
    let fake = fake().await;
    let token = crate::client::token(&fake, GRAPH).await;
    assert_eq!(get(&fake, &token, crate::client::DISCOVERY).await.0, 200);
    fake.clock().advance(3599);
    let (status, body) = get(&fake, &token, crate::client::DISCOVERY).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (401, &json!("InvalidAuthenticationToken"))
    );
}
