//! One HTTP/1.1 keep-alive connection, plain or TLS, straight on hyper: cheap enough to measure a server with.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::client::http::{CONNECT_LIMIT, MAX_REPLY, Response};
use crate::client::{Endpoint, Error};

/// A connection that can carry one request at a time.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

impl Connection {
    /// Connects, and makes the TLS handshake when `tls` is given. It takes no longer than `limit`, nor 15 seconds.
    ///
    /// # Errors
    /// [`Error::Connect`] with what the system or the TLS library said.
    pub(super) async fn open(
        endpoint: &Endpoint,
        tls: Option<&Arc<ClientConfig>>,
        limit: Duration,
    ) -> Result<Self, Error> {
        let limit = limit.min(CONNECT_LIMIT);
        match timeout(limit, Self::connect(endpoint, tls)).await {
            Ok(result) => result,
            Err(_) => Err(refused(
                endpoint,
                format!("no answer within {} seconds", limit.as_secs()),
            )),
        }
    }

    async fn connect(endpoint: &Endpoint, tls: Option<&Arc<ClientConfig>>) -> Result<Self, Error> {
        let host =
            HeaderValue::from_str(&endpoint.authority()).map_err(|e| refused(endpoint, e))?;
        let stream = TcpStream::connect((endpoint.host(), endpoint.port()))
            .await
            .map_err(|e| refused(endpoint, e))?;
        stream.set_nodelay(true).map_err(|e| refused(endpoint, e))?;
        let sender = match tls {
            None => handshake(endpoint, TokioIo::new(stream)).await?,
            Some(config) => {
                let name = ServerName::try_from(endpoint.host().to_owned())
                    .map_err(|e| refused(endpoint, e))?;
                let stream = TlsConnector::from(config.clone())
                    .connect(name, stream)
                    .await
                    .map_err(|e| refused(endpoint, e))?;
                handshake(endpoint, TokioIo::new(stream)).await?
            }
        };
        Ok(Connection { sender, host })
    }

    /// Whether the other end has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request (GET without a body, POST with one) and reads the reply.
    ///
    /// # Errors
    /// [`Error::Exchange`] when the connection breaks, the reply is too large, or `limit` passes.
    pub(super) async fn send(
        &mut self,
        operation: &'static str,
        target: &Uri,
        body: Option<Bytes>,
        limit: Duration,
    ) -> Result<Response, Error> {
        let broken = |why: String| Error::Exchange { operation, why };
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let mut request = Request::new(Full::new(body.clone().unwrap_or_default()));
        *request.method_mut() = method;
        *request.uri_mut() = target.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("scepd/", env!("CARGO_PKG_VERSION"))),
        );
        if body.is_some() {
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static(scep::content_type::PKI_MESSAGE),
            );
        }
        let exchange = async {
            self.sender.ready().await.map_err(|e| broken(words(&e)))?;
            let reply = self
                .sender
                .send_request(request)
                .await
                .map_err(|e| broken(words(&e)))?;
            let status = reply.status().as_u16();
            let body = Limited::new(reply.into_body(), MAX_REPLY)
                .collect()
                .await
                .map_err(|e| broken(format!("the reply could not be read: {e}")))?
                .to_bytes();
            Ok(Response { status, body })
        };
        match timeout(limit, exchange).await {
            Ok(result) => result,
            Err(_) => Err(broken(format!(
                "no reply within {} seconds",
                limit.as_secs()
            ))),
        }
    }
}

async fn handshake<S>(endpoint: &Endpoint, stream: S) -> Result<SendRequest<Full<Bytes>>, Error>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(stream)
        .await
        .map_err(|e| refused(endpoint, words(&e)))?;
    // It ends with the sender; what goes wrong in it is seen by the request that waits.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

fn refused(endpoint: &Endpoint, why: impl ToString) -> Error {
    Error::Connect {
        address: format!("{}:{}", endpoint.host(), endpoint.port()),
        why: why.to_string(),
    }
}

/// hyper keeps the cause one level down.
fn words(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
