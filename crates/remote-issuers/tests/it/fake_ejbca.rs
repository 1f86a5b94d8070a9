//! A server on loopback that answers as EJBCA's REST API does, and misbehaves on demand. Written from its sources, not from the
//! client.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use pki::{Certificate, Csr, RevocationReason, Serial};
use serde_json::{Value, json};

use crate::maker::{Maker, Twist, unarmoured};
use crate::web::{Answer, Asked, Behaviour, Manner, Server};

/// The CA as EJBCA writes it, and as the certificate has it.
const DN: &str = "CN=Corp CA,OU=a/b,O=Example";
pub(crate) const CA_NAME: &str = "O=Example, OU=a/b, CN=Corp CA";
pub(crate) const SECRET: &str = "canary-secret-52ab";

#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Makes it, and sends the answer so.
    Sends(Manner),
    /// Makes it so.
    Makes(Twist),
    Says(u16, &'static str),
    /// 202, with a number or without one.
    Waits(bool),
    Is(Answer),
}

pub(crate) struct Fake {
    pub(crate) maker: Maker,
    pub(crate) acts: VecDeque<Act>,
    /// What was made, by user.
    pub(crate) users: BTreeMap<String, Certificate>,
    /// What waits: number, body, whether somebody approved.
    pub(crate) waiting: Option<(u64, Value, bool)>,
    pub(crate) enrollments: Vec<Value>,
    /// Bearer tokens that are taken; `None` = the connection says who asks.
    pub(crate) tokens: Option<Vec<String>>,
    pub(crate) has_search: bool,
    pub(crate) logins: usize,
    pub(crate) life: u64,
}

pub(crate) fn said(status: u16, words: &str) -> Answer {
    Answer::json(
        status,
        &json!({"error_code": status, "error_message": words}),
    )
}

fn given(certificate: &Certificate) -> Answer {
    Answer::json(
        201,
        &json!({
            "certificate": STANDARD.encode(certificate.der()),
            "serial_number": certificate.serial().to_hex().to_uppercase(),
            "response_format": "DER",
        }),
    )
}

impl Fake {
    fn make(&mut self, body: &Value, twist: Twist) -> Certificate {
        let csr =
            Csr::from_der(&unarmoured(body["certificate_request"].as_str().unwrap())).unwrap();
        let end = match body["end_time"].as_str() {
            Some(text) => chrono::DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%:z")
                .unwrap()
                .to_utc(),
            None => Utc::now() + chrono::Duration::days(365) - chrono::Duration::minutes(10),
        };
        let is_ra = body["certificate_profile_name"] == "ra";
        let twist = if is_ra { Twist::IsForAnRa } else { twist };
        let made = self.maker.make(&csr, end, twist);
        let user = body["username"].as_str().unwrap().to_owned();
        self.users.insert(user, made.clone());
        made
    }

    fn enroll(&mut self, body: Value) -> Answer {
        self.enrollments.push(body.clone());
        for member in [
            "certificate_authority_name",
            "end_entity_profile_name",
            "password",
        ] {
            assert!(body[member].is_string(), "{body}");
        }
        assert_eq!(body["response_format"], "DER");
        match self.acts.pop_front() {
            None => given(&self.make(&body, Twist::None)),
            Some(Act::Sends(manner)) => given(&self.make(&body, Twist::None)).sent(manner),
            Some(Act::Makes(twist)) => given(&self.make(&body, twist)),
            Some(Act::Says(status, words)) => said(status, words),
            Some(Act::Waits(has_number)) => {
                self.waiting = Some((17, body, false));
                let mut answer = json!({
                    "status_code": 202,
                    "info_message": "Request with Id '17' is still waiting for approval",
                });
                if has_number {
                    answer["link"] = json!("https://ca/ejbca/ejbca-rest-api/17/finalize");
                }
                Answer::json(202, &answer)
            }
            Some(Act::Is(answer)) => answer,
        }
    }

    fn finalize(&mut self, number: &str, body: &Value) -> Answer {
        let Some((known, request, approved)) = self.waiting.clone() else {
            return said(
                400,
                &format!("Request with Id '{number}' has already been finalized"),
            );
        };
        assert_eq!(body["password"], request["password"]);
        if number != known.to_string() {
            return said(400, &format!("Could not find request with Id '{number}'"));
        }
        if !approved {
            return Answer::json(202, &json!({"status_code": 202, "info_message": "waits"}));
        }
        self.waiting = None;
        let made = given(&self.make(&request, Twist::None));
        match self.acts.pop_front() {
            Some(Act::Sends(manner)) => made.sent(manner),
            _ => made,
        }
    }

