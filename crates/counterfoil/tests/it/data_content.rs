//! What comes into data sets, by every way in: read before anybody sees it, known again, refused by line or row group, and
//! compared.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

use ::http::Method;
use serde_json::{Value, json};

use crate::support::bucket::Buckets;
use crate::support::{Run, World, data, eventually, http, people, tools};

/// A world with a data set `loans` of a class, and the key of a data steward.
fn with_loans(class: &str) -> (World, String) {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (_, steward) = data::steward_of_loans(&world, &staff, class);
    (world, steward)
}

#[track_caller]
fn done(world: &World, key: &str, arguments: &[&str]) -> Value {
    world.json(&[&["--token", key], arguments].concat())
}

fn tried(world: &World, key: &str, arguments: &[&str]) -> Run {
    world.cli(&[&["--json", "--token", key], arguments].concat())
}

fn put<'a>(file: &'a str, version: &'a str) -> [&'a str; 7] {
    ["data", "put", "loans", file, "--version", version, "--no-subjects"]
}

fn rows(from: u32, to: u32, kind: &str) -> String {
    let lines = (from..to).map(|n| format!("{n},{}.5,{}\n", n * 2, if n % 3 == 0 { kind } else { "home" }));
    std::iter::once("id,amount,kind\n".to_owned()).chain(lines).collect()
}

/// How many versions lie there, by the names of their objects; each lies in a directory by the first two letters of it.
fn objects(world: &World) -> usize {
    let below = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().collect::<Vec<_>>();
    let dirs = below(&world.data.join("objects"));
    dirs.iter().flat_map(|dir| below(&dir.path())).filter(|entry| entry.file_name().len() == 32).count()
}

#[test]
fn given_versions_when_they_come_in_then_they_are_described_known_again_and_compared() {
    let (world, steward) = with_loans("internal");
    let first = world.file("loans.csv", &rows(0, 3000, "car"));
    let stored = done(&world, &steward, &put(&first, "1"));
    assert_eq!((&stored["known"], &stored["content"]["rows"]), (&json!(false), &json!(3000)));
    let kinds: Vec<&Value> =
        stored["content"]["columns"].as_array().expect("columns").iter().map(|c| &c["type"]).collect();
    assert_eq!(kinds, ["integer", "number", "text"]);
    let again = done(&world, &steward, &put(&first, "2"));
    assert_eq!((&again["known"], &again["version"]), (&json!(true), &json!("1")));
    assert_eq!(objects(&world), 1, "nothing was stored anew");
    let second = world.file("more.csv", &rows(1000, 3500, "boat"));
    done(&world, &steward, &put(&second, "2"));

    let sql =
        "select version, form, row_count, column_count, content_digest is not null as known from datasets order by 1";
    let row = |version: &str, rows: u64| json!({"version": version, "form": "csv", "row_count": rows, "column_count": 3, "known": true});
    assert_eq!(world.sql(sql), [row("1", 3000), row("2", 2500)]);

    for version in ["loans@1", "loans@2"] {
        done(&world, &steward, &["data", "scan", version]);
    }
    let compare = ["--purpose", "development", "data", "diff", "loans@1", "loans@2", "--key", "id"];
    let told = done(&world, &steward, &compare);
    assert_eq!(told["rows"], json!([3000, 2500]));
    let by_key = &told["by_key"];
    assert_eq!((&by_key["added"], &by_key["removed"]), (&json!(500), &json!(1000)));
    assert_eq!(told["columns"][2]["measure"], "total_variation");
    assert!(told["columns"][2]["moved"].to_string().contains("boat"), "{told}");
    let text = world.cli(&[&["--token", steward.as_str()], &compare[..]].concat()).out;
    assert!(text.contains("rows: 3000 -> 2500") && text.contains("by key: 500 added, 1000 removed"), "{text}");
    assert_eq!(tried(&world, &steward, &compare[2..]).error(), (65, "invalid".into()), "no purpose");
    let wrong = ["--purpose", "audit", "data", "diff", "loans@1", "loans@2"];
    assert_eq!(tried(&world, &steward, &wrong).error(), (65, "forbidden".into()));
    assert_eq!(tried(&world, &steward, &["data", "diff", "loans@1", "calls@2"]).code, 64);

    let cookie = people::session(&world, &steward);
    let page = |path: &str| http::send(Method::GET, &format!("{}{path}", world.url), &[("cookie", &cookie)], "").text();
    let shown = page("/data/loans");
    assert!(shown.contains("enctype=\"multipart/form-data\"") && shown.contains("Compare two versions"), "{shown}");
    let compared = page("/data/loans/diff?from=1&to=2&key=id&purpose=development");
    assert!(compared.contains("3000 rows, then 2500") && compared.contains("boat"), "{compared}");
}

