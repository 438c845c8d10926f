//! What is kept, what keeps it, and what went.

use domain::data::{ObjectDestroyed, StoredObject, VersionEnded, VersionRewritten, VersionStored};
use domain::keys::holds::{HoldPlaced, HoldReleased};
use domain::keys::retention::{
    DisposalConfirmed, Item, Kind, Method, RetentionDisposed, RetentionDisposing, RetentionKept, RetentionScheduled,
    SegmentGone, SegmentsDisposed,
};
use domain::serving::SegmentFile;

use super::*;
use crate::Source as _;

const OBJECTS: &str =
    "SELECT object_id, retention_policy_id, expires_at, deleted_at, legal_hold FROM data_objects ORDER BY object_id";

const GONE: &str = "SELECT deletion_id, object_id, completed_at IS NULL, replicas_total, replicas_confirmed, verified_by, rule_id FROM deletions";

const KIND: Kind = Kind::InferencePayload;

fn item(day: &str) -> Item {
    Item { kind: KIND, class: "internal".into(), day: Some(day.into()), object: None }
}

fn kept(world: &World, day: &str) {
    world.add(T0, Event::RetentionKept(RetentionKept { kind: KIND, class: "internal".into(), day: day.into() }));
}

fn held(world: &World, hold: &str, on: &str) {
    let (hold, on, reference) = (hold.into(), on.into(), "CASE-3".into());
    world.add(T0, Event::HoldPlaced(HoldPlaced { hold, on, reference, review_due: T0 + DAY }));
}

#[test]
fn a_day_of_payloads_is_an_object_with_its_rule_its_end_and_what_may_keep_it() {
    run(async {
        let world = World::filled();
        kept(&world, "2026-11-01");
        assert_eq!(ask(&world.session().await, OBJECTS).await, ["payloads/internal/2026-11-01|-|-|-|false"]);
        let (rule, class, basis) = ("all".into(), "*".into(), "POL-7".into());
        world.add(T0, Event::RetentionScheduled(RetentionScheduled { rule, kind: KIND, class, days: 30, basis }));
        kept(&world, "2026-11-02");
        held(&world, "h_1", "class/internal");
        let rows = [
            "payloads/internal/2026-11-01|all|2026-12-02T00:00:00|-|true",
            "payloads/internal/2026-11-02|all|2026-12-03T00:00:00|-|true",
        ];
        assert_eq!(ask(&world.session().await, OBJECTS).await, rows);
        let released = HoldReleased { hold: "h_1".into(), reference: "CASE-3".into() };
        world.add(T0, Event::HoldReleased(released));
        let holds = "SELECT hold_id, held, released_at IS NULL FROM legal_holds";
        assert_eq!(ask(&world.session().await, holds).await, ["h_1|class/internal|false"]);
        let disposing = RetentionDisposing {
            disposal: "x_1".into(),
            item: item("2026-11-01"),
            rule: "all".into(),
            days: 30,
            due: T0,
            clear_of: vec![],
        };
        world.add(T0 + HOUR, Event::RetentionDisposing(disposing));
        let gone = "x_1|payloads/internal/2026-11-01";
        assert_eq!(ask(&world.session().await, GONE).await, [format!("{gone}|true|-|-|-|all")]);
        let (disposal, method) = ("x_1".into(), Method::KeyDestroyed);
        let disposed =
            RetentionDisposed { disposal, item: item("2026-11-01"), method, due: T0, copies: 3, copies_confirmed: 3 };
        world.add(T0 + HOUR, Event::RetentionDisposed(disposed));
        let confirmed = DisposalConfirmed { disposal: "x_1".into(), reference: "CHECK-1".into() };
        world.add(T0 + HOUR, Event::DisposalConfirmed(confirmed));
        let row = &ask(&world.session().await, GONE).await[0];
        assert!(row.starts_with(&format!("{gone}|false|3|3|")) && row.ends_with("|all"), "{row}");
        let rows = [
            "payloads/internal/2026-11-01|all|2026-12-02T00:00:00|2026-11-22T11:00:00|false",
            "payloads/internal/2026-11-02|all|2026-12-03T00:00:00|-|false",
        ];
        assert_eq!(ask(&world.session().await, OBJECTS).await, rows);
        // Of whom a day is, the ledger does not say.
        held(&world, "h_2", "service/credit");
        let maybe = "SELECT count(*) FROM data_objects WHERE legal_hold";
        assert_eq!(ask(&world.session().await, maybe).await, ["2"]);
    });
}

