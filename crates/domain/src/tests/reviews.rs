//! Access reviews: what is frozen, who decides, what a removal does, and how leavers and movers are settled.

use proptest::prelude::*;

use super::duties::{Company, approve, request};
use crate::people::keys::RotateKey;
use crate::people::reviews::{
    ItemKind, Outcome, ReviewAssigned, ReviewDecided, ReviewNamed, ReviewReason, StartReview, population_root,
};
use crate::people::roles::ORG;
use crate::people::{
    ActorKind, ActorLeft, ActorRegistered, Algorithm, EndReason, GrantEnded, InferenceScope, KeyCreated, KeyRevoked,
    KeyScope, OpenSession, PasskeyRegistered, PasskeyUsed, Proof, SessionStarted,
};
use crate::{Command, RefusalCode};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn start(scope: &str, reviewer: &str, alternate: Option<&str>) -> Command {
    Command::StartReview(StartReview {
        review: "r_1".into(),
        scope: scope.into(),
        reviewer: reviewer.into(),
        alternate: alternate.map(str::to_owned),
        credentials: false,
        due_at: 14 * DAY_MS,
    })
}

/// A review of credentials too.
fn start_of_all(scope: &str, reviewer: &str, alternate: Option<&str>) -> Command {
    match start(scope, reviewer, alternate) {
        Command::StartReview(body) => Command::StartReview(StartReview { credentials: true, ..body }),
        other => other,
    }
}

fn new_key(key: &str, scope: KeyScope) -> KeyCreated {
    let (key, prefix, secret_sha256) = (key.to_owned(), "cfk_".to_owned(), format!("secret of {key}"));
    KeyCreated { key, scope, prefix, secret_sha256, expires_at: 20 * DAY_MS, session: None }
}

fn account_key(account: &str) -> KeyScope {
    let one = |name: &str| vec![name.to_owned()];
    let (services, environments, purposes) = (one("credit"), one("prod"), one("p"));
    KeyScope::Inference(InferenceScope { services, environments, purposes, account: Some(account.to_owned()) })
}

fn decide(item: &str, reason: ReviewReason) -> Command {
    let reference = (reason != ReviewReason::Needed).then(|| "CHG-7".to_owned());
    let (review, verdict) = ("r_1".into(), reason.verdict());
    Command::DecideReview(ReviewDecided { review, item: item.into(), verdict, reason, reference })
}

fn complete() -> Command {
    Command::CompleteReview(ReviewNamed { review: "r_1".into() })
}

/// Three people with roles: a_1 deploys credit, a_2 monitors everything, a_lead leads.
fn company() -> Company {
    let mut company = Company::with_a_lead();
    for (grant, actor, role, scope) in [
        ("g_1", "a_1", "deployer", "service/credit"),
        ("g_2", "a_2", "monitor", ORG),
        ("g_3", "a_1", "monitor", "service/support"),
    ] {
        company.done("a_admin", request(grant, actor, role, scope));
        company.done("a_lead", approve(grant));
    }
    company
}

fn outcomes(company: &Company) -> Vec<(String, Outcome)> {
    let review = &company.state.reviews["r_1"];
    let outcome = |(name, item): (&String, &_)| (name.clone(), company.state.outcome_of(name, item, company.given.now));
    review.items.iter().map(outcome).collect()
}

#[test]
fn given_a_campaign_when_it_starts_then_it_holds_what_is_held_in_its_scope_and_later_grants_do_not_join() {
    let mut company = company();
    let before = company.state.held_in(ORG, false, company.given.now);
    company.done("a_admin", start(ORG, "a_lead", Some("a_admin")));
    company.done("a_admin", request("g_9", "a_3", "monitor", ORG));
    company.done("a_lead", approve("g_9"));
    let review = &company.state.reviews["r_1"];
    let names: Vec<&str> = review.items.keys().map(String::as_str).collect();
    assert_eq!(names, ["a_admin/administrator", "g_1", "g_2", "g_3", "g_lead"]);
    assert_eq!(review.started.population, 5);
    assert_eq!(review.started.population_root, population_root(&before).expect("JSON"));
    let mut scoped = super::reviews::company();
    scoped.done("a_admin", start("service/credit", "a_lead", None));
    assert_eq!(scoped.state.reviews["r_1"].items.keys().collect::<Vec<_>>(), ["g_1"]);
}

