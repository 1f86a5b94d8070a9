//! The client: one for each neighbour, cheap to clone, connections kept between calls.

use std::time::Duration;

use bytes::BytesMut;
use reqwest::{Proxy, Url, redirect};

use crate::error::innermost;
use crate::{CallError, Identity, Request, Response, SetupError, Trust, trust};

/// The longest that connecting may take, however patient the call is.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How a neighbour is spoken to.
#[derive(Clone)]
pub struct Options {
    /// Whose TLS certificate is believed.
    pub trust: Trust,
    /// The certificate by which scepd shows who it is.
    pub identity: Option<Identity>,
    /// A proxy for all calls. What the environment says about proxies is not looked at.
    pub proxy: Option<Url>,
    /// The longest that a call may take, connecting and reading included.
    pub timeout: Duration,
    /// The most octets of an answer that are read.
    pub max_body: usize,
}

impl Options {
    /// No client certificate, no proxy, 30 seconds, 1 MiB.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self {
            trust,
            identity: None,
            proxy: None,
            timeout: Duration::from_secs(30),
            max_body: 1 << 20,
        }
    }
}

/// A client for one neighbour. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    inner: reqwest::Client,
    timeout: Duration,
    max_body: usize,
}

impl Client {
    /// Sets one up; nothing is asked yet.
    ///
    /// # Errors
    /// [`SetupError`] when trust, identity or proxy cannot be used.
    pub fn new(options: Options) -> Result<Self, SetupError> {
        let tls = trust::config(Some(&options.trust), options.identity.clone())?;
        Self::with(tls, options)
    }

    /// Believes anybody, and shows nobody who it is: for what is held against a fingerprint afterwards.
    pub(crate) fn believing_anybody(options: Options) -> Result<Self, SetupError> {
        Self::with(trust::config(None, None)?, options)
    }

    fn with(tls: rustls::ClientConfig, options: Options) -> Result<Self, SetupError> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .connect_timeout(options.timeout.min(CONNECT_LIMIT))
            .pool_max_idle_per_host(32)
            .user_agent(concat!("scepd/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = options.proxy {
            let proxy = Proxy::all(proxy).map_err(|error| SetupError::Proxy(innermost(&error)))?;
            builder = builder.proxy(proxy);
        }
        let inner = builder
            .build()
            .map_err(|error| SetupError::Client(innermost(&error)))?;
        Ok(Self {
            inner,
            timeout: options.timeout,
            max_body: options.max_body,
        })
    }

    /// Sends a request and reads the answer, whatever its status.
    ///
    /// # Errors
    /// [`CallError`]: no connection, no complete answer in time, too much of it.
    pub async fn send(&self, request: Request) -> Result<Response, CallError> {
        if let Some(fault) = request.fault {
            return Err(CallError::Invalid(fault));
        }
        let limit = request.timeout.unwrap_or(self.timeout);
        let call = self
            .inner
            .request(request.method, request.url)
            .headers(request.headers)
            .body(request.body);
        let failed = |error: reqwest::Error| CallError::of(&error, limit);
        let exchange = async {
            let mut answer = call.send().await.map_err(failed)?;
            let mut body = BytesMut::new();
            while let Some(part) = answer.chunk().await.map_err(failed)? {
                if body.len().saturating_add(part.len()) > self.max_body {
                    return Err(CallError::TooLong {
                        limit: self.max_body,
                    });
                }
                body.extend_from_slice(&part);
            }
            Ok(Response {
                status: answer.status().as_u16(),
                headers: std::mem::take(answer.headers_mut()),
                body: body.freeze(),
            })
        };
        match tokio::time::timeout(limit, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(CallError::TimedOut(limit)),
        }
    }
}
