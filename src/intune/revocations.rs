//! Revocations that Intune asks for, and those that the sweep of devices finds: fetched once an hour, made durable before
//! anything is done, held where there are too many, and reported.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use actors::{RevokeError, Runtime, revoke};
use chrono::{DateTime, TimeDelta, Utc};
use intune_cloud::{Outcome as Result_, Tenant};
use pki::{RevocationReason, Serial};
use store::{AuditDetails, AuditEvent, CertificateRecord, Change, Op, Outcome};

use super::batch::{DecideError, Decision, Done, Held, Item, OnHold, Rules, State};
use crate::auth::tokens::By;

/// How long Intune hands nothing out after a download, with a margin.
const COOL_DOWN: TimeDelta = TimeDelta::minutes(65);

/// After a failure before Intune was asked, so long.
const SOON: TimeDelta = TimeDelta::minutes(5);

/// After a sweep that failed, so long.
const SWEEP_AGAIN: TimeDelta = TimeDelta::minutes(15);

/// Over how long revocations are added up for the safety brake.
const DAY: TimeDelta = TimeDelta::hours(24);

/// One tenant's revoker: alone with its state.
pub struct Revoker {
    pub(super) tenant: Arc<Tenant>,
    pub(super) runtime: Arc<Runtime>,
    /// Path ids of the profiles that the tenant's devices enroll through, and what they were called before.
    profiles: Vec<String>,
    /// Those of them that are no other tenant's.
    pub(super) alone: Vec<String>,
    pub(super) rules: Rules,
    turn: tokio::sync::Mutex<()>,
    retry: Mutex<Option<DateTime<Utc>>>,
    retry_sweep: Mutex<Option<DateTime<Utc>>>,
    /// When it was last looked at when the app's credential ends.
    pub(super) looked: Mutex<Option<DateTime<Utc>>>,
}

impl Revoker {
    /// Of a tenant whose devices enroll through these profiles, and of those of them that are no other tenant's.
    pub fn new(
        tenant: Arc<Tenant>,
        runtime: Arc<Runtime>,
        (profiles, alone): (Vec<String>, Vec<String>),
        rules: Rules,
    ) -> Self {
        Self {
            tenant,
            runtime,
            profiles,
            alone,
            rules,
            turn: tokio::sync::Mutex::default(),
            retry: Mutex::default(),
            retry_sweep: Mutex::default(),
            looked: Mutex::default(),
        }
    }

    /// Whether it is of this very tenant, with the same rules.
    pub fn is_of(
        &self,
        tenant: &Arc<Tenant>,
        (profiles, alone): (&[String], &[String]),
        rules: Rules,
    ) -> bool {
        Arc::ptr_eq(&self.tenant, tenant)
            && (&*self.profiles, &*self.alone, self.rules) == (profiles, alone, rules)
    }

    /// Whether revocations of any origin are handled.
    pub const fn is_active(&self) -> bool {
        self.rules.fetches || self.rules.sweep.is_some()
    }

    pub(super) fn actor(&self) -> String {
        format!("Intune, tenant {}", self.tenant.id())
    }

    /// The tenant's id.
    pub fn id(&self) -> &str {
        self.tenant.id()
    }

    fn key(&self) -> String {
        format!("intune/revocations/{}", self.tenant.id())
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.runtime.services.clock.now()
    }

