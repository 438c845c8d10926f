//! Access reviews: who holds what is looked at by somebody else, over a population that cannot move meanwhile.
//!
//! A campaign freezes the roles that are held in its scope at the moment it starts, and when it is to, the keys and
//! passkeys that open something there: they follow from the ledger at that size, and the event commits to them by a
//! Merkle root, so that the list can be made again by anybody. Its reviewer decides of each whether it stays; what is taken
//! away ends by the same decision. Nobody reviews what they hold themselves. What ended meanwhile, by whatever cause, is
//! settled by that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::roles::{self, ENVIRONMENT, ORG};
use super::{ActorKind, Key, KeyScope};
use crate::{State, canonical};

mod list;
mod rules;

pub use list::{ListedItem, ReviewList};
pub(crate) use rules::{assign, complete, decide_one, start};

/// The wish to start a campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartReview {
    /// Public identifier, `r_` and random characters.
    pub review: String,
    /// What is reviewed: `org` for all that is held, `service/NAME`, `environment/NAME` or `dataset/NAME` for what is held
    /// in that scope.
    pub scope: String,
    /// Who reviews.
    pub reviewer: String,
    /// Who reviews what the reviewer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternate: Option<String>,
    /// Whether keys and passkeys are reviewed too.
    #[serde(default)]
    pub credentials: bool,
    /// Milliseconds since the epoch by which it must be complete.
    pub due_at: i64,
}

/// A campaign started, over what was held at that moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewStarted {
    /// Public identifier.
    pub review: String,
    /// What is reviewed.
    pub scope: String,
    /// Who reviews.
    pub reviewer: String,
    /// Who reviews what the reviewer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternate: Option<String>,
    /// Whether keys and passkeys are reviewed too; left out when they are not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credentials: bool,
    /// Milliseconds since the epoch by which it must be complete.
    pub due_at: i64,
    /// Ledger size that the population follows from; equal to this event's number.
    pub at_size: u64,
    /// Roles and credentials to be reviewed.
    pub population: u64,
    /// Merkle root over them, hexadecimal.
    pub population_root: String,
}

/// Somebody else reviews from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewAssigned {
    /// Which campaign.
    pub review: String,
    /// Who reviews.
    pub reviewer: String,
    /// Who reviews what the reviewer holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternate: Option<String>,
}

/// Whether what is reviewed stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It stays.
    Keep,
    /// It is taken away.
    Remove,
}

/// Why a reviewer decided so. Codes, because free text would sooner or later say more of somebody than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewReason {
    /// The duty is still theirs.
    Needed,
    /// Nobody needs it any more.
    NotNeeded,
    /// They do something else now.
    Moved,
    /// They left, and it was not noted.
    Gone,
    /// It holds in more places than it should.
    TooBroad,
    /// It was not known that they hold it.
    Unknown,
}

impl ReviewReason {
    /// All of them, with their meaning.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Needed, "keep: the duty is still theirs"),
        (Self::NotNeeded, "remove: nobody needs it any more"),
        (Self::Moved, "remove: they do something else now"),
        (Self::Gone, "remove: they left"),
        (Self::TooBroad, "remove: it holds in more places than it should"),
        (Self::Unknown, "remove: it was not known that they hold it"),
    ];

    /// The reason of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().map(|(reason, _)| *reason).find(|reason| reason.as_str() == name)
    }

    /// What it leads to.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        if self == Self::Needed { Verdict::Keep } else { Verdict::Remove }
    }

    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Needed => "needed",
            Self::NotNeeded => "not_needed",
            Self::Moved => "moved",
            Self::Gone => "gone",
            Self::TooBroad => "too_broad",
            Self::Unknown => "unknown",
        }
    }
}

/// A role or a credential was reviewed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewDecided {
    /// Which campaign.
    pub review: String,
    /// Which grant, key or passkey, or `<actor>/<role>` for a role that an actor began with.
    pub item: String,
    /// Whether it stays.
    pub verdict: Verdict,
    /// Why.
    pub reason: ReviewReason,
    /// Where more is written down, such as a ticket's number; needed for what is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
}

/// A campaign is named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewNamed {
    /// Which campaign.
    pub review: String,
}

/// A campaign is complete: everything in it is settled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewCompleted {
    /// Which campaign.
    pub review: String,
    /// How many stay.
    pub kept: u64,
    /// How many were taken away.
    pub removed: u64,
    /// How many ended meanwhile by another cause.
    pub gone: u64,
    /// SHA-256 of the list of what was decided, as compact JSON, hexadecimal.
    pub list_sha256: String,
}

