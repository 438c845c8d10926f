//! `dataset_checks` and `pipeline_steps`: what was checked of versions of data sets, and at which steps of pipelines.

use std::collections::BTreeMap;

use domain::Event;
use domain::data::{ChecksReported, Verdict, VersionChecked};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, int, ms, text, time};

/// The stage of checks that are run as a version comes in.
const INGEST: &str = "ingest";

/// A check that was run here, or elsewhere.
#[derive(Clone)]
struct Ran {
    origin: Origin,
    at: i64,
    by: String,
    what: What,
}

#[derive(Clone)]
enum What {
    Here(VersionChecked),
    Elsewhere(ChecksReported),
}

#[derive(Clone, Default)]
pub(crate) struct DatasetChecks(Vec<Ran>);

/// What comes in is one step, however often it is checked; at another stage each check is one.
fn step_of(checked: &VersionChecked) -> String {
    match checked.stage == INGEST {
        true => coming_in(&checked.dataset, &checked.version),
        false => checked.check.clone(),
    }
}

fn coming_in(dataset: &str, version: &str) -> String {
    format!("{dataset}@{version}")
}

impl Table for DatasetChecks {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "dataset_checks";
    const DOC: &'static str = "Checks of versions of data sets against contracts, and what tools elsewhere say of their own: a row for each rule of each check. Values of rows are in none of them.";
    const COLUMNS: &'static [Column] = &[
        text("check_id", "Identifier of the check and name of the rule, as `k_…/RULE`"),
        text(
            "step_id",
            "The step of a pipeline that it was run at, as in `pipeline_steps`; NULL of what a tool elsewhere says",
        ),
        text("dataset_id", "Name of the data set"),
        text("version", "Its version; NULL when a tool elsewhere names none"),
        text("dimension", "`completeness`, `accuracy`, `consistency`, `uniqueness`, `validity` or `timeliness`"),
        text("status", "`passed`, `failed`, or `unknown` when it could not be evaluated"),
        boolean("blocking", "Whether breaking it quarantines the version"),
        time("ts", "When it was recorded"),
        text("rule", "Name of the rule in the contract, or by the words of the tool"),
        int(
            "checked",
            "How many rows were looked at; 1 for a rule over all rows, columns for `schema`; NULL when a tool elsewhere does not say it",
        ),
        int("violations", "How many of them break it"),
        text("reason", "Why it is unknown, such as `column_missing`, `no_rows`, `reference_missing`, `limit`"),
        text("contract_id", "Name of the contract; NULL of what a tool elsewhere says"),
        int("contract_version", "Its version; NULL when it was a file that is not published"),
        text("contract_sha256", "SHA-256 of its text"),
        text("object_id", "The object that the version lay in, as in `data_objects`"),
        text("checked_by", "Who had it checked, or reported it"),
        text(
            "reported_by",
            "The tool elsewhere that says so, `great_expectations` or `dbt`; NULL of what was checked here",
        ),
        text("tool_version", "The version of that tool, as it says"),
        text("tool_run", "The run, by the name that the tool gives it"),
        time("tool_ran_at", "When that was, as the tool says"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let what = match &leaf.entry.event {
            Event::VersionChecked(body) => What::Here(body.clone()),
            Event::ChecksReported(body) => What::Elsewhere(body.clone()),
            _ => return,
        };
        self.0.push(Ran { origin: leaf.origin(), at: leaf.entry.ts, by: leaf.entry.actor.clone(), what });
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for Ran { origin, at, by, what } in &self.0 {
            let checked = match what {
                What::Here(checked) => checked,
                What::Elsewhere(said) => {
                    reported(*origin, *at, by, said, out);
                    continue;
                }
            };
            for result in &checked.results {
                let cells = [
                    format!("{}/{}", checked.check, result.rule).into(),
                    step_of(checked).into(),
                    (&checked.dataset).into(),
                    (&checked.version).into(),
                    result.dimension.as_str().into(),
                    result.verdict.as_str().into(),
                    result.blocking.into(),
                    ms(*at),
                    (&result.rule).into(),
                    result.checked.into(),
                    result.violations.into(),
                    result.why.map(|why| why.as_str()).into(),
                    (&checked.contract.contract).into(),
                    checked.contract.version.into(),
                    (&checked.contract.sha256).into(),
                    (&checked.object).into(),
                    by.into(),
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                    Cell::Null,
                ];
                out.push(*origin, cells);
            }
        }
    }
}

