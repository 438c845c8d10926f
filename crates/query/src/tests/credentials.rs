//! Credentials and sessions: who is privileged, in whatever way they came to be, what AI-AC-04 makes of it, and
//! credentials in reviews of access.

use domain::people::reviews::{ReviewDecided, ReviewReason, ReviewStarted};
use domain::people::{
    AccountOwned, ActorKind, ActorLeft, ActorRegistered, ActorReturned, Algorithm, EmergencyDeclared, GrantNamed,
    GrantPreapproved, GrantRequested, KeyCreated, KeyRevoked, KeyScope, OwnerReason, PasskeyRegistered, PasskeyRemoved,
    Proof, RoleDefined, SessionEnd, SessionEnded, SessionStarted,
};

use super::*;

const TEST: &str = include_str!("../../../../controls/AI-AC-04/query.sql");
const POPULATION: &str = include_str!("../../../../controls/AI-AC-04/population.sql");

fn registered(world: &World, actor: &str, kind: ActorKind, roles: &[&str]) {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    world.add(T0, Event::ActorRegistered(ActorRegistered { actor: actor.into(), kind, roles }));
}

/// A person with a key of their own, `k_` and their name.
fn person(world: &World, actor: &str) {
    registered(world, actor, ActorKind::Human, &[]);
    let (key, scope) = (format!("k_{actor}"), KeyScope::Actor(actor.into()));
    let (prefix, secret_sha256) = ("cfk_".into(), format!("of {key}"));
    world.add(
        T0,
        Event::KeyCreated(KeyCreated { key, scope, prefix, secret_sha256, expires_at: T0 + DAY, session: None }),
    );
}

fn asked(world: &World, at: i64, actor: &str, role: &str, ends_at: i64) -> String {
    let grant = format!("g_{actor}");
    let (role, scope, reference) = (role.to_owned(), "org".to_owned(), "CHG-1".to_owned());
    let wish = GrantRequested { grant: grant.clone(), actor: actor.into(), role, scope, ends_at, reference };
    world.add(at, Event::GrantRequested(wish));
    grant
}

fn granted(world: &World, at: i64, actor: &str, role: &str, ends_at: i64) {
    let grant = asked(world, at, actor, role, ends_at);
    world.add(at, Event::GrantApproved(GrantNamed { grant }));
}

fn defined(world: &World, role: &str, actions: &[&str]) {
    let actions = actions.iter().map(|action| (*action).to_owned()).collect();
    world.add(T0, Event::RoleDefined(RoleDefined { role: role.into(), actions }));
}

fn session(world: &World, at: i64, session: &str, actor: &str, proof: Proof, mfa: bool) {
    world.add(
        at,
        Event::SessionStarted(SessionStarted {
            session: session.into(),
            actor: actor.into(),
            proof,
            link_sha256: (proof == Proof::Link).then(|| "ll".into()),
            provider_session_sha256: None,
            passkey: (proof == Proof::Passkey).then(|| format!("p_{actor}")),
            session_sha256: format!("of {session}"),
            authenticated_at: at,
            mfa,
            expires_at: at + HOUR,
        }),
    );
}

/// What AI-AC-04 finds, and that all of it is in its population.
async fn found(session: &Session) -> Vec<String> {
    let population = ask(session, POPULATION).await;
    let found = ask(session, &format!("SELECT item, detail FROM ({TEST}) ORDER BY item")).await;
    let item = |line: &String| line.split('|').next().unwrap().to_owned();
    assert!(found.iter().map(item).all(|item| population.contains(&item)), "{found:?} in {population:?}");
    found.iter().map(item).collect()
}

#[test]
fn whoever_is_privileged_is_seen_in_whatever_way_they_came_to_be() {
    run(async {
        let world = World::filled();
        for actor in ["a_plain", "a_granted", "a_mapped", "a_own", "a_reader", "a_glass", "a_owner"] {
            person(&world, actor);
        }
        granted(&world, T0, "a_plain", "monitor", T0 + DAY);
        granted(&world, T0, "a_granted", "deployer", T0 + DAY);
        // By a group whose mapping was approved.
        let grant = asked(&world, T0, "a_mapped", "deployer", T0 + DAY);
        let (group, approved_by) = ("gr_1".into(), "a_lead".into());
        world.add(T0, Event::GrantPreapproved(GrantPreapproved { grant, group, approved_by }));
        // By roles of the organisation's own, of which one amounts to a duty.
        defined(&world, "release_manager", &["read", "service.declare"]);
        defined(&world, "reader", &["read", "sql"]);
        granted(&world, T0, "a_own", "release_manager", T0 + DAY);
        granted(&world, T0, "a_reader", "reader", T0 + DAY);
        // By a program that they answer for.
        registered(&world, "a_bot", ActorKind::Service, &[]);
        let reason = OwnerReason::Named;
        world.add(T0, Event::AccountOwned(AccountOwned { actor: "a_bot".into(), owner: "a_owner".into(), reason }));
        granted(&world, T0, "a_bot", "directory", T0 + DAY);
        // In an emergency.
        world.add_by(
            "a_glass",
            T0 + HOUR,
            Event::EmergencyDeclared(EmergencyDeclared {
                emergency: "e_1".into(),
                role: "deployer".into(),
                scope: "org".into(),
                ends_at: T0 + 2 * HOUR,
                reference: "INC-1".into(),
            }),
        );
        let privileged = "SELECT credential_id FROM credentials WHERE privileged ORDER BY 1";
        let during = world.session().await;
        let all = ["k_a_glass", "k_a_granted", "k_a_mapped", "k_a_own", "k_a_owner"];
        assert_eq!(ask(&during, privileged).await, all);
        assert_eq!(ask(&during, "SELECT privileged FROM emergencies").await, ["true"]);
        assert_eq!(found(&during).await, all);
        // An emergency that is over was one, for whoever tests the window in which it was.
        world.beat(T0 + 3 * HOUR, None);
        let after = world.session().await;
        assert_eq!(ask(&after, privileged).await, all[1..]);
        assert_eq!(found(&after).await, all);
    });
}

