//! Names beside pseudonyms.

use http::{Method, StatusCode};
use serde_json::json;

use super::door::{As, World, text};

/// Overwrites every sealed note.
fn damage(world: &World) {
    let shelves = std::fs::read_dir(world.engine.data_dir().join("notes")).expect("notes are kept");
    for shelf in shelves {
        for note in std::fs::read_dir(shelf.expect("readable").path()).expect("a directory") {
            let note = note.expect("readable").path();
            std::fs::remove_file(&note).expect("removed");
            std::fs::write(&note, "something else").expect("written");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_name_that_was_altered_on_disk_when_pages_would_show_it_then_they_show_the_pseudonym_and_stay_whole() {
    let world = World::new().await;
    let operator = world.engine.authenticate(&world.token).expect("the operator").actor;
    let path = format!("/api/v1/people/{operator}");
    let (status, known) = world.json(Method::PATCH, &path, &As::Operator, &json!({ "name": "Ann Example" })).await;
    assert_eq!(status, StatusCode::OK, "{known}");
    let who = As::Session { cookie: world.sign_in().await, ours: true };
    let page = text(world.get("/ledger", &who).await).await;
    assert!(page.contains("Ann Example") && page.contains(&operator), "{page}");

    assert!(page.contains("signed in as <a href=\"/sessions\">Ann Example"), "{page}");

    damage(&world);
    for path in ["/", "/ledger", "/approvals", "/keys"] {
        let page = world.get(path, &who).await;
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        let page = text(page).await;
        assert!(!page.contains("Ann Example") && page.contains(&operator), "{path}: {page}");
    }
    let (status, _) = world.json(Method::GET, &path, &As::Operator, &json!(null)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "whoever asks for the name is not told that there is none");
}
