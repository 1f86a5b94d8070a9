//! When the secret of a tenant's app ends.

use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta};

use super::revocations::Revoker;

/// How often Graph is asked.
const DAY: TimeDelta = TimeDelta::hours(24);

/// A secret that ends within this time is warned of.
const WARNED: TimeDelta = TimeDelta::days(30);

impl Revoker {
    /// Asks Graph once a day when the app's secret ends, where the configuration does not say, and warns of it.
    pub(super) async fn look_at_the_secret(&self) {
        if !self.tenant.wants_secret_end() {
            return;
        }
        let now = self.now();
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.is_some_and(|at| at <= now && now - at < DAY) {
                return;
            }
            *looked = Some(now);
        }
        let ends = match self.tenant.read_secret_end().await {
            Ok(ends) => ends.and_then(|ends| DateTime::from_timestamp(ends, 0)),
            Err(error) => {
                tracing::debug!(
                    tenant = self.tenant.id(),
                    %error,
                    "Graph does not say when the app's secret ends"
                );
                return;
            }
        };
        if let Some(ends) = ends.filter(|ends| *ends - now < WARNED) {
            tracing::warn!(
                tenant = self.tenant.id(),
                ends = %ends.to_rfc3339(),
                "the secret of the tenant's app ends soon or has ended; make a new one"
            );
        }
    }
}
