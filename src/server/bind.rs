//! Sockets: brought along by who starts the server, or bound from the configuration.

use super::ServerError;
use crate::config::Config;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Sockets that were bound before; `None` = as the configuration says.
#[derive(Default)]
pub struct Sockets {
    /// For https.
    pub https: Option<TcpListener>,
    /// For plain http.
    pub http: Option<TcpListener>,
    /// For mTLS.
    pub mtls: Option<TcpListener>,
    /// For CRLs, CA certificates and OCSP.
    pub publish: Option<TcpListener>,
}

/// Where a server listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// https: SCEP, admin API and page.
    pub https: SocketAddr,
    /// Plain http, where it is on.
    pub http: Option<SocketAddr>,
    /// mTLS, where it is on.
    pub mtls: Option<SocketAddr>,
    /// CRLs, CA certificates and OCSP, where they are published.
    pub publish: Option<SocketAddr>,
}

pub(super) struct Bound {
    pub(super) https: TcpListener,
    pub(super) http: Option<TcpListener>,
    pub(super) mtls: Option<TcpListener>,
    pub(super) metrics: Option<TcpListener>,
    pub(super) publish: Option<TcpListener>,
}

impl Sockets {
    /// Binds what was not brought.
    ///
    /// # Errors
    /// One for each listener that cannot be bound.
    pub(super) async fn bind(self, config: &Config) -> Result<Bound, Vec<ServerError>> {
        let server = &config.server;
        let https = Some(server.https_listen);
        let https = optional(self.https, "server.https_listen", https).await;
        let http = optional(self.http, "server.http_listen", server.http_listen).await;
        let mtls = optional(self.mtls, "server.mtls_listen", server.mtls_listen).await;
        let metrics = optional(None, "admin.metrics_listen", config.admin.metrics_listen).await;
        let publish = optional(self.publish, "publish.listen", config.publish.listen).await;
        match (https, http, mtls, metrics, publish) {
            (Ok(Some(https)), Ok(http), Ok(mtls), Ok(metrics), Ok(publish)) => Ok(Bound {
                https,
                http,
                mtls,
                metrics,
                publish,
            }),
            (https, http, mtls, metrics, publish) => Err([https, http, mtls, metrics, publish]
                .into_iter()
                .filter_map(Result::err)
                .collect()),
        }
    }
}

async fn optional(
    brought: Option<TcpListener>,
    setting: &'static str,
    address: Option<SocketAddr>,
) -> Result<Option<TcpListener>, ServerError> {
    match (brought, address) {
        (Some(socket), _) => Ok(Some(socket)),
        (None, Some(address)) => bind(setting, address).await.map(Some),
        (None, None) => Ok(None),
    }
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServerError::Bind {
            setting,
            address,
            source,
        })
}

impl Bound {
    pub(super) fn addresses(&self) -> Result<Addresses, ServerError> {
        let of = |setting, socket: &TcpListener| {
            let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
            socket.local_addr().map_err(|source| ServerError::Bind {
                setting,
                address: unknown,
                source,
            })
        };
        Ok(Addresses {
            https: of("server.https_listen", &self.https)?,
            http: self
                .http
                .as_ref()
                .map(|s| of("server.http_listen", s))
                .transpose()?,
            mtls: self
                .mtls
                .as_ref()
                .map(|s| of("server.mtls_listen", s))
                .transpose()?,
            publish: self
                .publish
                .as_ref()
                .map(|s| of("publish.listen", s))
                .transpose()?,
        })
    }
}
