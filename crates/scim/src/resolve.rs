//! From a name as it is written to the attribute that it means.

use std::fmt;

use serde_json::{Map, Value};

use crate::schema::{Attribute, ResourceType, Schema};

/// An attribute of a resource, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// The extension that it belongs to; `None` for the core schema.
    pub extension: Option<&'static Schema>,
    /// The attribute.
    pub attribute: &'static Attribute,
    /// The part of it that is meant.
    pub part: Option<&'static Attribute>,
}

impl Attr {
    /// What the values are of: the part, or else the attribute.
    #[must_use]
    pub fn leaf(&self) -> &'static Attribute {
        self.part.unwrap_or(self.attribute)
    }

    /// The values of it that a resource has; of a complex attribute, those of its part `value` if it has one.
    #[must_use]
    pub fn values<'a>(&self, resource: &'a Map<String, Value>) -> Vec<&'a Value> {
        let holder = match self.extension {
            Some(extension) => resource.get(extension.id).and_then(Value::as_object),
            None => Some(resource),
        };
        let Some(value) = holder.and_then(|holder| holder.get(self.attribute.name)) else { return vec![] };
        let each = match value {
            Value::Array(values) => values.as_slice(),
            single => std::slice::from_ref(single),
        };
        let part = self.part.or_else(|| self.attribute.part("value"));
        each.iter().filter_map(|value| part.map_or(Some(value), |part| value.get(part.name))).collect()
    }
}

impl fmt::Display for Attr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(extension) = self.extension {
            write!(f, "{}:", extension.id)?;
        }
        f.write_str(self.attribute.name)?;
        self.part.map_or(Ok(()), |part| write!(f, ".{}", part.name))
    }
}

/// What a name can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// An attribute or a part of one.
    Attr(Attr),
    /// All of an extension.
    Extension(&'static Schema),
}

/// What a name means among the attributes of a type.
#[must_use]
pub(crate) fn resolve(kind: &'static ResourceType, name: &str) -> Option<Named> {
    if let Some(extension) = kind.extension(name) {
        return Some(Named::Extension(extension));
    }
    let is_urn = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"));
    let (schema, name) =
        if is_urn { name.rsplit_once(':').map(|(urn, name)| (Some(urn), name))? } else { (None, name) };
    let (name, part) = name.split_once('.').map_or((name, None), |(name, part)| (name, Some(part)));
    let extension = match schema {
        Some(urn) if urn.eq_ignore_ascii_case(kind.schema.id) => None,
        Some(urn) => Some(kind.extension(urn)?),
        None => None,
    };
    let attribute = match extension {
        Some(extension) => crate::schema::find(extension.attributes, name)?,
        None => kind.attribute(name)?,
    };
    let part = match part {
        Some(part) => Some(attribute.part(part)?),
        None => None,
    };
    Some(Named::Attr(Attr { extension, attribute, part }))
}
