//! What relying parties ask for: CRLs, CA certificates and OCSP answers.
//!
//! | module | holds |
//! |---|---|
//! | [`places`] | paths and URLs |
//! | `table` | which CAs there are, and what a path stands for |
//! | `board` | the newest CRLs, in memory |
//! | `responder` | who signs OCSP answers |
//! | `meters` | what is counted of answers and CRLs |
//! | `answers` | signed answers that are good for more than one request |
//! | `status` | one OCSP request, top to bottom |
//! | `upkeep` | makes CRLs and responders before they are needed |
//!
//! Nothing here speaks HTTP: `http::published` does.

mod answers;
mod board;
mod meters;
pub mod places;
mod responder;
mod status;
mod table;
mod upkeep;

use std::sync::{Arc, Weak};
use std::time::Duration;

use actors::{Metrics, RequestGate, RequestLimits, Services, StatusListener};
use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use issuer::Issuer;
use store::CaId;
use tokio::sync::{Notify, Semaphore};

pub use answers::Signed;
pub use board::File;
pub use status::Reply;
pub use table::{Ca, Place, Publisher};
pub use upkeep::keep;

use crate::config::{Cidr, Publish};
use answers::Answers;
use board::Board;
use responder::Responders;
use table::Table;

/// Locks for certificates whose answer is being made.
const STRIPES: usize = 64;

/// Everything that is published.
pub struct Publication {
    services: Services,
    state: ArcSwap<State>,
    board: Board,
    responders: Responders,
    answers: Answers,
    /// Of one certificate one answer is made at a time.
    making: [tokio::sync::Mutex<()>; STRIPES],
    /// As many answers are made at once as there are cores.
    makers: Arc<Semaphore>,
    /// Told when a CRL may be due.
    woken: Arc<Notify>,
}

/// What a reload exchanges.
struct State {
    table: Table,
    ocsp_lifetime: TimeDelta,
    responder_lifetime: TimeDelta,
    max_age: Duration,
    /// Lets requests in that need an answer of their own.
    gate: RequestGate,
    trusted_proxies: Vec<Cidr>,
}

impl State {
    fn new<'a>(
        settings: &Publish,
        trusted_proxies: &[Cidr],
        issuers: impl Iterator<Item = &'a Arc<dyn Issuer>>,
        metrics: &Metrics,
    ) -> Self {
        Self {
            table: Table::new(issuers, settings.base(), settings.ocsp, metrics),
            ocsp_lifetime: settings.ocsp_lifetime.chrono(),
            responder_lifetime: settings.responder_lifetime.chrono(),
            max_age: settings.max_age.duration(),
            gate: RequestGate::new(RequestLimits {
                per_source_per_minute: settings.fresh_per_source_per_minute,
                per_profile_per_second: 0,
            }),
            trusted_proxies: trusted_proxies.to_vec(),
        }
    }
}

impl Publication {
    /// Publishes what these issuers have.
    pub fn new<'a>(
        services: Services,
        settings: &Publish,
        trusted_proxies: &[Cidr],
        issuers: impl Iterator<Item = &'a Arc<dyn Issuer>>,
    ) -> Arc<Self> {
        let state = State::new(settings, trusted_proxies, issuers, &services.metrics);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let publication = Arc::new(Self {
            state: ArcSwap::from_pointee(state),
            board: Board::default(),
            responders: Responders::default(),
            answers: Answers::default(),
            making: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            makers: Arc::new(Semaphore::new(cores)),
            woken: Arc::default(),
            services,
        });
        let weak = Arc::downgrade(&publication);
        let listener: Weak<dyn StatusListener> = weak;
        publication.services.crls.listen(listener);
        publication
    }

    /// Goes on with these settings and issuers.
    pub fn apply<'a>(
        &self,
        settings: &Publish,
        trusted_proxies: &[Cidr],
        issuers: impl Iterator<Item = &'a Arc<dyn Issuer>>,
    ) {
        let metrics = &self.services.metrics;
        let state = State::new(settings, trusted_proxies, issuers, metrics);
        self.state.store(Arc::new(state));
        self.woken.notify_one();
    }

    /// What is at this path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Place> {
        self.state.load().table.find(path)
    }

    /// A CA's newest CRL, if there is one that has not ended.
    #[must_use]
    pub fn crl(&self, ca: &Ca) -> Option<Arc<File>> {
        let now = self.now();
        let file = self.board.of(&ca.id)?;
        file.until.is_none_or(|until| now < until).then_some(file)
    }

    /// A CA's certificate.
    #[must_use]
    pub fn certificate(&self, ca: &Ca) -> File {
        File {
            body: ca.der.clone(),
            etag: board::etag(&ca.der),
            since: ca.certificate.not_before(),
            until: None,
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.services.clock.now()
    }

    /// How long caches may keep what is published, at most.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        self.state.load().max_age
    }

    /// The proxies whose X-Forwarded-For is believed.
    #[must_use]
    pub fn trusted_proxies(&self) -> Vec<Cidr> {
        self.state.load().trusted_proxies.clone()
    }
}

impl StatusListener for Publication {
    fn changed(&self, ca: &CaId, serials: &[&[u8]]) {
        self.answers.remove(ca, serials);
        self.woken.notify_one();
    }
}
