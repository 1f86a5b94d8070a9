//! `[issuer.vault]`.

use std::sync::Arc;

use issuer::Issuer;
use remote_issuers::vault::{Login, Settings, Vault};

use super::Opened;
use super::reading::{Reading, of_file};
use crate::checks::problem::Findings;
use crate::config::issuer_kinds::vault::VaultAuth;

/// Reads the section and the credentials that it names.
pub(super) fn read(reading: &Reading<'_>, findings: &mut Findings) -> Option<Opened> {
    let vault = &reading.settings.vault;
    let url = reading.url(findings);
    let login = login(reading, findings);
    let mut options = reading.options(findings);
    if vault.auth == VaultAuth::Cert {
        let identity = reading.identity(
            ("vault.client_cert_path", &vault.client_cert_path),
            ("vault.client_key_path", &vault.client_key_path),
            findings,
        );
        if let Some(options) = &mut options {
            options.identity = identity;
        }
    }
    let mount = reading.path(&vault.mount, "vault.mount", findings);
    let role = reading.path(&vault.role, "vault.role", findings);
    let optional = |name: &Option<String>, at, findings: &mut Findings| {
        name.as_ref().map(|name| reading.path(name, at, findings))
    };
    let ra_role = optional(&vault.ra_role, "vault.ra_role", findings);
    let issuer_ref = optional(&vault.issuer_ref, "vault.issuer_ref", findings);
    let opening = reading.opening(url?, options?, findings)?;
    let settings = Settings {
        namespace: vault.namespace.clone(),
        mount,
        role,
        ra_role,
        issuer_ref,
        login: login?,
    };
    Some(Box::pin(async move {
        let vault = Vault::open(opening, settings).await?;
        Ok(Arc::new(vault) as Arc<dyn Issuer>)
    }))
}

fn login(reading: &Reading<'_>, findings: &mut Findings) -> Option<Login> {
    let settings = &reading.settings.vault;
    let mount = |usual: &str, findings: &mut Findings| {
        let mount = settings.auth_mount.as_deref().unwrap_or(usual);
        reading.path(mount, "vault.auth_mount", findings)
    };
    match settings.auth {
        VaultAuth::Token => Some(Login::Token(reading.secret(
            ("vault.token", &settings.token),
            ("vault.token_file", &settings.token_file),
            findings,
        )?)),
        VaultAuth::AppRole => {
            let mount = mount("approle", findings);
            let secret_id = reading.secret(
                ("vault.secret_id", &settings.secret_id),
                ("vault.secret_id_file", &settings.secret_id_file),
                findings,
            );
            let role_id = reading.needed(&settings.role_id, "vault.role_id", findings);
            Some(Login::AppRole {
                mount,
                role_id: role_id?,
                secret_id: secret_id?,
            })
        }
        VaultAuth::Kubernetes => {
            let mount = mount("kubernetes", findings);
            let role = reading.needed(&settings.auth_role, "vault.auth_role", findings);
            // The kubelet's file belongs to root and may be read by the pod.
            let location = reading.at("vault.jwt_file");
            reading
                .files
                .read(&settings.jwt_file, &location, findings)?;
            Some(Login::Kubernetes {
                mount,
                role: role?,
                jwt: of_file(settings.jwt_file.clone()),
            })
        }
        VaultAuth::Cert => Some(Login::Certificate {
            mount: mount("cert", findings),
            name: settings.auth_role.clone(),
        }),
    }
}
