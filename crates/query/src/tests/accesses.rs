//! Accesses and reviews of access, as an auditor asks for them.

use domain::people::reviews::{ReviewCompleted, ReviewDecided, ReviewReason, ReviewStarted};
use domain::people::{
    AccessCore, ActorKind, ActorLeft, ActorRegistered, EndReason, GrantEnded, GrantNamed, GrantRequested,
};

use super::*;

fn access(node_seq: i64, minute: i64) -> AccessCore {
    let at = (T0 + minute * MINUTE) * 1000;
    AccessCore {
        access_id: format!("acc-{node_seq}"),
        ts_start: at,
        ts_end: at,
        door: "api".into(),
        actor: Some("a_1".into()),
        action: "read".into(),
        object_kind: "artifact".into(),
        object_id: Some("m-1".into()),
        decision: "allow".into(),
        policies: Some("p".into()),
        grant_id: Some("g_1".into()),
        occurrences: 1,
        node: "n1".into(),
        incarnation: 1,
        node_seq,
        ..AccessCore::default()
    }
}

fn seen(node_seq: i64, minute: i64, actor: &str) -> AccessCore {
    AccessCore {
        actor: Some(actor.into()),
        source: Some("s3".into()),
        seen_as: Some(format!("r-{node_seq}")),
        door: "import".into(),
        policies: None,
        grant_id: None,
        ..access(node_seq, minute)
    }
}

#[test]
fn accesses_through_our_doors_and_those_seen_outside_are_told_apart_and_matched() {
    run(async {
        let world = World::filled();
        world.seal_accesses(0, 0, &[access(0, 1), seen(1, 3, "a_1"), seen(2, 30, "a_1")]);
        world.tail.lock().unwrap().accesses = vec![seen(2, 30, "a_1"), seen(3, 2, "a_2"), access(4, 40)];
        let session = world.database().at(At::Latest { tail: true }).await.unwrap();
        let events = ask(&session, "SELECT event_id, grant_id, env, segment_id FROM access_events ORDER BY 1").await;
        assert_eq!(events, ["acc-0|g_1|prod|n1/1/0", "acc-4|g_1|prod|-"]);
        let logs = ask(&session, "SELECT ext_id, matched_event_id FROM external_access_logs ORDER BY 1").await;
        assert_eq!(logs, ["s3/r-1|acc-0", "s3/r-2|-", "s3/r-3|-"]);
        assert_eq!(ask(&session, "SELECT count(*) FROM access_records").await, ["5"]);
        let inferences = ask(&session, "SELECT count(*) FROM inference_records").await;
        assert_eq!(inferences, ["5"], "the kinds are kept apart");
        let segments = ask(&session, "SELECT segment_id, row_count FROM access_segments").await;
        assert_eq!(segments, ["n1/1/0|3"]);
        assert_eq!(needed_tables("select * from access_events"), ["access_events"]);
    });
}

#[test]
fn a_review_is_over_what_was_held_when_it_started_and_follows_what_is_decided() {
    run(async {
        let world = World::filled();
        let register = |actor: &str| ActorRegistered { actor: actor.into(), kind: ActorKind::Human, roles: vec![] };
        for actor in ["a_1", "a_2", "a_3"] {
            world.add(T0, Event::ActorRegistered(register(actor)));
        }
        let grant = |grant: &str, actor: &str| {
            let (role, scope, reference) = ("monitor".into(), "org".into(), "CHG-1".into());
            let ends_at = T0 + DAY;
            let wish = GrantRequested { grant: grant.into(), actor: actor.into(), role, scope, ends_at, reference };
            world.add(T0, Event::GrantRequested(wish));
            world.add(T0, Event::GrantApproved(GrantNamed { grant: grant.into() }));
        };
        let _ = ["1", "2", "3"].map(|n| grant(&format!("g_{n}"), &format!("a_{n}")));
        let started = ReviewStarted {
            review: "r_1".into(),
            scope: "org".into(),
            reviewer: "a_1".into(),
            alternate: Some("a_2".into()),
            credentials: false,
            due_at: T0 + HOUR,
            at_size: world_size(&world),
            population: 3,
            population_root: "pp".into(),
        };
        world.add(T0 + MINUTE, Event::ReviewStarted(started));
        grant("g_9", "a_3");
        let reason = ReviewReason::Moved;
        let decided = ReviewDecided {
            review: "r_1".into(),
            item: "g_2".into(),
            verdict: reason.verdict(),
            reason,
            reference: Some("CHG-2".into()),
        };
        world.add(T0 + 2 * MINUTE, Event::ReviewDecided(decided));
        let ended = GrantEnded { grant: "g_2".into(), reason: EndReason::Reviewed };
        world.add(T0 + 2 * MINUTE, Event::GrantEnded(ended));
        world.add(T0 + 3 * MINUTE, Event::ActorLeft(ActorLeft { actor: "a_3".into() }));
        let ended = GrantEnded { grant: "g_3".into(), reason: EndReason::Left };
        world.add(T0 + 3 * MINUTE, Event::GrantEnded(ended));
        let session = world.session().await;
        let items = "SELECT grant_id, outcome, reviewer_id, reason FROM access_review_items ORDER BY 1";
        assert_eq!(ask(&session, items).await, ["g_1|open|a_2|-", "g_2|removed|a_1|moved", "g_3|gone|a_1|-"]);
        let review = "SELECT removals_requested, removals_done, kept, gone, open_items, overdue FROM access_reviews";
        assert_eq!(ask(&session, review).await, ["1|1|0|1|1|false"]);
        world.add(T0 + 2 * HOUR, Event::ActorRegistered(register("a_4")));
        assert_eq!(ask(&world.session().await, review).await, ["1|1|0|1|1|true"]);
        let completed =
            ReviewCompleted { review: "r_1".into(), kept: 1, removed: 1, gone: 1, list_sha256: "ll".into() };
        world.add(T0 + 3 * HOUR, Event::ReviewCompleted(completed));
        let done = "SELECT overdue, list_sha256, completed_at > due_at FROM access_reviews";
        assert_eq!(ask(&world.session().await, done).await, ["false|ll|true"]);
    });
}

fn world_size(world: &World) -> u64 {
    crate::Source::size(world)
}