    /// What is kept.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn state(&self) -> Result<State, String> {
        let (store, key) = (Arc::clone(&self.runtime.services.store), self.key());
        let kept = tokio::task::spawn_blocking(move || store.setting(&key)).await;
        let kept = kept.map_err(|error| error.to_string())?;
        let kept = kept.map_err(|error| error.to_string())?;
        Ok(kept
            .and_then(|octets| serde_json::from_slice(&octets).ok())
            .unwrap_or_default())
    }

    pub(super) async fn keep(
        &self,
        state: &State,
        event: Option<AuditEvent>,
    ) -> Result<(), String> {
        let value = serde_json::to_vec(state).map_err(|error| error.to_string())?;
        let mut change = Change::new().with(Op::PutSetting {
            key: self.key(),
            value,
        });
        if let Some(event) = event {
            change.push(event);
        }
        let kept = self.runtime.services.journal.commit(change, None).await;
        kept.map(drop).map_err(|error| error.to_string())
    }

    /// Does what is due: goes on with the last batch, or asks for the next one.
    pub async fn turn(&self) {
        let Ok(_alone) = self.turn.try_lock() else {
            return;
        };
        if let Err(error) = self.try_turn().await {
            tracing::warn!(
                tenant = self.tenant.id(),
                error,
                "revocations that Intune asks for could not be handled; it is tried again"
            );
        }
        if let Err(error) = self.try_sweep().await {
            tracing::warn!(
                tenant = self.tenant.id(),
                error,
                "the devices of the tenant could not be swept, so nothing is done about them; it is tried again"
            );
        }
        self.look_at_the_credential().await;
    }

    /// Looks through the directories, if it is time and nothing else is under way.
    async fn try_sweep(&self) -> Result<(), String> {
        let mut state = self.state().await?;
        let now = self.now();
        let retry = *self
            .retry_sweep
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let rests = retry.is_some_and(|until| now < until && until - now <= SWEEP_AGAIN);
        if !state.items.is_empty() || rests || !self.is_sweep_due(&state, now) {
            return Ok(());
        }
        let swept = self.sweep(&mut state).await;
        *self
            .retry_sweep
            .lock()
            .unwrap_or_else(PoisonError::into_inner) =
            swept.is_err().then(|| self.now() + SWEEP_AGAIN);
        swept?;
        match state.items.is_empty() {
            true => Ok(()),
            false => self.carry_out(state).await,
        }
    }

    async fn try_turn(&self) -> Result<(), String> {
        let mut state = self.state().await?;
        if state.held.is_some() || !self.is_active() {
            return Ok(());
        }
        if !state.items.is_empty() {
            return self.finish(state).await;
        }
        if !self.rules.fetches {
            return Ok(());
        }
        let now = self.now();
        let waits = |until: Option<DateTime<Utc>>| until.is_some_and(|until| now < until);
        let retry = *self.retry.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back makes nobody wait for longer than the cool-down.
        let asked = state.asked.filter(|asked| *asked <= now);
        if waits(asked.map(|asked| asked + COOL_DOWN)) || waits(retry) {
            return Ok(());
        }
        // Kept before Intune is asked: a crash must not make it ask again within the cool-down.
        if let Err(error) = self.tenant.services().await {
            self.retry_soon(now);
            return Err(error.to_string());
        }
        state.asked = Some(now);
        self.keep(&state, None).await?;
        let wanted = self.tenant.download_revocations().await;
        let wanted = wanted.map_err(|error| error.to_string())?;
        if wanted.is_empty() {
            return Ok(());
        }
        state.items = wanted.into_iter().map(Item::from).collect();
        self.carry_out(state).await
    }

    /// Revokes a batch, or holds it where it is too large.
    async fn carry_out(&self, mut state: State) -> Result<(), String> {
        let now = self.now();
        let (brake, is_sweep) = (self.rules.brake, state.is_of_sweep());
        state.done.retain(|(at, _)| now - *at < DAY);
        let (found, live) = self.weigh(&state).await?;
        let earlier: u64 = state.done.iter().map(|(_, count)| count).sum();
        let allowed = (live * u64::from(brake.percent) / 100).max(brake.least);
        if earlier + found > allowed {
            state.held = Some(now);
            let who = match is_sweep {
                true => "The sweep of devices",
                false => "Intune",
            };
            let words = format!(
                "{who} wants {found} certificates revoked, {earlier} were in the last 24 hours, and {allowed} of {live} may be: \
                 the batch is held until an admin releases or refuses it"
            );
            tracing::error!(
                tenant = self.tenant.id(),
                found,
                allowed,
                by = who,
                "revocations of a tenant are held until they are released or refused"
            );
            let event = self.event("intune_revocations_held", Outcome::Pending, words);
            return self.keep(&state, Some(event)).await;
        }
        self.keep(&state, None).await?;
        self.finish(state).await
    }

    fn retry_soon(&self, now: DateTime<Utc>) {
        *self.retry.lock().unwrap_or_else(PoisonError::into_inner) = Some(now + SOON);
    }

    /// How many certificates of a batch are live, and how many the tenant has.
    async fn weigh(&self, state: &State) -> Result<(u64, u64), String> {
        let mut found = 0;
        for item in &state.items {
            let record = self.find(&item.serial).await?;
            found += u64::from(record.is_some_and(|record| record.revoked.is_none()));
        }
        let (store, profiles, now) = (
            Arc::clone(&self.runtime.services.store),
            self.profiles.clone(),
            self.now(),
        );
        let live = tokio::task::spawn_blocking(move || {
            let mut live = 0;
            for profile in profiles {
                let query = store::CertificateQuery {
                    profile: Some(profile),
                    status: Some(store::CertificateStatus::Valid),
                    per_page: 1,
                    ..store::CertificateQuery::default()
                };
                live += store.certificates(&query, now)?.total;
            }
            Ok::<u64, store::Error>(live)
        });
        let live = live.await.map_err(|error| error.to_string())?;
        Ok((found, live.map_err(|error| error.to_string())?))
    }

    /// The certificate that a serial stands for: as it was sent, then hex in any form, then decimal.
    async fn find(&self, serial: &str) -> Result<Option<CertificateRecord>, String> {
        let (store, profiles) = (
            Arc::clone(&self.runtime.services.store),
            self.profiles.clone(),
        );
        let readings = Serial::readings(serial);
        let found = tokio::task::spawn_blocking(move || {
            for reading in readings {
                let records = store.certificates_with_serial(reading.as_bytes())?;
                let own = records
                    .into_iter()
                    .find(|record| profiles.contains(&record.profile));
                if own.is_some() {
                    return Ok::<_, store::Error>(own);
                }
            }
            Ok(None)
        });
        let found = found.await.map_err(|error| error.to_string())?;
        found.map_err(|error| error.to_string())
    }

    /// Revokes what is left of a batch, and reports it.
    async fn finish(&self, mut state: State) -> Result<(), String> {
        let now = self.now();
        let mut revoked = 0;
        for index in 0..state.items.len() {
            let Some(item) = state.items.get(index).filter(|item| item.result.is_none()) else {
                continue;
            };
            let (done, on_hold) = self.revoke_one(item).await?;
            revoked += u64::from(done == Done::Revoked);
            state.on_hold.extend(on_hold);
            if let Some(item) = state.items.get_mut(index) {
                item.result = Some(done);
            }
        }
        if revoked > 0 {
            state.done.push((now, revoked));
        }
        let is_sweep = state.is_of_sweep();
        self.keep(&state, None).await?;
        let told = state.items.iter().filter(|item| !item.context.is_empty());
        let outcomes: Vec<Result_> = told.map(Item::outcome).collect();
        if !outcomes.is_empty() {
            self.tenant
                .upload_results(&outcomes)
                .await
                .map_err(|error| error.to_string())?;
        }
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for item in &state.items {
            *counts.entry(item.word()).or_default() += 1;
        }
        let counts: Vec<String> = counts
            .into_iter()
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        let (action, words) = match is_sweep {
            true => ("intune_sweep_done", "the sweep of devices is carried out"),
            false => (
                "intune_revocations_reported",
                "revocations that Intune asked for are reported",
            ),
        };
        let words = format!("{words}: {}", counts.join(", "));
        state.items.clear();
        let event = self.event(action, Outcome::Success, words);
        self.keep(&state, Some(event)).await
    }

    async fn revoke_one(&self, item: &Item) -> Result<(Done, Option<OnHold>), String> {
        let Some(record) = self.find(&item.serial).await? else {
            return Ok((Done::NotFound, None));
        };
        let on_hold = OnHold {
            ca: hex::encode(record.ca.as_bytes()),
            serial: hex::encode(&record.serial),
        };
        let order = actors::Revocation {
            ca: record.ca,
            serial: Serial::new(record.serial),
            reason: match item.hold {
                true => RevocationReason::CertificateHold,
                false => RevocationReason::CessationOfOperation,
            },
            by: self.actor(),
            by_type: "System".to_owned(),
            note: Some(
                item.why
                    .clone()
                    .unwrap_or_else(|| "Intune asked for it".to_owned()),
            ),
            request_id: String::new(),
        };
        match revoke(&self.runtime.services, order).await {
            Ok(_) => Ok((Done::Revoked, item.hold.then_some(on_hold))),
            // One that waits for its issuer is durable, and is tried until it is done.
            Err(RevokeError::Already | RevokeError::Waits(_)) => Ok((Done::Revoked, None)),
            Err(RevokeError::Unknown) => Ok((Done::NotFound, None)),
            Err(RevokeError::Refused(_) | RevokeError::NotOnHold) => Ok((Done::Refused, None)),
            Err(RevokeError::Failed(error)) => Err(error.to_string()),
        }
    }

    /// The certificates of a batch that is held, at most so many.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn held(&self, state: &State, most: usize) -> Result<Vec<Held>, String> {
        let mut held = Vec::new();
        if state.held.is_none() {
            return Ok(held);
        }
        for item in state.items.iter().take(most) {
            if let Some(record) = self.find(&item.serial).await? {
                held.push(Held {
                    serial: hex::encode(&record.serial),
                    common_name: record.common_name,
                    device: record.device,
                });
            }
        }
        Ok(held)
    }

    /// Releases or refuses a batch that is held; the next turn carries it out. Says of how many revocations.
    ///
    /// # Errors
    /// [`DecideError`]
    pub async fn decide(&self, decision: Decision, by: &By) -> Result<usize, DecideError> {
        let _alone = self.turn.lock().await;
        let mut state = self.state().await.map_err(DecideError::Failed)?;
        if state.held.take().is_none() {
            return Err(DecideError::NothingHeld);
        }
        let count = state.items.len();
        let (action, words) = match decision {
            Decision::Release => (
                "intune_revocations_released",
                format!("{count} revocations that Intune asked for are released"),
            ),
            Decision::Refuse => {
                for item in &mut state.items {
                    item.result = Some(Done::Refused);
                    if item.context.is_empty() {
                        state.spared.push(item.serial.clone());
                    }
                }
                (
                    "intune_revocations_refused",
                    format!("{count} revocations that Intune asked for are refused"),
                )
            }
        };
        let mut event = self.event(action, Outcome::Success, words);
        event.actor.clone_from(&by.name);
        by.kind.clone_into(&mut event.actor_type);
        event.details.request_id.clone_from(&by.request_id);
        let kept = self.keep(&state, Some(event)).await;
        kept.map(|()| count).map_err(DecideError::Failed)
    }

    pub(super) fn event(&self, action: &str, outcome: Outcome, words: String) -> AuditEvent {
        AuditEvent {
            timestamp: self.now(),
            actor: self.actor(),
            actor_type: "System".to_owned(),
            action: action.to_owned(),
            resource_type: "tenant".to_owned(),
            resource_id: self.tenant.id().to_owned(),
            details: AuditDetails {
                outcome: Some(outcome),
                message: Some(words),
                ..AuditDetails::default()
            },
        }
    }
}
