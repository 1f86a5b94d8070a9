//! `[issuer.aws_pca]`: what only issuers of that kind need.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{AskedUrl, Secret};

/// Where the keys come from by which calls to AWS are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AwsAuth {
    /// From where AWS's own programs take them: the environment, a web identity, a credentials file, a container, the instance.
    #[default]
    Chain,
    /// The keys of a user.
    Keys,
    /// A profile of a credentials file.
    Profile,
    /// A role, for the token of a pod or another workload.
    WebIdentity,
    /// The endpoint of a container: ECS, or EKS's pod identity.
    Container,
    /// The role of the instance, by its metadata service.
    Instance,
}

/// `[issuer.aws_pca]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AwsPca {
    /// The CA's ARN; it names the region and the partition too.
    pub ca_arn: String,
    /// Where the CA's whole CRL is.
    pub crl_url: Option<AskedUrl>,
    /// Where the keys come from.
    pub auth: AwsAuth,
    /// With auth = "keys": the access key's id.
    pub access_key_id: Option<String>,
    /// With auth = "keys": the secret access key.
    pub secret_access_key: Option<Secret>,
    /// File that holds `secret_access_key`; read anew when a call is refused.
    pub secret_access_key_file: Option<PathBuf>,
    /// With auth = "profile": the credentials file, mode 0600; read anew when a call is refused.
    pub credentials_file: Option<PathBuf>,
    /// With auth = "profile": the profile in it.
    pub profile: String,
    /// With auth = "web_identity": the role's ARN.
    pub role_arn: Option<String>,
    /// With auth = "web_identity": file of the workload's token; read anew at each login.
    pub web_identity_token_file: Option<PathBuf>,
    /// Where the security token service is; unset = that of the region.
    pub sts_url: Option<AskedUrl>,
    /// With auth = "container": the endpoint.
    pub container_url: Option<AskedUrl>,
    /// With auth = "container": file of the token that the endpoint asks for; read anew at each login.
    pub container_token_file: Option<PathBuf>,
    /// With auth = "instance": where the metadata service is.
    pub metadata_url: AskedUrl,
}

impl Default for AwsPca {
    fn default() -> Self {
        Self {
            ca_arn: String::new(),
            crl_url: None,
            auth: AwsAuth::Chain,
            access_key_id: None,
            secret_access_key: None,
            secret_access_key_file: None,
            credentials_file: None,
            profile: "default".to_owned(),
            role_arn: None,
            web_identity_token_file: None,
            sts_url: None,
            container_url: None,
            container_token_file: None,
            metadata_url: AskedUrl::new("http://169.254.169.254"),
        }
    }
}
