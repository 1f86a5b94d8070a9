//! CRLs and responders are made here before anybody needs them: at the start, after a revocation, and at half of their life.

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actors::{CrlError, KeptCrl};
use chrono::{DateTime, Utc};

use super::table::Ca;
use super::{Publication, meters, places};

/// Revocations that come within this time after a CRL was made are on the next one together.
const TOGETHER: Duration = Duration::from_secs(1);
/// The longest pause: the wall clock may have been set.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// The pause after a failure.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// What a round came to.
struct Round {
    /// When the next one is due.
    due: Option<DateTime<Utc>>,
    failed: bool,
}

impl Publication {
    /// Makes what is due now, so that every revocation that is durable is on the CRLs that are shown.
    pub async fn renew(&self) {
        self.round().await;
    }

    async fn round(&self) -> Round {
        let state = self.state.load_full();
        let mut round = Round {
            due: None,
            failed: false,
        };
        for ca in &state.table.cas {
            let issuer = ca.issuer.id();
            if ca.has_responder {
                let renewed = self
                    .responders
                    .renew(&self.services, ca, state.responder_lifetime);
                match renewed.await {
                    Ok(due) => {
                        round.due = round.due.into_iter().chain([due]).min();
                        self.show_responder(ca);
                    }
                    Err(error) => {
                        tracing::error!(
                            issuer,
                            %error,
                            "there is no new certificate for signing OCSP answers; the one before is used until its end"
                        );
                        round.failed = true;
                    }
                }
            }
            let started = self.services.clock.instant();
            match self.crl_of(ca).await {
                Ok(Some(crl)) => {
                    if ca.signs_crls {
                        round.due = round.due.into_iter().chain([crl.refresh]).min();
                    }
                    let (metrics, mark) = (&self.services.metrics, places::mark(&ca.certificate));
                    meters::crl_shown(metrics, issuer, &mark, crl.next_update, crl.der.len());
                    if self.board.put(ca.id, &crl) {
                        let took = self.services.clock.instant() - started;
                        meters::crl_made(metrics, issuer, took);
                        tracing::debug!(issuer, octets = crl.der.len(), "a new CRL is shown");
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(issuer, %error, "there is no new CRL to publish; the one before is shown until its end");
                    round.failed = true;
                }
            }
        }
        round
    }

    /// Tells the metrics when the CA's responder ends.
    fn show_responder(&self, ca: &Ca) {
        if let Some(held) = self.responders.of(&ca.id, self.now()) {
            let (metrics, mark) = (&self.services.metrics, places::mark(&ca.certificate));
            meters::responder_renewed(metrics, ca.issuer.id(), &mark, held.end);
        }
    }

    /// The CA's newest CRL, made where it is due. Of a CA whose key is gone, the last one that it made.
    async fn crl_of(&self, ca: &Arc<Ca>) -> Result<Option<KeptCrl>, CrlError> {
        let services = &self.services;
        if ca.signs_crls {
            if self.board.of(&ca.id).is_none()
                && let Some(kept) = self.stored(ca).await?
                && kept.holds_at(self.now())
            {
                // Until the new one is made.
                self.board.put(ca.id, &kept);
            }
            let time = services.time.now();
            let newest =
                services
                    .crls
                    .up_to_date(&services.store, &ca.issuer, &ca.certificate, time);
            return newest.await.map(Some);
        }
        match self.board.of(&ca.id) {
            Some(_) => Ok(None),
            None => self.stored(ca).await,
        }
    }

    async fn stored(&self, ca: &Arc<Ca>) -> Result<Option<KeptCrl>, CrlError> {
        let (store, id) = (Arc::clone(&self.services.store), ca.id);
        let record = tokio::task::spawn_blocking(move || store.crl(&id)).await?;
        Ok(record?.map(KeptCrl::from))
    }
}

/// Makes what is due, until `draining` comes to its end.
pub async fn keep(publication: Weak<Publication>, draining: impl Future<Output = ()>) {
    let mut draining = std::pin::pin!(draining);
    while let Some(publication) = publication.upgrade() {
        let started = tokio::time::Instant::now();
        let round = publication.round().await;
        let left = round.due.map(|due| due - publication.now());
        let pause = match left.and_then(|left| left.to_std().ok()) {
            _ if round.failed => TRY_AGAIN,
            Some(left) => left.clamp(TOGETHER, LOOK_AGAIN),
            None => LOOK_AGAIN,
        };
        let woken = Arc::clone(&publication.woken);
        drop(publication);
        tokio::select! {
            () = draining.as_mut() => return,
            () = woken.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
        tokio::select! {
            () = draining.as_mut() => return,
            () = tokio::time::sleep_until(started + TOGETHER) => {}
        }
    }
}
