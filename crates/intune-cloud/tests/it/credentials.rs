//! Each way in which an app shows who it is.

use crate::server::{Answer, Server, Still, TOKEN, tenant};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use intune_cloud::{Algorithm, Assertions, Credential, ManagedIdentity, Resource, Source};
use josekit::jws::{PS256, RS256};
use josekit::jwt;
use outbound::Url;
use pki::{KeyKind, Name, PrivateKey};
use serde_json::json;

fn pair() -> (pki::Certificate, PrivateKey) {
    let key = PrivateKey::generate(KeyKind::Rsa { bits: 2048 }).unwrap();
    let name = Name::parse("CN=app").unwrap();
    (crate::validating::certificate(&name, &name, &key), key)
}

#[tokio::test]
async fn a_certificate_signs_assertions_in_both_forms() {
    let (certificate, key) = pair();
    let pem = certificate.to_pem();
    let key_pem = key.to_pkcs8_pem().unwrap();
    for algorithm in [Algorithm::Ps256, Algorithm::Rs256] {
        let server = Server::new().await;
        let assertions =
            Assertions::from_pem(pem.as_bytes(), key_pem.as_bytes(), algorithm).unwrap();
        let credential = Credential::Certificate(Box::new(assertions));
        let tenant = tenant(&server, "contoso", credential, Still::new());
        tenant.token(Resource::Intune).await.unwrap();
        let form = server.asked(TOKEN)[0].form();
        assert_eq!(
            form["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        assert!(!form.contains_key("client_secret"));
        let assertion = &form["client_assertion"];
        let spki = certificate.public_key().spki_der();
        let (payload, header) = match algorithm {
            Algorithm::Ps256 => {
                let public = josekit::jwk::alg::rsa::RsaKeyPair::from_der(
                    key.to_pkcs8_der().unwrap().as_slice(),
                )
                .unwrap();
                let jwk = josekit::jwk::KeyPair::to_jwk_public_key(&public);
                let verifier = PS256.verifier_from_jwk(&jwk).unwrap();
                jwt::decode_with_verifier(assertion, &verifier).unwrap()
            }
            Algorithm::Rs256 => {
                let verifier = RS256.verifier_from_der(spki).unwrap();
                jwt::decode_with_verifier(assertion, &verifier).unwrap()
            }
        };
        let (name, thumbprint, alg) = match algorithm {
            Algorithm::Ps256 => (
                "x5t#S256",
                pki::Digest::Sha256.hash(certificate.der()),
                "PS256",
            ),
            Algorithm::Rs256 => ("x5t", pki::Digest::Sha1.hash(certificate.der()), "RS256"),
        };
        let text = |claim: Option<&serde_json::Value>| claim.unwrap().as_str().unwrap().to_owned();
        assert_eq!(text(header.claim(name)), URL_SAFE_NO_PAD.encode(thumbprint));
        assert_eq!(text(header.claim("alg")), alg);
        assert_eq!(text(header.claim("typ")), "JWT");
        assert_eq!(
            text(payload.claim("aud")),
            format!("{}/contoso.onmicrosoft.com/oauth2/v2.0/token", server.url)
        );
        assert_eq!(payload.issuer(), payload.subject());
        let octets = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap());
        let written = String::from_utf8(octets.unwrap()).unwrap();
        for whole in ["\"nbf\":1800000000", "\"exp\":1800000600"] {
            assert!(
                written.contains(&format!("{whole},")) || written.contains(&format!("{whole}}}")),
                "{written}"
            );
        }
        assert_eq!(payload.jwt_id().unwrap().len(), 36);
    }
}

#[test]
fn a_key_of_another_certificate_or_kind_is_refused() {
    let (certificate, _) = pair();
    let (_, other) = pair();
    assert!(Assertions::new(certificate, &other, Algorithm::Ps256).is_err());
}

#[tokio::test]
async fn a_federated_token_is_read_at_each_request() {
    let server = Server::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let ask = async || {
        let credential = Credential::Federated(path.clone());
        let tenant = tenant(&server, "contoso", credential, Still::new());
        tenant.token(Resource::Intune).await.map(drop)
    };
    assert!(ask().await.unwrap_err().is_lasting);
    for text in ["one", "two"] {
        std::fs::write(&path, format!("{text}\n")).unwrap();
        ask().await.unwrap();
        let asked = server.asked(TOKEN);
        assert_eq!(asked.last().unwrap().form()["client_assertion"], text);
    }
}

#[tokio::test]
async fn imds_is_asked_again_while_it_is_busy() {
    let server = Server::new().await;
    server.always("/metadata", crate::server::token("m1", 86_400));
    server.once("/metadata", Answer::text(429, ""));
    server.once("/metadata", Answer::text(500, ""));
    let endpoint = format!("{}/metadata/identity/oauth2/token", server.url);
    let credential = Credential::Managed(ManagedIdentity {
        source: Source::Imds {
            endpoint: Url::parse(&endpoint).unwrap(),
        },
        client_id: Some("user assigned".to_owned()),
    });
    let tenant = tenant(&server, "contoso", credential, Still::new());
    tenant.token(Resource::Intune).await.unwrap();
    let asked = server.asked("/metadata");
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0].headers["metadata"], "true");
    assert!(asked[0].path.ends_with(
        "?api-version=2018-02-01&resource=https%3A%2F%2Fapi.manage.microsoft.com%2F&client_id=user+assigned"
    ), "{}", asked[0].path);
}

