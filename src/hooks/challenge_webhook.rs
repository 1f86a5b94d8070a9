//! A webhook that is asked whether a challenge is good, and one that is told how an enrollment ended: in the form of step-ca's
//! webhooks of the kinds SCEPCHALLENGE and NOTIFYING, so that a receiver for those fits.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use challenge::{
    Again, Asked, Check, Grounds, NotVouched, Notice, NoticeOf, Proven, Question, Request,
    StaticChallenges, Validator, WebhookKey,
};
use chrono::{DateTime, SecondsFormat, Utc};
use outbound::{CallError, Client, Options, Response, SetupError, Trust, Url};
use pki::{Certificate, Csr};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use zeroize::Zeroizing;

/// The most octets of an answer that are read.
const LARGEST_ANSWER: usize = 64 * 1024;
/// The longest challenge that is passed on, in octets.
const LONGEST_CHALLENGE: usize = 4096;
/// Of a receiver's words so many characters are kept.
const WORDS: usize = 200;

/// What a webhook is called with.
#[derive(Clone)]
pub struct WebhookSettings {
    /// Who is asked about challenges; `None`: nobody.
    pub ask: Option<Url>,
    /// Who is told how enrollments ended; `None`: nobody.
    pub tell: Option<Url>,
    /// The key of the signature, decoded.
    pub secret: Option<Zeroizing<Vec<u8>>>,
    /// What the receiver knows the webhook by.
    pub id: String,
    /// The longest that a call may take.
    pub timeout: Duration,
    /// Whose TLS certificate is believed, DER; `None`: what the system believes.
    pub roots: Option<Vec<Vec<u8>>>,
}

/// A webhook as one of a profile's validators.
pub struct ChallengeWebhook {
    client: Client,
    settings: WebhookSettings,
    key: Option<WebhookKey>,
    profile: String,
    /// Static challenges of the profile, about which nobody is asked.
    fixed: StaticChallenges,
}

impl ChallengeWebhook {
    /// The name of this validator.
    pub const ID: &str = "webhook";

    /// For a profile with these static challenges.
    ///
    /// # Errors
    /// [`SetupError`]: what is believed cannot be used.
    pub fn new(
        settings: WebhookSettings,
        profile: &str,
        fixed: StaticChallenges,
    ) -> Result<Self, SetupError> {
        let trust = match &settings.roots {
            Some(roots) => Trust::Roots(roots.clone()),
            None => Trust::System,
        };
        let client = Client::new(Options {
            timeout: settings.timeout,
            max_body: LARGEST_ANSWER,
            ..Options::new(trust)
        })?;
        let secret = settings.secret.as_ref();
        Ok(Self {
            client,
            key: secret.map(|secret| WebhookKey::new(secret)),
            settings,
            profile: profile.to_owned(),
            fixed,
        })
    }

    /// Sends a body, signed.
    async fn call(&self, url: &Url, body: &Value) -> Result<Response, Again> {
        let body = serde_json::to_vec(body).map_err(|error| Again::because(error.to_string()))?;
        let mut request = outbound::Request::post(url.clone())
            .header("X-Smallstep-Webhook-ID", &self.settings.id);
        if let Some(key) = &self.key {
            let signature = key.body_signature(&body);
            request = request.header("X-Smallstep-Signature", &signature);
        }
        let request = request.body("application/json", body);
        let response = self.client.send(request).await;
        let response = response.map_err(|error: CallError| Again::because(error.to_string()))?;
        if response.is_success() {
            return Ok(response);
        }
        Err(Again {
            why: format!("the webhook answered with HTTP {}", response.status()),
            after: response.retry_after(Utc::now().timestamp()),
        })
    }

    fn common(&self, transaction_id: &str, csr: &[u8]) -> Value {
        json!({
            "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            "provisionerName": self.profile,
            "scepTransactionID": transaction_id,
            "x509CertificateRequest": request_of(csr),
        })
    }
}

/// A CSR as the receiver reads it: its names, and all of it in `raw`.
fn request_of(der: &[u8]) -> Value {
    let mut shown = json!({ "raw": STANDARD.encode(der) });
    if let (Ok(csr), Some(members)) = (Csr::from_der(der), shown.as_object_mut()) {
        let sans = csr.sans();
        let ip: Vec<String> = sans.ip.iter().map(ToString::to_string).collect();
        let subject = json!({ "commonName": csr.subject().common_name().unwrap_or_default() });
        members.insert("subject".to_owned(), subject);
        members.insert("dnsNames".to_owned(), json!(sans.dns));
        members.insert("emailAddresses".to_owned(), json!(sans.email));
        members.insert("ipAddresses".to_owned(), json!(ip));
        members.insert("uris".to_owned(), json!(sans.uri));
    }
    shown
}

