//! The page of findings: what contradicts the declared classes, who is to settle it and by when.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::Redirect;
use domain::Command;
use domain::data::detectors::OwnDetectors;
use domain::data::{Finding, FindingResolved, FindingWhy, Resolution};
use scan::detect::Kind;
use serde::Deserialize;

use crate::App;
use crate::app::DATASETS;
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::people::Names;
use crate::ui::{Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, clock, page};

/// The most settled findings that are shown.
const SETTLED: usize = 200;

const DAY_MS: i64 = 86_400_000;

const OWN: &str = "SELECT detector_id, classification, pattern, word_count, score_permille, declared_by, declared_at, retired_at\n\
                   FROM detectors\nORDER BY detector_id";

/// Where a form leads.
type Back = Result<Redirect, PageError>;

/// The page.
#[derive(Template)]
#[template(path = "data/findings.html")]
pub(crate) struct FindingsPage {
    shell: Shell,
    open: Table,
    settled: Table,
    own: Table,
    /// Kinds that are built in, with their classes.
    built_in: Vec<(&'static str, &'static str)>,
    /// Those that whoever looks may settle: identifier, and what it is.
    mine: Vec<(String, String)>,
}

impl FindingsPage {
    fn new(
        shell: Shell,
        findings: &[Finding],
        (own, size): (&OwnDetectors, u64),
        now: i64,
        may: impl Fn(&str) -> bool,
    ) -> Self {
        let columns =
            ["data set", "version", "field", "found", "why", "class", "cells", "owner", "due (UTC)", "finding"];
        let empty = Empty::new("Nothing is open", "Detectors look at every new version. Have them look again:")
            .command("counterfoil data scan NAME@VERSION");
        let mut open = Table::new("Open findings", columns.map(Column::text).into(), empty);
        let columns = ["data set", "field", "found", "settled as", "by", "when (UTC)", "reference", "finding"];
        let empty = Empty::new("Nothing was settled yet", "");
        let mut settled = Table::new("Settled findings", columns.map(Column::text).into(), empty);
        let waiting = findings.iter().filter(|one| one.resolved.is_none());
        open.rows = waiting.map(|one| unsettled(one, now)).collect();
        let mut done: Vec<&Finding> = findings.iter().filter(|one| one.resolved.is_some()).collect();
        done.sort_by_key(|one| std::cmp::Reverse(one.resolved.as_ref().map(|(_, _, at)| *at)));
        settled.rows = done.into_iter().take(SETTLED).filter_map(how).collect();
        let mine = findings.iter().filter(|one| one.resolved.is_none() && may(&one.opened.dataset));
        let mine = mine.map(|one| (one.opened.finding.clone(), described(one))).collect();
        let built_in = Kind::ALL.map(|kind| (kind.as_str(), kind.class().as_str())).to_vec();
        Self { shell, open, settled, own: detectors(own, size), built_in, mine }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let shell = || Shell::sample(Section::Data);
        let opened = serde_json::json!({
            "finding": "f_1", "dataset": "loans", "version": "1", "field": "note", "kind": "email", "why": "above_class",
            "class": "personal", "cells": 3, "score_permille": 950, "owner": "a_91bc77", "due": 1_795_000_000_000_i64,
        });
        let resolved = serde_json::json!([
            { "finding": "f_1", "dataset": "loans", "resolution": "false_alarm", "reference": "RISK-3" },
            "a_91bc77", 1_795_000_000_000_i64,
        ]);
        let finding = |resolved: serde_json::Value| {
            let finding = serde_json::json!({ "opened": opened, "at": 1_794_000_000_000_i64, "resolved": resolved });
            serde_json::from_value(finding).expect("a finding")
        };
        let both = [finding(serde_json::Value::Null), finding(resolved)];
        let own = serde_json::json!({ "revision": 3, "known": {
            "project": {
                "spec": { "class": "confidential", "words": ["heron", "kite"], "score_permille": 970 },
                "by": "a_91bc77", "at": 1_794_000_000_000_i64, "retired_at": 1_795_000_000_000_i64,
            },
            "staff_number": {
                "spec": { "class": "personal", "pattern": r"ST-\d{5}", "score_permille": 800 },
                "by": "a_91bc77", "at": 1_794_000_000_000_i64, "retired_at": null,
            },
        } });
        let own: OwnDetectors = serde_json::from_value(own).expect("detectors");
        let none = OwnDetectors::default();
        [
            Self::new(shell(), &both, (&own, 9), 1_796_000_000_000, |_| true),
            Self::new(shell(), &[], (&none, 9), 0, |_| true),
        ]
    }
}