#[test]
fn given_a_reviewer_who_holds_something_when_started_then_somebody_else_must_review_that() {
    let mut company = company();
    let alone = company.refused("a_admin", start(ORG, "a_lead", None));
    assert_eq!((alone.code, alone.policies), (RefusalCode::Forbidden, vec!["review-not-own".to_owned()]));
    company.done("a_admin", start(ORG, "a_lead", Some("a_admin")));
    let own = company.refused("a_lead", decide("g_lead", ReviewReason::Needed));
    assert_eq!(own.policies, ["review-not-own"]);
    let other = company.refused("a_3", decide("g_1", ReviewReason::Needed));
    assert_eq!(other.policies, ["review-as-assigned"]);
    let beside = company.refused("a_admin", decide("g_1", ReviewReason::Needed));
    assert_eq!(beside.policies, ["review-as-assigned"], "the alternate has what the reviewer holds, and no more");
    company.done("a_admin", decide("g_lead", ReviewReason::Needed));
}

#[test]
fn given_decisions_when_made_then_removals_end_at_once_and_the_list_is_committed_to() {
    let mut company = company();
    company.done("a_admin", start(ORG, "a_lead", Some("a_admin")));
    assert_eq!(company.done("a_lead", decide("g_1", ReviewReason::Moved)), ["review.decided", "grant.ended"]);
    assert!(!company.state.grants["g_1"].holds(company.given.now));
    company.refused("a_lead", decide("g_1", ReviewReason::Needed));
    company.done("a_lead", decide("g_2", ReviewReason::Needed));
    let began_with = company.refused("a_lead", decide("a_admin/administrator", ReviewReason::NotNeeded));
    assert_eq!(began_with.code, RefusalCode::Conflict);
    company.done("a_lead", decide("a_admin/administrator", ReviewReason::Needed));
    let open = company.refused("a_lead", complete());
    assert!(open.message.contains("2 items"), "{}", open.message);
    company.done("a_admin", decide("g_lead", ReviewReason::Needed));
    company.done("a_lead", decide("g_3", ReviewReason::Needed));
    assert_eq!(company.refused("a_1", complete()).policies, ["review-as-assigned"]);
    company.given.now += 1;
    assert_eq!(company.done("a_lead", complete()), ["review.completed"]);
    let review = &company.state.reviews["r_1"];
    let list = company.state.review_list(review, review.completed_at.expect("complete"));
    assert_eq!(
        list.to_csv().lines().nth(2),
        Some("g_1,role,a_1,deployer,service/credit,removed,moved,CHG-7,a_lead,1000")
    );
    assert!(list.items.iter().all(|line| line.outcome != Outcome::Open));
    company.refused("a_lead", decide("g_2", ReviewReason::Needed));
}

#[test]
fn given_leavers_movers_and_ends_of_time_during_a_campaign_when_completed_then_they_are_settled_as_gone() {
    let mut company = company();
    company.done("a_admin", start(ORG, "a_lead", Some("a_admin")));
    company.done("a_admin", Command::Leave(ActorLeft { actor: "a_1".into() }));
    let revoked = GrantEnded { grant: "g_2".into(), reason: EndReason::Revoked };
    company.done("a_admin", Command::EndGrant(revoked));
    let gone = company.refused("a_lead", decide("g_1", ReviewReason::Needed));
    assert_eq!(gone.code, RefusalCode::Conflict);
    let settled = outcomes(&company);
    for grant in ["g_1", "g_2", "g_3"] {
        assert!(settled.contains(&(grant.into(), Outcome::Gone)), "{settled:?}");
    }
    company.done("a_lead", decide("a_admin/administrator", ReviewReason::Needed));
    company.done("a_admin", decide("g_lead", ReviewReason::Needed));
    company.done("a_lead", complete());
}

#[test]
fn given_a_reviewer_who_left_when_handed_on_then_the_next_one_goes_on() {
    let mut company = company();
    company.done("a_admin", start("service/credit", "a_3", None));
    company.done("a_admin", Command::Leave(ActorLeft { actor: "a_3".into() }));
    let assign = |reviewer: &str, alternate: Option<&str>| {
        let (reviewer, alternate) = (reviewer.to_owned(), alternate.map(str::to_owned));
        Command::AssignReview(ReviewAssigned { review: "r_1".into(), reviewer, alternate })
    };
    assert_eq!(company.refused("a_admin", assign("a_3", None)).code, RefusalCode::Conflict, "they left");
    assert_eq!(company.refused("a_admin", assign("a_1", None)).policies, ["review-not-own"]);
    company.done("a_admin", assign("a_2", None));
    company.done("a_2", decide("g_1", ReviewReason::Needed));
    company.done("a_2", complete());
    assert!(!company.state.reviews["r_1"].is_overdue(i64::MAX));
}

