//! The operator's side: what waits, and a decision about it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http;
use crate::server::Server;

/// How long something may take that a client has already started.
const PATIENCE: Duration = Duration::from_secs(60);

/// An operator with the admin token that quickstart made.
pub(crate) struct Operator<'a> {
    server: &'a Server,
    client: reqwest::Client,
}

impl Operator<'_> {
    pub(crate) fn of(server: &Server) -> Operator<'_> {
        let ca = fs::read(server.ca()).expect("the CA certificate");
        let ca = reqwest::Certificate::from_pem(&ca).expect("PEM");
        Operator {
            server,
            client: http::client(vec![ca]),
        }
    }

    /// Approves the first request that waits on this profile, as soon as there is one.
    pub(crate) fn approve_next(&self, profile: &str) {
        let id = self.next_waiting(profile);
        let reply = self.ask(
            reqwest::Method::POST,
            &format!("/api/v1/admin/scep/requests/{id}/approve"),
        );
        assert_eq!(reply["state"], "approved", "{reply}");
    }

    /// Denies the first request that waits on this profile, as soon as there is one.
    pub(crate) fn deny_next(&self, profile: &str) {
        let id = self.next_waiting(profile);
        let reply = self.ask(
            reqwest::Method::POST,
            &format!("/api/v1/admin/scep/requests/{id}/deny"),
        );
        assert_eq!(reply["state"], "denied", "{reply}");
    }

    /// Revokes a certificate.
    pub(crate) fn revoke(&self, issuer: &str, serial: &str) {
        let path = format!("/api/v1/admin/certificates/{issuer}/{serial}/revoke");
        let reply = self.ask(reqwest::Method::POST, &path);
        assert_eq!(reply["revoked"], true, "{reply}");
    }

    /// Revokes a certificate, or releases it.
    pub(crate) fn change_status(&self, serial: &str, action: &str, reason: &str) {
        let body = match reason {
            "" => "{}".to_owned(),
            reason => format!("{{\"reason\":\"{reason}\"}}"),
        };
        let path = format!("/api/v1/admin/certificates/local/{serial}/{action}");
        self.ask_with(reqwest::Method::POST, &path, body);
    }

    /// A new challenge of this profile, by the admin API.
    pub(crate) fn challenge(&self, profile: &str) -> String {
        self.challenge_with(&serde_json::json!({ "profile": profile }))
    }

    /// A new challenge, by the admin API.
    pub(crate) fn challenge_with(&self, wanted: &Value) -> String {
        let path = "/api/v1/challenges";
        let reply = self.ask_with(reqwest::Method::POST, path, wanted.to_string());
        let challenge = reply["challenge"].as_str();
        challenge.expect("a challenge").to_owned()
    }

    /// The id of the challenge that was made last.
    pub(crate) fn newest_challenge(&self) -> String {
        let list = self.ask(reqwest::Method::GET, "/api/v1/challenges");
        let id = list["challenges"][0]["id"].as_str();
        id.expect("a challenge").to_owned()
    }

    /// Reason and words of the newest refusal in the audit.
    pub(crate) fn newest_refusal(&self) -> (String, String) {
        let path = "/api/v1/audit?outcome=failure&per_page=1";
        let list = self.ask(reqwest::Method::GET, path);
        let details = &list["data"][0]["details"];
        let text = |name: &str| details[name].as_str().unwrap_or_default().to_owned();
        (text("reason"), text("message"))
    }

    /// The octets of an NDES page.
    pub(crate) fn as_mdm_octets(&self, path: &str, (name, password): (&str, &str)) -> Vec<u8> {
        let request = self.client.get(self.server.https(path));
        let reply = http::send(request.basic_auth(name, Some(password)));
        assert_eq!(reply.status, 200, "{path}");
        reply.body
    }

    /// What an interface for MDMs answers to this name and password.
    pub(crate) fn as_mdm(
        &self,
        method: reqwest::Method,
        path: &str,
        (name, password): (&str, &str),
        body: &str,
    ) -> String {
        let url = self.server.https(path);
        let request = self
            .client
            .request(method, url)
            .basic_auth(name, Some(password))
            .body(body.to_owned());
        let reply = http::send(request);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.status, 200, "{path}: {text}");
        text
    }

    fn next_waiting(&self, profile: &str) -> String {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let list = self.ask(
                reqwest::Method::GET,
                &format!("/api/v1/admin/scep/requests?profile={profile}"),
            );
            let waiting = list["data"].as_array().into_iter().flatten();
            let id = waiting.filter_map(|request| request["id"].as_str()).next();
            if let Some(id) = id {
                return id.to_owned();
            }
        }
        panic!("nothing waits on {profile}");
    }

    fn ask(&self, method: reqwest::Method, path: &str) -> Value {
        self.ask_with(method, path, "{}".to_owned())
    }

    fn ask_with(&self, method: reqwest::Method, path: &str, body: String) -> Value {
        let request = self
            .client
            .request(method, self.server.https(path))
            .bearer_auth(self.server.admin_token())
            .header("content-type", "application/json")
            .body(body);
        let reply = http::send(request);
        let text = String::from_utf8_lossy(&reply.body);
        assert!(
            (200..300).contains(&reply.status),
            "{path}: {} {text}",
            reply.status
        );
        serde_json::from_slice(&reply.body).expect("JSON")
    }
}
