//! The demo, as whoever tries the program first sees it.

use serde_json::{Value, json};

use crate::support::World;

#[test]
fn given_nothing_when_the_demo_runs_then_each_duty_has_a_person_conflicts_are_refused_and_the_evidence_verifies() {
    let world = World::empty(&[]);
    let dir = world.path("demo").display().to_string();
    let found = world.json(&["demo", "--exit", "--listen", "127.0.0.1:0", "--dir", &dir]);
    assert_eq!(found["duties"]["people"], 11);
    let refused = found["duties"]["refused"].as_array().expect("refusals");
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(refused[0].as_str().is_some_and(|words| words.contains("deployer")), "{refused:?}");
    assert_eq!((&found["applications"]["answered"], &found["chats"]["sent"]), (&json!(1_000), &json!(300)));
    assert_eq!((&found["forgotten"], &found["verified"]), (&json!(true), &json!(true)));
    assert_ne!(found["tampered_exit_code"], 0);

    let people = world.json(&["people", "list"]);
    let people: Vec<&Value> = people.as_array().expect("people").iter().filter(|who| who["kind"] == "human").collect();
    assert!(people.len() == 11 && people.iter().all(|who| who["name"].is_string()), "{people:?}");
    let roles = world.sql("select distinct role from role_grants where role <> 'system'");
    assert_eq!(roles.len(), 10, "each holds one: {roles:?}");
    let account = world.sql("select principal_id, owner_id from principals where kind = 'service'");
    assert!(account.len() == 1 && account[0]["owner_id"].is_string(), "somebody answers for the program: {account:?}");
    let account = account[0]["principal_id"].as_str().expect("a pseudonym");
    let key = world.sql(&format!("select credential_id from credentials where principal_id = '{account}'"));
    let key = key[0]["credential_id"].as_str().expect("a key");
    let used = world.sql(&format!("select count(*) as n from inferences where principal_id = '{key}'"));
    assert_eq!(used[0]["n"], 100, "the program's key");
}
