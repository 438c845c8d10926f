//! Keys of applications.

use crate::support::World;

#[test]
fn given_a_key_when_created_used_and_revoked_then_it_works_until_then_and_its_secret_is_shown_once() {
    let mut world = World::new();
    let created = world.json(&["keys", "create", "--service", "support", "--expires", "12h"]);
    let (key, secret) = (created["key"].as_str().expect("an id"), created["secret"].as_str().expect("a secret"));
    world.key = secret.to_owned();
    assert_eq!(world.chat("chat").status, 200);
    let listed = world.json(&["keys", "list"]).to_string();
    assert!(listed.contains(key) && !listed.contains(secret), "{listed}");
    world.json(&["keys", "revoke", key]);
    let answer = world.chat("chat");
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &"invalid_api_key".into()));
    let record = world.records().pop().expect("the refused call is on record");
    assert_eq!(record["status"], "refused");
}

#[test]
fn given_a_key_of_one_service_when_it_asks_for_anothers_model_then_it_is_refused() {
    let mut world = World::new();
    world.key = world.create_key("credit");
    let answer = world.chat("chat");
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &"model_not_found".into()));
}
