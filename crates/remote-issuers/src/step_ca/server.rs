//! The server: what it is asked, and what it says of itself.

use super::api::{Api, Fault};
use super::fields::{self, Wish};
use super::provisioner::Provisioner;
use super::token::{Claims, Tokens};
use crate::base::{again, unheard};
use crate::{chain, pem, words};
use chrono::{DateTime, Utc};
use issuer::IssueError;
use outbound::Method;
use pki::{Certificate, Crl, Csr, RevocationReason, Serial};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The most pages of provisioners that are read.
const MOST_PAGES: usize = 50;

pub(super) struct Server {
    pub(super) api: Api,
    pub(super) tokens: Tokens,
    pub(super) provisioner: String,
    pub(super) intermediates: Vec<Certificate>,
}

/// What the server says of itself.
pub(super) struct Seen {
    pub(super) chain: Vec<Certificate>,
    /// `None` where it does not show its provisioners.
    pub(super) provisioner: Option<Provisioner>,
}

impl Server {
    /// Health, key, provisioner, chain.
    pub(super) async fn look(&self, above: &[Certificate]) -> Result<Seen, IssueError> {
        let health = self.api.call(Method::GET, "health", None, None).await;
        health.map_err(|fault| fault.later("asking how it is"))?;
        let kid = self.tokens.kid().await.map_err(|what| again(&what))?;
        let provisioner = self.shown_provisioner(&kid).await?;
        let chain = self.chain(above).await?;
        Ok(Seen { chain, provisioner })
    }

    /// `None` where provisioners may not be read.
    async fn shown_provisioner(&self, kid: &str) -> Result<Option<Provisioner>, IssueError> {
        let mut cursor = String::new();
        let kind = self.tokens.kind();
        let mut other_key = None;
        for _ in 0..MOST_PAGES {
            let query = format!("limit=100&cursor={cursor}");
            let path = "provisioners";
            let shown = self
                .api
                .json::<Shown>(Method::GET, path, Some(&query), None)
                .await;
            let shown = match shown {
                Ok(shown) => shown,
                Err(fault @ Fault::Later { .. }) => {
                    return Err(fault.later("reading its provisioners"));
                }
                // What stands before it may not let this path through.
                Err(_) => return Ok(None),
            };
            let of_name = shown.provisioners.into_iter().filter_map(|one| {
                let read: Option<Provisioner> = serde_json::from_value(one).ok();
                read.filter(|one| one.is(&self.provisioner, kind))
            });
            for one in of_name {
                match one.takes(kid) {
                    true => return Ok(Some(one)),
                    false => other_key = Some(one.kid().to_owned()),
                }
            }
            match is_cursor(&shown.next_cursor) {
                true => cursor = shown.next_cursor,
                false => break,
            }
        }
        let name = words::quoted(&self.provisioner);
        Err(again(&match other_key {
            Some(key) => format!(
                "the provisioner {name} takes tokens of the key {}, and step_ca.key_file holds the key {}",
                words::quoted(&key),
                words::quoted(kid)
            ),
            None => format!(
                "there is no {kind} provisioner {name}; create it (`scepd issuer role step-ca` prints how), or correct `step_ca.provisioner`"
            ),
        }))
    }

    async fn chain(&self, above: &[Certificate]) -> Result<Vec<Certificate>, IssueError> {
        let roots = self.certificates("roots").await;
        let roots = roots.map_err(|fault| fault.later("reading its root certificates"))?;
        let shown = match self.certificates("intermediates").await {
            // A server that shows none may sign with its root.
            Ok(shown) if shown.is_empty() => roots.clone(),
            Ok(shown) => shown,
            Err(Fault::Missing(_)) if !self.intermediates.is_empty() => self.intermediates.clone(),
            Err(Fault::Missing(_)) => {
                return Err(again(
                    "it is of a version that does not show its intermediate certificate: name the file by `step_ca.intermediate_path`",
                ));
            }
            Err(fault) => return Err(fault.later("reading its intermediate certificates")),
        };
        let Some((first, rest)) = shown.split_first() else {
            return Err(again("it shows no CA certificate"));
        };
        let pool: Vec<Certificate> = rest
            .iter()
            .chain(&roots)
            .chain(&self.intermediates)
            .chain(above)
            .cloned()
            .collect();
        chain::ordered(first.clone(), &pool).map_err(|what| again(&what))
    }

