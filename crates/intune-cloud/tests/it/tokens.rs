//! Tokens: one request at a time, renewed in time, the old one while Entra ID is away.

use crate::server::{Answer, ENDPOINTS, Server, Still, TOKEN, VALIDATE, secret, tenant, token};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use intune_cloud::{Resource, Step};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Notify;

pub(crate) fn jwt(claims: &serde_json::Value) -> String {
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.sig", part(&json!({"alg": "RS256"})), part(claims))
}

#[tokio::test]
async fn a_secret_is_sent_as_a_form_and_nowhere_shown() {
    let server = Server::new().await;
    let clock = Still::new();
    let tenant = tenant(&server, "contoso", secret(), clock);
    tenant.validate("T1", b"csr").await.unwrap();
    let asked = server.asked(TOKEN);
    let scopes: Vec<String> = asked
        .iter()
        .map(|one| one.form()["scope"].clone())
        .collect();
    assert_eq!(
        scopes,
        [
            format!("{}/.default", server.url),
            "https://api.manage.microsoft.com//.default".to_owned()
        ]
    );
    let form = asked[1].form();
    assert_eq!(form["grant_type"], "client_credentials");
    assert_eq!(form["client_id"], "11111111-2222-3333-4444-555555555555");
    assert_eq!(form["client_secret"], "canary&secret");
    assert_eq!(asked[0].path, "/contoso.onmicrosoft.com/oauth2/v2.0/token");
    assert!(!format!("{:?}", tenant.report()).contains("canary"));
}

#[tokio::test]
async fn a_hundred_at_once_make_one_request() {
    let server = Server::new().await;
    let gate = Arc::new(Notify::new());
    *server.gate.lock().unwrap() = Some(Arc::clone(&gate));
    let tenant = tenant(&server, "contoso", secret(), Still::new());
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let tenant = Arc::clone(&tenant);
            tokio::spawn(async move { tenant.token(Resource::Intune).await.map(drop) })
        })
        .collect();
    server.token_asked.notified().await;
    gate.notify_one();
    for one in asking {
        one.await.unwrap().unwrap();
    }
    assert_eq!(server.asked(TOKEN).len(), 1);
}

