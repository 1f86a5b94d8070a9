//! The registry that one server's metrics are kept in: several servers of one process each have their own.

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, NoopRecorder, Recorder};
use std::sync::Arc;

/// The way to a registry. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<dyn Recorder + Send + Sync>);

impl Default for Metrics {
    /// Keeps nothing.
    fn default() -> Self {
        Self(Arc::new(NoopRecorder))
    }
}

/// The names and values of a metric's labels.
pub type Labels<'a> = [(&'static str, &'a str)];

const METADATA: Metadata<'_> = Metadata::new("scepd", Level::INFO, None);

impl Metrics {
    /// Keeps metrics in this registry.
    #[must_use]
    pub fn new(registry: Arc<dyn Recorder + Send + Sync>) -> Self {
        Self(registry)
    }

    /// The counter with this name and these labels.
    pub fn counter(&self, name: &'static str, labels: &Labels<'_>) -> Counter {
        self.0.register_counter(&key(name, labels), &METADATA)
    }

    /// The gauge with this name and these labels.
    pub fn gauge(&self, name: &'static str, labels: &Labels<'_>) -> Gauge {
        self.0.register_gauge(&key(name, labels), &METADATA)
    }

    /// The histogram with this name and these labels.
    pub fn histogram(&self, name: &'static str, labels: &Labels<'_>) -> Histogram {
        self.0.register_histogram(&key(name, labels), &METADATA)
    }
}

fn key(name: &'static str, labels: &Labels<'_>) -> Key {
    let labels: Vec<Label> = labels
        .iter()
        .map(|&(name, value)| Label::new(name, value.to_owned()))
        .collect();
    Key::from_parts(name, labels)
}
