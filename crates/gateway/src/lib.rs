//! The gateway: inference requests in, answers out, and a durable record of every one.
//!
//! `pipeline` is the whole story of a request, in one file, top to bottom. Around it:
//!
//! | module | idea |
//! |---|---|
//! | `doors` | which paths lead into the pipeline |
//! | `dialect` | what clients and providers say on the wire, as pure parsers |
//! | `snapshot` | routing, looked up once for each state of the ledger |
//! | `permission` | permission as a value that answering needs |
//! | `providers`, `upstream`, `pool` | outside providers, calling them, and the connections to them |
//! | `predict` | registered models, run in process |
//! | `stream` | a streamed answer as it comes from the provider |
//! | `passage` | a streamed answer on its way to the client |
//! | `record` | the record of one request, from its arrival until it is durable |
//! | `bell` | waking those whose records are durable, many at once |
//! | `problem` | everything that can go wrong, and how it is worded at each door |
//!
//! Bodies are forwarded as they came. Nothing is answered that is not on record, unless a service is declared so.

mod bell;
mod body;
mod detached;
pub mod dialect;
mod doors;
mod features;
mod guard;
mod limits;
mod metrics;
mod passage;
mod permission;
mod pipeline;
mod pool;
mod predict;
mod problem;
mod providers;
mod record;
mod snapshot;
mod stream;
mod upstream;

use std::sync::Arc;

use engine::Engine;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

pub use doors::router;
pub use limits::Limits;

/// The inference data plane of one installation; shared as `Arc<Gateway>`.
pub struct Gateway {
    engine: Arc<Engine>,
    limits: Limits,
    metrics: metrics::Metrics,
    snapshots: Arc<snapshot::Snapshots>,
    upstream: upstream::Upstream,
    bell: Arc<bell::Bell>,
    /// One place for each request that may be served at once.
    places: Arc<Semaphore>,
}

impl Gateway {
    /// Makes the gateway and registers its metrics, all named `counterfoil_inference_*`.
    #[must_use]
    pub fn new(engine: Arc<Engine>, limits: Limits, registry: &mut Registry) -> Arc<Self> {
        Arc::new(Self {
            metrics: metrics::Metrics::new(registry),
            snapshots: Arc::new(snapshot::Snapshots::new()),
            upstream: upstream::Upstream::new(engine.clone()),
            engine,
            bell: Arc::default(),
            places: Arc::new(Semaphore::new(limits.concurrent)),
            limits,
        })
    }

    /// The same gateway for a thread with a runtime of its own: its connections to providers and its bell it shares with no
    /// other.
    #[must_use]
    pub fn twin(&self) -> Arc<Self> {
        Arc::new(Self {
            engine: self.engine.clone(),
            limits: self.limits.clone(),
            metrics: self.metrics.clone(),
            snapshots: self.snapshots.clone(),
            upstream: upstream::Upstream::new(self.engine.clone()),
            bell: Arc::default(),
            places: self.places.clone(),
        })
    }

    /// Waits until every request has its record, those too whose client has gone. New requests are refused from then
    /// on. Call it when the listener is closed, before the engine is stopped.
    pub async fn rest(&self) {
        let all = u32::try_from(self.limits.concurrent).unwrap_or(u32::MAX);
        if let Ok(places) = self.places.acquire_many(all).await {
            places.forget();
        }
    }
}

#[cfg(test)]
mod tests;
