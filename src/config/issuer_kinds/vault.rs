//! `[issuer.vault]`: what only issuers of that kind need.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::Secret;

/// How scepd logs in at Vault or OpenBao.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VaultAuth {
    /// By a token that somebody else keeps.
    #[default]
    Token,
    /// By role id and secret id.
    AppRole,
    /// By the service-account token of a Kubernetes pod.
    Kubernetes,
    /// By a TLS client certificate.
    Cert,
}

/// `[issuer.vault]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vault {
    /// Where the PKI secrets engine is mounted.
    pub mount: String,
    /// The role of the engine by which certificates are signed.
    pub role: String,
    /// The role by which the RA certificates of `ra = "auto"` are signed; unset = it signs none.
    pub ra_role: Option<String>,
    /// Name or id of the mount's issuer that signs; unset = the role's own.
    pub issuer_ref: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// How scepd logs in.
    pub auth: VaultAuth,
    /// Where the login method is mounted; unset = its usual name.
    pub auth_mount: Option<String>,
    /// With auth = "token": the token.
    pub token: Option<Secret>,
    /// File that holds `token`; read anew at each login.
    pub token_file: Option<PathBuf>,
    /// With auth = "approle": the role id.
    pub role_id: Option<String>,
    /// With auth = "approle": the secret id.
    pub secret_id: Option<Secret>,
    /// File that holds `secret_id`; read anew at each login.
    pub secret_id_file: Option<PathBuf>,
    /// With auth = "kubernetes": the role; with auth = "cert": the certificate role, any that fits when unset.
    pub auth_role: Option<String>,
    /// With auth = "kubernetes": file of the pod's token; read anew at each login.
    pub jwt_file: PathBuf,
    /// With auth = "cert": the client certificate with its chain, PEM.
    pub client_cert_path: Option<PathBuf>,
    /// Its key, PEM, mode 0600.
    pub client_key_path: Option<PathBuf>,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            mount: "pki".to_owned(),
            role: String::new(),
            ra_role: None,
            issuer_ref: None,
            namespace: None,
            auth: VaultAuth::Token,
            auth_mount: None,
            token: None,
            token_file: None,
            role_id: None,
            secret_id: None,
            secret_id_file: None,
            auth_role: None,
            jwt_file: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount/token"),
            client_cert_path: None,
            client_key_path: None,
        }
    }
}
