//! What a door says of a record that was disposed of.

use assurance::AssuranceError;
use domain::Command;
use domain::keys::retention::{Kind, RetentionScheduled};
use domain::people::AccessCore;
use engine::Principal;
use http::StatusCode;

use super::door::World;

/// Noon of 2020-01-01, in microseconds, and an identifier that was made then.
const NOON_US: i64 = 1_577_880_000_000_000;
const ID: &str = "016f60fa-1600-7000-8000-000000000001";

#[tokio::test(flavor = "multi_thread")]
async fn given_a_record_that_went_by_a_rule_when_its_proof_is_asked_for_then_it_is_gone_and_not_missing() {
    let world = World::new().await;
    let (engine, roles) = (&world.engine, vec![("privacy_officer".to_owned(), "org".to_owned())]);
    let officer = Principal { actor: "a_privacy".into(), roles, ..Principal::default() };
    let (rule, class, basis) = ("accesses".into(), "*".into(), "POL-7".into());
    let scheduled = RetentionScheduled { rule, kind: Kind::AccessCore, class, days: 30, basis };
    engine.execute(&officer, Command::ScheduleRetention(scheduled)).await.expect("a rule");
    let core = AccessCore {
        access_id: ID.into(),
        ts_start: NOON_US,
        ts_end: NOON_US,
        door: "api".into(),
        action: "sql".into(),
        object_kind: "org".into(),
        decision: "allow".into(),
        occurrences: 1,
        ..AccessCore::default()
    };
    engine.import_accesses(vec![core]).await.expect("recorded");
    engine.seal_now().await.expect("sealed");
    let database = assurance::database(engine, query::Limits::default()).expect("a database over the engine");
    assurance::access_proof(engine, &database, ID).await.expect("provable while it is there");
    assert_eq!(engine.dispose_due().await.expect("disposed of").len(), 1);
    let error = assurance::access_proof(engine, &database, ID).await.expect_err("gone");
    let AssuranceError::Gone(message) = &error else { panic!("{error}") };
    assert!(message.contains("2020-01-01") && message.contains("rule `accesses` (event "), "{message}");
    let failure = crate::api::assurance_failure(error);
    assert_eq!((failure.status, failure.code), (StatusCode::GONE, "disposed"));
    let other = assurance::access_proof(engine, &database, "026f60fa-1600-7000-8000-000000000001").await;
    assert!(matches!(other, Err(AssuranceError::NotFound(_))), "nothing of that time went");
}
