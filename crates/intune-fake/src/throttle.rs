//! Graph's limits: requests about devices of Intune, resource units of the directory, users at risk.

use crate::message::{Answer, Operation, Request};
use crate::world::Settings;

/// How much of each limit is used, for all tenants together.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    intune: Window,
    directory: Window,
    risk: Window,
}

#[derive(Debug, Default)]
struct Window {
    since: i64,
    used: u64,
}

impl Window {
    /// Takes `units`; else how many seconds it is until there are new ones.
    fn take(&mut self, units: u64, limit: u64, seconds: i64, now: i64) -> Result<(), i64> {
        if now >= self.since.saturating_add(seconds) || now < self.since {
            self.since = now;
            self.used = 0;
        }
        if self.used.saturating_add(units) > limit {
            return Err(self.since.saturating_add(seconds).saturating_sub(now));
        }
        self.used += units;
        Ok(())
    }
}

impl Throttle {
    /// Counts a request.
    ///
    /// # Errors
    /// 429: with `Retry-After`, but for users at risk.
    pub(crate) fn take(
        &mut self,
        request: &Request,
        settings: &Settings,
        now: i64,
    ) -> Result<(), Answer> {
        let many = |wait: Option<i64>| {
            let answer = Answer::error(429, "TooManyRequests", "Too many requests.");
            match wait {
                Some(wait) => answer.header("retry-after", wait.to_string()),
                None => answer,
            }
        };
        match request.operation() {
            Operation::ManagedDevices => self
                .intune
                .take(1, settings.intune_requests, 20, now)
                .map_err(|wait| many(Some(wait))),
            Operation::RiskyUsers => self
                .risk
                .take(1, settings.risk_requests, 1, now)
                .map_err(|_| many(None)),
            Operation::Devices | Operation::Users | Operation::Applications => self
                .directory
                .take(units(request), settings.directory_units, 10, now)
                .map_err(|wait| {
                    many(Some(wait))
                        .header("x-ms-throttle-scope", "Tenant_Application/ReadWrite/fake")
                        .header("x-ms-throttle-information", "ResourceUnitLimitExceeded")
                }),
            _ => Ok(()),
        }
    }
}

/// GET of users costs 2 and others 1; `$select` and a `$top` below 20 take one off, and nothing is for nothing.
fn units(request: &Request) -> u64 {
    let cost: u64 = match request.operation() {
        Operation::Users => 2,
        _ => 1,
    };
    let few = request
        .parameter("$top")
        .and_then(|top| top.parse::<u64>().ok())
        .is_some_and(|top| top < 20);
    let off = u64::from(request.parameter("$select").is_some()) + u64::from(few);
    cost.saturating_sub(off).max(1)
}
