//! Which attributes of a resource an answer has (RFC 7644, section 3.9).

use serde_json::{Map, Value};

use crate::resolve::{Attr, Named, resolve};
use crate::schema::ResourceType;

/// What an answer shows of a resource, when a client asked for some attributes, or for all but some. Names that mean
/// nothing are passed over.
#[must_use]
pub fn project(
    kind: &'static ResourceType,
    resource: Map<String, Value>,
    attributes: Option<&str>,
    excluded: Option<&str>,
) -> Map<String, Value> {
    match (named(kind, attributes), named(kind, excluded)) {
        (Some(wanted), _) => only(kind, &resource, &wanted),
        (None, Some(unwanted)) => without(resource, &unwanted),
        (None, None) => resource,
    }
}

fn named(kind: &'static ResourceType, list: Option<&str>) -> Option<Vec<Named>> {
    let names = list?.split(',').map(str::trim).filter(|name| !name.is_empty());
    Some(names.filter_map(|name| resolve(kind, name)).collect())
}

fn only(kind: &'static ResourceType, resource: &Map<String, Value>, wanted: &[Named]) -> Map<String, Value> {
    let mut shown = Map::new();
    let always = |name: &str| kind.attribute(name).is_some_and(|attribute| attribute.always);
    for (name, value) in resource.iter().filter(|(name, _)| always(name)) {
        shown.insert(name.clone(), value.clone());
    }
    for named in wanted {
        let (extension, attr) = match named {
            Named::Extension(extension) => (Some(*extension), None),
            Named::Attr(attr) => (attr.extension, Some(attr)),
        };
        let holder = match extension {
            Some(extension) => resource.get(extension.id).and_then(Value::as_object),
            None => Some(resource),
        };
        let (Some(holder), target) = (holder, extension) else { continue };
        let Some(attr) = attr else {
            shown.extend(target.map(|extension| (extension.id.to_owned(), Value::Object(holder.clone()))));
            continue;
        };
        let Some(value) = holder.get(attr.attribute.name) else { continue };
        let into = match target {
            Some(extension) => shown.entry(extension.id).or_insert_with(|| Value::Object(Map::new())),
            None => {
                let value = merged(shown.get(attr.attribute.name), value, attr);
                shown.insert(attr.attribute.name.to_owned(), value);
                continue;
            }
        };
        if let Some(into) = into.as_object_mut() {
            let value = merged(into.get(attr.attribute.name), value, attr);
            into.insert(attr.attribute.name.to_owned(), value);
        }
    }
    shown
}

/// The value, or of each value the part that is wanted beside the parts that are shown already.
fn merged(shown: Option<&Value>, value: &Value, attr: &Attr) -> Value {
    let Some(part) = attr.part else { return value.clone() };
    match value {
        Value::Array(values) => {
            let shown = shown.and_then(Value::as_array);
            let each = values.iter().enumerate();
            each.map(|(i, value)| merged(shown.and_then(|shown| shown.get(i)), value, attr)).collect()
        }
        Value::Object(parts) => {
            let mut kept = shown.and_then(Value::as_object).cloned().unwrap_or_default();
            kept.extend(parts.get(part.name).map(|value| (part.name.to_owned(), value.clone())));
            Value::Object(kept)
        }
        other => other.clone(),
    }
}

fn without(mut resource: Map<String, Value>, unwanted: &[Named]) -> Map<String, Value> {
    for named in unwanted {
        match named {
            Named::Extension(extension) => drop(resource.remove(extension.id)),
            Named::Attr(attr) if attr.attribute.always => {}
            Named::Attr(attr) => match attr.extension {
                None => take_out(&mut resource, attr),
                Some(extension) => {
                    if let Some(Value::Object(holder)) = resource.get_mut(extension.id) {
                        take_out(holder, attr);
                    }
                }
            },
        }
    }
    resource
}

fn take_out(holder: &mut Map<String, Value>, attr: &Attr) {
    let Some(part) = attr.part else {
        holder.remove(attr.attribute.name);
        return;
    };
    match holder.get_mut(attr.attribute.name) {
        Some(Value::Array(values)) => {
            values.iter_mut().filter_map(Value::as_object_mut).for_each(|one| drop(one.remove(part.name)));
        }
        Some(Value::Object(parts)) => drop(parts.remove(part.name)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::USER;

    fn shown(attributes: Option<&str>, excluded: Option<&str>) -> Value {
        let resource = json!({
            "id": "a_1", "schemas": ["s"], "userName": "zoe", "name": {"givenName": "Zoë", "familyName": "N"},
            "emails": [{"value": "a", "type": "work"}, {"value": "b"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "d", "division": "e"},
        });
        Value::Object(project(&USER, resource.as_object().expect("an object").clone(), attributes, excluded))
    }

    #[test]
    fn given_attributes_when_asked_for_then_those_and_what_is_always_there_are_shown() {
        let some = shown(Some("USERNAME, name.givenName,name.familyName,emails.value,nothing"), None);
        let expected = json!({
            "id": "a_1", "schemas": ["s"], "userName": "zoe", "name": {"givenName": "Zoë", "familyName": "N"},
            "emails": [{"value": "a"}, {"value": "b"}],
        });
        assert_eq!(some, expected);
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        assert_eq!(shown(Some(&format!("{urn}:department")), None)[urn], json!({"department": "d"}));
        assert_eq!(shown(Some(urn), None)[urn], json!({"department": "d", "division": "e"}));
        assert_eq!(shown(Some(""), None), json!({"id": "a_1", "schemas": ["s"]}));
    }

    #[test]
    fn given_attributes_when_excluded_then_those_are_gone_but_not_what_is_always_there() {
        let some = shown(None, Some("id,userName,name.givenName,emails.type"));
        assert_eq!(some["id"], "a_1");
        assert!(some.get("userName").is_none());
        assert_eq!(some["name"], json!({"familyName": "N"}));
        assert_eq!(some["emails"], json!([{"value": "a"}, {"value": "b"}]));
        assert_eq!(shown(Some("userName"), Some("userName"))["userName"], "zoe", "the first wins");
    }
}
