//! The story in order. Each step names the command that does the same by hand.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::people::People;
use super::traffic::{Tally, Traffic};
use super::{Say, people, tamper};
use crate::client::Connect;
use crate::commands::{ControlsRun, CreateKey, Export, print_runs};
use crate::output::Failure;

const ORG: &str = include_str!("../../../../examples/demo/org.toml");
const MODEL: &[u8] = include_bytes!("../../../../examples/credit-risk/model.onnx");

/// Chat requests that are sent, and how many of them by the application; a program on its own account sends the rest.
const CHATS: usize = 300;
const BY_APPLICATION: usize = 200;

/// The program.
const PROGRAM: &str = "Support digest";

/// A customer who asks to be forgotten.
const CUSTOMER: &str = "customer-000";

/// Runs the scenario and returns what it found.
///
/// # Errors
/// The first step that did not work.
pub async fn run(say: &Say, dir: &Path, connect: &Connect, url: &str, stand_in: &str) -> Result<Value, Failure> {
    let mut people = people::duties(say, connect, url).await?;
    let file = write_org(say, dir, stand_in)?;
    people.declare(say, &file).await?;
    let duties = json!({"people": people::COUNT, "refused": people.refused});
    let (applications, chats) = traffic(say, connect, url, &people).await?;
    say.step("sealing segments: counterfoil records seal");
    let client = connect.open().await?;
    let sealed = client.json(http::Method::POST, "/api/v1/segments/seal", None).await?;
    say.line(&format!("  {} segments sealed, their roots are in the ledger", sealed["segments"]));
    let certificate = dir.join("erasure.json");
    people.forget(say, CUSTOMER, &certificate).await?;
    let ledger = client.json(http::Method::GET, "/api/v1/ledger", None).await?;
    let certified = verified(&Say { json: true }, &certificate, ledger["vkey"].as_str())?;
    if certified.code != 0 {
        return Err(Failure::new(certified.code, "not_verified", certified.text));
    }
    say.line(&format!("  its certificate verifies offline: counterfoil verify {} --key VKEY", certificate.display()));
    say.step("testing controls over the ledger: counterfoil controls run");
    let runs = ControlsRun::default().run(connect).await?;
    if !say.json {
        print_runs(&runs)?;
    }
    let package = dir.join("evidence.zip");
    say.step(&format!("packing evidence: counterfoil evidence export --from … -o {}", package.display()));
    let from = chrono::Utc::now() - chrono::TimeDelta::hours(1);
    let export = Export { from: from.to_rfc3339(), to: None, output: package.clone(), payloads: true };
    let written = export.export(connect).await?;
    say.line(&format!("  {} bytes: the ledger, the segments, the queries and what they returned", written["bytes"]));
    let good = verified(say, &package, None)?;
    if good.code != 0 {
        return Err(Failure::new(good.code, "not_verified", "the package that was just written does not verify"));
    }
    let caught = catch(say, dir, &package)?;
    Ok(json!({
        "duties": duties, "applications": told(&applications), "chats": told(&chats), "sealed": sealed["segments"],
        "controls": runs["runs"], "at_size": runs["at_size"], "package": written["package"],
        "forgotten": certified.code == 0, "verified": good.code == 0, "tampered_exit_code": caught,
    }))
}

fn write_org(say: &Say, dir: &Path, stand_in: &str) -> Result<PathBuf, Failure> {
    let file = dir.join("org.toml");
    say.step(&format!("declaring the organisation in {}, everybody their part", file.display()));
    say.line(&format!("  the outside provider is a stand-in on this machine ({stand_in}), not a model"));
    std::fs::write(&file, ORG.replace("STAND_IN_URL", stand_in))?;
    std::fs::write(dir.join("model.onnx"), MODEL)?;
    Ok(file)
}

async fn traffic(say: &Say, connect: &Connect, url: &str, people: &People) -> Result<(Tally, Tally), Failure> {
    say.step("giving each application a key: counterfoil keys create --service … --expires 90d");
    let mut keys = Vec::new();
    for service in ["credit-risk", "support-assistant"] {
        let create = CreateKey { service: vec![service.to_owned()], expires: "90d".to_owned(), ..CreateKey::default() };
        let key = create.create(connect).await?;
        say.line(&format!("  {service}: {}", key["key"].as_str().unwrap_or_default()));
        keys.push(key["secret"].as_str().unwrap_or_default().to_owned());
    }
    let account = people.account(PROGRAM).await?;
    let create = CreateKey {
        service: vec!["support-assistant".to_owned()],
        account: Some(account.clone()),
        expires: "1h".to_owned(),
        ..CreateKey::default()
    };
    say.step(
        "giving a program that the deployer answers for a key for an hour: counterfoil people add --kind service,",
    );
    say.line("   counterfoil people own, counterfoil keys create --account … --expires 1h");
    let key = create.create(connect).await?;
    say.line(&format!("  {account}, {PROGRAM}: {}", key["key"].as_str().unwrap_or_default()));
    keys.push(key["secret"].as_str().unwrap_or_default().to_owned());
    say.step("1,000 credit applications through the Open Inference Protocol");
    let applications = Traffic::new(url, &keys[0]).applications().await?;
    say.line(&format!("  {}", tally(&applications)));
    say.step(&format!(
        "{CHATS} chat calls through the OpenAI protocol, every third one streamed, the last 100 by the program"
    ));
    let chats = Traffic::new(url, &keys[1]).chats(0..BY_APPLICATION).await?;
    let chats = chats.with(&Traffic::new(url, &keys[2]).chats(BY_APPLICATION..CHATS).await?);
    say.line(&format!("  {} (the stand-in fails now and then)", tally(&chats)));
    Ok((applications, chats))
}

fn tally(tally: &Tally) -> String {
    let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    format!("{} sent, {} answered, {} with an error", get(&tally.sent), get(&tally.answered), get(&tally.failed))
}

fn told(tally: &Tally) -> Value {
    let get = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    json!({"sent": get(&tally.sent), "answered": get(&tally.answered), "failed": get(&tally.failed)})
}

struct Verified {
    code: u8,
    text: String,
}

/// Verifies a file as an auditor would: another process, no environment, nothing but the file, and the log's key when
/// there is one from elsewhere.
fn verified(say: &Say, package: &Path, key: Option<&str>) -> Result<Verified, Failure> {
    say.step(&format!("verifying offline, in a process of its own: counterfoil verify {}", package.display()));
    let program = std::env::current_exe()?;
    let key = key.into_iter().flat_map(|key| ["--key", key]);
    let ran = std::process::Command::new(program).arg("verify").arg(package).args(key).env_clear().output()?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    for line in text.lines() {
        say.line(&format!("  {line}"));
    }
    let code = ran.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX);
    Ok(Verified { code, text })
}

fn catch(say: &Say, dir: &Path, package: &Path) -> Result<u8, Failure> {
    let copy: PathBuf = dir.join("evidence-tampered.zip");
    let tampered = tamper::tamper(package, &copy)?;
    say.step(&format!(
        "changing one byte in a copy: record {} of {}, inference {}",
        tampered.index, tampered.segment, tampered.inference
    ));
    let caught = verified(say, &copy, None)?;
    if caught.code == 0 || !caught.text.contains(&tampered.inference) {
        return Err(Failure::new(1, "not_caught", "the changed byte was not found: this must never happen"));
    }
    Ok(caught.code)
}
