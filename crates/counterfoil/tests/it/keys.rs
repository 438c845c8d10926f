//! Keys of applications.

use crate::support::World;

#[test]
fn given_a_key_when_created_used_and_revoked_then_it_works_until_then_and_its_secret_is_shown_once() {
    let mut world = World::new();
    let created = world.json(&["keys", "create", "--service", "support", "--expires", "12h"]);
    let (key, secret) = (created["key"].as_str().expect("an id"), created["secret"].as_str().expect("a secret"));
    world.key = secret.to_owned();
    assert_eq!(world.chat("chat").status, 200);
    let listed = world.json(&["keys", "list"]);
    let row = listed.as_array().expect("rows").iter().find(|row| row["credential_id"] == key).expect("it is listed");
    assert_eq!(row["service_id"], "support");
    assert!(!listed.to_string().contains(secret), "{listed}");
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

#[test]
fn given_an_actor_when_a_key_is_created_for_it_then_it_opens_the_management_api_and_no_inference() {
    let mut world = World::new();
    let actor = world.sql("select principal_id from credentials where privileged")[0]["principal_id"].clone();
    let created = world.json(&["keys", "create", "--actor", actor.as_str().expect("text"), "--expires", "1h"]);
    let secret = created["secret"].as_str().expect("a secret").to_owned();
    assert_eq!(world.json(&["--token", &secret, "signin"])["actor"], actor);
    world.key = secret;
    assert_eq!(world.chat("chat").status, 403);
}
