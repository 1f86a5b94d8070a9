//! `[issuer.scep]`: what only issuers of that kind need.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Span;

/// `[issuer.scep]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scep {
    /// The certificate by which scepd signs its requests there, PEM; RSA.
    pub signer_cert_path: Option<PathBuf>,
    /// Its key, PEM, mode 0600.
    pub signer_key_path: Option<PathBuf>,
    /// SHA-256 of the CA in its GetCACert, or of one above it, in hex; not needed over https.
    pub ca_fingerprint: Option<String>,
    /// That CA, or one above it, PEM; instead of `ca_fingerprint`.
    pub ca_path: Option<PathBuf>,
    /// What GetCACert is asked with, where one server has several CAs.
    pub ca_identifier: Option<String>,
    /// Whether triple DES and SHA-1 are used where it offers nothing better, and its replies may come in single DES.
    pub legacy: bool,
    /// How often it is asked about a request that waits there.
    pub poll_every: Span,
}

impl Default for Scep {
    fn default() -> Self {
        Self {
            signer_cert_path: None,
            signer_key_path: None,
            ca_fingerprint: None,
            ca_path: None,
            ca_identifier: None,
            legacy: false,
            poll_every: Span::minutes(1),
        }
    }
}
