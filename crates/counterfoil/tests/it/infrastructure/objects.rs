//! Objects in a directory and in an ordinary bucket: what both drivers promise, that an erasure reaches every version, and
//! which buckets are refused.

use std::io::{Read, Write};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::SecretSource;
use store::objects::bucket::{InBucket, OrdinaryBucket, Unfit};
use store::objects::{Directory, Objects};

use crate::support::bucket::Buckets;
use crate::support::custodians::secret;
use crate::support::http::get;
use crate::support::{World, data, people};

/// What every driver promises.
fn keeps_its_word(place: &dyn Objects) {
    let (small, large) = ("0f".repeat(16), "ab".repeat(32));
    assert!(place.begin("../../etc/passwd").is_err() && place.open("x").is_err() && place.remove("..").is_err());
    assert!(place.open(&small).expect("asked").is_none());
    // More than two parts of an upload, and a last one that is short.
    for (name, len) in [(&small, 70_001), (&large, (33 << 20) + 7)] {
        let bytes: Vec<u8> = (0..len).map(|at: usize| (at % 251) as u8).collect();
        let mut incoming = place.begin(name).expect("begun");
        bytes.chunks(70_001).for_each(|piece| incoming.write_all(piece).expect("written"));
        assert!(place.open(name).expect("asked").is_none(), "nothing can be seen before");
        let stored = incoming.keep(name).expect("kept");
        assert_eq!((stored.bytes, stored.sha256), (len as u64, Sha256::digest(&bytes).into()));
        let mut object = place.open(name).expect("asked").expect("there");
        assert_eq!(object.size().expect("known"), len as u64);
        for offset in [len as u64 - 3, 5, 0] {
            let mut piece = [0; 3];
            assert_eq!(object.read_at(&mut piece, offset).expect("read"), 3);
            assert_eq!(piece, bytes[offset as usize..][..3]);
        }
        assert_eq!(object.read_at(&mut [0; 3], len as u64).expect("read"), 0);
        let mut read = Vec::new();
        object.read_to_end(&mut read).expect("read");
        assert!(read == bytes, "{name} is as it was written");
    }
    assert_eq!(place.list().expect("listed"), [small.clone(), large.clone()]);
    let mut given_up = place.begin(&"cd".repeat(16)).expect("begun");
    given_up.write_all(&vec![7; 17 << 20]).expect("written");
    drop(given_up);
    for name in [&small, &large, &small] {
        place.remove(name).expect("removed, or gone already");
        assert!(place.open(name).expect("asked").is_none());
    }
    assert!(place.list().expect("listed").is_empty());
}

#[test]
fn given_objects_in_a_directory_and_in_buckets_when_kept_read_and_removed_then_both_drivers_do_the_same() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    keeps_its_word(&Directory(dir.path().join("objects")));
    let Some(mut buckets) = Buckets::new("objects in a bucket") else { return };
    buckets.start(false);
    let key = SecretSource::File(secret(&dir.path().join("secret"), Buckets::SECRET).into());
    for (prefix, versions) in [("never/", ""), ("kept/", "Enabled"), ("once/", "Suspended")] {
        if !versions.is_empty() {
            buckets.tell(&format!(
                "s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={{'Status': '{versions}'}})"
            ));
        }
        let bucket = OrdinaryBucket::new(&buckets.options(prefix, key.clone())).expect("a client");
        bucket.try_out("ledger/a", "1").expect("passes its test");
        bucket.try_out("ledger/a", "2").expect("passes it again");
        let other = bucket.try_out("ledger/b", "3").expect_err("refused");
        assert!(matches!(&other, Unfit::Wrong(why) if why.contains("another ledger")), "{other}");
        keeps_its_word(&InBucket::new(&bucket, "objects/"));
        let left = buckets.tell(&format!(
            "found = s3.list_object_versions(Bucket=bucket, Prefix='{prefix}')\n\
             print([v['Key'] for k in ('Versions', 'DeleteMarkers') for v in found.get(k, [])])\n\
             print(s3.list_multipart_uploads(Bucket=bucket).get('Uploads', []))"
        ));
        assert_eq!(left, format!("['{prefix}counterfoil-objects']\n[]"), "nothing is left in any version");
    }
    // An upload that a process left behind goes with the next test.
    buckets.tell("s3.create_multipart_upload(Bucket=bucket, Key='never/objects/ab/left')");
    let bucket = OrdinaryBucket::new(&buckets.options("never/", key)).expect("a client");
    bucket.try_out("ledger/a", "4").expect("passes its test");
    assert_eq!(buckets.tell("print(s3.list_multipart_uploads(Bucket=bucket).get('Uploads', []))"), "[]");
}

/// A steward's key, with a data set declared.
fn steward(world: &World) -> String {
    let staff = people::Staff::new(world);
    data::steward_of_loans(world, &staff, "personal").1
}

