//! One inference's whole story: what happened when, under which rules, and the two proofs that its record is kept.
//!
//! The contents stay sealed. Reading them must leave a record of the access, and that belongs to the people area; until
//! it is built there is no way to read them here, because a way without a record would break the first law.

use std::sync::Arc;

use askama::Template;
use assurance::AssuranceError;
use axum::extract::{Path, State};

use super::story::Story;
use crate::App;
use crate::api::assurance_failure;
use crate::auth::Visitor;
use crate::failure::Failure;
use crate::rows::{self, Row};
use crate::ui::{self, Instant, Link, Mark, Page, Query, Section, Shell, page};

/// The page.
#[derive(Template)]
#[template(path = "serving/inference.html")]
pub(crate) struct InferencePage {
    shell: Shell,
    id: String,
    status: Mark,
    began: Option<Instant>,
    timeline: Vec<Moment>,
    facts: Vec<Fact>,
    payload: Vec<Fact>,
    story: Option<Story>,
    query: Query,
}

/// A line of the timeline.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    at: Option<Instant>,
    /// Time since the request had arrived.
    since: String,
    what: String,
}

/// A name and a value, which may lead to its evidence.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    name: &'static str,
    value: String,
    link: Option<Link>,
}

impl InferencePage {
    fn new(shell: Shell, id: String, row: &Row, story: Option<Story>, query: Query) -> Self {
        Self {
            status: Mark::status(&rows::text(row, "status")),
            began: rows::instant(row, "ts_start"),
            timeline: timeline(row, story.as_ref()),
            facts: governance(row),
            payload: payload(row),
            shell,
            id,
            story,
            query,
        }
    }

    fn command(&self) -> String {
        format!("counterfoil records proof {} -o record.proof && counterfoil verify record.proof", self.id)
    }

    fn proof_link(&self) -> String {
        format!("/api/v1/inferences/{}/proof", self.id)
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let value = serde_json::json!({
            "ts_start": "2026-11-22T20:54:09.120Z", "ts_end": "2026-11-22T20:54:09.932Z",
            "door": "openai.chat.completions", "service": "credit-risk", "key": "k_19ab", "route": "gpt-4o-mini",
            "model": "openai/gpt-4o-mini", "version": "as-served", "status": "ok", "http_status": 200,
            "upstream_us": 801_220, "first_byte_us": 211_004, "tokens_in": 412, "tokens_out": 87,
            "policies": "application-infers-for-its-service", "config_size": 41, "classification": "confidential",
            "day": "2026-11-22", "ct_sha256": "9f2c", "c_root": "77ab", "request_bytes": 2210, "response_bytes": 901,
            "node": "n1", "incarnation": 4, "node_seq": 120_311,
        });
        let row = value.as_object().expect("an object").clone();
        let leaves: Vec<merkle::Hash> = (0..7u8).map(|i| merkle::leaf_hash(&[i])).collect();
        let path = merkle::inclusion_proof_of(&leaves, 3).expect("within the tree");
        let file = domain::serving::SegmentFile { path: "inferences/x.parquet".into(), sha256: "00".into(), len: 1 };
        let segment = domain::serving::SegmentSealed {
            node: "n1".into(),
            incarnation: 4,
            number: 17,
            first: 120_308,
            n: 7,
            root: merkle::hex(&merkle::root_of(&leaves)),
            prev: None,
            t0: 0,
            t1: 0,
            hours: vec![],
            core: file.clone(),
            payload: Some(file),
        };
        let story = Story {
            leaf: merkle::hex(&leaves[3]),
            index: 3,
            steps: crate::infrastructure::proof::steps(leaves[3], 3, 7, &path),
            segment,
            sealed_at: 1_795_380_860_000,
            seq: 18_190,
            text: "counterfoil/record-proof@v1\n".into(),
        };
        let id = || "0193540a-9c1f-7b60-8a11-2b8c4d1e5f60".to_owned();
        let query = || Query { sql: record_sql(&id()), size: 18_204 };
        let shell = || Shell::sample(Section::Inferences);
        [Self::new(shell(), id(), &row, Some(story), query()), Self::new(shell(), id(), &row, None, query())]
    }
}

