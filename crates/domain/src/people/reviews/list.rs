//! The list of a completed campaign: what was reviewed, and what became of it.

use serde::Serialize;

use super::{ItemKind, Outcome, Review, ReviewItem, ReviewReason};
use crate::{State, canonical};

/// The list of a completed campaign: what was reviewed, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReviewList {
    /// Version of the form: 1.
    pub v: u32,
    /// Which campaign.
    pub review: String,
    /// What was reviewed.
    pub scope: String,
    /// Ledger size that the population follows from.
    pub at_size: u64,
    /// Merkle root over the population, hexadecimal.
    pub population_root: String,
    /// When it started, milliseconds since the epoch.
    pub started_at: i64,
    /// By when it had to be complete.
    pub due_at: i64,
    /// When it was completed.
    pub completed_at: i64,
    /// Everything that was reviewed, by grant, key or passkey.
    pub items: Vec<ListedItem>,
}

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedItem {
    /// The grant, key or passkey.
    pub item: String,
    /// What it is; not written of a role.
    #[serde(skip_serializing_if = "ItemKind::is_role")]
    pub kind: ItemKind,
    /// Who held it.
    pub actor: String,
    /// The role; empty, and not written, for a credential.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// Where it held; of a credential what it opened.
    pub scope: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReviewReason>,
    /// Where more is written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When, milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
}

impl ReviewList {
    /// The list as compact JSON: the bytes whose digest the ledger commits to.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        canonical::to_vec(self).unwrap_or_default()
    }

    /// The same as comma-separated values, an item a line. No value holds a comma or a quote.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut text = String::from("item,kind,actor,role,scope,outcome,reason,reference,by,at\n");
        for line in &self.items {
            let reason = line.reason.map_or("", ReviewReason::as_str);
            let at = line.at.map(|at| at.to_string()).unwrap_or_default();
            let rest = [line.reference.as_deref().unwrap_or(""), line.by.as_deref().unwrap_or(""), at.as_str()];
            let cells: [&str; 5] = [&line.item, line.kind.as_str(), &line.actor, &line.role, &line.scope];
            let cells = cells.into_iter().chain([line.outcome.as_str(), reason]).chain(rest);
            text += &cells.collect::<Vec<_>>().join(",");
            text.push('\n');
        }
        text
    }
}

impl State {
    /// The list of a completed campaign.
    #[must_use]
    pub fn review_list(&self, review: &Review, completed_at: i64) -> ReviewList {
        let line = |(name, item): (&String, &ReviewItem)| {
            let decided = item.decided.as_ref();
            ListedItem {
                item: name.clone(),
                kind: item.kind,
                actor: item.actor.clone(),
                role: item.role.clone(),
                scope: item.scope.clone(),
                outcome: self.outcome_of(name, item, completed_at),
                reason: decided.map(|decided| decided.reason),
                reference: decided.and_then(|decided| decided.reference.clone()),
                by: decided.map(|decided| decided.by.clone()),
                at: decided.map(|decided| decided.at),
            }
        };
        ReviewList {
            v: 1,
            review: review.started.review.clone(),
            scope: review.started.scope.clone(),
            at_size: review.started.at_size,
            population_root: review.started.population_root.clone(),
            started_at: review.started_at,
            due_at: review.started.due_at,
            completed_at,
            items: review.items.iter().map(line).collect(),
        }
    }
}
