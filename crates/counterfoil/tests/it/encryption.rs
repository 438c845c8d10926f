//! Keys that data are encrypted under: replaced and ratcheted by commands and a page, and told in tables.

use ::http::Method;
use serde_json::json;

use crate::support::{World, http, people};

#[test]
fn given_a_security_lead_when_keys_are_replaced_then_status_tables_and_the_page_tell_it_and_nobody_else_may() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let lead = staff.lead.1.clone();
    let done = |arguments: &[&str]| world.json(&[&["--token", &lead, "encryption"], arguments].concat());
    let refused = world.cli(&["--json", "--token", &staff.trainer.1, "encryption", "ratchet"]);
    assert_eq!(refused.error(), (65, "forbidden".into()));

    let status = done(&["status"]);
    assert_eq!(status["custodian"]["kind"], "file");
    assert_eq!(status["schedule"], json!({"class_days": 90, "ratchet_hours": 24}));
    assert_eq!(done(&["rotate", "_link"]), json!({"key": "_link", "version": 2, "done": true}));
    let ratcheted = done(&["ratchet"]);
    assert_eq!(ratcheted["done"], true);
    assert_ne!(ratcheted["key_id"], status["custodian"]["key_id"]);
    assert_eq!(done(&["status"])["custodian"]["key_id"], ratcheted["key_id"]);
    assert_eq!(done(&["configure", "--class-days", "30"]), json!({"class_days": 30, "ratchet_hours": 24}));
    let unknown = world.cli(&["--json", "--token", &lead, "encryption", "rotate", "nothing"]);
    assert_eq!(unknown.error().1, "not_found");

    let keys = "select key_id, state from crypto_keys where classification = '_link' order by key_id";
    let told = [("class/_link/v1", "destroyed"), ("class/_link/v2", "active")];
    assert_eq!(world.sql(keys), told.map(|(key, state)| json!({"key_id": key, "state": state})));
    let session = people::session(&world, &lead);
    let look = || http::send(Method::GET, &format!("{}/encryption", world.url), &[("cookie", &session)], "").text();
    assert!(look().contains("class/_link/v2") && look().contains("Ratchet the root key now"));
    assert_eq!(people::form(&world, &session, "/encryption/rotate", "key=_link").status, 303);
    assert!(look().contains("class/_link/v3"));
    let schedule = "class_days=60&ratchet_hours=12";
    assert_eq!(people::form(&world, &session, "/encryption/schedule", schedule).status, 303);
    assert_eq!(done(&["status"])["schedule"], json!({"class_days": 60, "ratchet_hours": 12}));
    let trainer = people::session(&world, &staff.trainer.1);
    assert_eq!(people::form(&world, &trainer, "/encryption/rotate", "key=root").status, 403);
}
