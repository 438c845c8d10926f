//! Fields of data sets as their users have them: what detectors find in a new version and how it is settled, and what of a
//! data set goes out for a purpose, to pandas and pyarrow.

use std::process::Command;

use ::http::Method;
use serde_json::{Value, json};

use crate::support::people::{Person, Staff, session, somebody_with};
use crate::support::{Run, World, eventually, http, tools};

struct Desk {
    world: World,
    staff: Staff,
    steward: Person,
}

impl Desk {
    fn new() -> Self {
        let world = World::new();
        let staff = Staff::new(&world);
        let steward = somebody_with(&world, &staff, "data_steward");
        Self { world, staff, steward }
    }

    #[track_caller]
    fn steward(&self, arguments: &[&str]) -> Value {
        self.world.json(&[&["--token", &self.steward.1, "data"], arguments].concat())
    }

    fn tried(&self, who: &Person, arguments: &[&str]) -> Run {
        self.world.cli(&[&["--json", "--token", &who.1], arguments].concat())
    }

    fn declare(&self, name: &str, class: &str) {
        let basis: &[&str] = if class == "personal" { &["--lawful-basis", "contract"] } else { &[] };
        let words = ["declare", name, "--class", class, "--source", "crm/exports", "--licence", "MSA-7"];
        let rest = ["--purposes", "development,support", "--owner", self.steward.0.as_str()];
        self.steward(&[&words[..], basis, &rest[..]].concat());
    }

    fn path(&self, name: &str) -> String {
        self.world.path(name).display().to_string()
    }

    /// The open findings of a data set, once it was scanned.
    fn findings(&self, dataset: &str) -> Vec<Value> {
        eventually("the version is scanned", || {
            let scans = self.steward(&["fields", dataset])["scans"].as_array().map_or(0, Vec::len);
            (scans > 0).then_some(())
        });
        let found = self.steward(&["findings", "--dataset", dataset]);
        found["findings"].as_array().expect("findings").clone()
    }
}

#[test]
fn given_personal_data_in_an_internal_set_when_stored_then_it_is_found_owned_and_settled_once() {
    let desk = Desk::new();
    desk.declare("notes", "internal");
    let rows: String = (0..200).map(|n| format!("{n},call back about order {n}\n")).collect();
    let rows = format!("id,note\n{rows}200,write to canary.jones@example.com instead\n");
    let file = desk.world.file("notes.csv", &rows);
    desk.steward(&["put", "notes", &file, "--version", "1"]);
    let found = desk.findings("notes");
    let [finding] = &found[..] else { panic!("one finding: {found:?}") };
    assert_eq!((&finding["kind"], &finding["why"]), (&json!("email"), &json!("above_class")), "{finding}");
    assert_eq!((&finding["field"], &finding["class"]), (&json!("note"), &json!("personal")), "{finding}");
    assert_eq!((&finding["owner"], &finding["cells"]), (&json!(desk.steward.0), &json!(1)), "{finding}");
    assert!(!desk.world.sql("select * from events").iter().any(|row| row.to_string().contains("canary.jones")));

    let cookie = session(&desk.world, &desk.steward.1);
    let page = http::send(Method::GET, &format!("{}/data/findings", desk.world.url), &[("cookie", &cookie)], "");
    assert!(page.text().contains("above its class"), "{}", page.text());
    let again = desk.steward(&["scan", "notes@1"]);
    assert_eq!((&again["opened"], &again["scan"]["scanned"]["whole"]), (&json!([]), &json!(true)), "{again}");

    let id = finding["finding"].as_str().expect("an identifier");
    let settle = ["data", "findings", "resolve", id, "--as", "false_alarm"];
    assert_eq!(desk.tried(&desk.steward, &settle).error(), (65, "invalid".into()), "without a reason");
    let reasoned = [&settle[..], &["--reference", "RISK-3"][..]].concat();
    assert_eq!(desk.tried(&desk.staff.trainer, &reasoned).error(), (65, "forbidden".into()));
    assert_eq!(desk.tried(&desk.steward, &reasoned).code, 0);
    assert_eq!(desk.steward(&["scan", "notes@1"])["opened"], json!([]), "a false alarm stays one");
    let sql = "select category, owner_id, resolution, reference, resolved_by from pii_findings";
    let owner = &desk.steward.0;
    assert_eq!(
        desk.world.sql(sql),
        [json!({
            "category": "email", "owner_id": owner, "resolution": "false_alarm", "reference": "RISK-3",
            "resolved_by": owner,
        })]
    );
}

