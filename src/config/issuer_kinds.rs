//! The table of the kinds of issuers: what `[[issuer]] type` may be, and the section of each kind's own settings.

pub mod adcs;
pub mod aws_pca;
pub mod ejbca;
pub mod google_cas;
pub mod scep;
pub mod step_ca;
pub mod vault;

use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use super::{AskedUrl, Span};

/// Makes [`IssuerKind`] and [`Issuer`] of the table below: the kind, what `type` calls it, its section and the settings in it.
macro_rules! kinds {
    ($( $(#[$doc:meta])* $kind:ident = $name:literal, $section:ident: $settings:ty; )+) => {
        /// What kind of CA an issuer is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
        pub enum IssuerKind {
            /// A CA whose key is a file of this machine.
            #[default]
            #[serde(rename = "local")]
            Local,
            $( $(#[$doc])* #[serde(rename = $name)] $kind, )+
        }

        impl IssuerKind {
            /// The kinds whose key is somewhere else, as `type` calls them.
            pub const ELSEWHERE: &'static [(Self, &'static str)] = &[$( (Self::$kind, $name), )+];
        }

        /// `[[issuer]]`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Issuer {
            /// Name that profiles refer to.
            pub id: String,
            /// Kind of issuer.
            #[serde(rename = "type")]
            pub kind: IssuerKind,
            /// The CA certificate, PEM; the first certificate of the file signs, others are its chain.
            pub ca_cert_path: Option<PathBuf>,
            /// The CA's key, PEM, mode 0600.
            pub ca_key_path: Option<PathBuf>,
            /// Certificates from the CA's issuer up to the root, PEM; not needed for a root.
            pub chain_path: Option<PathBuf>,
            /// The CA that takes over next; GetNextCACert shows it.
            pub next_ca_cert_path: Option<PathBuf>,
            /// Key of the next CA; needed only to renew certificates that it signed already.
            pub next_ca_key_path: Option<PathBuf>,
            /// Chain of the next CA.
            pub next_chain_path: Option<PathBuf>,
            /// CA certificates of the past whose devices may still renew, PEM bundles.
            pub previous_ca_cert_paths: Vec<PathBuf>,
            /// Keys of those of `previous_ca_cert_paths` whose CRLs and OCSP answers go on, PEM.
            pub previous_ca_key_paths: Vec<PathBuf>,
            /// CRL distribution points written into certificates.
            #[serde(serialize_with = "shown")]
            pub cdp_urls: Vec<String>,
            /// OCSP responders written into certificates.
            #[serde(serialize_with = "shown")]
            pub ocsp_urls: Vec<String>,
            /// Places of the CA certificate written into certificates (AIA caIssuers).
            #[serde(serialize_with = "shown")]
            pub ca_issuers_urls: Vec<String>,
            /// How long a CRL is valid.
            pub crl_lifetime: Span,
            /// How long an automatic RA certificate (`ra = "auto"`) is valid.
            pub ra_lifetime: Span,
            /// Of an issuer elsewhere: its address.
            pub url: Option<AskedUrl>,
            /// CAs of its TLS certificate, PEM; unset = the system's.
            pub ca_bundle_path: Option<PathBuf>,
            /// SHA-256 of its TLS certificate or of a CA above it, in hex; instead of `ca_bundle_path`.
            pub tls_fingerprint: Option<String>,
            /// The proxy by which it is reached.
            pub proxy: Option<AskedUrl>,
            /// How long one call may take.
            pub timeout: Span,
            /// Most calls at a time, of all profiles together.
            pub max_in_flight: usize,
            /// Whether a certificate that ends earlier than approved is delivered.
            pub accept_shorter_validity: bool,
            $( $(#[$doc])* pub $section: $settings, )+
        }

        impl Default for Issuer {
            fn default() -> Self {
                Self {
                    id: String::new(),
                    kind: IssuerKind::Local,
                    ca_cert_path: None,
                    ca_key_path: None,
                    chain_path: None,
                    next_ca_cert_path: None,
                    next_ca_key_path: None,
                    next_chain_path: None,
                    previous_ca_cert_paths: Vec::new(),
                    previous_ca_key_paths: Vec::new(),
                    cdp_urls: Vec::new(),
                    ocsp_urls: Vec::new(),
                    ca_issuers_urls: Vec::new(),
                    crl_lifetime: Span::days(7),
                    ra_lifetime: Span::days(365),
                    url: None,
                    ca_bundle_path: None,
                    tls_fingerprint: None,
                    proxy: None,
                    timeout: Span::seconds(10),
                    max_in_flight: 16,
                    accept_shorter_validity: false,
                    $( $section: Default::default(), )+
                }
            }
        }

        impl Issuer {
            /// The sections of kinds in which something is set: which kind's, and the section's name.
            #[must_use]
            pub fn sections(&self) -> Vec<(IssuerKind, &'static str)> {
                let mut set = Vec::new();
                $( if self.$section != <$settings>::default() {
                    set.push((IssuerKind::$kind, stringify!($section)));
                } )+
                set
            }
        }
    };
}

// One line a kind. `docs/extending.md` names the other places.
kinds! {
    /// The PKI secrets engine of HashiCorp Vault or OpenBao.
    Vault = "vault", vault: vault::Vault;
    /// step-ca.
    StepCa = "step-ca", step_ca: step_ca::StepCa;
    /// EJBCA, by its REST API.
    Ejbca = "ejbca", ejbca: ejbca::Ejbca;
    /// Active Directory Certificate Services, by their web service or their pages.
    Adcs = "adcs", adcs: adcs::Adcs;
    /// Another SCEP server.
    Scep = "scep", scep: scep::Scep;
    /// Google Certificate Authority Service.
    GoogleCas = "google-cas", google_cas: google_cas::GoogleCas;
    /// AWS Private CA.
    AwsPca = "aws-pca", aws_pca: aws_pca::AwsPca;
}

/// Addresses as they may be shown: without what may be a password or a token in them.
fn shown<S: Serializer>(urls: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(urls.iter().map(|url| AskedUrl::new(url.as_str())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_may_be_secret_in_an_address_is_not_shown() {
        let urls = || vec!["http://u:canary@pki.example.com/ca.crl?token=canary".to_owned()];
        let issuer = Issuer {
            cdp_urls: urls(),
            ocsp_urls: urls(),
            ca_issuers_urls: urls(),
            ..Issuer::default()
        };
        let shown = toml::to_string(&issuer).unwrap();
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(shown.matches("@pki.example.com/ca.crl?token=").count(), 3);
    }

    #[test]
    fn each_kind_is_named_in_the_example_and_in_the_documents() {
        let documents = include_str!("../../docs/issuers.md");
        let printed = include_str!("example.toml");
        for (_, name) in IssuerKind::ELSEWHERE {
            assert!(documents.contains(&format!("\n| `{name}` |")), "{name}");
            assert!(printed.contains(&format!("type = \"{name}\".")), "{name}");
        }
    }

    #[test]
    fn what_is_set_in_a_section_is_known() {
        let mut issuer = Issuer::default();
        assert_eq!(issuer.sections(), []);
        issuer.vault.role = "scepd".to_owned();
        assert_eq!(issuer.sections(), [(IssuerKind::Vault, "vault")]);
    }
}
