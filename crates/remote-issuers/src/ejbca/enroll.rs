//! Having certificates made, looking for those that were not ready, and for those whose answer was lost.

use super::api::{Call, Fault, read};
use super::{Ejbca, Profiles};
use crate::base::{again, unheard};
use crate::{asked, pem, ra, words};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use issuer::{Found, Handle, Issuance, IssueError, Order};
use outbound::Response;
use pki::{Certificate, Csr};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use zeroize::Zeroizing;

/// When to look again for what waits for an approval over there.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Most certificates of one user that are looked at.
const MOST_FOUND: u32 = 10;

/// The body of `pkcs10enroll`. Older servers may refuse members that they do not know: what is not set is left out.
#[derive(Serialize)]
struct Enrollment<'a> {
    certificate_request: String,
    certificate_profile_name: &'a str,
    end_entity_profile_name: &'a str,
    certificate_authority_name: &'a str,
    username: &'a str,
    password: &'a str,
    include_chain: bool,
    response_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<String>,
}

#[derive(Deserialize)]
struct Enrolled {
    certificate: Option<String>,
}

/// An answer with status 202.
#[derive(Deserialize)]
struct Waiting {
    request_id: Option<Value>,
    link: Option<String>,
}

impl Waiting {
    /// The number of the request; the link is not followed, since some versions write it wrong.
    fn number(&self) -> Option<u64> {
        let told = match &self.request_id {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        told.or_else(|| {
            let link = self.link.as_deref()?.strip_suffix("/finalize")?;
            link.rsplit('/').next()?.parse().ok()
        })
    }
}

/// The end entity of an order: its own, so that it can be found by it.
pub(super) fn username(order: &Order) -> String {
    format!("scepd-{}", hex::encode(order.id))
}

impl Ejbca {
    pub(super) async fn enroll(&self, order: &Order) -> Result<Issuance, IssueError> {
        let refused = |error: issuer::Inexpressible| IssueError::Refused(error.to_string());
        let csr =
            Csr::from_der(&order.csr).map_err(|error| IssueError::Refused(error.to_string()))?;
        self.may_ask(&order.approved, &csr).map_err(refused)?;
        let sans = order.approved.sans();
        let request = Enrollment {
            certificate_request: pem::csr(&order.csr),
            certificate_profile_name: &self.settings.profiles.certificate,
            end_entity_profile_name: &self.settings.profiles.end_entity,
            certificate_authority_name: &self.settings.ca,
            username: &username(order),
            password: &password()?,
            include_chain: false,
            response_format: "DER",
            email: sans.email.first().map(String::as_str),
            end_time: self.settings.sends_end_time.then(|| {
                let ca = self.base.authority();
                asked::spaced_time(order.approved.not_after().min(ca.certificate().not_after()))
            }),
        };
        let issuance = self.ask(&request).await?;
        self.checked(issuance).await
    }

    /// Sends an enrollment.
    async fn ask(&self, request: &Enrollment<'_>) -> Result<Issuance, IssueError> {
        let body = serde_json::to_value(request)
            .map_err(|_| IssueError::Refused("the request cannot be written as JSON".to_owned()))?;
        let path = ["v1", "certificate", "pkcs10enroll"];
        let response = match self.api.call(Call::post(&path, &body)).await {
            Ok(response) => response,
            Err(Fault::Refused(words) | Fault::Already(words)) => {
                return Err(IssueError::Refused(words));
            }
            Err(fault) => return Err(fault.later("enrolling")),
        };
        if response.status() != 202 {
            return issued(&response);
        }
        let waiting: Waiting = read(&response).map_err(|fault| fault.later("enrolling"))?;
        match waiting.number() {
            Some(number) => Ok(Issuance::Later {
                handle: Handle(format!("{number}:{}", request.password)),
                after: LOOK_AGAIN,
            }),
            None => Err(IssueError::Refused(
                "it waits for an approval over there and gives no number by which it could be followed; take the approval out of the profiles"
                    .to_owned(),
            )),
        }
    }

    /// Looks for what waited for an approval.
    pub(super) async fn finalize(
        &self,
        order: &Order,
        handle: &Handle,
    ) -> Result<Issuance, IssueError> {
        let known = handle.0.split_once(':');
        let Some((number, password)) = known.filter(|(number, _)| number.parse::<u64>().is_ok())
        else {
            return Err(IssueError::Refused(
                "the number of its request was kept wrong".to_owned(),
            ));
        };
        let path = ["v1", "certificate", number, "finalize"];
        let body = json!({"response_format": "DER", "password": password});
        let issuance = match self.api.call(Call::post(&path, &body)).await {
            Ok(response) if response.status() == 202 => Issuance::Later {
                handle: handle.clone(),
                after: LOOK_AGAIN,
            },
            Ok(response) => issued(&response)?,
            // An answer that was lost before: it is not given twice.
            Err(Fault::Refused(words) | Fault::Missing(words) | Fault::Already(words)) => {
                match self.search(order).await? {
                    Found::Issued(certificate) => Issuance::Issued(certificate),
                    _ => {
                        return Err(IssueError::Refused(format!(
                            "the request {number} over there: {words}"
                        )));
                    }
                }
            }
            Err(fault) => return Err(fault.later(&format!("asking for the request {number}"))),
        };
        self.checked(issuance).await
    }

