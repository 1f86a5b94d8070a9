//! What the checks let through: everything a server needs, read, parsed and immutable.

use std::collections::BTreeMap;
use std::sync::Arc;

use challenge::TrustAnchors;
use chrono::{DateTime, Utc};
use issuer::{CertificatePolicy, Issuer};
use pki::Certificate;
use scep::RaIdentity;

use crate::config::{self, Secret};
use crate::http::TlsIdentity;

/// A configuration with all of its files, good as a whole.
pub struct Loaded {
    /// The TLS server certificate and key.
    pub tls: LoadedTls,
    /// Issuers by id.
    pub issuers: BTreeMap<String, Arc<dyn Issuer>>,
    /// Profiles in the order of the configuration.
    pub profiles: Vec<LoadedProfile>,
    /// What the admin side needs.
    pub admin: LoadedAdmin,
    /// When to load again at the latest: an automatic RA certificate is due, or the overlap of a
    /// replaced one ends. `None` when nothing changes by itself.
    pub reload_at: Option<DateTime<Utc>>,
}

/// The TLS server certificate and key, known to belong together and to be of use to TLS.
pub struct LoadedTls {
    /// The certificate.
    pub certificate: Certificate,
    /// With its chain and key, ready for listeners.
    pub identity: TlsIdentity,
}

/// One profile.
pub struct LoadedProfile {
    /// The settings.
    pub settings: config::Profile,
    /// Who signs.
    pub issuer: Arc<dyn Issuer>,
    /// What is signed, with this profile's rule on names in renewals.
    pub policy: Arc<CertificatePolicy>,
    /// RA certificates, the current one first, then those in their overlap. Never empty.
    pub ras: Vec<HeldRa>,
    /// The static challenge password.
    pub challenge_password: Option<Secret>,
    /// CAs of mTLS clients, where mTLS is on.
    pub mtls: Option<Vec<Certificate>>,
    /// The connectors' certificates, where Intune is on.
    pub anchors: Option<Arc<TrustAnchors>>,
    /// The compliance webhook, where there is one.
    pub compliance: Option<LoadedCompliance>,
}

/// An RA certificate and until when it is held.
#[derive(Clone)]
pub struct HeldRa {
    /// Certificate and key.
    pub identity: RaIdentity,
    /// The end of its overlap; `None` for the current one.
    pub until: Option<DateTime<Utc>>,
}

/// The compliance webhook.
#[derive(Debug, Clone)]
pub struct LoadedCompliance {
    /// The settings.
    pub settings: config::Compliance,
    /// The https address.
    pub url: String,
    /// Key of the HMAC.
    pub hmac_secret: Option<Secret>,
    /// CAs of the webhook's certificate, PEM; `None` = the system's.
    pub ca_bundle: Option<Vec<Certificate>>,
}

/// What the admin side needs.
#[derive(Debug, Clone, Default)]
pub struct LoadedAdmin {
    /// Token that `/metrics` asks for.
    pub metrics_token: Option<Secret>,
    /// The OIDC provider's keys from a file: a JWK set.
    pub oidc_keys: Option<Vec<u8>>,
}

impl Loaded {
    /// Keeps, for profiles whose RA files were exchanged since `before`, the old RA pair until its
    /// overlap ends, so that requests already encrypted to it still open.
    pub fn carry_over(&mut self, before: &Self, now: DateTime<Utc>) {
        for profile in &mut self.profiles {
            let path_id = &profile.settings.path_id;
            if let Some(old) = before
                .profiles
                .iter()
                .find(|old| old.settings.path_id == *path_id)
            {
                profile.keep_ras_of(old, now);
            }
            let ends = profile.ras.iter().filter_map(|ra| ra.until);
            self.reload_at = self.reload_at.into_iter().chain(ends).min();
        }
    }
}

impl LoadedProfile {
    fn keep_ras_of(&mut self, old: &Self, now: DateTime<Utc>) {
        let default_end = now + self.settings.ra_overlap.chrono();
        for ra in &old.ras {
            let certificate = &ra.identity.certificate;
            let until = ra.until.unwrap_or(default_end).min(certificate.not_after());
            let known = self
                .ras
                .iter()
                .any(|held| held.identity.certificate == *certificate);
            if !known && now < until {
                self.ras.push(HeldRa {
                    identity: ra.identity.clone(),
                    until: Some(until),
                });
            }
        }
    }

    /// The RA identities in force at `now`, the current one first.
    #[must_use]
    pub fn identities(&self, now: DateTime<Utc>) -> Vec<RaIdentity> {
        let in_force = |ra: &&HeldRa| ra.until.is_none_or(|until| now < until);
        self.ras
            .iter()
            .filter(in_force)
            .map(|ra| ra.identity.clone())
            .collect()
    }
}