#[test]
fn given_data_that_are_not_public_when_compared_then_no_value_of_them_leaves() {
    let (world, steward) = with_loans("personal");
    for (version, kind) in [("1", "canary-car"), ("2", "canary-boat")] {
        let file = world.file(&format!("{version}.csv"), &rows(0, 300, kind));
        done(&world, &steward, &put(&file, version));
    }
    let told = done(&world, &steward, &["--purpose", "development", "data", "diff", "loans@1", "loans@2"]);
    assert!(!told.to_string().contains("canary") && told["shows_values"] == false, "{told}");
    assert!(told["columns"][2]["distance"].as_f64().is_some_and(|by| by > 0.3), "{told}");
    let again = done(&world, &steward, &["data", "show", "loans"]);
    assert!(!again.to_string().contains("canary"), "{again}");
}

#[test]
fn given_a_form_with_a_file_when_it_is_sent_then_the_version_is_stored_or_refused_by_line() {
    let (world, steward) = with_loans("internal");
    let cookie = people::session(&world, &steward);
    let send = |version: &str, file: &str, origin: &str| {
        let field = |name: &str, value: &str| {
            format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = [
            field("version", version),
            field("form", ""),
            field("subjects", "none"),
            field("column", ""),
            field("scope", ""),
            "--b0undary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"loans.csv\"\r\n\
             Content-Type: text/csv\r\n\r\n"
                .to_owned(),
            format!("{file}\r\n--b0undary--\r\n"),
        ];
        let kind = ("content-type", "multipart/form-data; boundary=b0undary");
        let headers = [("origin", origin), ("cookie", cookie.as_str()), kind];
        http::send(Method::POST, &format!("{}/data/loans/versions", world.url), &headers, body.concat())
    };
    let whole = rows(0, 20_000, "car");
    let stored = send("1", &whole, &world.url);
    assert_eq!((stored.status, stored.header("location")), (303, Some("/data/loans")), "{}", stored.text());
    let read = world.path("read.csv").display().to_string();
    done(&world, &steward, &["--purpose", "development", "data", "get", "loans", "1", "-o", &read]);
    assert_eq!(std::fs::read_to_string(&read).expect("read"), whole, "the file, and nothing of the form");
    let refused = send("2", "id,name\n1,a\n2\n", &world.url);
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("line 3: 1 fields, where the header has 2"), "{}", refused.text());
    assert_eq!(send("3", &whole, "http://evil.example").status, 403);
    let versions = done(&world, &steward, &["data", "show", "loans"])["versions"].as_array().map(Vec::len);
    assert_eq!((versions, objects(&world)), (Some(1), 1));
}

#[test]
fn given_files_that_are_not_as_they_say_when_put_then_they_are_refused_by_line_and_nothing_is_there() {
    let (world, steward) = with_loans("internal");
    for (name, bytes, why) in [
        ("ragged.csv", b"id,name\n1,a\n2\n".to_vec(), "line 3: 1 fields"),
        ("latin.csv", b"id,name\n1,\xe9\n".to_vec(), "line 2, byte 10: no UTF-8"),
        ("nul.csv", b"id,name\n1,\0\n".to_vec(), "line 2, byte 10: a NUL"),
        ("twice.csv", b"id,id\n1,2\n".to_vec(), "column 2 has the same name"),
        ("packed.csv", b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "compressed with gzip"),
        (
            "wide.csv",
            (0..1_000_000).map(|n| format!("c{n},")).collect::<String>().into_bytes(),
            "more than 10000 columns",
        ),
        ("far.csv", b"at\n2026-11-22\n12026-11-22\n".to_vec(), "line 3: column `at` has times"),
        ("kinds.jsonl", b"{\"a\":1}\n{\"a\":\"x\"}\n".to_vec(), "line 2: member `a` was integer"),
        ("lies.parquet", b"PAR1\0\0\0\0\xff\xff\xff\x7fPAR1".to_vec(), "footer: it claims"),
        ("lies.arrow", b"ARROW1\0\0\xff\xff\xff\x7fARROW1".to_vec(), "footer"),
    ] {
        let path = world.path(name);
        std::fs::write(&path, bytes).expect("written");
        let run = tried(&world, &steward, &put(&path.display().to_string(), "1"));
        assert_eq!(run.error(), (65, "invalid".into()), "{name}");
        assert!(run.err.contains(why) && run.err.contains("nothing was stored"), "{name}: {}", run.err);
    }
    assert_eq!(objects(&world), 0);
    assert_eq!(done(&world, &steward, &["data", "show", "loans"])["versions"], json!([]));
    let opaque = world.file("notes.txt", "ring\n");
    assert_eq!(done(&world, &steward, &put(&opaque, "1"))["content"], Value::Null, "bytes that nobody reads are kept");
}

