//! `[issuer.step_ca]`.

use std::path::PathBuf;
use std::sync::Arc;

use issuer::Issuer;
use outbound::endpoint;
use remote_issuers::Credential;
use remote_issuers::step_ca::{Proof, RootPin, Settings, StepCa};

use super::Opened;
use super::reading::{Reading, fingerprint, of_file};
use crate::checks::pair;
use crate::checks::problem::Findings;
use crate::config::issuer_kinds::step_ca::StepCaAuth;

/// Reads the section and the credentials that it names.
pub(super) fn read(reading: &Reading<'_>, findings: &mut Findings) -> Option<Opened> {
    let step = &reading.settings.step_ca;
    let url = reading.url(findings);
    if step.provisioner.trim().is_empty() {
        findings.fail(
            &reading.at("step_ca.provisioner"),
            "it is not set",
            "write the name that it has there (`scepd issuer role step-ca` prints how to make one)",
        );
    }
    let proof = proof(reading, findings);
    if let Some(audience) = &step.audience
        && let Err(error) = endpoint(audience)
    {
        findings.fail(
            &reading.at("step_ca.audience"),
            error.to_string(),
            "write https:// and one of the dnsNames in ca.json",
        );
    }
    let intermediates = step.intermediate_path.as_deref().and_then(|path| {
        let location = reading.at("step_ca.intermediate_path");
        pair::certificates(reading.files, path, &location, findings)
    });
    let options = reading.options(findings);
    // The root is never sent in a handshake, so it is asked for by its fingerprint, as `step ca bootstrap` does.
    let root = match &reading.settings.tls_fingerprint {
        Some(text) => Some(fingerprint(text, &reading.at("tls_fingerprint"), findings)?),
        None => None,
    };
    let options = options?;
    let root = root.map(|fingerprint| RootPin {
        fingerprint,
        options: options.clone(),
    });
    let opening = reading.opening(url?, options, findings)?;
    let settings = Settings {
        provisioner: step.provisioner.clone(),
        proof: proof?,
        audience: step.audience.clone(),
        intermediates: intermediates.unwrap_or_default(),
        root,
    };
    Some(Box::pin(async move {
        let ca = StepCa::open(opening, settings).await?;
        Ok(Arc::new(ca) as Arc<dyn Issuer>)
    }))
}

fn proof(reading: &Reading<'_>, findings: &mut Findings) -> Option<Proof> {
    let step = &reading.settings.step_ca;
    match step.auth {
        StepCaAuth::Jwk => {
            let key = secret_file(reading, "step_ca.key_file", &step.key_file, findings);
            let password = match (&step.password, &step.password_file) {
                (None, None) => None,
                _ => Some(reading.secret(
                    ("step_ca.password", &step.password),
                    ("step_ca.password_file", &step.password_file),
                    findings,
                )?),
            };
            Some(Proof::Jwk {
                key: key?,
                password,
            })
        }
        StepCaAuth::X5c => {
            // The pair is looked at here, and read again for each token.
            let (chain, key) = (
                ("step_ca.x5c_cert_path", &step.x5c_cert_path),
                ("step_ca.x5c_key_path", &step.x5c_key_path),
            );
            reading.identity(chain, key, findings)?;
            Some(Proof::X5c {
                chain: of_file(chain.1.clone()?),
                key: of_file(key.1.clone()?),
            })
        }
    }
}

/// A file that must be there and private, and is read anew each time.
fn secret_file(
    reading: &Reading<'_>,
    setting: &'static str,
    path: &Option<PathBuf>,
    findings: &mut Findings,
) -> Option<Credential> {
    let location = reading.at(setting);
    let Some(path) = path else {
        findings.fail(
            &location,
            "it is not set",
            "name the file that holds the credential",
        );
        return None;
    };
    reading.files.read_secret(path, &location, findings)?;
    Some(of_file(path.clone()))
}