/// What kind of thing an item of a campaign is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A role that somebody holds.
    #[default]
    Role,
    /// A key of a program or a person.
    Key,
    /// A passkey of a person.
    Passkey,
}

impl ItemKind {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Key => "key",
            Self::Passkey => "passkey",
        }
    }

    /// Whether it is a role: what all items were at first, so that it is not written.
    #[must_use]
    pub fn is_role(&self) -> bool {
        *self == Self::Role
    }
}

/// A role or a credential in a campaign.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewItem {
    /// What it is.
    #[serde(default, skip_serializing_if = "ItemKind::is_role")]
    pub kind: ItemKind,
    /// Who holds it; of a key that belongs to nobody, who made it.
    pub actor: String,
    /// The role; empty, and not written, for a credential.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// Where a role holds; what a credential opens, as `kind/name` separated by spaces.
    pub scope: String,
    /// What was decided of it.
    pub decided: Option<ItemDecided>,
}

/// What was decided of an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemDecided {
    /// Whether it stays.
    pub verdict: Verdict,
    /// Why.
    pub reason: ReviewReason,
    /// Where more is written down.
    pub reference: Option<String>,
    /// Who decided.
    pub by: String,
    /// When, milliseconds since the epoch.
    pub at: i64,
}

/// A campaign as the state knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// How it started.
    pub started: ReviewStarted,
    /// Who started it.
    pub started_by: String,
    /// When, milliseconds since the epoch.
    pub started_at: i64,
    /// Who reviews now.
    pub reviewer: String,
    /// Who reviews what the reviewer holds.
    pub alternate: Option<String>,
    /// The frozen population, by grant, key or passkey.
    pub items: BTreeMap<String, ReviewItem>,
    /// When it was completed.
    pub completed_at: Option<i64>,
}

/// How an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nobody has decided yet.
    Open,
    /// It stays.
    Kept,
    /// It was taken away.
    Removed,
    /// It ended meanwhile by another cause.
    Gone,
}

impl Outcome {
    /// The word used in lists and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Kept => "kept",
            Self::Removed => "removed",
            Self::Gone => "gone",
        }
    }
}

impl Review {
    /// Whether it is late at `now`.
    #[must_use]
    pub fn is_overdue(&self, now: i64) -> bool {
        self.completed_at.is_none() && now > self.started.due_at
    }
}

impl State {
    /// How an item of a campaign stands at `now`.
    #[must_use]
    pub fn outcome_of(&self, name: &str, item: &ReviewItem, now: i64) -> Outcome {
        match &item.decided {
            Some(ItemDecided { verdict: Verdict::Keep, .. }) => Outcome::Kept,
            Some(ItemDecided { verdict: Verdict::Remove, .. }) => Outcome::Removed,
            None if self.holds_item(name, item, now) => Outcome::Open,
            None => Outcome::Gone,
        }
    }

    /// Whether what a campaign reviews is still there at `now`. A key is while one that took its place is.
    #[must_use]
    pub fn holds_item(&self, name: &str, item: &ReviewItem, now: i64) -> bool {
        match item.kind {
            ItemKind::Role => self.holds_role(name, item, now),
            ItemKind::Key => self.line_of(name).any(|key| key.is_live(now)),
            ItemKind::Passkey => self.passkeys.contains_key(name),
        }
    }

    fn holds_role(&self, name: &str, item: &ReviewItem, now: i64) -> bool {
        match self.grants.get(name) {
            Some(grant) => grant.holds(now),
            // A role that an actor began with ends with them, and does not come back when they do.
            None => {
                let first = self.actors.get(&item.actor).is_some_and(|known| known.roles.contains(&item.role));
                first && !self.left.contains_key(&item.actor)
            }
        }
    }