/// The organisation's own detectors.
fn detectors(own: &OwnDetectors, size: u64) -> Table {
    let columns = [
        Column::text("detector"),
        Column::text("class"),
        Column::text("finds"),
        Column::number("score"),
        Column::text("declared by"),
        Column::text("when (UTC)"),
        Column::text("state"),
    ];
    let empty = Empty::new("Nothing is looked for beside what is built in", "Declare a detector of your own:").command(
        "counterfoil detectors declare staff_number --class personal --pattern 'ST-[0-9]{5}' --example ST-00001",
    );
    let mut table = Table::new("Detectors of your own", columns.into(), empty);
    let row = |(name, known): (&String, &domain::data::detectors::KnownDetector)| {
        let finds = match &known.spec.pattern {
            Some(pattern) => Cell::Code(pattern.clone()),
            None => Cell::Text(format!("{} words", known.spec.words.len())),
        };
        let state = match known.retired_at {
            None => Mark::new("looks", Tone::Good),
            Some(at) => Mark::new(format!("retired {}", Instant(at).plain()), Tone::Plain),
        };
        vec![
            Cell::Code(name.clone()),
            Cell::Text(known.spec.class.as_str().to_owned()),
            finds,
            Cell::count(u64::from(known.spec.score_permille)),
            Cell::actor(&known.by),
            Cell::Time(Instant::at(&known.at)),
            Cell::Mark(state),
        ]
    };
    table.rows = own.known.iter().map(row).collect();
    table.query = Some(Query { sql: OWN.to_owned(), size });
    table
}

fn described(finding: &Finding) -> String {
    let opened = &finding.opened;
    let place = opened.field.as_ref().map_or_else(String::new, |field| format!(", field {field}"));
    format!("{} in {}{place}", opened.kind, opened.dataset)
}

fn unsettled(finding: &Finding, now: i64) -> Vec<Cell> {
    let opened = &finding.opened;
    let why = match opened.why {
        FindingWhy::Secret => Mark::new("a secret", Tone::Bad),
        FindingWhy::AboveClass => Mark::new("above its class", Tone::Bad),
        FindingWhy::Undeclared => Mark::new("undeclared", Tone::Open),
        FindingWhy::Unnamed => Mark::new("people in rows about nobody", Tone::Open),
    };
    let due = Cell::Time(Instant::at(&opened.due));
    vec![
        Cell::Stub(opened.dataset.clone(), Link::into("/data", &opened.dataset)),
        Cell::Text(opened.version.clone()),
        Cell::maybe(opened.field.clone()),
        Cell::Text(opened.kind.clone()),
        Cell::Mark(why),
        Cell::Text(opened.class.as_str().to_owned()),
        Cell::count(opened.cells),
        Cell::actor(&opened.owner),
        if opened.due < now {
            Cell::Mark(Mark::new(format!("since {}", Instant(opened.due).plain()), Tone::Bad))
        } else {
            due
        },
        Cell::Code(opened.finding.clone()),
    ]
}

fn how(finding: &Finding) -> Option<Vec<Cell>> {
    let (opened, (resolved, by, at)) = (&finding.opened, finding.resolved.as_ref()?);
    Some(vec![
        Cell::Stub(opened.dataset.clone(), Link::into("/data", &opened.dataset)),
        Cell::maybe(opened.field.clone()),
        Cell::Text(opened.kind.clone()),
        Cell::Text(resolved.resolution.as_str().to_owned()),
        Cell::actor(by),
        Cell::Time(Instant::at(at)),
        Cell::maybe(resolved.reference.clone()),
        Cell::Code(opened.finding.clone()),
    ])
}

/// `GET /data/findings`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    let own = app.may_read_some(&who, "datasets", &DATASETS)?;
    let fits = |finding: &&Finding| {
        own.as_ref().is_none_or(|own| own.contains(&format!("dataset/{}", finding.opened.dataset)))
    };
    let (mut found, own_detectors, size) = app.engine.read(|state| {
        let found: Vec<Finding> = state.findings.values().filter(fits).cloned().collect();
        (found, state.detectors.clone(), state.size)
    });
    found.sort_by_key(|one| one.opened.due);
    let may = |dataset: &str| app.decides(&who, "finding.resolve", &format!("dataset/{dataset}"));
    let shell = Shell::new(&app, &who, Section::Data).await?;
    let mut shown = FindingsPage::new(shell, &found, (&own_detectors, size), clock(), may);
    Names::on_page(&app, &who, vec![], &mut [&mut shown.open, &mut shown.settled, &mut shown.own]).await;
    page(&shown)
}

/// How a finding is settled, as the form says it.
#[derive(Deserialize)]
pub(crate) struct Settle {
    finding: String,
    resolution: Resolution,
    #[serde(default)]
    reference: String,
    /// For how many days it is accepted.
    days: Option<i64>,
}

/// `POST /data/findings`
pub(crate) async fn settle(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<Settle>) -> Back {
    let dataset = app.engine.read(|state| state.findings.get(&form.finding).map(|known| known.opened.dataset.clone()));
    let dataset = dataset.ok_or_else(|| Failure::not_found("finding", &form.finding))?;
    let accepted = form.resolution == Resolution::Accepted;
    let until = form.days.filter(|_| accepted).map(|days| clock().saturating_add(days.saturating_mul(DAY_MS)));
    let reference = Some(form.reference.trim().to_owned()).filter(|reference| !reference.is_empty());
    let Settle { finding, resolution, .. } = form;
    let settled = FindingResolved { finding, dataset, resolution, reference, until };
    app.engine.execute(&who, Command::ResolveFinding(settled)).await?;
    Ok(Redirect::to("/data/findings#settled"))
}
