//! The sweep of devices: who has a certificate and is deleted, wiped, retired or disabled in the directories.

use std::collections::BTreeMap;

use actors::{By, RevokeError, release};
use chrono::{DateTime, TimeDelta, Utc};
use intune_cloud::{Listing, Presence};
use pki::{Serial, SubjectAltNames};
use store::{CaId, CertificateQuery, CertificateRecord, CertificateStatus, ON_HOLD, Outcome};

use super::batch::{Item, OnHold, State, Sweep, Swept};
use super::revocations::Revoker;

/// Certificates that are looked at in one step.
const AT_ONCE: u32 = 1000;

/// Certificates of one sweep that are asked about one by one; the rest is for the next.
const MOST: usize = 5000;

/// How far tenants lie apart, at most, that would be swept at the same time.
const SPREAD: TimeDelta = TimeDelta::minutes(10);

/// Whose a certificate is.
struct Holder {
    device: Option<String>,
    user: Option<String>,
}

impl Holder {
    /// Of what the gates let in alone: what came by a static challenge says of itself what it likes.
    fn of(record: &CertificateRecord) -> Option<Self> {
        if !record.is_through_gates() {
            return None;
        }
        let device = record.device.clone().filter(|id| intune_cloud::is_guid(id));
        let sans = SubjectAltNames::parse(&record.sans).unwrap_or_default();
        let user = sans.upn.first().cloned();
        (device.is_some() || user.is_some()).then_some(Self { device, user })
    }

    /// The worst of both: gone counts more than disabled.
    fn worst(device: Option<Presence>, user: Option<Presence>) -> Presence {
        let rank = |presence: &Presence| match presence {
            Presence::Present => 0,
            Presence::Disabled(_) => 1,
            Presence::Gone(_) => 2,
        };
        let both = device.into_iter().chain(user);
        both.max_by_key(rank).unwrap_or(Presence::Present)
    }

    fn in_lists(&self, listing: &Listing) -> Presence {
        Self::worst(
            self.device.as_deref().map(|id| listing.device(id)),
            self.user.as_deref().map(|name| listing.user(name)),
        )
    }
}

impl Revoker {
    /// Whether the directories are to be looked through now.
    pub(super) fn is_sweep_due(&self, state: &State, now: DateTime<Utc>) -> bool {
        let Some(sweep) = self.rules.sweep else {
            return false;
        };
        // A clock that was set back makes nobody wait for longer than the usual time.
        let last = state.swept.at.filter(|at| *at <= now);
        last.is_none_or(|at| now >= at + sweep.every + self.own_minutes())
    }

    /// Tenants are not all swept at the same time.
    fn own_minutes(&self) -> TimeDelta {
        let [first, ..] = pki::sha256(self.id().as_bytes());
        SPREAD * i32::from(first) / 256
    }

    /// Looks through the directories: releases what is good again, and leaves in the state what is to be revoked or held.
    pub(super) async fn sweep(&self, state: &mut State) -> Result<(), String> {
        let Some(sweep) = self.rules.sweep else {
            return Ok(());
        };
        let now = self.now();
        let certificates = self.live().await?;
        let with_users = certificates.iter().any(|(_, holder)| holder.user.is_some())
            || !state.on_hold.is_empty();
        let listing = self.tenant.listing(with_users).await;
        let listing = listing.map_err(|error| error.to_string())?;
        let (managed, registered) = listing.devices();
        let mut swept = Swept {
            at: Some(now),
            managed,
            registered,
            looked_at: certificates.len(),
            ..Swept::default()
        };
        swept.released = self.release_enabled(state, &listing, sweep).await?;
        let suspect = |(_, holder): &&(CertificateRecord, Holder)| {
            holder.in_lists(&listing) != Presence::Present
        };
        let mut items = Vec::new();
        for (record, holder) in certificates.iter().filter(suspect).take(MOST) {
            let serial = hex::encode(&record.serial);
            let (hold, why) = match self.asked_alone(holder).await? {
                Presence::Present => continue,
                Presence::Disabled(why) => (true, why),
                Presence::Gone(why) => (false, why),
            };
            match hold {
                true => swept.disabled += 1,
                false => swept.gone += 1,
            }
            if !state.spared.contains(&serial) {
                items.push(Item::of_sweep(serial, hold, why));
            }
        }
        let live: Vec<String> = certificates
            .iter()
            .map(|(record, _)| hex::encode(&record.serial))
            .collect();
        state.spared.retain(|serial| live.contains(serial));
        let found = swept.gone + swept.disabled;
        state.swept = swept;
        if !sweep.enforces {
            let event = (found > 0).then(|| self.observed(&state.swept, &items));
            return self.keep(state, event).await;
        }
        // What is to be done becomes durable with the decision whether it is too much.
        state.items = items;
        match state.items.is_empty() {
            true => self.keep(state, None).await,
            false => Ok(()),
        }
    }

