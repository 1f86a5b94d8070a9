//! One OCSP request, top to bottom.
//!
//! An answer about one certificate, without a nonce, is made once and sent to everybody until half of its time has passed,
//! or the certificate is revoked or released. One with a nonce, or about several certificates, is made for its request
//! alone; such requests are limited by source, since each costs a signature.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use ocsp::{Answer, CertId, Nonce, Refusal, Request, RequestError, Status};
use pki::RevocationReason;
use store::Standing;

use super::answers::Signed;
use super::board::etag;
use super::meters::{Made, Said};
use super::responder::Held;
use super::table::{Ca, Publisher};
use super::{Publication, STRIPES, State};

/// How far thisUpdate lies in the past, for relying parties whose clocks are behind.
const BACKDATE: TimeDelta = TimeDelta::minutes(5);

/// What a request gets.
pub enum Reply {
    /// An answer for everybody.
    Shared(Arc<Signed>),
    /// An answer for this request alone.
    Own(Bytes),
    /// None.
    Refused(Refusal),
}

/// An answer with a signature, and what is counted of it.
struct Answered {
    reply: Reply,
    said: Said,
    made: Made,
}

/// Why an answer was not made.
enum NotMade {
    Refused(Refusal),
    /// The source had as many answers of its own as it may.
    Limited,
    Failed(String),
}

/// Who asks, and about which CA.
struct Asker<'a> {
    publisher: &'a Publisher,
    ca: &'a Arc<Ca>,
    source: IpAddr,
}

/// What an answer is made of.
struct Job {
    state: Arc<State>,
    ca: Arc<Ca>,
    held: Arc<Held>,
    ids: Vec<CertId>,
    nonce: Option<Vec<u8>>,
    /// Who is limited in answers about certificates that were never issued; `None`: was counted already.
    limited: Option<IpAddr>,
    now: DateTime<Utc>,
}

struct Fresh {
    body: Vec<u8>,
    this_update: DateTime<Utc>,
    next_update: DateTime<Utc>,
    /// Whether one of the certificates was never issued.
    unknown: bool,
    said: Said,
}

impl Publication {
    /// Answers a request, DER, that came from `source` to this issuer's responder.
    pub async fn status(
        self: &Arc<Self>,
        publisher: &Publisher,
        request: &[u8],
        source: IpAddr,
    ) -> Reply {
        let started = self.services.clock.instant();
        let answered = self.answer(publisher, request, source).await;
        let (reply, said, made) = match answered {
            Ok(Answered { reply, said, made }) => (reply, said, made),
            Err(refusal) => (Reply::Refused(refusal), refusal.into(), Made::Unsigned),
        };
        let took = self.services.clock.instant();
        let took = took.saturating_duration_since(started);
        publisher.meters.answered(said, made, took);
        reply
    }

    async fn answer(
        self: &Arc<Self>,
        publisher: &Publisher,
        request: &[u8],
        source: IpAddr,
    ) -> Result<Answered, Refusal> {
        let request = match Request::from_der(request) {
            Ok(request) => request,
            Err(RequestError::Critical(_)) => return Err(Refusal::Unauthorized),
            Err(_) => return Err(Refusal::MalformedRequest),
        };
        let ca = asked_ca(publisher, &request).ok_or(Refusal::Unauthorized)?;
        let asker = Asker {
            publisher,
            ca,
            source,
        };
        let answered = match request {
            Request {
                certificates,
                nonce: Nonce::Asked(nonce),
            } if self.admits(&asker) => self.own(ca, certificates, Some(nonce)).await,
            Request { certificates, .. } => match <[CertId; 1]>::try_from(certificates) {
                Ok([id]) => self.shared(&asker, id).await,
                Err(several) if self.may_have(source) => self.own(ca, several, None).await,
                Err(_) => Err(NotMade::Limited),
            },
        };
        answered.map_err(|not_made| match not_made {
            NotMade::Refused(refusal) => refusal,
            NotMade::Limited => {
                publisher.meters.limited();
                Refusal::TryLater
            }
            NotMade::Failed(error) => {
                tracing::error!(
                    issuer = ca.issuer.id(),
                    error,
                    "an OCSP answer could not be made"
                );
                Refusal::InternalError
            }
        })
    }

    /// Whether this source may have one more answer of its own.
    fn admits(&self, asker: &Asker<'_>) -> bool {
        let admitted = self.may_have(asker.source);
        if !admitted {
            asker.publisher.meters.limited();
        }
        admitted
    }

    fn may_have(&self, source: IpAddr) -> bool {
        let state = self.state.load();
        state.gate.admits(source, std::time::Instant::now())
    }

