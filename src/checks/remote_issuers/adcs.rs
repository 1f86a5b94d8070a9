//! `[issuer.adcs]`.

use std::sync::Arc;

use issuer::Issuer;
use outbound::{Client, Options, Trust, Url};
use remote_issuers::adcs::{Adcs, Agent, Interface, Login, Settings};

use super::Opened;
use super::reading::Reading;
use crate::checks::pair;
use crate::checks::problem::Findings;
use crate::config::issuer_kinds::adcs::{AdcsAuth, AdcsInterface};

/// Reads the section and the credentials that it names.
pub(super) fn read(reading: &Reading<'_>, findings: &mut Findings) -> Option<Opened> {
    let adcs = &reading.settings.adcs;
    let url = reading.url(findings);
    let mut options = reading.options(findings);
    let login = match adcs.auth {
        AdcsAuth::Password => {
            let password = reading.secret(
                ("adcs.password", &adcs.password),
                ("adcs.password_file", &adcs.password_file),
                findings,
            );
            let username = reading.needed(&adcs.username, "adcs.username", findings);
            password
                .zip(username)
                .map(|(password, username)| Login::Password { username, password })
        }
        AdcsAuth::Cert => {
            let identity = reading.identity(
                ("adcs.client_cert_path", &adcs.client_cert_path),
                ("adcs.client_key_path", &adcs.client_key_path),
                findings,
            );
            if let Some(options) = &mut options {
                options.identity = identity;
            }
            Some(Login::Certificate)
        }
    };
    let interface = match adcs.interface {
        AdcsInterface::Ces => Interface::Ces,
        AdcsInterface::Certsrv => Interface::Certsrv,
    };
    if interface == Interface::Ces && reading.settings.chain_path.is_none() {
        findings.fail(
            &reading.at("chain_path"),
            "it is not set, and CES shows no CA certificate",
            "name a file with the CA's certificate and those above it, in PEM",
        );
    }
    let template = reading.needed(&adcs.template, "adcs.template", findings);
    let agent = agent(reading, findings);
    let options = options?;
    let crl = crl(reading, &options, findings);
    let opening = reading.opening(url?, options, findings)?;
    let settings = Settings {
        interface,
        template: template?,
        ra_template: adcs.ra_template.clone(),
        login: login?,
        agent,
        crl,
    };
    Some(Box::pin(async move {
        let adcs = Adcs::open(opening, settings).await?;
        Ok(Arc::new(adcs) as Arc<dyn Issuer>)
    }))
}

/// The enrollment agent, where one is set.
fn agent(reading: &Reading<'_>, findings: &mut Findings) -> Option<Agent> {
    let adcs = &reading.settings.adcs;
    let (certificate_at, key_at) = (
        reading.at("adcs.agent_cert_path"),
        reading.at("adcs.agent_key_path"),
    );
    match (&adcs.agent_cert_path, &adcs.agent_key_path) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            let chain = pair::certificates(reading.files, certificate, &certificate_at, findings)?;
            let key = pair::private_key(reading.files, key, &key_at, findings)?;
            let certificate = chain.into_iter().next()?;
            if certificate.public_key().spki_der() != key.public_key().spki_der() {
                findings.fail(
                    &key_at,
                    "it is not the key of adcs.agent_cert_path",
                    "name the two that belong together",
                );
                return None;
            }
            let is_agent = certificate
                .ext_key_usages()
                .iter()
                .any(|usage| usage == pki::oid::EKU_REQUEST_AGENT);
            if !is_agent {
                findings.warn(
                    &certificate_at,
                    "it has not the extended key usage Certificate Request Agent (1.3.6.1.4.1.311.20.2.1): ADCS takes no signature of it",
                    "have a certificate made by the template Enrollment Agent",
                );
            }
            Some(Agent { certificate, key })
        }
        (None, Some(_)) => {
            findings.fail(&certificate_at, "it is not set", "name the file");
            None
        }
        (Some(_), None) => {
            findings.fail(&key_at, "it is not set", "name the file");
            None
        }
    }
}

/// Where the CRL is. It is signed, so it may come without TLS, as distribution points do.
fn crl(reading: &Reading<'_>, options: &Options, findings: &mut Findings) -> Option<(Client, Url)> {
    let text = reading.settings.adcs.crl_url.as_ref()?;
    let location = reading.at("adcs.crl_url");
    let url = Url::parse(text.as_str()).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty()
    });
    let Some(url) = url else {
        findings.fail(
            &location,
            "it is no URL of a web server",
            "write http://host/name.crl",
        );
        return None;
    };
    let client = Client::new(Options {
        timeout: options.timeout,
        max_body: options.max_body,
        proxy: options.proxy.clone(),
        ..Options::new(Trust::System)
    });
    let client = client
        .inspect_err(|error| findings.fail(&location, error.to_string(), "see to the system"));
    Some((client.ok()?, url))
}
