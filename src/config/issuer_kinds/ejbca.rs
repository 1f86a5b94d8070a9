//! `[issuer.ejbca]`: what only issuers of that kind need.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{AskedUrl, Secret};

/// How scepd logs in at EJBCA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EjbcaAuth {
    /// By a TLS client certificate.
    #[default]
    Cert,
    /// By a bearer token that somebody else keeps.
    Token,
    /// By a bearer token of an authorization server.
    OAuth,
}

/// `[issuer.ejbca]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ejbca {
    /// Name of the CA there.
    pub ca: Option<String>,
    /// The certificate profile by which certificates are made.
    pub certificate_profile: Option<String>,
    /// The end entity profile.
    pub end_entity_profile: Option<String>,
    /// The certificate profile of the RA certificates of `ra = "auto"`; unset = none are made.
    pub ra_certificate_profile: Option<String>,
    /// Their end entity profile.
    pub ra_end_entity_profile: Option<String>,
    /// Whether the end of the validity is asked for.
    pub send_end_time: bool,
    /// How scepd logs in.
    pub auth: EjbcaAuth,
    /// With auth = "cert": the client certificate with its chain, PEM.
    pub client_cert_path: Option<PathBuf>,
    /// Its key, PEM, mode 0600.
    pub client_key_path: Option<PathBuf>,
    /// With auth = "token": the token.
    pub token: Option<Secret>,
    /// File that holds `token`; read anew when a token is not taken.
    pub token_file: Option<PathBuf>,
    /// With auth = "oauth": the token endpoint.
    pub token_url: Option<AskedUrl>,
    /// CAs of the token endpoint's TLS certificate, PEM; unset = the system's.
    pub token_ca_bundle_path: Option<PathBuf>,
    /// With auth = "oauth": the client's id.
    pub client_id: Option<String>,
    /// With auth = "oauth": its secret.
    pub client_secret: Option<Secret>,
    /// File that holds `client_secret`; read anew at each login.
    pub client_secret_file: Option<PathBuf>,
    /// With auth = "oauth": the scope.
    pub scope: Option<String>,
}
