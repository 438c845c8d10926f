//! `counterfoil holds`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;

use super::retention::say;
use crate::client::Connect;
use crate::output::{self, Failure};

/// What may not be destroyed.
#[derive(Subcommand)]
pub enum Holds {
    /// Keep something from being destroyed until another person releases it
    Place(Place),
    /// Let it go again; for another person than who placed it
    Release {
        /// The hold, such as h_0123456789abcdef
        hold: String,
        /// Where the reason is written down, such as a ticket's number; never a name
        #[arg(long)]
        reference: String,
    },
    /// List holds, those that hold first
    List,
}

/// A hold.
#[derive(Args)]
pub struct Place {
    /// What is held: class/NAME, service/NAME, dataset/NAME, or subject/REFERENCE with the 32 digits of its reference
    on: String,
    /// Where the reason is written down, such as a case's number; never a name
    #[arg(long)]
    reference: String,
    /// By when somebody looks whether it is still needed: a date, or a length of time
    #[arg(long, default_value = "90d")]
    review: String,
}

const LIST: &str = "select hold_id, held, reference, placed_by, placed_at, review_due_at, released_by, released_at from legal_holds \
                    order by released_at is not null, placed_at desc";

impl Holds {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::List => super::sql::print(json, connect, LIST).await,
            Self::Place(place) => {
                let review_due = output::in_future(&place.review)?;
                let body = json!({"on": place.on, "reference": place.reference, "review_due": review_due});
                let client = connect.open().await?;
                let answer = client.json(Method::POST, "/api/v1/holds", Some(&body)).await?;
                client.close().await?;
                match json {
                    true => output::json(&answer),
                    false => {
                        let hold = answer["hold"].as_str().unwrap_or_default();
                        output::line(format!("{hold} holds {}", place.on))
                    }
                }
            }
            Self::Release { hold, reference } => {
                let body = json!({"reference": reference});
                let path = format!("/api/v1/holds/{hold}/release");
                say(json, connect, Method::POST, &path, Some(&body), &format!("released: {hold}")).await
            }
        }
    }
}