const TOKENS: &str = "[tokens.mail]\nmethod = \"vaulted\"\nkind = \"text\"\nclass = \"personal\"\npurposes = [\"support\"]\n\
                      per_subject = true\n";

const FIELDS: &str = r#"
[[fields]]
field = "email"
class = "personal"
purposes = ["development", "support"]
justification = "DPIA-7"

[[fields]]
field = "age"
class = "personal"
purposes = ["development"]
justification = "DPIA-7"

[[fields]]
field = "postcode"
class = "personal"
purposes = ["development"]
justification = "DPIA-7"

[[fields]]
field = "income"
class = "personal"
purposes = ["development"]
justification = "DPIA-7"

[[fields]]
field = "phone"
class = "personal"
purposes = ["support"]
justification = "DPIA-7"
"#;

/// A view with these bounds.
fn view(min_k: u32, left_out: u32) -> String {
    format!(
        r#"
quasi = ["age", "postcode"]
min_k = {min_k}
max_suppressed_permille = {left_out}

[[columns]]
column = "email"
rule = {{ tokenise = {{ scope = "mail" }} }}

[[columns]]
column = "age"
rule = {{ band = {{ width = 10 }} }}

[[columns]]
column = "postcode"
rule = {{ prefix = {{ chars = 1 }} }}

[[columns]]
column = "income"
rule = {{ top = {{ at = 90000 }} }}
"#
    )
}

impl Desk {
    /// A thousand people, of whom one is much older than the rest, and a view of them for development.
    fn with_people() -> Self {
        let desk = Self::new();
        let officer = somebody_with(&desk.world, &desk.staff, "privacy_officer");
        let scopes = desk.world.file("tokens.toml", TOKENS);
        desk.world.json(&["--token", &officer.1, "apply", "-f", &scopes, "--only", "tokens", "--yes"]);
        desk.declare("people", "personal");
        let row = |n: u32| {
            let (age, postcode, income) = (if n == 999 { 99 } else { 20 + n % 40 }, 2000 + n % 2000, 40_000 + n * 100);
            format!("{n},p{n}@example.com,{age},{postcode},{income},0412 345 {:03}\n", n % 1000)
        };
        let rows: String = (0..1000).map(row).collect();
        let file = desk.world.file("people.csv", &format!("id,email,age,postcode,income,phone\n{rows}"));
        let subjects = ["--subject-column", "email", "--subject-scope", "email"];
        desk.steward(&[&["put", "people", &file, "--version", "1"][..], &subjects[..]].concat());
        let fields = desk.world.file("fields.toml", FIELDS);
        desk.steward(&["fields", "people", "--file", &fields]);
        desk.declare_view(5, 10);
        desk
    }

    fn declare_view(&self, min_k: u32, left_out: u32) {
        let file = self.world.file("view.toml", &view(min_k, left_out));
        self.steward(&["views", "people", "--for", "development", "--declare", &file]);
    }
}

