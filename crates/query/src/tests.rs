//! Questions to a small ledger: the catalogue's views and controls, time travel, bounds, and what is refused.

mod accesses;
mod archive;
mod credentials;
mod data;
mod encryption;
mod endpoints;
mod fields;
mod governance;
mod lineage;
mod requests;
mod retention;
mod world;

use std::time::Duration;

use domain::Event;
use domain::infrastructure::OrgCreated;
use domain::serving::{DeploymentEnded, GatewayCountLost, GatewayCounted};
use merkle::SignerKey;

use crate::{At, Filled, Limits, Params, QueryError, Session, needed_tables, tables};
use world::{DAY, HOUR, MINUTE, T0, World, deployment, record};

const WINDOW: Params = Params { start: T0, end: T0 + DAY, now: T0 + DAY };

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// The rows of an answer, cells joined by `|`, NULL as `-`.
async fn ask(session: &Session, sql: &str) -> Vec<String> {
    let answer = session.sql(sql, Some(WINDOW)).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let cell = |cell: Option<String>| cell.unwrap_or_else(|| "-".into());
    let line = |row: Vec<Option<String>>| row.into_iter().map(cell).collect::<Vec<_>>().join("|");
    answer.cells().unwrap().into_iter().map(line).collect()
}

struct Control {
    id: String,
    population: String,
    test: String,
}

fn controls() -> Vec<Control> {
    let file: toml::Table = include_str!("tests/controls.toml").parse().unwrap();
    let field = |control: &toml::Value, name: &str| control[name].as_str().unwrap().to_owned();
    let control =
        |c: &toml::Value| Control { id: field(c, "id"), population: field(c, "population"), test: field(c, "test") };
    file["control"].as_array().unwrap().iter().map(control).collect()
}

fn control(id: &str) -> Control {
    controls().into_iter().find(|control| control.id == id).unwrap()
}

/// The items that a control's test returns, sorted; each must be in the population.
async fn violations(session: &Session, id: &str) -> Vec<String> {
    let control = control(id);
    let population = ask(session, &control.population).await;
    let found = ask(session, &format!("SELECT item FROM ({}) ORDER BY item", control.test)).await;
    assert!(found.iter().all(|item| population.contains(item)), "{id}: {found:?} not all in {population:?}");
    found
}

