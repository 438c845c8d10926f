//! What comes from outside, in canonical form: attributes as the schemas spell them, of the types that they say.

use serde_json::{Map, Value};

use crate::schema::{Attribute, Kind, Mutability, ResourceType, Schema};
use crate::{Error, MAX_MEMBERS, MAX_TEXT_BYTES, MAX_VALUES};

/// A whole resource as a client sends it. What only the server may set, and what no schema names, is left out.
///
/// # Errors
/// `invalidSyntax` when it is no object, `invalidValue` when a value does not fit or a required one is missing.
pub fn accept(kind: &'static ResourceType, resource: &Value) -> Result<Map<String, Value>, Error> {
    let Value::Object(given) = resource else {
        return Err(Error::bad("invalidSyntax", "a resource is a JSON object"));
    };
    let mut accepted = Map::new();
    for (name, value) in given {
        if let Some(extension) = kind.extension(name) {
            if let Some(value) = extended(extension, value)? {
                accepted.insert(extension.id.to_owned(), value);
            }
        } else if let Some(attribute) = kind.attribute(name).filter(|found| found.mutability != Mutability::ReadOnly)
            && let Some(value) = accept_attribute(attribute, value)?
        {
            accepted.insert(attribute.name.to_owned(), value);
        }
    }
    follows(kind, given)?;
    complete(kind, &accepted)?;
    Ok(accepted)
}

/// A resource that says which schemas it follows, follows this one.
fn follows(kind: &'static ResourceType, given: &Map<String, Value>) -> Result<(), Error> {
    let schemas = given.iter().find(|(name, _)| name.eq_ignore_ascii_case("schemas")).map(|(_, schemas)| schemas);
    let Some(schemas) = schemas else { return Ok(()) };
    let named = schemas.as_array().into_iter().flatten().filter_map(Value::as_str);
    match named.into_iter().any(|schema| schema.eq_ignore_ascii_case(kind.schema.id)) {
        true => Ok(()),
        false => Err(Error::value(format!("`schemas` does not name `{}`", kind.schema.id))),
    }
}

/// Whether all is there that must be.
pub(crate) fn complete(kind: &'static ResourceType, resource: &Map<String, Value>) -> Result<(), Error> {
    let missing = kind.schema.attributes.iter().find(|a| a.required && !resource.contains_key(a.name));
    match missing {
        None => Ok(()),
        Some(attribute) => Err(Error::value(format!("a {} needs `{}`", kind.name, attribute.name))),
    }
}

/// The attributes of an extension; `None` when there are none.
pub(crate) fn extended(extension: &'static Schema, value: &Value) -> Result<Option<Value>, Error> {
    let given = match value {
        Value::Null => return Ok(None),
        Value::Object(given) => given,
        _ => return Err(Error::value(format!("`{}` holds an object", extension.id))),
    };
    let accepted = parts(extension.attributes, given)?;
    Ok((!accepted.is_empty()).then_some(Value::Object(accepted)))
}

/// A value of an attribute; `None` when there is nothing in it.
pub(crate) fn accept_attribute(attribute: &'static Attribute, value: &Value) -> Result<Option<Value>, Error> {
    if !attribute.many {
        return accept_one(attribute, value);
    }
    let given = match value {
        Value::Array(values) => values.as_slice(),
        single => std::slice::from_ref(single),
    };
    let most = if attribute.name == "members" { MAX_MEMBERS } else { MAX_VALUES };
    if given.len() > most {
        let detail = format!("`{}` has {} values, {most} can be given in one request", attribute.name, given.len());
        return Err(Error::new(413, detail));
    }
    let mut values = Vec::with_capacity(given.len());
    for value in given {
        values.extend(accept_one(attribute, value)?);
    }
    one_primary(&mut values);
    Ok((!values.is_empty()).then_some(Value::Array(values)))
}

