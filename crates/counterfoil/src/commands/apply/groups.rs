//! Groups as a file declares them: what each is called, and which roles being in it asks for. Who is in a group is said by
//! the directory, by the sign-in and by hand, and stands in no file.

use std::collections::BTreeSet;

use domain::people::MappedRole;
use domain::people::roles;
use http::Method;
use serde_json::{Value, json};

use super::{Part, Step};
use crate::client::Client;
use crate::commands::groups::at;
use crate::commands::orgfile::{GroupFile, OrgFile};
use crate::output::Failure;

/// What it takes until groups are as the file says. They are found by name, which only those are shown who may know it.
///
/// # Errors
/// When they cannot be looked at, and when a role or its scope is neither declared nor in force.
pub(super) async fn plan(file: &OrgFile, in_force: &Value, client: &Client) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    for (name, group) in &file.groups {
        group.roles.iter().try_for_each(|(role, place)| exists(file, in_force, name, role, place))?;
        let known = match client.json(Method::GET, &at(name), None).await {
            Ok(known) => known,
            Err(failure) if failure.kind == "not_found" => Value::Null,
            Err(failure) => return Err(failure),
        };
        steps.extend(described(name, group, &known));
        steps.extend(mapped(name, group, &known));
    }
    Ok(steps)
}

fn exists(file: &OrgFile, in_force: &Value, group: &str, role: &MappedRole, place: &str) -> Result<(), Failure> {
    let MappedRole { role, scope } = role;
    let known = |part: &str, name: &str| !in_force[part][name].is_null();
    let wrong = |what: String| Err(Failure::usage(format!("{place}: group `{group}`: {what}")));
    if roles::find(role).is_none() && !file.roles.contains_key(role) && !known("roles", role) {
        return wrong(format!("there is no role `{role}`: see `counterfoil roles list`"));
    }
    if let Some(environment) = scope.strip_prefix(roles::ENVIRONMENT) {
        return match is_environment(file, in_force, environment) {
            true => Ok(()),
            false => {
                wrong(format!("no service is in environment `{environment}`: declare one, or map the role elsewhere"))
            }
        };
    }
    if let Some(dataset) = scope.strip_prefix(roles::DATASET) {
        return match file.datasets.contains_key(dataset) || known("datasets", dataset) {
            true => Ok(()),
            false => wrong(format!("there is no data set `{dataset}`: declare it, or map the role elsewhere")),
        };
    }
    match scope.strip_prefix("service/") {
        Some(service) if !file.services.contains_key(service) && !known("services", service) => {
            wrong(format!("there is no service `{service}`: declare it, or map the role elsewhere"))
        }
        _ => Ok(()),
    }
}

/// Whether a service is in an environment, as the file has it, or as it stands when the file leaves it out.
fn is_environment(file: &OrgFile, in_force: &Value, environment: &str) -> bool {
    let left = in_force["services"].as_object().into_iter().flatten();
    let mut left = left.filter(|(name, _)| !file.services.contains_key(*name));
    file.services.values().any(|spec| spec.environment == environment)
        || left.any(|(_, spec)| spec["environment"].as_str().unwrap_or("prod") == environment)
}

/// A group that is to be made, or whose key at the directory is another.
fn described(name: &str, group: &GroupFile, known: &Value) -> Option<Step> {
    let is_new = known.is_null();
    let mut body = json!({ "name": if is_new { json!(name) } else { known["name"].clone() } });
    if let Some(id) = &group.external_id {
        body["external_id"] = json!(id);
    }
    let (sign, what, door) = match is_new {
        true => ('+', format!("group {name}"), (Method::POST, "/api/v1/groups".to_owned())),
        false if group.external_id.is_some() && known["external_id"] != body["external_id"] => {
            ('~', format!("group {name}: its key at the directory"), (Method::PATCH, at(name)))
        }
        false => return None,
    };
    Some(Step { part: Part::Groups, sign, what, upload: None, door: Some(door), body })
}

fn mapped(name: &str, group: &GroupFile, known: &Value) -> Option<Step> {
    let wanted: BTreeSet<&MappedRole> = group.roles.iter().map(|(role, _)| role).collect();
    let mapping = &known["mapping"];
    let old: Vec<MappedRole> = serde_json::from_value(mapping["roles"].clone()).unwrap_or_default();
    let days = group.days;
    let as_long = wanted.is_empty() || mapping["days"] == json!(days);
    if old.iter().collect::<BTreeSet<_>>() == wanted && as_long {
        return None;
    }
    let sign = if old.is_empty() { '+' } else { '~' };
    let words: Vec<String> = wanted.iter().map(|role| format!("{} in {}", role.role, role.scope)).collect();
    let what = match words.is_empty() {
        true => format!("group {name}: asks for nothing"),
        false => format!("group {name}: asks for {} for {days} days", words.join(", ")),
    };
    let door = Some((Method::PUT, format!("{}/roles", at(name))));
    let body = json!({ "roles": wanted, "days": days });
    Some(Step { part: Part::Groups, sign, what, upload: None, door, body })
}
