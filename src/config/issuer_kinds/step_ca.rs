//! `[issuer.step_ca]`: what only issuers of that kind need.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// What kind of provisioner takes scepd's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepCaAuth {
    /// JWK: its key signs them.
    #[default]
    Jwk,
    /// X5C: the key of a certificate that its roots vouch for.
    X5c,
}

/// `[issuer.step_ca]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepCa {
    /// The provisioner's name.
    pub provisioner: String,
    /// Its kind.
    pub auth: StepCaAuth,
    /// With auth = "jwk": file of its private key, a JWK in JSON or encrypted as JWE, mode 0600; read anew for each token.
    pub key_file: Option<PathBuf>,
    /// The password of `key_file`, where it is encrypted.
    pub password: Option<Secret>,
    /// File that holds `password`; read anew for each token.
    pub password_file: Option<PathBuf>,
    /// With auth = "x5c": the certificate with its chain, PEM; read anew for each token.
    pub x5c_cert_path: Option<PathBuf>,
    /// Its key, PEM, mode 0600.
    pub x5c_key_path: Option<PathBuf>,
    /// The https address by which step-ca knows itself (one of its dnsNames); unset = `url`.
    pub audience: Option<String>,
    /// The CA certificate that signs, and those above it, PEM; for versions that do not show it.
    pub intermediate_path: Option<PathBuf>,
}
