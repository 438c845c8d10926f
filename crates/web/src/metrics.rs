//! Numbers for Prometheus, in the OpenMetrics text format. Labels are routes and statuses, never anything from a
//! request's content; so they need no permission to be read.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::App;
use crate::failure::{Failure, PageError};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

/// The metrics of this crate, and the registry that all metrics are in.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Histogram,
    ledger_size: Gauge,
    unsealed: Gauge,
    custodian_reachable: Gauge,
    custodian_grace_left: Gauge,
    archive_lag: Gauge,
    archive_trouble: Gauge,
    objects_trouble: Gauge,
    clock_leapt: Gauge,
}

impl Metrics {
    pub(crate) fn new(mut registry: Registry) -> Self {
        let requests = Family::<Answered, Counter>::default();
        let seconds = Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0]);
        let ledger_size = Gauge::default();
        let unsealed = Gauge::default();
        registry.register("http_requests", "Answers of pages and API", requests.clone());
        registry.register("http_seconds", "Time until an answer was ready", seconds.clone());
        registry.register("ledger_size", "Events in the ledger", ledger_size.clone());
        registry.register("records_unsealed", "Records durable and not sealed yet", unsealed.clone());
        let (custodian_reachable, custodian_grace_left) = (Gauge::default(), Gauge::default());
        let help = "Whether the custodian of the root key could be reached the last time";
        registry.register("custodian_reachable", help, custodian_reachable.clone());
        let help = "Seconds for which keys still serve while the custodian is away; -1 while it is there";
        registry.register("custodian_grace_left_seconds", help, custodian_grace_left.clone());
        let (archive_lag, archive_trouble) = (Gauge::default(), Gauge::default());
        let help = "Events whose files are not in the write-once bucket yet; 0 where there is no bucket";
        registry.register("archive_lag", help, archive_lag.clone());
        let help = "Whether nothing can be copied to the write-once bucket, or its locks do not hold";
        registry.register("archive_trouble", help, archive_trouble.clone());
        let objects_trouble = Gauge::default();
        let help = "Whether nothing can be stored in the bucket of objects, or it keeps what is deleted";
        registry.register("objects_trouble", help, objects_trouble.clone());
        let clock_leapt = Gauge::default();
        let help =
            "Whether the clock leapt ahead of the ledger, so that nothing is disposed of until that is confirmed";
        registry.register("retention_clock_leapt", help, clock_leapt.clone());
        Self {
            registry,
            requests,
            seconds,
            ledger_size,
            unsealed,
            custodian_reachable,
            custodian_grace_left,
            archive_lag,
            archive_trouble,
            objects_trouble,
            clock_leapt,
        }
    }

    pub(crate) fn answered(&self, route: &str, status: StatusCode, took: Duration) {
        self.requests.get_or_create(&Answered { route: route.to_owned(), status: status.as_u16() }).inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

/// `GET /metrics`
pub(crate) async fn show(State(app): State<Arc<App>>) -> Result<Response, PageError> {
    let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    app.metrics.ledger_size.set(gauge(app.engine.log().size()));
    app.metrics.unsealed.set(gauge(app.engine.records().stats().unsealed));
    let away = app.engine.custodian().away;
    app.metrics.custodian_reachable.set(i64::from(away.is_none()));
    app.metrics.custodian_grace_left.set(away.map_or(-1, |away| gauge(away.left.as_secs())));
    let archive = app.engine.archive_standing();
    app.metrics.archive_lag.set(archive.as_ref().map_or(0, |archive| gauge(archive.lag)));
    app.metrics.archive_trouble.set(archive.is_some_and(|archive| !archive.is_well()).into());
    let objects = app.engine.objects_standing();
    app.metrics.objects_trouble.set(objects.is_some_and(|objects| objects.trouble.is_some()).into());
    app.metrics.clock_leapt.set(app.engine.clock_leapt().into());
    let mut text = String::new();
    encode(&mut text, &app.metrics.registry).map_err(|e| Failure::internal("write the metrics", &e))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