#[test]
fn a_role_of_their_own_that_is_narrowed_later_was_privileged_for_whoever_held_it_and_is_not_for_whoever_comes_after() {
    run(async {
        let world = World::filled();
        for actor in ["a_before", "a_after", "a_widened"] {
            person(&world, actor);
        }
        defined(&world, "release_manager", &["read", "service.declare"]);
        defined(&world, "reader", &["read", "sql"]);
        granted(&world, T0, "a_before", "release_manager", T0 + DAY);
        granted(&world, T0, "a_widened", "reader", T0 + DAY);
        defined(&world, "release_manager", &["read"]);
        defined(&world, "reader", &["read", "service.retire"]);
        granted(&world, T0, "a_after", "release_manager", T0 + DAY);
        let session = world.session().await;
        let grants =
            "SELECT principal_id, privileged FROM role_grants WHERE role IN ('release_manager', 'reader') ORDER BY 1";
        assert_eq!(ask(&session, grants).await, ["a_after|false", "a_before|true", "a_widened|true"]);
        assert_eq!(found(&session).await, ["k_a_before", "k_a_widened"]);
    });
}

#[test]
fn whoever_left_and_came_back_is_privileged_by_what_they_were_given_since() {
    run(async {
        let world = World::filled();
        registered(&world, "a_first", ActorKind::Human, &["administrator"]);
        registered(&world, "a_again", ActorKind::Human, &[]);
        for actor in ["a_first", "a_again"] {
            world.add(T0 + MINUTE, Event::ActorLeft(ActorLeft { actor: actor.into() }));
            world.add(T0 + 2 * MINUTE, Event::ActorReturned(ActorReturned { actor: actor.into() }));
            let (key, scope) = (format!("k_{actor}"), KeyScope::Actor(actor.into()));
            let key = KeyCreated {
                key,
                scope,
                prefix: "cfk_".into(),
                secret_sha256: actor.into(),
                expires_at: T0 + DAY,
                session: None,
            };
            world.add(T0 + 3 * MINUTE, Event::KeyCreated(key));
        }
        granted(&world, T0 + 4 * MINUTE, "a_again", "security_lead", T0 + DAY);
        let session = world.session().await;
        let privileged = "SELECT credential_id, privileged, owner_id FROM credentials ORDER BY 1";
        assert_eq!(ask(&session, privileged).await, ["k_a_again|true|a_again", "k_a_first|false|a_first"]);
        assert_eq!(found(&session).await, ["k_a_again"]);
    });
}

#[test]
fn sessions_of_privileged_people_by_one_factor_are_found() {
    run(async {
        let world = World::filled();
        for actor in ["a_1", "a_2"] {
            registered(&world, actor, ActorKind::Human, &[]);
        }
        session(&world, T0, "s_before", "a_1", Proof::Link, false);
        world.add(
            T0 + MINUTE,
            Event::SessionEnded(SessionEnded {
                session: "s_before".into(),
                actor: "a_1".into(),
                reason: SessionEnd::SignedOut,
            }),
        );
        granted(&world, T0 + 2 * MINUTE, "a_1", "deployer", T0 + DAY);
        session(&world, T0 + 3 * MINUTE, "s_link", "a_1", Proof::Link, false);
        session(&world, T0 + 3 * MINUTE, "s_code", "a_1", Proof::Recovery, false);
        session(&world, T0 + 3 * MINUTE, "s_oidc", "a_1", Proof::Oidc, false);
        session(&world, T0 + 3 * MINUTE, "s_oidc_mfa", "a_1", Proof::Oidc, true);
        session(&world, T0 + 3 * MINUTE, "s_passkey", "a_1", Proof::Passkey, true);
        session(&world, T0 + 3 * MINUTE, "s_other", "a_2", Proof::Link, false);
        let asked = world.session().await;
        assert_eq!(found(&asked).await, ["s_code", "s_link", "s_oidc"]);
        assert_eq!(ask(&asked, POPULATION).await.len(), 7);
        let passkeys = "SELECT session_id, credential_id FROM sessions WHERE credential_id IS NOT NULL";
        assert_eq!(ask(&asked, passkeys).await, ["s_passkey|p_a_1"]);
    });
}

