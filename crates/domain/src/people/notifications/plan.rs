//! Who is to be told of what, at a moment. Nothing is remembered here: what was told already, the caller leaves out.

use std::collections::{BTreeMap, BTreeSet};

use super::{DAY_MS, NotificationKind};
use crate::State;
use crate::data::Finding;
use crate::people::approvals::{Approval, Standing, Vote};
use crate::people::emergencies::{Emergency, REVIEWERS};
use crate::people::grants::Grant;
use crate::people::reviews::{Outcome, Review};
use crate::people::roles::ORG;
use crate::people::{ActorKind, grants};

/// How long something that happened is news, in milliseconds: what is older is not told any more, so that a server that
/// stood still, or that is told for the first time where to send, does not tell of what nobody waits for.
pub const NEWS_MS: i64 = DAY_MS;

/// How long before its end a request is told of again; a quarter of its time when that is shorter.
const EXPIRING_MS: i64 = DAY_MS;

/// How long before it is due a review is told of again; a quarter of its time when that is shorter.
const DUE_SOON_MS: i64 = 7 * DAY_MS;

/// How often somebody is reminded of what is late.
const REMIND_MS: i64 = 7 * DAY_MS;

/// Roles whose holders are told at once when somebody breaks the glass, and when the root key cannot be reached.
const ALERTED: [&str; 2] = ["administrator", "security_lead"];

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is of.
    pub kind: NotificationKind,
    /// The thing it is about, as `kind/name`.
    pub about: String,
    /// Which telling of it this is, where there can be several.
    pub instance: String,
    /// The people whom it concerns, by pseudonym; never empty.
    pub to: BTreeSet<String>,
    /// What of, in words that are in the ledger: names of commands, roles and things, and nobody's.
    pub what: String,
    /// When it happened or became due, in milliseconds since the epoch: the same however often it is told. The state does
    /// not know when a role was asked for.
    pub since: Option<i64>,
    /// Until when something can be done, in milliseconds since the epoch.
    pub until: Option<i64>,
}

/// All that is to be told at `now` (milliseconds since the epoch), told already or not.
#[must_use]
pub fn due(state: &State, now: i64) -> Vec<Notice> {
    let holders = holders(state, now);
    let mut notices: Vec<Notice> = Vec::new();
    for approval in state.approvals.values() {
        of_approval(state, &holders, approval, now, &mut notices);
    }
    for grant in state.grants.values().filter(|grant| grant.is_pending(now)) {
        of_grant(state, &holders, grant, now, &mut notices);
    }
    for emergency in state.emergencies.values() {
        of_emergency(state, &holders, emergency, now, &mut notices);
    }
    for review in state.reviews.values().filter(|review| review.completed_at.is_none()) {
        of_review(state, review, now, &mut notices);
    }
    for finding in state.findings.values().filter(|finding| finding.resolved.is_none()) {
        of_finding(state, finding, now, &mut notices);
    }
    if let Some(custodian) = state.custodian.as_ref().filter(|custodian| !custodian.reachable) {
        let to = with_duty(state, &holders, &ALERTED, now);
        notices.push(Notice {
            kind: NotificationKind::CustodianAway,
            about: "encryption/root".to_owned(),
            instance: custodian.since.to_string(),
            to,
            what: custodian.key_id.clone(),
            since: Some(custodian.since),
            until: None,
        });
    }
    notices.retain(|notice| !notice.to.is_empty());
    notices
}

/// Who may have a role, by role: in one pass, because an organisation may have many people and few duties.
type Holders<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

fn holders(state: &State, now: i64) -> Holders<'_> {
    let mut holders: Holders<'_> = BTreeMap::new();
    let handed = state.delegations.values().filter(|delegation| delegation.holds(now));
    let handed = handed.map(|delegation| (delegation.delegated.to.as_str(), delegation.delegated.role.as_str()));
    for (actor, role) in state.held_roles(now).map(|(actor, role, _)| (actor, role)).chain(handed) {
        holders.entry(role).or_default().insert(actor);
    }
    holders
}

