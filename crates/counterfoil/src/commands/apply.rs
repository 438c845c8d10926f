//! `counterfoil apply`: a file's declarations against what is in force; the differences become commands.

mod groups;

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use domain::data::detectors::DetectorSpec;
use domain::data::{DataClass, DatasetSpec};
use domain::keys::tokens::TokenMethod;
use domain::people::{InferenceScope, KeyScope, WorkloadRule};
use domain::serving::{ServiceSpec, Target};
use domain::vendors::ProviderSpec;
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::orgfile::OrgFile;
use crate::client::{Client, Connect};
use crate::output::{self, Failure};

/// The rules by which something is refused that can be asked for: it has no approval, or the one there is of another thing.
pub(super) const ASKABLE: [&str; 2] = ["approval-required", "approval-fits"];

/// What to apply, and how.
#[derive(Args)]
pub struct Apply {
    /// The file with the declarations
    #[arg(long, short)]
    pub file: PathBuf,
    /// Do it without asking
    #[arg(long, short)]
    pub yes: bool,
    /// Only show what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Also retire services, providers, workloads, data sets and detectors that the file does not name
    #[arg(long)]
    pub prune: bool,
    /// Only this part of the file, such as the one that is your duty; give it once for each
    #[arg(long, value_enum)]
    pub only: Vec<Part>,
    /// Ask for an approval of what needs one, giving this reference, such as a ticket's number
    #[arg(long, value_name = "REFERENCE")]
    pub ask: Option<String>,
}

/// A part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Providers
    Providers,
    /// Model versions
    Models,
    /// Services and their routes
    Services,
    /// Data sets
    Datasets,
    /// Rules by which programs prove who they are
    Workloads,
    /// Scopes of tokens
    Tokens,
    /// How long keys may live
    Keys,
    /// How long data is kept
    Retention,
    /// Detectors of your own
    Detectors,
    /// Regions, and where data may be
    Residency,
    /// Roles of your own
    Roles,
    /// Groups of people, and the roles that being in one asks for
    Groups,
    /// Which commands need an approval
    Approvals,
    /// Controls in scope
    Controls,
}

impl Part {
    /// The part that declares things of a kind.
    fn of(kind: &str) -> Self {
        match kind {
            "service" => Self::Services,
            "dataset" => Self::Datasets,
            "token.scope" => Self::Tokens,
            "workload" => Self::Workloads,
            "detector" => Self::Detectors,
            _ => Self::Providers,
        }
    }
}

/// What became of a step.
enum Became {
    /// It was carried out, with these events.
    Done(Vec<Value>),
    /// Others must approve it first: the request, or what was said of one that is open.
    Asked(String),
}

/// One difference and the command that settles it.
struct Step {
    part: Part,
    sign: char,
    what: String,
    /// What is kept under its digest before.
    upload: Option<(DataClass, Vec<u8>)>,
    /// Where the body is sent when it is no command, such as one with a name that must be sealed.
    door: Option<(Method, String)>,
    body: Value,
}

impl Step {
    fn command(part: Part, sign: char, what: String, command: Value) -> Self {
        Self { part, sign, what, upload: None, door: None, body: command }
    }

    fn line(&self) -> String {
        format!("{} {}", self.sign, self.what)
    }
}

