//! The process dies, or the disk is full. Nothing that was acknowledged is lost, and nothing is there twice.

mod disk;
mod kill;
mod start;
mod sync;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::http::{RUNTIME, try_send};
use crate::support::world::ask;
use crate::support::{Response, World};

/// Clients that call again and again, and remember which inferences they were given an answer to.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: JoinSet<Vec<String>>,
}

impl Load {
    /// Starts clients that call route `chat`, every other one as a stream.
    fn start(world: &World, clients: usize) -> Self {
        let stop: Arc<AtomicBool> = Arc::default();
        let answered: Arc<AtomicUsize> = Arc::default();
        let mut set = JoinSet::new();
        for number in 0..clients {
            let (url, bearer) = (format!("{}/v1/chat/completions", world.url), format!("Bearer {}", world.key));
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            let mut body = ask("chat");
            body["stream"] = (number % 2 == 1).into();
            let body = Bytes::from(body.to_string());
            let client = async move {
                let mut mine = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let headers = [("authorization", bearer.as_str())];
                    let answer = try_send(::http::Method::POST, &url, &headers, body.clone()).await;
                    let Some(answer) = answer else { break };
                    if answer.status == 200 && is_whole(&answer) {
                        answered.fetch_add(1, Ordering::Relaxed);
                        mine.push(answer.header("x-counterfoil-inference").expect("an identifier").to_owned());
                    }
                }
                mine
            };
            set.spawn_on(client, RUNTIME.handle());
        }
        Self { stop, answered, clients: set }
    }

    /// How many calls were answered so far.
    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends the clients; the inferences that were acknowledged.
    fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        RUNTIME.block_on(self.clients.join_all()).concat()
    }
}

/// A stream is acknowledged by its end mark, not by its status.
fn is_whole(answer: &Response) -> bool {
    !answer.body.starts_with(b"data:") || answer.text().ends_with("data: [DONE]\n\n")
}

/// Every acknowledged inference is on record, and no inference is there twice.
#[track_caller]
fn assert_kept(world: &World, acknowledged: &[String]) {
    // One answer has 10,000 rows at most, and a hundred rounds leave more.
    let page = |number: usize| {
        let query = format!(
            "select inference_id from inference_records order by inference_id limit 5000 offset {}",
            number * 5000
        );
        world.json(&["sql", "--tail", &query]).as_array().expect("rows").clone()
    };
    let rows: Vec<Value> = (0..).map(page).take_while(|rows| !rows.is_empty()).flatten().collect();
    let ids: BTreeSet<&str> = rows.iter().map(|row| row["inference_id"].as_str().expect("text")).collect();
    assert_eq!(ids.len(), rows.len(), "an inference is on record twice");
    let lost: Vec<&String> = acknowledged.iter().filter(|id| !ids.contains(id.as_str())).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged inferences are lost: {lost:?}", lost.len(), acknowledged.len());
}