/// Whether somebody is a person who is here: programs and those who left are told nothing.
fn is_here(state: &State, actor: &str) -> bool {
    let human = state.actors.get(actor).is_some_and(|known| known.kind == ActorKind::Human);
    human && !state.left.contains_key(actor)
}

/// People who hold one of these roles everywhere, by more than an emergency.
fn with_duty(state: &State, holders: &Holders<'_>, duties: &[&str], now: i64) -> BTreeSet<String> {
    let may = duties.iter().filter_map(|duty| holders.get(duty)).flatten();
    let holds = |actor: &str| {
        let mut held = state.standing_roles_of(actor, now);
        held.any(|(role, scope)| duties.contains(&role) && scope == ORG)
    };
    may.filter(|actor| is_here(state, actor) && holds(actor)).map(|actor| (*actor).to_owned()).collect()
}

fn person(state: &State, actor: &str) -> BTreeSet<String> {
    let person = state.person_of(actor);
    BTreeSet::from_iter(is_here(state, person).then(|| person.to_owned()))
}

/// A quarter of a time, or `most` when that is shorter.
fn ahead(from: i64, to: i64, most: i64) -> i64 {
    most.min(to.saturating_sub(from) / 4)
}

fn of_approval(state: &State, holders: &Holders<'_>, approval: &Approval, now: i64, notices: &mut Vec<Notice>) {
    let (asked, standing) = (&approval.requested, approval.standing(now));
    if !matches!(standing, Standing::Waiting | Standing::Approved | Standing::Declined) {
        return;
    }
    let notice = |kind, instance: &str, to, since| Notice {
        kind,
        about: format!("approval/{}", asked.approval),
        instance: instance.to_owned(),
        to,
        what: format!("{} on {}", asked.command, asked.resource),
        since: Some(since),
        until: Some(asked.expires_at).filter(|_| standing.is_open()),
    };
    let voters = || {
        let may = holders.get(asked.role.as_str()).into_iter().flatten();
        let may = may.filter(|actor| state.can_vote(approval, actor, now));
        may.map(|actor| (*actor).to_owned()).collect::<BTreeSet<String>>()
    };
    if standing == Standing::Waiting {
        notices.push(notice(NotificationKind::ApprovalRequested, "", voters(), approval.requested_at));
    }
    let decided_at = match standing {
        Standing::Approved => approval.approved_at(),
        Standing::Declined => approval.votes.iter().find(|cast| cast.vote == Vote::Decline).map(|cast| cast.at),
        _ => None,
    };
    if let Some(at) = decided_at.filter(|at| now < at.saturating_add(NEWS_MS)) {
        let to = person(state, &approval.requested_by);
        notices.push(notice(NotificationKind::ApprovalDecided, standing.as_str(), to, at));
    }
    let ends_soon_at = asked.expires_at.saturating_sub(ahead(approval.requested_at, asked.expires_at, EXPIRING_MS));
    if standing.is_open() && now >= ends_soon_at {
        let mut to = person(state, &approval.requested_by);
        if standing == Standing::Waiting {
            to.extend(voters());
        }
        let since = ends_soon_at.max(decided_at.unwrap_or(ends_soon_at));
        notices.push(notice(NotificationKind::ApprovalExpiring, standing.as_str(), to, since));
    }
}

fn of_grant(state: &State, holders: &Holders<'_>, grant: &Grant, now: i64, notices: &mut Vec<Notice>) {
    let wish = &grant.requested;
    let may = holders.iter().filter(|(role, _)| grants::is_approver(state, role)).flat_map(|(_, who)| who);
    let may = may.filter(|actor| is_here(state, actor) && grants::may_approve(state, now, grant, actor));
    let to = may.map(|actor| (*actor).to_owned()).collect();
    notices.push(Notice {
        kind: NotificationKind::GrantRequested,
        about: format!("grant/{}", wish.grant),
        instance: String::new(),
        to,
        what: format!("{} in {}", wish.role, wish.scope),
        since: None,
        until: Some(wish.ends_at),
    });
}