    fn search(&self, body: &Value) -> Answer {
        if !self.has_search {
            return Answer::new(404, "text/html", "<html>Not Found</html>");
        }
        let [query, status] = body["criteria"].as_array().unwrap().as_slice() else {
            panic!("two criteria: {body}")
        };
        assert_eq!(
            *status,
            json!({"property": "STATUS", "value": "CERT_ACTIVE", "operation": "EQUAL"})
        );
        assert_eq!(
            (&query["property"], &query["operation"]),
            (&json!("QUERY"), &json!("EQUAL"))
        );
        let found = self.users.get(query["value"].as_str().unwrap());
        // Base64 twice, as EJBCA has it.
        let found: Vec<Value> = found
            .iter()
            .map(|one| json!({"certificate": STANDARD.encode(STANDARD.encode(one.der())), "response_format": "DER"}))
            .collect();
        Answer::json(200, &json!({"certificates": found, "more_results": false}))
    }

    fn revoke(&mut self, dn: &str, serial: &str, query: &str) -> Answer {
        assert_eq!(dn, DN);
        let serial = Serial::from_hex(serial).unwrap();
        let mut made = self.maker.made.iter();
        if !made.any(|one| one.serial().same_number(&serial)) {
            return said(404, "Certificate was not found");
        }
        assert_eq!(query, "reason=KEY_COMPROMISE");
        let mut revoked = self.maker.revoked.iter();
        if revoked.any(|(one, _)| one.same_number(&serial)) {
            return said(409, "Certificate is already revoked");
        }
        self.maker
            .revoked
            .push((serial, RevocationReason::KeyCompromise));
        Answer::json(
            200,
            &json!({"revoked": true, "message": "Successfully revoked"}),
        )
    }
}

impl Behaviour for Fake {
    fn answer(&mut self, asked: &Asked) -> Answer {
        if asked.target == "/token" {
            let form = asked.text();
            assert!(
                form.contains("grant_type=client_credentials&client_id=scepd"),
                "{form}"
            );
            if !form.contains(&format!("client_secret={SECRET}")) {
                return Answer::json(
                    401,
                    &json!({"error": "invalid_client", "error_description": "Invalid client or Invalid client credentials"}),
                );
            }
            self.logins += 1;
            let token = format!("canary-token-{}", self.logins);
            self.tokens.get_or_insert_default().push(token.clone());
            return Answer::json(
                200,
                &json!({"access_token": token, "expires_in": self.life, "token_type": "Bearer"}),
            );
        }
        if let Some(tokens) = &self.tokens {
            let sent = asked
                .header("authorization")
                .and_then(|text| text.strip_prefix("Bearer "));
            if !sent.is_some_and(|sent| tokens.iter().any(|token| token == sent)) {
                return said(
                    403,
                    "Error no client certificate or OAuth token received for authentication.",
                );
            }
        }
        let path = asked.path();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let ["ejbca", "ejbca-rest-api", "v1", path @ ..] = path.as_slice() else {
            return Answer::new(404, "text/html", "<html>Not Found</html>");
        };
        match (asked.method.as_str(), path) {
            ("GET", ["certificate", "status"]) => Answer::json(
                200,
                &json!({"status": "OK", "version": "1.0", "revision": "EJBCA 9.0"}),
            ),
            ("GET", ["ca"]) => Answer::json(
                200,
                &json!({"certificate_authorities": [
                    {"id": 1, "name": "ManagementCA", "subject_dn": "CN=ManagementCA", "issuer_dn": "CN=ManagementCA", "external": false},
                    {"id": 2, "name": "Corp", "subject_dn": DN, "issuer_dn": DN, "external": false},
                ]}),
            ),
            ("GET", ["ca", dn, "certificate", "download"]) if *dn == DN => {
                Answer::new(200, "application/octet-stream", self.maker.ca.to_pem())
            }
            ("GET", ["ca", dn, "getLatestCrl"]) if *dn == DN => {
                assert_eq!(asked.query(), "deltaCrl=false&crlPartitionIndex=0");
                Answer::json(
                    200,
                    &json!({"crl": STANDARD.encode(self.maker.crl()), "response_format": "DER"}),
                )
            }
            ("POST", ["certificate", "pkcs10enroll"]) => self.enroll(asked.json()),
            ("POST", ["certificate", number, "finalize"]) => self.finalize(number, &asked.json()),
            ("POST", ["certificate", "search"]) => self.search(&asked.json()),
            ("PUT", ["certificate", dn, serial, "revoke"]) => {
                self.revoke(dn, serial, asked.query())
            }
            _ => Answer::new(404, "text/html", "<html>Not Found</html>"),
        }
    }
}

pub(crate) async fn fake() -> Server<Fake> {
    Server::start(Fake {
        maker: Maker::new(CA_NAME),
        acts: VecDeque::new(),
        users: BTreeMap::new(),
        waiting: None,
        enrollments: Vec::new(),
        tokens: None,
        has_search: true,
        logins: 0,
        life: 300,
    })
    .await
}
