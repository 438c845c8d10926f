//! `access_reviews` and `access_review_items`: campaigns over who has access, and what was decided of each role.
//!
//! The population of a campaign is what was held when it started, by the domain's own rule; so both tables fold a state
//! of the events that concern people, and of no others.

use std::collections::BTreeMap;

use domain::people::reviews::{Outcome, Review};
use domain::{Event, State};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, int, ms, text, time};

/// Campaigns with the entries that made them what they are.
#[derive(Clone, Default)]
struct Campaigns {
    people: State,
    /// The newest entry of each campaign.
    origins: BTreeMap<String, Origin>,
    /// The entry that decided an item: by campaign, then grant.
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
            Event::ActorRegistered(_)
            | Event::ActorLeft(_)
            | Event::ActorReturned(_)
            | Event::AccountOwned(_)
            | Event::GrantRequested(_)
            | Event::GrantApproved(_)
            | Event::GrantPreapproved(_)
            | Event::GrantEnded(_) => None,
            _ => return,
        };
        if let Some(review) = review {
            self.origins.insert(review.clone(), leaf.origin());
        }
        self.people.apply(leaf.entry);
    }

    fn each(&self, mut each: impl FnMut(&str, &Review, Origin)) {
        for (name, review) in &self.people.reviews {
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
        "Campaigns that review who has access, each over the roles held in its scope when it started.";
    const COLUMNS: &'static [Column] = &[
        text("review_id", "Public identifier of the campaign"),
        text("scope", "`org`, which is all that is held, or `service/NAME`"),
        time("due_at", "By when it must be complete"),
        time("completed_at", "When it was completed; NULL while it was not"),
        text("reviewer_id", "Who reviews"),
        int("population_count", "Roles in it"),
        text("population_root", "Merkle root over them, as the event that started it commits to it"),
        int("removals_requested", "Roles that are to be taken away"),
        int("removals_done", "Those of them that have ended"),
        text("alternate_id", "Who reviews what the reviewer holds; NULL when nobody was named"),
        text("started_by", "Who started it"),
        time("started_at", "When it started: the population is what was held at that moment"),
        int("at_size", "Ledger size that the population follows from"),
        int("kept", "Roles that stay"),
        int("gone", "Roles that ended meanwhile by another cause"),
        int("open_items", "Roles that nobody has decided of yet"),
        boolean("overdue", "Whether it is past its time and not complete"),
        text("list_sha256", "Digest of the list of what was decided; NULL while it is not complete"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.0.apply(leaf);
    }

    fn rows(&self, moment: &Moment, out: &mut Rows) {
        let Campaigns { people, lists, .. } = &self.0;
        self.0.each(|name, review, origin| {
            let at = review.completed_at.unwrap_or(moment.now);
            let count = |wanted: Outcome| {
                review.items.iter().filter(|(grant, item)| people.outcome_of(grant, item, at) == wanted).count() as u64
            };
            let ended = |grant: &String| people.grants.get(grant).is_some_and(|grant| grant.ended_at.is_some());
            let removed = review
                .items
                .iter()
                .filter(|(grant, item)| people.outcome_of(grant, item, at) == Outcome::Removed && ended(grant));
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
    const DOC: &'static str = "The roles in each campaign and what was decided of them: what is open here is due.";
    const COLUMNS: &'static [Column] = &[
        text("review_id", "The campaign"),
        text("grant_id", "The grant, as in `role_grants`"),
        text("principal_id", "Who held the role when the campaign started"),
        text("role", "The role"),
        text("scope", "Where it held"),
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
        let Campaigns { people, decided, .. } = &self.0;
        self.0.each(|name, review, origin| {
            let at = review.completed_at.unwrap_or(moment.now);
            for (grant, item) in &review.items {
                let settled = item.decided.as_ref();
                let cells = [
                    name.into(),
                    grant.into(),
                    (&item.actor).into(),
                    (&item.role).into(),
                    (&item.scope).into(),
                    people.outcome_of(grant, item, at).as_str().into(),
                    people.decider_of(review, item).into(),
                    settled.map(|settled| settled.reason.as_str()).into(),
                    settled.and_then(|settled| settled.reference.as_ref()).into(),
                    settled.map(|settled| &settled.by).into(),
                    settled.map_or(Cell::Null, |settled| ms(settled.at)),
                    ms(review.started.due_at),
                ];
                let origin = decided.get(&(name.to_owned(), grant.clone())).copied().unwrap_or(origin);
                out.push(origin, cells);
            }
        });
    }
}
