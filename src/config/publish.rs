//! `[publish]`: what relying parties fetch over plain http.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Span;
use super::server::optional_address;

/// `[publish]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Publish {
    /// A plain http listener of its own for CRLs, CA certificates and OCSP; absent = nothing is published.
    #[serde(deserialize_with = "optional_address")]
    pub listen: Option<SocketAddr>,
    /// How relying parties reach that listener. Goes into certificates, where the issuer has no URLs of its own.
    pub base_url: Option<String>,
    /// Whether OCSP is answered.
    pub ocsp: bool,
    /// How long caches may keep a CRL or an OCSP answer without asking again.
    pub max_age: Span,
    /// From the making of an OCSP answer to its nextUpdate.
    pub ocsp_lifetime: Span,
    /// How long the certificate that signs OCSP answers is valid.
    pub responder_lifetime: Span,
    /// OCSP requests a minute from one source address that need an answer of their own, such as those with a nonce;
    /// 0 = no limit.
    pub fresh_per_source_per_minute: u32,
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            listen: None,
            base_url: None,
            ocsp: true,
            max_age: Span::minutes(10),
            ocsp_lifetime: Span::hours(12),
            responder_lifetime: Span::days(14),
            fresh_per_source_per_minute: 6000,
        }
    }
}

impl Publish {
    /// [`base_url`](Self::base_url) without a slash at its end.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        self.base_url
            .as_deref()
            .map(|url| url.trim_end_matches('/'))
    }
}
