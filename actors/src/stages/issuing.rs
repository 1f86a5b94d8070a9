//! The stage in which an issuer is asked, and what becomes of its answer.

use super::attempts::Tried;
use super::{DUE_SINCE, Step, Work, refused};
use crate::answer::Answer;
use crate::compute;
use crate::durable::{self, Failure};
use crate::issue;
use crate::journal::JournalError;
use crate::notices;
use crate::outside::{Called, Remote};
use crate::records;
use challenge::{Label, NoticeOf, Validator};
use issuer::{Approved, Difference, Found, Handle, Issuance, IssueError, Order};
use pki::{Certificate, RevocationReason};
use std::sync::Arc;
use store::Conflict;

/// An issuer that made something else than what was approved is asked to revoke it, at most so often.
const REVOKE_TRIES: u32 = 3;

impl Work {
    /// Has the certificate made.
    pub(super) async fn issue(&mut self, mut handle: Option<Handle>) -> Step {
        let shared = Arc::clone(&self.shared);
        let approved = match self.approved.take() {
            Some(approved) => approved,
            None => match self.approve().await {
                Ok(approved) => approved,
                Err(refusal) => return self.refuse(&refusal).await,
            },
        };
        if shared.spec.issuer.local().is_some() {
            return match durable::sign(&shared, approved.clone()).await {
                Ok(certificate) => self.deliver(certificate, &approved).await,
                Err(failure) => self.failed(&failure),
            };
        }
        let order = Order {
            id: self.record.key,
            transaction_id: self.record.transaction_id.clone(),
            csr: self.csr.der().to_vec(),
            at: shared.now(),
            approved,
        };
        let remote = shared.remote(shared.spec.issuer.id());
        let _waits = remote.wait();
        loop {
            let called = self.try_issuer(&remote, &order, &mut handle).await;
            let tried = match called {
                Called::Answered(Ok(Issuance::Issued(certificate))) => {
                    return self.compare(certificate, &order).await;
                }
                Called::Answered(Ok(Issuance::Later {
                    handle: known,
                    after,
                })) => {
                    self.unheard = false;
                    if handle.as_ref() != Some(&known) {
                        if let Err(failure) = self.note_handle(&known).await {
                            return self.failed(&failure);
                        }
                        handle = Some(known);
                    }
                    Tried::later("the issuer is still at work", after)
                }
                Called::Answered(Err(IssueError::Refused(words))) => {
                    let refusal = refused("issuer_refused", &words)
                        .telling("the issuer refused this certificate");
                    return self.refuse(&refusal).await;
                }
                Called::Answered(Err(IssueError::Again { why, after, .. })) => {
                    Tried::failed(why, after)
                }
                Called::TimedOut => Tried::unanswered(),
                Called::Closed(wait) => Tried::not_called(wait),
            };
            if let Err(stop) = self.again(&remote, tried).await {
                return self.stop(stop).await;
            }
        }
    }

    /// One call: to look for what may have been made unheard, for what was not ready before, or to have it made.
    async fn try_issuer(
        &mut self,
        remote: &Remote,
        order: &Order,
        handle: &mut Option<Handle>,
    ) -> Called<Issuance, IssueError> {
        let shared = Arc::clone(&self.shared);
        let (clock, rules) = (&*shared.services.clock, &shared.spec.outside);
        let issuer = &shared.spec.issuer;
        let is_failure = |error: &IssueError| matches!(error, IssueError::Again { .. });
        if self.unheard && handle.is_none() {
            let found = remote
                .call(clock, rules, issuer.find(order), is_failure)
                .await;
            match found {
                Called::Answered(Ok(Found::Issued(certificate))) => {
                    return Called::Answered(Ok(Issuance::Issued(certificate)));
                }
                Called::Answered(Ok(Found::Pending(known))) => {
                    let after = rules.first_pause;
                    return Called::Answered(Ok(Issuance::Later {
                        handle: known,
                        after,
                    }));
                }
                Called::Answered(Ok(Found::Nothing)) => self.unheard = false,
                Called::Answered(Ok(Found::CannotTell)) => {
                    self.unheard = false;
                    let note =
                        "the issuer may have made another certificate that nobody has heard of";
                    if !self.notes.iter().any(|known| known == note) {
                        self.notes.push(note.to_owned());
                    }
                }
                Called::Answered(Err(error)) => return Called::Answered(Err(error)),
                Called::TimedOut => return Called::TimedOut,
                Called::Closed(wait) => return Called::Closed(wait),
            }
        }
        let called = match handle {
            Some(handle) => {
                let resumed = issuer.resume(order, handle);
                remote.call(clock, rules, resumed, is_failure).await
            }
            None => {
                let issued = issuer.issue(order);
                remote.call(clock, rules, issued, is_failure).await
            }
        };
        self.unheard = matches!(
            called,
            Called::TimedOut | Called::Answered(Err(IssueError::Again { unheard: true, .. }))
        );
        called
    }