/// What a receiver answers.
#[derive(Deserialize)]
struct Verdict {
    allow: bool,
    #[serde(default)]
    data: Option<Value>,
    #[serde(default)]
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    code: Option<Value>,
    #[serde(default)]
    message: Option<String>,
}

impl Verdict {
    fn check(self) -> Check {
        if self.allow {
            let device = self.data.as_ref().and_then(|data| data.get("device"));
            let device = device.and_then(Value::as_str).map(shortened);
            return Check::Proven(Box::new(Proven {
                grounds: Grounds {
                    device,
                    ..Grounds::default()
                },
                reservations: Vec::new(),
            }));
        }
        let words = match self.error {
            Some(Fault { code, message }) => {
                let code = code.map(|code| shortened(code.as_str().unwrap_or(&code.to_string())));
                let message = message.as_deref().map(shortened).unwrap_or_default();
                format!(
                    "the challenge webhook said no: {} {message}",
                    code.unwrap_or_default()
                )
            }
            None => "the challenge webhook said no, and not why".to_owned(),
        };
        Check::Refused(Box::new(NotVouched {
            is_guess: true,
            ..NotVouched::of_challenge(&words)
        }))
    }
}

/// Text from outside, in excerpts.
fn shortened(text: &str) -> String {
    text.chars()
        .take(WORDS)
        .flat_map(char::escape_debug)
        .collect()
}

impl Validator for ChallengeWebhook {
    fn id(&self) -> &str {
        Self::ID
    }

    fn recognises(&self, challenge: Option<&str>) -> bool {
        let asked = |text: &str| !text.is_empty() && !self.fixed.has(text);
        self.settings.ask.is_some() && challenge.is_some_and(asked)
    }

    fn check(&self, request: &Request<'_>, _: DateTime<Utc>) -> Check {
        match request.challenge {
            Some(challenge) if challenge.len() <= LONGEST_CHALLENGE => Check::Ask(Question {
                transaction_id: request.transaction_id.to_owned(),
                challenge: challenge.to_owned(),
                csr: request.csr.to_vec(),
                source: request.source,
            }),
            _ => Check::Refused(Box::new(NotVouched::of_challenge(
                "the challenge is too long to be passed on to the webhook",
            ))),
        }
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn hears_of_all(&self) -> bool {
        self.settings.tell.is_some()
    }

    fn ask<'a>(&'a self, question: &'a Question) -> Asked<'a, Check> {
        Box::pin(async move {
            let Some(url) = &self.settings.ask else {
                return Err(Again::because("no webhook is asked"));
            };
            let mut body = self.common(&question.transaction_id, &question.csr);
            if let Some(members) = body.as_object_mut() {
                let challenge = Value::String(question.challenge.clone());
                members.insert("scepChallenge".to_owned(), challenge);
            }
            let response = self.call(url, &body).await?;
            let verdict = response.json::<Verdict>();
            let verdict =
                verdict.map_err(|why| Again::because(format!("the webhook's answer: {why}")))?;
            Ok(verdict.check())
        })
    }

    fn notify<'a>(&'a self, notice: &'a Notice) -> Asked<'a, String> {
        Box::pin(async move {
            let Some(url) = &self.settings.tell else {
                return Ok(String::new());
            };
            let mut body = self.common(&notice.transaction_id, &notice.csr);
            if let Some(members) = body.as_object_mut() {
                match &notice.end {
                    NoticeOf::Issued(der) => {
                        members.insert("x509Certificate".to_owned(), certificate_of(der));
                    }
                    NoticeOf::Refused { reason, message } => {
                        members.insert("scepErrorCode".to_owned(), json!(reason));
                        members.insert("scepErrorDescription".to_owned(), json!(message));
                    }
                }
            }
            self.call(url, &body).await.map(|_| String::new())
        })
    }
}

fn certificate_of(der: &[u8]) -> Value {
    let mut shown = json!({ "raw": STANDARD.encode(der) });
    if let (Ok(certificate), Some(members)) = (Certificate::from_der(der), shown.as_object_mut()) {
        let subject = certificate.subject().common_name().unwrap_or_default();
        members.insert("subject".to_owned(), json!({ "commonName": subject }));
        members.insert("serial".to_owned(), json!(certificate.serial().to_hex()));
    }
    shown
}