    /// Looks for a certificate of the order's own user with the order's key.
    pub(super) async fn search(&self, order: &Order) -> Result<Found, IssueError> {
        #[derive(Deserialize)]
        struct Results {
            certificates: Vec<Enrolled>,
        }
        let criterion = |property: &str, value: &str| json!({"property": property, "value": value, "operation": "EQUAL"});
        let body = json!({
            "max_number_of_results": MOST_FOUND,
            "criteria": [criterion("QUERY", &username(order)), criterion("STATUS", "CERT_ACTIVE")],
        });
        let path = ["v1", "certificate", "search"];
        let results: Results = match self.api.json(Call::post(&path, &body)).await {
            Ok(results) => results,
            // This edition has no search, or not for scepd.
            Err(Fault::Missing(_) | Fault::Forbidden(_) | Fault::Refused(_)) => {
                return Ok(Found::CannotTell);
            }
            Err(fault) => return Err(fault.later("searching")),
        };
        let wanted = order.approved.public_key().spki_der();
        let found = results
            .certificates
            .iter()
            .filter_map(|one| decode(one.certificate.as_deref()?))
            .filter(|one| one.public_key().spki_der() == wanted)
            .max_by_key(Certificate::not_before);
        Ok(found.map_or(Found::Nothing, Found::Issued))
    }

    /// Where another CA signs over there, its chain is read before anybody compares.
    async fn checked(&self, issuance: Issuance) -> Result<Issuance, IssueError> {
        if let Issuance::Issued(certificate) = &issuance
            && self.base.authority().made(certificate).is_err()
        {
            self.refresh().await?;
        }
        Ok(issuance)
    }

    /// Has an RA certificate made.
    pub(super) async fn enroll_ra(
        &self,
        csr: &Csr,
        not_after: DateTime<Utc>,
    ) -> Result<Certificate, IssueError> {
        let Some(Profiles {
            certificate,
            end_entity,
        }) = &self.settings.ra_profiles
        else {
            return Err(IssueError::Refused(
                "no ejbca.ra_certificate_profile is set, so it makes no RA certificates".to_owned(),
            ));
        };
        let own = pki::random::<8>().map_err(|error| again(&error.to_string()))?;
        let ca = self.base.authority();
        let request = Enrollment {
            certificate_request: pem::csr(csr.der()),
            certificate_profile_name: certificate,
            end_entity_profile_name: end_entity,
            certificate_authority_name: &self.settings.ca,
            username: &format!("scepd-ra-{}", hex::encode(own)),
            password: &password()?,
            include_chain: false,
            response_format: "DER",
            email: None,
            end_time: self
                .settings
                .sends_end_time
                .then(|| asked::spaced_time(not_after.min(ca.certificate().not_after()))),
        };
        let Issuance::Issued(made) = self.ask(&request).await? else {
            return Err(again(
                "RA certificates wait for an approval over there: take it out of their profiles",
            ));
        };
        let by = format!("the certificate profile {}", words::quoted(certificate));
        let useful = ra::is_of_use(&made, csr, &self.base.authority());
        useful.map_err(|wrong| ra::useless(&by, &wrong))?;
        Ok(made)
    }
}

/// A password that nobody is told: without it a request that waits cannot be fetched.
fn password() -> Result<Zeroizing<String>, IssueError> {
    let octets = pki::random::<16>().map_err(|error| again(&error.to_string()))?;
    Ok(Zeroizing::new(hex::encode(octets)))
}

fn issued(response: &Response) -> Result<Issuance, IssueError> {
    let enrolled: Enrolled = read(response).map_err(|fault| fault.later("enrolling"))?;
    let certificate = enrolled.certificate.as_deref().and_then(decode);
    certificate
        .map(Issuance::Issued)
        .ok_or_else(|| unheard("its answer holds no certificate that can be read"))
}

/// A certificate in base64; the search gives the base64 of that.
fn decode(text: &str) -> Option<Certificate> {
    let once = STANDARD.decode(text.trim()).ok()?;
    let read = Certificate::from_der(&once).or_else(|_| Certificate::from_pem(&once));
    read.ok().or_else(|| {
        let lines: Vec<u8> = once
            .into_iter()
            .filter(|octet| !octet.is_ascii_whitespace())
            .collect();
        Certificate::from_der(&STANDARD.decode(lines).ok()?).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_request_is_told_or_stands_in_the_link() {
        for (text, number) in [
            (r#"{"request_id": 17}"#, Some(17)),
            (r#"{"request_id": "17"}"#, Some(17)),
            (
                r#"{"link": "https://ca/ejbca/ejbca-rest-api/18/finalize"}"#,
                Some(18),
            ),
            (r#"{"link": "https://ca/ejbca/finalize"}"#, None),
            (r#"{"info_message": "waits"}"#, None),
        ] {
            let waiting: Waiting = serde_json::from_str(text).unwrap();
            assert_eq!(waiting.number(), number, "{text}");
        }
    }
}
