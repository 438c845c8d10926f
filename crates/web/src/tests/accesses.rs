//! Every request that asks the policies leaves a record; strangers are counted; and everybody sees their own.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::door::{As, World, text};

impl World {
    /// The accesses that were recorded, oldest first: action, object, decision, route.
    pub(super) async fn accesses(&self, filter: &str) -> Vec<Value> {
        tokio::task::block_in_place(|| self.engine.accesses().settle()).expect("what was asked is written");
        let (status, found) =
            self.json(Method::GET, &format!("/api/v1/accesses?{filter}"), &As::Operator, &json!(null)).await;
        assert_eq!(status, StatusCode::OK, "{found}");
        let mut rows = found["accesses"].as_array().expect("a list").clone();
        rows.reverse();
        rows
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_reads_at_pages_and_api_when_listed_then_each_is_there_with_its_purpose_and_what_carried_it() {
    let world = World::new().await;
    let cookie = world.sign_in().await;
    let session = As::Session { cookie, ours: true };
    let reads = [
        ("/inferences?purpose=audit", "read", "inference_log", "GET /inferences"),
        ("/ledger/1", "read", "ledger", "GET /ledger/{seq}"),
        ("/evidence", "read", "evidence", "GET /evidence"),
        ("/sql?query=select+1&purpose=incident", "sql", "ledger", "GET /sql"),
        ("/sql?query=select+count(*)+from+inferences", "sql", "inference_log", "GET /sql"),
    ];
    for (path, ..) in &reads {
        assert_eq!(world.get(path, &session).await.status(), StatusCode::OK, "{path}");
    }
    let found = world.accesses("decision=allow").await;
    for (path, action, kind, route) in reads {
        let fits = |row: &&Value| {
            (&row["action"], &row["object_kind"], &row["route"]) == (&json!(action), &json!(kind), &json!(route))
        };
        let row = found.iter().find(fits).unwrap_or_else(|| panic!("{path} left no record: {found:#?}"));
        assert!(row["session_id"].is_string() && row["grant_id"].is_string() && row["policy_id"].is_string(), "{row}");
        let purpose = path.split("purpose=").nth(1);
        assert_eq!(row["purpose_id"].as_str(), purpose, "{path}");
    }
    let event = found.iter().find(|row| row["route"] == "GET /ledger/{seq}").expect("recorded");
    assert_eq!(event["object_id"], "1");
    let unknown = world.get("/sql?query=select+1&purpose=curiosity", &session).await;
    assert_eq!(unknown.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_sealed_access_when_its_proof_is_asked_for_then_it_verifies() {
    let world = World::new().await;
    world.json(Method::GET, "/api/v1/ledger", &As::Operator, &json!(null)).await;
    let access = world.accesses("object=ledger").await.pop().expect("recorded");
    let id = access["event_id"].as_str().expect("an identifier").to_owned();
    let unsealed = world.get(&format!("/api/v1/accesses/{id}/proof"), &As::Operator).await;
    assert_eq!(unsealed.status(), StatusCode::NOT_FOUND);
    world.engine.seal_now().await.expect("sealed");
    let proof = text(world.get(&format!("/api/v1/accesses/{id}/proof"), &As::Operator).await).await;
    assert!(proof.starts_with("counterfoil/record-proof@v1\nschema 2\n"), "{proof}");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_strangers_and_failed_sign_ins_when_sealed_then_they_are_counted_by_kind_and_hold_nothing_of_theirs() {
    let world = World::new().await;
    for _ in 0..20 {
        assert_eq!(world.get("/people", &As::Nobody).await.status(), StatusCode::SEE_OTHER);
        let refused = world.json(Method::GET, "/api/v1/events/ann-jones", &As::Nobody, &json!(null)).await;
        assert_eq!(refused.0, StatusCode::UNAUTHORIZED);
    }
    let ours = As::Session { cookie: String::new(), ours: true };
    let bad = world.send(Method::POST, "/signin/cfl_not-a-link", &ours, "").await;
    assert_eq!(bad.status(), StatusCode::NOT_FOUND);
    world.engine.seal_now().await.expect("sealed");
    let found = world.accesses("decision=deny").await;
    let counts: Vec<(&str, i64, &Value)> = found
        .iter()
        .map(|row| (row["route"].as_str().unwrap_or(""), row["occurrences"].as_i64().unwrap_or(0), &row["code"]))
        .collect();
    assert!(counts.contains(&("GET /people", 20, &json!("unauthenticated"))), "{counts:?}");
    assert!(counts.contains(&("GET /api/v1/events/{seq}", 20, &json!("unauthenticated"))), "{counts:?}");
    assert!(counts.contains(&("POST /signin/{secret}", 1, &json!("not_found"))), "{counts:?}");
    let all = serde_json::to_string(&found).expect("JSON");
    assert!(!all.contains("ann-jones") && !all.contains("not-a-link"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_somebody_without_a_role_when_they_look_then_they_see_their_own_accesses_and_no_others() {
    let mut world = World::new().await;
    let (_, added) = world.json(Method::POST, "/api/v1/people", &As::Operator, &json!({ "kind": "human" })).await;
    let actor = added["actor"].as_str().expect("a pseudonym").to_owned();
    let wish = json!({ "actor": actor, "expires_at": engine::Engine::now_ms() + 60_000 });
    let (_, key) = world.json(Method::POST, "/api/v1/keys", &As::Operator, &wish).await;
    let operator = std::mem::replace(&mut world.token, key["secret"].as_str().expect("a secret").to_owned());
    let (status, _) = world.json(Method::GET, "/api/v1/accesses", &As::Operator, &json!(null)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    // Reads of pages do not wait for their records, so the refused one may take a moment.
    let own = loop {
        let (status, own) = world.json(Method::GET, "/api/v1/accesses/mine", &As::Operator, &json!(null)).await;
        assert_eq!(status, StatusCode::OK, "{own}");
        if own["accesses"] != json!([]) {
            break own;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    let rows = own["accesses"].as_array().expect("a list");
    assert!(rows.iter().all(|row| row["principal_id"] == actor.as_str()) && !rows.is_empty(), "{own}");
    let import = json!({ "source": "s3", "accesses": [] });
    let (status, _) = world.json(Method::POST, "/api/v1/accesses/import", &As::Operator, &import).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    world.token = operator;
    let denied = world.accesses(&format!("decision=deny&actor={actor}")).await;
    let actions: Vec<&Value> = denied.iter().map(|row| &row["action"]).collect();
    assert_eq!(actions, [&json!("read"), &json!("accesses.import")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_storage_log_when_imported_then_each_row_is_matched_with_what_we_recorded_or_stands_out() {
    let world = World::new().await;
    let body = axum::body::Body::from("no model");
    assert_eq!(world.send(Method::PUT, "/api/v1/artifacts", &As::Operator, body).await.status(), StatusCode::OK);
    let put = world.accesses("object=artifact").await.pop().expect("recorded");
    let (artifact, actor) = (put["object_id"].as_str().expect("a digest"), put["principal_id"].clone());
    let seen = |id: &str, actor: &Value| {
        json!({ "id": id, "at": put["ts"], "action": "write", "object_kind": "artifact", "object_id": artifact,
                "actor": actor })
    };
    let import = json!({ "source": "s3", "accesses": [seen("r-1", &actor), seen("r-2", &json!("a_mallory"))] });
    let (status, done) = world.json(Method::POST, "/api/v1/accesses/import", &As::Operator, &import).await;
    assert_eq!((status, &done["imported"]), (StatusCode::OK, &json!(2)), "{done}");
    let query =
        json!({ "query": "select ext_id, matched_event_id from external_access_logs order by ext_id", "tail": true });
    let (_, rows) = world.json(Method::POST, "/api/v1/sql", &As::Operator, &query).await;
    assert_eq!(rows[0], json!({ "ext_id": "s3/r-1", "matched_event_id": put["event_id"] }));
    assert_eq!(rows[1], json!({ "ext_id": "s3/r-2", "matched_event_id": null }), "{rows}");
    let named = json!({ "source": "s3", "accesses": [seen("ann jones", &actor)] });
    let (status, error) = world.json(Method::POST, "/api/v1/accesses/import", &As::Operator, &named).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!error.to_string().contains("ann"), "{error}");
}
