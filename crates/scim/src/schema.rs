//! The schemas that are served: what attributes there are, and what each may hold. `/Schemas` shows just these.

use serde_json::{Value, json};

/// The type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// Several named values.
    Complex,
    /// The address of something, by what it is.
    Reference(&'static [&'static str]),
    /// A moment, RFC 3339.
    DateTime,
}

/// Who may change an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// The client.
    ReadWrite,
    /// The server alone.
    ReadOnly,
    /// The client, when it makes the value.
    Immutable,
}

/// An attribute, or a part of a complex one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, as it is written.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether it can have several values.
    pub many: bool,
    /// Whether it must be there.
    pub required: bool,
    /// Whether upper and lower case differ.
    pub exact: bool,
    /// Whether no two resources may have the same value.
    pub unique: bool,
    /// Whether every answer has it, whatever was asked for.
    pub always: bool,
    /// Who may change it.
    pub mutability: Mutability,
    /// What it means.
    pub doc: &'static str,
    /// Words that are usual as its value.
    pub usual: &'static [&'static str],
    /// The parts of a complex attribute.
    pub parts: &'static [Attribute],
}

impl Attribute {
    const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            many: false,
            required: false,
            exact: false,
            unique: false,
            always: false,
            mutability: Mutability::ReadWrite,
            doc,
            usual: &[],
            parts: &[],
        }
    }

    const fn many(mut self) -> Self {
        self.many = true;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    const fn always(mut self) -> Self {
        self.always = true;
        self
    }

    const fn immutable(mut self) -> Self {
        self.mutability = Mutability::Immutable;
        self
    }

    const fn read_only(mut self) -> Self {
        self.mutability = Mutability::ReadOnly;
        self
    }

    const fn usual(mut self, words: &'static [&'static str]) -> Self {
        self.usual = words;
        self
    }

    /// The part of this name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&'static Attribute> {
        find(self.parts, name)
    }

    fn json(&self) -> Value {
        let kind = match self.kind {
            Kind::String => "string",
            Kind::Boolean => "boolean",
            Kind::Complex => "complex",
            Kind::Reference(_) => "reference",
            Kind::DateTime => "dateTime",
        };
        let mutability = match self.mutability {
            Mutability::ReadWrite => "readWrite",
            Mutability::ReadOnly => "readOnly",
            Mutability::Immutable => "immutable",
        };
        let mut shown = json!({
            "name": self.name, "type": kind, "multiValued": self.many, "description": self.doc,
            "required": self.required, "caseExact": self.exact, "mutability": mutability,
            "returned": if self.always { "always" } else { "default" },
            "uniqueness": if self.unique { "server" } else { "none" },
        });
        if let Kind::Reference(types) = self.kind {
            shown["referenceTypes"] = json!(types);
        }
        if !self.usual.is_empty() {
            shown["canonicalValues"] = json!(self.usual);
        }
        if !self.parts.is_empty() {
            shown["subAttributes"] = self.parts.iter().map(Self::json).collect();
        }
        shown
    }
}

/// The attribute of this name among some; case does not matter.
#[must_use]
pub fn find(among: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    among.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

const fn text(name: &'static str, doc: &'static str) -> Attribute {
    Attribute::new(name, Kind::String, doc)
}

const fn flag(name: &'static str, doc: &'static str) -> Attribute {
    Attribute::new(name, Kind::Boolean, doc)
}

const fn complex(name: &'static str, doc: &'static str, parts: &'static [Attribute]) -> Attribute {
    Attribute { parts, ..Attribute::new(name, Kind::Complex, doc) }
}

const fn reference(name: &'static str, to: &'static [&'static str], doc: &'static str) -> Attribute {
    Attribute::new(name, Kind::Reference(to), doc).exact()
}

/// A schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its URN.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it describes.
    pub doc: &'static str,
    /// Its attributes.
    pub attributes: &'static [Attribute],
}

impl Schema {
    /// The schema as `/Schemas` shows it, without `meta`.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": self.id, "name": self.name, "description": self.doc,
            "attributes": self.attributes.iter().map(Attribute::json).collect::<Value>(),
        })
    }
}

/// A type of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// Its name.
    pub name: &'static str,
    /// Its address below the door's.
    pub endpoint: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Its schema.
    pub schema: &'static Schema,
    /// What its schema may be extended by.
    pub extensions: &'static [&'static Schema],
}

impl ResourceType {
    /// The type as `/ResourceTypes` shows it, without `meta`.
    #[must_use]
    pub fn json(&self) -> Value {
        let extensions = self.extensions.iter().map(|extension| json!({"schema": extension.id, "required": false}));
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": self.name, "name": self.name, "endpoint": self.endpoint, "description": self.doc,
            "schema": self.schema.id, "schemaExtensions": extensions.collect::<Value>(),
        })
    }

    /// The attribute of this name, common ones too.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        find(self.schema.attributes, name).or_else(|| find(&COMMON, name))
    }

    /// The extension with this URN.
    #[must_use]
    pub fn extension(&self, urn: &str) -> Option<&'static Schema> {
        self.extensions.iter().copied().find(|extension| extension.id.eq_ignore_ascii_case(urn))
    }
}