    /// Who has to decide of an item of a campaign: nobody decides of what they hold, by themselves or by a program.
    #[must_use]
    pub fn decider_of<'a>(&self, review: &'a Review, item: &ReviewItem) -> Option<&'a str> {
        let reviewers = [Some(&review.reviewer), review.alternate.as_ref()];
        let free = |reviewer: &&String| !self.is_one_person(reviewer, &item.actor);
        reviewers.into_iter().flatten().find(free).map(String::as_str)
    }

    /// The roles held in `scope` at `now`, by grant, and if they are asked for the keys and passkeys that open something
    /// there; those of Counterfoil itself are nobody's.
    #[must_use]
    pub fn held_in(&self, scope: &str, credentials: bool, now: i64) -> BTreeMap<String, ReviewItem> {
        let credentials = credentials.then(|| self.credentials_in(scope, now));
        self.roles_in(scope, now).chain(credentials.into_iter().flatten()).collect()
    }

    /// Keys that name services are in the scope of each, and in that of the environment that one is in now or that they
    /// name; all others, and passkeys, are the organisation's.
    fn credentials_in(&self, scope: &str, now: i64) -> impl Iterator<Item = (String, ReviewItem)> {
        let here = move |key: &&Key| {
            let opens = |service: &String| roles::covers(self, scope, &format!("service/{service}"));
            let named = match (&key.created.scope, scope.strip_prefix(ENVIRONMENT)) {
                (KeyScope::Inference(opens), Some(name)) => opens.environments.iter().any(|one| one == name),
                _ => false,
            };
            key.is_live(now) && (scope == ORG || named || key.created.scope.services().iter().any(opens))
        };
        let item = |kind, actor: &str, scope: String| ReviewItem {
            kind,
            actor: actor.to_owned(),
            role: String::new(),
            scope,
            decided: None,
        };
        let keys = self.keys.values().filter(here).map(move |key| {
            let opens = &key.created.scope;
            let actor = opens.principal().unwrap_or(&key.created_by);
            (key.created.key.clone(), item(ItemKind::Key, actor, opens.opened()))
        });
        let passkeys = self.passkeys.values().filter(move |_| scope == ORG).map(move |passkey| {
            let (name, actor) = (&passkey.registered.passkey, &passkey.registered.actor);
            (name.clone(), item(ItemKind::Passkey, actor, format!("actor/{actor}")))
        });
        keys.chain(passkeys)
    }

    fn roles_in(&self, scope: &str, now: i64) -> impl Iterator<Item = (String, ReviewItem)> {
        let here = move |held: &str| scope == ORG || held == scope;
        let item = |actor: &str, role: &str, scope: &str| ReviewItem {
            kind: ItemKind::Role,
            actor: actor.to_owned(),
            role: role.to_owned(),
            scope: scope.to_owned(),
            decided: None,
        };
        let people = self.actors.values().filter(|actor| actor.kind != ActorKind::System);
        let first = people.filter(move |actor| !self.left.contains_key(&actor.actor) && here(ORG));
        let first = first.flat_map(move |actor| {
            actor.roles.iter().map(move |role| (format!("{}/{role}", actor.actor), item(&actor.actor, role, ORG)))
        });
        let granted = self.grants.values().filter(move |grant| grant.holds(now) && here(&grant.requested.scope));
        let granted = granted.filter(move |grant| !self.left.contains_key(&grant.requested.actor)).map(move |grant| {
            let wish = &grant.requested;
            (wish.grant.clone(), item(&wish.actor, &wish.role, &wish.scope))
        });
        first.chain(granted)
    }

    /// Takes in that a campaign started: its population is what is held now.
    pub(crate) fn start_review(&mut self, body: &ReviewStarted, by: &str, ts: i64) {
        let items = self.held_in(&body.scope, body.credentials, ts);
        let review = Review {
            started: body.clone(),
            started_by: by.to_owned(),
            started_at: ts,
            reviewer: body.reviewer.clone(),
            alternate: body.alternate.clone(),
            items,
            completed_at: None,
        };
        self.reviews.insert(body.review.clone(), review);
    }

    /// Takes in what was decided of an item.
    pub(crate) fn decide_item(&mut self, body: &ReviewDecided, by: &str, ts: i64) {
        let review = self.reviews.get_mut(&body.review);
        if let Some(item) = review.and_then(|review| review.items.get_mut(&body.item)) {
            let ReviewDecided { verdict, reason, reference, .. } = body.clone();
            item.decided = Some(ItemDecided { verdict, reason, reference, by: by.to_owned(), at: ts });
        }
    }
}

/// Merkle root over a population: of each role the leaf of `{"actor","item","role","scope"}`, of each credential that of
/// `{"actor","item","kind","scope"}`, as compact JSON, sorted by their bytes. Over roles alone the same as a control's root
/// over the rows of `role_grants`.
///
/// # Errors
/// None in practice: text can be written as JSON.
pub fn population_root(items: &BTreeMap<String, ReviewItem>) -> Result<String, serde_json::Error> {
    let mut rows = Vec::with_capacity(items.len());
    for (name, item) in items {
        let what = if item.kind.is_role() { ("role", item.role.as_str()) } else { ("kind", item.kind.as_str()) };
        let row = [("item", name.as_str()), ("actor", item.actor.as_str()), what, ("scope", item.scope.as_str())];
        rows.push(canonical::to_vec(&BTreeMap::from(row))?);
    }
    rows.sort();
    let leaves: Vec<merkle::Hash> = rows.iter().map(|row| merkle::leaf_hash(row)).collect();
    Ok(merkle::hex(&merkle::root_of(&leaves)))
}
