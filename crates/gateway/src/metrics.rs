//! Numbers about the gateway for Prometheus.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    door: &'static str,
    status: &'static str,
}

/// The gateway's metrics; clones count together.
#[derive(Clone)]
pub(crate) struct Metrics {
    requests: Family<Labels, Counter>,
    in_flight: Gauge<i64, AtomicI64>,
    upstream: Histogram,
    record_wait: Histogram,
    request_bytes: Counter,
    response_bytes: Counter,
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            in_flight: Gauge::default(),
            upstream: Histogram::new(exponential_buckets(0.001, 2.0, 18)),
            record_wait: Histogram::new(exponential_buckets(0.000_1, 2.0, 16)),
            request_bytes: Counter::default(),
            response_bytes: Counter::default(),
        };
        let registry = registry.sub_registry_with_prefix("counterfoil_inference");
        registry.register("requests", "Inference requests that ended, by door and status", metrics.requests.clone());
        registry.register("in_flight", "Inference requests being served", metrics.in_flight.clone());
        let help = "From calling a provider or model until its last byte";
        registry.register_with_unit("upstream", help, Unit::Seconds, metrics.upstream.clone());
        let help = "From the end of an answer until its record was durable";
        registry.register_with_unit("record_wait", help, Unit::Seconds, metrics.record_wait.clone());
        registry.register_with_unit("request", "Request bodies", Unit::Bytes, metrics.request_bytes.clone());
        registry.register_with_unit("response", "Response bodies", Unit::Bytes, metrics.response_bytes.clone());
        metrics
    }

    /// Counts a request that arrived.
    pub(crate) fn arrived(&self) {
        self.in_flight.inc();
    }

    /// Counts a request that ended.
    pub(crate) fn ended(&self, door: &'static str, status: &'static str, request_bytes: u64, response_bytes: u64) {
        self.in_flight.dec();
        self.requests.get_or_create(&Labels { door, status }).inc();
        self.request_bytes.inc_by(request_bytes);
        self.response_bytes.inc_by(response_bytes);
    }

    /// Observes how long a provider or model took.
    pub(crate) fn upstream(&self, took: Duration) {
        self.upstream.observe(took.as_secs_f64());
    }

    /// Observes how long a record took.
    pub(crate) fn record_wait(&self, took: Duration) {
        self.record_wait.observe(took.as_secs_f64());
    }
}