fn timeline(row: &Row, story: Option<&Story>) -> Vec<Moment> {
    let began = rows::instant(row, "ts_start");
    let since = |at: Option<Instant>| match (began, at) {
        (Some(began), Some(at)) if at != began => span((at.0 - began.0) as f64),
        _ => String::new(),
    };
    let moment = |at: Option<Instant>, what: String| Moment { at, since: since(at), what };
    let after = |column: &str| rows::number(row, column).map(|us| span(us / 1000.0));
    let mut moments = vec![moment(began, "the request had arrived; its beginning was written down".into())];
    if let Some(took) = after("first_byte_us") {
        moments.push(moment(None, format!("the first byte came {took} after the provider was called")));
    }
    if let Some(took) = after("upstream_us") {
        moments.push(moment(None, format!("the model had answered {took} after it was called")));
    }
    if let Some(at) = rows::instant(row, "ts_end") {
        moments.push(moment(Some(at), "the answer was ready".into()));
        moments.push(moment(None, "the record was durable, and only then the answer was complete".into()));
    }
    match story {
        Some(Story { segment, sealed_at, .. }) => {
            let where_to =
                format!("segment {} of node {}, incarnation {}", segment.number, segment.node, segment.incarnation);
            moments.push(moment(Some(Instant(*sealed_at)), format!("sealed in {where_to}")));
            moments.push(moment(None, "anchored: a signed checkpoint covers the segment's event".into()));
        }
        None => moments.push(moment(None, "not sealed and anchored yet; that follows within a minute or so".into())),
    }
    moments
}

fn span(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 10_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1000.0),
    }
}

fn facts(row: &Row, named: &[(&'static str, &str)]) -> Vec<Fact> {
    let fact =
        |&(name, column): &(&'static str, &str)| Some(Fact { name, value: rows::maybe(row, column)?, link: None });
    named.iter().filter_map(fact).collect()
}

fn governance(row: &Row) -> Vec<Fact> {
    let mut facts = facts(
        row,
        &[
            ("Service", "service"),
            ("Purpose", "purpose"),
            ("Key", "key"),
            ("Door", "door"),
            ("Route", "route"),
            ("Model", "model"),
            ("Version", "version"),
            ("Deployment", "deployment"),
            ("Provider", "provider"),
            ("Region", "region"),
            ("Allowed by policies", "policies"),
            ("Governed at ledger size", "config_size"),
            ("HTTP status", "http_status"),
            ("Error", "error_code"),
            ("Tokens in", "tokens_in"),
            ("Tokens out", "tokens_out"),
            ("Node", "node"),
            ("Incarnation", "incarnation"),
            ("Number on node", "node_seq"),
        ],
    );
    for fact in &mut facts {
        fact.link = match fact.name {
            "Service" => Some(Link::to("/ledger").with("stream", format!("service/{}", fact.value))),
            "Key" => Some(Link::to("/ledger").with("stream", format!("key/{}", fact.value))),
            "Provider" => Some(Link::to("/ledger").with("stream", format!("provider/{}", fact.value))),
            "Allowed by policies" => Some(Link::to("/ledger").with("stream", "policies")),
            "Governed at ledger size" => Some(Link::to("/ledger").with("before", &fact.value)),
            _ => None,
        };
    }
    facts
}

fn payload(row: &Row) -> Vec<Fact> {
    facts(
        row,
        &[
            ("Classification", "classification"),
            ("Day of its key", "day"),
            ("Subject tag", "subject_tag"),
            ("Request bytes", "request_bytes"),
            ("Response bytes", "response_bytes"),
            ("SHA-256 of the sealed payload", "ct_sha256"),
            ("Commitment to its fields", "c_root"),
        ],
    )
}

/// The query for one record.
pub(crate) fn record_sql(id: &str) -> String {
    format!("SELECT *\nFROM inference_records\nWHERE inference_id = {}", ui::literal(id))
}

/// `GET /inferences/{id}`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Page {
    app.may_read(&who, "inferences")?;
    let sql = record_sql(&id);
    let found = app.ask(&sql).await?;
    let Some(row) = found.rows.first() else {
        return Err(match assurance::record_proof(&app.engine, &app.db, &id).await {
            Err(error @ AssuranceError::Gone(_)) => assurance_failure(error).into(),
            _ => Failure::not_found("inference", &id).into(),
        });
    };
    // A record that is not sealed yet has no proof; that is a state to show, not a failure.
    let story = match assurance::record_proof(&app.engine, &app.db, &id).await {
        Ok(p) => Story::new(&p.record, p.index, &p.hashes, &p.event, p.log.index, p.to_string()),
        Err(AssuranceError::NotFound(_) | AssuranceError::Gone(_)) => None,
        Err(error) => return Err(assurance_failure(error).into()),
    };
    let shell = Shell::new(&app, &who, Section::Inferences).await?;
    page(&InferencePage::new(shell, id, row, story, Query { sql, size: found.size }))
}
