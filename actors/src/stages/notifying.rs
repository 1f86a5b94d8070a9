//! The stage in which a certificate is made and whoever vouched has yet to know of it: it leaves only then.

use super::attempts::{Stop, Tried};
use super::{Step, Work};
use crate::answer::Answer;
use crate::audit;
use crate::durable;
use crate::issue;
use crate::notices;
use crate::outside::Called;
use crate::records::{self, decided};
use crate::refusal::Refusal;
use challenge::{Again, Notice, NoticeOf};
use pki::{Certificate, RevocationReason};
use scep::FailInfo;
use std::sync::Arc;
use store::{CaId, Change, Op, Stage};

impl Work {
    /// Tells whoever vouched of the certificate, always in the same words, and lets it go.
    pub(super) async fn tell_first(&mut self) -> Step {
        let shared = Arc::clone(&self.shared);
        let Stage::Notifying { ca, serial } = self.record.stage.clone() else {
            return Step::End(Answer::Pending);
        };
        let certificate = match self.made(&ca, &serial).await {
            Ok(certificate) => certificate,
            Err(why) => {
                tracing::error!(
                    profile = shared.spec.path_id,
                    transaction_id = self.record.transaction_id,
                    error = why,
                    "an enrollment could not go on; it does so later"
                );
                return Step::End(Answer::Pending);
            }
        };
        let Some(validator) = shared.spec.validator_named(&self.record.grounds.validator) else {
            let why = "the profile no longer has the validator that is to be told";
            return self.never_told(&certificate, &ca, why).await;
        };
        let notice = Notice {
            transaction_id: self.record.transaction_id.clone(),
            csr: self.csr.der().to_vec(),
            by: self.record.grounds.claim_issuer.clone(),
            end: NoticeOf::Issued(certificate.der().to_vec()),
        };
        let (clock, rules) = (&*shared.services.clock, &shared.spec.outside);
        let remote = shared.remote(validator.id());
        loop {
            let called = remote
                .call(clock, rules, validator.notify(&notice), |_: &Again| true)
                .await;
            let tried = match called {
                Called::Answered(Ok(words)) => return self.told(certificate, ca, &words).await,
                Called::Answered(Err(again)) => Tried::failed(again.why, again.after),
                Called::TimedOut => Tried::unanswered(),
                Called::Closed(wait) => Tried::not_called(wait),
            };
            match self.again(&remote, tried).await {
                Ok(()) => {}
                Err(Stop::Spent(why)) => return self.never_told(&certificate, &ca, &why).await,
                Err(Stop::End(step)) => return step,
            }
        }
    }

    /// The certificate that was made for it.
    async fn made(&self, ca: &CaId, serial: &[u8]) -> Result<Certificate, String> {
        let (store, ca, serial) = (
            Arc::clone(&self.shared.services.store),
            *ca,
            serial.to_vec(),
        );
        let found = tokio::task::spawn_blocking(move || store.certificate(&ca, &serial)).await;
        let found = found.map_err(|error| error.to_string())?;
        let record = found.map_err(|error| error.to_string())?;
        let record = record.ok_or("its certificate is not in the store")?;
        Certificate::from_der(&record.der).map_err(|error| error.to_string())
    }

    /// Whoever vouched knows: the enrollment is at its end, and the certificate may leave.
    async fn told(&mut self, certificate: Certificate, ca: CaId, words: &str) -> Step {
        let shared = Arc::clone(&self.shared);
        let now = shared.now();
        let stage = Stage::Issued {
            ca,
            serial: certificate.serial().as_bytes().to_vec(),
        };
        let event = audit::notified_first(
            &shared,
            &self.record,
            certificate.serial().to_hex(),
            words,
            now,
        );
        let issued = self.record.times.issued;
        let mut ended = decided(self.record.clone(), stage, None, now);
        ended.times.issued = issued;
        ended.times.notified = Some(now);
        let mut change = Change::new().with(ended.clone()).with(event);
        records::push_joined(&mut change, &self.context, &ended);
        let end = NoticeOf::Issued(certificate.der().to_vec());
        notices::push_joined(&mut change, &shared, &self.record, &end, now);
        match durable::commit(&shared, change, None).await {
            Ok(()) => {
                self.record = ended;
                self.record.version += 1;
                self.complete(Answer::Certificate(certificate), None)
            }
            Err(failure) => self.failed(&failure),
        }
    }

    /// The budget is used up: the certificate is revoked and never leaves.
    async fn never_told(&mut self, certificate: &Certificate, ca: &CaId, why: &str) -> Step {
        const REASON: RevocationReason = RevocationReason::CessationOfOperation;
        let shared = Arc::clone(&self.shared);
        let elsewhere = match shared.spec.issuer.local() {
            Some(_) => "",
            None if self.revoke(certificate).await => ", at the issuer too",
            None => "; at the issuer it could not be revoked: do so there",
        };
        let serial = certificate.serial();
        let words = format!(
            "whoever vouched could not be told of the certificate {} in time, so it was revoked and not delivered{elsewhere}; the last try: {why}",
            serial.to_hex()
        );
        let refusal = Refusal::new(FailInfo::BadRequest, "outside_failed", words)
            .telling("what this request needs did not answer in time; try again");
        let octets = serial.as_bytes().to_vec();
        let record = self.made_record(ca, &octets).await;
        let is_revoked = record
            .as_ref()
            .is_some_and(|record| record.revoked.is_some());
        let mut change = Change::new();
        if !is_revoked {
            change.push(Op::Revoke {
                ca: *ca,
                serial: octets,
                at: shared.now(),
                reason: REASON as u8,
            });
            if let Some(record) = &record {
                change.push(issue::revoked_unseen(&shared, record, why, shared.now()));
            }
        }
        let step = self.refuse_with(&refusal, change).await;
        shared.services.crls.changed(ca, &[serial.as_bytes()]);
        if let Some(record) = record {
            shared.services.compromised.revoked(&record, REASON);
        }
        step
    }

    async fn made_record(&self, ca: &CaId, serial: &[u8]) -> Option<store::CertificateRecord> {
        let (store, ca, serial) = (
            Arc::clone(&self.shared.services.store),
            *ca,
            serial.to_vec(),
        );
        let found = tokio::task::spawn_blocking(move || store.certificate(&ca, &serial)).await;
        found.ok()?.ok()?
    }
}
