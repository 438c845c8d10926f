//! Changes of a resource (RFC 7644, section 3.5.2), in the shapes that directories really send.
//!
//! Operations apply in order to a copy; when one fails, none of them happened. Entra ID capitalises operations, writes
//! truth values as text, leaves the path out and puts paths where names belong, and removes members by value; Okta sends
//! what only the server may set along with what it changes. All of that is understood here.

use serde_json::{Map, Value};

use crate::accept::{accept_attribute, accept_one, complete, extended, one_primary};
use crate::filter::Filter;
use crate::path::Path;
use crate::resolve::Attr;
use crate::schema::{Attribute, Mutability, ResourceType, Schema};
use crate::{Error, MAX_OPERATIONS, MAX_VALUES};

const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// What an operation does with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Add,
    Replace,
    Remove,
}

/// The resource after all operations of a patch.
///
/// # Errors
/// `invalidSyntax`, `invalidPath`, `invalidValue`, `noTarget` or `mutability`; status 413 when it has too many operations.
pub fn patch(
    kind: &'static ResourceType,
    resource: &Map<String, Value>,
    body: &Value,
) -> Result<Map<String, Value>, Error> {
    let syntax = |detail: &str| Error::bad("invalidSyntax", detail);
    let body = body.as_object().ok_or_else(|| syntax("a patch is a JSON object"))?;
    let named = |name: &str| body.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    if let Some(schemas) = named("schemas") {
        let follows = |schema: &Value| schema.as_str().is_some_and(|schema| schema.eq_ignore_ascii_case(PATCH_OP));
        if !schemas.as_array().is_some_and(|schemas| schemas.iter().any(follows)) {
            return Err(syntax("the `schemas` of a patch name PatchOp"));
        }
    }
    let operations = named("Operations").and_then(Value::as_array);
    let operations = operations.ok_or_else(|| syntax("a patch has a list of `Operations`"))?;
    if operations.len() > MAX_OPERATIONS {
        return Err(Error::new(413, format!("a patch has at most {MAX_OPERATIONS} operations")));
    }
    let mut patched = resource.clone();
    for operation in operations {
        one(kind, &mut patched, operation)?;
    }
    complete(kind, &patched)?;
    Ok(patched)
}

fn one(kind: &'static ResourceType, resource: &mut Map<String, Value>, operation: &Value) -> Result<(), Error> {
    let syntax = |detail: &str| Error::bad("invalidSyntax", detail);
    let operation = operation.as_object().ok_or_else(|| syntax("an operation is a JSON object"))?;
    let named = |name: &str| operation.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let op = match named("op").and_then(Value::as_str) {
        Some(op) if op.eq_ignore_ascii_case("add") => Op::Add,
        Some(op) if op.eq_ignore_ascii_case("replace") => Op::Replace,
        Some(op) if op.eq_ignore_ascii_case("remove") => Op::Remove,
        _ => return Err(syntax("an operation's `op` is add, replace or remove")),
    };
    let value = named("value");
    match named("path") {
        Some(Value::String(path)) => change(kind, resource, op, &Path::parse(kind, path)?, value),
        Some(Value::Null) | None if op == Op::Remove => {
            Err(Error::bad("noTarget", "a removal says with `path` of what"))
        }
        Some(Value::Null) | None => {
            let Some(Value::Object(members)) = value else {
                return Err(Error::value("an operation without `path` has an object as its `value`"));
            };
            for (name, value) in members {
                // What no schema names is passed over, as in a whole resource; so is what only the server may set.
                let Ok(path) = Path::parse(kind, name) else { continue };
                if !read_only(&path) {
                    change(kind, resource, op, &path, Some(value))?;
                }
            }
            Ok(())
        }
        Some(_) => Err(Error::path("a path is text")),
    }
}

fn read_only(path: &Path) -> bool {
    match path {
        Path::Extension(_) => false,
        Path::Attr(attr) | Path::Chosen(attr, _) => {
            let server = |of: &Attribute| of.mutability == Mutability::ReadOnly;
            server(attr.attribute) || attr.part.is_some_and(server)
        }
    }
}