#[test]
fn given_a_view_when_a_trainer_reads_then_they_get_that_and_nothing_else_and_each_access_is_on_record() {
    let desk = Desk::with_people();
    let trainer = &desk.staff.trainer;
    let out = desk.path("view.csv");
    let raw = ["--purpose", "development", "data", "get", "people", "1", "-o", &out];
    assert_eq!(desk.tried(trainer, &raw).error(), (65, "forbidden".into()), "there is a view for that");
    assert_eq!(desk.tried(&desk.steward, &raw).code, 0, "stewards see behind it");
    let read = |who: &Person| desk.tried(who, &["data", "view", "people@1", "--for", "development", "-o", &out]);
    assert_eq!(read(trainer).code, 0);
    let text = std::fs::read_to_string(&out).expect("read");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("email,age,postcode,income"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 999, "the one who stands out is left out");
    assert!(!text.contains('@') && rows.iter().all(|row| row[1].ends_with('0') && row[2].len() == 1), "{:?}", rows[0]);
    assert!(rows.iter().all(|row| row[3].parse::<u32>().expect("a number") <= 90_000));
    let report = ["data", "view", "people@1", "--for", "development", "--report"];
    let reached = desk.tried(trainer, &report).json()["reached"].take();
    assert_eq!((&reached["rows"], &reached["suppressed"]), (&json!(1000), &json!(1)), "{reached}");
    assert!(reached["k"].as_u64() >= Some(5), "{reached}");

    let auditor = somebody_with(&desk.world, &desk.staff, "auditor");
    assert_eq!(read(&auditor).error(), (65, "forbidden".into()));
    desk.declare_view(5, 0);
    assert_eq!(read(trainer).error(), (65, "conflict".into()), "one row may not be left out");
    desk.world.json(&["records", "seal"]);
    let sql =
        "select decision, count(*) as n from access_events where action = 'dataset.view.read' group by 1 order by 1";
    assert_eq!(desk.world.sql(sql), [json!({"decision": "allow", "n": 3}), json!({"decision": "deny", "n": 1})]);

    let phone =
        "select field, purpose_id, use_state from dataset_fields where field = 'phone' and dataset_id = 'people'";
    desk.findings("people");
    assert_eq!(desk.world.sql(phone), [json!({"field": "phone", "purpose_id": "support", "use_state": "unknown"})]);
    let run = desk.world.json(&["controls", "run", "AI-DG-01"])["runs"][0].take();
    assert_eq!(run["outcome"], "pass", "{run}");
    let run = desk.world.json(&["controls", "run", "AI-DG-05"])["runs"][0].take();
    assert_eq!(run["outcome"], "pass", "{run}");
}

#[test]
fn given_pandas_and_pyarrow_when_they_read_a_view_then_every_form_has_the_same_rows_and_the_k_that_was_said() {
    let Some(python) = tools::python("a view read by pandas and pyarrow", "pandas, pyarrow.parquet") else { return };
    let desk = Desk::with_people();
    let ask = ["data", "view", "people@1", "--for", "development", "--link", "600"];
    let link = desk.world.json(&[&["--token", desk.staff.trainer.1.as_str()], &ask[..]].concat());
    let path = link["path"].as_str().expect("a path");
    let script = tools::client("view_reader.py");
    let answer = tools::run(
        Command::new(python)
            .arg(script)
            .env("URL", format!("{}/api/v1/datasets/people/versions/1/view/development", desk.world.url))
            .env("TOKEN", &desk.staff.trainer.1)
            .env("LINK", format!("{}{path}", desk.world.url)),
    );
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    for form in ["csv", "parquet", "arrow", "jsonl"] {
        let told = &answer[form];
        assert_eq!(told["columns"], json!(["email", "age", "postcode", "income"]), "{form}: {told}");
        assert_eq!((&told["rows"], &told["tokens"]), (&json!(999), &json!(999)), "{form}: {told}");
        assert_eq!((&told["smallest"], &told["in_clear"]), (&answer["k"], &json!(0)), "{form}: {told}");
    }
    desk.world.json(&["records", "seal"]);
    let sql = "select count(*) as n from access_events where action = 'dataset.view.read' and decision = 'allow' \
               and route = 'GET /api/v1/view-links/{secret}' and principal_id = ";
    assert_eq!(
        desk.world.sql(&format!("{sql}'{}'", desk.staff.trainer.0)),
        [json!({"n": 1})],
        "by whoever made the link"
    );
}

