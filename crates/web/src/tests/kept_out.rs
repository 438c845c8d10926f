//! Whoever is kept out is told how to go on and nothing else, and leaves a record.

use http::{Method, StatusCode, header};
use serde_json::json;

use super::door::{As, World, text};
use super::rules;

#[tokio::test(flavor = "multi_thread")]
async fn given_a_recovery_code_that_is_not_good_when_tried_then_it_is_on_record_and_nobody_learns_whose_it_was() {
    let world = World::new().await;
    let (administrator, spent) = world.engine.issue_recovery_by_directory(None).await.expect("issued");
    let (_, good) = world.engine.issue_recovery_by_directory(None).await.expect("issued in their place");
    let elsewhere = World::new().await;
    let (_, foreign) = elsewhere.engine.issue_recovery_by_directory(None).await.expect("issued elsewhere");

    let entered = world.form("/recover", &format!("code={}", good[0])).await;
    assert_eq!(entered.status(), StatusCode::SEE_OTHER, "what is good lets in");
    // Of nobody here; of somebody, and replaced; of somebody, and used.
    let mut answers = Vec::new();
    for code in [&foreign[0], &spent[0], &good[0]] {
        let answer = world.form("/recover", &format!("code={code}")).await;
        assert!(!answer.headers().contains_key(header::SET_COOKIE));
        let (status, headers) = (answer.status(), answer.headers().clone());
        let html = text(answer).await;
        assert!(!html.contains(code.as_str()) && !html.contains(&administrator), "{html}");
        answers.push((status, headers, html));
    }
    assert_eq!(answers[0].0, StatusCode::FORBIDDEN);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "one answer to all that is not good: {answers:?}");
    let mistyped = world.form("/recover", "code=ann-jones").await;
    assert_eq!(mistyped.status(), StatusCode::FORBIDDEN);

    world.engine.seal_now().await.expect("sealed");
    let denied = world.accesses("decision=deny").await;
    let at_door: Vec<_> = denied.iter().filter(|row| row["route"] == "POST /recover").collect();
    let [row] = &at_door[..] else { panic!("one kind of denial, counted: {denied:#?}") };
    assert_eq!((&row["occurrences"], &row["code"]), (&json!(4), &json!("forbidden")), "{row}");
    assert!(row["principal_id"].is_null(), "a code that is not good is nobody's: {row}");
    let all = serde_json::to_string(&denied).expect("JSON");
    assert!(!all.contains(good[0].as_str()) && !all.contains("ann-jones"), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_somebody_without_a_role_when_signed_in_then_a_page_says_who_they_are_whom_to_ask_and_lets_them_out() {
    let world = World::new().await;
    let (_, added) = world.json(Method::POST, "/api/v1/people", &As::Operator, &json!({ "kind": "human" })).await;
    let actor = added["actor"].as_str().expect("a pseudonym").to_owned();
    let cookie = world.sign_in_by_link(&json!({ "actor": actor })).await;
    let who = As::Session { cookie, ours: true };
    for path in ["/", "/ledger", "/controls"] {
        let page = world.get(path, &who).await;
        assert_eq!(page.status(), StatusCode::FORBIDDEN, "{path}");
        let html = text(page).await;
        for expected in ["You hold no role", &actor, "Example Bank", "action=\"/signout\"", "grants request --actor"] {
            assert!(html.contains(expected), "{path}: {expected} in {html}");
        }
        assert_eq!(rules::broken(&html), Vec::<String>::new(), "{path}");
    }
    assert_eq!(world.get("/sessions", &who).await.status(), StatusCode::OK, "what is their own, they see");
    assert!(text(world.get("/", &who).await).await.contains("href=\"/documents\""), "and what they work under");
    let documents = world.get("/documents", &who).await;
    assert_eq!(documents.status(), StatusCode::OK);
    assert!(!text(documents).await.contains("Who has not acknowledged"), "not what others did");
    let (status, error) = world.json(Method::GET, "/api/v1/ledger", &who, &json!(null)).await;
    assert_eq!((status, &error["error"]["code"]), (StatusCode::FORBIDDEN, &json!("forbidden")), "programs get no page");

    // A refusal tells them to ask why, and they may, of themselves.
    let why = |whom: &str| format!("who={whom}&action=deploy&resource=service/credit");
    let path = format!("/api/v1/authz/explain?{}", why(&actor));
    let (status, answer) = world.json(Method::GET, &path, &who, &json!(null)).await;
    assert_eq!((status, &answer["permitted"]), (StatusCode::OK, &json!(false)), "{answer}");
    let html = text(world.get(&format!("/authz?{}", why(&actor)), &who).await).await;
    assert!(html.contains("What would have to change") && !html.contains("Who may</h2>"), "{html}");
    for (path, other) in [("/api/v1/authz/explain", "a_other".to_owned()), ("/authz", String::new())] {
        let answer = world.get(&format!("{path}?{}", why(&other)), &who).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path}");
    }

    let ends_at = engine::Engine::now_ms() + 60_000;
    let wish = json!({ "actor": actor, "role": "monitor", "scope": "org", "ends_at": ends_at, "reference": "CHG-1" });
    let (status, asked) = world.json(Method::POST, "/api/v1/grants", &As::Operator, &wish).await;
    assert_eq!(status, StatusCode::OK, "{asked}");
    let html = text(world.get("/", &who).await).await;
    assert!(html.contains("waiting for somebody else") && html.contains("monitor"), "{html}");

    let denied = world.accesses(&format!("decision=deny&actor={actor}")).await;
    let routes: Vec<&str> = denied.iter().filter_map(|row| row["route"].as_str()).collect();
    assert!(routes.contains(&"GET /") && routes.contains(&"GET /ledger"), "each is on record: {routes:?}");
    assert_eq!(world.send(Method::POST, "/signout", &who, "").await.status(), StatusCode::SEE_OTHER);
    assert_eq!(world.get("/", &who).await.status(), StatusCode::SEE_OTHER, "the session is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_role_in_one_data_set_when_signed_in_then_pages_offer_what_may_be_read_and_a_way_out() {
    let world = World::new().await;
    let holder = async |role: &str, scope: &str| {
        let (_, added) = world.json(Method::POST, "/api/v1/people", &As::Operator, &json!({ "kind": "human" })).await;
        let actor = added["actor"].as_str().expect("a pseudonym").to_owned();
        let ends_at = engine::Engine::now_ms() + 60_000;
        let wish = json!({ "actor": actor, "role": role, "scope": scope, "ends_at": ends_at, "reference": "CHG-1" });
        let (status, asked) = world.json(Method::POST, "/api/v1/grants", &As::Operator, &wish).await;
        assert_eq!(status, StatusCode::OK, "{asked}");
        let path = format!("/api/v1/grants/{}/approve", asked["grant"].as_str().expect("a grant"));
        let (status, approved) = world.json(Method::POST, &path, &As::Operator, &json!({})).await;
        assert_eq!(status, StatusCode::OK, "{approved}");
        let cookie = world.sign_in_by_link(&json!({ "actor": actor })).await;
        (actor, As::Session { cookie, ours: true })
    };
    let (owner, steward) = holder("data_steward", "org").await;
    for name in ["loans", "claims"] {
        let spec = json!({ "class": "internal", "owner": owner, "source": "crm/exports", "licence": "CC-BY-4.0",
            "purposes": ["audit"] });
        let declare = json!({ "command": "dataset.declare", "body": { "dataset": name, "spec": spec } });
        let (status, declared) = world.json(Method::POST, "/api/v1/commands", &steward, &declare).await;
        assert_eq!(status, StatusCode::OK, "{declared}");
    }
    let (_, who) = holder("data_steward", "dataset/loans").await;
    for (path, status) in [("/", StatusCode::OK), ("/data", StatusCode::OK), ("/ledger", StatusCode::FORBIDDEN)] {
        let page = world.get(path, &who).await;
        assert_eq!(page.status(), status, "{path}");
        let html = text(page).await;
        for (place, offered) in [("/data", true), ("/documents", true), ("/encryption", false), ("/sql", false)] {
            assert_eq!(html.contains(&format!("<li><a href=\"{place}\"")), offered, "{path}: {place} in {html}");
        }
        assert!(html.contains("action=\"/signout\""), "{path}: {html}");
        assert_eq!(rules::broken(&html), Vec::<String>::new(), "{path}");
    }
    assert!(text(world.get("/", &who).await).await.contains("data_steward"), "what they hold");
    let (status, listed) = world.json(Method::GET, "/api/v1/datasets", &who, &json!(null)).await;
    let names: Vec<_> = listed["datasets"].as_array().into_iter().flatten().map(|one| &one["dataset"]).collect();
    assert_eq!((status, names), (StatusCode::OK, vec![&json!("loans")]), "theirs, and no other: {listed}");
}

/// How the API answers whoever shows a key.
async fn ask(world: &mut World, key: &str) -> StatusCode {
    key.clone_into(&mut world.token);
    world.json(Method::GET, "/api/v1/ledger", &As::Operator, &json!(null)).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn given_failures_that_a_success_interrupts_when_counted_then_only_those_in_a_row_make_one_wait() {
    let mut world = World::new().await;
    let good = world.token.clone();
    for _ in 0..3 {
        for _ in 0..8 {
            assert_eq!(ask(&mut world, "cfk_of_nobody").await, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(ask(&mut world, &good).await, StatusCode::OK);
    }
    for _ in 0..10 {
        ask(&mut world, "cfk_of_nobody").await;
    }
    assert_eq!(ask(&mut world, "cfk_of_nobody").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&mut world, &good).await, StatusCode::OK, "a good key need not wait");
    assert_eq!(ask(&mut world, "cfk_of_nobody").await, StatusCode::UNAUTHORIZED, "and ends the row");
}
