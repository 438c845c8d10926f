//! What pages keep of what was asked.

use super::door::{As, World, text};

#[tokio::test(flavor = "multi_thread")]
async fn given_a_short_word_for_an_action_when_asked_why_then_the_form_keeps_what_it_means() {
    let world = World::new().await;
    let who = As::Session { cookie: world.sign_in().await, ours: true };
    let page = text(world.get("/authz?action=deploy&resource=service/credit", &who).await).await;
    assert!(page.contains("<option selected>service.declare</option>"), "{page}");
}
