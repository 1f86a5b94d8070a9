//! `[issuer.adcs]`: what only issuers of that kind need.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{AskedUrl, Secret};

/// By what ADCS is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdcsInterface {
    /// The enrollment web service.
    #[default]
    Ces,
    /// The pages of Web Enrollment.
    Certsrv,
}

/// How scepd logs in at ADCS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdcsAuth {
    /// By user name and password.
    #[default]
    Password,
    /// By a TLS client certificate.
    Cert,
}

/// `[issuer.adcs]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adcs {
    /// By what it is spoken to.
    pub interface: AdcsInterface,
    /// Name of the template, not its display name.
    pub template: Option<String>,
    /// The template of the RA certificates of `ra = "auto"`; unset = none are made.
    pub ra_template: Option<String>,
    /// The CA as certutil calls it, `HOST\CA`: for the commands that revoke.
    pub ca: Option<String>,
    /// Where the CA's CRL is.
    pub crl_url: Option<AskedUrl>,
    /// How scepd logs in.
    pub auth: AdcsAuth,
    /// With auth = "password": `DOMAIN\user` or `user@domain`.
    pub username: Option<String>,
    /// With auth = "password": the password.
    pub password: Option<Secret>,
    /// File that holds `password`; read anew for each call.
    pub password_file: Option<PathBuf>,
    /// With auth = "cert": the client certificate with its chain, PEM.
    pub client_cert_path: Option<PathBuf>,
    /// Its key, PEM, mode 0600.
    pub client_key_path: Option<PathBuf>,
    /// Certificate of the enrollment agent that signs requests, PEM; unset = they are sent as they came.
    pub agent_cert_path: Option<PathBuf>,
    /// Its key, PEM, mode 0600.
    pub agent_key_path: Option<PathBuf>,
}
