//! Copies in a write-once bucket: what comes there, that its locks hold, and what is said when they do not.

use serde_json::Value;

use crate::support::bucket::Buckets;
use crate::support::http::get;
use crate::support::{World, eventually};

fn probes(world: &World) -> Vec<String> {
    let rows = world.sql("select body from events where type = 'archive.probed' order by seq");
    let outcome = |row: &Value| {
        let body: Value = serde_json::from_str(row["body"].as_str().expect("text")).expect("JSON");
        format!("{} {}", body["outcome"].as_str().expect("a word"), body["object"].as_str().expect("a name"))
    };
    rows.iter().map(outcome).collect()
}

fn locked(world: &World) -> Vec<Value> {
    world.sql(
        "select object_id, locked_until >= required_until as enough, delete_attempts, version_id from ledger_objects \
         where bucket is not null order by object_id",
    )
}

/// Starts it with a call that was recorded and sealed.
fn begin(world: &mut World) {
    world.begin();
    assert_eq!(world.chat("chat").status, 200);
    world.json(&["records", "seal"]);
}

fn run(world: &World) -> Value {
    world.json(&["ledger", "archive", "run"])
}

/// What the control finds now.
fn found(world: &World) -> (String, u64) {
    let ran = world.json(&["controls", "run", "AI-LG-02"]);
    let run = &ran["runs"][0];
    (run["outcome"].as_str().expect("a word").to_owned(), run["violating"].as_array().expect("rows").len() as u64)
}

#[test]
fn given_a_bucket_with_object_lock_when_segments_are_sealed_then_copies_are_locked_for_the_term_and_cannot_be_deleted()
{
    let Some(mut buckets) = Buckets::new("write-once bucket") else { return };
    let mut world = World::empty(&[]);
    buckets.name_in(&mut world, "WRITE_ONCE");
    // The bucket's server is away at first: everything goes on without it.
    begin(&mut world);
    eventually("the alert is in the log", || world.log().contains("ALERT: nothing can be copied").then_some(()));
    let metrics = || get(&format!("{}/metrics", world.url)).text();
    assert!(metrics().contains("counterfoil_archive_trouble 1"), "{}", metrics());
    let status = world.json(&["ledger", "archive", "status"]);
    assert!(status["trouble"].is_string() && status["lag"].as_i64() > Some(0), "{status}");
    let (outcome, missing) = found(&world);
    assert!(outcome == "fail" && missing > 0, "nothing is locked: {outcome} {missing}");

    // When it is there, the copies catch up.
    buckets.start(true);
    let status = run(&world);
    assert_eq!((&status["trouble"], &status["stopped"]), (&Value::Null, &Value::Null), "{status}");
    assert!(probes(&world)[0].starts_with("held probes/"), "{:?}", probes(&world));
    let rows = locked(&world);
    assert!(
        !rows.is_empty() && rows.iter().all(|row| row["enough"] == true && row["delete_attempts"] == 0),
        "{rows:?}"
    );
    assert!(metrics().contains("counterfoil_archive_trouble 0"), "{}", metrics());
    // Accesses that were recorded meanwhile are sealed and copied, and then nothing is missing.
    world.json(&["records", "seal"]);
    run(&world);
    assert_eq!(found(&world), ("pass".into(), 0));

    // What lies there is what the ledger says, and Amazon's own client cannot delete it.
    let core = rows.iter().find(|row| row["object_id"].as_str().is_some_and(|id| id.starts_with("inferences/")));
    let core = core.expect("a core file");
    let (id, version) = (core["object_id"].as_str().expect("text"), core["version_id"].as_str().expect("text"));
    let there = buckets.tell(&format!(
        "import hashlib; print(hashlib.sha256(s3.get_object(Bucket=bucket, Key='bank/records/{id}')['Body'].read()).hexdigest())"
    ));
    let here = std::fs::read(world.data.join("records").join(id)).expect("the file");
    assert_eq!(there, merkle::hex(&<[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest(&here))));
    let refused = buckets.tell(&format!(
        "try:\n s3.delete_object(Bucket=bucket, Key='bank/records/{id}', VersionId='{version}')\n\
         except s3.exceptions.ClientError as e: print(e.response['Error']['Code'])"
    ));
    assert_eq!(refused, "AccessDenied");

    // Whoever hides the copy behind another version is told of, by the name of the object.
    buckets.tell(&format!("s3.put_object(Bucket=bucket, Key='bank/records/{id}', Body=b'altered')"));
    run(&world);
    let hidden = format!("hidden records/{id}");
    assert!(probes(&world).contains(&hidden), "{:?}", probes(&world));
    assert_eq!(found(&world).0, "fail");
    world.stop();
}

#[test]
fn given_a_bucket_without_object_lock_when_copies_are_due_then_nothing_is_stored_and_the_control_fails() {
    let Some(mut buckets) = Buckets::new("bucket without lock") else { return };
    buckets.start(false);
    let mut world = World::empty(&[]);
    buckets.name_in(&mut world, "WRITE_ONCE");
    begin(&mut world);
    let ran = world.cli(&["--json", "ledger", "archive", "run"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert_eq!(world.chat("chat").status, 200, "all else goes on");
    assert_eq!(found(&world).0, "fail");
    world.stop();
}

#[test]
fn given_other_bytes_under_the_name_of_a_copy_when_it_is_due_then_copying_stops_and_names_it() {
    let Some(mut buckets) = Buckets::new("other bytes in the bucket") else { return };
    let mut world = World::empty(&[]);
    buckets.name_in(&mut world, "WRITE_ONCE");
    begin(&mut world);
    let rows = world.sql("select object_id from ledger_objects where object_id like 'inferences/%'");
    let name = format!("records/{}", rows[0]["object_id"].as_str().expect("text"));
    world.stop();
    buckets.start(true);
    buckets.tell(&format!("s3.put_object(Bucket=bucket, Key='bank/{name}', Body=b'altered')"));
    world.start();
    let ran = world.cli(&["--json", "ledger", "archive", "run"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    let status = world.json(&["ledger", "archive", "status"]);
    assert!(status["stopped"].as_str().is_some_and(|why| why.contains(&name)), "{status}");
    assert!(probes(&world).contains(&format!("differs {name}")), "{:?}", probes(&world));
    assert!(world.log().contains("ALERT: copying to the write-once bucket has stopped"));
    assert_eq!(world.chat("chat").status, 200, "all else goes on");
    world.stop();
}