/// What a tool elsewhere says: of no step and no contract, and never of what blocks here.
fn reported(origin: Origin, at: i64, by: &String, said: &ChecksReported, out: &mut Rows) {
    for result in &said.results {
        let cells = [
            format!("{}/{}", said.report, result.rule).into(),
            Cell::Null,
            (&said.dataset).into(),
            said.version.as_ref().into(),
            result.dimension.as_str().into(),
            result.verdict.as_str().into(),
            false.into(),
            ms(at),
            (&result.rule).into(),
            result.checked.into(),
            result.violations.into(),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            said.object.as_ref().into(),
            by.into(),
            said.tool.as_str().into(),
            said.tool_version.as_ref().into(),
            said.run.as_ref().into(),
            said.ran_at.map_or(Cell::Null, ms),
        ];
        out.push(origin, cells);
    }
}

/// A step of a pipeline.
#[derive(Clone)]
struct Step {
    origin: Origin,
    run: Option<String>,
    stage: String,
    at: i64,
    /// The check that decided how it ended, and what it found.
    checked: Option<(String, Verdict)>,
    released: bool,
    dataset: String,
    version: String,
}

#[derive(Clone, Default)]
pub(crate) struct PipelineSteps(BTreeMap<String, Step>);

impl Table for PipelineSteps {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "pipeline_steps";
    const DOC: &'static str =
        "Steps of data pipelines: each version that came in, and each check at another stage of a pipeline.";
    const COLUMNS: &'static [Column] = &[
        text("step_id", "`DATASET@VERSION` for a version that came in, else the identifier of the check"),
        text("run_id", "The run of the pipeline, by the name that it gives; NULL when it gives none"),
        text("stage", "`ingest` for what comes in, else the stage that the check names"),
        time("ts", "When it was stored, or checked"),
        text(
            "status",
            "`completed`; `stopped` when a blocking rule was broken or could not be evaluated; `released` when somebody else let the version out",
        ),
        text("dataset_id", "Name of the data set"),
        text("version", "The version that came in or was checked"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (origin, at) = (leaf.origin(), leaf.entry.ts);
        match &leaf.entry.event {
            Event::VersionStored(body) => {
                let (dataset, version) = (body.dataset.clone(), body.version.clone());
                let stage = INGEST.to_owned();
                let step = Step { origin, run: None, stage, at, checked: None, released: false, dataset, version };
                self.0.insert(coming_in(&body.dataset, &body.version), step);
            }
            Event::VersionChecked(body) => {
                let fresh = || Step {
                    origin,
                    run: None,
                    stage: body.stage.clone(),
                    at,
                    checked: None,
                    released: false,
                    dataset: body.dataset.clone(),
                    version: body.version.clone(),
                };
                let step = self.0.entry(step_of(body)).or_insert_with(fresh);
                (step.origin, step.released) = (origin, false);
                step.run = body.run.clone().or(step.run.take());
                step.checked = Some((body.check.clone(), body.verdict));
            }
            Event::VersionReleased(body) => {
                let of = |step: &&mut Step| (&step.dataset, &step.version) == (&body.dataset, &body.version);
                for step in self.0.values_mut().filter(of) {
                    if step.checked.as_ref().is_some_and(|(_, verdict)| *verdict == Verdict::Failed) {
                        (step.origin, step.released) = (origin, true);
                    }
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (id, step) in &self.0 {
            let status = match &step.checked {
                _ if step.released => "released",
                None | Some((_, Verdict::Passed)) => "completed",
                Some((_, Verdict::Failed | Verdict::Unknown)) => "stopped",
            };
            let cells: [Cell; 7] = [
                id.into(),
                step.run.as_ref().into(),
                (&step.stage).into(),
                ms(step.at),
                status.into(),
                (&step.dataset).into(),
                (&step.version).into(),
            ];
            out.push(step.origin, cells);
        }
    }
}
