//! One event: its exact bytes, its leaf, and the proof that the ledger holds it, step by step.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::proof::{Step, steps};
use crate::App;
use crate::assets::VERIFY;
use crate::auth::Visitor;
use crate::failure::Failure;
use crate::people::Names;
use crate::reader::{self, Included};
use crate::ui::{Instant, Link, Page, Section, Shell, page};

/// The page.
#[derive(Template)]
#[template(path = "infrastructure/event.html")]
pub(crate) struct EventPage {
    shell: Shell,
    names: Names,
    seq: u64,
    kind: String,
    at: Option<Instant>,
    actor: String,
    stream: String,
    version: u64,
    id: String,
    /// The entry as indented JSON, for reading.
    json: String,
    bytes: usize,
    /// The entry's exact bytes, in base64.
    entry: String,
    leaf: String,
    /// The size that the proof is for.
    size: u64,
    steps: Vec<Step>,
    root: String,
    /// The checkpoint that signs that size, when one is published.
    checkpoint: Option<String>,
}

impl EventPage {
    fn new(shell: Shell, seq: u64, included: &Included) -> Self {
        let value: serde_json::Value = serde_json::from_slice(&included.entry).unwrap_or_default();
        let text = |name: &str| value.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        Self {
            shell,
            names: Names::default(),
            seq,
            kind: text("t"),
            at: value.get("ts").and_then(serde_json::Value::as_i64).map(Instant),
            actor: text("actor"),
            stream: text("stream"),
            version: value.get("sv").and_then(serde_json::Value::as_u64).unwrap_or_default(),
            id: text("id"),
            json: serde_json::to_string_pretty(&value).unwrap_or_default(),
            bytes: included.entry.len(),
            entry: BASE64_STANDARD.encode(&included.entry),
            leaf: merkle::hex(&included.leaf),
            size: included.size,
            steps: steps(included.leaf, seq, included.size, &included.path),
            root: merkle::hex(&included.root),
            checkpoint: included.checkpoint.clone(),
        }
    }

    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let entry = concat!(
            r#"{"actor":"a_7f3k2m9q","body":{"key":"k_19ab","prefix":"cfk_Zt0uQ8","scope":{"service":"credit-risk"}},"#,
            r#""id":"01930000-0000-7000-8000-000000000001","stream":"key/k_19ab","sv":1,"t":"key.created","#,
            r#""ts":1795380849000,"v":1}"#
        );
        let entry = entry.as_bytes();
        let leaves: Vec<merkle::Hash> =
            (0..11u8).map(|i| if i == 5 { merkle::leaf_hash(entry) } else { merkle::leaf_hash(&[i]) }).collect();
        let included = Included {
            entry: entry.to_vec(),
            leaf: leaves[5],
            size: 11,
            path: merkle::inclusion_proof_of(&leaves, 5).expect("within the tree"),
            root: merkle::root_of(&leaves),
            checkpoint: Some("counterfoil.example/bank\n11\nq83v\n\n— counterfoil.example/bank abc=\n".into()),
        };
        Self::new(Shell::sample(Section::Ledger), 5, &included)
    }

    /// Whether the last of the recomputed hashes is the root.
    fn holds(&self) -> bool {
        self.steps.last().map_or(&self.leaf, |step| &step.result) == &self.root
    }

    fn script(&self) -> String {
        VERIFY.url()
    }

    fn stream_link(&self) -> Link {
        Link::to("/ledger").with("stream", &self.stream)
    }

    fn command(&self) -> String {
        format!("counterfoil ledger proof --event {} -o event.proof && counterfoil verify event.proof", self.seq)
    }
}

/// `GET /ledger/{seq}`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(seq): Path<String>) -> Page {
    app.may_read(&who, "ledger")?;
    let number: u64 = seq.parse().map_err(|_| Failure::not_found("event", &seq))?;
    let included = reader::included(&app, number).await?.ok_or_else(|| Failure::not_found("event", &seq))?;
    let mut shown = EventPage::new(Shell::new(&app, &who, Section::Ledger).await?, number, &included);
    shown.names = Names::on_page(&app, &who, vec![shown.actor.clone()], &mut []).await;
    page(&shown)
}
