//! What Intune is asked about an enrollment, and told of it.

use crate::codes;
use crate::discovery::Service;
use crate::error::{ServiceError, Step, excerpt};
use crate::json::text;
use crate::tenant::Tenant;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::SecondsFormat;
use pki::Certificate;
use serde_json::{Value, json};

/// What Intune calls whoever asks.
const CALLER: &str = concat!("scepd/", env!("CARGO_PKG_VERSION"));

/// The version of the actions' interface.
const VERSION: &str = "2018-02-20";

/// The most characters of a failure's description.
const LONGEST_DESCRIPTION: usize = 255;

/// What Intune says of a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The code, in an excerpt; `None` = there was none.
    pub code: Option<String>,
    /// Intune's own words, in an excerpt.
    pub description: String,
    /// Under which id Microsoft's support finds the call.
    pub request_id: String,
    is_success: bool,
}

impl Verdict {
    /// Whether the device may enroll: exactly one code says so.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.is_success
    }
}

/// What Intune is told of a certificate. The same certificate gives the same words each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    thumbprint: String,
    serial: String,
    expires: String,
    issuer: String,
    ca_configuration: String,
}

impl Issued {
    /// Of a certificate; `ca_configuration` comes back with a revocation.
    #[must_use]
    pub fn of(certificate: &Certificate, ca_configuration: &str) -> Self {
        let thumbprint = pki::Digest::Sha1.hash(certificate.der());
        Self {
            thumbprint: hex::encode_upper(thumbprint),
            serial: serial(certificate),
            expires: certificate
                .not_after()
                .to_rfc3339_opts(SecondsFormat::Millis, true),
            issuer: issuer(certificate),
            ca_configuration: ca_configuration.to_owned(),
        }
    }
}

/// A certificate's serial as Intune is told it: upper-case hex, whole octets.
#[must_use]
pub fn serial(certificate: &Certificate) -> String {
    hex::encode_upper(certificate.serial().as_bytes())
}

/// The issuing authority as Intune is told it: the issuer's common name, else its whole name; at most 256 characters.
#[must_use]
pub fn issuer(certificate: &Certificate) -> String {
    let issuer = certificate.issuer();
    let name = issuer.common_name().map(str::to_owned);
    let name = name.filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| issuer.to_string());
    name.chars().take(256).collect()
}

impl Tenant {
    /// Asks whether a device may enroll: with the transactionID as it came and the CSR exactly as decrypted.
    ///
    /// # Errors
    /// [`ServiceError`]: nobody knows; it is no "no".
    pub async fn validate(
        &self,
        transaction_id: &str,
        csr: &[u8],
    ) -> Result<Verdict, ServiceError> {
        let body = json!({"request": {
            "transactionId": transaction_id,
            "certificateRequest": STANDARD.encode(csr),
            "callerInfo": CALLER,
        }});
        let answered = self
            .action(Step::Validate, "validateRequest", &body)
            .await?;
        let code = text(&answered.body, "code");
        let verdict = Verdict {
            is_success: code == Some(codes::SUCCESS),
            code: code.map(excerpt),
            description: excerpt(text(&answered.body, "errorDescription").unwrap_or_default()),
            request_id: answered.request_id,
        };
        let counted = match &verdict.code {
            Some(_) if verdict.is_success() => codes::SUCCESS,
            Some(code) => match codes::find(code) {
                // In other letters it is none.
                Some(known) if known.name != codes::SUCCESS => known.name,
                _ => "other",
            },
            None => "none",
        };
        self.health().count(self.clock().now(), counted);
        self.observer().judged(self.id(), counted);
        Ok(verdict)
    }

    /// Tells Intune of a certificate, and says under which id.
    ///
    /// # Errors
    /// [`ServiceError`]: it could not be told, or did not take it.
    pub async fn notify_success(
        &self,
        transaction_id: &str,
        csr: &[u8],
        issued: &Issued,
    ) -> Result<String, ServiceError> {
        let body = json!({"notification": {
            "transactionId": transaction_id,
            "certificateRequest": STANDARD.encode(csr),
            "certificateThumbprint": issued.thumbprint,
            "certificateSerialNumber": issued.serial,
            "certificateExpirationDateUtc": issued.expires,
            "issuingCertificateAuthority": issued.issuer,
            "callerInfo": CALLER,
            "caConfiguration": issued.ca_configuration,
            "certificateAuthority": issued.issuer,
        }});
        self.notify(Step::NotifySuccess, "successNotification", &body)
            .await
    }

    /// Tells Intune of a failure after it had let the device in, and says under which id.
    ///
    /// # Errors
    /// [`ServiceError`]: it could not be told, or did not take it.
    pub async fn notify_failure(
        &self,
        transaction_id: &str,
        csr: &[u8],
        reason: &str,
        message: &str,
    ) -> Result<String, ServiceError> {
        let words: String = message.chars().take(LONGEST_DESCRIPTION).collect();
        let words = match words.trim() {
            "" => reason.to_owned(),
            words => words.to_owned(),
        };
        let body = json!({"notification": {
            "transactionId": transaction_id,
            "certificateRequest": STANDARD.encode(csr),
            "hResult": codes::hresult(reason),
            "errorDescription": words,
            "callerInfo": CALLER,
        }});
        self.notify(Step::NotifyFailure, "failureNotification", &body)
            .await
    }

    async fn notify(&self, step: Step, action: &str, body: &Value) -> Result<String, ServiceError> {
        let answered = self.action(step, action, body).await?;
        let code = text(&answered.body, "code").map(excerpt);
        if code.as_deref() == Some(codes::SUCCESS) {
            return Ok(answered.request_id);
        }
        let described = excerpt(text(&answered.body, "errorDescription").unwrap_or_default());
        let words = match code {
            Some(code) => format!("it answered {code}: {described}"),
            None => "its answer holds no code".to_owned(),
        };
        Err(ServiceError::new(step, words).with_id(&answered.request_id))
    }

    async fn action(
        &self,
        step: Step,
        action: &str,
        body: &Value,
    ) -> Result<crate::tenant::Called, ServiceError> {
        let path = format!("/ScepActions/{action}");
        self.call(step, Service::Validation, &path, VERSION, body)
            .await
    }
}
