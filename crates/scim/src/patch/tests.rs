use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::accept;
use crate::schema::{GROUP, USER};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn user() -> Map<String, Value> {
    let user = json!({
        "userName": "zoe", "active": true, "name": {"givenName": "Zoë", "familyName": "Nguyễn"},
        "emails": [{"value": "zoe@work.example", "type": "work", "primary": true}, {"value": "z@home.example", "type": "home"}],
    });
    accept(&USER, &user).expect("a user")
}

fn try_ops(resource: &Map<String, Value>, kind: &'static ResourceType, operations: Value) -> Result<Value, Error> {
    patch(kind, resource, &json!({"schemas": [PATCH_OP], "Operations": operations})).map(Value::Object)
}

#[track_caller]
fn ops(operations: Value) -> Value {
    try_ops(&user(), &USER, operations).expect("it applies")
}

#[test]
fn given_entra_id_when_it_patches_users_then_its_shapes_are_understood() {
    assert_eq!(ops(json!([{"op": "Replace", "path": "active", "value": "False"}]))["active"], false);
    assert_eq!(ops(json!([{"op": "Replace", "value": {"active": "False"}}]))["active"], false);
    let dotted = json!([{"op": "Replace", "value": {"displayName": "Zoë N", "name.givenName": "Zo", "title": "Lead",
        "emails[type eq \"work\"].value": "new@work.example", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "Risk"}}]);
    let after = ops(dotted);
    assert_eq!(after["name"], json!({"givenName": "Zo", "familyName": "Nguyễn"}));
    assert_eq!((&after["displayName"], &after["title"]), (&"Zoë N".into(), &"Lead".into()));
    assert_eq!(after["emails"][0], json!({"value": "new@work.example", "type": "work", "primary": true}));
    assert_eq!(after[ENTERPRISE], json!({"department": "Risk"}));
    let both = json!([
        {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "updated@example.com"},
        {"op": "Replace", "path": "name.familyName", "value": "Updated"},
        {"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+41 79"},
        {"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "a_9"},
    ]);
    let after = ops(both);
    assert_eq!(
        (&after["emails"][0]["value"], &after["name"]["familyName"]),
        (&"updated@example.com".into(), &"Updated".into())
    );
    assert_eq!(after["phoneNumbers"], json!([{"type": "mobile", "value": "+41 79"}]));
    assert_eq!(after[ENTERPRISE]["manager"], json!({"value": "a_9"}));
}

#[test]
fn given_groups_when_members_come_and_go_then_both_ways_to_say_it_are_understood() {
    let group =
        accept(&GROUP, &json!({"displayName": "g", "members": [{"value": "a_1"}, {"value": "a_2"}]})).expect("a group");
    let try_ops = |operations| try_ops(&group, &GROUP, operations);
    let members = |operations| {
        let after = try_ops(operations).expect("it applies");
        let members = after["members"].as_array().cloned().unwrap_or_default();
        members.iter().map(|member| member["value"].as_str().expect("a value").to_owned()).collect::<Vec<_>>()
    };
    let by_value = json!([{"op": "Remove", "path": "members", "value": [{"value": "a_1"}, {"value": "a_7"}]}]);
    assert_eq!(members(by_value), ["a_2"]);
    assert_eq!(members(json!([{"op": "remove", "path": "members[value eq \"a_2\"]"}])), ["a_1"]);
    assert_eq!(members(json!([{"op": "remove", "path": "members[value eq \"a_9\"]"}])), ["a_1", "a_2"]);
    assert_eq!(members(json!([{"op": "remove", "path": "members"}])), Vec::<String>::new());
    let added = json!([{"op": "Add", "path": "members", "value": [{"value": "a_2"}, {"$ref": null, "value": "a_3"}]}]);
    assert_eq!(members(added), ["a_1", "a_2", "a_3"]);
    assert_eq!(members(json!([{"op": "add", "value": {"members": [{"value": "a_4"}]}}])), ["a_1", "a_2", "a_4"]);
    assert_eq!(members(json!([{"op": "replace", "path": "members", "value": [{"value": "a_5"}]}])), ["a_5"]);
    assert_eq!(members(json!([{"op": "replace", "path": "members", "value": []}])), Vec::<String>::new());
    let okta =
        try_ops(json!([{"op": "replace", "value": {"id": "gr_1", "displayName": "Renamed"}}])).expect("it applies");
    assert_eq!((&okta["displayName"], okta.get("id")), (&"Renamed".into(), None));
    let changed = try_ops(json!([{"op": "replace", "path": "members[value eq \"a_1\"].value", "value": "a_8"}]));
    assert_eq!(changed.expect_err("refused").scim_type, Some("mutability"));
}

#[test]
fn given_values_when_added_replaced_and_removed_then_the_others_stay() {
    let after =
        ops(json!([{"op": "add", "path": "emails", "value": {"value": "x@y.z", "type": "other", "primary": true}}]));
    let primary: Vec<&Value> = after["emails"].as_array().expect("emails").iter().map(|one| &one["primary"]).collect();
    assert_eq!(primary, [&json!(false), &Value::Null, &json!(true)], "one is primary");
    let again = ops(json!([{"op": "add", "path": "emails", "value": [{"value": "z@home.example", "type": "home"}]}]));
    assert_eq!(again["emails"].as_array().map(Vec::len), Some(2), "what is there is not added again");
    assert_eq!(
        ops(json!([{"op": "remove", "path": "emails[type eq \"work\"]"}]))["emails"].as_array().map(Vec::len),
        Some(1)
    );
    assert!(ops(json!([{"op": "remove", "path": "emails"}])).get("emails").is_none());
    assert!(
        ops(json!([{"op": "remove", "path": "name.givenName"}, {"op": "remove", "path": "name.familyName"}]))
            .get("name")
            .is_none()
    );
    assert_eq!(
        ops(json!([{"op": "replace", "path": "name", "value": {"givenName": "Z"}}]))["name"]["familyName"],
        "Nguyễn"
    );
    assert_eq!(ops(json!([{"op": "add", "path": "nickName", "value": "Z"}]))["nickName"], "Z");
    assert!(ops(json!([{"op": "replace", "path": "name", "value": null}])).get("name").is_none());
    let extension =
        json!([{"op": "add", "path": ENTERPRISE, "value": {"division": "D"}}, {"op": "remove", "path": ENTERPRISE}]);
    assert!(ops(extension).get(ENTERPRISE).is_none());
    assert_eq!(ops(json!([])), Value::Object(user()));
}

#[test]
fn given_what_cannot_be_done_when_patched_then_the_keyword_says_why_and_nothing_happened() {
    let many: Vec<Value> = vec![json!({"op": "add", "path": "title", "value": "x"}); MAX_OPERATIONS + 1];
    for (operations, status, keyword) in [
        (json!([{"op": "move", "path": "title"}]), 400, Some("invalidSyntax")),
        (json!([7]), 400, Some("invalidSyntax")),
        (json!([{"op": "remove"}]), 400, Some("noTarget")),
        (json!([{"op": "replace", "path": "emails[type eq \"fax\"].value", "value": "x"}]), 400, Some("noTarget")),
        (
            json!([{"op": "add", "path": "emails[type ne \"fax\" and value eq \"q\"].value", "value": "x"}]),
            400,
            Some("noTarget"),
        ),
        (json!([{"op": "add", "path": "nothing", "value": 1}]), 400, Some("invalidPath")),
        (json!([{"op": "add", "path": "emails[", "value": 1}]), 400, Some("invalidPath")),
        (json!([{"op": "add", "path": "emails[nothing pr]", "value": 1}]), 400, Some("invalidPath")),
        (json!([{"op": "add", "path": "title[value pr]", "value": 1}]), 400, Some("invalidPath")),
        (json!([{"op": "add", "path": 7, "value": 1}]), 400, Some("invalidPath")),
        (json!([{"op": "add", "path": "title"}]), 400, Some("invalidValue")),
        (json!([{"op": "add", "value": "x"}]), 400, Some("invalidValue")),
        (json!([{"op": "replace", "path": "active", "value": "perhaps"}]), 400, Some("invalidValue")),
        (json!([{"op": "replace", "path": "id", "value": "x"}]), 400, Some("mutability")),
        (json!([{"op": "add", "path": "groups", "value": [{"value": "gr_1"}]}]), 400, Some("mutability")),
        (json!([{"op": "remove", "path": "userName"}]), 400, Some("mutability")),
        (json!([{"op": "replace", "path": "userName", "value": ""}]), 400, Some("invalidValue")),
        (json!(many), 413, None),
    ] {
        let error = try_ops(&user(), &USER, operations.clone()).expect_err("refused");
        assert_eq!((error.status, error.scim_type), (status, keyword), "{operations}: {error}");
    }
    let other = patch(&USER, &user(), &json!({"schemas": ["urn:other"], "Operations": []}));
    assert_eq!(other.expect_err("refused").scim_type, Some("invalidSyntax"));
    assert_eq!(patch(&USER, &user(), &json!({"operations": []})), Ok(user()), "in any spelling");
}

proptest! {
    /// Whatever is patched stays in canonical form: accepting it again changes nothing.
    #[test]
    fn what_is_patched_is_canonical(
        steps in proptest::collection::vec((0_usize..3, 0_usize..9, 0_usize..6), 0..12)
    ) {
        let paths = ["active", "title", "name", "name.givenName", "emails", "emails.type", "emails[type eq \"work\"]",
            "emails[type eq \"home\"].value", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"];
        let values = [json!("True"), json!("x"), json!({"value": "v", "type": "home", "primary": true}), json!([]),
            json!({"givenName": "G", "formatted": ""}), json!([{"value": "w"}, {"type": "work"}])];
        let mut resource = user();
        for (op, path, value) in steps {
            let op = ["add", "replace", "remove"][op];
            let body = json!({"Operations": [{"op": op, "path": paths[path], "value": values[value]}]});
            if let Ok(after) = patch(&USER, &resource, &body) {
                resource = after;
            }
            prop_assert_eq!(accept(&USER, &Value::Object(resource.clone())), Ok(resource.clone()));
        }
    }

    #[test]
    fn whatever_path_is_sent_is_read_or_refused(text in "\\PC{0,120}") {
        match Path::parse(&USER, &text) {
            Ok(path) => prop_assert_eq!(Path::parse(&USER, &path.to_string()), Ok(path)),
            Err(error) => prop_assert_eq!(error.scim_type, Some("invalidPath")),
        }
    }
}