fn change(
    kind: &'static ResourceType,
    resource: &mut Map<String, Value>,
    op: Op,
    path: &Path,
    value: Option<&Value>,
) -> Result<(), Error> {
    if read_only(path) {
        return Err(Error::bad("mutability", format!("only the server sets `{path}`")));
    }
    let value = match (op, value) {
        (Op::Remove, value) => value.unwrap_or(&Value::Null),
        (_, Some(value)) => value,
        (_, None) => return Err(Error::value(format!("there is no `value` to put at `{path}`"))),
    };
    match path {
        Path::Extension(extension) => whole_extension(resource, op, extension, value),
        Path::Attr(attr) => {
            if op == Op::Remove && attr.part.is_none() && attr.extension.is_none() && attr.attribute.required {
                return Err(Error::bad("mutability", format!("a {} keeps its `{path}`", kind.name)));
            }
            within(resource, attr.extension, |holder| match attr.part {
                None => whole_attribute(holder, op, attr.attribute, value),
                Some(part) => part_of_all(holder, op, attr.attribute, part, value),
            })
        }
        Path::Chosen(attr, filter) => {
            within(resource, attr.extension, |holder| chosen(holder, op, attr, filter, value, path))
        }
    }
}

/// Changes an extension's object, or the resource itself; an extension that becomes empty goes.
fn within(
    resource: &mut Map<String, Value>,
    extension: Option<&'static Schema>,
    change: impl FnOnce(&mut Map<String, Value>) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(extension) = extension else { return change(resource) };
    let mut holder = match resource.remove(extension.id) {
        Some(Value::Object(holder)) => holder,
        _ => Map::new(),
    };
    change(&mut holder)?;
    if !holder.is_empty() {
        resource.insert(extension.id.to_owned(), Value::Object(holder));
    }
    Ok(())
}

fn whole_extension(
    resource: &mut Map<String, Value>,
    op: Op,
    extension: &'static Schema,
    value: &Value,
) -> Result<(), Error> {
    if op == Op::Remove {
        resource.remove(extension.id);
        return Ok(());
    }
    let given = extended(extension, value)?;
    within(resource, Some(extension), |holder| {
        if let Some(Value::Object(given)) = given {
            holder.extend(given);
        }
        Ok(())
    })
}

fn whole_attribute(
    holder: &mut Map<String, Value>,
    op: Op,
    attribute: &'static Attribute,
    value: &Value,
) -> Result<(), Error> {
    if op == Op::Remove {
        return remove_values(holder, attribute, value);
    }
    let Some(given) = accept_attribute(attribute, value)? else {
        // Nothing takes the place of what was there; nothing is added to it.
        if op == Op::Replace {
            holder.remove(attribute.name);
        }
        return Ok(());
    };
    match (holder.get_mut(attribute.name), given) {
        (Some(Value::Array(known)), Value::Array(given)) if op == Op::Add => {
            for value in given {
                add_value(known, value);
            }
            bounded(attribute, known)
        }
        (Some(Value::Object(known)), Value::Object(given)) => {
            known.extend(given);
            Ok(())
        }
        (_, given) => {
            holder.insert(attribute.name.to_owned(), given);
            Ok(())
        }
    }
}

/// Adds a value to those of a multi-valued attribute, unless it is there.
fn add_value(known: &mut Vec<Value>, value: Value) {
    let same = |one: &Value| match (one.get("value"), value.get("value"), one.get("type") == value.get("type")) {
        (Some(one), Some(other), true) => one == other,
        _ => *one == value,
    };
    match known.iter().position(same) {
        Some(at) => known[at] = value,
        None => known.push(value),
    }
    one_primary(known);
}

fn bounded(attribute: &'static Attribute, values: &[Value]) -> Result<(), Error> {
    match attribute.name == "members" || values.len() <= MAX_VALUES {
        true => Ok(()),
        false => Err(Error::value(format!("`{}` has at most {MAX_VALUES} values", attribute.name))),
    }
}

/// Removes an attribute, or of a multi-valued one those values that are given.
fn remove_values(holder: &mut Map<String, Value>, attribute: &'static Attribute, value: &Value) -> Result<(), Error> {
    let given = if attribute.many { accept_attribute(attribute, value)? } else { None };
    let (Some(Value::Array(given)), Some(Value::Array(known))) = (given, holder.get_mut(attribute.name)) else {
        holder.remove(attribute.name);
        return Ok(());
    };
    let named: std::collections::HashSet<&str> = given.iter().filter_map(|one| one.get("value")?.as_str()).collect();
    known.retain(|one| match one.get("value").and_then(Value::as_str) {
        Some(value) => !named.contains(value),
        None => !given.contains(one),
    });
    if known.is_empty() {
        holder.remove(attribute.name);
    }
    Ok(())
}

