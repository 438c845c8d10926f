//! Documents that people work under, such as policies: published in versions, and acknowledged by each for themselves.
//!
//! The ledger has a document's digest; its bytes lie in the object store. Publishing always needs an approval. A new
//! version takes the place of the one before, and nobody has acknowledged it yet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::accounts::a_person;
use crate::decide::{digest_is_valid, name_is_valid};
use crate::{Event, Given, Refusal, RefusalCode, State};

/// The longest time until a document is to be reviewed, in milliseconds: three years.
pub const REVIEW_MS: i64 = 3 * 366 * 24 * 60 * 60 * 1000;

/// What kind of document it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// Says what must be so.
    Policy,
    /// Says how it is done.
    Procedure,
}

impl DocumentKind {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Procedure => "procedure",
        }
    }
}

/// A version of a document is in force, in place of the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentPublished {
    /// Its name, such as `ai-use`.
    pub document: String,
    /// What kind it is.
    pub kind: DocumentKind,
    /// 1 for the first, then one more each time.
    pub version: u64,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Milliseconds since the epoch until which it is to be reviewed.
    pub review_due: i64,
    /// Whether everybody who holds a role is to acknowledge it.
    pub ack_required: bool,
}

/// The event's actor acknowledged a version of a document. Nobody can do so for somebody else: there is no place for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentAcknowledged {
    /// Which document.
    pub document: String,
    /// The version that they read.
    pub version: u64,
}

/// A document as the state knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The version in force.
    pub published: DocumentPublished,
    /// Since when, in milliseconds since the epoch.
    pub at: i64,
    /// Who acknowledged this version, and when.
    pub acknowledged: BTreeMap<String, i64>,
}

impl State {
    /// Documents that somebody who holds a role is to acknowledge, and has not.
    pub fn to_acknowledge<'a>(&'a self, actor: &'a str) -> impl Iterator<Item = &'a Document> {
        let waits =
            move |document: &&Document| document.published.ack_required && !document.acknowledged.contains_key(actor);
        self.documents.values().filter(waits)
    }

    pub(crate) fn publish_document(&mut self, body: &DocumentPublished, at: i64) {
        let document = Document { published: body.clone(), at, acknowledged: BTreeMap::new() };
        self.documents.insert(body.document.clone(), document);
    }

    pub(crate) fn acknowledge_document(&mut self, body: &DocumentAcknowledged, by: &str, at: i64) {
        let known = self.documents.get_mut(&body.document);
        if let Some(document) = known.filter(|document| document.published.version == body.version) {
            document.acknowledged.insert(by.to_owned(), at);
        }
    }
}

pub(crate) fn publish(state: &State, given: &Given, body: &DocumentPublished) -> Result<Vec<Event>, Refusal> {
    let refuse = |code, why: String| Err(Refusal::new(code, why));
    name_is_valid("document", &body.document)?;
    digest_is_valid("document", &body.sha256)?;
    let known = state.documents.get(&body.document).map_or(0, |document| document.published.version);
    let next = known.saturating_add(1);
    if body.version != next {
        let message = format!("document `{}` is at version {known}: the next one is {next}", body.document);
        return refuse(RefusalCode::Conflict, message);
    }
    if body.review_due <= given.now || body.review_due > given.now.saturating_add(REVIEW_MS) {
        return refuse(RefusalCode::Invalid, "a document is to be reviewed in the future, within three years".into());
    }
    Ok(vec![Event::DocumentPublished(body.clone())])
}

pub(crate) fn acknowledge(state: &State, given: &Given, body: &DocumentAcknowledged) -> Result<Vec<Event>, Refusal> {
    let refuse = |code, why: String| Err(Refusal::new(code, why));
    a_person(state, &given.by, "acknowledges a document")?;
    let Some(document) = state.documents.get(&body.document) else {
        return refuse(RefusalCode::NotFound, format!("there is no document `{}`", body.document));
    };
    let version = document.published.version;
    if version != body.version {
        let message =
            format!("document `{}` is at version {version}, not {}: read that one", body.document, body.version);
        return refuse(RefusalCode::Conflict, message);
    }
    match document.acknowledged.contains_key(&given.by) {
        true => Ok(vec![]),
        false => Ok(vec![Event::DocumentAcknowledged(body.clone())]),
    }
}
