//! The people of the story, each with one duty, and what they are refused.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use super::Say;
use crate::client::{Client, Connect};
use crate::commands::{Apply, Part};
use crate::output::Failure;

/// Each duty and who gets it: made-up people, called after what they do. The first approves the others.
const DUTIES: [(&str, &str); 10] = [
    ("security_lead", "Sam Security"),
    ("data_steward", "Mira Steward"),
    ("model_trainer", "Theo Trainer"),
    ("model_approver", "Ana Approver"),
    ("deployer", "Dana Deployer"),
    ("monitor", "Mo Monitor"),
    ("privacy_officer", "Pia Privacy"),
    ("privacy_officer", "Pat Privacy"),
    ("compliance_lead", "Cleo Compliance"),
    ("auditor", "Otto Auditor"),
];

/// Who has been there from the beginning.
const ADMINISTRATOR: &str = "Ada Administrator";

/// Whoever does something in the story, and so needs a key.
const ACTING: [&str; 5] = ["security_lead", "model_trainer", "model_approver", "deployer", "privacy_officer"];

/// How many people there are.
pub const COUNT: usize = DUTIES.len() + 1;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// How long the roles last, in milliseconds.
const DAYS_90: i64 = 90 * DAY_MS;

/// Where the reasons are written down.
const REFERENCE: &str = "DEMO-1";

/// The people who act in the story, each by a key of their own.
pub struct People {
    administrator: Connect,
    trainer: (String, Connect),
    approver: Connect,
    deployer: (String, Connect),
    officers: Vec<Connect>,
    /// What was refused, in words.
    pub refused: Vec<String>,
}

/// Gives each their duty, and shows what nobody may have.
///
/// # Errors
/// The first step that did not work, and when the conflict was not refused.
pub async fn duties(say: &Say, connect: &Connect, url: &str) -> Result<People, Failure> {
    say.step("giving people their duties: counterfoil people set and add, counterfoil grants request and approve");
    let administrator = connect.open().await?;
    call_by_name(say, &administrator).await?;
    let mut approver = None;
    let (mut keys, mut officers) = (std::collections::BTreeMap::new(), Vec::new());
    for (role, name) in DUTIES {
        let user_name = format!("{}@example.com", name.to_lowercase().replace(' ', "."));
        let person = json!({"kind": "human", "name": name, "user_name": user_name});
        let added = administrator.json(Method::POST, "/api/v1/people", Some(&person)).await?;
        let actor = added["actor"].as_str().unwrap_or_default().to_owned();
        let asked = administrator.json(Method::POST, "/api/v1/grants", Some(&wish(&actor, role))).await?;
        let path = format!("/api/v1/grants/{}/approve", asked["grant"].as_str().unwrap_or_default());
        // While there is no second person who could, the administrator approves the first approver.
        approver.as_ref().unwrap_or(&administrator).json(Method::POST, &path, None).await?;
        say.line(&format!("  {actor} is {name}, {}", role.replace('_', " ")));
        if !ACTING.contains(&role) {
            continue;
        }
        let key = Connect::to(url, &key_of(&administrator, &actor).await?);
        if approver.is_none() {
            approver = Some(key.open().await?);
        }
        if role == "privacy_officer" {
            officers.push(key);
        } else {
            keys.insert(role, (actor, key));
        }
    }
    let mut take = |role: &str| {
        let missing = || Failure::new(1, "nobody", format!("nobody has the duty `{role}`"));
        keys.remove(role).ok_or_else(missing)
    };
    let trainer = take("model_trainer")?;
    let (approver, deployer) = (take("model_approver")?.1, take("deployer")?);
    say.step("asking for what nobody may have: the model trainer as deployer too");
    let refused = administrator.json(Method::POST, "/api/v1/grants", Some(&wish(&trainer.0, "deployer"))).await;
    let refused = vec![must_be_refused(say, refused, "training and deploying came into one hand")?];
    administrator.close().await?;
    Ok(People { administrator: connect.clone(), trainer, approver, deployer, officers, refused })
}