    fn observed(&self, swept: &Swept, items: &[Item]) -> store::AuditEvent {
        let named = items.iter().filter_map(|item| item.why.as_deref());
        let named: Vec<&str> = named.take(20).collect();
        let words = format!(
            "the sweep of devices would revoke {} certificates and put {} on hold, of {}: {}",
            swept.gone,
            swept.disabled,
            swept.looked_at,
            named.join("; ")
        );
        self.event("intune_sweep_observed", Outcome::Success, words)
    }

    /// Nothing is done by what a list says: a list that changes while it is read may lack an entry.
    async fn asked_alone(&self, holder: &Holder) -> Result<Presence, String> {
        let device = match &holder.device {
            Some(id) => Some(self.tenant.device_presence(id).await),
            None => None,
        };
        let user = match &holder.user {
            Some(name) => Some(self.tenant.user_presence(name).await),
            None => None,
        };
        let device = device.transpose().map_err(|error| error.to_string())?;
        let user = user.transpose().map_err(|error| error.to_string())?;
        Ok(Holder::worst(device, user))
    }

    /// Takes certificates off hold whose device and user are enabled again. Those that somebody else has revoked or
    /// released meanwhile are forgotten.
    async fn release_enabled(
        &self,
        state: &mut State,
        listing: &Listing,
        sweep: Sweep,
    ) -> Result<usize, String> {
        let mut released = 0;
        let mut left = Vec::new();
        for held in std::mem::take(&mut state.on_hold) {
            let Some((ca, record)) = self.on_hold(&held).await? else {
                continue;
            };
            let present = Holder::of(&record)
                .is_none_or(|holder| holder.in_lists(listing) == Presence::Present);
            if !present || !sweep.enforces {
                left.push(held);
                continue;
            }
            let by = By {
                name: self.actor(),
                kind: "System".to_owned(),
                note: Some("its device and user are enabled again".to_owned()),
                request_id: None,
            };
            let serial = Serial::new(record.serial);
            match release(&self.runtime.services, ca, &serial, by).await {
                Ok(_) => released += 1,
                Err(RevokeError::NotOnHold | RevokeError::Unknown | RevokeError::Already) => {}
                Err(_) => left.push(held),
            }
        }
        state.on_hold = left;
        Ok(released)
    }

    /// The certificate that was put on hold, if it still is.
    async fn on_hold(&self, held: &OnHold) -> Result<Option<(CaId, CertificateRecord)>, String> {
        let octets = (hex::decode(&held.ca).ok(), hex::decode(&held.serial).ok());
        let (Some(ca), Some(serial)) = octets else {
            return Ok(None);
        };
        let Ok(ca) = <[u8; 16]>::try_from(ca.as_slice()) else {
            return Ok(None);
        };
        let ca = CaId::from_bytes(ca);
        let store = self.runtime.services.store.clone();
        let found = tokio::task::spawn_blocking(move || store.certificate(&ca, &serial)).await;
        let found = found.map_err(|error| error.to_string())?;
        let found = found.map_err(|error| error.to_string())?;
        let on_hold = |record: &CertificateRecord| {
            record
                .revoked
                .is_some_and(|revoked| revoked.reason == ON_HOLD)
        };
        Ok(found.filter(on_hold).map(|record| (ca, record)))
    }

    /// The valid certificates of the profiles that are the tenant's alone, with whose they are.
    async fn live(&self) -> Result<Vec<(CertificateRecord, Holder)>, String> {
        let now = self.now();
        let mut live = BTreeMap::new();
        for profile in &self.alone {
            for page in 1.. {
                let query = CertificateQuery {
                    profile: Some(profile.clone()),
                    status: Some(CertificateStatus::Valid),
                    page,
                    per_page: AT_ONCE,
                    ..CertificateQuery::default()
                };
                let store = self.runtime.services.store.clone();
                let found =
                    tokio::task::spawn_blocking(move || store.certificates(&query, now)).await;
                let found = found.map_err(|error| error.to_string())?;
                let found = found.map_err(|error| error.to_string())?.data;
                let is_last = found.len() < AT_ONCE as usize;
                for mut record in found {
                    if let Some(holder) = Holder::of(&record) {
                        // The certificate itself is not needed, and there may be many.
                        record.der = Vec::new();
                        live.insert(
                            (record.ca.as_bytes().to_vec(), record.serial.clone()),
                            (record, holder),
                        );
                    }
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(live.into_values().collect())
    }
}