#[test]
fn given_links_when_they_are_not_good_then_nothing_is_given() {
    let desk = Desk::with_people();
    let trainer = &desk.staff.trainer;
    let link =
        |seconds: &str| desk.tried(trainer, &["data", "view", "people@1", "--for", "development", "--link", seconds]);
    assert_eq!(link("3601").error(), (65, "invalid".into()), "longer than an hour");
    let path = link("60").json()["path"].as_str().expect("a path").to_owned();
    let get = |path: &str| http::send(Method::GET, &format!("{}{path}", desk.world.url), &[], "");
    assert_eq!(get(&path).status, 200);
    assert_eq!(get("/api/v1/view-links/cfv_none").status, 410);
    desk.declare_view(6, 10);
    assert_eq!(get(&path).status, 410, "the view is another now");
}

#[test]
fn given_a_detector_of_ones_own_when_declared_then_versions_are_looked_at_again_and_when_retired_too() {
    let desk = Desk::new();
    desk.declare("rota", "internal");
    let rows: String =
        (0..60).map(|n| format!("ST-{:05},{}\n", n * 37, if n % 2 == 0 { "early" } else { "late" })).collect();
    let file = desk.world.file("rota.csv", &format!("staff_no,shift\n{rows}"));
    desk.steward(&["put", "rota", &file, "--version", "1"]);
    assert!(desk.findings("rota").is_empty(), "nothing that is built in looks like that");

    let declare = ["detectors", "declare", "staff_number", "--class", "personal", "--pattern", "ST-[0-9]{5}"];
    let proven = ["--column", "staff_no", "--example", "I am ST-00001", "--near-miss", "ST-1"];
    let declare = [&declare[..], &proven].concat();
    assert_eq!(desk.tried(&desk.staff.trainer, &declare).error(), (65, "forbidden".into()));
    let words = desk.world.file("words.txt", "heron\ncanary.jones@example.com\n");
    let named = ["detectors", "declare", "people", "--class", "personal", "--words", &words];
    let refused = desk.tried(&desk.steward, &named);
    assert_eq!(refused.error(), (65, "invalid".into()));
    assert!(refused.err.contains("word 2 of `words`") && !refused.err.contains("canary"), "{refused:?}");
    assert_eq!(desk.tried(&desk.steward, &declare).code, 0);
    assert!(!desk.world.sql("select * from events").iter().any(|row| row.to_string().contains("canary")));

    let found = eventually("the version is looked at again", || {
        let found = desk.findings("rota");
        (!found.is_empty()).then_some(found)
    });
    let [finding] = &found[..] else { panic!("one finding: {found:?}") };
    assert_eq!((&finding["kind"], &finding["why"]), (&json!("staff_number"), &json!("above_class")), "{finding}");
    assert_eq!((&finding["field"], &finding["cells"]), (&json!("staff_no"), &json!(60)), "{finding}");
    let sql = "select detector_id, classification, pattern, word_count, declared_by from detectors";
    let row = json!({
        "detector_id": "staff_number", "classification": "personal", "pattern": "ST-[0-9]{5}", "word_count": 0,
        "declared_by": desk.steward.0,
    });
    assert_eq!(desk.world.sql(sql), [row]);
    let cookie = session(&desk.world, &desk.steward.1);
    let page = http::send(Method::GET, &format!("{}/data/findings", desk.world.url), &[("cookie", &cookie)], "");
    assert!(page.text().contains("ST-[0-9]{5}"), "{}", page.text());
    let letter = desk.world.file("letter.txt", "é: ask ST-54321\n");
    let tried = desk.world.json(&["--token", &desk.steward.1, "detectors", "try", &letter]);
    let at = json!([{ "kind": "staff_number", "class": "personal", "start": 8, "end": 16, "score_permille": 970 }]);
    assert_eq!(tried["found"], at);

    assert_eq!(desk.tried(&desk.steward, &["detectors", "retire", "staff_number"]).code, 0);
    eventually("it is looked at without the detector", || {
        let scans = desk.steward(&["fields", "rota"])["scans"].to_string();
        (!scans.contains("staff_number")).then_some(())
    });
}
