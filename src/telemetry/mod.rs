//! What the server tells about itself while it runs: log lines and metrics.
//!
//! - [`logs`]: how log lines look, and which there are
//! - [`metrics`]: the Prometheus recorder, and what each metric means
//! - [`gauges`]: what is looked up when metrics are read: expiries, queues, what waits

pub mod gauges;
pub mod logs;
pub mod metrics;
