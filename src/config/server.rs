//! `[server]`, `[store]`, `[certificates]`, `[audit]` and `[log]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Cidr, Span};

/// `[server]`: listeners, TLS, limits, where data lives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Whether SCEP is served at all; `false` leaves only the admin side.
    pub scep_enabled: bool,
    /// Address of the https listener: SCEP, admin API and page.
    pub https_listen: SocketAddr,
    /// Address of the plain http listener: SCEP only. Off when absent.
    #[serde(deserialize_with = "optional_address")]
    pub http_listen: Option<SocketAddr>,
    /// Address of the mTLS listener for `/scep-mtls/<path_id>`. Off when absent.
    #[serde(deserialize_with = "optional_address")]
    pub mtls_listen: Option<SocketAddr>,
    /// TLS server certificate with its chain, PEM.
    pub tls_cert_path: Option<PathBuf>,
    /// Key of the TLS server certificate, PEM, mode 0600.
    pub tls_key_path: Option<PathBuf>,
    /// Where the server keeps what it makes itself: the store, automatic RA pairs.
    pub data_dir: PathBuf,
    /// Largest request body in bytes; more is answered 413.
    pub max_body_bytes: usize,
    /// Largest request line and header block in bytes.
    pub max_header_bytes: usize,
    /// Time for the TLS handshake, and for request headers from their first octet on.
    pub header_timeout: Span,
    /// Time for a request body to arrive.
    pub body_timeout: Span,
    /// Time for the whole answer; also how long a client may take nothing of a reply.
    pub request_timeout: Span,
    /// How long a kept-alive connection may be idle.
    pub idle_timeout: Span,
    /// Most connections at once over all listeners; those that only wait make room for newcomers.
    pub max_connections: usize,
    /// Most connections at once from one source (a /64 of IPv6) that is no trusted proxy; 0 = no limit, absent = a
    /// quarter of `max_connections`, but 64 at least.
    pub max_connections_per_source: Option<usize>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Cidr>,
    /// How long SIGTERM waits for requests in flight.
    pub drain_timeout: Span,
    /// Threads for RSA and other heavy work; 0 = one a core.
    pub compute_threads: usize,
    /// Jobs that may wait for a compute thread before requests are shed with 503.
    pub compute_queue: usize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            scep_enabled: true,
            https_listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8443),
            http_listen: None,
            mtls_listen: None,
            tls_cert_path: None,
            tls_key_path: None,
            data_dir: PathBuf::from("/var/lib/scepd"),
            max_body_bytes: 256 * 1024,
            max_header_bytes: 96 * 1024,
            header_timeout: Span::seconds(10),
            body_timeout: Span::seconds(30),
            request_timeout: Span::seconds(60),
            idle_timeout: Span::seconds(75),
            max_connections: 4096,
            max_connections_per_source: None,
            trusted_proxies: Vec::new(),
            drain_timeout: Span::seconds(30),
            compute_threads: 0,
            compute_queue: 1024,
        }
    }
}

impl Server {
    /// Most connections at once from one source; 0 = no limit.
    #[must_use]
    pub fn connections_per_source(&self) -> usize {
        self.max_connections_per_source
            .unwrap_or_else(|| (self.max_connections / 4).max(64))
    }
}

/// Which store keeps what must survive a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// sled, in a directory of this machine.
    #[default]
    Sled,
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Kind of store.
    #[serde(rename = "type")]
    pub kind: StoreKind,
    /// Directory of the store; absent = `store` under `server.data_dir`.
    pub path: Option<PathBuf>,
    /// Memory that the store may use as cache, in bytes.
    pub cache_bytes: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            kind: StoreKind::Sled,
            path: None,
            cache_bytes: 32 * 1024 * 1024,
        }
    }
}

/// `[audit]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// How long events are kept; 0 = for ever.
    pub retention: Span,
    /// How many events a minute may be written about requests of which nothing could be verified;
    /// the rest is counted only.
    pub unverified_per_minute: u32,
    /// How many events a minute may be written about refusals of verified requests from one source; the rest is counted
    /// and said in one event. 0 = each is written.
    pub refusals_per_source_per_minute: u32,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            retention: Span::ZERO,
            unverified_per_minute: 6,
            refusals_per_source_per_minute: 120,
        }
    }
}

/// `[certificates]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Certificates {
    /// How long certificates are kept after their end; 0 = for ever.
    pub retention: Span,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text an event.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// Where the line about each SCEP request goes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Access {
    /// `log`: into the log, successes at the level `debug` and all else at `info`.
    #[default]
    Log,
    /// `stdout`: all of them to the standard output.
    Stdout,
    /// All of them into this file.
    File(PathBuf),
}

impl TryFrom<String> for Access {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "log" => Ok(Self::Log),
            "stdout" => Ok(Self::Stdout),
            path if path.starts_with('/') => Ok(Self::File(PathBuf::from(text))),
            _ => Err(format!(
                "`{text}` is no place for the access log: write log, stdout, or the absolute path of a file"
            )),
        }
    }
}

impl From<Access> for String {
    fn from(access: Access) -> Self {
        match access {
            Access::Log => "log".to_owned(),
            Access::Stdout => "stdout".to_owned(),
            Access::File(path) => path.display().to_string(),
        }
    }
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How log lines look.
    pub format: LogFormat,
    /// Where the line about each SCEP request goes.
    pub access: Access,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,scepd=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            access: Access::Log,
            level: "info".to_owned(),
        }
    }
}

/// An address, or `""` or `"off"` for none (so that the environment can switch a listener off).
pub(super) fn optional_address<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    read_optional_address(&text).map_err(de::Error::custom)
}

/// The same of a text.
///
/// # Errors
/// Why it is neither.
pub(crate) fn read_optional_address(text: &str) -> Result<Option<SocketAddr>, String> {
    match text.trim() {
        "" | "off" => Ok(None),
        address => address.parse().map(Some).map_err(|_| {
            format!(
                "`{address}` is not an address with a port: write 0.0.0.0:8080, [::]:8080 or off"
            )
        }),
    }
}