#[test]
fn credentials_in_a_review_are_items_and_their_removal_is_done_when_they_open_nothing() {
    run(async {
        let world = World::filled();
        for actor in ["a_1", "a_2", "a_3"] {
            person(&world, actor);
        }
        let passkey = PasskeyRegistered {
            passkey: "p_1".into(),
            actor: "a_1".into(),
            credential: "c0".into(),
            algorithm: Algorithm::Ed25519,
            public_key: "ab".repeat(32),
            sign_count: 0,
            synced: false,
            name_sha256: "aa".into(),
        };
        world.add(T0, Event::PasskeyRegistered(passkey));
        let started = ReviewStarted {
            review: "r_1".into(),
            scope: "org".into(),
            reviewer: "a_2".into(),
            alternate: Some("a_3".into()),
            credentials: true,
            due_at: T0 + HOUR,
            at_size: crate::Source::size(&*world),
            population: 4,
            population_root: "pp".into(),
        };
        world.add(T0 + MINUTE, Event::ReviewStarted(started));
        let remove = |item: &str| {
            let (reason, item) = (ReviewReason::Unknown, item.to_owned());
            let (review, verdict, reference) = ("r_1".into(), reason.verdict(), Some("CHG-2".into()));
            world.add_by(
                "a_2",
                T0 + 2 * MINUTE,
                Event::ReviewDecided(ReviewDecided { review, item, verdict, reason, reference }),
            );
        };
        remove("k_a_1");
        let review = "SELECT credentials, removals_requested, removals_done, gone, open_items FROM access_reviews";
        assert_eq!(ask(&world.session().await, review).await, ["true|1|0|0|3"], "decided, and not carried out");
        world.add(T0 + 2 * MINUTE, Event::KeyRevoked(KeyRevoked { key: "k_a_1".into() }));
        remove("p_1");
        let removed = PasskeyRemoved { passkey: "p_1".into(), actor: "a_1".into() };
        world.add(T0 + 2 * MINUTE, Event::PasskeyRemoved(removed));
        world.add(T0 + 3 * MINUTE, Event::KeyRevoked(KeyRevoked { key: "k_a_3".into() }));
        let session = world.session().await;
        assert_eq!(ask(&session, review).await, ["true|2|2|1|1"]);
        let items = "SELECT credential_id, kind, grant_id, role, scope, outcome, reviewer_id FROM access_review_items ORDER BY 1";
        let expected = [
            "k_a_1|key|-|-|actor/a_1|removed|a_2",
            "k_a_2|key|-|-|actor/a_2|open|a_3",
            "k_a_3|key|-|-|actor/a_3|gone|a_2",
            "p_1|passkey|-|-|actor/a_1|removed|a_2",
        ];
        assert_eq!(ask(&session, items).await, expected);
    });
}

#[test]
fn who_answered_for_a_program_and_what_was_kept_apart_is_told_by_when_it_was() {
    run(async {
        let world = World::filled();
        let own = |at: i64, owner: &str| {
            let (actor, owner) = ("a_bot".into(), owner.into());
            world.add(at, Event::AccountOwned(AccountOwned { actor, owner, reason: OwnerReason::Named }));
        };
        own(T0, "a_1");
        own(T0 + HOUR, "a_2");
        world.add(T0 + 2 * HOUR, Event::ActorLeft(ActorLeft { actor: "a_2".into() }));
        world.add(T0 + 3 * HOUR, Event::ActorReturned(ActorReturned { actor: "a_2".into() }));
        let owners = "SELECT owner_id, since, until FROM account_owners ORDER BY since";
        let expected = [
            "a_1|2026-11-22T10:00:00|2026-11-22T11:00:00",
            "a_2|2026-11-22T11:00:00|2026-11-22T12:00:00",
            "a_2|2026-11-22T13:00:00|-",
        ];
        assert_eq!(ask(&world.session().await, owners).await, expected);

        let define = |at: i64, action: &str| {
            let (role, actions) = ("release_manager".into(), vec![action.to_owned()]);
            world.add(at, Event::RoleDefined(RoleDefined { role, actions }));
        };
        define(T0 + 4 * HOUR, "service.declare");
        let pairs =
            "SELECT role_b, since, until FROM sod_pairs WHERE role_a = 'release_manager' AND rule = 'train-not-deploy'";
        assert_eq!(ask(&world.session().await, pairs).await, ["model_trainer|2026-11-22T14:00:00|-"]);
        define(T0 + 5 * HOUR, "read");
        let ended = "model_trainer|2026-11-22T14:00:00|2026-11-22T15:00:00";
        assert_eq!(ask(&world.session().await, pairs).await, [ended], "it was a deployer's then");
    });
}
