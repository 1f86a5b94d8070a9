//! What the handlers work with.

use std::sync::Arc;

use actors::Runtime;
use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::auth::Gate;
use crate::config::Config;
use crate::http::Phase;
use crate::intune::{Revokers, Tenants};
use crate::running::{ChecksOnDemand, InForce, TrustReload};
use crate::telemetry::metrics::Registry;

/// The running server, as far as the admin side is concerned. A handler that needs something more gets a field here.
pub struct AdminContext {
    /// The profiles and what runs behind them.
    pub(crate) runtime: Arc<Runtime>,
    /// The configuration in force.
    pub(crate) in_force: Arc<InForce>,
    /// Who may call.
    pub(crate) gate: Arc<Gate>,
    /// `None` where no metrics are kept.
    pub(crate) registry: Option<Arc<Registry>>,
    /// Whether the way down has begun.
    pub(crate) phase: watch::Receiver<Phase>,
    /// When this server started.
    pub(crate) started_at: DateTime<Utc>,
    /// The start-up checks, beside the running server.
    pub(crate) checks: ChecksOnDemand,
    /// Trust anchors, read again.
    pub(crate) trust: Arc<TrustReload>,
    /// Intune's tenants.
    pub(crate) tenants: Arc<Tenants>,
    /// What revokes what Intune wants revoked.
    pub(crate) revokers: Arc<Revokers>,
}

impl AdminContext {
    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        self.in_force.config()
    }

    pub(super) fn is_draining(&self) -> bool {
        *self.phase.borrow() == Phase::Draining
    }
}
