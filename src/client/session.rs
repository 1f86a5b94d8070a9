//! The SCEP operations.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::ClientConfig;
use scep::caps::Capabilities;
use scep::client::{CaCertificates, open_next_ca};
use scep::get;

use super::error::excerpt;
use super::http::{Http, Response};
use super::{Endpoint, Error, ServerTrust, TlsIdentity};

/// How a PKIMessage is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// In the query.
    Get,
    /// In the body.
    Post,
}

/// A client's end of a SCEP server.
pub struct Session {
    endpoint: Endpoint,
    trust: ServerTrust,
    tls: Arc<ClientConfig>,
    http: Http,
}

impl Session {
    /// A session that has not connected yet. `limit` is the longest that a reply may take.
    ///
    /// # Errors
    /// [`Error::Tls`] when the trust or the identity cannot be used.
    pub fn new(
        endpoint: Endpoint,
        trust: ServerTrust,
        identity: Option<TlsIdentity>,
        limit: Duration,
    ) -> Result<Session, Error> {
        let tls = if endpoint.is_secure() {
            trust.tls_config(identity)?
        } else {
            // Of no use over plain http, where even a system without root certificates will do.
            ServerTrust::Anchors(String::new()).tls_config(None)?
        };
        let http = Http::new(tls.as_ref().clone(), limit)?;
        Ok(Session {
            endpoint,
            trust,
            tls,
            http,
        })
    }

    /// The server's address.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How the server's TLS certificate is judged.
    pub fn trust(&self) -> &ServerTrust {
        &self.trust
    }

    /// The TLS settings; none for plain http.
    pub fn tls(&self) -> Option<&Arc<ClientConfig>> {
        self.endpoint.is_secure().then_some(&self.tls)
    }

    /// The longest that a reply may take.
    pub fn limit(&self) -> Duration {
        self.http.limit()
    }

    /// GetCACaps. A server that answers with an error has no capabilities (RFC 8894, section 3.5.2).
    ///
    /// # Errors
    /// When there is no connection or no reply.
    pub async fn capabilities(&mut self) -> Result<Capabilities, Error> {
        let response = self.exchange("GetCACaps", None, None).await?;
        if response.status != 200 {
            return Ok(Capabilities::default());
        }
        Ok(Capabilities::parse(&String::from_utf8_lossy(
            &response.body,
        )))
    }

    /// GetCACert.
    ///
    /// # Errors
    /// When there is no usable reply.
    pub async fn ca_certificates(&mut self) -> Result<CaCertificates, Error> {
        let response = self.expect_ok("GetCACert", None, None).await?;
        CaCertificates::read(&response.body).map_err(|error| Error::reply("GetCACert", error))
    }

    /// GetNextCACert; `None` where the server has no next CA.
    ///
    /// # Errors
    /// When there is no usable reply.
    pub async fn next_ca(
        &mut self,
        current: &CaCertificates,
    ) -> Result<Option<CaCertificates>, Error> {
        let response = self.exchange("GetNextCACert", None, None).await?;
        match response.status {
            200 => open_next_ca(&response.body, current)
                .map(Some)
                .map_err(|error| Error::reply("GetNextCACert", error)),
            404 => Ok(None),
            _ => Err(not_ok("GetNextCACert", &response)),
        }
    }

    /// PKIOperation: sends a PKIMessage and gives the body of the reply.
    ///
    /// # Errors
    /// When there is no connection, no reply, or a reply that is not HTTP 200.
    pub async fn pki_operation(
        &mut self,
        message: Vec<u8>,
        method: Method,
    ) -> Result<Bytes, Error> {
        let response = match method {
            Method::Post => {
                self.expect_ok("PKIOperation", None, Some(Bytes::from(message)))
                    .await?
            }
            Method::Get => {
                let text = get::encode_message(&message);
                self.expect_ok("PKIOperation", Some(&text), None).await?
            }
        };
        Ok(response.body)
    }

    async fn expect_ok(
        &mut self,
        operation: &'static str,
        message: Option<&str>,
        body: Option<Bytes>,
    ) -> Result<Response, Error> {
        let response = self.exchange(operation, message, body).await?;
        if response.status == 200 {
            Ok(response)
        } else {
            Err(not_ok(operation, &response))
        }
    }

    async fn exchange(
        &mut self,
        operation: &'static str,
        message: Option<&str>,
        body: Option<Bytes>,
    ) -> Result<Response, Error> {
        let target = self.endpoint.target(operation, message);
        self.http
            .send(operation, &self.endpoint, &target, body)
            .await
    }
}

fn not_ok(operation: &'static str, response: &Response) -> Error {
    Error::Status {
        operation,
        status: response.status,
        body: excerpt(&response.body),
    }
}
