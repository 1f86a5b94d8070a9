//! One SCEP request from its head to its answer, for the line that is written about it.

use super::routes::Front;
use super::scep::ScepRequest;
use crate::telemetry::access::Line;
use actors::{Current, Operation, Origin, RequestResult};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use warp::http::Method;

/// What is said of a request: when it is over, also when the client did not wait for that.
pub(super) struct Visit {
    front: Arc<Front>,
    started: Instant,
    pub(super) operation: &'static str,
    pub(super) profile: Option<Arc<Current>>,
    pub(super) nearest: Option<String>,
    source: IpAddr,
    user_agent: Option<String>,
    pub(super) transaction_id: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) outcome: &'static str,
    method: Method,
    path: String,
    pub(super) request_id: String,
}

impl Visit {
    pub(super) fn new<B>(
        front: &Arc<Front>,
        request: &ScepRequest<B>,
        origin: &Origin,
        operation: Operation,
    ) -> Self {
        Self {
            front: Arc::clone(front),
            started: front.runtime.services.clock.instant(),
            operation: operation.as_str(),
            profile: None,
            nearest: None,
            source: origin.source,
            user_agent: origin.user_agent.clone(),
            transaction_id: None,
            status: None,
            outcome: RequestResult::Gone.as_str(),
            method: request.method.clone(),
            path: request.path.clone(),
            request_id: origin.request_id.clone(),
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let clock = &self.front.runtime.services.clock;
        let took = clock.instant().saturating_duration_since(self.started);
        let line = Line {
            operation: self.operation,
            profile: self
                .profile
                .as_ref()
                .map(|profile| profile.spec.path_id.as_str()),
            nearest_profile: self.nearest.as_deref(),
            source: self.source,
            user_agent: self.user_agent.as_deref(),
            transaction_id: self.transaction_id.as_deref(),
            status: self.status,
            outcome: self.outcome,
            method: Some(self.method.as_str()),
            path: Some(&self.path),
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            request_id: Some(&self.request_id),
        };
        self.front.access.write(&line, || clock.now());
    }
}
