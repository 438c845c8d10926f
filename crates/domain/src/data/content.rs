//! What is in a version, as it was read when it came in: its form, how many rows, its columns, and digests by which the same
//! content is known again in the same data set.
//!
//! The digests are keyed, with a key of the data set that stays in the vault: they show that two versions have the same
//! content, and nobody can confirm a guess with them.

use serde::{Deserialize, Serialize};

use super::datasets::Form;
use crate::decide::digest_is_valid;
use crate::{Refusal, RefusalCode, State};

/// The most columns that are listed; a version may have more.
pub const MAX_LISTED_COLUMNS: usize = 500;

/// The most bytes of the names of listed columns, as JSON.
pub const MAX_LISTED_BYTES: usize = 15_000;

/// The most groups that have a digest of their own.
pub const MAX_GROUPS: usize = 256;

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentColumn {
    /// Its name in the file.
    pub name: String,
    /// A word for its type, such as `text` or `integer`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// What is in a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// How rows are written.
    pub form: Form,
    /// How many rows.
    pub rows: u64,
    /// How many columns.
    pub width: u64,
    /// The first columns, as many as fit.
    pub columns: Vec<ContentColumn>,
    /// Keyed digest of the names and types of all columns.
    pub schema: String,
    /// Keyed digest of all bytes. None once rows were taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Keyed digests of row groups, in order. None once rows were taken out.
    pub groups: Vec<String>,
    /// How many row groups one digest is of, but for the last, which may be of fewer.
    pub groups_each: u64,
}

/// What is in a version is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionDescribed {
    /// Of which data set.
    pub dataset: String,
    /// Which version.
    pub version: String,
    /// What is in it.
    pub content: Content,
}

impl Content {
    /// The same without so many rows. What is left has other digests, which nothing knows.
    #[must_use]
    pub fn without(&self, rows: u64) -> Self {
        Self { rows: self.rows.saturating_sub(rows), digest: None, groups: vec![], ..self.clone() }
    }
}

impl State {
    pub(crate) fn describe_version(&mut self, body: &VersionDescribed) {
        let dataset = self.datasets.get_mut(&body.dataset);
        if let Some(version) = dataset.and_then(|dataset| dataset.versions.get_mut(&body.version)) {
            version.content = Some(body.content.clone());
        }
    }

    /// The version of a data set that has this content, by its digest.
    #[must_use]
    pub fn version_with(&self, dataset: &str, digest: &str) -> Option<&str> {
        let versions = &self.datasets.get(dataset)?.versions;
        let has = |known: &super::Version| known.content.as_ref().and_then(|c| c.digest.as_deref()) == Some(digest);
        versions.iter().find(|(_, known)| has(known)).map(|(name, _)| name.as_str())
    }
}

pub(crate) fn is_well_formed(content: &Content) -> Result<(), Refusal> {
    digest_is_valid("schema", &content.schema)?;
    content.digest.iter().try_for_each(|digest| digest_is_valid("content", digest))?;
    content.groups.iter().try_for_each(|digest| digest_is_valid("row group", digest))?;
    let named: usize = content.columns.iter().map(|column| column.name.len()).sum();
    let bounded = content.columns.len() <= MAX_LISTED_COLUMNS
        && named <= MAX_LISTED_BYTES
        && content.groups.len() <= MAX_GROUPS
        && content.columns.len() as u64 <= content.width
        && content.groups_each > 0;
    match bounded {
        true => Ok(()),
        false => Err(Refusal::new(RefusalCode::Invalid, "what is said of the content is longer than an event may be")),
    }
}