/// One value, of an attribute that may have several.
pub(crate) fn accept_one(attribute: &'static Attribute, value: &Value) -> Result<Option<Value>, Error> {
    let wrong = |wanted: &str| Err(Error::value(format!("`{}` holds {wanted}", attribute.name)));
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(None),
        (Kind::Complex, Value::Object(given)) => {
            let accepted = parts(attribute.parts, given)?;
            Ok((!accepted.is_empty()).then_some(Value::Object(accepted)))
        }
        // Some directories send the value where a complex attribute is meant, such as the id of a manager.
        (Kind::Complex, Value::String(_) | Value::Number(_)) => match attribute.part("value") {
            Some(part) => {
                let one = |value| Value::Object(Map::from_iter([("value".to_owned(), value)]));
                Ok(accept_one(part, value)?.map(one))
            }
            None => wrong("an object"),
        },
        (Kind::Complex, _) => wrong("an object"),
        (Kind::Boolean, Value::Bool(_)) => Ok(Some(value.clone())),
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(Value::Bool(true))),
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(Value::Bool(false))),
        (Kind::Boolean, _) => wrong("true or false"),
        (_, Value::String(text)) if text.len() > MAX_TEXT_BYTES => wrong(&format!("at most {MAX_TEXT_BYTES} bytes")),
        (_, Value::String(text)) if text.is_empty() => Ok(None),
        (_, Value::String(_)) => Ok(Some(value.clone())),
        (_, Value::Number(number)) => Ok(Some(Value::String(number.to_string()))),
        _ => wrong("text"),
    }
}

fn parts(among: &'static [Attribute], given: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
    let mut accepted = Map::new();
    for (name, value) in given {
        let known = crate::schema::find(among, name).filter(|part| part.mutability != Mutability::ReadOnly);
        if let Some(part) = known
            && let Some(value) = accept_attribute(part, value)?
        {
            accepted.insert(part.name.to_owned(), value);
        }
    }
    Ok(accepted)
}

/// At most one value is the primary one: the last that says so.
pub(crate) fn one_primary(values: &mut [Value]) {
    let mut found = false;
    for value in values.iter_mut().rev() {
        if value.get("primary") == Some(&Value::Bool(true)) {
            if found {
                value["primary"] = Value::Bool(false);
            }
            found = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{GROUP, USER};

    #[test]
    fn given_a_user_in_any_spelling_when_accepted_then_it_is_canonical_and_what_is_not_its_to_set_is_gone() {
        let given = json!({
            "Schemas": [USER.schema.id, "urn:other"], "ID": "mine", "meta": {"version": "1"}, "password": "secret",
            "USERNAME": "zoe", "active": "False", "name": {"GivenName": "Zoë", "unknown": 1}, "roles": [],
            "emails": [{"value": "a@b.c", "primary": "True"}, {"value": "d@e.f", "primary": true}, null],
            "title": "", "nickName": null,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:user": {"employeeNumber": 7, "manager": "a_1"},
        });
        let expected = json!({
            "userName": "zoe", "active": false, "name": {"givenName": "Zoë"},
            "emails": [{"value": "a@b.c", "primary": false}, {"value": "d@e.f", "primary": true}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":
                {"employeeNumber": "7", "manager": {"value": "a_1"}},
        });
        assert_eq!(accept(&USER, &given).map(Value::Object), Ok(expected));
    }

    #[test]
    fn given_what_does_not_fit_when_accepted_then_the_attribute_is_named() {
        let long = "x".repeat(MAX_TEXT_BYTES + 1);
        for (bad, keyword, word) in [
            (json!([]), "invalidSyntax", "object"),
            (json!({}), "invalidValue", "userName"),
            (json!({"userName": "z", "active": "maybe"}), "invalidValue", "active"),
            (json!({"userName": {"a": 1}}), "invalidValue", "userName"),
            (json!({"userName": long}), "invalidValue", "bytes"),
            (json!({"userName": "z", "name": true}), "invalidValue", "name"),
            (json!({"userName": "z", "schemas": [GROUP.schema.id]}), "invalidValue", "schemas"),
        ] {
            let error = accept(&USER, &bad).expect_err("refused");
            assert_eq!(error.scim_type, Some(keyword), "{bad}");
            assert!(error.detail.contains(word), "{error}");
        }
        let many: Vec<Value> = (0..=MAX_MEMBERS).map(|i| json!({"value": i.to_string()})).collect();
        assert_eq!(accept(&GROUP, &json!({"displayName": "g", "members": many})).expect_err("refused").status, 413);
    }
}
