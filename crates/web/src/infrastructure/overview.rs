//! The installation at a glance: services and their last hour, controls, the ledger's health, the latest records and events.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use domain::people::Proof;
use domain::serving::ServiceSpec;
use domain::{Event, assurance::Outcome};
use engine::{ArchiveStanding, ObjectsStanding};

use crate::App;
use crate::auth::Visitor;
use crate::people::{HomePage, Names, OpenEmergency};
use crate::reader::{self, Published};
use crate::rows::{self, Row};
use crate::serving::Latest;
use crate::ui::{
    self, Bar, Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Spark, Table, Tone, clock, page,
};

const HOUR_MS: i64 = 3_600_000;

/// How long the use of a recovery code is told of.
const ALERT_MS: i64 = 30 * 24 * HOUR_MS;

/// Bars of a service's chart, and what each covers.
const BARS: usize = 30;
const BAR_MS: i64 = HOUR_MS / BARS as i64;

/// How far back the newest heartbeat and seal are looked for.
const LOOK_BACK: u64 = 4096;

/// The page.
#[derive(Template)]
#[template(path = "infrastructure/overview.html")]
pub(crate) struct OverviewPage {
    shell: Shell,
    names: Names,
    /// Roles taken at once, under way or not reviewed yet: everybody is to see them.
    emergencies: Vec<OpenEmergency>,
    services: Vec<Service>,
    query: Query,
    controls: Controls,
    health: Health,
    recovered: Vec<Recovered>,
    records: Table,
    latest: Table,
}

/// A service with its last hour.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    name: String,
    spec: ServiceSpec,
    requests: u64,
    errors: u64,
    p95_ms: Option<f64>,
    spark: Spark,
}

impl Service {
    fn link(&self) -> Link {
        Link::to("/inferences").with("service", &self.name)
    }

    fn errors_link(&self) -> Link {
        self.link().with("status", "error")
    }

    fn risk(&self) -> Mark {
        Mark::new(self.spec.risk_tier.as_str(), Tone::Plain)
    }

    fn p95(&self) -> String {
        self.p95_ms.map_or("–".to_owned(), |ms| if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") })
    }
}

/// A recovery code was used lately: whoever reads this should know of it.
#[derive(Clone, Debug)]
pub(crate) struct Recovered {
    actor: String,
    at: Instant,
    unused: usize,
}

impl Recovered {
    fn link(&self) -> Link {
        Link::to("/ledger").with("stream", format!("actor/{}", self.actor))
    }
}

/// Controls in scope by their newest outcome: three counts, never one score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Controls {
    pass: usize,
    fail: usize,
    not_tested: usize,
}

impl Controls {
    fn total(self) -> usize {
        self.pass + self.fail + self.not_tested
    }
}

/// What can be said of the ledger's health.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    origin: String,
    published: Option<Published>,
    signed_at: Option<Instant>,
    unsealed: u64,
    last_seal: Option<(u64, Instant)>,
    archive: Option<ArchiveStanding>,
    objects: Option<ObjectsStanding>,
}

impl Health {
    fn witnesses(&self) -> &[String] {
        self.published.as_ref().map_or(&[], |published| &published.witnesses)
    }

    fn locked_until(&self) -> Option<Instant> {
        self.archive.as_ref()?.locked_until.map(Instant)
    }

    fn pending(&self, size: &u64) -> u64 {
        size.saturating_sub(self.published.as_ref().map_or(0, |published| published.size))
    }
}