impl Apply {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let file = OrgFile::read(&self.file)?;
        let client = connect.open().await?;
        let in_force = client.json(Method::GET, "/api/v1/org", None).await?;
        let steps = self.steps(&file, &in_force, &client).await?;
        if !json {
            show(&steps)?;
        }
        let wanted = !steps.is_empty() && !self.dry_run && (self.yes || ask(json)?);
        let (mut done, mut asked) = (Vec::new(), Vec::new());
        if wanted {
            for step in &steps {
                let became = self.carry_out(&client, step).await;
                match became.map_err(|why| stopped(why, &steps, done.len(), &asked))? {
                    Became::Done(events) => done.push(events),
                    Became::Asked(approval) => asked.push(approval),
                }
            }
        }
        client.close().await?;
        if json {
            let plan: Vec<_> = steps.iter().map(|s| json!({"sign": s.sign.to_string(), "what": s.what})).collect();
            let applied = done.len();
            output::json(&json!({"plan": plan, "applied": applied, "events": done.concat(), "asked": asked}))?;
        } else if wanted {
            output::line(format!("applied {} changes", done.len()))?;
            asked.iter().try_for_each(|approval| output::line(format!("waits for approval: {approval}")))?;
        }
        Ok(())
    }

    /// Applies without asking or printing, and returns what was planned and what waits for approval.
    pub async fn quietly(&self, connect: &Connect) -> Result<(Vec<String>, Vec<String>), Failure> {
        let file = OrgFile::read(&self.file)?;
        let client = connect.open().await?;
        let in_force = client.json(Method::GET, "/api/v1/org", None).await?;
        let steps = self.steps(&file, &in_force, &client).await?;
        let (mut done, mut asked) = (0, Vec::new());
        for step in &steps {
            let became = self.carry_out(&client, step).await;
            match became.map_err(|why| stopped(why, &steps, done, &asked))? {
                Became::Done(_) => done += 1,
                Became::Asked(approval) => asked.push(approval),
            }
        }
        client.close().await?;
        Ok((steps.iter().map(Step::line).collect(), asked))
    }

    async fn steps(&self, file: &OrgFile, in_force: &Value, client: &Client) -> Result<Vec<Step>, Failure> {
        let wants = |part: Part| self.only.is_empty() || self.only.contains(&part);
        if wants(Part::Services) {
            targets_are_declared(file, in_force)?;
        }
        let mut steps = plan(file, in_force, self.prune)?;
        steps.retain(|step| wants(step.part));
        if wants(Part::Groups) {
            // They ask for roles in services: after those, and before the rules of approval, which come last.
            let last = steps.iter().position(|step| step.part == Part::Approvals || step.sign == '-');
            let at = last.unwrap_or(steps.len());
            steps.splice(at..at, groups::plan(file, in_force, client).await?);
        }
        Ok(steps)
    }

    async fn carry_out(&self, client: &Client, step: &Step) -> Result<Became, Failure> {
        if let Some((class, bytes)) = &step.upload {
            let path = format!("/api/v1/artifacts?class={}", class.as_str());
            client.send(Method::PUT, &path, "application/octet-stream", bytes.clone()).await?;
        }
        let (method, path) = step.door.clone().unwrap_or((Method::POST, "/api/v1/commands".to_owned()));
        let refused = match client.json(method, &path, Some(&step.body)).await {
            Ok(done) => return Ok(Became::Done(done["events"].as_array().cloned().unwrap_or_default())),
            Err(refused) => refused,
        };
        let Some(reference) =
            self.ask.as_ref().filter(|_| refused.policies.iter().any(|rule| ASKABLE.contains(&rule.as_str())))
        else {
            return Err(refused);
        };
        let request = json!({"command": step.body, "reference": reference});
        match client.json(Method::POST, "/api/v1/approvals", Some(&request)).await {
            Ok(asked) => Ok(Became::Asked(asked["approval"].as_str().unwrap_or_default().to_owned())),
            // It was asked before, and not enough have voted.
            Err(failure) if failure.kind == "exists" => Ok(Became::Asked(refused.message)),
            Err(failure) => Err(failure),
        }
    }
}

/// Steps are carried out one by one and each is durable by itself: whoever is told of one that failed is told how many
/// were carried out, what waits for approval, and what is left. Applied again, a file does just what is left.
fn stopped(failure: Failure, steps: &[Step], done: usize, asked: &[String]) -> Failure {
    let left: Vec<String> = steps.iter().skip(done + asked.len()).map(Step::line).collect();
    let Some(step) = left.first() else { return failure };
    let waiting = if asked.is_empty() { String::new() } else { format!("; waits for approval: {}", asked.join(", ")) };
    let message = format!(
        "{} (at `{step}`; applied {done} of {}{waiting}; left: {}; apply the file again to go on with what is left)",
        failure.message,
        steps.len(),
        left.join(", ")
    );
    Failure { message, ..failure }
}

/// Whether all that routes name is declared, by the file or before; found out before anything is done.
fn targets_are_declared(file: &OrgFile, in_force: &Value) -> Result<(), Failure> {
    for (service, spec) in &file.services {
        for route in &spec.routes {
            let missing = match &route.target {
                Target::Provider { provider, .. } => {
                    let known = file.providers.contains_key(provider) || !in_force["providers"][provider].is_null();
                    (!known).then(|| format!("provider `{provider}`"))
                }
                Target::Model { model, version } => {
                    let named = file.models.iter().any(|one| one.name == *model && one.version == *version);
                    let known = named || !in_force["models"][model][version].is_null();
                    (!known).then(|| format!("model `{model}` version `{version}`"))
                }
            };
            if let Some(missing) = missing {
                let message = format!(
                    "service `{service}`, route `{}`: {missing} is not declared: declare it in the file, or name another",
                    route.name
                );
                return Err(Failure::usage(message));
            }
        }
    }
    Ok(())
}