    async fn certificates(&self, path: &str) -> Result<Vec<Certificate>, Fault> {
        #[derive(Deserialize)]
        struct Shown {
            crts: Vec<String>,
        }
        let shown: Shown = self.api.json(Method::GET, path, None, None).await?;
        let read = |pem: &String| Certificate::from_pem(pem.as_bytes());
        shown
            .crts
            .iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|error| {
                Fault::plain(format!(
                    "a certificate that it shows cannot be read: {error}"
                ))
            })
    }

    pub(super) async fn certify(
        &self,
        csr: &Csr,
        wish: &Wish<'_>,
        begin: Option<DateTime<Utc>>,
        end: DateTime<Utc>,
    ) -> Result<Certificate, IssueError> {
        let (subject, more) = wish.claims(csr);
        let claims = Claims {
            call: "sign",
            subject,
            more,
        };
        let token = self.tokens.mint(claims).await;
        let token = token.map_err(|what| again(&what))?;
        let mut body = json!({
            "csr": pem::csr(csr.der()),
            "ott": *token,
            "notAfter": fields::moment(end),
        });
        if let (Some(begin), Some(body)) = (begin, body.as_object_mut()) {
            body.insert("notBefore".to_owned(), fields::moment(begin).into());
        }
        let reply = self
            .api
            .json::<Signed>(Method::POST, "sign", None, Some(&body))
            .await;
        let signed = reply.map_err(|fault| match fault {
            Fault::Refused(words) => IssueError::Refused(words),
            fault => fault.later("signing"),
        })?;
        Certificate::from_pem(signed.crt.as_bytes())
            .map_err(|_| unheard("its answer holds no certificate that can be read"))
    }

    pub(super) async fn revoke(
        &self,
        certificate: &Certificate,
        reason: RevocationReason,
    ) -> Result<(), IssueError> {
        let serial = decimal(certificate.serial());
        let claims = Claims {
            call: "revoke",
            subject: serial.clone(),
            more: Map::new(),
        };
        let token = self.tokens.mint(claims).await;
        let token = token.map_err(|what| again(&what))?;
        let body = json!({
            "serial": serial,
            "ott": *token,
            "reasonCode": reason as u8,
            "reason": reason.name(),
            "passive": true,
        });
        let path = "revoke";
        match self.api.call(Method::POST, path, None, Some(&body)).await {
            Ok(_) => Ok(()),
            Err(Fault::Refused(words)) if words.contains("already revoked") => Ok(()),
            Err(Fault::Refused(words)) => Err(IssueError::Refused(words)),
            Err(Fault::Unsupported(words)) => Err(IssueError::Refused(format!(
                "{words}: step-ca revokes where it has a database (`db` in ca.json)"
            ))),
            Err(fault) => Err(fault.later("revoking")),
        }
    }

    pub(super) async fn crl(&self) -> Result<Option<Crl>, IssueError> {
        let response = match self.api.call(Method::GET, "crl", None, None).await {
            Ok(response) => response,
            // It makes none, or none yet.
            Err(Fault::Missing(_) | Fault::Unsupported(_)) => return Ok(None),
            Err(fault) => return Err(fault.later("reading the CRL")),
        };
        if response.body().is_empty() {
            return Ok(None);
        }
        Crl::from_der_or_pem(response.body())
            .map(Some)
            .map_err(|error| again(&format!("its CRL cannot be read: {error}")))
    }
}

/// `GET /provisioners`.
#[derive(Deserialize)]
struct Shown {
    #[serde(default)]
    provisioners: Vec<Value>,
    #[serde(default, rename = "nextCursor")]
    next_cursor: String,
}

/// `POST /sign`.
#[derive(Deserialize)]
struct Signed {
    crt: String,
}

/// What is sent back as it came must be no more than a cursor.
fn is_cursor(text: &str) -> bool {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    !text.is_empty() && text.len() <= 128 && text.bytes().all(is_plain)
}

/// A serial number in decimal digits.
fn decimal(serial: &Serial) -> String {
    let mut digits: Vec<u8> = vec![0];
    for octet in serial.minimal() {
        let mut carry = u32::from(*octet);
        for digit in &mut digits {
            let value = u32::from(*digit) * 256 + carry;
            *digit = u8::try_from(value % 10).unwrap_or_default();
            carry = value / 10;
        }
        while carry > 0 {
            digits.push(u8::try_from(carry % 10).unwrap_or_default());
            carry /= 10;
        }
    }
    digits
        .iter()
        .rev()
        .map(|digit| char::from(b'0' + digit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_decimal() {
        for (octets, text) in [
            (vec![0], "0"),
            (vec![1, 0], "256"),
            (vec![0, 255], "255"),
            (
                [vec![0], vec![255; 16]].concat(),
                "340282366920938463463374607431768211455",
            ),
        ] {
            assert_eq!(decimal(&Serial::new(octets)), text);
        }
    }

    #[test]
    fn only_what_looks_like_a_cursor_is_sent_back() {
        assert!(is_cursor("0a-b_Z"));
        for text in ["", "a&b", "a b", &"x".repeat(129)] {
            assert!(!is_cursor(text), "{text}");
        }
    }
}
