//! `[issuer.google_cas]`: what only issuers of that kind need.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::AskedUrl;

/// How scepd logs in at Google.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoogleAuth {
    /// By the metadata server of the machine or the cluster.
    #[default]
    Metadata,
    /// By the key file of a service account.
    ServiceAccount,
    /// By workload identity federation: a token of another cloud or cluster, in a file.
    WorkloadIdentity,
}

/// `[issuer.google_cas]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GoogleCas {
    /// The CA pool: `projects/P/locations/L/caPools/C`.
    pub pool: String,
    /// The CA of the pool that signs; unset = the only one that is enabled.
    pub ca: Option<String>,
    /// A certificate template, by its whole name.
    pub template: Option<String>,
    /// How scepd logs in.
    pub auth: GoogleAuth,
    /// With auth = "service_account": its key file, JSON, mode 0600; read anew at each login.
    pub key_file: Option<PathBuf>,
    /// With auth = "workload_identity": its configuration, JSON; read anew at each login, as the file of the token that it names.
    pub config_file: Option<PathBuf>,
    /// With auth = "metadata": where the metadata server is.
    pub metadata_url: AskedUrl,
}

impl Default for GoogleCas {
    fn default() -> Self {
        Self {
            pool: String::new(),
            ca: None,
            template: None,
            auth: GoogleAuth::Metadata,
            key_file: None,
            config_file: None,
            metadata_url: AskedUrl::new("http://metadata.google.internal"),
        }
    }
}
