//! Wrong tokens, sessions, CSRF, OIDC.

use josekit::jws::{ES256, JwsHeader};
use josekit::jwt::{self, JwtPayload};
use reqwest::Method;
use serde_json::{Value, json};
use store::TokenRole;

use super::operator::{Answer, Operator};
use crate::test_env::{Running, TestEnv};

#[tokio::test(flavor = "multi_thread")]
async fn too_many_wrong_tokens_are_429_and_good_ones_still_pass() {
    let server = TestEnv::new()
        .profile("corp", "")
        .with("[admin]\nbad_token_limit = 5")
        .start()
        .await;
    let wrong = server.with_token("scepd_wrong");
    for _ in 0..5 {
        assert_eq!(wrong.get("/api/v1/auth/check").await.status, 401);
    }
    let answer = wrong.get("/api/v1/auth/check").await;
    assert_eq!(answer.status, 429, "{}", answer.text);
    assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
    answer.error();
    let by_session = server
        .nobody()
        .post("/api/v1/session", r#"{"token":"scepd_wrong"}"#)
        .await;
    assert_eq!(by_session.status, 429);
    assert_eq!(
        server.admin().await.get("/api/v1/auth/check").await.status,
        200
    );
}

async fn sign_in(server: &Running, token: &str) -> (Answer, String, String) {
    let body = json!({ "token": token }).to_string();
    let answer = server.nobody().post("/api/v1/session", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let cookie = answer
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let csrf = answer.json()["csrf_token"].as_str().unwrap().to_owned();
    (answer, cookie, csrf)
}

async fn with_cookie(
    caller: &Operator<'_>,
    method: Method,
    path: &str,
    cookie: &str,
    csrf: Option<&str>,
) -> Answer {
    let mut headers = vec![("cookie", cookie)];
    headers.extend(csrf.map(|csrf| ("x-csrf-token", csrf)));
    caller.ask(method, path, None, &headers).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_reads_by_cookie_and_changes_by_cookie_and_csrf_token() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let token = server.token("ops", TokenRole::Admin).await;
    let (answer, cookie, csrf) = sign_in(&server, &token).await;
    let set = answer.header("set-cookie");
    for part in [
        "__Host-scepd_session=",
        "; Path=/",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Strict",
    ] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!answer.text.contains(&token), "the token is not sent back");
    let page = server.nobody();
    let session = "/api/v1/session";
    let shown = with_cookie(&page, Method::GET, session, &cookie, None).await;
    assert_eq!(shown.json()["csrf_token"], csrf.as_str());
    let list = "/api/v1/admin/scep/profiles";
    assert_eq!(
        with_cookie(&page, Method::GET, list, &cookie, None)
            .await
            .status,
        200
    );

    let change = "/api/v1/admin/scep/checks";
    for wrong in [None, Some(""), Some("x"), Some(&cookie[22..])] {
        let answer = with_cookie(&page, Method::POST, change, &cookie, wrong).await;
        assert_eq!(answer.status, 403, "{wrong:?}: {}", answer.text);
    }
    assert_eq!(
        with_cookie(&page, Method::POST, change, &cookie, Some(&csrf))
            .await
            .status,
        200
    );

    for caller in [&page, &server.with_token(&token)] {
        let answer = with_cookie(caller, Method::DELETE, session, &cookie, None).await;
        assert_eq!(answer.status, 403, "a token besides is no CSRF token");
    }
    let out = with_cookie(&page, Method::DELETE, session, &cookie, Some(&csrf)).await;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(
        with_cookie(&page, Method::GET, session, &cookie, None)
            .await
            .status,
        401
    );
    let with_bearer = server.with_token(&token);
    assert_eq!(
        with_bearer.get(session).await.status,
        401,
        "a token has no session"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_a_token_ends_its_sessions() {
    let server = TestEnv::new().profile("corp", "").start().await;
    let token = server.token("laptop", TokenRole::Viewer).await;
    let (_, cookie, _) = sign_in(&server, &token).await;
    let admin = server.admin().await;
    let tokens = admin.read("/api/v1/admin/tokens").await;
    let laptop = tokens["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .find(|token| token["name"] == "laptop")
        .unwrap();
    let id = laptop["id"].as_str().unwrap();
    assert_eq!(
        admin
            .delete(&format!("/api/v1/admin/tokens/{id}"))
            .await
            .status,
        200
    );
    let answer = with_cookie(
        &server.nobody(),
        Method::GET,
        "/api/v1/auth/check",
        &cookie,
        None,
    )
    .await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        server
            .with_token(&token)
            .get("/api/v1/auth/check")
            .await
            .status,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_when_idle() {
    let server = TestEnv::new()
        .profile("corp", "")
        .with("[admin]\nsession_idle = '1m'\nsession_lifetime = '1m'")
        .start()
        .await;
    let token = server.token("ops", TokenRole::Admin).await;
    let (answer, _, _) = sign_in(&server, &token).await;
    let end: chrono::DateTime<chrono::Utc> = answer.json()["expires_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let left = end - actors::Clock::now(server.env.clock.as_ref());
    assert!((55..=60).contains(&left.num_seconds()), "{left}");
}

/// An environment that knows a provider by a file of keys, and a way to make the provider's tokens.
fn with_provider() -> (TestEnv, impl Fn(Value) -> String) {
    let pair = ES256.generate_key_pair().unwrap();
    let keys = json!({"keys": [pair.to_jwk_public_key().as_ref()]}).to_string();
    let env = TestEnv::new().profile("corp", "");
    let file = env.file("keys.json", keys.as_bytes());
    let settings = format!(
        "[admin]\nbad_token_limit = 2\n[admin.oidc]\nissuer = 'https://id.example.com'\naudience = 'scepd'\nkeys_file = '{}'\nuser_claim = 'name'",
        file.display()
    );
    let signer = ES256.signer_from_jwk(&pair.to_jwk_private_key()).unwrap();
    let token = move |roles: Value| {
        let claims = json!({
            "iss": "https://id.example.com", "aud": "scepd", "exp": chrono::Utc::now().timestamp() + 300,
            "name": "alice@example.com", "roles": roles,
        });
        let payload = JwtPayload::from_map(claims.as_object().unwrap().clone()).unwrap();
        jwt::encode_with_signer(&payload, &JwsHeader::new(), &signer).unwrap()
    };
    (env.with(&settings), token)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jwt_of_the_provider_is_a_token() {
    let (env, token) = with_provider();
    let server = env.start().await;
    let alice = server.with_token(&token(json!(["scepd-admin"])));
    let check = alice.read("/api/v1/auth/check").await;
    assert_eq!(
        (&check["user"], &check["actor_type"], &check["admin"]),
        (&json!("alice@example.com"), &json!("OIDC"), &json!(true))
    );
    assert_eq!(alice.get("/api/v1/admin/scep/profiles").await.status, 200);
    let viewer = server.with_token(&token(json!(["scepd-viewer"])));
    assert_eq!(viewer.get("/api/v1/admin/scep/profiles").await.status, 403);
    let viewer_says = viewer.read("/api/v1/auth/check").await;
    let colleague = server.with_token(&token(json!(["other"])));
    let check = colleague.read("/api/v1/auth/check").await;
    assert_eq!(check, viewer_says, "known, and no admin");
    for _ in 0..3 {
        let answer = colleague.get("/api/v1/admin/scep/profiles").await;
        assert_eq!(answer.status, 403, "a good token is no wrong one");
        let error = answer.error();
        assert!(error.contains("admin_roles"), "{error}");
    }
    let (answer, _, _) = sign_in(&server, &token(json!([]))).await;
    assert_eq!(answer.json()["admin"], false);
    let (answer, cookie, _) = sign_in(&server, &token(json!("scepd-admin"))).await;
    assert_eq!(answer.json()["actor_type"], "OIDC");
    let answer = with_cookie(
        &server.nobody(),
        Method::GET,
        "/api/v1/admin/scep/profiles",
        &cookie,
        None,
    )
    .await;
    assert_eq!(answer.status, 200);

    server.env.clock.advance(chrono::Duration::minutes(10));
    let answer = with_cookie(
        &server.nobody(),
        Method::GET,
        "/api/v1/auth/check",
        &cookie,
        None,
    )
    .await;
    assert_eq!(
        answer.status, 401,
        "a session ends with the JWT it was made with"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_the_configuration_that_let_it_in() {
    let (env, token) = with_provider();
    let mut server = env.start().await;
    let (_, by_jwt, _) = sign_in(&server, &token(json!("scepd-admin"))).await;
    let by_token = server.token("ops", TokenRole::Admin).await;
    let (_, by_token, _) = sign_in(&server, &by_token).await;
    let profiles = "/api/v1/admin/scep/profiles";
    let status = async |server: &Running, cookie: &str| {
        let page = server.nobody();
        let answer = with_cookie(&page, Method::GET, profiles, cookie, None).await;
        answer.status
    };
    server.server.reload("test").await.unwrap();
    assert_eq!(status(&server, &by_jwt).await, 200, "the same as before");

    let other: toml::Value = vec!["root".to_owned()].into();
    let admin = |config: &mut toml::Table, roles: Option<toml::Value>| {
        let oidc = config["admin"].as_table_mut().unwrap();
        let oidc = oidc["oidc"].as_table_mut().unwrap();
        match roles {
            Some(roles) => drop(oidc.insert("admin_roles".to_owned(), roles)),
            None => drop(oidc.remove("admin_roles")),
        }
    };
    server.env.edit(|config| admin(config, Some(other)));
    server.server.reload("test").await.unwrap();
    // Also where nobody has asked in between.
    server.env.edit(|config| admin(config, None));
    server.server.reload("test").await.unwrap();
    assert_eq!(status(&server, &by_jwt).await, 401);
    assert_eq!(status(&server, &by_token).await, 200);
    assert_eq!(
        server
            .with_token(&token(json!("scepd-admin")))
            .get(profiles)
            .await
            .status,
        200
    );
}