#[tokio::test]
async fn an_identity_that_is_not_assigned_is_not_asked_for_again() {
    let server = Server::new().await;
    server.always("/metadata", Answer::text(400, ""));
    let credential = Credential::Managed(ManagedIdentity {
        source: Source::Imds {
            endpoint: Url::parse(&format!("{}/metadata", server.url)).unwrap(),
        },
        client_id: None,
    });
    let tenant = tenant(&server, "contoso", credential, Still::new());
    let error = tenant.token(Resource::Intune).await.unwrap_err();
    assert!(error.is_lasting && error.to_string().contains("assign"));
    assert_eq!(server.asked("/metadata").len(), 1);
}

#[tokio::test]
async fn app_service_wants_its_header() {
    let server = Server::new().await;
    let body = json!({"access_token": "a", "expires_in": "86399", "resource": "x"});
    server.always("/msi", Answer::json(200, &body));
    let credential = Credential::Managed(ManagedIdentity {
        source: Source::AppService {
            endpoint: Url::parse(&format!("{}/msi/token", server.url)).unwrap(),
            header: String::from("canary").into(),
        },
        client_id: None,
    });
    let tenant = tenant(&server, "contoso", credential, Still::new());
    tenant.token(Resource::Graph).await.unwrap();
    let asked = server.asked("/msi");
    assert_eq!(asked[0].headers["x-identity-header"], "canary");
    assert!(
        asked[0]
            .path
            .contains("api-version=2019-08-01&resource=http")
    );
}

#[tokio::test]
async fn arc_wants_the_key_that_it_wrote() {
    let server = Server::new().await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("a.key");
    std::fs::write(&key, "canary").unwrap();
    let challenge = format!("Basic realm={}", key.display());
    server.always("/metadata", crate::server::token("m1", 86_400));
    server.once(
        "/metadata",
        Answer::text(401, "").with("www-authenticate", challenge),
    );
    let credential = Credential::Managed(ManagedIdentity {
        source: Source::Arc {
            endpoint: Url::parse(&format!("{}/metadata", server.url)).unwrap(),
            keys: folder.path().to_owned(),
        },
        client_id: None,
    });
    let tenant = tenant(&server, "contoso", credential, Still::new());
    tenant.token(Resource::Intune).await.unwrap();
    let asked = server.asked("/metadata");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1].headers["authorization"], "Basic canary");
}