#[tokio::test]
async fn a_failure_is_for_all_that_waited_for_it() {
    let server = Server::new().await;
    server.always(TOKEN, Answer::text(503, "").with("retry-after", "7"));
    let gate = Arc::new(Notify::new());
    *server.gate.lock().unwrap() = Some(Arc::clone(&gate));
    let tenant = tenant(&server, "contoso", secret(), Still::new());
    let first = tokio::spawn({
        let tenant = Arc::clone(&tenant);
        async move { tenant.token(Resource::Intune).await.map(drop) }
    });
    server.token_asked.notified().await;
    let mut second = Box::pin(tenant.token(Resource::Intune));
    assert!(
        tokio::select! { biased; _ = &mut second => false, () = tokio::task::yield_now() => true }
    );
    gate.notify_one();
    let error = first.await.unwrap().unwrap_err();
    assert_eq!(error.after, Some(std::time::Duration::from_secs(7)));
    assert!(second.await.is_err());
    assert_eq!(server.asked(TOKEN).len(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_in_time_and_the_old_one_used_while_entra_is_away() {
    let server = Server::new().await;
    let clock = Still::new();
    let tenant = tenant(&server, "contoso", secret(), Arc::clone(&clock));
    let first = tenant.token(Resource::Intune).await.unwrap();
    clock.pass(2600);
    assert!(Arc::ptr_eq(
        &first,
        &tenant.token(Resource::Intune).await.unwrap()
    ));
    assert_eq!(server.asked(TOKEN).len(), 1);
    server.token_asked.notified().await;
    // From three quarters of its life on the next one is asked for, once, beside what goes on.
    clock.pass(200);
    let gate = Arc::new(Notify::new());
    *server.gate.lock().unwrap() = Some(Arc::clone(&gate));
    server.once(TOKEN, Answer::text(500, ""));
    for _ in 0..2 {
        assert!(Arc::ptr_eq(
            &first,
            &tenant.token(Resource::Intune).await.unwrap()
        ));
    }
    server.token_asked.notified().await;
    assert!(Arc::ptr_eq(
        &first,
        &tenant.token(Resource::Intune).await.unwrap()
    ));
    assert_eq!(server.asked(TOKEN).len(), 2);
    // Too old: now it is waited for.
    clock.pass(900);
    let mut waiting = Box::pin(tenant.token(Resource::Intune));
    assert!(
        tokio::select! { biased; _ = &mut waiting => false, () = tokio::task::yield_now() => true }
    );
    gate.notify_one();
    assert!(waiting.await.is_err());
    *server.gate.lock().unwrap() = None;
    server.always(TOKEN, token("t2", 3600));
    let second = tenant.token(Resource::Intune).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
}

#[tokio::test]
async fn a_life_may_be_written_as_text() {
    let server = Server::new().await;
    let clock = Still::new();
    let tenant = tenant(&server, "contoso", secret(), Arc::clone(&clock));
    for body in [
        json!({"access_token": "a", "expires_in": "86399", "expires_on": "1800000060"}),
        json!({"access_token": "a", "expires_on": "1800086399"}),
    ] {
        server.always(TOKEN, Answer::json(200, &body));
        let other = crate::server::tenant(&server, "contoso", secret(), Arc::clone(&clock));
        let token = other.token(Resource::Graph).await.unwrap();
        assert_eq!(token.ends, 1_800_086_399);
    }
    server.always(TOKEN, Answer::json(200, &json!({"token_type": "Bearer"})));
    assert!(tenant.token(Resource::Graph).await.is_err());
}

#[tokio::test]
async fn a_token_without_the_role_is_named_when_intune_denies() {
    let server = Server::new().await;
    let bare = jwt(&json!({"aud": "x"}));
    server.always(TOKEN, token(&bare, 3600));
    server.always(VALIDATE, Answer::text(403, ""));
    let clock = Still::new();
    let tenant = tenant(&server, "contoso", secret(), Arc::clone(&clock));
    let error = tenant.validate("T1", b"csr").await.unwrap_err();
    assert!(error.is_lasting);
    assert!(error.to_string().contains("scep_challenge_provider"));
    assert!(!error.to_string().contains(&bare));
    // Token and service map were dropped, and it was tried once more.
    assert_eq!(server.asked(VALIDATE).len(), 2);
    assert_eq!(server.asked(ENDPOINTS).len(), 2);
    let with_role = jwt(&json!({"roles": ["scep_challenge_provider"]}));
    server.always(TOKEN, token(&with_role, 3600));
    server.always(VALIDATE, Answer::json(200, &json!({"code": "Success"})));
    assert!(tenant.validate("T1", b"csr").await.unwrap().is_success());
    assert_eq!(
        tenant.report().roles,
        Some(vec!["scep_challenge_provider".to_owned()])
    );
    assert!(tenant.report().trouble.is_none());
}

#[tokio::test]
async fn what_entra_refuses_says_where_it_is_mended() {
    let server = Server::new().await;
    for (code, kind, status, words, is_lasting) in [
        (7_000_215, "invalid_client", 401, "Value", true),
        (7_000_222, "invalid_client", 401, "expired", true),
        (700_016, "unauthorized_client", 400, "client_id", true),
        (90_002, "invalid_request", 400, "tenant", true),
        (500_011, "invalid_resource", 400, "intune_resource", true),
        (900_432, "invalid_request", 400, "cloud", true),
        (90_033, "temporarily_unavailable", 503, "busy", false),
        (1_234_567, "invalid_client", 401, "1234567", true),
    ] {
        let body = json!({"error": kind, "error_codes": [code],
            "error_description": format!("AADSTS{code}: words\r\nTrace ID: 1"), "trace_id": "x"});
        server.always(TOKEN, Answer::json(status, &body));
        let tenant = tenant(&server, "contoso", secret(), Still::new());
        let error = tenant.validate("T1", b"csr").await.unwrap_err();
        assert_eq!(error.step, Step::Token);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.is_lasting, is_lasting, "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
