//! When the credential of a tenant's app ends.

use std::sync::PoisonError;

use chrono::{DateTime, TimeDelta};

use super::revocations::Revoker;

/// How often Graph is asked.
const DAY: TimeDelta = TimeDelta::hours(24);

/// A secret that ends within this time is warned of.
const WARNED: TimeDelta = TimeDelta::days(30);

impl Revoker {
    /// Once a day: asks Graph when the app's secret ends, where the configuration does not say, and warns of a secret or
    /// certificate that ends soon.
    pub(super) async fn look_at_the_credential(&self) {
        let now = self.now();
        {
            let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
            if looked.is_some_and(|at| at <= now && now - at < DAY) {
                return;
            }
            *looked = Some(now);
        }
        if self.tenant.wants_secret_end()
            && let Err(error) = self.tenant.read_secret_end().await
        {
            tracing::debug!(
                tenant = self.tenant.id(),
                %error,
                "Graph does not say when the app's secret ends"
            );
        }
        let report = self.tenant.report();
        let ends = report.secret_expires;
        let ends = ends.and_then(|ends| DateTime::from_timestamp(ends, 0));
        if let Some(ends) = ends.filter(|ends| *ends - now < WARNED) {
            tracing::warn!(
                tenant = self.tenant.id(),
                credential = report.credential,
                ends = %ends.to_rfc3339(),
                "the credential of the tenant's app ends soon or has ended; make a new one"
            );
        }
    }
}
