//! What the checks let through: everything a server needs, read, parsed and immutable.

use std::collections::BTreeMap;
use std::sync::Arc;

use challenge::{StaticChallenges, TrustAnchors};
use chrono::{DateTime, Utc};
use issuer::{CertificatePolicy, Issuer};
use pki::Certificate;
use scep::Ra;
use warp::http::HeaderName;

use super::ra_files::{NewRa, OverRa};
use super::tenants::LoadedTenant;
use crate::config::{self, Secret};
use crate::hooks::challenge_webhook::WebhookSettings;
use crate::http::TlsIdentity;

/// A configuration with all of its files, good as a whole.
pub struct Loaded {
    /// The TLS server certificate and key.
    pub tls: LoadedTls,
    /// Issuers by id.
    pub issuers: BTreeMap<String, Arc<dyn Issuer>>,
    /// Profiles in the order of the configuration.
    pub profiles: Vec<LoadedProfile>,
    /// Intune's tenants.
    pub tenants: Vec<LoadedTenant>,
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
    /// RAs, the current one first, then those in their overlap. Never empty.
    pub ras: Vec<HeldRa>,
    /// The CA beside its RAs, where it opens what is encrypted to it.
    pub ca: Option<Ra>,
    /// The current RA, where it was made just now and is not on disk yet.
    pub new_ra: Option<NewRa>,
    /// The files of automatic RAs whose overlap is over.
    pub over_ras: Vec<OverRa>,
    /// The static challenges; may be none.
    pub static_challenges: StaticChallenges,
    /// The webhook of Jamf Pro, where it is on.
    pub jamf: Option<LoadedInterface>,
    /// The NDES page, where it is on.
    pub ndes: Option<LoadedInterface>,
    /// The webhook that is asked about challenges, or told how enrollments ended.
    pub challenge_webhook: Option<WebhookSettings>,
    /// The certificates of the proxy that devices come through, where they must.
    pub signers: Option<Vec<Certificate>>,
    /// CAs of mTLS clients, where mTLS is on.
    pub mtls: Option<Vec<Certificate>>,
    /// The connectors' certificates, where Intune is on.
    pub anchors: Option<Arc<TrustAnchors>>,
    /// The compliance webhook, where there is one.
    pub compliance: Option<LoadedCompliance>,
}

/// What an interface for MDMs must be shown.
#[derive(Debug, Clone)]
pub struct LoadedInterface {
    /// The header that must hold `secret`; `None`: Basic authentication.
    pub header: Option<HeaderName>,
    /// The password, or what the header must hold; `None`: a client certificate is enough.
    pub secret: Option<Secret>,
    /// The client certificates that may be shown, or their CAs, where one must be.
    pub clients: Option<Vec<Certificate>>,
}

/// An RA and until when it is held.
#[derive(Clone)]
pub struct HeldRa {
    /// Certificates and keys.
    pub ra: Ra,
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
            let settings = &profile.settings;
            let names: Vec<String> = std::iter::once(&settings.path_id)
                .chain(&settings.formerly)
                .cloned()
                .collect();
            let same = before
                .profiles
                .iter()
                .filter(|old| names.contains(&old.settings.path_id));
            for old in same {
                profile.keep_ras_of(old, now);
            }
            let ends = profile.ras.iter().filter_map(|ra| ra.until);
            self.reload_at = self.reload_at.into_iter().chain(ends).min();
        }
    }
}

impl Loaded {
    /// Automatic RAs that were made and are not on disk yet.
    #[must_use]
    pub fn new_ras(&self) -> Vec<NewRa> {
        let profiles = self.profiles.iter();
        profiles
            .filter_map(|profile| profile.new_ra.clone())
            .collect()
    }

    /// The files of automatic RAs whose overlap is over.
    #[must_use]
    pub fn over_ras(&self) -> Vec<OverRa> {
        let profiles = self.profiles.iter();
        profiles
            .flat_map(|profile| profile.over_ras.iter().cloned())
            .collect()
    }
}

impl LoadedProfile {
    fn keep_ras_of(&mut self, old: &Self, now: DateTime<Utc>) {
        let default_end = now + self.settings.ra_overlap.chrono();
        for ra in &old.ras {
            let certificate = &ra.ra.opens.certificate;
            let until = ra.until.unwrap_or(default_end).min(certificate.not_after());
            let known = self
                .ras
                .iter()
                .any(|held| held.ra.opens.certificate == *certificate);
            if !known && now < until {
                self.ras.push(HeldRa {
                    ra: ra.ra.clone(),
                    until: Some(until),
                });
            }
        }
    }

    /// The RAs in force at `now`, the current one first.
    #[must_use]
    pub fn ras_at(&self, now: DateTime<Utc>) -> Vec<Ra> {
        let in_force = |ra: &&HeldRa| ra.until.is_none_or(|until| now < until);
        self.ras
            .iter()
            .filter(in_force)
            .map(|ra| ra.ra.clone())
            .collect()
    }
}