fn put<'a>(steward: &'a str, file: &'a str, version: &'a str) -> [&'a str; 11] {
    let about = ["--subject-column", "email", "--subject-scope=email"];
    let [column, named, scope] = about;
    ["--token", steward, "data", "put", "loans", file, "--version", version, column, named, scope]
}

/// What there is in the bucket below the objects, in any version: names and sizes.
fn kept(buckets: &Buckets) -> Vec<Value> {
    let told = buckets.tell(
        "import json\nfound = s3.list_object_versions(Bucket=bucket, Prefix='bank/objects/')\n\
         print(json.dumps([[v['Key'], v.get('Size')] for k in ('Versions', 'DeleteMarkers') for v in found.get(k, [])]))",
    );
    serde_json::from_str(&told).expect("JSON")
}

#[test]
fn given_a_bucket_that_keeps_versions_when_a_data_set_is_kept_there_and_destroyed_then_no_version_of_it_is_left() {
    let Some(mut buckets) = Buckets::new("bucket of objects") else { return };
    let mut world = World::empty(&[]);
    buckets.name_in(&mut world, "OBJECTS");
    buckets.start(false);
    buckets.tell("s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={'Status': 'Enabled'})");
    world.begin();
    let checked = world.json(&["objects", "check"]);
    assert_eq!((&checked["versioning"], &checked["trouble"]), (&json!("enabled"), &Value::Null), "{checked}");
    let told = world.sql("select body from events where type = 'objects.probed' order by seq");
    assert!(told.len() == 1 && told[0]["body"].as_str().expect("text").contains("\"erasable\""), "{told:?}");
    let trouble = |world: &World, is: u8| {
        let metrics = get(&format!("{}/metrics", world.url)).text();
        assert!(metrics.contains(&format!("counterfoil_objects_trouble {is}")), "{metrics}");
    };
    trouble(&world, 0);

    let steward = steward(&world);
    let rows: String = (0..20_000).map(|n| format!("{n},canary-{n}@example.com,{n:>900}\n")).collect();
    let file = world.file("loans.csv", &format!("id,email,note\n{rows}"));
    // More than one part: it lies there encrypted and whole, and nowhere on the disk.
    let stored = world.json(&put(&steward, &file, "1"));
    let object = stored["stored"]["object"].as_str().expect("a name").to_owned();
    let name = format!("bank/objects/{}/{object}", &object[..2]);
    assert_eq!(kept(&buckets).iter().filter(|kept| kept[0] == json!(name)).count(), 1, "{:?}", kept(&buckets));
    assert!(store::objects::list(&world.data.join("objects")).expect("listed").is_empty());
    assert!(std::fs::read_dir(world.data.join("begun")).expect("a directory").next().is_none(), "no note is left");
    let seen = buckets.tell(&format!(
        "import hashlib; body = s3.get_object(Bucket=bucket, Key='{name}')['Body'].read()\n\
         print(hashlib.sha256(body).hexdigest(), b'canary-7' in body)"
    ));
    assert_eq!(seen, format!("{} False", stored["stored"]["sha256"].as_str().expect("a digest")));
    let read = world.path("read.csv").display().to_string();
    let get_back = ["--token", &steward, "--purpose", "development", "data", "get", "loans", "1", "-o", &read];
    world.stop();
    world.start();
    world.json(&get_back);
    assert!(std::fs::read(&read).expect("read") == std::fs::read(&file).expect("written"));

    // A bucket that is named no more, while objects lie in it, is missed.
    world.stop();
    Buckets::leave(&mut world, "OBJECTS");
    let refused = world.try_start().expect_err("objects are missing");
    assert!(refused.code == 5 && refused.err.contains("are not in the data directory"), "{refused:?}");
    buckets.name_in(&mut world, "OBJECTS");
    world.start();

    buckets.tell(&format!("s3.put_object(Bucket=bucket, Key='{name}', Body=b'another version')"));
    world.json(&["--token", &steward, "data", "destroy", "loans", "1", "--reference", "CHG-7"]);
    assert!(kept(&buckets).iter().all(|kept| kept[0] != json!(name)), "{:?}", kept(&buckets));

    // While the bucket's server is away nothing is stored, and all else goes on.
    world.stop();
    drop(buckets);
    world.start();
    let refused = world.cli(&[&["--json"], &put(&steward, &file, "2")[..]].concat());
    assert_eq!(refused.error().1, "unavailable", "{refused:?}");
    trouble(&world, 1);
    assert!(world.log().contains("ALERT: the bucket of objects did not pass its test"));
    assert_eq!(world.chat("chat").status, 200);
    world.stop();
}

#[test]
fn given_a_bucket_with_object_lock_when_objects_are_to_be_kept_there_then_the_server_does_not_start() {
    let Some(mut buckets) = Buckets::new("bucket of objects with lock") else { return };
    buckets.start(true);
    let mut world = World::empty(&[]);
    buckets.name_in(&mut world, "OBJECTS");
    let refused = world.try_start().expect_err("it could not be erased from");
    assert!(refused.code == 5 && refused.err.contains("it has object lock"), "{refused:?}");
}