#[test]
fn given_what_makes_no_sense_when_asked_then_it_is_refused() {
    let mut company = company();
    company.done("a_admin", request("g_a", "a_3", "auditor", ORG));
    company.done("a_lead", approve("g_a"));
    assert_eq!(company.refused("a_admin", start(ORG, "a_3", None)).policies, ["audit-not-review"]);
    assert_eq!(company.refused("a_admin", start("service/none", "a_2", None)).code, RefusalCode::Invalid);
    assert_eq!(company.refused("a_admin", start("service/credit", "a_nobody", None)).code, RefusalCode::NotFound);
    company.given.now = 15 * DAY_MS;
    assert_eq!(
        company.refused("a_admin", start("service/credit", "a_2", None)).code,
        RefusalCode::Invalid,
        "due before now"
    );
    company.given.now = 2_000;
    company.done("a_admin", start("service/credit", "a_2", None));
    assert_eq!(company.refused("a_admin", start("service/credit", "a_2", None)).code, RefusalCode::Exists);
    let mixed = Command::DecideReview(ReviewDecided {
        review: "r_1".into(),
        item: "g_1".into(),
        verdict: ReviewReason::Needed.verdict(),
        reason: ReviewReason::Moved,
        reference: Some("CHG-1".into()),
    });
    assert_eq!(company.refused("a_2", mixed).code, RefusalCode::Invalid);
    let unexplained = Command::DecideReview(ReviewDecided {
        review: "r_1".into(),
        item: "g_1".into(),
        verdict: ReviewReason::Moved.verdict(),
        reason: ReviewReason::Moved,
        reference: None,
    });
    assert_eq!(company.refused("a_2", unexplained).code, RefusalCode::Invalid);
    assert_eq!(company.refused("a_2", decide("g_2", ReviewReason::Needed)).code, RefusalCode::NotFound, "not in it");
    assert!(company.state.reviews["r_1"].is_overdue(14 * DAY_MS + 1));
}

/// The company with credentials: a_bot, which a_1 answers for, calls credit; a_2 has a key and a passkey, and is signed in.
fn company_with_credentials() -> Company {
    let mut company = company();
    let program = ActorRegistered { actor: "a_bot".into(), kind: ActorKind::Service, roles: vec![] };
    company.done("a_1", Command::RegisterActor(program));
    company.done("a_1", Command::CreateKey(new_key("k_bot", account_key("a_bot"))));
    company.done("a_2", Command::CreateKey(new_key("k_2", KeyScope::Actor("a_2".into()))));
    company.done("a_3", Command::CreateKey(new_key("k_old", KeyScope::Service("support".into()))));
    let passkey = PasskeyRegistered {
        passkey: "p_2".into(),
        actor: "a_2".into(),
        credential: "c0".into(),
        algorithm: Algorithm::Ed25519,
        public_key: "ab".repeat(32),
        sign_count: 0,
        synced: false,
        name_sha256: "ab".repeat(32),
    };
    company.done("a_2", Command::RegisterPasskey(passkey));
    let started = SessionStarted {
        session: "s_2".into(),
        actor: "a_2".into(),
        proof: Proof::Passkey,
        link_sha256: None,
        provider_session_sha256: None,
        passkey: Some("p_2".into()),
        session_sha256: "digest".into(),
        authenticated_at: company.given.now,
        mfa: true,
        expires_at: DAY_MS,
    };
    let used = Some(PasskeyUsed { passkey: "p_2".into(), actor: "a_2".into(), sign_count: 0 });
    let open = OpenSession { started, replaces: None, passkey: used, recovery_sha256: None };
    company.done("a_system", Command::OpenSession(open));
    company
}

#[test]
fn given_keys_and_passkeys_when_reviewed_too_then_they_are_frozen_with_whom_they_serve_and_what_they_open() {
    let mut company = company_with_credentials();
    company.done("a_admin", start_of_all(ORG, "a_lead", Some("a_admin")));
    let review = company.state.reviews["r_1"].clone();
    let credentials: Vec<(&str, &str, &str, &str)> = review
        .items
        .iter()
        .filter(|(_, item)| item.kind != ItemKind::Role)
        .map(|(name, item)| (name.as_str(), item.kind.as_str(), item.actor.as_str(), item.scope.as_str()))
        .collect();
    let expected = [
        ("k_2", "key", "a_2", "actor/a_2"),
        ("k_bot", "key", "a_bot", "service/credit"),
        ("k_old", "key", "a_3", "service/support"),
        ("p_2", "passkey", "a_2", "actor/a_2"),
    ];
    assert_eq!(credentials, expected);
    let rows = company.state.review_list(&review, company.given.now).to_csv();
    assert!(rows.contains("\nk_bot,key,a_bot,,service/credit,open,"), "{rows}");
    // Without them, and with those of one service.
    assert_eq!(company.state.held_in(ORG, false, company.given.now).len(), review.items.len() - 4);
    let credit = company.state.held_in("service/credit", true, company.given.now);
    assert_eq!(credit.keys().collect::<Vec<_>>(), ["g_1", "k_bot"]);
    // Of an environment: what is held in it, and what opens a service that is there.
    company.done("a_admin", request("g_8", "a_3", "monitor", "environment/prod"));
    company.done("a_lead", approve("g_8"));
    let prod = company.state.held_in("environment/prod", true, company.given.now);
    assert_eq!(prod.keys().collect::<Vec<_>>(), ["g_8", "k_bot", "k_old"]);
    assert!(company.state.held_in("environment/staging", true, company.given.now).is_empty());
}

