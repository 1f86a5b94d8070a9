//! What is in force, exchanged by a reload.

use std::sync::Arc;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use tokio::sync::Mutex;

use crate::checks::Loaded;
use crate::config::Config;

/// The configuration in force and what it names.
pub struct InForce {
    /// What the checks let through. The lock serialises reloads.
    pub(crate) loaded: Mutex<Arc<Loaded>>,
    config: ArcSwap<Config>,
    /// When the TLS certificate in use ends; beside `loaded`, to be read while a reload is under way.
    tls_expiry: ArcSwap<DateTime<Utc>>,
}

impl InForce {
    pub(crate) fn new(config: Config, loaded: Loaded) -> Self {
        Self {
            config: ArcSwap::from_pointee(config),
            tls_expiry: ArcSwap::from_pointee(loaded.tls.certificate.not_after()),
            loaded: Mutex::new(Arc::new(loaded)),
        }
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// When the TLS certificate ends.
    #[must_use]
    pub fn tls_expiry(&self) -> DateTime<Utc> {
        **self.tls_expiry.load()
    }

    /// Puts another configuration, and what it names, in force. `held` is the lock of [`InForce::loaded`].
    pub(crate) fn exchange(&self, held: &mut Arc<Loaded>, config: Config, loaded: Loaded) {
        self.tls_expiry
            .store(Arc::new(loaded.tls.certificate.not_after()));
        self.config.store(Arc::new(config));
        *held = Arc::new(loaded);
    }
}
