//! Requests and replies over HTTP, with every way in which they fail in words.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, redirect};
use rustls::ClientConfig;
use tokio::time::timeout;

use super::{Endpoint, Error};

/// Largest reply that is read, in octets. A CRL may be large; a certificate reply is a few kB.
pub(super) const MAX_REPLY: usize = 16 << 20;

/// The longest that connecting may take, however patient the caller is.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// A reply, read to its end.
#[derive(Debug, Clone)]
pub(super) struct Response {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body.
    pub(super) body: Bytes,
}

/// Connections to one server, kept open between requests: no proxy, no redirects, HTTP/1.1.
pub(super) struct Http {
    client: Client,
    limit: Duration,
}

impl Http {
    /// Without a connection yet. `limit` is the longest that a reply may take; connecting takes no longer either, nor 15
    /// seconds.
    ///
    /// # Errors
    /// [`Error::Tls`] when the settings cannot be used.
    pub(super) fn new(tls: ClientConfig, limit: Duration) -> Result<Http, Error> {
        // reqwest panics where no provider is installed; a second installation changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(limit.min(CONNECT_LIMIT))
            .user_agent(concat!("scepd/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::Tls(innermost(&error)))?;
        Ok(Http { client, limit })
    }

    /// The longest that a reply may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// Sends a request (GET without a body, POST with one) and reads the reply.
    ///
    /// # Errors
    /// [`Error::Connect`] with what the system or the TLS library said; [`Error::Exchange`] when the connection breaks,
    /// the reply is too large, or the time is over.
    pub(super) async fn send(
        &self,
        operation: &'static str,
        endpoint: &Endpoint,
        target: &str,
        body: Option<Bytes>,
    ) -> Result<Response, Error> {
        let url = endpoint.url(target);
        let request = match body {
            Some(body) => self
                .client
                .post(url)
                .header(CONTENT_TYPE, scep::content_type::PKI_MESSAGE)
                .body(body),
            None => self.client.get(url),
        };
        let failed = |error: reqwest::Error| self.failure(operation, endpoint, &error);
        let exchange = async {
            let mut reply = request.send().await.map_err(failed)?;
            let status = reply.status().as_u16();
            let mut body = BytesMut::new();
            while let Some(part) = reply.chunk().await.map_err(failed)? {
                if body.len() + part.len() > MAX_REPLY {
                    return Err(Error::Exchange {
                        operation,
                        why: format!("the reply is larger than {MAX_REPLY} octets"),
                    });
                }
                body.extend_from_slice(&part);
            }
            Ok(Response {
                status,
                body: body.freeze(),
            })
        };
        // Connecting has its own limit, and is not taken from the time for the reply.
        let longest = self.limit + self.limit.min(CONNECT_LIMIT);
        match timeout(longest, exchange).await {
            Ok(result) => result,
            Err(_) => Err(Error::Exchange {
                operation,
                why: format!("no reply within {} seconds", self.limit.as_secs()),
            }),
        }
    }

    fn failure(
        &self,
        operation: &'static str,
        endpoint: &Endpoint,
        error: &reqwest::Error,
    ) -> Error {
        let why = innermost(error);
        if error.is_connect() {
            let why = if error.is_timeout() {
                let limit = self.limit.min(CONNECT_LIMIT);
                format!("no answer within {} seconds", limit.as_secs())
            } else {
                connect_words(error, why)
            };
            return Error::Connect {
                address: format!("{}:{}", endpoint.host(), endpoint.port()),
                why,
            };
        }
        // A TLS port answers plain HTTP with an alert.
        let unreadable = cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse);
        let why = if unreadable && !endpoint.is_secure() {
            format!(
                "{why}: this is no answer of an HTTP server; where the port speaks TLS, the URL begins with https://"
            )
        } else {
            why
        };
        Error::Exchange { operation, why }
    }
}

fn connect_words(error: &reqwest::Error, why: String) -> String {
    match cause::<rustls::Error>(error) {
        Some(rustls::Error::InvalidMessage(_)) => format!(
            "{why}: the port does not speak TLS; where it speaks plain HTTP, the URL begins with http://"
        ),
        Some(rustls::Error::InvalidCertificate(_)) => format!(
            "{why}; name the CA of its TLS certificate with --ca-file. Where --ca-fingerprint pins the SCEP CA, \
             --insecure-tls leaves TLS unchecked"
        ),
        _ => why,
    }
}

/// reqwest's own texts name the URL; the cause at the bottom says what happened.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

/// The first cause of a type, at any depth.
fn cause<T: std::error::Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        // What an I/O error is made of stands in it and not below it.
        next = match cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}
