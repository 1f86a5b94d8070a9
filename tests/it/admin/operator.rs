//! Somebody with a token, or without, and what they are answered.

use std::borrow::Cow;

use reqwest::Method;
use reqwest::header::HeaderMap;
use scepd::auth::tokens::{By, Wanted, mint};
use serde_json::Value;
use store::TokenRole;

use crate::test_env::Running;

/// A caller of the admin API.
pub(crate) struct Operator<'a> {
    /// The URL without a path.
    base: Cow<'a, str>,
    client: reqwest::Client,
    token: Option<String>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The words of an error, whose shape is checked.
    pub(crate) fn error(&self) -> String {
        let body = self.json();
        let members: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(members, ["error", "request_id"], "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json");
        assert_eq!(
            self.headers["x-request-id"],
            body["request_id"].as_str().unwrap()
        );
        body["error"].as_str().unwrap().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Running {
    /// The secret of a new token.
    pub(crate) async fn token(&self, name: &str, role: TokenRole) -> String {
        let services = &self.server.runtime().services;
        let wanted = Wanted {
            name: name.to_owned(),
            role,
            profile: None,
            days: None,
        };
        let by = By {
            name: "test".to_owned(),
            kind: "System",
            request_id: None,
        };
        let minted = mint(&wanted, &services.store.tokens(), &by, services.clock.now()).unwrap();
        services.journal.commit(minted.change, None).await.unwrap();
        minted.secret.expose().to_owned()
    }

    /// An operator with the admin role.
    pub(crate) async fn admin(&self) -> Operator<'_> {
        let token = self.token("ops", TokenRole::Admin).await;
        self.with_token(&token)
    }

    /// Somebody with this token.
    pub(crate) fn with_token(&self, token: &str) -> Operator<'_> {
        let base = self.https("");
        Operator::at(base, self.client(), Some(token.to_owned()))
    }

    /// Somebody without a token.
    pub(crate) fn nobody(&self) -> Operator<'_> {
        Operator::at(self.https(""), self.client(), None)
    }
}

impl<'a> Operator<'a> {
    /// A caller of the admin API at this URL.
    pub(crate) fn at(
        base: impl Into<Cow<'a, str>>,
        client: reqwest::Client,
        token: Option<String>,
    ) -> Self {
        Operator {
            base: base.into(),
            client,
            token,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(Method::POST, path, Some(body), &[]).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(Method::DELETE, path, None, &[]).await
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
        }
        let reply = request.send().await.unwrap();
        Answer {
            status: reply.status().as_u16(),
            headers: reply.headers().clone(),
            text: String::from_utf8_lossy(&reply.bytes().await.unwrap()).into_owned(),
        }
    }

    /// A GET that succeeds, as JSON.
    pub(crate) async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }
}
