//! Who is told of what, and that nobody is told twice.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::approvals::{Company, approve, high, install, request, request_grant};
use crate::people::notifications::{DAY_MS, NEWS_MS, Notice, REMEMBER_DAYS, due};
use crate::people::reviews::StartReview;
use crate::people::{
    ActorLeft, ApprovalVoted, Channel, Delivery, EmergencyDeclared, EmergencyNamed, EmergencyReviewed, Finding,
    GrantNamed, NotificationKind, NotificationSettled, RoleDefined, Vote, VoteDelegated,
};
use crate::{Command, RefusalCode};

/// What is due, as lines of kind, thing and people.
fn told(company: &Company) -> BTreeSet<String> {
    let line = |notice: Notice| {
        let to: Vec<&str> = notice.to.iter().map(String::as_str).collect();
        format!("{} {} to {}", notice.kind.as_str(), notice.about, to.join(" "))
    };
    due(&company.state, company.given.now).into_iter().map(line).collect()
}

fn lines(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

fn settled(notice: &Notice, channel: Channel, to: Option<&str>) -> Command {
    Command::SettleNotification(NotificationSettled {
        notification: notice.id(channel, to),
        kind: notice.kind,
        about: notice.about.clone(),
        channel,
        to: to.map(str::to_owned),
        delivery: Delivery::Delivered,
        attempts: 1,
        reason: None,
    })
}

fn decline(approval: &str) -> Command {
    Command::VoteOnApproval(ApprovalVoted { approval: approval.into(), vote: Vote::Decline, on_behalf_of: None })
}

#[test]
fn given_a_request_when_it_waits_is_decided_or_grows_old_then_those_are_told_who_can_do_something() {
    let mut company = Company::staffed();
    assert_eq!(told(&company), lines(&[]));
    company.done("a_deployer", request("p_1", high("1")));
    assert_eq!(told(&company), lines(&["approval_requested approval/p_1 to a_approver"]));
    // A vote that was handed on is somebody else's to cast.
    company.done(
        "a_approver",
        Command::DelegateVote(VoteDelegated {
            delegation: "v_1".into(),
            to: "a_other".into(),
            role: "model_approver".into(),
            ends_at: company.given.now + DAY_MS,
        }),
    );
    assert_eq!(told(&company), lines(&["approval_requested approval/p_1 to a_approver a_other"]));
    let ends_at = company.state.approvals["p_1"].requested.expires_at;
    company.given.now = ends_at - 1;
    assert!(told(&company).contains("approval_expiring approval/p_1 to a_approver a_deployer a_other"));
    company.done("a_approver", approve("p_1"));
    assert_eq!(
        told(&company),
        lines(&["approval_decided approval/p_1 to a_deployer", "approval_expiring approval/p_1 to a_deployer"])
    );
    company.done("a_deployer", high("1"));
    assert_eq!(told(&company), lines(&[]), "what was done is nothing to wait for");

    company.done("a_admin", request("p_2", install("other")));
    assert_eq!(told(&company), lines(&["approval_requested approval/p_2 to a_lead"]));
    company.done("a_lead", decline("p_2"));
    assert_eq!(told(&company), lines(&["approval_decided approval/p_2 to a_admin"]));
    company.given.now += NEWS_MS;
    assert_eq!(told(&company), lines(&[]), "old news is not told");
}

#[test]
fn given_a_role_that_was_asked_for_when_it_waits_then_those_are_told_who_may_approve_it() {
    let mut company = Company::staffed();
    company.done("a_admin", request_grant("g_new", "a_other", "monitor", "org"));
    assert_eq!(told(&company), lines(&["grant_requested grant/g_new to a_lead"]), "not whoever asked");
    company.done("a_lead", Command::ApproveGrant(GrantNamed { grant: "g_new".into() }));
    assert_eq!(told(&company), lines(&[]));
}

#[test]
fn given_a_role_of_their_own_that_approves_when_a_role_waits_then_its_holders_are_told_too() {
    let mut company = Company::staffed();
    let define = || {
        let actions = vec!["grant.approve".into(), "read".into()];
        Command::DefineRole(RoleDefined { role: "gatekeeper".into(), actions })
    };
    company.done("a_admin", request("p_1", define()));
    company.done("a_lead", approve("p_1"));
    company.done("a_admin", define());
    company.grant("a_other", "gatekeeper", "a_lead");
    company.done("a_admin", request_grant("g_new", "a_deployer", "monitor", "org"));
    assert_eq!(told(&company), lines(&["grant_requested grant/g_new to a_lead a_other"]));
}

#[test]
fn given_a_broken_glass_when_declared_over_and_late_then_others_are_told_each_time() {
    let mut company = Company::staffed();
    let declared = EmergencyDeclared {
        emergency: "e_1".into(),
        role: "deployer".into(),
        scope: "org".into(),
        ends_at: 61_000,
        reference: "INC-1".into(),
    };
    company.done("a_other", Command::DeclareEmergency(declared));
    assert_eq!(told(&company), lines(&["emergency_declared emergency/e_1 to a_admin a_lead"]));
    let declared_at = company.state.emergencies["e_1"].at;
    company.given.now = 61_000;
    let since: Vec<Option<i64>> = due(&company.state, 61_000).iter().map(|notice| notice.since).collect();
    assert_eq!(since, [Some(declared_at), Some(61_000)], "when it was declared, and when it was over");
    let both =
        ["emergency_declared emergency/e_1 to a_admin a_lead", "emergency_review_due emergency/e_1 to a_admin a_lead"];
    assert_eq!(told(&company), lines(&both));
    let first = due(&company.state, 61_000).pop().expect("due").id(Channel::Webhook, None);
    company.given.now = 61_000 + 10 * DAY_MS;
    // The lead's role has ended by then.
    assert_eq!(told(&company), lines(&["emergency_review_due emergency/e_1 to a_admin"]));
    let late = due(&company.state, company.given.now).pop().expect("due").id(Channel::Webhook, None);
    assert_ne!(first, late, "what is late is told again");
    company.done(
        "a_admin",
        Command::ReviewEmergency(EmergencyReviewed {
            emergency: "e_1".into(),
            finding: Finding::Justified,
            reference: "INC-1".into(),
        }),
    );
    assert_eq!(told(&company), lines(&[]));
}

#[test]
fn given_an_emergency_when_it_is_ended_and_reviewed_within_a_moment_then_others_are_alerted_all_the_same() {
    let mut company = Company::staffed();
    let declared = EmergencyDeclared {
        emergency: "e_1".into(),
        role: "deployer".into(),
        scope: "org".into(),
        ends_at: company.given.now + 60_000,
        reference: "INC-1".into(),
    };
    company.done("a_other", Command::DeclareEmergency(declared));
    let first = due(&company.state, company.given.now).pop().expect("due").id(Channel::Webhook, None);
    company.done("a_other", Command::EndEmergency(EmergencyNamed { emergency: "e_1".into() }));
    let reviewed =
        EmergencyReviewed { emergency: "e_1".into(), finding: Finding::Unjustified, reference: "INC-1".into() };
    company.done("a_lead", Command::ReviewEmergency(reviewed));
    assert_eq!(told(&company), lines(&["emergency_declared emergency/e_1 to a_admin a_lead"]));
    let same = due(&company.state, company.given.now).pop().expect("due").id(Channel::Webhook, None);
    assert_eq!(first, same, "whoever was told before is not told twice");
    company.given.now += NEWS_MS;
    assert_eq!(told(&company), lines(&[]), "old news is not told");
}

#[test]
fn given_a_review_when_opened_near_its_end_and_late_then_its_reviewers_are_told_and_reminded_weekly() {
    let mut company = Company::staffed();
    let due_at = company.given.now + 28 * DAY_MS;
    company.done(
        "a_admin",
        Command::StartReview(StartReview {
            review: "r_1".into(),
            scope: "org".into(),
            reviewer: "a_lead".into(),
            alternate: Some("a_admin".into()),
            credentials: false,
            due_at,
        }),
    );
    assert_eq!(told(&company), lines(&["review_opened review/r_1 to a_admin a_lead"]));
    company.given.now = due_at - DAY_MS;
    // Roles that ended meanwhile need no decision any more; what is left is the administrator's own.
    assert!(told(&company).contains("review_due_soon review/r_1 to a_lead"));
    let mut reminders = BTreeSet::new();
    for days in 1..=14 {
        let notices = due(&company.state, due_at + days * DAY_MS);
        let late = notices.iter().find(|notice| notice.kind == NotificationKind::ReviewOverdue).expect("late");
        reminders.insert(late.id(Channel::Email, Some("a_lead")));
        assert!(notices.iter().all(|notice| notice.kind != NotificationKind::ReviewDueSoon));
    }
    assert_eq!(reminders.len(), 3, "in the first, the second and the third week");
}

#[test]
fn given_a_settled_notification_when_settled_again_then_nothing_is_written_and_after_long_it_is_forgotten() {
    let mut company = Company::staffed();
    company.done("a_deployer", request("p_1", high("1")));
    let notice = due(&company.state, company.given.now).pop().expect("due");
    let id = notice.id(Channel::Email, Some("a_approver"));
    assert_ne!(id, notice.id(Channel::Email, Some("a_other")));
    assert_ne!(id, notice.id(Channel::Webhook, None));
    let told = settled(&notice, Channel::Email, Some("a_approver"));
    assert_eq!(company.done("a_system", told.clone()), ["notification.settled"]);
    assert!(company.state.is_settled(&id) && company.done("a_system", told.clone()).is_empty());
    let wrong = |change: fn(&mut NotificationSettled)| {
        let Command::SettleNotification(mut body) = told.clone() else { panic!("a report") };
        change(&mut body);
        Command::SettleNotification(body)
    };
    for wrong in [
        wrong(|body| body.notification = "zoe@example.com".into()),
        wrong(|body| body.to = Some("zoe@example.com".into())),
        wrong(|body| body.about = "Zoe Nguyen".into()),
        wrong(|body| body.reason = Some("delivered".into())),
        wrong(|body| body.delivery = Delivery::Failed),
        wrong(|body| (body.delivery, body.reason) = (Delivery::Failed, Some("no such user <zoe@example.com>".into()))),
    ] {
        assert_eq!(company.code("a_system", wrong), RefusalCode::Invalid);
    }
    company.given.now += (REMEMBER_DAYS + 2) * DAY_MS;
    let other = settled(&notice, Channel::Webhook, None);
    company.done("a_system", other);
    assert!(!company.state.is_settled(&id), "it would be told again, if it still waited");
    assert_eq!(company.state.notified.len(), 1);
}

proptest! {
    #[test]
    fn whoever_is_told_is_here_and_can_act_and_whoever_can_vote_is_told(
        steps in proptest::collection::vec((0_usize..6, 0_usize..8, 0_usize..6), 1..40),
    ) {
        let mut company = Company::staffed();
        let people = ["a_admin", "a_lead", "a_trainer", "a_approver", "a_deployer", "a_other"];
        for (step, (by, what, whom)) in steps.into_iter().enumerate() {
            let (by, whom) = (people[by], people[whom]);
            let command = match what {
                0 => request(&format!("p_{step}"), high("1")),
                1 => request(&format!("p_{step}"), install(&step.to_string())),
                2 => request_grant(&format!("g_{step}"), whom, "model_approver", "org"),
                3 => Command::ApproveGrant(GrantNamed { grant: format!("g_{}", step.saturating_sub(1)) }),
                4 => approve(&format!("p_{}", step.saturating_sub(1))),
                5 => Command::Leave(ActorLeft { actor: whom.into() }),
                6 => Command::DelegateVote(VoteDelegated {
                    delegation: format!("v_{step}"),
                    to: whom.into(),
                    role: "model_approver".into(),
                    ends_at: company.given.now + 1000,
                }),
                _ => Command::DeclareEmergency(EmergencyDeclared {
                    emergency: format!("e_{step}"),
                    role: "deployer".into(),
                    scope: "org".into(),
                    ends_at: company.given.now + 60_000,
                    reference: "INC-1".into(),
                }),
            };
            company.tried(by, command);
            company.given.now += 10;
            let now = company.given.now;
            let notices = due(&company.state, now);
            let mut voters: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for notice in &notices {
                prop_assert!(!notice.to.is_empty());
                prop_assert!(notice.to.iter().all(|actor| !company.state.left.contains_key(actor)));
                if notice.kind == NotificationKind::ApprovalRequested {
                    voters.insert(notice.about.clone(), notice.to.clone());
                }
            }
            for (id, approval) in &company.state.approvals {
                let can = people.iter().filter(|actor| company.state.can_vote(approval, actor, now));
                let can: BTreeSet<String> = can.map(|actor| (*actor).to_owned()).collect();
                prop_assert_eq!(voters.remove(&format!("approval/{id}")).unwrap_or_default(), can);
            }
            let later: BTreeMap<String, Option<i64>> =
                due(&company.state, now + 1).iter().map(|notice| (notice.id(Channel::Webhook, None), notice.since)).collect();
            for notice in &notices {
                prop_assert!(notice.since.is_none_or(|since| since <= now), "it happened, or became due");
                let since = later.get(&notice.id(Channel::Webhook, None));
                prop_assert!(since.is_none_or(|since| *since == notice.since), "the same whenever it is told");
            }
            let ids: BTreeSet<String> = notices.iter().map(|notice| notice.id(Channel::Webhook, None)).collect();
            prop_assert_eq!(ids.len(), notices.len(), "each has an identifier of its own");
        }
    }
}

#[test]
fn given_a_root_key_out_of_reach_when_told_then_those_are_who_are_alerted_and_each_outage_is_another() {
    use crate::keys::{CustodianKind, CustodianReported};
    let mut company = Company::staffed();
    let report = |reachable, since| CustodianReported {
        kind: CustodianKind::Transit,
        key_id: "transit:transit/counterfoil".into(),
        reachable,
        since,
    };
    let notices = |company: &Company| due(&company.state, company.given.now);
    company.state.custodian = Some(report(true, 1));
    assert_eq!(told(&company), lines(&[]));
    company.state.custodian = Some(report(false, 2));
    assert_eq!(told(&company), lines(&["custodian_away encryption/root to a_admin a_lead"]));
    let first = notices(&company)[0].id(Channel::Webhook, None);
    company.state.custodian = Some(report(true, 3));
    assert_eq!(told(&company), lines(&[]));
    company.state.custodian = Some(report(false, 4));
    assert_ne!(notices(&company)[0].id(Channel::Webhook, None), first);
}