impl OverviewPage {
    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let spec: ServiceSpec = serde_json::from_value(serde_json::json!({
            "owner": "lending", "purpose": "credit-scoring", "risk_tier": "high", "classification": "confidential",
            "routes": [{ "name": "credit-risk", "target": { "model": { "model": "credit-risk", "version": "1.2.0" } } },
                { "name": "gpt-4o-mini", "target": { "provider": { "provider": "openai", "model": "gpt-4o-mini" } } }]
        }))
        .expect("a service");
        let bars =
            (0..30).map(|i| Bar { total: 20 + (i * 7) % 13, failed: if i == 17 { 9 } else { i % 11 / 10 } }).collect();
        let spark = Spark { bars, label: CHART };
        let service = |name: &str, requests, errors, p95_ms| Service {
            name: name.into(),
            spec: spec.clone(),
            requests,
            errors,
            p95_ms,
            spark: spark.clone(),
        };
        let services =
            vec![service("credit-risk", 12_481, 9, Some(3.21)), service("support-assistant", 894, 0, Some(812.0))];
        let query = Query { sql: hour_sql(1_795_380_849_000), size: 18_204 };
        let published =
            Some(Published { note: String::new(), size: 18_201, witnesses: vec!["witness.example/w1".into()] });
        let at = Instant(1_795_380_849_000);
        let health = Health {
            origin: "counterfoil.example/bank".into(),
            published,
            signed_at: Some(at),
            unsealed: 312,
            last_seal: Some((18_190, at)),
            archive: Some(ArchiveStanding {
                bucket: "audit-records".into(),
                mode: domain::infrastructure::LockMode::Compliance,
                through: 18_190,
                lag: 14,
                copied: 640,
                locked_until: Some(2_014_000_000_000),
                trouble: None,
                stopped: None,
                probed: None,
            }),
            objects: Some(ObjectsStanding {
                bucket: "s3.example.com/erasable".into(),
                versioning: Some(domain::infrastructure::Versioning::Enabled),
                tried_at: Some(at.0),
                trouble: None,
            }),
        };
        let event = domain::Entry {
            v: 1,
            id: "0".into(),
            ts: at.0,
            actor: "a_7f3k2m9q".into(),
            stream: "key/k_1".into(),
            sv: 2,
            event: Event::KeyRevoked(domain::people::KeyRevoked { key: "k_1".into() }),
        };
        let events: Vec<_> = (0..8).map(|i| (18_203 - i, event.clone())).collect();
        let controls = Controls { pass: 9, fail: 2, not_tested: 3 };
        let empty_health = Health {
            origin: "x".into(),
            published: None,
            signed_at: None,
            unsealed: 0,
            last_seal: None,
            archive: None,
            objects: None,
        };
        [
            Self {
                shell: Shell::sample(Section::Overview),
                names: Names::sample(&[("a_7f3k2m9q", "Ada Okafor")]),
                emergencies: vec![OpenEmergency::sample(true), OpenEmergency::sample(false)],
                services,
                query: query.clone(),
                controls,
                health,
                recovered: vec![Recovered { actor: "a_7f3k2m9q".into(), at, unused: 7 }],
                records: Latest::table(&[]),
                latest: latest_table(&events),
            },
            Self {
                shell: Shell::sample(Section::Overview),
                names: Names::default(),
                emergencies: vec![],
                services: vec![],
                query,
                controls: Controls::default(),
                health: empty_health,
                recovered: vec![],
                records: Latest::table(&[]),
                latest: latest_table(&[]),
            },
        ]
    }
}

const CHART: &str = "requests by two minutes in the last hour";

/// `GET /`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    // Whoever holds a role in a part only is shown what they hold, and is denied nothing.
    let whole = ["state", "inferences", "ledger"].into_iter().all(|what| app.decides(&who, "read", what));
    let recovers = who.session.as_ref().is_some_and(|visit| visit.proof == Proof::Recovery);
    if !whole
        && !recovers
        && let Some(home) = HomePage::of(&app, &who).await?
    {
        return page(&home);
    }
    app.may_read(&who, "state")?;
    app.may_read(&who, "inferences")?;
    app.may_read(&who, "ledger")?;
    let since = clock() - HOUR_MS;
    let sql = hour_sql(since);
    let hour = app.ask(&sql).await?;
    let bars = bars(&app.ask(&bars_sql(since)).await?.rows, since);
    let records = Latest::table(&app.ask(&Latest::sql()?).await?.rows);
    let recent = reader::newest(&app, usize::MAX, LOOK_BACK, |_| true).await?;
    let services = app.engine.read(|state| state.services.clone());
    let services = services.into_iter().map(|(name, spec)| service(name, spec, &hour.rows, &bars)).collect();
    let emergencies = app.engine.read(|state| OpenEmergency::all(state, &who.actor, clock()));
    let recovered = recovered(&app, clock());
    let mut latest = latest_table(recent.get(..recent.len().min(10)).unwrap_or_default());
    let told = emergencies.iter().map(|one| one.actor.clone()).chain(recovered.iter().map(|one| one.actor.clone()));
    let names = Names::on_page(&app, &who, told.collect(), &mut [&mut latest]).await;
    page(&OverviewPage {
        shell: Shell::new(&app, &who, Section::Overview).await?,
        names,
        emergencies,
        services,
        query: Query { sql, size: hour.size },
        controls: controls(&app),
        health: health(&app, &recent),
        recovered,
        records,
        latest,
    })
}