#[test]
fn a_version_that_was_disposed_of_is_gone_in_both_tables_and_one_that_was_rewritten_is_as_old_as_it_was() {
    run(async {
        let world = World::filled();
        let stored = |object: &str| StoredObject {
            object: object.into(),
            class: "internal".into(),
            key: format!("object/internal/{object}"),
            sha256: "aa".into(),
            stored_bytes: 200,
            bytes: 90,
            chunks: 1,
            commitment: "bb".into(),
        };
        let (kind, dataset, version) = (Kind::Dataset, || "loans".to_owned(), || "1".to_owned());
        let (rule, class, basis) = ("sets".into(), "*".into(), "POL-7".into());
        world.add(T0, Event::RetentionScheduled(RetentionScheduled { rule, kind, class, days: 30, basis }));
        let first = VersionStored { dataset: dataset(), version: version(), stored: stored("0a"), subjects: None };
        world.add(T0, Event::VersionStored(first));
        let (old, again) = ("0a".to_owned(), stored("0b"));
        let rewritten =
            VersionRewritten { dataset: dataset(), version: version(), rows_removed: 3, old, stored: again };
        world.add(T0 + DAY, Event::VersionRewritten(rewritten));
        let ends = "SELECT count(DISTINCT expires_at), count(*) FROM data_objects WHERE kind = 'dataset'";
        assert_eq!(ask(&world.session().await, ends).await, ["1|2"]);
        let item = || Item { kind, class: "internal".into(), day: None, object: Some("0b".into()) };
        let (rule, clear_of) = ("sets".to_owned(), vec![]);
        let disposing = RetentionDisposing { disposal: "x_1".into(), item: item(), rule, days: 30, due: T0, clear_of };
        world.add(T0 + DAY, Event::RetentionDisposing(disposing));
        let (disposal, method) = ("x_1".into(), Method::KeyDestroyed);
        let disposed = RetentionDisposed { disposal, item: item(), method, due: T0, copies: 2, copies_confirmed: 2 };
        world.add(T0 + DAY, Event::RetentionDisposed(disposed));
        let gone = "SELECT deleted_at IS NULL FROM data_objects WHERE object_id = '0b'";
        assert_eq!(ask(&world.session().await, gone).await, ["false"]);
        assert_eq!(ask(&world.session().await, GONE).await, ["x_1|0b|false|2|2|-|sets"]);
        let ended = |object: &str, reference: &str| {
            let (object, reference) = (object.to_owned(), reference.to_owned());
            Event::VersionEnded(VersionEnded { dataset: dataset(), version: version(), object, reference })
        };
        // By the rule, which has its row, and by hand.
        world.add(T0 + DAY, ended("0b", "x_1"));
        world.add(T0 + DAY, ended("0c", "CHG-7"));
        let by_hand = format!("{GONE} WHERE rule_id IS NULL");
        assert_eq!(ask(&world.session().await, &by_hand).await, ["0c|0c|true|-|-|-|-"]);
        let (object, class, key) = ("0c".to_owned(), "internal".to_owned(), "object/internal/0c".to_owned());
        let gone = ObjectDestroyed { object, class, key, copies_confirmed: Some(2) };
        world.add(T0 + DAY + HOUR, Event::ObjectDestroyed(gone.clone()));
        assert_eq!(ask(&world.session().await, &by_hand).await, ["0c|0c|false|2|2|-|-"]);
        let confirmed = DisposalConfirmed { disposal: "0c".into(), reference: "CHECK-1".into() };
        world.add(T0 + DAY + HOUR, Event::DisposalConfirmed(confirmed));
        let row = &ask(&world.session().await, &by_hand).await[0];
        assert!(row.starts_with("0c|0c|false|2|2|") && row != "0c|0c|false|2|2|-|-", "{row}");
        assert_eq!(ask(&world.session().await, "SELECT count(*) FROM deletions").await, ["2"]);
        // One of before anybody looked again.
        world.add(T0 + DAY, ended("0d", "CHG-6"));
        let unseen = ObjectDestroyed { object: "0d".into(), copies_confirmed: None, ..gone };
        world.add(T0 + DAY + HOUR, Event::ObjectDestroyed(unseen));
        let before = format!("{GONE} WHERE deletion_id = '0d'");
        assert_eq!(ask(&world.session().await, &before).await, ["0d|0d|false|2|-|-|-"]);
    });
}

#[test]
fn records_that_went_are_missing_from_any_size_and_an_answer_of_before_says_so() {
    run(async {
        let world = World::filled();
        let database = world.database();
        let before = world.size();
        let path = "inferences/segment_day=2026-11-22/n1-1-0-00.core.parquet".to_owned();
        let (class, day) = ("inference_core".into(), Some("2026-11-22".into()));
        let item = Item { kind: Kind::InferenceCore, class, day, object: None };
        let (disposal, rule) = ("x_1".to_owned(), "records".to_owned());
        let disposing =
            RetentionDisposing { disposal: disposal.clone(), item, rule, days: 30, due: T0, clear_of: vec![] };
        world.add(T0 + 3 * HOUR, Event::RetentionDisposing(disposing));
        let (root, core) = ("00".to_owned(), SegmentFile { path: path.clone(), sha256: String::new(), len: 1 });
        let gone = SegmentGone { node: "n1".into(), incarnation: 1, number: 0, n: 3, root, core };
        let told = SegmentsDisposed { disposal, kind: Kind::InferenceCore, segments: vec![gone] };
        let told = world.add(T0 + 3 * HOUR, Event::SegmentsDisposed(told));
        std::fs::remove_file(world.records_dir().join(path)).unwrap();
        let count = "SELECT count(*) FROM inference_records";
        let past = database.at(At::Size(before)).await.unwrap();
        assert_eq!(ask(&past, count).await, ["2"]);
        let [lost] = past.gone_since() else { panic!("{:?}", past.gone_since()) };
        assert_eq!((lost.rule.as_str(), lost.event, lost.segments, lost.records), ("records", told, 1, 3));
        assert!(lost.to_string().contains("since (event "), "{lost}");
        let now = world.session().await;
        assert_eq!(ask(&now, count).await, ["2"]);
        assert!(now.gone_since().is_empty(), "at this size they are gone, as the ledger says");
        let went = "SELECT segment_id, sum(row_count) FROM segments WHERE disposal_id = 'x_1' GROUP BY 1";
        assert_eq!(ask(&now, went).await, ["n1/1/0|3"], "what was sealed is counted as before");
    });
}
