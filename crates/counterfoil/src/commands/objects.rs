//! `counterfoil objects`.

use clap::Subcommand;
use http::Method;
use serde_json::Value;

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with the bucket that data sets and artifacts are kept in.
#[derive(Subcommand)]
pub enum Objects {
    /// Where they are kept, and whether that lets go of what is deleted
    Status,
    /// Put the bucket to the test now: something is stored, read back, and must be gone once it is deleted
    Check,
}

impl Objects {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let client = connect.open().await?;
        let answer = match self {
            Self::Status => client.json(Method::GET, "/api/v1/objects", None).await?,
            Self::Check => client.json(Method::POST, "/api/v1/objects/check", None).await?,
        };
        client.close().await?;
        match json {
            true => output::json(&answer)?,
            false => output::line(said(&answer))?,
        }
        match (self, answer["trouble"].as_str()) {
            (Self::Check, Some(why)) => Err(Failure::io(format!("the bucket did not pass its test: {why}"))),
            _ => Ok(()),
        }
    }
}

/// The answer in words.
fn said(answer: &Value) -> String {
    if answer["configured"] != true {
        return "no bucket of objects in the settings: data sets and artifacts are encrypted files in the data directory".into();
    }
    let mut text = format!("bucket {}", answer["bucket"].as_str().unwrap_or_default());
    text += match answer["versioning"].as_str() {
        Some("never") => ": what was deleted was gone",
        Some(_) => ": it keeps versions, and what was deleted was gone in each",
        None => ": not put to the test since the start",
    };
    if let Some(why) = answer["trouble"].as_str() {
        text += &format!("\nNOTHING IS STORED, OR SOON WILL BE: {why}");
    }
    text
}