/// One row a service: what it answered since a moment.
fn hour_sql(since: i64) -> String {
    format!(
        "SELECT service_id, count(*) AS requests,\n  count(*) FILTER (WHERE status = 'error') AS errors,\n  \
         approx_percentile_cont(latency_ms, 0.95) AS p95_ms\nFROM inferences\nWHERE ts >= {}\nGROUP BY service_id",
        ui::timestamp(since)
    )
}

fn bars_sql(since: i64) -> String {
    format!(
        "SELECT service_id, date_bin(INTERVAL '{} seconds', ts, {since}) AS start, count(*) AS requests,\n  \
         count(*) FILTER (WHERE status = 'error') AS errors\nFROM inferences\nWHERE ts >= {since}\nGROUP BY 1, 2",
        BAR_MS / 1000,
        since = ui::timestamp(since)
    )
}

fn bars(found: &[Row], since: i64) -> BTreeMap<String, Vec<Bar>> {
    let mut bars: BTreeMap<String, Vec<Bar>> = BTreeMap::new();
    for row in found {
        let Some(start) = rows::instant(row, "start") else { continue };
        let of = bars.entry(rows::text(row, "service_id")).or_insert_with(|| vec![Bar::default(); BARS]);
        if let Some(bar) = usize::try_from((start.0 - since) / BAR_MS).ok().and_then(|i| of.get_mut(i)) {
            *bar = Bar { total: rows::count(row, "requests"), failed: rows::count(row, "errors") };
        }
    }
    bars
}

fn service(name: String, spec: ServiceSpec, hour: &[Row], bars: &BTreeMap<String, Vec<Bar>>) -> Service {
    let row = hour.iter().find(|row| rows::text(row, "service_id") == name);
    let spark = Spark { bars: bars.get(&name).cloned().unwrap_or_default(), label: CHART };
    Service {
        requests: row.map_or(0, |row| rows::count(row, "requests")),
        errors: row.map_or(0, |row| rows::count(row, "errors")),
        p95_ms: row.and_then(|row| rows::number(row, "p95_ms")),
        name,
        spec,
        spark,
    }
}

fn controls(app: &App) -> Controls {
    app.engine.read(|state| {
        state.controls.keys().fold(Controls::default(), |mut counts, control| {
            match state.runs.get(control).map(|run| run.outcome) {
                Some(Outcome::Pass) => counts.pass += 1,
                Some(Outcome::Fail) => counts.fail += 1,
                Some(Outcome::NotTested) | None => counts.not_tested += 1,
            }
            counts
        })
    })
}

/// The uses of recovery codes in the last month.
fn recovered(app: &App, now: i64) -> Vec<Recovered> {
    app.engine.read(|state| {
        let used = state.recovery.iter().filter_map(|(actor, known)| {
            let at = known.used_at.filter(|at| now - at < ALERT_MS)?;
            Some(Recovered { actor: actor.clone(), at: Instant(at), unused: known.unused.len() })
        });
        used.collect()
    })
}

fn health(app: &App, recent: &[(u64, domain::Entry)]) -> Health {
    let signed_at = recent.iter().find_map(|(_, entry)| match &entry.event {
        Event::LedgerHeartbeat(beat) => Some(Instant(beat.signed_at)),
        _ => None,
    });
    let sealed = recent.iter().find(|(_, entry)| matches!(entry.event, Event::SegmentSealed(_)));
    Health {
        origin: app.engine.log().origin().to_owned(),
        published: reader::published(app.engine.log()),
        signed_at,
        unsealed: app.engine.records().stats().unsealed,
        last_seal: sealed.map(|(seq, entry)| (*seq, Instant(entry.ts))),
        archive: app.engine.archive_standing(),
        objects: app.engine.objects_standing(),
    }
}

fn latest_table(events: &[(u64, domain::Entry)]) -> Table {
    let columns = ["seq", "time (UTC)", "type", "stream", "actor"].map(Column::text).into();
    let mut table = Table::new("Latest events", columns, Empty::new("No events yet", "The first command writes one."));
    table.rows = events.iter().map(|(seq, entry)| event_row(*seq, entry)).collect();
    table
}

fn event_row(seq: u64, entry: &domain::Entry) -> Vec<Cell> {
    vec![
        Cell::Stub(seq.to_string(), Link::into("/ledger", &seq.to_string())),
        Cell::Time(Instant(entry.ts)),
        Cell::Text(entry.event.name().to_owned()),
        Cell::Link(entry.stream.clone(), Link::to("/ledger").with("stream", &entry.stream)),
        Cell::actor(&entry.actor),
    ]
}
