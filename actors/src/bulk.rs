//! Many certificates revoked, or released from hold, in one step: one change, one event, one CRL. Those of CAs that are
//! somewhere else become orders in the outbox in the same change, and are revoked there one by one.

use crate::remote_revocation;
use crate::revocation::{By, Revocation, RevokeError, commit};
use crate::shared::Services;
use chrono::{DateTime, SubsecRound, Utc};
use issuer::Issuer;
use pki::{RevocationReason, Serial};
use std::collections::{BTreeMap, HashSet};
use store::{
    AuditDetails, AuditEvent, CaId, CertificateQuery, CertificateRecord, CertificateStatus, Change,
    ON_HOLD, Op, Outcome, Store,
};

/// Certificates that one step changes, at most.
pub const MOST_AT_ONCE: usize = 50_000;

/// Certificates that are read from the store at once.
const PAGE: u32 = 1000;

/// Serial numbers that the event names, at most.
const NAMED: usize = 40;

/// How often a selection is made anew because somebody else changed one of its certificates meanwhile.
const TRIES: usize = 3;

/// Which certificates. Everything given must hold, and something has to be given.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// What the configuration called the issuer when it signed, exactly.
    pub issuer_id: Option<String>,
    /// The CA; where `issuer_id` is given as well, one of the two is enough.
    pub ca: Option<CaId>,
    /// The SCEP profile, exactly.
    pub profile: Option<String>,
    /// The device, whole, letter case ignored.
    pub device: Option<String>,
    /// A part of a name, serial or transactionID, letter case ignored.
    pub q: Option<String>,
    /// Issued at this time or later.
    pub issued_since: Option<DateTime<Utc>>,
    /// Issued before this time.
    pub issued_before: Option<DateTime<Utc>>,
    /// Those with one of these serials; empty = any.
    pub serials: Vec<Serial>,
    /// Revoked at exactly this time: what one step did.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What is done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// They are revoked, those on hold too unless this is a hold. Expired ones are left alone.
    Revoke(RevocationReason),
    /// Those on hold are released.
    Release,
}

