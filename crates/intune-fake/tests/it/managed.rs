//! Managed identities: IMDS, App Service, Azure Arc.

use intune_fake::{Clock, Fake, Options};
use serde_json::{Value, json};

use crate::client::{DISCOVERY, NOW, fake, get, http, read};

const IMDS: &str = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fgraph.microsoft.com";
const ARC: &str = "/metadata/identity/oauth2/token?api-version=2020-06-01&resource=https%3A%2F%2Fgraph.microsoft.com";

async fn ask(fake: &Fake, target: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = http().get(format!("{}{target}", fake.urls().metadata));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn imds_wants_its_header_and_tells_numbers_as_texts() {
    let fake = fake().await;
    let (status, body) = ask(&fake, IMDS, &[("metadata", "true")]).await;
    assert_eq!((status, &body["expires_in"]), (200, &json!("86399")));
    assert_eq!(body["expires_on"], json!((NOW + 86_399).to_string()));
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(get(&fake, token, DISCOVERY).await.0, 200);
    assert!(fake.problems().is_empty());

    assert_eq!(ask(&fake, IMDS, &[]).await.0, 400);
    let forwarded = [("metadata", "true"), ("x-forwarded-for", "10.0.0.1")];
    assert_eq!(ask(&fake, IMDS, &forwarded).await.0, 400);
    let other = format!("{IMDS}&client_id=00000000-0000-0000-0000-000000000001");
    let (status, body) = ask(&fake, &other, &[("metadata", "true")]).await;
    assert_eq!((status, &body["error"]), (400, &json!("invalid_request")));
    let own = format!("{IMDS}&client_id={}", fake.tenants()[0].client_id);
    assert_eq!(ask(&fake, &own, &[("metadata", "true")]).await.0, 200);
}

#[tokio::test]
async fn app_service_wants_its_own_header() {
    let fake = fake().await;
    let target =
        "/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fapi.manage.microsoft.com%2F";
    let secret = fake.identity_header();
    let (status, body) = ask(&fake, target, &[("x-identity-header", &secret)]).await;
    assert_eq!(
        (status, &body["resource"]),
        (200, &json!("https://api.manage.microsoft.com/"))
    );
    assert_eq!(
        ask(&fake, target, &[("x-identity-header", "guess")])
            .await
            .0,
        401
    );
}

#[tokio::test]
async fn arc_wants_the_content_of_a_file() {
    let dir = tempfile::TempDir::new().unwrap();
    let options = Options {
        arc_dir: Some(dir.path().to_owned()),
        ..Options::new(Clock::standing(NOW))
    };
    let fake = Fake::start(options).await.unwrap();
    let url = format!("{}{ARC}", fake.urls().metadata);
    let first = http()
        .get(url)
        .header("metadata", "true")
        .send()
        .await
        .unwrap();
    assert_eq!(first.status(), 401);
    let realm = first.headers()["www-authenticate"]
        .to_str()
        .unwrap()
        .to_owned();
    let path = realm.strip_prefix("Basic realm=").unwrap();
    assert!(path.ends_with(".key"));
    let key = format!("Basic {}", std::fs::read_to_string(path).unwrap());
    let headers = [("metadata", "true"), ("authorization", key.as_str())];
    assert_eq!(ask(&fake, ARC, &headers).await.0, 200);
    assert_eq!(ask(&fake, ARC, &headers).await.0, 401, "a key is good once");
    assert_eq!(
        ask(&fake, ARC, &headers[1..]).await.0,
        400,
        "Metadata is wanted here too"
    );
}