/// What every resource has.
pub static COMMON: [Attribute; 4] = [
    text("id", "The server's identifier").exact().read_only().always(),
    text("externalId", "The client's identifier").exact(),
    reference("schemas", &["uri"], "The schemas that the resource follows").many().read_only().always(),
    complex(
        "meta",
        "About the resource",
        &[
            text("resourceType", "Its type").exact().read_only(),
            Attribute::new("created", Kind::DateTime, "When it was made").read_only(),
            Attribute::new("lastModified", Kind::DateTime, "When it last changed").read_only(),
            reference("location", &["uri"], "Its address").read_only(),
            text("version", "Its version, as in the header ETag").exact().read_only(),
        ],
    )
    .read_only(),
];

const TYPES: &[&str] = &["work", "home", "other"];

/// The core schema of users.
pub static USER_SCHEMA: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:core:2.0:User",
    name: "User",
    doc: "A person",
    attributes: &[
        text("userName", "What they are called when they sign in").required().unique(),
        complex(
            "name",
            "The parts of their name",
            &[
                text("formatted", "The whole name"),
                text("familyName", "The family's name"),
                text("givenName", "The given name"),
                text("middleName", "Names in between"),
                text("honorificPrefix", "Such as a title"),
                text("honorificSuffix", "Such as III"),
            ],
        ),
        text("displayName", "What to call them"),
        text("nickName", "What those who know them call them"),
        reference("profileUrl", &["external"], "A page about them"),
        text("title", "Such as Vice President"),
        text("userType", "Such as Employee"),
        text("preferredLanguage", "The language that they like best"),
        text("locale", "How dates and numbers are written for them"),
        text("timezone", "Where their day begins, such as Europe/Zurich"),
        flag("active", "Whether they may sign in: when it becomes false, all sessions, keys and roles end"),
        complex(
            "emails",
            "Addresses of electronic mail",
            &[
                text("value", "The address"),
                text("display", "The address as it is shown"),
                text("type", "What it is for").usual(TYPES),
                flag("primary", "Whether it is the one to use"),
            ],
        )
        .many(),
        complex(
            "phoneNumbers",
            "Telephone numbers",
            &[
                text("value", "The number"),
                text("display", "The number as it is shown"),
                text("type", "What it is for").usual(&["work", "home", "mobile", "fax", "pager", "other"]),
                flag("primary", "Whether it is the one to use"),
            ],
        )
        .many(),
        complex(
            "addresses",
            "Postal addresses",
            &[
                text("formatted", "The whole address"),
                text("streetAddress", "Street and number"),
                text("locality", "City"),
                text("region", "State or region"),
                text("postalCode", "Postal code"),
                text("country", "Country"),
                text("type", "What it is for").usual(TYPES),
                flag("primary", "Whether it is the one to use"),
            ],
        )
        .many(),
        complex(
            "groups",
            "The groups that they are in; change the group to change it",
            &[
                text("value", "The group's id").exact().read_only(),
                reference("$ref", &["Group"], "The group's address").read_only(),
            ],
        )
        .many()
        .read_only(),
    ],
};

/// The extension for people of an enterprise.
pub static ENTERPRISE_SCHEMA: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    name: "EnterpriseUser",
    doc: "A person of an enterprise",
    attributes: &[
        text("employeeNumber", "The number given to them"),
        text("costCenter", "Who pays"),
        text("organization", "Their organisation"),
        text("division", "Their division"),
        text("department", "Their department"),
        complex(
            "manager",
            "To whom they report",
            &[text("value", "The manager's id").exact(), reference("$ref", &["User"], "The manager's address")],
        ),
    ],
};

/// The core schema of groups.
pub static GROUP_SCHEMA: Schema = Schema {
    id: "urn:ietf:params:scim:schemas:core:2.0:Group",
    name: "Group",
    doc: "Several people",
    attributes: &[
        text("displayName", "What people call the group").required().unique(),
        complex(
            "members",
            "Who is in it",
            &[
                text("value", "The user's id").exact().immutable(),
                reference("$ref", &["User"], "The user's address").immutable(),
                text("type", "Always User: groups in groups are not supported").usual(&["User"]).immutable(),
            ],
        )
        .many(),
    ],
};

/// People.
pub static USER: ResourceType = ResourceType {
    name: "User",
    endpoint: "/Users",
    doc: "A person",
    schema: &USER_SCHEMA,
    extensions: &[&ENTERPRISE_SCHEMA],
};

/// Groups.
pub static GROUP: ResourceType =
    ResourceType { name: "Group", endpoint: "/Groups", doc: "Several people", schema: &GROUP_SCHEMA, extensions: &[] };

/// All types of resources that are served.
pub static RESOURCE_TYPES: [&ResourceType; 2] = [&USER, &GROUP];

/// All schemas that are served.
pub static SCHEMAS: [&Schema; 3] = [&USER_SCHEMA, &ENTERPRISE_SCHEMA, &GROUP_SCHEMA];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_many_and_what_has_parts_is_told_apart() {
        for schema in SCHEMAS {
            for attribute in schema.attributes {
                assert_eq!(attribute.kind == Kind::Complex, !attribute.parts.is_empty(), "{}", attribute.name);
                assert!(attribute.parts.iter().all(|part| part.parts.is_empty()), "{} is too deep", attribute.name);
            }
        }
        let shown = GROUP_SCHEMA.json();
        assert_eq!(shown["attributes"][0]["uniqueness"], "server");
        assert_eq!(shown["attributes"][1]["subAttributes"][1]["referenceTypes"][0], "User");
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(USER.attribute("USERNAME").map(|found| found.name), Some("userName"));
        assert_eq!(USER.attribute("externalid").map(|found| found.name), Some("externalId"));
        assert!(USER.attribute("password").is_none() && GROUP.extension(ENTERPRISE_SCHEMA.id).is_none());
    }
}