impl People {
    /// Declares the organisation, everybody their part of it.
    ///
    /// # Errors
    /// The first step that did not work, and when somebody could do what is another's duty.
    pub async fn declare(&mut self, say: &Say, file: &Path) -> Result<(), Failure> {
        let apply = |only: &[Part], ask: Option<&str>| Apply {
            file: file.to_owned(),
            yes: true,
            dry_run: false,
            prune: false,
            only: only.to_vec(),
            ask: ask.map(str::to_owned),
        };
        let told = |steps: Vec<String>| steps.iter().for_each(|step| say.line(&format!("  {step}")));
        let name = file.display();
        say.step(&format!("the administrator: counterfoil apply -f {name} --only providers --only controls"));
        told(apply(&[Part::Providers, Part::Controls], None).quietly(&self.administrator).await?.0);
        say.step("the administrator tries what is the deployer's duty: counterfoil apply --only services");
        let tried = apply(&[Part::Services], None).quietly(&self.administrator).await;
        self.refused.push(must_be_refused(say, tried, "the administrator deployed")?);
        say.step(&format!("the model trainer: counterfoil apply -f {name} --only models"));
        told(apply(&[Part::Models], None).quietly(&self.trainer.1).await?.0);
        say.step(&format!("the deployer: counterfoil apply -f {name} --only services --ask {REFERENCE}"));
        let (steps, asked) = apply(&[Part::Services], Some(REFERENCE)).quietly(&self.deployer.1).await?;
        told(steps);
        for approval in &asked {
            say.line(&format!("  waits for approval: {approval}"));
            self.approve(say, approval).await?;
        }
        say.step("the deployer carries out what was approved, to the letter: counterfoil approvals carry-out");
        let deployer = self.deployer.1.open().await?;
        for approval in &asked {
            let done = deployer.json(Method::POST, &format!("/api/v1/approvals/{approval}/carry-out"), None).await?;
            let events = done["events"].as_array().into_iter().flatten().filter_map(|event| event["t"].as_str());
            say.line(&format!("  {approval}: {}", events.collect::<Vec<_>>().join(", ")));
        }
        self.register(say, &deployer).await?;
        deployer.close().await
    }

    /// Registers a program, for which the deployer answers, and returns its pseudonym.
    ///
    /// # Errors
    /// The first step that did not work.
    pub async fn account(&self, name: &str) -> Result<String, Failure> {
        let administrator = self.administrator.open().await?;
        let program = json!({"kind": "service", "name": name});
        let added = administrator.json(Method::POST, "/api/v1/people", Some(&program)).await?;
        let account = added["actor"].as_str().unwrap_or_default().to_owned();
        let owner = json!({"owner": self.deployer.0});
        administrator.json(Method::POST, &format!("/api/v1/people/{account}/owner"), Some(&owner)).await?;
        administrator.close().await?;
        Ok(account)
    }

    /// Forgets a customer: one privacy officer takes the request in, the other confirms who asks, both approve what the
    /// administrator carries out, and the certificate comes into `file`.
    ///
    /// # Errors
    /// The first step that did not work, and when something is left of the customer.
    pub async fn forget(&self, say: &Say, customer: &str, file: &Path) -> Result<(), Failure> {
        say.step("a customer of the chat asks to be forgotten: counterfoil requests receive, identity, search, ask,");
        say.line("   execute, certificate, close");
        let [first, second] = &self.officers[..] else {
            return Err(Failure::new(1, "nobody", "two privacy officers are needed"));
        };
        let (first, second, administrator) =
            (first.open().await?, second.open().await?, self.administrator.open().await?);
        let wish =
            json!({"kind": "erasure", "channel": "email", "identifiers": [format!("[support-assistant] {customer}")]});
        let received = first.json(Method::POST, "/api/v1/requests", Some(&wish)).await?;
        let request = received["request"].as_str().unwrap_or_default();
        let path = format!("/api/v1/requests/{request}");
        let checked = json!({"method": "callback", "result": "confirmed", "reference": REFERENCE});
        second.json(Method::POST, &format!("{path}/identity"), Some(&checked)).await?;
        let found = first.json(Method::POST, &format!("{path}/search"), None).await?;
        say.line(&format!("  {request}: {} inferences of theirs are held", found["searched"]["counts"]["inferences"]));
        let reference = json!({"reference": REFERENCE});
        let asked = administrator.json(Method::POST, &format!("{path}/approval"), Some(&reference)).await?;
        let vote = format!("/api/v1/approvals/{}/vote", asked["approval"].as_str().unwrap_or_default());
        for officer in [&first, &second] {
            officer.json(Method::POST, &vote, Some(&json!({"vote": "approve"}))).await?;
        }
        let done = administrator.json(Method::POST, &format!("{path}/execute"), None).await?;
        if done["standing"] != "erased" {
            return Err(Failure::new(1, "not_erased", format!("request {request} is {}", done["standing"])));
        }
        say.line(&format!("  erased in {} steps, as two approved", done["steps"].as_array().map_or(0, Vec::len)));
        let certificate = format!("{path}/certificate");
        let certificate = first.send(Method::GET, &certificate, "application/json", Vec::new()).await?;
        std::fs::write(file, &certificate.body)?;
        let notified_at = chrono::Utc::now().timestamp_millis();
        let closed = json!({"outcome": "done", "reference": REFERENCE, "notified_at": notified_at});
        first.json(Method::POST, &format!("{path}/close"), Some(&closed)).await?;
        first.close().await?;
        second.close().await?;
        administrator.close().await
    }

