//! Marks that have passed their time are removed on the way, a few with every commit.

use std::collections::BTreeSet;

use super::engine::Engine;
use super::keys::{Kind, MarkKey, marks_of};
use super::stage::Staged;
use crate::Result;

/// At most this many marks of a kind and profile are removed with one commit: more than are put
/// by one enrollment, so that it catches up.
const SWEPT_MAX: usize = 16;

/// Remembers which kinds and profiles have marks, and whose turn it is.
pub(super) struct Sweeper {
    marked: BTreeSet<(u8, String)>,
    turn: Option<(u8, String)>,
}

impl Sweeper {
    pub(super) const fn new(marked: BTreeSet<(u8, String)>) -> Self {
        Self { marked, turn: None }
    }

    /// Adds the removal of marks void at `now` (microseconds since 1970) to what is staged: of
    /// the profiles that got marks, and of one more in turn.
    pub(super) fn sweep(&mut self, engine: &Engine, staged: &mut Staged, now: i64) -> Result<()> {
        self.marked.extend(staged.marked.iter().cloned());
        let mut whose = staged.marked.clone();
        whose.extend(self.next_in_turn());
        for (letter, profile) in whose {
            let kind = if letter == Kind::Rate.letter() {
                Kind::Rate
            } else {
                Kind::Replay
            };
            let Some(from) = marks_of(kind, &profile) else {
                continue;
            };
            let Some(end) = void_end(kind, &profile, now) else {
                continue;
            };
            for key in engine.keys_in(&from, &end, SWEPT_MAX)? {
                staged.writes.entry(key.to_vec()).or_insert(None);
            }
        }
        Ok(())
    }

    fn next_in_turn(&mut self) -> Option<(u8, String)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = match self.turn.take() {
            Some(last) => self.marked.range((Excluded(last), Unbounded)).next(),
            None => None,
        };
        self.turn = after.or_else(|| self.marked.first()).cloned();
        self.turn.clone()
    }
}

/// The first key that is not void at `now`: marks end after it.
fn void_end(kind: Kind, profile: &str, now: i64) -> Option<Vec<u8>> {
    let at = (kind == Kind::Rate).then_some(i64::MIN);
    MarkKey {
        profile,
        until: now.saturating_add(1),
        digest: [0; 16],
        at,
    }
    .encode()
}
