//! `counterfoil encryption`.

mod custodian;
mod passphrase;

use std::path::Path;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::client::Connect;
use crate::output::{self, Failure};

/// What to do with the keys that data are encrypted under.
#[derive(Subcommand)]
pub enum Encryption {
    /// How the keys stand: what holds the root key, the schedule, and how many keys each class has
    Status,
    /// List every version of each class key, with when it is to be replaced
    Keys,
    /// Replace the key of a class now; no data are rewritten
    Rotate {
        /// The class, such as personal
        class: String,
    },
    /// Give the root key a new version and destroy the older ones: copies of the key store made before open nothing
    Ratchet,
    /// Set when keys are replaced by themselves
    Configure(Configure),
    /// Put the root key file under a passphrase, change it or take it away, while no server runs
    Passphrase(passphrase::Passphrase),
    /// Move the root key to the custodian that the settings name, while no server runs; then retire the one before
    MoveCustodian(custodian::MoveCustodian),
}

/// When keys are replaced.
#[derive(Args)]
pub struct Configure {
    /// After how many days the key of a class is replaced; 366 at most
    #[arg(long, default_value_t = 90)]
    class_days: u32,
    /// After how many hours the root key is ratcheted; 720 at most
    #[arg(long, default_value_t = 24)]
    ratchet_hours: u32,
}

const KEYS: &str = "select key_id, classification, state, created_at, rotate_due_at, custodian_id from crypto_keys \
                    order by classification, created_at";

impl Encryption {
    pub async fn run(self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let (method, path, body) = match self {
            Self::Passphrase(command) => return command.run(json, connect),
            Self::MoveCustodian(command) => return command.run(json, connect).await,
            Self::Keys => return super::sql::print(json, connect, KEYS).await,
            Self::Status => (Method::GET, "/api/v1/encryption", None),
            Self::Rotate { class } => (Method::POST, "/api/v1/encryption/rotate", Some(json!({"key": class}))),
            Self::Ratchet => (Method::POST, "/api/v1/encryption/rotate", Some(json!({"key": "root"}))),
            Self::Configure(to) => {
                let body = json!({"class_days": to.class_days, "ratchet_hours": to.ratchet_hours});
                (Method::PUT, "/api/v1/encryption/schedule", Some(body))
            }
        };
        let client = connect.open().await?;
        let answer = client.json(method, path, body.as_ref()).await?;
        client.close().await?;
        match json {
            true => output::json(&answer),
            false => output::line(said(&answer)),
        }
    }
}

/// The answer in words.
fn said(answer: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(classes) = answer["classes"].as_array() {
        let (custodian, schedule) = (&answer["custodian"], &answer["schedule"]);
        let mut text = format!(
            "root key {} held by {}; class keys after {} days, root key after {} hours",
            word(&custodian["key_id"]),
            word(&custodian["kind"]),
            schedule["class_days"],
            schedule["ratchet_hours"]
        );
        for class in classes {
            let (subjects, days) = (&class["subject_keys"], &class["day_keys"]);
            text += &format!(
                "\n{}: subject keys {} live, {} destroyed; day keys {} live, {} destroyed",
                word(&class["key"]),
                subjects["live"],
                subjects["destroyed"],
                days["live"],
                days["destroyed"]
            );
        }
        return text;
    }
    match (&answer["key"], answer["done"].as_bool()) {
        (Value::Null, _) => {
            format!(
                "set: class keys after {} days, root key after {} hours",
                answer["class_days"], answer["ratchet_hours"]
            )
        }
        (key, Some(true)) if answer.get("version").is_some() => {
            format!("rotated: class/{}/v{}", word(key), answer["version"])
        }
        (_, Some(true)) => format!("ratcheted: {}", word(&answer["key_id"])),
        (key, _) => format!("asked for: {}; it will be done within a minute of the next start", word(key)),
    }
}

/// Keeps servers off the data directory, which would go on with the keys that they have read.
fn hold(data: &Path) -> Result<std::fs::File, Failure> {
    let lock = std::fs::File::open(data.join("ledger/.state/LOCK")).map_err(|_| {
        Failure::usage(format!("`{}` holds no data: name the data directory with --data", data.display()))
    })?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(_) => {
            let why = format!("`{}` is in use by a server: stop it first", data.display());
            Err(Failure::new(5, "locked", why))
        }
    }
}