fn of_emergency(state: &State, holders: &Holders<'_>, emergency: &Emergency, now: i64, notices: &mut Vec<Notice>) {
    let declared = &emergency.declared;
    let others = |duties: &[&str]| {
        let mut to = with_duty(state, holders, duties, now);
        to.remove(&emergency.actor);
        to
    };
    let notice = |kind, instance: &str, to, since, until| Notice {
        kind,
        about: format!("emergency/{}", declared.emergency),
        instance: instance.to_owned(),
        to,
        what: format!("{} in {}", declared.role, declared.scope),
        since: Some(since),
        until: Some(until),
    };
    // However soon it was over and reviewed: whoever looks for what to tell only now and then must not miss it.
    if emergency.holds(now) || now < emergency.at.saturating_add(NEWS_MS) {
        let to = others(&ALERTED);
        notices.push(notice(NotificationKind::EmergencyDeclared, "", to, emergency.at, emergency.over_at()));
    }
    if !emergency.holds(now) && emergency.reviewed.is_none() {
        let due_at = emergency.review_due_at();
        let (instance, since) = if now > due_at { ("late", due_at) } else { ("", emergency.over_at()) };
        notices.push(notice(NotificationKind::EmergencyReviewDue, instance, others(&REVIEWERS), since, due_at));
    }
}

fn of_review(state: &State, review: &Review, now: i64, notices: &mut Vec<Notice>) {
    let started = &review.started;
    let open = review.items.iter().filter(|(name, item)| state.outcome_of(name, item, now) == Outcome::Open);
    let deciders = open.filter_map(|(_, item)| state.decider_of(review, item));
    let mut to: BTreeSet<String> = deciders.filter(|actor| is_here(state, actor)).map(str::to_owned).collect();
    // When all is decided, whoever reviews has to complete it.
    if to.is_empty() {
        to = person(state, &review.reviewer);
    }
    let reviewers = format!("{} {}", review.reviewer, review.alternate.as_deref().unwrap_or_default());
    let notice = |kind, instance: String, since| Notice {
        kind,
        about: format!("review/{}", started.review),
        instance,
        to: to.clone(),
        what: format!("{} roles in {}", started.population, started.scope),
        since: Some(since),
        until: Some(started.due_at),
    };
    // A program is told anew when somebody else reviews; of the people, those who were told are not.
    notices.push(notice(NotificationKind::ReviewOpened, reviewers, review.started_at));
    let soon_at = started.due_at.saturating_sub(ahead(review.started_at, started.due_at, DUE_SOON_MS));
    if review.is_overdue(now) {
        let week = now.saturating_sub(started.due_at) / REMIND_MS;
        let since = started.due_at.saturating_add(week.saturating_mul(REMIND_MS));
        notices.push(notice(NotificationKind::ReviewOverdue, week.to_string(), since));
    } else if now >= soon_at {
        notices.push(notice(NotificationKind::ReviewDueSoon, String::new(), soon_at));
    }
}

/// Whoever answers for the data set is told when it is found, when it is late, and each week after.
fn of_finding(state: &State, finding: &Finding, now: i64, notices: &mut Vec<Notice>) {
    let opened = &finding.opened;
    let notice = |kind, instance: String, since| Notice {
        kind,
        about: format!("finding/{}", opened.finding),
        instance,
        to: person(state, &opened.owner),
        what: format!("{} in dataset/{}", opened.kind, opened.dataset),
        since: Some(since),
        until: Some(opened.due),
    };
    notices.push(notice(NotificationKind::FindingOpened, String::new(), finding.at));
    if now >= opened.due {
        let week = now.saturating_sub(opened.due) / REMIND_MS;
        let since = opened.due.saturating_add(week.saturating_mul(REMIND_MS));
        notices.push(notice(NotificationKind::FindingOverdue, week.to_string(), since));
    }
}