#[test]
fn given_credentials_in_a_review_when_decided_then_what_is_removed_opens_nothing_and_nobody_decides_of_their_own() {
    let mut company = company_with_credentials();
    company.done("a_admin", start_of_all(ORG, "a_1", Some("a_admin")));
    let own = company.refused("a_1", decide("k_bot", ReviewReason::Needed));
    assert_eq!(own.policies, ["review-not-own"], "whoever answers for a program does not review its key");
    assert_eq!(company.done("a_admin", decide("k_bot", ReviewReason::NotNeeded)), ["review.decided", "key.revoked"]);
    let ended = ["review.decided", "passkey.removed", "session.ended"];
    assert_eq!(company.done("a_1", decide("p_2", ReviewReason::Unknown)), ended);
    assert!(company.state.sessions.is_empty() && !company.state.keys["k_bot"].is_live(company.given.now));
    company.done("a_1", decide("k_old", ReviewReason::Needed));
    // A key that was replaced meanwhile is reviewed in what took its place.
    let by = new_key("k_2b", KeyScope::Actor("a_2".into()));
    let ends_at = company.given.now;
    company.done("a_2", Command::RotateKey(RotateKey { key: "k_2".into(), by, ends_at }));
    assert!(outcomes(&company).contains(&("k_2".into(), Outcome::Open)));
    assert_eq!(company.done("a_1", decide("k_2", ReviewReason::TooBroad)), ["review.decided", "key.revoked"]);
    assert!(!company.state.keys["k_2b"].is_live(company.given.now));
    for (by, item) in
        [("a_1", "g_2"), ("a_1", "g_lead"), ("a_1", "a_admin/administrator"), ("a_admin", "g_1"), ("a_admin", "g_3")]
    {
        company.done(by, decide(item, ReviewReason::Needed));
    }
    assert_eq!(company.done("a_1", complete()), ["review.completed"]);
    let list = company.state.review_list(&company.state.reviews["r_1"], company.given.now);
    let removed: Vec<&str> =
        list.items.iter().filter(|line| line.outcome == Outcome::Removed).map(|line| line.item.as_str()).collect();
    assert_eq!(removed, ["k_2", "k_bot", "p_2"]);
}

#[test]
fn given_credentials_that_end_during_a_review_when_looked_at_then_they_are_gone() {
    let mut company = company_with_credentials();
    company.done("a_admin", start_of_all(ORG, "a_lead", Some("a_admin")));
    company.done("a_admin", Command::RevokeKey(KeyRevoked { key: "k_old".into() }));
    company.done("a_admin", Command::Leave(ActorLeft { actor: "a_2".into() }));
    let settled = outcomes(&company);
    for item in ["k_old", "k_2", "p_2"] {
        assert!(settled.contains(&(item.into(), Outcome::Gone)), "{settled:?}");
    }
    assert!(settled.contains(&("k_bot".into(), Outcome::Open)));
}

proptest! {
    /// Whoever tries to decide what, nobody ever decides of what they hold themselves.
    #[test]
    fn nobody_reviews_their_own(attempts in proptest::collection::vec((0_usize..5, 0_usize..5, 0_usize..6), 0..40)) {
        let mut company = company();
        company.done("a_admin", start(ORG, "a_lead", Some("a_admin")));
        let actors = ["a_admin", "a_lead", "a_1", "a_2", "a_3"];
        let items = ["a_admin/administrator", "g_1", "g_2", "g_3", "g_lead"];
        for (actor, item, reason) in attempts {
            let _ = company.ask(actors[actor], decide(items[item], ReviewReason::ALL[reason].0));
        }
        for item in company.state.reviews["r_1"].items.values() {
            if let Some(decided) = &item.decided {
                prop_assert_ne!(&decided.by, &item.actor);
            }
        }
    }
}