fn plan(file: &OrgFile, in_force: &Value, prune: bool) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    // Before the services, whose guards may name them.
    for (name, spec) in &file.detectors {
        let known = &in_force["detectors"][name];
        let same = parsed::<DetectorSpec>(known).as_ref() == Some(spec);
        let body = json!({"detector": name, "spec": spec});
        steps.extend(declared("detector", name, same, known, &json!(spec), body));
    }
    for (name, spec) in &file.providers {
        let body = json!({"provider": name, "spec": spec});
        let old = parsed::<ProviderSpec>(&in_force["providers"][name]);
        steps.extend(declared(
            "provider",
            name,
            old.as_ref() == Some(spec),
            &in_force["providers"][name],
            &json!(spec),
            body,
        ));
    }
    models(file, in_force, &mut steps)?;
    for (name, spec) in &file.services {
        let body = json!({"service": name, "spec": spec});
        let old = parsed::<ServiceSpec>(&in_force["services"][name]);
        steps.extend(declared(
            "service",
            name,
            old.as_ref() == Some(spec),
            &in_force["services"][name],
            &json!(spec),
            body,
        ));
    }
    for (name, spec) in &file.datasets {
        let body = json!({"dataset": name, "spec": spec});
        let known = &in_force["datasets"][name];
        let same = parsed::<DatasetSpec>(known).as_ref() == Some(spec);
        steps.extend(declared("dataset", name, same, known, &json!(spec), body));
    }
    registrations(file, in_force, &mut steps);
    workloads(file, in_force, &mut steps);
    token_scopes(file, in_force, &mut steps);
    steps.extend(key_limit(file, in_force));
    retention(file, in_force, &mut steps);
    residency(file, in_force, &mut steps);
    controls(file, in_force, &mut steps)?;
    roles(file, in_force, &mut steps);
    approvals(file, in_force, &mut steps);
    if prune {
        retire("dataset", "datasets", |name| file.datasets.contains_key(name), in_force, &mut steps);
        retire("service", "services", |name| file.services.contains_key(name), in_force, &mut steps);
        retire("detector", "detectors", |name| file.detectors.contains_key(name), in_force, &mut steps);
        retire("workload", "workloads", |name| file.workloads.contains_key(name), in_force, &mut steps);
        let in_use = |name: &&String| in_force["token_scopes"][name.as_str()]["retired"] == false;
        let known = in_force["token_scopes"].as_object().into_iter().flat_map(|all| all.keys());
        for name in known.filter(in_use).filter(|name| !file.tokens.contains_key(*name)) {
            let command = json!({"command": "token.scope.retire", "body": {"scope": name}});
            steps.push(Step::command(Part::Tokens, '-', format!("token.scope {name}"), command));
        }
        retire("provider", "providers", |name| file.providers.contains_key(name), in_force, &mut steps);
    }
    Ok(steps)
}

fn parsed<T: serde::de::DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

fn declared(kind: &str, name: &str, same: bool, old: &Value, new: &Value, body: Value) -> Option<Step> {
    if same {
        return None;
    }
    let (sign, what) = match old {
        Value::Null => ('+', format!("{kind} {name}")),
        _ => ('~', format!("{kind} {name}: {}", changes(old, new))),
    };
    let part = Part::of(kind);
    Some(Step::command(part, sign, what, json!({"command": format!("{kind}.declare"), "body": body})))
}

fn changes(old: &Value, new: &Value) -> String {
    let empty = serde_json::Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let show = |value: Option<&Value>| value.map_or_else(|| "unset".to_owned(), Value::to_string);
    let differing = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
    let lines: Vec<String> =
        differing.map(|key| format!("{key} {} -> {}", show(old.get(key)), show(new.get(key)))).collect();
    lines.join("; ")
}