    /// What came back is delivered only if it is what was approved.
    async fn compare(&mut self, certificate: Certificate, order: &Order) -> Step {
        let authority = self.shared.spec.issuer.authority();
        let approved = &order.approved;
        let whole = approved
            .whole_validity(&certificate)
            .and_then(|()| approved.has_begun(&certificate, self.shared.now()));
        let remote = self.shared.spec.issuer.remote();
        let may_be_shorter = remote.is_some_and(|remote| remote.accepts_shorter_validity());
        let compared = approved
            .matches(&certificate)
            .and_then(|()| authority.made(&certificate))
            .and_then(|()| match &whole {
                Err(shorter) if may_be_shorter => {
                    self.notes
                        .push(format!("accepted although shorter: {shorter}"));
                    Ok(())
                }
                whole => whole.clone(),
            });
        let is_taken = self.has_number_of_another(&certificate).await;
        let compared = compared.and_then(|()| match is_taken {
            true => Err(Difference {
                field: "serialNumber",
                approved: "a number of its own".to_owned(),
                found: "that of another certificate of this CA".to_owned(),
            }),
            false => Ok(()),
        });
        let Err(difference) = compared else {
            return self.deliver(certificate, &order.approved).await;
        };
        let end = match is_taken {
            // By its number the other one would be revoked.
            true => "it was not revoked, because another certificate has its number",
            false if self.revoke(&certificate).await => "it was revoked",
            false => "it could not be revoked: do so at the issuer",
        };
        let words = format!(
            "the issuer's certificate {} is not what was approved: {difference}; {end}",
            certificate.serial().to_hex(),
        );
        let refusal = refused("issuer_mismatch", &words)
            .telling("the issuer made another certificate than was approved");
        self.refuse(&refusal).await
    }

    /// Whether the CA is known to have another certificate with this serial number.
    async fn has_number_of_another(&self, certificate: &Certificate) -> bool {
        let ca = records::ca_of(&*self.shared.spec.issuer, certificate);
        let serial = certificate.serial().as_bytes().to_vec();
        let store = Arc::clone(&self.shared.services.store);
        let look = move || store.certificate(&ca, &serial);
        let found = self.shared.services.pool.run(compute::Stage::Finish, look);
        // Where nobody can tell, the store refuses to take the second one.
        matches!(found.await, Ok(Ok(Some(_))))
    }

    /// Has a certificate revoked that must not be used.
    pub(super) async fn revoke(&self, certificate: &Certificate) -> bool {
        let shared = &self.shared;
        let (clock, rules) = (&*shared.services.clock, &shared.spec.outside);
        let remote = shared.remote(shared.spec.issuer.id());
        for tries in 1..=REVOKE_TRIES {
            let revoking = shared
                .spec
                .issuer
                .revoke(certificate, RevocationReason::Superseded);
            match remote.call(clock, rules, revoking, |_| true).await {
                Called::Answered(Ok(())) => return true,
                // It will say the same again.
                Called::Answered(Err(IssueError::Refused(_))) => return false,
                _ => {}
            }
            if tries < REVOKE_TRIES {
                let pause = rules.pause(tries, clock.chance());
                clock.wait_until(clock.instant() + pause).await;
            }
        }
        false
    }

    /// Makes the certificate durable; only then anybody is told of it.
    async fn deliver(&mut self, certificate: Certificate, approved: &Approved) -> Step {
        let now = self.shared.now();
        let validator = self
            .shared
            .spec
            .validator_named(&self.record.grounds.validator);
        let is_told_first = validator.is_some_and(Validator::is_told_first);
        let mut notes: Vec<String> = approved.notes().to_vec();
        notes.append(&mut self.notes);
        if is_told_first {
            notes.push("it is delivered once whoever vouched knows of it".to_owned());
        }
        let made = issue::Issued {
            certificate: &certificate,
            message: records::issued_words(&self.record),
            notes: &notes,
            through_gates: self.through_gates,
            is_told_first,
        };
        let mut kept = self.context.clone();
        if is_told_first {
            // Due at once for whoever starts next.
            self.record.due = self.shared.passed().checked_sub_signed(DUE_SINCE);
            kept.release();
            kept.since = Some(self.shared.passed());
            kept.failed = 0;
            self.record.attempts = 0;
            self.said = None;
        }
        let (mut change, record) = issue::change(&self.shared, &self.record, &kept, &made, now);
        records::push_marks(&mut change, &self.shared, &self.reserved);
        if !is_told_first {
            let end = NoticeOf::Issued(certificate.der().to_vec());
            notices::push(&mut change, &self.shared, &self.record, &end, now);
        }
        let label = self.context.intune.then_some(Label::Success);
        match durable::commit(&self.shared, change, label).await {
            Ok(()) if is_told_first => {
                self.record = record;
                self.record.version += 1;
                self.context = kept;
                Step::Next
            }
            Ok(()) => {
                self.record = record;
                self.record.version += 1;
                self.complete(Answer::Certificate(certificate), label)
            }
            Err(failure) => {
                // Somebody else has ended it meanwhile, or what it took was taken: this certificate is nobody's.
                let moved = matches!(
                    failure,
                    Failure::Journal(JournalError::Conflict(Conflict::EnrollmentMoved { .. }))
                );
                let gate = failure.gate();
                if (moved || gate.is_some()) && self.shared.spec.issuer.local().is_none() {
                    self.revoke(&certificate).await;
                }
                match gate {
                    Some((label, words)) => self.taken(label, words, None).await,
                    None => self.failed(&failure),
                }
            }
        }
    }
}
