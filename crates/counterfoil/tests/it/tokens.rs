//! Tokens as their users have them: scopes from a file, values and whole files through the command line and back.

use std::process::Command;

use ::http::Method;
use serde_json::{Value, json};

use crate::support::people::{Person, Staff, form, session, somebody_with};
use crate::support::{Run, World, http, tools};

const SCOPES: &str = r#"
[tokens.crm]
method = "vaulted"
kind = "text"
class = "personal"
purposes = ["support", "incident"]

[tokens.people]
method = "vaulted"
kind = "phone"
class = "personal"
purposes = ["support"]
per_subject = true

[tokens.cards]
method = "ff1"
kind = "card"
class = "sensitive"
purposes = ["incident"]
"#;

struct Desk {
    world: World,
    officer: Person,
    steward: Person,
}

impl Desk {
    fn new() -> Self {
        let world = World::new();
        world.apply();
        let staff = Staff::new(&world);
        let officer = somebody_with(&world, &staff, "privacy_officer");
        let steward = somebody_with(&world, &staff, "data_steward");
        let file = world.file("tokens.toml", SCOPES);
        let apply = ["apply", "-f", &file, "--only", "tokens", "--yes"];
        let done = world.json(&[&["--token", &officer.1], &apply[..]].concat());
        assert_eq!(done["applied"], 3, "{done}");
        let again = world.json(&[&["--token", &officer.1], &apply[..]].concat());
        assert_eq!(again["plan"], json!([]));
        Self { world, officer, steward }
    }

    #[track_caller]
    fn steward(&self, arguments: &[&str]) -> Value {
        self.world.json(&[&["--token", &self.steward.1, "tokens"], arguments].concat())
    }

    #[track_caller]
    fn officer(&self, purpose: &str, arguments: &[&str]) -> Value {
        self.world.json(&[&["--token", &self.officer.1, "--purpose", purpose, "tokens"], arguments].concat())
    }

    fn tried(&self, who: &Person, arguments: &[&str]) -> Run {
        self.world.cli(&[&["--json", "--token", &who.1, "tokens"], arguments].concat())
    }

    fn place(&self, name: &str) -> String {
        self.world.path(name).display().to_string()
    }
}

#[test]
fn given_scopes_when_values_are_tokenised_and_turned_back_then_duty_and_purpose_decide_and_accesses_tell() {
    let desk = Desk::new();
    let names = desk.world.file("names.txt", "Anna Lee\nBo\nAnna Lee\n");
    let made = desk.steward(&["tokenize", "crm", "--file", &names]);
    let tokens: Vec<&str> = made["tokens"].as_array().expect("tokens").iter().filter_map(Value::as_str).collect();
    assert!(tokens[0] == tokens[2] && tokens[0].starts_with("tok_personal_"), "{made}");
    let file = desk.world.file("tokens.txt", &tokens.join("\n"));
    let back = desk.officer("support", &["detokenize", "crm", "--file", &file]);
    assert_eq!(back, json!({"values": ["Anna Lee", "Bo", "Anna Lee"], "erased": 0}));

    let reveal = ["detokenize", "crm", "--file", &file];
    assert_eq!(desk.tried(&desk.officer, &reveal).error(), (65, "forbidden".into()), "no purpose");
    let wrong = desk.tried(&desk.steward, &reveal);
    assert_eq!(wrong.error(), (65, "forbidden".into()), "not the steward's duty");
    let elsewhere = desk.world.cli(&[
        "--json",
        "--token",
        &desk.officer.1,
        "--purpose",
        "support",
        "tokens",
        "detokenize",
        "people",
        "--file",
        &file,
    ]);
    assert_eq!(elsewhere.error(), (65, "not_found".into()), "a token of another scope");
    let card = desk.world.file("card.txt", "4111 1111 1111 1112\n");
    let mistyped = desk.tried(&desk.steward, &["tokenize", "cards", "--file", &card]);
    assert_eq!(mistyped.error(), (65, "invalid".into()));
    assert!(mistyped.err.contains("value 1 has a check digit") && !mistyped.err.contains("4111"), "{mistyped:?}");
    let subjects = desk.world.file("subjects.txt", "u-1\n");
    let shared = ["tokenize", "crm", "--file", &card, "--subjects", &subjects, "--service", "support"];
    assert_eq!(desk.tried(&desk.steward, &shared).error(), (65, "invalid".into()), "not per subject");
    let unknown = desk.tried(&desk.steward, &["tokenize", "nothing", "--file", &names]);
    assert_eq!(unknown.error(), (65, "not_found".into()));

    let told = desk.world.json(&[
        "sql",
        "--tail",
        "select action, decision, purpose_id, occurrences from access_events where object_id = 'crm' \
         and action in ('token.make', 'token.reveal') order by ts",
    ]);
    let expected = json!([
        {"action": "token.make", "decision": "allow", "purpose_id": null, "occurrences": 3},
        {"action": "token.reveal", "decision": "allow", "purpose_id": "support", "occurrences": 3},
        {"action": "token.reveal", "decision": "deny", "purpose_id": null, "occurrences": 3},
        {"action": "token.reveal", "decision": "deny", "purpose_id": null, "occurrences": 3},
        // They may, and asked for what makes no sense.
        {"action": "token.make", "decision": "allow", "purpose_id": null, "occurrences": 1},
    ]);
    assert_eq!(told, expected);
    let scopes = desk.world.sql("select scope_id, method, purposes, per_subject from token_scopes order by scope_id");
    assert_eq!(
        scopes[1],
        json!({"scope_id": "crm", "method": "vaulted", "purposes": "incident,support", "per_subject": false})
    );
}

