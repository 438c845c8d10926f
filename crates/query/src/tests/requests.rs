//! Requests of people as the tables show them.

use domain::Event;
use domain::keys::requests::{
    Assessment, ErasureStep, IdentityMethod, IdentityResult, Intake, ModelAction, RequestAssessed, RequestClosed,
    RequestIdentityChecked, RequestKind, RequestOutcome, RequestReceived, RequestSearched, RequestStarted, RequestStep,
};

use super::world::{HOUR, MINUTE, T0, World};
use super::{ask, run};

const ONE: &str = "00000000000000000000000000000001";
const OTHER: &str = "00000000000000000000000000000002";

fn searched(models: &[&str], keys: &[String]) -> Event {
    Event::RequestSearched(RequestSearched {
        request: "q_1".into(),
        counts: [("inferences".to_owned(), 1)].into(),
        concerns: [].into(),
        keys: keys.iter().cloned().collect(),
        models: models.iter().map(|model| (*model).to_owned()).collect(),
        left_out: 0,
    })
}

#[test]
fn a_request_is_a_row_for_each_reference_and_its_keys_and_models_are_told_until_they_are_settled() {
    run(async {
        let world = World::empty();
        world.add(
            T0,
            Event::RequestReceived(RequestReceived {
                request: "q_1".into(),
                kind: RequestKind::Erasure,
                subjects: vec![ONE.into(), OTHER.into()],
                actor: None,
                channel: Intake::Email,
                received_at: T0,
                due_at: T0 + 10 * HOUR,
                sealed_sha256: "cc".into(),
            }),
        );
        let dsr = "SELECT subject_ref, kind, outcome, identity_verified FROM dsr ORDER BY 1";
        let open = [format!("{ONE}|erasure|-|false"), format!("{OTHER}|erasure|-|false")];
        assert_eq!(ask(&world.session().await, dsr).await, open);
        let checked = RequestIdentityChecked {
            request: "q_1".into(),
            method: IdentityMethod::Account,
            result: IdentityResult::Confirmed,
            reference: "DSR-1".into(),
        };
        world.add(T0 + MINUTE, Event::RequestIdentityChecked(checked));
        let key = |subject: &str| format!("subject/personal/{subject}");
        world.add(T0 + MINUTE, searched(&["m/1", "m/2"], &[key(ONE), key(OTHER)]));
        world.add(T0 + 2 * MINUTE, searched(&["m/2"], &[key(ONE), key(OTHER)]));
        let impacts = "SELECT model_id, version, assessment, action, completed_at FROM dsr_impacts";
        assert_eq!(ask(&world.session().await, impacts).await, ["m|2|-|-|-"], "the newest search counts");
        let assessed = RequestAssessed {
            request: "q_1".into(),
            model: "m".into(),
            version: "2".into(),
            assessment: Assessment::Trained,
            action: ModelAction::Keep,
            reference: "DSR-1".into(),
        };
        world.add(T0 + 3 * MINUTE, Event::RequestAssessed(assessed));
        assert_eq!(ask(&world.session().await, impacts).await, ["m|2|trained|keep|2026-11-22T10:03:00"]);
        let keys = "SELECT subject_ref, destroyed_at FROM subject_keys ORDER BY 1";
        let living = [format!("{ONE}|-"), format!("{OTHER}|-")];
        assert_eq!(ask(&world.session().await, keys).await, living);
        let (request, step) = ("q_1".into(), ErasureStep::KeysDestroyed);
        let destroyed = RequestStep { request, step, counts: [].into(), keys: [key(ONE), key(OTHER)].into() };
        world.add(T0 + 4 * MINUTE, Event::RequestStep(destroyed));
        let gone = [format!("{ONE}|2026-11-22T10:04:00"), format!("{OTHER}|2026-11-22T10:04:00")];
        assert_eq!(ask(&world.session().await, keys).await, gone);
        let deletions = "SELECT deletion_id, object_id, completed_at IS NULL, replicas_confirmed, verified_by IS NULL, rule_id \
                         FROM deletions ORDER BY 1";
        let none: [&str; 0] = [];
        assert_eq!(ask(&world.session().await, deletions).await, none, "nothing is deleted before it begins");
        world.add(T0 + 4 * MINUTE, Event::RequestStarted(RequestStarted { request: "q_1".into() }));
        let row = |subject: &str, rest: &str| format!("q_1/{subject}|subject/{subject}|{rest}|-");
        let open = [row(ONE, "true|0|true"), row(OTHER, "true|0|true")];
        assert_eq!(ask(&world.session().await, deletions).await, open);
        let (request, step) = ("q_1".into(), ErasureStep::Completed);
        let completed = RequestStep { request, step, counts: [].into(), keys: [].into() };
        world.add(T0 + 4 * MINUTE, Event::RequestStep(completed));
        let unseen = [row(ONE, "false|1|true"), row(OTHER, "false|1|true")];
        assert_eq!(ask(&world.session().await, deletions).await, unseen, "nobody looked yet");
        let closed = RequestClosed {
            request: "q_1".into(),
            outcome: RequestOutcome::Done,
            reason_code: None,
            reference: "DSR-1".into(),
            notified_at: Some(T0),
        };
        world.add(T0 + 5 * MINUTE, Event::RequestClosed(closed));
        let done = [format!("{ONE}|erasure|done|true"), format!("{OTHER}|erasure|done|true")];
        assert_eq!(ask(&world.session().await, dsr).await, done);
        let seen = [row(ONE, "false|1|false"), row(OTHER, "false|1|false")];
        assert_eq!(ask(&world.session().await, deletions).await, seen);
    });
}
