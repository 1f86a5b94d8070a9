//! `[issuer.ejbca]`.

use std::sync::Arc;

use issuer::Issuer;
use outbound::{Client, Options, Trust, endpoint};
use remote_issuers::ejbca::{Ejbca, Login, Profiles, Settings};

use super::Opened;
use super::reading::Reading;
use crate::checks::pair;
use crate::checks::problem::Findings;
use crate::config::issuer_kinds::ejbca::EjbcaAuth;

/// Reads the section and the credentials that it names.
pub(super) fn read(reading: &Reading<'_>, findings: &mut Findings) -> Option<Opened> {
    let ejbca = &reading.settings.ejbca;
    let url = reading.url(findings);
    let mut options = reading.options(findings);
    if ejbca.auth == EjbcaAuth::Cert {
        let identity = reading.identity(
            ("ejbca.client_cert_path", &ejbca.client_cert_path),
            ("ejbca.client_key_path", &ejbca.client_key_path),
            findings,
        );
        if let Some(options) = &mut options {
            options.identity = identity;
        }
    }
    let login = login(reading, options.as_ref(), findings);
    let ca = reading.needed(&ejbca.ca, "ejbca.ca", findings);
    let certificate = reading.needed(
        &ejbca.certificate_profile,
        "ejbca.certificate_profile",
        findings,
    );
    let end_entity = reading.needed(
        &ejbca.end_entity_profile,
        "ejbca.end_entity_profile",
        findings,
    );
    let ra_profiles = match (&ejbca.ra_certificate_profile, &ejbca.ra_end_entity_profile) {
        (None, None) => None,
        (certificate, end_entity) => {
            let certificate = reading.needed(certificate, "ejbca.ra_certificate_profile", findings);
            let end_entity = reading.needed(end_entity, "ejbca.ra_end_entity_profile", findings);
            Some(Profiles {
                certificate: certificate?,
                end_entity: end_entity?,
            })
        }
    };
    let opening = reading.opening(url?, options?, findings)?;
    let settings = Settings {
        ca: ca?,
        profiles: Profiles {
            certificate: certificate?,
            end_entity: end_entity?,
        },
        ra_profiles,
        sends_end_time: ejbca.send_end_time,
        login: login?,
    };
    Some(Box::pin(async move {
        let ejbca = Ejbca::open(opening, settings).await?;
        Ok(Arc::new(ejbca) as Arc<dyn Issuer>)
    }))
}

fn login(
    reading: &Reading<'_>,
    options: Option<&Options>,
    findings: &mut Findings,
) -> Option<Login> {
    let ejbca = &reading.settings.ejbca;
    match ejbca.auth {
        EjbcaAuth::Cert => Some(Login::Certificate),
        EjbcaAuth::Token => Some(Login::Token(reading.secret(
            ("ejbca.token", &ejbca.token),
            ("ejbca.token_file", &ejbca.token_file),
            findings,
        )?)),
        EjbcaAuth::OAuth => {
            let client_secret = reading.secret(
                ("ejbca.client_secret", &ejbca.client_secret),
                ("ejbca.client_secret_file", &ejbca.client_secret_file),
                findings,
            );
            let client_id = reading.needed(&ejbca.client_id, "ejbca.client_id", findings);
            let location = reading.at("ejbca.token_url");
            let token_url = match &ejbca.token_url {
                None => {
                    findings.fail(&location, "it is not set", "write https://host/path");
                    None
                }
                Some(url) => endpoint(url.as_str())
                    .inspect_err(|error| findings.fail(&location, error.to_string(), "correct it"))
                    .ok(),
            };
            let bundle = reading.at("ejbca.token_ca_bundle_path");
            let trust = match &ejbca.token_ca_bundle_path {
                None => Trust::System,
                Some(path) => {
                    let roots = pair::certificates(reading.files, path, &bundle, findings)?;
                    Trust::Roots(roots.iter().map(|root| root.der().to_vec()).collect())
                }
            };
            let options = options?;
            let client = Client::new(Options {
                timeout: options.timeout,
                proxy: options.proxy.clone(),
                ..Options::new(trust)
            });
            let client = client.inspect_err(|error| {
                findings.fail(&location, error.to_string(), "correct its TLS settings");
            });
            Some(Login::OAuth {
                client: client.ok()?,
                token_url: token_url?,
                client_id: client_id?,
                client_secret: client_secret?,
                scope: ejbca.scope.clone(),
            })
        }
    }
}