/// Changes a part of an attribute: of all its values, when it has several.
fn part_of_all(
    holder: &mut Map<String, Value>,
    op: Op,
    attribute: &'static Attribute,
    part: &'static Attribute,
    value: &Value,
) -> Result<(), Error> {
    if attribute.name == "members" {
        return Err(Error::bad("mutability", "members are added and removed, and not changed"));
    }
    let given = if op == Op::Remove { None } else { accept_one(part, value)? };
    if !holder.contains_key(attribute.name) && given.is_some() {
        let empty = Value::Object(Map::new());
        let empty = if attribute.many { Value::Array(vec![empty]) } else { empty };
        holder.insert(attribute.name.to_owned(), empty);
    }
    let Some(known) = holder.get_mut(attribute.name) else { return Ok(()) };
    let each = match known {
        Value::Array(values) => values.as_mut_slice(),
        single => std::slice::from_mut(single),
    };
    for one in each.iter_mut().filter_map(Value::as_object_mut) {
        set_part(one, part, given.as_ref());
    }
    settle(holder, attribute);
    Ok(())
}

fn set_part(one: &mut Map<String, Value>, part: &'static Attribute, value: Option<&Value>) {
    match value {
        Some(value) => drop(one.insert(part.name.to_owned(), value.clone())),
        None => drop(one.remove(part.name)),
    }
}

/// Values without parts, and attributes without values, are nothing.
fn settle(holder: &mut Map<String, Value>, attribute: &'static Attribute) {
    let empty = match holder.get_mut(attribute.name) {
        Some(Value::Array(values)) => {
            values.retain(|one| one.as_object().is_none_or(|one| !one.is_empty()));
            one_primary(values);
            values.is_empty()
        }
        Some(Value::Object(parts)) => parts.is_empty(),
        _ => false,
    };
    if empty {
        holder.remove(attribute.name);
    }
}

/// Changes those values of a multi-valued attribute that meet a condition.
fn chosen(
    holder: &mut Map<String, Value>,
    op: Op,
    attr: &Attr,
    filter: &Filter,
    value: &Value,
    path: &Path,
) -> Result<(), Error> {
    let attribute = attr.attribute;
    if attribute.name == "members" && op != Op::Remove {
        return Err(Error::bad("mutability", "members are added and removed, and not changed"));
    }
    let mut values = match holder.remove(attribute.name) {
        Some(Value::Array(values)) => values,
        _ => vec![],
    };
    let meets = |one: &Value| one.as_object().is_some_and(|one| filter.matches(one));
    match (op, attr.part) {
        (Op::Remove, None) => values.retain(|one| !meets(one)),
        (op, part) => {
            if op != Op::Remove && !values.iter().any(meets) {
                values.push(new_value(op, filter, path)?);
            }
            let given = match (op, part) {
                (Op::Remove, _) => None,
                (_, Some(part)) => accept_one(part, value)?,
                (_, None) => accept_one(attribute, value)?,
            };
            for one in values.iter_mut().filter(|one| meets(one)).filter_map(Value::as_object_mut) {
                match (part, &given) {
                    (Some(part), given) => set_part(one, part, given.as_ref()),
                    (None, Some(Value::Object(given))) => {
                        one.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
                    }
                    (None, _) => {}
                }
            }
        }
    }
    bounded(attribute, &values)?;
    holder.insert(attribute.name.to_owned(), Value::Array(values));
    settle(holder, attribute);
    Ok(())
}

/// A value that meets a condition, when one is to be added and none does.
fn new_value(op: Op, filter: &Filter, path: &Path) -> Result<Value, Error> {
    let equalities = filter.equalities().filter(|_| op == Op::Add);
    let equalities = equalities.ok_or_else(|| Error::bad("noTarget", format!("no value is at `{path}`")))?;
    Ok(Value::Object(equalities.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

#[cfg(test)]
mod tests;
