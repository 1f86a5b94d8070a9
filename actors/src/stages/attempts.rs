//! Calls that brought no end: each is durable, some are said in the audit, and another one follows while the stage has time.

use super::{Step, Work};
use crate::audit;
use crate::outside::{Next, Remote};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;
use store::Change;

/// A call that brought no end.
pub(super) struct Tried {
    why: String,
    /// When the other side wants to be asked again.
    after: Option<Duration>,
    /// Whether it was a failure: the other side is not at work, and was called.
    failed: bool,
}

impl Tried {
    pub(super) fn later(why: &str, after: Duration) -> Self {
        Self {
            why: why.to_owned(),
            after: Some(after),
            failed: false,
        }
    }

    pub(super) fn failed(why: String, after: Option<Duration>) -> Self {
        Self {
            why,
            after,
            failed: true,
        }
    }

    pub(super) fn unanswered() -> Self {
        Self::failed("there was no answer in time".to_owned(), None)
    }

    pub(super) fn not_called(wait: Duration) -> Self {
        Self::later(
            "nobody is called: too many failures in a row, or too many calls at a time",
            wait,
        )
    }
}

/// Why there is no next call.
pub(super) enum Stop {
    /// The stage has had its time, or its tries; why the last one failed.
    Spent(String),
    /// The enrollment cannot go on now.
    End(Step),
}

impl Work {
    /// Ends the enrollment, or leaves it as it is, where there is no next call.
    pub(super) async fn stop(&mut self, stop: Stop) -> Step {
        match stop {
            Stop::Spent(why) => self.broken(&why).await,
            Stop::End(step) => step,
        }
    }

    /// Notes a call that brought no end, and waits for the next one.
    pub(super) async fn again(&mut self, remote: &Remote, tried: Tried) -> Result<(), Stop> {
        let shared = Arc::clone(&self.shared);
        let (clock, rules) = (&*shared.services.clock, &shared.spec.outside);
        self.record.attempts = self.record.attempts.saturating_add(1);
        self.context.failed = self.context.failed.saturating_add(u32::from(tried.failed));
        let counts = (self.record.attempts, self.context.failed);
        let passed = shared.passed();
        let since = *self.context.since.get_or_insert(passed);
        let spent = passed.signed_duration_since(since);
        let next = rules.next(counts, spent, tried.after, clock.chance());
        let Next::After(pause) = next else {
            return Err(Stop::Spent(tried.why));
        };
        let mut change = Change::new();
        let words = self.attempt_words(remote, &tried, pause);
        // What failed is durable. That the other side is at work, or that nobody was called, is so only where it is said,
        // or where the right to go on would run out: thousands may wait for one of a few places.
        let is_durable = tried.failed || words.is_some() || !self.is_held_for(pause);
        if let Some(words) = words {
            let (record, context, now) = (&self.record, &self.context, shared.now());
            let name = remote.name();
            change.push(audit::attempt(&shared, record, context, name, &words, now));
        }
        if is_durable && let Err(failure) = self.put_for(change, pause).await {
            return Err(Stop::End(self.failed(&failure)));
        }
        clock.wait_until(clock.instant() + pause).await;
        Ok(())
    }

    /// Whether no other node takes it before a call that begins in so long has its end.
    fn is_held_for(&self, pause: Duration) -> bool {
        let needed = pause.saturating_add(self.shared.spec.outside.call);
        let needed = TimeDelta::from_std(needed).ok();
        let until = needed.and_then(|needed| self.shared.passed().checked_add_signed(needed));
        let lease = self.record.lease.as_ref();
        lease.is_some_and(|lease| until.is_some_and(|until| until < lease.until))
    }

    /// What the timeline says of a call: the first, each that ends otherwise than the one before, and of a long row ever
    /// fewer.
    fn attempt_words(&mut self, remote: &Remote, tried: &Tried, pause: Duration) -> Option<String> {
        let attempts = self.record.attempts;
        let is_new = self.said.as_deref() != Some(&tried.why);
        if !is_new && !attempts.is_power_of_two() {
            return None;
        }
        self.said = Some(tried.why.clone());
        let seconds = pause.as_secs_f64();
        Some(format!(
            "{} was asked: {}; call {attempts} of this stage, the next in {seconds:.0} s",
            remote.name(),
            tried.why
        ))
    }
}