/// What a step did.
#[derive(Debug, Clone)]
pub struct Done {
    /// As of when.
    pub at: DateTime<Utc>,
    /// How many certificates it changed, orders included.
    pub count: usize,
    /// For how many of them it left orders: their CA is somewhere else and is asked for each of them until it has answered.
    pub ordered: usize,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    /// The selection would be everything.
    #[error("say which certificates: a profile, a device, an issuer, a time or serial numbers")]
    Everything,
    /// There are too many.
    #[error("{0} certificates are more than can be changed at once, {MOST_AT_ONCE}: select fewer")]
    TooMany(u64),
    /// There are others than were expected.
    #[error("the selection has {found} certificates now, not {expected}: look at it again")]
    Unexpected {
        /// How many there are.
        found: usize,
        /// How many were expected.
        expected: usize,
    },
    /// A CA somewhere else has signed some of them, and this cannot be done there.
    #[error("certificates of issuer {issuer_id}: {why}; nothing was changed, leave them out")]
    Elsewhere {
        /// The issuer.
        issuer_id: String,
        /// What cannot be done.
        why: &'static str,
    },
    /// The store cannot be read.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// The change was not made.
    #[error("{0}")]
    Failed(#[from] RevokeError),
    /// The server ends.
    #[error("{0}")]
    BrokenOff(#[from] tokio::task::JoinError),
}

impl Selection {
    fn is_everything(&self) -> bool {
        let Self {
            issuer_id,
            ca,
            profile,
            device,
            q,
            issued_since,
            issued_before,
            serials,
            revoked_at,
        } = self;
        let texts = [issuer_id, profile, device, q];
        texts.into_iter().all(Option::is_none)
            && [issued_since, issued_before, revoked_at]
                .into_iter()
                .all(Option::is_none)
            && ca.is_none()
            && serials.is_empty()
    }

    fn query(&self, status: CertificateStatus, before: DateTime<Utc>) -> CertificateQuery {
        CertificateQuery {
            issuer_id: self.issuer_id.clone(),
            ca: self.ca,
            profile: self.profile.clone(),
            device: self.device.clone(),
            q: self.q.clone(),
            status: Some(status),
            since: self.issued_since,
            // What is issued meanwhile would move the pages.
            until: Some(self.issued_before.map_or(before, |until| until.min(before))),
            per_page: PAGE,
            ..CertificateQuery::default()
        }
    }

    /// In words, for the audit.
    fn words(&self) -> String {
        let time = |time: &DateTime<Utc>| time.to_rfc3339();
        let serials = match self.serials.len() {
            0 => None,
            many => Some(format!("{many} serials")),
        };
        let parts = [
            self.issuer_id.as_ref().map(|id| format!("issuer {id}")),
            self.profile
                .as_ref()
                .map(|path| format!("profile `{path}`")),
            self.device
                .as_ref()
                .map(|device| format!("device {device}")),
            self.q.as_ref().map(|text| format!("text `{text}`")),
            self.issued_since
                .as_ref()
                .map(|at| format!("issued since {}", time(at))),
            self.issued_before
                .as_ref()
                .map(|at| format!("issued before {}", time(at))),
            self.revoked_at
                .as_ref()
                .map(|at| format!("revoked at {}", time(at))),
            serials,
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(", ")
    }
}

/// The certificates that `act` would change, newest first. Blocks.
///
/// # Errors
/// [`BulkError`].
pub fn select(
    store: &dyn Store,
    selection: &Selection,
    act: Act,
    now: DateTime<Utc>,
) -> Result<Vec<CertificateRecord>, BulkError> {
    if selection.is_everything() {
        return Err(BulkError::Everything);
    }
    let on_hold = |record: &CertificateRecord| {
        let held = record.revoked.filter(|revoked| revoked.reason == ON_HOLD);
        held.is_some_and(|held| selection.revoked_at.is_none_or(|at| held.at == at))
    };
    let mut found = Vec::new();
    if act != Act::Release && selection.revoked_at.is_none() {
        found = search(store, selection, CertificateStatus::Valid, now, &|_| true)?;
    }
    if act != Act::Revoke(RevocationReason::CertificateHold) {
        let revoked = CertificateStatus::Revoked;
        found.extend(search(store, selection, revoked, now, &on_hold)?);
    }
    if found.len() > MOST_AT_ONCE {
        return Err(BulkError::TooMany(found.len() as u64));
    }
    Ok(found)
}

fn search(
    store: &dyn Store,
    selection: &Selection,
    status: CertificateStatus,
    now: DateTime<Utc>,
    fits: &dyn Fn(&CertificateRecord) -> bool,
) -> Result<Vec<CertificateRecord>, BulkError> {
    let serials: HashSet<&[u8]> = selection.serials.iter().map(Serial::minimal).collect();
    let mut query = selection.query(status, now);
    let mut found = Vec::new();
    loop {
        query.page = query.page.saturating_add(1);
        let page = store.certificates(&query, now)?;
        let last = page.data.len() < PAGE as usize;
        found.extend(page.data.into_iter().filter(|record| {
            let serial = Serial::new(record.serial.clone());
            (serials.is_empty() || serials.contains(serial.minimal())) && fits(record)
        }));
        if last {
            return Ok(found);
        }
        if found.len() > MOST_AT_ONCE {
            return Err(BulkError::TooMany(page.total));
        }
    }
}

/// Does it to all of them or to none, with one event, and says as of when. `expected` is how many there were when somebody
/// looked.
///
/// # Errors
/// [`BulkError`]; then nothing has changed.
pub async fn change_many(
    services: &Services,
    selection: Selection,
    act: Act,
    expected: Option<usize>,
    by: By,
) -> Result<Done, BulkError> {
    let mut tries = 1;
    loop {
        let tried = change_once(services, &selection, act, expected, by.clone()).await;
        match tried {
            // Somebody else was quicker with one of them.
            Err(BulkError::Failed(RevokeError::Already | RevokeError::NotOnHold))
                if tries < TRIES =>
            {
                tries += 1;
            }
            done => return done,
        }
    }
}

async fn change_once(
    services: &Services,
    selection: &Selection,
    act: Act,
    expected: Option<usize>,
    by: By,
) -> Result<Done, BulkError> {
    // To the millisecond, as the API writes times: it is what the step is found again by.
    let now = services.clock.now().trunc_subsecs(3);
    let (store, wanted) = (services.store.clone(), selection.clone());
    let found = tokio::task::spawn_blocking(move || select(&*store, &wanted, act, now)).await??;
    if let Some(expected) = expected.filter(|expected| *expected != found.len()) {
        let found = found.len();
        return Err(BulkError::Unexpected { found, expected });
    }
    let (found, elsewhere) = apart(services, found, act)?;
    let (count, ordered) = (found.len() + elsewhere.len(), elsewhere.len());
    let done = Done {
        at: now,
        count,
        ordered,
    };
    if count == 0 {
        return Ok(done);
    }
    let mut change = Change::new();
    for record in &elsewhere {
        if let Act::Revoke(reason) = act {
            let order = order(record, reason, &by);
            change.push(remote_revocation::order(services, record, &order)?);
        }
    }
    for record in &found {
        let (ca, serial) = (record.ca, record.serial.clone());
        change.push(match act {
            Act::Revoke(reason) => Op::Revoke {
                ca,
                serial,
                at: now,
                reason: reason.number(),
            },
            Act::Release => Op::Release { ca, serial },
        });
    }
    let all = found.iter().chain(&elsewhere);
    change.push(event(selection, act, all, ordered, by, now));
    commit(services, change).await?;
    let mut serials: BTreeMap<CaId, Vec<&[u8]>> = BTreeMap::new();
    for record in &found {
        let of_ca = serials.entry(record.ca).or_default();
        of_ca.push(&record.serial);
        if let Act::Revoke(reason) = act {
            services.compromised.revoked(record, reason);
        }
    }
    for (ca, serials) in serials {
        services.crls.changed(&ca, &serials);
    }
    Ok(done)
}

/// Those whose CA is here, and those for which an issuer somewhere else has to be asked.
///
/// # Errors
/// [`BulkError::Elsewhere`]: what is to be done cannot be done there.
fn apart(
    services: &Services,
    found: Vec<CertificateRecord>,
    act: Act,
) -> Result<(Vec<CertificateRecord>, Vec<CertificateRecord>), BulkError> {
    let mut known: BTreeMap<CaId, bool> = BTreeMap::new();
    let (mut here, mut elsewhere) = (Vec::with_capacity(found.len()), Vec::new());
    for record in found {
        let is_elsewhere = match known.get(&record.ca) {
            Some(known) => *known,
            None => {
                let issuer = services.remotes.of(&record.ca);
                if let Some(issuer) = &issuer {
                    may_be_done(&**issuer, act).map_err(|why| BulkError::Elsewhere {
                        issuer_id: record.issuer_id.clone(),
                        why,
                    })?;
                }
                known.insert(record.ca, issuer.is_some());
                issuer.is_some()
            }
        };
        match is_elsewhere {
            true => elsewhere.push(record),
            false => here.push(record),
        }
    }
    Ok((here, elsewhere))
}

/// Whether an issuer somewhere else can be asked to do it.
fn may_be_done(issuer: &dyn Issuer, act: Act) -> Result<(), &'static str> {
    match act {
        Act::Release => Err("their CA is somewhere else, where a hold is taken back"),
        Act::Revoke(RevocationReason::CertificateHold) => {
            Err("their CA is somewhere else, from where no hold can be taken back")
        }
        Act::Revoke(_)
            if !issuer
                .remote()
                .is_some_and(|remote| remote.revokes() || remote.revokes_by_hand()) =>
        {
            Err("they cannot be revoked from here: do so at the issuer")
        }
        Act::Revoke(_) => Ok(()),
    }
}

/// How many of these have a CA somewhere else, which is asked for each of them.
#[must_use]
pub fn elsewhere(services: &Services, found: &[CertificateRecord]) -> usize {
    let cas: HashSet<CaId> = found.iter().map(|record| record.ca).collect();
    let remote: HashSet<CaId> = cas
        .into_iter()
        .filter(|ca| services.remotes.of(ca).is_some())
        .collect();
    found
        .iter()
        .filter(|record| remote.contains(&record.ca))
        .count()
}

fn order(record: &CertificateRecord, reason: RevocationReason, by: &By) -> Revocation {
    Revocation {
        ca: record.ca,
        serial: Serial::new(record.serial.clone()),
        reason,
        by: by.name.clone(),
        by_type: by.kind.clone(),
        note: by.note.clone(),
        request_id: by.request_id.clone().unwrap_or_default(),
    }
}

fn event<'a>(
    selection: &Selection,
    act: Act,
    found: impl Iterator<Item = &'a CertificateRecord>,
    ordered: usize,
    by: By,
    now: DateTime<Utc>,
) -> AuditEvent {
    let (action, reason, did) = match act {
        Act::Revoke(RevocationReason::CertificateHold) => (
            "cert_revoke_many",
            RevocationReason::CertificateHold,
            "put on hold",
        ),
        Act::Revoke(reason) => ("cert_revoke_many", reason, "revoked"),
        Act::Release => (
            "cert_release_many",
            RevocationReason::RemoveFromCrl,
            "released from hold",
        ),
    };
    let mut serials: Vec<String> = found.map(|one| hex::encode(&one.serial)).collect();
    serials.sort_unstable();
    let count = serials.len();
    let digest = pki::sha256(serials.join("\n").as_bytes());
    let named: Vec<&str> = serials.iter().take(NAMED).map(String::as_str).collect();
    let mut message = format!(
        "{count} certificates {did} in one step: {}",
        selection.words()
    );
    if ordered > 0 {
        message.push_str(&format!(
            "; {ordered} of them by issuers elsewhere, as soon as each has answered"
        ));
    }
    let mut extra = BTreeMap::from([
        ("count".to_owned(), count.to_string()),
        ("selection".to_owned(), selection.words()),
        ("serials".to_owned(), named.join(" ")),
        ("serials_sha256".to_owned(), hex::encode(digest)),
    ]);
    if ordered > 0 {
        extra.insert("ordered".to_owned(), ordered.to_string());
    }
    AuditEvent {
        timestamp: now,
        actor: by.name,
        actor_type: by.kind,
        action: action.to_owned(),
        resource_type: "certificate".to_owned(),
        resource_id: String::new(),
        details: AuditDetails {
            outcome: Some(match ordered == count {
                true => Outcome::Pending,
                false => Outcome::Success,
            }),
            reason: Some(reason.name().to_owned()),
            message: Some(message),
            profile: selection.profile.clone(),
            issuer_id: selection.issuer_id.clone(),
            device: selection.device.clone(),
            note: by.note,
            request_id: by.request_id,
            extra,
            ..AuditDetails::default()
        },
    }
}