#[test]
fn every_audit_view_has_the_columns_that_controls_expect() {
    let expected: Vec<&str> = include_str!("tests/columns.txt").lines().collect();
    let in_catalogue = |table: &str| expected.iter().any(|line| line.split(' ').next() == Some(table));
    let mut found = Vec::new();
    for table in tables().iter().filter(|table| in_catalogue(table.name)) {
        let own = &table.columns[..table.columns.len() - 2];
        found.extend(own.iter().map(|column| format!("{} {} {}", table.name, column.name, column.kind.sql())));
    }
    let mut expected = expected;
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn every_table_has_provenance_and_what_it_says_of_itself() {
    for table in tables() {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        assert!(names.ends_with(&["seq", "leaf_hash"]), "{names:?}");
        assert!(!table.doc.is_empty());
        if table.filled == Filled::Yes {
            assert!(table.columns.iter().all(|column| !column.doc.is_empty()), "{}", table.name);
        }
    }
}

#[test]
fn every_table_answers_with_its_columns_over_an_empty_and_over_a_filled_ledger() {
    run(async {
        for world in [World::empty(), World::filled()] {
            let session = world.session().await;
            for table in tables() {
                let answer = session.sql(&format!("SELECT * FROM {}", table.name), None).await.unwrap();
                let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
                assert_eq!(answer.columns(), names, "{}", table.name);
                let described = ask(&session, &format!("DESCRIBE {}", table.name)).await;
                let kinds: Vec<String> = table.columns.iter().map(|c| c.kind.arrow().to_string()).collect();
                let found: Vec<&str> = described.iter().map(|line| line.split('|').nth(1).unwrap()).collect();
                assert_eq!(found, kinds, "{}", table.name);
            }
        }
    });
}

#[test]
fn controls_run_over_an_empty_and_over_a_filled_ledger() {
    run(async {
        for world in [World::empty(), World::filled()] {
            let session = world.session().await;
            for control in controls() {
                ask(&session, &control.population).await;
                let columns = session.sql(&control.test, Some(WINDOW)).await.unwrap().columns();
                assert_eq!(columns, ["item", "detail", "at"], "{}", control.id);
            }
        }
    });
}

#[test]
fn counters_records_and_segments_are_held_against_each_other() {
    run(async {
        let world = World::filled();
        assert_eq!(violations(&world.session().await, "AI-IN-01").await, Vec::<String>::new());
        // A second incarnation counted one request in the second hour that nobody sealed.
        let body = GatewayCounted { node: "n1".into(), incarnation: 2, hour: T0 + HOUR, requests: 1, logged: 1 };
        world.add(T0 + 3 * HOUR, Event::GatewayCounted(body));
        let session = world.session().await;
        assert_eq!(violations(&session, "AI-IN-01").await, ["n1/2026-11-22T11:00:00"]);
        let sums = ask(&session, "SELECT hour, requests, logged, seq FROM gateway_counters ORDER BY hour").await;
        assert_eq!(sums, ["2026-11-22T10:00:00|3|3|7", "2026-11-22T11:00:00|3|3|9"]);
        assert_eq!(violations(&session, "AI-LG-03").await, ["ledger/heartbeat"]);
    });
}

#[test]
fn an_hour_whose_count_was_lost_is_a_row_and_a_violation_whatever_was_found() {
    run(async {
        let world = World::filled();
        let (node, incarnation) = ("n1".to_owned(), 1);
        let lost = GatewayCountLost { node, incarnation, hour: T0 + HOUR, records: 2 };
        world.add(T0 + 2 * HOUR, Event::GatewayCountLost(lost));
        let session = world.session().await;
        assert_eq!(violations(&session, "AI-IN-01").await, ["n1/2026-11-22T11:00:00"]);
        let rows = ask(&session, "SELECT requests, lost, recovered FROM gateway_counters ORDER BY hour").await;
        assert_eq!(rows, ["3|0|0", "2|1|2"]);
        let own = "SELECT upstream_events FROM source_activity WHERE source_id = 'n1' ORDER BY window_start";
        assert_eq!(ask(&session, own).await, ["3", "-"]);
    });
}

#[test]
fn an_answer_after_its_deployment_ended_is_a_violation_and_a_refusal_is_not() {
    run(async {
        let world = World::filled();
        assert_eq!(violations(&world.session().await, "AI-IN-02").await, Vec::<String>::new());
        // Refused before any model was chosen: no inference, but a record.
        let refused = domain::serving::InferenceCore {
            model: None,
            version: None,
            deployment: None,
            status: "refused".into(),
            ..record(5, 70)
        };
        world.seal(1, 2, 5, &[refused]);
        let session = world.session().await;
        assert_eq!(violations(&session, "AI-IN-02").await, Vec::<String>::new());
        assert_eq!(ask(&session, "SELECT COUNT(*) FROM inference_records WHERE status = 'refused'").await, ["1"]);
        // The deployment ends while a call is under way; a later call still names it.
        let ended = DeploymentEnded { deployment: "d_1".into(), service: "credit".into() };
        let at = record(6, 80).ts_end / 1000 - 1;
        world.add(at, Event::DeploymentEnded(ended));
        world.seal(1, 3, 6, &[record(6, 80)]);
        assert_eq!(violations(&world.session().await, "AI-IN-02").await, Vec::<String>::new());
        world.seal(1, 4, 7, &[record(7, 90)]);
        assert_eq!(violations(&world.session().await, "AI-IN-02").await, ["credit/acme/large@as-served"]);
        world.add(T0 + 2 * HOUR, Event::DeploymentStarted(deployment("d_2")));
        let row = "SELECT deployment_id, ended_at IS NULL, seq FROM deployments ORDER BY ts";
        assert_eq!(ask(&world.session().await, row).await, ["d_1|false|10", "d_2|true|13"]);
    });
}

#[test]
fn what_is_unknown_is_null_and_no_pass() {
    run(async {
        let session = World::filled().session().await;
        assert_eq!(violations(&session, "AI-IN-03").await.len(), 5, "no guardrail result is known");
        assert_eq!(violations(&session, "AI-IN-04").await, ["credit"], "no fallback is known");
        assert_eq!(violations(&session, "AI-LG-02").await.len(), 2, "a disk locks nothing");
        let row = ask(&session, "SELECT input_hash, pii_in, guardrail_result, fallback_used, latency_ms, subject_ref, segment_id, seq FROM inferences WHERE inference_id = 'inf-0'").await;
        assert_eq!(row, [format!("-|-|-|false|250.0|{}|n1/1/0|5", "ab".repeat(16))]);
    });
}

#[test]
fn checkpoints_are_verified_not_believed() {
    run(async {
        let world = World::filled();
        world.beat(T0 + HOUR, None);
        let other = SignerKey::ed25519("example.org/log", &[8; 32]).unwrap();
        world.beat(T0 + HOUR + MINUTE, Some(&other));
        let columns =
            "SELECT tree_size, signature_ok, consistency_ok, witness_count, prev_ts FROM checkpoints ORDER BY seq";
        let expected = ["9|true|true|0|-", "10|false|true|0|2026-11-22T11:00:00"];
        assert_eq!(ask(&world.session().await, columns).await, expected);
        // The same notes in a ledger with other entries before them: the signature holds, the root does not.
        let forged = World::empty();
        let org = OrgCreated {
            name: "X".into(),
            origin: "example.org/log".into(),
            log_vkey: String::new(),
            retention_days: 1,
        };
        forged.add(T0, Event::OrgCreated(org));
        for _ in 1..9 {
            forged.add(T0, Event::DeploymentStarted(deployment("d_1")));
        }
        let mut beat = Vec::new();
        crate::Source::entries(&*world, 9..10, &mut |_, bytes| {
            beat = bytes.to_vec();
            Ok(())
        })
        .unwrap();
        forged.add_bytes(beat);
        assert_eq!(ask(&forged.session().await, columns).await, ["9|false|false|0|-"]);
    });
}

#[test]
fn a_segment_is_anchored_by_the_first_good_checkpoint_that_covers_it() {
    run(async {
        let world = World::filled();
        let anchored = "SELECT segment_id, anchored_at FROM segments ORDER BY segment_id";
        assert_eq!(ask(&world.session().await, anchored).await, ["n1/1/0|-", "n1/1/1|-"]);
        let other = SignerKey::ed25519("example.org/log", &[8; 32]).unwrap();
        world.beat(T0 + 2 * HOUR, Some(&other));
        world.beat(T0 + 2 * HOUR + MINUTE, None);
        world.beat(T0 + 3 * HOUR, None);
        let at = "2026-11-22T12:01:00";
        assert_eq!(ask(&world.session().await, anchored).await, [format!("n1/1/0|{at}"), format!("n1/1/1|{at}")]);
        let found = violations(&world.session().await, "AI-LG-01").await;
        assert!(found.contains(&"n1/1/0".into()), "anchored more than an hour after its newest record: {found:?}");
        assert!(!found.contains(&"n1/1/1".into()), "anchored within the hour: {found:?}");
    });
}

#[test]
fn the_schedule_follows_the_scope_and_runs_meet_it() {
    run(async {
        let world = World::filled();
        world.scope(T0, "AI-IN-01", "daily");
        let midnight = T0 + 14 * HOUR;
        world.ran(midnight + MINUTE, "AI-IN-01", midnight, "aa");
        world.ran(midnight + DAY + MINUTE, "AI-IN-01", midnight + DAY, "bb");
        world.scope(midnight + DAY + HOUR, "AI-LG-01", "hourly");
        world.beat(midnight + DAY + 3 * HOUR, None);
        let session = world.session().await;
        let due = ask(&session, "SELECT control_id, due_at FROM control_schedule ORDER BY control_id, due_at").await;
        let expected = [
            "AI-IN-01|2026-11-23T00:00:00",
            "AI-IN-01|2026-11-24T00:00:00",
            "AI-LG-01|2026-11-24T02:00:00",
            "AI-LG-01|2026-11-24T03:00:00",
        ];
        assert_eq!(due, expected);
        let params = Params { start: T0, end: T0 + 2 * DAY, now: T0 + 5 * DAY };
        let late = session.sql(&control("AI-CM-01").test, Some(params)).await.unwrap();
        assert_eq!(late.row_count(), 2, "only the two hourly ones had no run");
        let logic = session.sql(&control("AI-CM-03").test, Some(params)).await.unwrap().rows().unwrap();
        assert_eq!(logic.len(), 1, "one ran with logic that nobody approved");
        assert_eq!(logic[0]["detail"], "ran with unapproved logic or failed reproduction");
    });
}

#[test]
fn hours_without_a_heartbeat_are_hours_of_silence() {
    run(async {
        let world = World::filled();
        world.beat(T0 + 2 * HOUR, None);
        world.beat(T0 + 5 * HOUR + MINUTE, None);
        let sql = "SELECT window_start, events FROM source_activity WHERE event_type = 'heartbeat' ORDER BY 1";
        let expected =
            ["2026-11-22T12:00:00|1", "2026-11-22T13:00:00|0", "2026-11-22T14:00:00|0", "2026-11-22T15:00:00|1"];
        assert_eq!(ask(&world.session().await, sql).await, expected);
        assert_eq!(violations(&world.session().await, "AI-LG-03").await, ["ledger/heartbeat", "ledger/heartbeat"]);
    });
}

#[test]
fn the_same_size_gives_the_same_rows_whatever_came_later() {
    run(async {
        let world = World::filled();
        let database = world.database();
        let sql = "SELECT inference_id FROM inferences ORDER BY inference_id";
        let events = "SELECT COUNT(*), MAX(seq), MIN(leaf_hash) FROM events";
        let first = database.at(At::Size(6)).await.unwrap();
        let before = (first.root(), ask(&first, sql).await, ask(&first, events).await);
        assert_eq!(before.1, ["inf-0", "inf-1", "inf-2"], "the second segment is not sealed yet");
        world.seal(1, 2, 5, &[record(5, 70)]);
        assert_eq!(ask(&database.at(At::Latest { tail: false }).await.unwrap(), sql).await.len(), 6);
        for again in [database.at(At::Size(6)).await.unwrap(), world.database().at(At::Size(6)).await.unwrap()] {
            assert_eq!((again.root(), ask(&again, sql).await, ask(&again, events).await), before);
        }
        // Five entries are of T0, the first segment was sealed before half past ten, the second after eleven.
        assert_eq!(database.at(At::Time(T0)).await.unwrap().size(), 5);
        assert_eq!(database.at(At::Time(T0 + 30 * MINUTE)).await.unwrap().size(), 6);
        assert_eq!(database.at(At::Time(T0 - 1)).await.unwrap().size(), 0);
        let error = database.at(At::Size(100)).await.unwrap_err();
        assert!(matches!(error, QueryError::NotReached { asked: 100, size: 10 }), "{error}");
        assert_eq!(database.at(At::Time(T0 + 120 * MINUTE)).await.unwrap().size(), 10, "nothing came since");
        let error = database.at(At::Time(T0 + 120 * MINUTE + 1)).await.unwrap_err();
        assert!(matches!(error, QueryError::Future { size: 10, .. }), "{error}");
        assert!(error.to_string().contains("of 2026-11-22T1"), "{error}");
    });
}

#[test]
fn the_tail_is_there_only_when_asked_for_and_only_until_sealed() {
    run(async {
        let world = World::filled();
        // One record is durable and unsealed, one is still in the tail although its segment is sealed.
        world.tail.lock().unwrap().inferences = vec![record(4, 62), record(5, 63)];
        let database = world.database();
        let sql = "SELECT inference_id, segment_id, seq FROM inferences WHERE ts >= $start ORDER BY inference_id";
        assert_eq!(ask(&database.at(At::Latest { tail: false }).await.unwrap(), sql).await.len(), 5);
        let with_tail = ask(&database.at(At::Latest { tail: true }).await.unwrap(), sql).await;
        assert_eq!(with_tail.len(), 6);
        assert_eq!(with_tail[5], "inf-5|-|-");
        assert_eq!(ask(&database.at(At::Size(9)).await.unwrap(), sql).await.len(), 5);
    });
}

#[test]
fn only_questions_are_answered() {
    run(async {
        let session = World::filled().session().await;
        let refused = [
            "DELETE FROM services",
            "INSERT INTO services SELECT * FROM services",
            "UPDATE services SET owner_id = 'x'",
            "CREATE TABLE x AS SELECT 1",
            "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
            "CREATE VIEW x AS SELECT 1",
            "DROP TABLE services",
            "COPY services TO '/tmp/x.csv'",
            "SET datafusion.execution.batch_size = 1",
            "RESET datafusion.execution.batch_size",
            "SHOW ALL",
            "EXPLAIN ANALYZE INSERT INTO services SELECT * FROM services",
            "PREPARE p AS SELECT 1",
            "BEGIN",
        ];
        for sql in refused {
            let error = session.sql(sql, None).await.unwrap_err();
            assert!(matches!(error, QueryError::NotReadOnly(_)), "{sql}: {error}");
        }
        for sql in [
            "SELECT 1",
            "EXPLAIN SELECT 1",
            "DESCRIBE services",
            "SHOW TABLES",
            "SHOW COLUMNS FROM services",
            "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
        ] {
            assert!(session.sql(sql, None).await.unwrap().row_count() > 0, "{sql}");
        }
    });
}

#[test]
fn functions_without_bounds_do_not_exist() {
    run(async {
        let session = World::empty().session().await;
        for sql in ["select repeat('x', 2000000000)", "select lpad('x', 2000000000)", "select rpad('x', 2000000000)"] {
            assert!(matches!(session.sql(sql, None).await, Err(QueryError::Sql(_))), "{sql}");
        }
        assert!(session.sql("select arrow_cast(1, 'Int32'), cast(2 as varchar)", None).await.is_ok());
        for sql in [
            "select arrow_cast('x', 'FixedSizeBinary(2000000000)')",
            "select 1 where 1 in (select arrow_try_cast('x', 'FixedSizeBinary(2000000000)') is null)",
            "select cast(null as int[2000000000])",
            "explain select try_cast(null as int[2000000000])",
        ] {
            let refused = session.sql(sql, None).await;
            assert!(matches!(&refused, Err(QueryError::Sql(why)) if why.contains("fixed size")), "{sql}: {refused:?}");
        }
    });
}

#[test]
fn errors_are_ours_and_tell_nothing_of_the_machine() {
    run(async {
        let world = World::filled();
        let session = world.session().await;
        let message = |sql: &'static str| {
            let session = &session;
            async move { session.sql(sql, None).await.unwrap_err().to_string() }
        };
        let unknown = "there is no table `nonsense`: `SELECT DISTINCT name FROM tables` lists them";
        assert_eq!(message("SELECT * FROM nonsense").await, unknown);
        for sql in [
            "SELECT * FROM '/etc/passwd'",
            "SELECT * FROM \"/etc/hostname\"",
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM raw.sealed",
            "SELECT * FROM information_schema.df_settings",
        ] {
            assert!(message(sql).await.len() < 200, "{sql}");
        }
        let error = message("SELECT nothing FROM services").await;
        assert!(error.starts_with("no field named nothing"), "{error}");
        assert!(message("SELECT 1; SELECT 2").await.contains("more than one statement"));
        assert!(message("").await.contains("no statement"));
        assert!(message("SELECT * FROM services WHERE created_at < $now").await.contains("$now"));
        std::fs::remove_dir_all(crate::Source::records_dir(&*world).join("inferences")).unwrap();
        let error = message("SELECT MAX(ts) FROM inferences").await;
        assert!(error.starts_with("a file of sealed records is missing"), "{error}");
    });
}

