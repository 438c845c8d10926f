//! `access_reviews` and `access_review_items`: campaigns over who has access, and what was decided of each item.
//!
//! The population of a campaign is what was held when it started, by the domain's own rule.

use std::collections::BTreeMap;

use domain::Event;
use domain::people::reviews::{ItemKind, Outcome, Review};

use super::present::Present;
use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, int, ms, text, time};

/// Campaigns with the entries that made them what they are.
#[derive(Clone, Default)]
struct Campaigns {
    people: Present,
    /// The newest entry of each campaign.
    origins: BTreeMap<String, Origin>,
    /// The entry that decided an item: by campaign, then item.
    decided: BTreeMap<(String, String), Origin>,
    /// Digests of the lists of completed campaigns.
    lists: BTreeMap<String, String>,
}

impl Campaigns {
    fn apply(&mut self, leaf: &Leaf<'_>) {
        let event = &leaf.entry.event;
        let review = match event {
            Event::ReviewStarted(body) => Some(&body.review),
            Event::ReviewAssigned(body) => Some(&body.review),
            Event::ReviewDecided(body) => {
                self.decided.insert((body.review.clone(), body.item.clone()), leaf.origin());
                Some(&body.review)
            }
            Event::ReviewCompleted(body) => {
                self.lists.insert(body.review.clone(), body.list_sha256.clone());
                Some(&body.review)
            }
            _ => None,
        };
        match review {
            Some(review) => {
                self.origins.insert(review.clone(), leaf.origin());
                self.people.0.apply(leaf.entry);
            }
            None => self.people.apply(leaf),
        }
    }

    fn each(&self, mut each: impl FnMut(&str, &Review, Origin)) {
        for (name, review) in &self.people.0.reviews {
            if let Some(origin) = self.origins.get(name) {
                each(name, review, *origin);
            }
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct AccessReviews(Campaigns);

impl Table for AccessReviews {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "access_reviews";
    const DOC: &'static str =
        "Campaigns that review who has access, each over what was held in its scope when it started.";
    const COLUMNS: &'static [Column] = &[
        text("review_id", "Public identifier of the campaign"),
        text("scope", "`org`, which is all that is held, `service/NAME`, `environment/NAME`, or `dataset/NAME`"),
        time("due_at", "By when it must be complete"),
        time("completed_at", "When it was completed; NULL while it was not"),
        text("reviewer_id", "Who reviews"),
        int("population_count", "Items in it: roles, and keys and passkeys if it has those"),
        text("population_root", "Merkle root over them, as the event that started it commits to it"),
        int("removals_requested", "Items that are to be taken away"),
        int("removals_done", "Those of them that have ended"),
        text("alternate_id", "Who reviews what the reviewer holds; NULL when nobody was named"),
        text("started_by", "Who started it"),
        time("started_at", "When it started: the population is what was held at that moment"),
        int("at_size", "Ledger size that the population follows from"),
        int("kept", "Items that stay"),
        int("gone", "Items that ended meanwhile by another cause"),
        int("open_items", "Items that nobody has decided of yet"),
        boolean("overdue", "Whether it is past its time and not complete"),
        text("list_sha256", "Digest of the list of what was decided; NULL while it is not complete"),
        boolean("credentials", "Whether keys and passkeys are in it"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.0.apply(leaf);
    }

    fn rows(&self, moment: &Moment, out: &mut Rows) {
        let Campaigns { people: Present(people), lists, .. } = &self.0;
        self.0.each(|name, review, origin| {
            let at = review.completed_at.unwrap_or(moment.now);
            let of = |wanted: Outcome| {
                review.items.iter().filter(move |(name, item)| people.outcome_of(name, item, at) == wanted)
            };
            let count = |wanted: Outcome| of(wanted).count() as u64;
            let removed = of(Outcome::Removed).filter(|(name, item)| !people.holds_item(name, item, at));
            let cells = [
                name.into(),
                (&review.started.scope).into(),
                ms(review.started.due_at),
                review.completed_at.map_or(Cell::Null, ms),
                (&review.reviewer).into(),
                review.started.population.into(),
                (&review.started.population_root).into(),
                count(Outcome::Removed).into(),
                (removed.count() as u64).into(),
                review.alternate.as_ref().into(),
                (&review.started_by).into(),
                ms(review.started_at),
                review.started.at_size.into(),
                count(Outcome::Kept).into(),
                count(Outcome::Gone).into(),
                count(Outcome::Open).into(),
                review.is_overdue(moment.now).into(),
                lists.get(name).into(),
                review.started.credentials.into(),
            ];
            out.push(origin, cells);
        });
    }
}

#[derive(Clone, Default)]
pub(crate) struct AccessReviewItems(Campaigns);

impl Table for AccessReviewItems {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "access_review_items";
    const DOC: &'static str =
        "The roles, keys and passkeys in each campaign and what was decided of them: what is open here is due.";
    const COLUMNS: &'static [Column] = &[
        text("review_id", "The campaign"),
        text("kind", "`role`, `key` or `passkey`"),
        text("grant_id", "The grant, as in `role_grants`; NULL for a credential"),
        text("credential_id", "The key or passkey, as in `credentials`; NULL for a role"),
        text("principal_id", "Who held it when the campaign started: of a key that belongs to nobody, who made it"),
        text("role", "The role; NULL for a credential"),
        text("scope", "Where it held; of a credential what it opened, such as `service/NAME` or `actor/NAME`"),
        text("outcome", "`open`, `kept`, `removed`, or `gone` when it ended meanwhile by another cause"),
        text("reviewer_id", "Who has to decide, or would have had to; NULL when there is nobody but the holder"),
        text("reason", "`needed`, `not_needed`, `moved`, `gone`, `too_broad` or `unknown`; NULL while it is open"),
        text("reference", "Where more is written down, such as a ticket's number"),
        text("decided_by", "Who decided"),
        time("decided_at", "When"),
        time("due_at", "By when the campaign must be complete"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.0.apply(leaf);
    }

    fn rows(&self, moment: &Moment, out: &mut Rows) {
        let Campaigns { people: Present(people), decided, .. } = &self.0;
        self.0.each(|name, review, origin| {
            let at = review.completed_at.unwrap_or(moment.now);
            for (id, item) in &review.items {
                let settled = item.decided.as_ref();
                let role = item.kind == ItemKind::Role;
                let cells = [
                    name.into(),
                    item.kind.as_str().into(),
                    role.then_some(id).into(),
                    (!role).then_some(id).into(),
                    (&item.actor).into(),
                    role.then_some(&item.role).into(),
                    (&item.scope).into(),
                    people.outcome_of(id, item, at).as_str().into(),
                    people.decider_of(review, item).into(),
                    settled.map(|settled| settled.reason.as_str()).into(),
                    settled.and_then(|settled| settled.reference.as_ref()).into(),
                    settled.map(|settled| &settled.by).into(),
                    settled.map_or(Cell::Null, |settled| ms(settled.at)),
                    ms(review.started.due_at),
                ];
                let origin = decided.get(&(name.to_owned(), id.clone())).copied().unwrap_or(origin);
                out.push(origin, cells);
            }
        });
    }
}
