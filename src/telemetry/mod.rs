//! What the server tells about itself while it runs: log lines and metrics.
//!
//! - [`logs`]: how log lines look, and which there are
//! - [`metrics`]: a server's Prometheus registry, and what each metric means
//! - `access`: a line for every SCEP request
//! - [`gauges`]: what is looked up when metrics are read: expiries, queues, what waits

pub(crate) mod access;
pub mod gauges;
pub mod logs;
pub mod metrics;
