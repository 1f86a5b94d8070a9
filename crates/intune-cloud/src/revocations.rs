//! Revocations that Intune asks for, and what became of them.

use crate::discovery::Service;
use crate::error::{ServiceError, Step};
use crate::json::{member, text};
use crate::tenant::Tenant;
use serde_json::{Value, json};

/// The version of the interface.
const VERSION: &str = "5019-05-05";

/// The most that one download may ask for.
pub const MOST: u32 = 100;

/// One certificate that is to be revoked, as Intune wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Goes back with the result, as it came.
    pub context: String,
    /// The serial that Intune was told, or something like it.
    pub serial: String,
    /// The issuing authority that Intune was told.
    pub issuer: Option<String>,
    /// What it was told as the CA's configuration.
    pub ca_configuration: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// As it came.
    pub context: String,
    /// What is reported.
    pub result: Result<(), Failure>,
}

/// Why it was not revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No such certificate.
    NotFound,
    /// An operator refused it.
    Refused,
    /// It may work later.
    Later,
}

impl Failure {
    const fn code(self) -> &'static str {
        match self {
            Self::NotFound => "CertificateNotFoundError",
            Self::Refused => "NotSupportedError",
            Self::Later => "RetryableServiceException",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::NotFound => "no profile of this server has issued a certificate with this serial",
            Self::Refused => "an operator of the CA refused the revocation",
            Self::Later => "the certificate could not be revoked now",
        }
    }
}

impl Tenant {
    /// Fetches what is to be revoked. After this nothing is handed out for 60 minutes, whoever asks.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn download_revocations(&self) -> Result<Vec<Wanted>, ServiceError> {
        let body = json!({"downloadParameters": {"maxRequests": MOST, "issuerName": null}});
        let answered = self
            .pki(
                "/CertificateAuthorityRequests/downloadRevocationRequests",
                &body,
            )
            .await?;
        let items = member(&answered.body, "value").and_then(Value::as_array);
        let Some(items) = items else {
            let why = "there is no list in it";
            return Err(ServiceError::unreadable(
                Step::Revocation,
                why,
                &answered.request_id,
            ));
        };
        let read = items.iter().filter_map(|item| {
            Some(Wanted {
                context: text(item, "requestContext")?.to_owned(),
                serial: text(item, "serialNumber")?.to_owned(),
                issuer: text(item, "issuerName").map(str::to_owned),
                ca_configuration: text(item, "caConfiguration").map(str::to_owned),
            })
        });
        Ok(read.collect())
    }

    /// Reports what became of revocations.
    ///
    /// # Errors
    /// [`ServiceError`]: to be reported again.
    pub async fn upload_results(&self, outcomes: &[Outcome]) -> Result<(), ServiceError> {
        let results: Vec<Value> = outcomes
            .iter()
            .map(|outcome| match outcome.result {
                Ok(()) => json!({"requestContext": outcome.context, "succeeded": true,
                                 "errorCode": "None", "errorMessage": ""}),
                Err(failure) => json!({"requestContext": outcome.context, "succeeded": false,
                                       "errorCode": failure.code(), "errorMessage": failure.words()}),
            })
            .collect();
        let body = json!({"results": results});
        let answered = self
            .pki(
                "/CertificateAuthorityRequests/uploadRevocationResults",
                &body,
            )
            .await?;
        let value = member(&answered.body, "value");
        let is_true = value.is_some_and(|value| {
            value.as_bool() == Some(true)
                || value
                    .as_str()
                    .is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
        });
        match is_true {
            true => Ok(()),
            false => Err(
                ServiceError::new(Step::Revocation, "it did not take the results")
                    .with_id(&answered.request_id),
            ),
        }
    }

    async fn pki(&self, path: &str, body: &Value) -> Result<crate::tenant::Called, ServiceError> {
        self.call(Step::Revocation, Service::Revocation, path, VERSION, body)
            .await
    }
}
