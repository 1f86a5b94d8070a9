//! `[issuer.google_cas]`.

use std::path::PathBuf;
use std::sync::Arc;

use issuer::Issuer;
use outbound::{Url, endpoint};
use remote_issuers::google_cas::{GoogleCas, Login, Settings, subject_file};

use super::Opened;
use super::reading::{Reading, of_file};
use crate::checks::problem::Findings;
use crate::config::issuer_kinds::google_cas::GoogleAuth;

/// Where the API is, unless something else is set.
const USUAL_URL: &str = "https://privateca.googleapis.com";

/// Reads the section and the credentials that it names.
pub(super) fn read(reading: &Reading<'_>, findings: &mut Findings) -> Option<Opened> {
    let google = &reading.settings.google_cas;
    let url = match &reading.settings.url {
        Some(_) => reading.url(findings),
        None => endpoint(USUAL_URL).ok(),
    };
    let pool = reading.path(&google.pool, "google_cas.pool", findings);
    let parts: Vec<&str> = pool.split('/').collect();
    if !pool.is_empty() && !matches!(parts[..], ["projects", _, "locations", _, "caPools", _]) {
        findings.fail(
            &reading.at("google_cas.pool"),
            "it is not the whole name of a CA pool",
            "write projects/PROJECT/locations/LOCATION/caPools/POOL",
        );
    }
    let named = |name: &Option<String>, at, findings: &mut Findings| {
        name.as_ref().map(|name| reading.path(name, at, findings))
    };
    let ca = named(&google.ca, "google_cas.ca", findings);
    let template = named(&google.template, "google_cas.template", findings);
    let login = login(reading, findings);
    let options = reading.options(findings);
    let opening = reading.opening(url?, options?, findings)?;
    let settings = Settings {
        pool,
        ca,
        template,
        login: login?,
    };
    Some(Box::pin(async move {
        let google = GoogleCas::open(opening, settings).await?;
        Ok(Arc::new(google) as Arc<dyn Issuer>)
    }))
}

fn login(reading: &Reading<'_>, findings: &mut Findings) -> Option<Login> {
    let google = &reading.settings.google_cas;
    let set = |path: &Option<PathBuf>, at: &'static str, findings: &mut Findings| {
        if path.is_none() {
            findings.fail(
                &reading.at(at),
                "it is not set",
                "name the file that holds the credential",
            );
        }
        path.clone()
    };
    match google.auth {
        GoogleAuth::Metadata => {
            let location = reading.at("google_cas.metadata_url");
            match Url::parse(google.metadata_url.as_str()) {
                Ok(url) if matches!(url.scheme(), "http" | "https") => Some(Login::Metadata(url)),
                _ => {
                    findings.fail(&location, "it is no URL", "write http://host");
                    None
                }
            }
        }
        GoogleAuth::ServiceAccount => {
            let at = "google_cas.key_file";
            let path = set(&google.key_file, at, findings)?;
            reading
                .files
                .read_secret(&path, &reading.at(at), findings)?;
            Some(Login::ServiceAccount(of_file(path)))
        }
        GoogleAuth::WorkloadIdentity => {
            let at = "google_cas.config_file";
            let path = set(&google.config_file, at, findings)?;
            let location = reading.at(at);
            let content = reading.files.read(&path, &location, findings)?;
            let text = String::from_utf8_lossy(&content.bytes).into_owned();
            let subject = subject_file(&text).inspect_err(|what| {
                findings.fail(
                    &location.in_file(&path),
                    what.clone(),
                    "make one by gcloud iam workload-identity-pools create-cred-config --credential-source-file",
                );
            });
            Some(Login::Workload {
                config: of_file(path.clone()),
                subject: of_file(subject.ok()?),
            })
        }
    }
}
