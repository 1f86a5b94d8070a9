//! The enrollments that a profile has under way, and those that it just finished.
//!
//! The store is asked for an earlier answer before the actor decides, on another thread. What
//! becomes durable between that look and the decision is found in `recent`, so a finished
//! enrollment must stay there for longer than a request can take.

use crate::answer::Answer;
use crate::enrollment::{Key, PriorResult, Reserved};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Longer than any request between its look into the store and its decision.
const REMEMBER: Duration = Duration::from_secs(90);

struct InFlight {
    reserved: Reserved,
    waiting: Vec<oneshot::Sender<Answer>>,
}

#[derive(Default)]
pub(crate) struct Transactions {
    in_flight: HashMap<Key, InFlight>,
    recent: HashMap<Key, (Instant, PriorResult)>,
    order: VecDeque<(Instant, Key)>,
}

impl Transactions {
    /// Joins an enrollment that is under way; its answer comes through the receiver.
    pub(crate) fn join(&mut self, key: &Key) -> Option<oneshot::Receiver<Answer>> {
        let in_flight = self.in_flight.get_mut(key)?;
        let (tell, told) = oneshot::channel();
        in_flight.waiting.push(tell);
        Some(told)
    }

    pub(crate) fn is_in_flight(&self, key: &Key) -> bool {
        self.in_flight.contains_key(key)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The newest state of a transaction that changed in the last minute.
    pub(crate) fn recent(&self, key: &Key) -> Option<&PriorResult> {
        self.recent.get(key).map(|(_, known)| known)
    }

    pub(crate) fn begin(&mut self, key: Key, reserved: Reserved) {
        self.in_flight.insert(
            key,
            InFlight {
                reserved,
                waiting: Vec::new(),
            },
        );
    }

    /// Says what an enrollment under way took.
    pub(crate) fn hold(&mut self, key: &Key, reserved: Reserved) {
        if let Some(in_flight) = self.in_flight.get_mut(key) {
            in_flight.reserved = reserved;
        }
    }

    /// Ends an enrollment: whoever joined gets `answer`; what it took comes back to be kept or
    /// given back.
    pub(crate) fn end(&mut self, key: &Key, answer: &Answer) -> Option<Reserved> {
        let ended = self.in_flight.remove(key)?;
        for waiting in ended.waiting {
            // Who no longer waits needs no answer.
            let _ = waiting.send(answer.clone());
        }
        Some(ended.reserved)
    }

    pub(crate) fn remember(&mut self, key: Key, known: PriorResult, now: Instant) {
        self.forget(now);
        self.order.push_back((now, key));
        self.recent.insert(key, (now, known));
    }

    /// Lets go of what finished long enough ago, and of the memory that a burst took.
    pub(crate) fn forget(&mut self, now: Instant) {
        let before = self.order.len();
        while let Some((at, oldest)) = self.order.front().copied() {
            if now.saturating_duration_since(at) < REMEMBER {
                break;
            }
            self.order.pop_front();
            // A later change of the same transaction has its own place further back.
            if self
                .recent
                .get(&oldest)
                .is_some_and(|(noted, _)| *noted == at)
            {
                self.recent.remove(&oldest);
            }
        }
        if self.order.len() < before && self.order.len() < self.order.capacity() / 4 {
            let room = self.order.len() * 2;
            self.order.shrink_to(room);
            self.recent.shrink_to(room);
            self.in_flight.shrink_to(room);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use chrono::DateTime;
    use store::Stage;

    fn known() -> PriorResult {
        PriorResult {
            stage: Stage::AwaitingApproval { until: None },
            updated_at: DateTime::UNIX_EPOCH,
            needs_approval: true,
            profile: std::sync::Arc::default(),
            version: 1,
            waiting: None,
            ended: None,
            refused: None,
        }
    }

    #[test]
    fn whoever_joins_gets_the_answer_and_the_next_one_starts_anew() {
        let mut transactions = Transactions::default();
        let key = [1; 16];
        assert!(transactions.join(&key).is_none());
        transactions.begin(key, Reserved::none(DateTime::UNIX_EPOCH));
        let mut first = transactions.join(&key).unwrap();
        let mut second = transactions.join(&key).unwrap();
        transactions.end(&key, &Answer::Pending);
        assert!(matches!(first.try_recv(), Ok(Answer::Pending)));
        assert!(matches!(second.try_recv(), Ok(Answer::Pending)));
        assert!(transactions.join(&key).is_none());
    }

    #[test]
    fn recent_transactions_outlive_a_request_and_then_go() {
        let mut transactions = Transactions::default();
        let start = Instant::now();
        transactions.remember([1; 16], known(), start);
        transactions.remember([1; 16], known(), start + Duration::from_secs(60));
        transactions.remember([2; 16], known(), start + REMEMBER);
        assert!(
            transactions.recent(&[1; 16]).is_some(),
            "noted again after 60 s"
        );
        transactions.remember([3; 16], known(), start + REMEMBER * 2);
        assert!(transactions.recent(&[1; 16]).is_none());
    }

    #[test]
    fn a_burst_gives_its_memory_back_without_another_enrollment() {
        let mut transactions = Transactions::default();
        let start = Instant::now();
        for n in 0..10_000_u128 {
            transactions.remember(n.to_be_bytes(), known(), start);
        }
        transactions.forget(start + REMEMBER);
        assert_eq!(transactions.order.len(), 0);
        assert!(transactions.recent.capacity() < 100);
        assert!(transactions.order.capacity() < 100);
    }
}
