//! `counterfoil ledger archive`.

use clap::Subcommand;
use http::Method;
use serde_json::Value;

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with the copies in the write-once bucket.
#[derive(Subcommand)]
pub enum Archive {
    /// How they stand: the bucket, how far they are behind, and what is wrong
    Status,
    /// Copy what is due, and put the bucket to the test, now; also when copying had stopped
    Run,
}

impl Archive {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let client = connect.open().await?;
        let answer = match self {
            Self::Status => client.json(Method::GET, "/api/v1/archive", None).await?,
            Self::Run => client.json(Method::POST, "/api/v1/archive/run", None).await?,
        };
        client.close().await?;
        match json {
            true => output::json(&answer)?,
            false => output::line(said(&answer))?,
        }
        let wrong = answer["stopped"].as_str().or_else(|| answer["trouble"].as_str());
        match (self, wrong) {
            (Self::Run, Some(why)) => Err(Failure::io(format!("the copies are not complete: {why}"))),
            _ => Ok(()),
        }
    }
}

/// The answer in words.
fn said(answer: &Value) -> String {
    let word = |key: &str| answer[key].as_str().unwrap_or_default();
    if answer["configured"] != true {
        return "no write-once bucket in the settings: files are read-only on this disk, and nothing locks them".into();
    }
    let mut text = format!(
        "bucket {}, locks in mode {}: copied through entry {}, {} entries behind, {} objects since the start",
        word("bucket"),
        word("mode"),
        answer["through"],
        answer["lag"],
        answer["copied"]
    );
    match answer["probed"]["outcome"].as_str() {
        Some("held") => text += "\nthe newest trial to delete a locked object was refused",
        Some(outcome) => text += &format!("\nLOCKS DO NOT HOLD: the newest trial ended as `{outcome}`"),
        None => text += "\nnot put to the test since the start",
    }
    for (key, what) in [("stopped", "STOPPED"), ("trouble", "not reached")] {
        if let Some(why) = answer[key].as_str() {
            text += &format!("\n{what}: {why}");
        }
    }
    text
}
