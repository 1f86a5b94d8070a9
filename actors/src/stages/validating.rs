//! The stage in which a validator is asked, and what becomes of its answer.

use super::attempts::{Stop, Tried};
use super::{Step, Work, issuing_at, refused};
use crate::answer::Answer;
use crate::compliance::ask_hook;
use crate::outside::Called;
use crate::records;
use crate::refusal::Refusal;
use challenge::{Check, CsrFacts, Proven, Request, Validator};
use std::sync::Arc;
use store::Change;

impl Work {
    /// Asks the validator, then reserves and has policy decide.
    pub(super) async fn validate(&mut self) -> Step {
        let shared = Arc::clone(&self.shared);
        let names = CsrFacts::from_csr(&self.csr);
        let challenge = self.csr.challenge_password();
        let Some(validator) = shared.validator(challenge) else {
            return self
                .refuse(&refused(
                    "not_validated",
                    "no validator takes this challenge",
                ))
                .await;
        };
        let request = Request {
            challenge,
            names: &names,
            transaction_id: &self.record.transaction_id,
            csr: self.csr.der(),
            source: self.record.source_ip,
        };
        let check = match validator.check(&request, self.record.times.created) {
            Check::Ask(question) => match self.ask(validator, &question).await {
                Ok(check) => check,
                Err(stop) => return self.stop(stop).await,
            },
            check => check,
        };
        match check {
            Check::Proven(proven) => self.proven(*proven, &names).await,
            Check::Refused(refused) => {
                if refused.is_guess
                    && let Some(source) = self.record.source_ip
                {
                    // Whether the source is locked out now is for its next message.
                    let _ = self.actor.guess(source).await;
                }
                let refusal = Refusal::from(*refused);
                let refusal = match validator.is_counted() {
                    true => refusal.counted(),
                    false => refusal,
                };
                self.refuse(&refusal).await
            }
            Check::Ask(_) | Check::Later { .. } => {
                self.broken("the validator came to no decision").await
            }
        }
    }

    async fn ask(
        &mut self,
        validator: &dyn Validator,
        question: &challenge::Question,
    ) -> Result<Check, Stop> {
        let shared = Arc::clone(&self.shared);
        let clock = &*shared.services.clock;
        let rules = &shared.spec.outside;
        let remote = shared.remote(validator.id());
        let _waits = remote.wait();
        loop {
            let called = remote
                .call(clock, rules, validator.ask(question), |_| true)
                .await;
            let tried = match called {
                Called::Answered(Ok(Check::Later { after })) => {
                    Tried::later("it is still being decided", after)
                }
                Called::Answered(Ok(check)) => return Ok(check),
                Called::Answered(Err(again)) => Tried::failed(again.why, again.after),
                Called::TimedOut => Tried::unanswered(),
                Called::Closed(wait) => Tried::not_called(wait),
            };
            self.again(&remote, tried).await?;
        }
    }

    /// The device is vouched for: what it takes is taken, and policy has its say.
    async fn proven(&mut self, proven: Proven, names: &CsrFacts) -> Step {
        let now = self.shared.now();
        let Proven {
            grounds,
            reservations,
        } = proven;
        // From here on a failure is ours, and whoever vouched is told of it.
        self.record.times.validated = Some(now);
        self.record.grounds.claim_issuer.clone_from(&grounds.by);
        match self.actor.reserve(self.record.key, reservations, now).await {
            Ok(Ok(reserved)) => {
                self.reserved = reserved;
                self.unsaved = true;
            }
            Ok(Err((label, words))) => {
                return self.taken(label, words, grounds.claim).await;
            }
            Err(_) => return Step::End(Answer::Busy),
        }
        self.context.take(&self.reserved);
        let validator = &self.record.grounds.validator;
        self.through_gates |= self.context.intune || self.shared.spec.guards_renewals(validator);
        if let Some(note) = &grounds.note {
            self.notes.push(note.clone());
            self.context.vouched = Some(note.clone());
        }
        let (claim, objection) = (grounds.claim.clone(), grounds.objection.clone());
        self.context.challenge.clone_from(&grounds.challenge);
        self.context.terms.clone_from(&grounds.terms);
        records::vouched(&mut self.record, grounds, now);
        if let Some(words) = objection {
            let refusal = refused("device_state", &words)
                .telling("the device or its user may not have a certificate now");
            return self.refuse(&refusal).await;
        }
        if let Some(claim) = claim {
            match ask_hook(&self.shared, &self.record.transaction_id, &claim, names).await {
                Ok(let_in) => self.notes.extend(let_in),
                Err(refusal) => return self.refuse(&refusal).await,
            }
        }
        let approved = match self.approve().await {
            Ok(approved) => approved,
            Err(refusal) => return self.refuse(&refusal).await,
        };
        if self.shared.spec.approval.is_some() && self.record.grounds.renews.is_none() {
            return self.wait_for_an_operator().await;
        }
        self.approved = Some(approved);
        self.enter(issuing_at(&self.shared));
        if self.shared.spec.issuer.local().is_none()
            && let Err(failure) = self.put(Change::new()).await
        {
            return self.failed(&failure);
        }
        Step::Next
    }
}
