//! The one way in: changes are staged, written with one flush, then shown.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::chain::{ChainStart, Head};
use super::clock;
use super::engine::encoded;
use super::high_water_mark::HighWaterMark;
use super::mark_pages::MarkPages;
use super::stage::{Refusal, Stage};
use super::staged::{Next, StagedWrites};
use super::wire::{self, CertificateFacts};
use super::{SledStore, State};
use crate::time::Noted;
use crate::{Change, Committed, Conflict, Result, SCHEMA_VERSION, StoreTime};

/// What only the one who writes may change.
pub(super) struct Writer {
    pub(super) next: Next,
    /// None in a store that is only looked at.
    pub(super) mark: Option<HighWaterMark>,
    /// The time that is on disk.
    pub(super) noted: Option<Noted>,
    pub(super) pages: MarkPages,
    /// The layout's version when the chain's end was written, as far as the rules of the chain go.
    pub(super) chain_schema: u32,
    /// What the kept audit events say of the chain's beginning.
    pub(super) chain_start: ChainStart,
}

impl SledStore {
    pub(super) fn commit_changes(
        &self,
        changes: &[Change],
        time: StoreTime,
    ) -> Result<Vec<std::result::Result<Committed, Conflict>>> {
        let mut writer = self.writer()?;
        let mut all = StagedWrites::new(writer.next);
        let mut answers = Vec::with_capacity(changes.len());
        let upgrade;
        {
            let state = self.state();
            self.stage_upgrade(&state, &writer, &mut all, time.wall())?;
            upgrade = all.writes.len();
            for change in changes {
                let passed = wire::micros(time.passed());
                match Stage::change(&self.engine, &state, &writer.pages, &all, change, passed) {
                    Ok((staged, done)) => {
                        all.absorb(staged);
                        answers.push(Ok(done));
                    }
                    Err(Refusal::Conflict(conflict)) => answers.push(Err(conflict)),
                    Err(Refusal::Failed(error)) => return Err(error),
                }
            }
        }
        if all.writes.len() == upgrade {
            return Ok(answers);
        }
        // Should what follows fail, a page that is not on disk counts as empty.
        writer.pages.advance(&all.pages, &all.marks);
        writer
            .pages
            .sweep(&self.engine, &mut all, wire::micros(time.passed()))?;
        self.finish(&mut writer, all, |_| ())?;
        if writer.chain_start == ChainStart::Old {
            writer.chain_start = ChainStart::Told;
        }
        Ok(answers)
    }

    /// Writes how much time has passed, where that is news.
    pub(super) fn note_time(&self) -> Result<()> {
        let mut writer = self.writer()?;
        let all = StagedWrites::new(writer.next);
        match self.clock.noted() {
            // A change has to bring the chain's rules up to this version first.
            Some(now)
                if writer.chain_schema == SCHEMA_VERSION
                    && clock::is_news(writer.noted.as_ref(), &now) =>
            {
                self.finish(&mut writer, all, |_| ())
            }
            _ => Ok(()),
        }
    }

    /// Makes what is staged durable, the upgrade of an earlier layout included, then shows it;
    /// `shown` is what else the indexes are to learn.
    pub(super) fn finish(
        &self,
        writer: &mut Writer,
        mut all: StagedWrites,
        shown: impl FnOnce(&mut State),
    ) -> Result<()> {
        if all.next.head != writer.next.head {
            all.writes
                .insert(Head::key(), Some(encoded(all.next.head.encode())?));
        }
        let news = self.clock.noted();
        let news = news.filter(|now| clock::is_news(writer.noted.as_ref(), now));
        if let Some(now) = &news {
            let record = encoded(clock::encode(now))?;
            all.writes.insert(clock::key(), Some(record));
        }
        let records = all.writes.len();
        let mut batch = sled::Batch::default();
        for (key, value) in std::mem::take(&mut all.writes) {
            match value {
                Some(value) => {
                    let compression = self.engine.compression();
                    let kept = compression.kept(&key, value, |key, dictionary| {
                        batch.insert(key, dictionary);
                    });
                    batch.insert(key, kept);
                }
                None => batch.remove(key),
            }
        }
        self.write(batch, records)?;
        if let Some(mark) = &writer.mark
            && all.next.head != writer.next.head
        {
            let noted = mark.note(&all.next.head);
            noted.inspect_err(|_| self.stopped.store(true, Ordering::Release))?;
        }
        writer.next = all.next;
        writer.noted = news.or(writer.noted);
        writer.chain_schema = SCHEMA_VERSION;
        self.show(|state| {
            apply(state, all)?;
            shown(state);
            Ok(())
        })
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

fn apply(state: &mut State, staged: StagedWrites) -> Result<()> {
    for octets in &staged.events {
        state.push_event(&wire::event_view(octets)?, octets);
    }
    for (digest, octets) in &staged.certificates {
        state.push_certificate(*digest, &CertificateFacts::decode(octets)?);
    }
    for (ca, number, revoked) in staged.revoked {
        if revoked {
            state.revoke(ca, number);
        } else {
            state.release(&ca, number);
        }
    }
    for entry in staged.enrollments {
        state.put_enrollment(entry);
    }
    for (number, due) in staged.notices {
        state.notices.put(number, due);
    }
    for (digest, open) in staged.challenges {
        state.challenges.put(digest, open);
    }
    for token in staged.tokens {
        state.put_token(token);
    }
    Ok(())
}