#[test]
fn given_a_directory_or_an_address_when_put_then_what_is_there_comes_in_whole() {
    let (world, steward) = with_loans("internal");
    let dir = world.path("parts");
    std::fs::create_dir(&dir).expect("made");
    for (name, text) in
        [("part-2.csv", rows(5, 10, "car")), ("part-1.csv", rows(0, 5, "car")), ("_SUCCESS", String::new())]
    {
        std::fs::write(dir.join(name), text).expect("written");
    }
    let stored = done(&world, &steward, &put(&dir.display().to_string(), "1"));
    assert_eq!((&stored["content"]["rows"], &stored["content"]["width"]), (&json!(10), &json!(3)));
    std::fs::write(dir.join("part-3.csv"), "id,other\n1,2\n").expect("written");
    let broken = tried(&world, &steward, &put(&dir.display().to_string(), "2"));
    assert!(broken.code != 0 && broken.err.contains("its header is another"), "{}", broken.err);
    assert!(broken.code != 69 && !broken.err.contains("cannot be reached"), "{}", broken.err);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/exports/loans.csv?day=1", listener.local_addr().expect("an address"));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("asked");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a request");
            head.push(byte[0]);
        }
        let body = rows(0, 7, "car");
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).expect("answered");
        String::from_utf8_lossy(&head).to_lowercase()
    });
    let stored = done(&world, &steward, &put(&address, "3"));
    assert_eq!(stored["content"]["rows"], 7);
    let asked = server.join().expect("it answered");
    assert!(!asked.contains("authorization") && !asked.contains("purpose"), "{asked}");
    assert_eq!(done(&world, &steward, &["data", "show", "loans"])["versions"].as_array().map(Vec::len), Some(2));
}

#[test]
fn given_an_object_in_a_bucket_when_put_then_it_comes_in_by_parts() {
    let Some(mut buckets) = Buckets::new("an_object_in_a_bucket") else { return };
    buckets.start(false);
    let (mut world, steward) = with_loans("internal");
    // More than one part is asked for.
    let file = world.file("big.csv", &rows(0, 600_000, "car"));
    buckets.tell(&format!("s3.upload_file('{file}', bucket, 'exports/big 1.csv')"));
    buckets.as_client_in(&mut world);
    let name = format!("s3://{}/exports/big 1.csv", Buckets::BUCKET);
    let stored = done(&world, &steward, &put(&name, "1"));
    assert_eq!(stored["content"]["rows"], 600_000);
    assert_eq!(stored["stored"]["bytes"], json!(std::fs::metadata(&file).expect("there").len()));
    let missing = format!("s3://{}/none.csv", Buckets::BUCKET);
    assert!(tried(&world, &steward, &put(&missing, "2")).err.contains("has no object"));
}

#[test]
fn given_parquet_of_another_writer_when_put_then_it_is_read_described_and_comes_back_as_it_was() {
    let Some(python) = tools::python("parquet_of_another_writer", "duckdb") else { return };
    let (world, steward) = with_loans("internal");
    let file = world.path("loans.parquet").display().to_string();
    let write = format!(
        "import duckdb\nduckdb.sql(\"\"\"copy (select i as id, 'name ' || (i % 7) as name, i * 1.5 as amount, \
         date '2026-01-01' + (i % 300)::int as day, i % 2 = 0 as ok from range(250000) t(i)) to '{file}' \
         (format parquet, compression zstd)\"\"\")"
    );
    tools::run(Command::new(&python).args(["-c", &write]));
    let stored = done(&world, &steward, &put(&file, "1"));
    let kinds: Vec<&str> =
        stored["content"]["columns"].as_array().expect("columns").iter().filter_map(|c| c["type"].as_str()).collect();
    assert_eq!(
        (stored["content"]["rows"].as_u64(), kinds),
        (Some(250_000), vec!["integer", "text", "decimal", "date", "boolean"])
    );
    assert!(stored["content"]["groups"].as_array().is_some_and(|groups| groups.len() > 1), "by row group");
    let read = world.path("read.parquet").display().to_string();
    done(&world, &steward, &["--purpose", "development", "data", "get", "loans", "1", "-o", &read]);
    let count = format!("import duckdb\nprint(duckdb.sql(\"select count(*), sum(id) from '{read}'\").fetchall())");
    assert_eq!(tools::run(Command::new(&python).args(["-c", &count])).trim(), "[(250000, 31249875000)]");
    let about =
        ["data", "put", "loans", &file, "--version", "2", "--subject-column", "name", "--subject-scope", "name"];
    assert_eq!(tried(&world, &steward, &about).code, 65, "the same bytes are not stored again as about others");
}

#[test]
fn given_a_version_that_is_being_read_when_the_server_is_killed_then_it_is_there_whole_or_not_at_all() {
    let (mut world, steward) = with_loans("internal");
    let file = world.file("big.csv", &rows(0, 1_500_000, "car"));
    let mut putting = world.command();
    putting.args(["--json", "--token", &steward]).args(put(&file, "1"));
    let mut putting =
        putting.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().expect("starts");
    // All bytes are there once the object has its name: from then on it is read.
    eventually("its bytes are there", || (objects(&world) == 1).then_some(()));
    world.server().kill();
    let _ = putting.wait();
    world.start();
    let versions =
        done(&world, &steward, &["data", "show", "loans"])["versions"].as_array().cloned().unwrap_or_default();
    match versions.as_slice() {
        [] => assert_eq!(objects(&world), 0, "what no event names is gone"),
        [one] => assert_eq!((&one["content"]["rows"], objects(&world)), (&json!(1_500_000), 1)),
        more => panic!("{more:?}"),
    }
    let again = done(&world, &steward, &put(&file, "2"));
    assert!(again["known"] == true || again["content"]["rows"] == 1_500_000, "{again}");
}