fn models(file: &OrgFile, in_force: &Value, steps: &mut Vec<Step>) -> Result<(), Failure> {
    for model in &file.models {
        let path = model.file.display();
        let bytes = std::fs::read(&model.file).map_err(|e| Failure::io(format!("{path}: {e}")))?;
        let sha256 = merkle::hex(&Sha256::digest(&bytes));
        let known = &in_force["models"][&model.name][&model.version];
        if known["artifact_sha256"].as_str() == Some(&sha256) {
            continue;
        }
        let mut body = json!({"model": model.name, "version": model.version, "artifact_sha256": sha256});
        let trained_on: std::collections::BTreeSet<&String> = model.trained_on.iter().collect();
        if !trained_on.is_empty() {
            body["trained_on"] = json!(trained_on);
        }
        if let Some(run) = &model.run {
            body["run"] = json!(run);
        }
        steps.push(Step {
            part: Part::Models,
            sign: '+',
            what: format!("model {} version {} from {path} (sha256 {}…)", model.name, model.version, &sha256[..12]),
            upload: Some((model.class, bytes)),
            door: None,
            body: json!({"command": "model.register", "body": body}),
        });
    }
    Ok(())
}

/// Who answers for services. What is registered is what is declared already: an approval of a service that waits for
/// one itself would be of nothing yet, so that the file is applied again then.
fn registrations(file: &OrgFile, in_force: &Value, steps: &mut Vec<Step>) {
    for (service, owner) in &file.accountable {
        let Some(spec) = file.services.get(service) else { continue };
        if parsed::<ServiceSpec>(&in_force["services"][service]).as_ref() != Some(spec) {
            continue;
        }
        let body = json!({"service": service, "owner": owner, "risk_tier": spec.risk_tier});
        let known = &in_force["registrations"][service];
        if *known == body {
            continue;
        }
        let sign = if known.is_null() { '+' } else { '~' };
        let what =
            format!("registration of service {service}: {owner} answers for it, {} risk", spec.risk_tier.as_str());
        let command = json!({"command": "service.register", "body": body});
        steps.push(Step::command(Part::Services, sign, what, command));
    }
}

/// Rules come after services: what a rule opens is taken from them as the file declares them.
fn workloads(file: &OrgFile, in_force: &Value, steps: &mut Vec<Step>) {
    for (name, workload) in &file.workloads {
        let opens = match workload.services.is_empty() {
            true => KeyScope::Actor(workload.actor.clone()),
            false => {
                let declared = |service: &String| {
                    file.services.get(service).cloned().or_else(|| parsed(&in_force["services"][service]))
                };
                let specs: Vec<ServiceSpec> = workload.services.iter().filter_map(declared).collect();
                let sorted = |names: Vec<String>| names.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
                KeyScope::Inference(InferenceScope {
                    services: sorted(workload.services.clone()),
                    environments: sorted(specs.iter().map(|spec| spec.environment.clone()).collect()),
                    purposes: sorted(specs.iter().map(|spec| spec.purpose.clone()).collect()),
                    account: Some(workload.actor.clone()),
                })
            }
        };
        let rule = WorkloadRule { proof: workload.proof.clone(), opens, ttl_seconds: workload.ttl_seconds };
        let old = &in_force["workloads"][name];
        let same = parsed::<WorkloadRule>(old).as_ref() == Some(&rule);
        let body = json!({"workload": name, "rule": rule});
        steps.extend(declared("workload", name, same, old, &json!(rule), body));
    }
}

fn token_scopes(file: &OrgFile, in_force: &Value, steps: &mut Vec<Step>) {
    for (name, spec) in &file.tokens {
        let known = &in_force["token_scopes"][name];
        let same = known["spec"] == json!(spec) && known["retired"] == false;
        if !same && spec.method == TokenMethod::Ff1 {
            output::note(super::tokens::FF1_WARNING);
        }
        let body = json!({"scope": name, "spec": spec});
        steps.extend(declared("token.scope", name, same, &known["spec"], &json!(spec), body));
    }
}

fn key_limit(file: &OrgFile, in_force: &Value) -> Option<Step> {
    let max_days = file.max_key_days.filter(|days| in_force["max_key_days"] != json!(days))?;
    let what = format!("keys live {max_days} days at most");
    let command = json!({"command": "keys.limit", "body": {"max_days": max_days}});
    Some(Step::command(Part::Keys, '~', what, command))
}