#[test]
fn a_package_answers_from_the_files_of_its_window() {
    run(async {
        let world = World::filled();
        std::fs::remove_dir_all(crate::Source::records_dir(&*world)).unwrap();
        *world.absent.lock().unwrap() = Some("core.parquet");
        std::fs::create_dir_all(crate::Source::records_dir(&*world)).unwrap();
        let session = world.session().await;
        assert_eq!(ask(&session, "SELECT COUNT(*) FROM inferences").await, ["0"]);
        assert_eq!(ask(&session, "SELECT SUM(row_count) FROM segments").await, ["5"], "the ledger still tells of them");
    });
}

#[test]
fn an_answer_is_whole_or_none() {
    run(async {
        let world = World::filled();
        let limits = Limits { max_rows: 4, timeout: Duration::from_secs(5), ..Limits::default() };
        let session = world.session().await.with_limits(limits);
        let error = session.sql("SELECT * FROM inferences", None).await.unwrap_err();
        assert!(matches!(error, QueryError::TooManyRows(4)), "{error}");
        let mut rows = 0;
        let columns = session
            .each("SELECT inference_id FROM inferences", None, &mut |part| {
                rows += part.row_count();
                Ok(())
            })
            .await;
        assert_eq!((rows, columns.unwrap().columns()), (5, vec!["inference_id".to_owned()]));
        let short = session.with_limits(Limits { timeout: Duration::from_millis(50), ..Limits::default() });
        let endless =
            "SELECT COUNT(*) FROM tables a, tables b, tables c, tables d WHERE a.name || b.name || c.name <> d.name";
        let error = short.sql(endless, None).await.unwrap_err();
        assert!(matches!(error, QueryError::Timeout(_) | QueryError::Memory(_)), "{error}");
    });
}