#[test]
fn given_a_csv_when_columns_are_tokenised_and_back_then_the_rest_stays_and_it_is_whole() {
    let desk = Desk::new();
    let rows: String = (0..2_300).map(|n| format!("{n},\"u-{}\",+61 4{n:08},\"a, b\"\n", n % 700)).collect();
    let text = format!("id,user,phone,rest\n{rows}9999,u-1,,none\n");
    let (file, out, back) = (desk.world.file("in.csv", &text), desk.place("out.csv"), desk.place("back.csv"));
    let person = ["--subject-column", "user", "--service", "support"];
    let bulk = ["bulk", "--scope", "people", "--column", "phone", &file, "-o", &out];
    let done = desk.steward(&[&bulk[..], &person].concat());
    assert_eq!(done, json!({"rows": 2_301, "converted": 2_300, "erased": 0}));
    let tokens = std::fs::read_to_string(&out).expect("written");
    assert!(!tokens.contains("+61") && tokens.contains("tok_personal_"), "{}", &tokens[..200]);
    let other = desk.place("out.parquet");
    let other = ["bulk", "--scope", "people", "--column", "phone", &file, "-o", &other];
    let converts = desk.tried(&desk.steward, &[&other[..], &person].concat());
    assert!(converts.error() == (64, "usage".into()) && converts.err.contains("converts no formats"), "{converts:?}");
    let exists = desk.tried(&desk.steward, &[&bulk[..], &person].concat());
    assert_eq!(exists.error(), (64, "usage".into()));

    let reveal = ["bulk", "--reveal", "--scope", "people", "--column", "phone", &out, "-o", &back];
    assert_eq!(desk.tried(&desk.officer, &reveal).error(), (65, "forbidden".into()), "no purpose");
    assert!(!std::path::Path::new(&format!("{back}.partial")).exists(), "nothing is left of what failed");
    desk.officer("support", &reveal);
    assert_eq!(std::fs::read_to_string(&back).expect("written"), text.replace("\"u-", "u-").replace("\",+", ",+"));
    let counted = desk.world.json(&["--token", &desk.officer.1, "tokens", "scope", "list"]);
    let people = counted["scopes"].as_array().expect("scopes").iter().find(|one| one["scope"] == "people");
    assert_eq!(people.expect("counted")["tokens"], json!({"live": 2_300, "erased": 0}));
}

