//! From the stage in which a validator is asked to the one in which an operator is: of one key at most one request waits,
//! however its device was vouched for.

use super::{Step, Work, refused};
use crate::admission::{AdmissionGuard, Completion, Waits};
use crate::answer::Answer;
use crate::audit;
use crate::context::{Context, Joined};
use crate::durable;
use crate::enrollment::{PriorResult, Reserved, Waiting};
use crate::records;
use crate::waiting::{end, replaced_answer};
use challenge::Label;
use std::sync::Arc;
use std::time::Duration;
use store::{Change, EnrollmentRecord, Outcome};

/// How often a row is asked for that somebody writes or decides on,
const ROW_TRIES: u32 = 30;

/// and how long is waited in between.
const ROW_PAUSE: Duration = Duration::from_secs(1);

const WAITS: &str = "waits for an operator's approval";

impl Work {
    pub(super) async fn wait_for_an_operator(&mut self) -> Step {
        let shared = Arc::clone(&self.shared);
        let clock = &shared.services.clock;
        let waiting = Arc::new(Waiting::new(&self.csr, self.record.source_ip));
        for _ in 0..ROW_TRIES {
            let place = self.actor.wait(self.record.key, Arc::clone(&waiting)).await;
            match place {
                Ok(Waits::Alone(replaced)) => return self.wait_alone(replaced).await,
                Ok(Waits::With(row)) => {
                    if let Some(step) = self.wait_with(row).await {
                        return step;
                    }
                }
                Ok(Waits::NotNow) => {}
                Ok(Waits::Full) => break,
                // The actor is gone; the one after it goes on.
                Err(_) => return Step::End(Answer::Pending),
            }
            clock.wait_until(clock.instant() + ROW_PAUSE).await;
        }
        let words = "as many requests wait for an operator as may";
        let refusal = refused("pending_full", words)
            .telling("too many requests wait for approval; try again later");
        let refusal = match self.context.intune {
            true => refusal.counted(),
            false => refusal,
        };
        self.refuse(&refusal).await
    }

    /// In a row of its own, in the place of one that asks for something else with the same key, if there is one.
    async fn wait_alone(&mut self, replaced: Option<Box<AdmissionGuard>>) -> Step {
        let shared = Arc::clone(&self.shared);
        let now = shared.now();
        let mut change = Change::new();
        let mut ended = None;
        if let Some(guard) = replaced
            && let Ok(record) = durable::load(&shared, guard.key()).await
            && record.stage.awaits_approval()
        {
            let intune = Context::of_record(&record).intune;
            let known = end(&shared, record, &mut change, now);
            ended = Some((guard, known, intune.then_some(Label::Malformed)));
        }
        records::awaiting(&shared, &mut self.record, now);
        self.record.times.updated = now;
        let mut event = audit::of_record(&shared, &self.record, Outcome::Pending, None, WAITS, now);
        event.details.note = (!self.notes.is_empty()).then(|| self.notes.join("; "));
        change.push(event);
        self.settle(&mut change);
        self.record.context = self.context.octets();
        change.push(self.record.clone());
        let label = ended.as_ref().and_then(|(_, _, label)| *label);
        if let Err(failure) = durable::commit(&shared, change, label).await {
            return match failure.gate() {
                Some((label, words)) => self.taken(label, words, None).await,
                None => self.failed(&failure),
            };
        }
        self.record.version += 1;
        if let Some((guard, known, label)) = ended {
            guard.complete(Completion::Durable {
                known,
                answer: replaced_answer(),
                label,
            });
        }
        self.complete(Answer::Pending, None)
    }

    /// Together with a request of the same key that asks for the same. `None`: it does not wait any more.
    async fn wait_with(&mut self, row: Box<AdmissionGuard>) -> Option<Step> {
        let shared = Arc::clone(&self.shared);
        let record = durable::load(&shared, row.key()).await.ok()?;
        if !record.stage.awaits_approval() {
            return None;
        }
        let now = shared.now();
        let mut change = Change::new();
        self.settle(&mut change);
        // Nobody goes on with it: it ends as the other one does.
        self.record.due = None;
        self.record.lease = None;
        self.record.times.updated = now;
        self.record.context = self.context.octets();
        let mut context = Context::of_record(&record);
        context.join(Joined {
            key: self.record.key,
            poll: self.record.poll_key,
            transaction_id: self.record.transaction_id.clone(),
            message_type: self.record.message_type,
            version: self.record.version + 1,
            csr: self.record.csr.clone(),
        });
        let words = format!(
            "{WAITS}, together with {} of the same key, which asks for the same",
            record.transaction_id
        );
        let event = audit::of_record(&shared, &self.record, Outcome::Pending, None, &words, now);
        let mut record = EnrollmentRecord {
            context: context.octets(),
            ..record
        };
        change.push(event);
        change.push(self.record.clone());
        change.push(record.clone());
        if let Err(failure) = durable::commit(&shared, change, None).await {
            return Some(match failure.gate() {
                Some((label, words)) => self.taken(label, words, None).await,
                None => self.failed(&failure),
            });
        }
        self.record.version += 1;
        record.version += 1;
        row.complete(Completion::Durable {
            known: PriorResult::from(&record),
            answer: Answer::Pending,
            label: None,
        });
        if let Some(guard) = self.guard.take() {
            guard.complete(Completion::Joined);
        }
        Some(Step::End(Answer::Pending))
    }

    /// What was taken becomes durable by itself: an operator may decide long after this process has ended.
    fn settle(&mut self, change: &mut Change) {
        let taken = std::mem::replace(&mut self.reserved, Reserved::none(self.shared.now()));
        records::push_marks(change, &self.shared, &taken);
        self.context.release();
    }
}
