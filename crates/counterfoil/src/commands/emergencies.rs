//! `counterfoil emergencies`.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::json;

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do in and after an emergency.
#[derive(Subcommand)]
pub enum Emergencies {
    /// Take a role at once, for minutes; everybody is told, and somebody else reviews it
    Declare(Declare),
    /// End an emergency before its time
    End {
        /// Its identifier, such as e_0123456789abcdef
        emergency: String,
    },
    /// Say what a look at an emergency afterwards found
    Review(Review),
    /// List emergencies, those to be reviewed first
    List,
}

/// A role that is needed now.
#[derive(Args)]
pub struct Declare {
    /// The role: administrator, data_steward, deployer, monitor or privacy_officer
    #[arg(long)]
    role: String,
    /// Where it holds: `org`, which is everywhere, `service/NAME`, `environment/NAME` of services, or `dataset/NAME`
    #[arg(long, default_value = "org")]
    scope: String,
    /// For how many minutes; 60 at most
    #[arg(long, default_value_t = 15)]
    minutes: u32,
    /// Where the reason is written down, such as an incident's number; never a name
    #[arg(long)]
    reference: String,
}

/// What was found.
#[derive(Args)]
pub struct Review {
    /// The emergency's identifier, such as e_0123456789abcdef
    emergency: String,
    /// Whether there was an emergency, and what was done fits it
    #[arg(long, value_enum)]
    finding: Finding,
    /// Where the review is written down, such as a ticket's number; never a name
    #[arg(long)]
    reference: String,
}

/// A finding.
#[derive(Clone, Copy, ValueEnum)]
pub enum Finding {
    /// It was one, and what was done fits it
    Justified,
    /// It was none, or more was done than it asked for
    Unjustified,
}

const LIST: &str = "select emergency_id, principal_id, role, scope, declared_at, coalesce(ended_at, ends_at) as over_at, uses, \
                    review_due_at, reviewed_by, finding, reference from emergencies order by reviewed_at is not null, declared_at desc";

impl Emergencies {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let (path, body, said) = match self {
            Self::List => return super::sql::print(json, connect, LIST).await,
            Self::Declare(wish) => {
                let body = json!({
                    "role": wish.role, "scope": wish.scope, "minutes": wish.minutes, "reference": wish.reference,
                });
                ("/api/v1/emergencies".to_owned(), Some(body), "declared")
            }
            Self::End { emergency } => (format!("/api/v1/emergencies/{emergency}/end"), None, "ended"),
            Self::Review(review) => {
                let finding = match review.finding {
                    Finding::Justified => "justified",
                    Finding::Unjustified => "unjustified",
                };
                let body = json!({"finding": finding, "reference": review.reference});
                (format!("/api/v1/emergencies/{}/review", review.emergency), Some(body), "reviewed")
            }
        };
        let client = connect.open().await?;
        let answer = client.json(Method::POST, &path, body.as_ref()).await?;
        client.close().await?;
        match json {
            true => output::json(&answer),
            false => output::line(format!("{said}: {}", answer["emergency"].as_str().unwrap_or_default())),
        }
    }
}