#[test]
fn given_a_parquet_file_that_duckdb_wrote_when_its_column_is_tokenised_then_duckdb_reads_the_result() {
    let Some(python) = tools::python("DuckDB reads tokenised Parquet", "duckdb") else { return };
    let desk = Desk::new();
    let (file, out, back) = (desk.place("in.parquet"), desk.place("out.parquet"), desk.place("back.parquet"));
    let duckdb = |query: &str| {
        let code = "import duckdb, json, sys; print(json.dumps(duckdb.sql(sys.argv[1]).fetchall()))";
        tools::run(Command::new(&python).args(["-c", code, query]))
    };
    let copy = "import duckdb, sys; duckdb.sql(sys.argv[1])";
    let made = format!(
        "copy (select i as id, case when i % 10 = 0 then null else '4111 1111 1111 1111' end as card from range(2500) t(i)) \
         to '{file}' (format parquet)"
    );
    tools::run(Command::new(&python).args(["-c", copy, &made]));
    let done = desk.steward(&["bulk", "--scope", "cards", "--column", "card", &file, "-o", &out]);
    assert_eq!(done, json!({"rows": 2_500, "converted": 2_250, "erased": 0}));
    let said = duckdb(&format!(
        "select count(*), count(card), count(distinct card), sum(id)::bigint, min(length(card)), \
         count(*) filter (where card = '4111 1111 1111 1111') from '{out}'"
    ));
    let row: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(row, json!([[2_500, 2_250, 1, 3_123_750, 19, 0]]));
    desk.officer("incident", &["bulk", "--reveal", "--scope", "cards", "--column", "card", &out, "-o", &back]);
    let same = duckdb(&format!("select count(*) from (from '{file}' except from '{back}')"));
    assert_eq!(serde_json::from_str::<Value>(&same).expect("JSON"), json!([[0]]));
    let number =
        desk.tried(&desk.steward, &["bulk", "--scope", "crm", "--column", "id", &file, "-o", &desk.place("x.parquet")]);
    assert!(number.code == 64 && number.err.contains("not text"), "{number:?}");
}

#[test]
fn given_the_page_when_a_token_is_turned_back_then_the_value_is_on_the_page_and_in_no_address() {
    let desk = Desk::new();
    let names = desk.world.file("names.txt", "Anna <Lee>\n");
    let made = desk.steward(&["tokenize", "crm", "--file", &names]);
    let token = made["tokens"][0].as_str().expect("a token").to_owned();
    let cookie = session(&desk.world, &desk.officer.1);
    let page = http::send(Method::GET, &format!("{}/tokens", desk.world.url), &[("cookie", &cookie)], "");
    assert!(page.status == 200 && page.text().contains("ends the subject&#39;s tokens"), "{}", page.text());
    let shown = form(&desk.world, &cookie, "/tokens/reveal", &format!("scope=crm&token={token}&purpose=support"));
    assert!(shown.status == 200 && shown.text().contains("Anna &#60;Lee&#62;"), "{}", shown.text());
    let refused = form(&desk.world, &cookie, "/tokens/reveal", &format!("scope=crm&token={token}&purpose=audit"));
    assert_eq!(refused.status, 403);
}

#[test]
fn given_a_text_when_placeholders_are_placed_and_restored_then_it_is_itself_again() {
    let world = World::empty(&[]);
    let text = "Anna Lee pays with 4111 1111 1111 1111; call Anna Lee.";
    let (file, values) = (world.file("text.txt", text), world.file("values.txt", "person=Anna Lee\n"));
    let placed = world.json(&["tokens", "placeholder", "--file", &file, "--values", &values, "--detect", "card,email"]);
    assert_eq!(placed["text"], "[PERSON_1] pays with [CARD_1]; call [PERSON_1].");
    let map = world.file("map.json", &placed.to_string());
    let answer = world.file("answer.txt", "Dear [PERSON_1]");
    let restored = world.json(&["tokens", "restore", "--map", &map, "--file", &answer]);
    assert_eq!(restored, json!({"text": "Dear Anna Lee"}));
}