    /// The answer that everybody gets.
    async fn shared(self: &Arc<Self>, asker: &Asker<'_>, id: CertId) -> Result<Answered, NotMade> {
        let now = self.now();
        let ca = asker.ca;
        let find = || self.answers.find(&ca.id, &id.serial, &id.der, now);
        if let Some(signed) = find() {
            return Ok(Answered::shared(signed, Made::Cached));
        }
        let stripe = self.answers.stripe(&ca.id, &id.serial, STRIPES);
        let _making = match self.making.get(stripe) {
            Some(stripe) => Some(stripe.lock().await),
            None => None,
        };
        // Somebody else may have made it in between.
        if let Some(signed) = find() {
            return Ok(Answered::shared(signed, Made::Cached));
        }
        let seen = self.answers.seen();
        let ids = vec![id.clone()];
        let made = self.make(ca, ids, None, Some(asker.source), now).await?;
        if made.unknown {
            // Not kept: anybody can think of serial numbers, and one of them may be issued next.
            return Ok(Answered::own(made));
        }
        let signed = Arc::new(Signed {
            etag: etag(&made.body),
            body: made.body.into(),
            made: now,
            this_update: made.this_update,
            next_update: made.next_update,
            refresh: now + (made.next_update - now) / 2,
            said: made.said,
        });
        let kept = (&ca.id, &id.serial);
        self.answers.keep(kept, &id.der, &signed, seen);
        Ok(Answered::shared(signed, Made::Fresh))
    }

    /// An answer for one request alone.
    async fn own(
        self: &Arc<Self>,
        ca: &Arc<Ca>,
        ids: Vec<CertId>,
        nonce: Option<Vec<u8>>,
    ) -> Result<Answered, NotMade> {
        let made = self.make(ca, ids, nonce, None, self.now()).await?;
        Ok(Answered::own(made))
    }

    /// Looks up and signs, off the async threads.
    async fn make(
        self: &Arc<Self>,
        ca: &Arc<Ca>,
        ids: Vec<CertId>,
        nonce: Option<Vec<u8>>,
        limited: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Fresh, NotMade> {
        let Some(held) = self.responders.of(&ca.id, now) else {
            // It is being made, or the log says why not.
            return Err(NotMade::Refused(Refusal::TryLater));
        };
        let job = Job {
            state: self.state.load_full(),
            ca: Arc::clone(ca),
            held,
            ids,
            nonce,
            limited,
            now,
        };
        let permit = Arc::clone(&self.makers).acquire_owned().await;
        let this = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || {
            let made = this.make_now(&job);
            drop(permit);
            made
        });
        made.await
            .map_err(|error| NotMade::Failed(error.to_string()))
            .flatten()
    }

    fn make_now(&self, job: &Job) -> Result<Fresh, NotMade> {
        let now = job.now.trunc_subsecs(0);
        let next_update = (now + job.state.ocsp_lifetime).min(job.held.end);
        let store = &self.services.store;
        let mut statuses = Vec::with_capacity(job.ids.len());
        for id in &job.ids {
            let standing = store.standing(&job.ca.id, id.serial.as_bytes());
            statuses.push(
                match standing.map_err(|error| NotMade::Failed(error.to_string()))? {
                    Standing::Unknown => Status::Unknown,
                    Standing::Good => Status::Good,
                    Standing::Revoked(revocation) => Status::Revoked {
                        // Not in the future, should it have been noted while the clock was ahead.
                        at: revocation.at.min(now),
                        reason: RevocationReason::from_number(revocation.reason),
                    },
                },
            );
        }
        let unknown = statuses.contains(&Status::Unknown);
        // Before the signature, which is what it costs.
        if unknown && job.limited.is_some_and(|source| !self.may_have(source)) {
            return Err(NotMade::Limited);
        }
        let answers: Vec<Answer<'_>> = job
            .ids
            .iter()
            .zip(&statuses)
            .map(|(id, status)| Answer {
                id,
                status: *status,
                this_update: match status {
                    Status::Revoked { at, .. } => (now - BACKDATE).max(*at),
                    Status::Good | Status::Unknown => now - BACKDATE,
                },
                next_update,
            })
            .collect();
        let this_update = answers.iter().map(|answer| answer.this_update).max();
        let signed = job.held.responder.sign(&answers, now, job.nonce.as_deref());
        Ok(Fresh {
            body: signed.map_err(|error| NotMade::Failed(error.to_string()))?,
            this_update: this_update.unwrap_or(now),
            next_update,
            unknown,
            said: Said::of(&statuses),
        })
    }
}

impl Answered {
    fn shared(signed: Arc<Signed>, made: Made) -> Self {
        Self {
            said: signed.said,
            reply: Reply::Shared(signed),
            made,
        }
    }

    fn own(made: Fresh) -> Self {
        Self {
            reply: Reply::Own(made.body.into()),
            said: made.said,
            made: Made::Fresh,
        }
    }
}

/// The one CA that is asked about: a request about certificates of several has no single signer.
fn asked_ca<'a>(publisher: &'a Publisher, request: &Request) -> Option<&'a Arc<Ca>> {
    let mut cas = request.certificates.iter().map(|id| publisher.named(id));
    let first = cas.next()??;
    let same = cas.all(|ca| ca.is_some_and(|ca| ca.id == first.id));
    (same && first.has_responder).then_some(first)
}