    /// The deployer answers for both services, and the approver agrees to that and to their risk.
    async fn register(&self, say: &Say, deployer: &Client) -> Result<(), Failure> {
        say.step("who answers for each service: counterfoil services register, approvals approve and carry-out");
        let approver = self.approver.open().await?;
        let owner = &self.deployer.0;
        for (service, risk_tier) in [("credit-risk", "high"), ("support-assistant", "medium")] {
            let body = json!({"service": service, "owner": owner, "risk_tier": risk_tier});
            let wish = json!({"command": {"command": "service.register", "body": body}, "reference": REFERENCE});
            let asked = deployer.json(Method::POST, "/api/v1/approvals", Some(&wish)).await?;
            let path = format!("/api/v1/approvals/{}", asked["approval"].as_str().unwrap_or_default());
            approver.json(Method::POST, &format!("{path}/vote"), Some(&json!({"vote": "approve"}))).await?;
            deployer.json(Method::POST, &format!("{path}/carry-out"), None).await?;
            say.line(&format!("  {owner} answers for {service} ({risk_tier} risk)"));
        }
        approver.close().await
    }

    /// Somebody else approves, and the trainer cannot.
    async fn approve(&mut self, say: &Say, approval: &str) -> Result<(), Failure> {
        let path = format!("/api/v1/approvals/{approval}/vote");
        let vote = json!({"vote": "approve"});
        say.step("the model trainer tries to approve their own model: counterfoil approvals approve");
        let trainer = self.trainer.1.open().await?;
        let tried = trainer.json(Method::POST, &path, Some(&vote)).await;
        self.refused.push(must_be_refused(say, tried, "a trainer approved their own model")?);
        trainer.close().await?;
        say.step("the model approver looks and approves: counterfoil approvals show, counterfoil approvals approve");
        let approver = self.approver.open().await?;
        let shown = approver.json(Method::GET, &format!("/api/v1/approvals/{approval}"), None).await?;
        let asked = &shown["asked"];
        say.line(&format!(
            "  {} on {}, digest {}…",
            asked["command"].as_str().unwrap_or_default(),
            asked["resource"].as_str().unwrap_or_default(),
            asked["digest"].as_str().and_then(|digest| digest.get(..12)).unwrap_or_default()
        ));
        approver.json(Method::POST, &path, Some(&vote)).await?;
        approver.close().await
    }
}

/// Writes down what the administrator is called.
async fn call_by_name(say: &Say, administrator: &Client) -> Result<(), Failure> {
    let people = administrator.json(Method::GET, "/api/v1/people", None).await?;
    let administers = |person: &&Value| {
        person["roles"].as_array().is_some_and(|roles| roles.iter().any(|role| role["role"] == "administrator"))
    };
    let first = people["people"].as_array().into_iter().flatten().find(administers);
    let actor = first.and_then(|person| person["actor"].as_str()).unwrap_or_default();
    let known = json!({"name": ADMINISTRATOR});
    administrator.json(Method::PATCH, &format!("/api/v1/people/{actor}"), Some(&known)).await?;
    say.line(&format!("  {actor} is {ADMINISTRATOR}, who began"));
    Ok(())
}

/// The refusal's words; an error when there was none.
fn must_be_refused<T>(say: &Say, tried: Result<T, Failure>, otherwise: &str) -> Result<String, Failure> {
    match tried {
        Err(refused) if refused.kind == "forbidden" => {
            say.line(&format!("  refused: {}", refused.message));
            Ok(refused.message)
        }
        Err(other) => Err(other),
        Ok(_) => Err(Failure::new(1, "not_apart", format!("{otherwise}: this must never happen"))),
    }
}

fn wish(actor: &str, role: &str) -> Value {
    let ends_at = chrono::Utc::now().timestamp_millis() + DAYS_90;
    json!({"actor": actor, "role": role, "scope": "org", "ends_at": ends_at, "reference": REFERENCE})
}

async fn key_of(administrator: &Client, actor: &str) -> Result<String, Failure> {
    let expires_at = chrono::Utc::now().timestamp_millis() + DAY_MS;
    let body = json!({"actor": actor, "expires_at": expires_at});
    let key = administrator.json(Method::POST, "/api/v1/keys", Some(&body)).await?;
    Ok(key["secret"].as_str().unwrap_or_default().to_owned())
}
