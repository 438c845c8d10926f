//! Connections to a provider that are used again, and those that cannot be.

use std::time::Duration;

use super::rig::{Act, Rig, whole};

const ASK: &str = r#"{"model":"assistant"}"#;
const ANSWER: &str = r#"{"choices":[]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn given_an_answer_that_was_read_when_the_next_call_comes_then_its_connection_is_used_again() {
    let rig = Rig::new().await;
    for acts in [whole(200, "", ANSWER), whole(204, "", ""), whole(429, "", "{}"), whole(200, "", ANSWER)] {
        rig.script(acts);
        rig.chat(ASK).await;
    }
    assert_eq!((rig.seen().len(), rig.connections()), (4, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_provider_that_closes_what_it_kept_when_the_next_call_comes_then_it_goes_over_another() {
    let rig = Rig::new().await;
    for connections in 1..=3 {
        rig.script([whole(200, "", ANSWER), vec![Act::HangUp]].concat());
        let (status, ..) = rig.chat(ASK).await;
        assert_eq!((status.as_u16(), rig.connections()), (200, connections));
        // The end of the connection is on its way.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(rig.seen().len(), 3, "each call went out once");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_calls_at_once_when_they_are_over_then_their_connections_serve_the_next() {
    let rig = Rig::new().await;
    rig.script(whole(200, "", ANSWER));
    for _ in 0..3 {
        let (a, b, c) = tokio::join!(rig.chat(ASK), rig.chat(ASK), rig.chat(ASK));
        assert!([a, b, c].iter().all(|(status, ..)| status.is_success()));
    }
    assert!(rig.connections() <= 3, "{}", rig.connections());
}
