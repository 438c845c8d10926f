//! `approvals` and `approval_votes`: what a second person had to agree to, and who said what.

use std::collections::BTreeMap;

use domain::people::approvals::{Approval, Cast};
use domain::{Event, State};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

/// Requests with everything that came of them, as both tables and `changes` show them.
#[derive(Clone, Default)]
pub(crate) struct Requests {
    asked: BTreeMap<String, (Origin, Approval)>,
    /// The person behind whoever carried each out, at that moment.
    users: BTreeMap<String, String>,
    /// Who answers for which program, by the domain's own fold.
    people: State,
}

impl Requests {
    pub fn apply(&mut self, leaf: &Leaf<'_>) {
        let (by, at) = (&leaf.entry.actor, leaf.entry.ts);
        let approval = match &leaf.entry.event {
            Event::AccountOwned(_) => return self.people.apply(leaf.entry),
            Event::ApprovalRequested(body) => {
                let approval = Approval {
                    requested: body.clone(),
                    requested_by: by.clone(),
                    asker: self.people.person_of(by).to_owned(),
                    requested_at: at,
                    votes: vec![],
                    comments: vec![],
                    withdrawn_at: None,
                    consumed: None,
                };
                self.asked.insert(body.approval.clone(), (leaf.origin(), approval));
                return;
            }
            Event::ApprovalVoted(body) => &body.approval,
            Event::ApprovalWithdrawn(body) | Event::ApprovalConsumed(body) => &body.approval,
            _ => return,
        };
        let Some((origin, approval)) = self.asked.get_mut(approval) else { return };
        *origin = leaf.origin();
        match &leaf.entry.event {
            Event::ApprovalVoted(body) => {
                let on_behalf_of = body.on_behalf_of.clone();
                approval.votes.push(Cast { by: by.clone(), vote: body.vote, on_behalf_of, at });
            }
            Event::ApprovalWithdrawn(_) => approval.withdrawn_at = Some(at),
            Event::ApprovalConsumed(body) => {
                approval.consumed = Some((by.clone(), at));
                self.users.insert(body.approval.clone(), self.people.person_of(by).to_owned());
            }
            _ => {}
        }
    }

    pub fn each(&self) -> impl Iterator<Item = (&String, Origin, &Approval)> {
        self.asked.iter().map(|(id, (origin, approval))| (id, *origin, approval))
    }

    pub fn get(&self, approval: &str) -> Option<&Approval> {
        self.asked.get(approval).map(|(_, approval)| approval)
    }

    /// The person behind whoever carried a request out.
    fn user(&self, approval: &str) -> Option<&String> {
        self.users.get(approval)
    }
}

/// Who made up the quorum last, when enough approved.
pub(crate) fn decided_by(approval: &Approval) -> Option<&Cast> {
    let last = usize::try_from(approval.requested.quorum.saturating_sub(1)).unwrap_or(usize::MAX);
    approval.yes().nth(last)
}

#[derive(Clone, Default)]
pub(crate) struct Approvals(Requests);

impl Table for Approvals {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "approvals";
    const DOC: &'static str = "Requests for approvals and how they stand at the time of the newest entry.";
    const COLUMNS: &'static [Column] = &[
        text("approval_id", "Public identifier of the request"),
        text("command", "Name of the command that it is for"),
        text("resource", "What that would change, as `kind/name`"),
        text("digest", "SHA-256 of the command as compact JSON, hexadecimal: what exactly is approved"),
        text("standing", "`waiting`, `approved`, `declined`, `withdrawn`, `expired` or `used`"),
        int("quorum", "How many must approve"),
        int("votes_for", "How many did"),
        text("role", "The role whose holders vote"),
        text("requested_by", "Who asked"),
        time("requested_at", "When"),
        time("approved_at", "When enough had approved; NULL while they have not"),
        time("expires_at", "When it ends by itself"),
        text("used_by", "Who carried the command out with it; NULL while nobody has"),
        time("used_at", "When"),
        text(
            "trained_by",
            "Who registered the model versions that it would deploy, separated by commas; they do not vote",
        ),
        text("beneficiary", "Who would gain by it, and does not vote; NULL when nobody in particular"),
        text("evidence", "What speaks for it, separated by commas"),
        text("reference", "Where the reason is written down, such as a ticket's number"),
        text(
            "requested_by_person",
            "The person behind whoever asked, then: who answered for the program, or else themselves",
        ),
        text("used_by_person", "The person behind whoever carried it out, then; NULL while nobody has"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.0.apply(leaf);
    }

    fn rows(&self, moment: &Moment, out: &mut Rows) {
        for (id, origin, approval) in self.0.each() {
            let asked = &approval.requested;
            let trained_by: Vec<&str> = asked.trained_by.iter().map(String::as_str).collect();
            let cells = [
                id.into(),
                (&asked.command).into(),
                (&asked.resource).into(),
                (&asked.digest).into(),
                approval.standing(moment.now).as_str().into(),
                asked.quorum.into(),
                (approval.yes().count() as u64).into(),
                (&asked.role).into(),
                (&approval.requested_by).into(),
                ms(approval.requested_at),
                approval.approved_at().map_or(Cell::Null, ms),
                ms(asked.expires_at),
                approval.consumed.as_ref().map(|(by, _)| by).into(),
                approval.consumed.as_ref().map_or(Cell::Null, |(_, at)| ms(*at)),
                trained_by.join(",").into(),
                asked.beneficiary.as_ref().into(),
                asked.evidence.join(",").into(),
                (&asked.reference).into(),
                (&approval.asker).into(),
                self.0.user(id).into(),
            ];
            out.push(origin, cells);
        }
    }
}

#[derive(Clone, Default)]
pub(crate) struct ApprovalVotes(Vec<(Origin, String, Cast)>);

impl Table for ApprovalVotes {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "approval_votes";
    const DOC: &'static str = "Votes on requests for approvals, in the order in which they were cast.";
    const COLUMNS: &'static [Column] = &[
        text("approval_id", "The request"),
        text("principal_id", "Who voted"),
        text("vote", "`approve` or `decline`; one `decline` ends the request"),
        text("on_behalf_of", "Whose vote it was, when it was handed on; NULL when their own"),
        time("ts", "When"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::ApprovalVoted(body) = &leaf.entry.event {
            let (by, on_behalf_of) = (leaf.entry.actor.clone(), body.on_behalf_of.clone());
            let cast = Cast { by, vote: body.vote, on_behalf_of, at: leaf.entry.ts };
            self.0.push((leaf.origin(), body.approval.clone(), cast));
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (origin, approval, cast) in &self.0 {
            let cells = [
                approval.into(),
                (&cast.by).into(),
                cast.vote.as_str().into(),
                cast.on_behalf_of.as_ref().into(),
                ms(cast.at),
            ];
            out.push(*origin, cells);
        }
    }
}