fn retention(file: &OrgFile, in_force: &Value, steps: &mut Vec<Step>) {
    for (rule, kept) in &file.retention {
        let body = json!({
            "rule": rule, "kind": kept.kind, "class": kept.class, "days": kept.days, "basis": kept.basis,
        });
        let known = &in_force["retention"][rule];
        if *known == body {
            continue;
        }
        let sign = if known.is_null() { '+' } else { '~' };
        let what = format!("retention {rule}: {} of class {}, {} days", kept.kind.as_str(), kept.class, kept.days);
        let command = json!({"command": "retention.schedule", "body": body});
        steps.push(Step::command(Part::Retention, sign, what, command));
    }
}

/// Regions before the rules that name them.
fn residency(file: &OrgFile, in_force: &Value, steps: &mut Vec<Step>) {
    let regions = json!(file.regions);
    if !file.regions.is_empty() && in_force["regions"] != regions {
        let sign = if in_force["regions"].as_object().is_none_or(serde_json::Map::is_empty) { '+' } else { '~' };
        let codes: Vec<&str> = file.regions.keys().map(String::as_str).collect();
        let command = json!({"command": "regions.declare", "body": {"regions": regions}});
        steps.push(Step::command(Part::Residency, sign, format!("regions: {}", codes.join(", ")), command));
    }
    for (class, rule) in &file.residency {
        let known = &in_force["residency"][class];
        if *known == json!(rule) {
            continue;
        }
        let sign = if known.is_null() { '+' } else { '~' };
        let what = format!("residency of class {class}: {}", rule.regions.join(", "));
        let command = json!({"command": "residency.rule", "body": {"class": class, "rule": rule}});
        steps.push(Step::command(Part::Residency, sign, what, command));
    }
}

fn controls(file: &OrgFile, in_force: &Value, steps: &mut Vec<Step>) -> Result<(), Failure> {
    let Some(wanted) = &file.controls else { return Ok(()) };
    let catalogue = assurance::catalogue();
    let scoped = catalogue.scope(wanted).map_err(|unknown| {
        Failure::usage(format!("control `{unknown}` is not in the catalogue: see `counterfoil controls list`"))
    })?;
    let scoped = json!(scoped);
    if in_force["controls"] == scoped {
        return Ok(());
    }
    let count = scoped.as_array().map_or(0, Vec::len);
    let command = json!({"command": "controls.scope", "body": {"controls": scoped}});
    let what = format!("controls in scope: {count}");
    steps.push(Step::command(Part::Controls, '~', what, command));
    Ok(())
}

fn roles(file: &OrgFile, in_force: &Value, steps: &mut Vec<Step>) {
    for (role, actions) in &file.roles {
        let known = &in_force["roles"][role];
        if known["actions"] == json!(actions) {
            continue;
        }
        let sign = if known.is_null() { '+' } else { '~' };
        let what = format!("role {role}: {}", actions.join(", "));
        let command = json!({"command": "role.define", "body": {"role": role, "actions": actions}});
        steps.push(Step::command(Part::Roles, sign, what, command));
    }
}

/// Last, so that it does not stand in the way of what the file declares besides.
fn approvals(file: &OrgFile, in_force: &Value, steps: &mut Vec<Step>) {
    let Some(rules) = file.approvals.as_ref().map(|rules| json!(rules)) else { return };
    if in_force["approvals"]["rules"] == rules {
        return;
    }
    let what = format!("rules of approval: {}", rules.as_array().map_or(0, Vec::len));
    let command = json!({"command": "approvals.configure", "body": {"rules": rules}});
    steps.push(Step::command(Part::Approvals, '~', what, command));
}

fn retire(kind: &str, key: &str, named: impl Fn(&str) -> bool, in_force: &Value, steps: &mut Vec<Step>) {
    for name in in_force[key].as_object().into_iter().flat_map(|all| all.keys()).filter(|name| !named(name)) {
        let command = json!({"command": format!("{kind}.retire"), "body": {kind: name}});
        let part = Part::of(kind);
        steps.push(Step::command(part, '-', format!("{kind} {name}"), command));
    }
}

fn show(steps: &[Step]) -> Result<(), Failure> {
    if steps.is_empty() {
        return output::line("nothing to do: everything is as declared");
    }
    for step in steps {
        output::line(step.line())?;
    }
    Ok(())
}

fn ask(json: bool) -> Result<bool, Failure> {
    if json || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("nobody can be asked here: give --yes to apply, or --dry-run to only look"));
    }
    output::text("Apply these changes? Type `yes`: ")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}
