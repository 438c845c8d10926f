//! The people of the story, each with one duty, and the one request that is refused.

use http::Method;
use serde_json::{Value, json};

use super::Say;
use crate::client::Connect;
use crate::output::Failure;

/// Role, where it holds, and a word for the person who gets it.
const DUTIES: [(&str, &str, &str); 5] = [
    ("security_lead", "org", "the security lead, who approves from here on"),
    ("model_trainer", "org", "a model trainer"),
    ("deployer", "service/credit-risk", "a deployer of credit-risk"),
    ("compliance_lead", "org", "a compliance lead"),
    ("auditor", "org", "an auditor"),
];

/// How long the roles last, in milliseconds.
const DAYS_90: i64 = 90 * 24 * 60 * 60 * 1000;

/// Gives each their duty, and shows what nobody may have. Returns the rule that was broken.
///
/// # Errors
/// The first step that did not work, and when the conflict was not refused.
pub async fn duties(say: &Say, connect: &Connect, url: &str) -> Result<Value, Failure> {
    say.step("giving people their duties: counterfoil people add, counterfoil grants request and approve");
    let administrator = connect.open().await?;
    let mut approver = None;
    let mut trainer = String::new();
    for (role, scope, who) in DUTIES {
        let added = administrator.json(Method::POST, "/api/v1/people", Some(&json!({"kind": "human"}))).await?;
        let actor = added["actor"].as_str().unwrap_or_default();
        let asked = administrator.json(Method::POST, "/api/v1/grants", Some(&wish(actor, role, scope))).await?;
        let path = format!("/api/v1/grants/{}/approve", asked["grant"].as_str().unwrap_or_default());
        // While there is no second person who could, the administrator approves the first approver.
        approver.as_ref().unwrap_or(&administrator).json(Method::POST, &path, None).await?;
        say.line(&format!("  {actor} is {who}"));
        if approver.is_none() {
            approver = Some(Connect::to(url, &key_of(&administrator, actor).await?).open().await?);
        }
        if role == "model_trainer" {
            actor.clone_into(&mut trainer);
        }
    }
    say.step("asking for what nobody may have: the model trainer as deployer too");
    let refused = administrator.json(Method::POST, "/api/v1/grants", Some(&wish(&trainer, "deployer", "org"))).await;
    let Err(refused) = refused else {
        return Err(Failure::new(1, "not_apart", "training and deploying came into one hand: this must never happen"));
    };
    say.line(&format!("  refused: {}", refused.message));
    administrator.close().await?;
    Ok(json!({"people": DUTIES.len(), "refused": refused.message}))
}

fn wish(actor: &str, role: &str, scope: &str) -> Value {
    let ends_at = chrono::Utc::now().timestamp_millis() + DAYS_90;
    json!({"actor": actor, "role": role, "scope": scope, "ends_at": ends_at, "reference": "DEMO-1"})
}

async fn key_of(administrator: &crate::client::Client, actor: &str) -> Result<String, Failure> {
    let expires_at = chrono::Utc::now().timestamp_millis() + DAYS_90;
    let body = json!({"actor": actor, "expires_at": expires_at});
    let key = administrator.json(Method::POST, "/api/v1/keys", Some(&body)).await?;
    Ok(key["secret"].as_str().unwrap_or_default().to_owned())
}
