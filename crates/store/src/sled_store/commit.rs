//! The one way in: changes are staged, written with one flush, then shown.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};

use super::chain::{self, Anchor, Head};
use super::keys::Kind;
use super::marks::Sheets;
use super::stage::{Next, Refusal, Stage, Staged};
use super::wire::{self, CertificateFacts};
use super::{SledStore, State};
use crate::{Change, Committed, Conflict, Error, Result};

/// What only the one who writes may change.
pub(super) struct Writer {
    pub(super) next: Next,
    pub(super) sheets: Sheets,
}

impl SledStore {
    pub(super) fn commit_changes(
        &self,
        changes: &[Change],
        now: DateTime<Utc>,
    ) -> Result<Vec<std::result::Result<Committed, Conflict>>> {
        let mut writer = self.writer()?;
        let mut all = Staged::new(writer.next);
        let mut answers = Vec::with_capacity(changes.len());
        {
            let state = self.state();
            for change in changes {
                match Stage::change(&self.engine, &state, &writer.sheets, &all, change) {
                    Ok((staged, done)) => {
                        all.absorb(staged);
                        answers.push(Ok(done));
                    }
                    Err(Refusal::Conflict(conflict)) => answers.push(Err(conflict)),
                    Err(Refusal::Failed(error)) => return Err(error),
                }
            }
        }
        if all.writes.is_empty() {
            return Ok(answers);
        }
        if all.next.head != writer.next.head {
            all.writes
                .insert(Head::key(), Some(encoded(all.next.head.encode())?));
        }
        // Should what follows fail, a sheet that is not on disk counts as empty.
        writer.sheets.advance(&all.sheets);
        writer
            .sheets
            .sweep(&self.engine, &mut all, wire::micros(now))?;
        let records = all.writes.len();
        let mut batch = sled::Batch::default();
        for (key, value) in std::mem::take(&mut all.writes) {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        self.write(batch, records)?;
        writer.next = all.next;
        self.show(|state| apply(state, all))?;
        Ok(answers)
    }

    pub(super) fn prune_events(
        &self,
        before: DateTime<Utc>,
        limit: usize,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        let _guard = self.pruning.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = self.writer()?;
        let before = wire::micros(before);
        let mut batch = sled::Batch::default();
        let mut last = Anchor::read(&self.engine)?;
        let first = last.map_or(0, |anchor| anchor.id).saturating_add(1);
        let mut pruned = 0;
        self.engine.numbered(Kind::Audit, first, |id, record| {
            let (digest, octets) = chain::split(record)?;
            let old = wire::event_view(octets)?.timestamp < before;
            // What is missing or was added is left for the check to find.
            let in_order = id == first + pruned && id <= writer.next.head.id;
            if !old || !in_order || pruned >= limit as u64 {
                return Ok(false);
            }
            batch.remove(Kind::Audit.id(id));
            last = Some(Anchor {
                id,
                digest: *digest,
                pruned_at: wire::micros(now),
            });
            pruned += 1;
            Ok(true)
        })?;
        if let (Some(anchor), true) = (last, pruned > 0) {
            batch.insert(Anchor::key(), encoded(anchor.encode())?);
            self.write(batch, pruned as usize)?;
            self.show(|state| {
                state.events.prune(anchor.id.saturating_add(1));
                Ok(())
            })?;
        }
        Ok(pruned)
    }

    /// Writes, or stops the store: after a failure nobody knows what is on disk.
    fn write(&self, batch: sled::Batch, records: usize) -> Result<()> {
        let written = self.engine.write(batch, records);
        written.inspect_err(|_| self.stopped.store(true, Ordering::Release))
    }

    /// Brings the indexes up to what is on disk.
    fn show(&self, change: impl FnOnce(&mut State) -> Result<()>) -> Result<()> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut state).inspect_err(|_| self.stopped.store(true, Ordering::Release))
    }
}

fn apply(state: &mut State, staged: Staged) -> Result<()> {
    for octets in &staged.events {
        state.push_event(&wire::event_view(octets)?);
    }
    for (digest, octets) in &staged.certificates {
        state.push_certificate(*digest, &CertificateFacts::decode(octets)?);
    }
    for (issuer_id, number) in &staged.revoked {
        state.revoke(issuer_id, *number);
    }
    for entry in staged.transactions {
        state.transactions.put(entry);
    }
    for token in staged.tokens {
        state.put_token(token);
    }
    Ok(())
}

/// For records of a fixed shape, which always fit.
fn encoded(octets: std::result::Result<Vec<u8>, Conflict>) -> Result<Vec<u8>> {
    octets.map_err(|conflict| Error::Engine {
        doing: "encode",
        message: conflict.to_string(),
    })
}