#[test]
fn an_entry_that_is_not_understood_stops_the_fold_and_says_so() {
    run(async {
        let world = World::filled();
        let database = world.database();
        world.add_bytes(
            br#"{"v":1,"id":"x","ts":1,"actor":"a","stream":"s","sv":1,"t":"from.the.future","body":{}}"#.to_vec(),
        );
        let error = database.at(At::Latest { tail: false }).await.unwrap_err();
        assert!(matches!(error, QueryError::Entry { seq: 9, .. }), "{error}");
        assert_eq!(database.at(At::Size(9)).await.unwrap().size(), 9, "what came before can still be asked");
    });
}

#[test]
fn answers_leave_in_four_forms() {
    run(async {
        let session = World::filled().session().await;
        let sql = "SELECT service_id, approved_at, significant_effect, seq FROM services";
        let answer = session.sql(sql, None).await.unwrap();
        let table = "service_id  approved_at  significant_effect  seq\n----------  -----------  ------------------  ---\ncredit                   true                3\n";
        assert_eq!(answer.to_table().unwrap(), table);
        let csv = String::from_utf8(answer.to_csv().unwrap()).unwrap();
        assert_eq!(csv, "service_id,approved_at,significant_effect,seq\ncredit,,true,3\n");
        let json = String::from_utf8(answer.to_json().unwrap()).unwrap();
        assert_eq!(json, r#"[{"service_id":"credit","approved_at":null,"significant_effect":true,"seq":3}]"#);
        assert!(answer.to_parquet().unwrap().starts_with(b"PAR1"));
        let none = session.sql("SELECT * FROM runs", None).await.unwrap();
        assert_eq!(none.to_json().unwrap(), b"[]");
        assert!(none.to_csv().unwrap().starts_with(b"run_id,"));
        assert!(none.to_table().unwrap().starts_with("run_id  "));
    });
}

#[test]
fn conditions_on_time_reach_the_files() {
    run(async {
        let session = World::filled().session().await;
        let plan =
            ask(&session, "EXPLAIN SELECT COUNT(*) FROM inferences WHERE ts >= $start AND ts < $end").await.join("\n");
        let predicate = plan.lines().find(|line| line.contains("pruning_predicate")).unwrap_or_default().to_owned();
        assert!(predicate.contains("ts_start_max@"), "{plan}");
        assert!(plan.contains("inferences/segment_day=2026-11-22/n1-1-0-00.core.parquet"), "{plan}");
    });
}

#[test]
fn the_tables_that_a_query_needs_are_known_without_running_it() {
    let needed = needed_tables(&control("AI-IN-02").test);
    assert_eq!(needed, ["deployments", "inferences"]);
    assert_eq!(needed_tables("WITH x AS (SELECT * FROM runs) SELECT * FROM x, services"), ["runs", "services"]);
    assert_eq!(needed_tables("not sql"), Vec::<String>::new());
}

#[test]
fn the_ledger_itself_can_be_asked() {
    run(async {
        let session = World::filled().session().await;
        let sql = "SELECT seq, type, stream, body FROM events WHERE type = 'node.joined'";
        assert_eq!(
            ask(&session, sql).await,
            [r#"1|node.joined|node/n1|{"incarnation":1,"node":"n1","program":"0.1.0"}"#]
        );
        let listed = "SELECT COUNT(DISTINCT name) FROM tables";
        assert_eq!(ask(&session, listed).await, [tables().len().to_string()]);
        let planned = "SELECT DISTINCT area FROM tables WHERE NOT filled AND name = 'exceptions'";
        assert_eq!(ask(&session, planned).await, ["exceptions"]);
    });
}
