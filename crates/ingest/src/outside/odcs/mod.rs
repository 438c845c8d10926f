//! Contracts of the Open Data Contract Standard (Bitol, versions 3.0 and 3.1) as contracts.
//!
//! One object of the file becomes one contract. What is in the file and not in the contract is listed by its place: what could
//! have been checked each on a line of its own, what only describes by name.

mod quality;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::suites::{Draft, literal, type_of};
use super::{Imported, made, yaml};
use crate::numbers::quoted;

/// Members that describe, of the whole file, of an object or a column, and of a rule.
const DESCRIBES: [&[&str]; 3] = [
    &[
        "apiVersion",
        "kind",
        "id",
        "name",
        "version",
        "status",
        "tenant",
        "domain",
        "dataProduct",
        "description",
        "tags",
        "customProperties",
        "authoritativeDefinitions",
        "contractCreatedTs",
        "team",
        "roles",
        "price",
        "support",
        "servers",
        "slaDefaultElement",
    ],
    &[
        "id",
        "name",
        "physicalName",
        "physicalType",
        "logicalType",
        "businessName",
        "description",
        "tags",
        "customProperties",
        "authoritativeDefinitions",
        "dataGranularityDescription",
        "classification",
        "criticalDataElement",
        "encryptedName",
        "examples",
        "partitioned",
        "partitionKeyPosition",
        "primaryKeyPosition",
        "transformDescription",
        "transformLogic",
        "transformSourceObjects",
        "deprecated",
        "synonyms",
        "semanticType",
    ],
    &[
        "id",
        "name",
        "description",
        "businessImpact",
        "customProperties",
        "tags",
        "authoritativeDefinitions",
        "scheduler",
        "schedule",
        "method",
        "unit",
        "dimension",
        "severity",
        "type",
    ],
];

/// Of those, what says nothing that a reader of the contract could miss.
const PLAIN: [&str; 14] = [
    "apiVersion",
    "kind",
    "id",
    "name",
    "physicalName",
    "physicalType",
    "logicalType",
    "primaryKeyPosition",
    "unit",
    "dimension",
    "severity",
    "type",
    "status",
    "version",
];

/// Makes a contract of an object of the file: of that which is named, or the only one, or the one that is called as the data
/// set is.
pub(super) fn import(text: &str, dataset: Option<&str>, object: Option<&str>) -> Result<Imported, String> {
    let file = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?,
        false => yaml::read(text)?,
    };
    let version = file["apiVersion"].as_str().unwrap_or_default();
    if file["kind"] != "DataContract" || !["v3.0.", "v3.1."].iter().any(|known| version.starts_with(known)) {
        return Err("it is no DataContract of apiVersion v3.0 or v3.1 of the Open Data Contract Standard".to_owned());
    }
    let objects = file["schema"].as_array().map_or(&[][..], Vec::as_slice);
    let called = |name: &str| objects.iter().find(|one| one["name"] == name || one["physicalName"] == name);
    let chosen = match (object, objects) {
        (Some(name), _) => called(name),
        (None, [only]) => Some(only),
        (None, _) => dataset.and_then(called),
    };
    let Some(chosen) = chosen else {
        let names: Vec<&str> = objects.iter().filter_map(|one| one["name"].as_str()).collect();
        return Err(format!("say with --object which object of its schema is meant: {}", names.join(", ")));
    };
    let own = ["physicalName", "name"].iter().find_map(|member| chosen[*member].as_str());
    let name = dataset.or(own).ok_or("the object has no name: say whose contract it becomes with --dataset")?;
    let mut taken = Taken {
        draft: Draft::default(),
        tail: String::new(),
        left_out: vec![],
        described: BTreeSet::new(),
        rules: 0,
        names: vec![],
    };
    taken.object(chosen);
    taken.file(&file, objects, chosen);
    let Taken { draft, tail, mut left_out, described, .. } = taken;
    if !described.is_empty() {
        let described: Vec<&str> = described.iter().map(String::as_str).collect();
        left_out.push(format!("described and not checked, so not taken: {}", described.join(", ")));
    }
    let text = draft.written(name, &mut left_out) + &tail;
    made(text, left_out)
}

/// What was taken of a file.
struct Taken {
    draft: Draft,
    /// What stands below the columns and the rules.
    tail: String,
    left_out: Vec<String>,
    /// Members that describe.
    described: BTreeSet<String>,
    /// Rules so far.
    rules: usize,
    /// Names of properties, and of their columns.
    names: Vec<(String, String)>,
}

impl Taken {
    fn lacks(&mut self, place: &str, why: &str) {
        self.left_out.push(format!("{place}: {why}"));
    }

    /// Names the members that nothing was made of.
    fn others(&mut self, place: &str, of: &Value, describes: &[&str], read: &[&str]) {
        for (member, value) in of.as_object().into_iter().flatten() {
            let empty = value.is_null() || value == &json!([]) || value == &json!({});
            if empty || read.contains(&member.as_str()) || PLAIN.contains(&member.as_str()) {
                continue;
            }
            if describes.contains(&member.as_str()) {
                self.described.insert(member.clone());
            } else {
                self.lacks(&format!("{place}.{member}"), "nothing in a contract says this");
            }
        }
    }

    /// Whether a member says so, in words of YAML 1.1 too; what says neither is listed.
    fn flag(&mut self, place: &str, of: &Value, member: &str) -> bool {
        let is = |said: &str, words: [&str; 3]| words.iter().any(|word| word.eq_ignore_ascii_case(said));
        match &of[member] {
            Value::Null => false,
            Value::Bool(said) => *said,
            Value::String(said) if is(said, ["true", "yes", "on"]) => true,
            Value::String(said) if is(said, ["false", "no", "off"]) => false,
            _ => {
                self.lacks(&format!("{place}.{member}"), "it is neither true nor false");
                false
            }
        }
    }

    fn file(&mut self, file: &Value, objects: &[Value], chosen: &Value) {
        let [describes, ..] = DESCRIBES;
        self.others("the file", file, describes, &["schema", "slaProperties"]);
        for other in objects.iter().filter(|other| !std::ptr::eq(*other, chosen)) {
            let name = other["name"].as_str().unwrap_or("without a name").to_owned();
            self.lacks(&format!("schema.{name}"), "another object: import it into a contract of its own with --object");
        }
        let default = &file["slaDefaultElement"];
        for (n, sla) in file["slaProperties"].as_array().into_iter().flatten().enumerate() {
            let property = sla["property"].as_str().unwrap_or("without a name");
            let place = format!("slaProperties.{property} ({})", n + 1);
            if let Err(why) = self.freshness(property, sla, default, chosen) {
                self.lacks(&place, why);
            }
        }
    }

    /// How old data may be becomes how old the newest value may be.
    fn freshness(&mut self, property: &str, sla: &Value, default: &Value, chosen: &Value) -> Result<(), &'static str> {
        if !matches!(property, "latency" | "freshness") {
            return Err("nothing in a contract says this");
        }
        if self.tail.contains("[freshness]") {
            return Err("a contract says once how old data may be");
        }
        let element = [&sla["element"], default].into_iter().find_map(Value::as_str);
        let (object, column) = element.and_then(|element| element.rsplit_once('.')).ok_or("it names no column")?;
        if ![&chosen["name"], &chosen["physicalName"]].contains(&&json!(object)) {
            return Err("it is about another object");
        }
        let column = self.named(column).ok_or("it names no column")?;
        if !matches!(self.draft.column(&column).kind, Some("date" | "timestamp")) {
            return Err("its column has neither dates nor timestamps");
        }
        let value = sla["value"].as_u64().ok_or("its value is no whole number")?;
        let unit = match sla["unit"].as_str().unwrap_or_default() {
            "d" | "day" | "days" => "d",
            "h" | "hour" | "hours" => "h",
            "m" | "minute" | "minutes" => "m",
            "s" | "second" | "seconds" => "s",
            _ => return Err("its unit is neither days, hours, minutes nor seconds"),
        };
        self.tail += &format!(
            "\n[freshness]\ncolumn = {}\nmax_age = \"{value}{unit}\"\nseverity = \"warning\"\n",
            json!(column)
        );
        Ok(())
    }

    /// The column of a property.
    fn named(&self, property: &str) -> Option<String> {
        self.names.iter().find(|(name, _)| name == property).map(|(_, column)| column.clone())
    }

    fn object(&mut self, object: &Value) {
        let place = format!("schema.{}", object["name"].as_str().unwrap_or_default());
        let [_, describes, _] = DESCRIBES;
        self.others(&place, object, describes, &["properties", "quality", "relationships"]);
        let mut properties = Vec::new();
        for property in object["properties"].as_array().into_iter().flatten() {
            let name = property["name"].as_str().unwrap_or_default();
            let column = property["physicalName"].as_str().unwrap_or(name);
            if self.names.iter().any(|(other, its)| other == name || its == column) {
                self.lacks(
                    &format!("{place}.{name}"),
                    "a property before it has its name or its column, and that was taken",
                );
                continue;
            }
            self.names.push((name.to_owned(), column.to_owned()));
            properties.push(property);
        }
        let mut key: Vec<(i64, String)> = Vec::new();
        for (n, property) in (0..).zip(properties) {
            let Some((name, column)) = self.names.get(n).cloned() else { continue };
            let place = format!("{place}.{name}");
            if self.flag(&place, property, "primaryKey") {
                key.push((property["primaryKeyPosition"].as_i64().unwrap_or(i64::MAX), column.clone()));
            }
            self.property(&place, &column, property);
        }
        key.sort();
        if !key.is_empty() {
            self.draft.keys.push(key.into_iter().map(|(_, column)| column).collect());
        }
        for (n, rule) in (1..).zip(object["quality"].as_array().into_iter().flatten()) {
            let place = format!("{place}.quality {n}");
            if let Err(why) = self.rule(&place, None, rule) {
                self.lacks(&place, &why);
            }
        }
        for (n, relation) in (1..).zip(object["relationships"].as_array().into_iter().flatten()) {
            let from = ends(&relation["from"]);
            if let Err(why) = self.reference(from, relation) {
                self.lacks(&format!("{place}.relationships {n}"), &why);
            }
        }
    }

    fn property(&mut self, place: &str, column: &str, property: &Value) {
        let [_, describes, _] = DESCRIBES;
        let read = ["required", "unique", "primaryKey", "logicalTypeOptions", "quality", "relationships", "enum"];
        self.others(place, property, describes, &read);
        let physical = property["physicalType"].as_str().map(|word| word.split('(').next().unwrap_or(word).trim());
        let kind = match (property["logicalType"].as_str(), physical.and_then(type_of)) {
            (Some("string"), _) => Ok("text"),
            (Some("integer"), _) => Ok("integer"),
            (Some("number"), _) => Ok("number"),
            (Some("boolean"), _) => Ok("boolean"),
            (Some("date"), Some("timestamp")) => Ok("timestamp"),
            (Some("date"), _) => Ok("date"),
            (Some("timestamp"), _) => Ok("timestamp"),
            (Some(other), _) => Err(format!("a contract has no type `{other}`, and `text` was written")),
            (None, Some(kind)) => Ok(kind),
            (None, None) => Err("it has no type that a contract has, and `text` was written".to_owned()),
        };
        let kind = kind.unwrap_or_else(|why| {
            self.lacks(place, &why);
            "text"
        });
        let (required, unique) = (self.flag(place, property, "required"), self.flag(place, property, "unique"));
        let draft = self.draft.column(column);
        draft.kind = Some(kind);
        draft.required = required;
        draft.unique = unique;
        self.options(place, column, kind, &property["logicalTypeOptions"]);
        if let Some(listed) = property["enum"].as_array() {
            let values: Option<Vec<Value>> = listed.iter().map(|one| plain(one.get("value").unwrap_or(one))).collect();
            match values.filter(|values| !values.is_empty() && values.iter().all(|value| is_of(kind, value))) {
                Some(values) => self.draft.column(column).allowed = Some(values),
                None => self.lacks(&format!("{place}.enum"), "its values are not of the column's type"),
            }
        }
        for (n, rule) in (1..).zip(property["quality"].as_array().into_iter().flatten()) {
            let place = format!("{place}.quality {n}");
            if let Err(why) = self.rule(&place, Some(column), rule) {
                self.lacks(&place, &why);
            }
        }
        for (n, relation) in (1..).zip(property["relationships"].as_array().into_iter().flatten()) {
            let from = Some(vec![column.to_owned()]);
            if let Err(why) = self.reference(from, relation) {
                self.lacks(&format!("{place}.relationships {n}"), &why);
            }
        }
    }

    /// What the type of a column says more.
    fn options(&mut self, place: &str, column: &str, kind: &str, options: &Value) {
        let sql = quoted(column);
        for (option, value) in options.as_object().into_iter().flatten() {
            let numeric = matches!(kind, "integer" | "number");
            let time = matches!(kind, "date" | "timestamp");
            let fits = (numeric || time) && is_of(kind, value);
            let bound = match value {
                Value::String(_) if time => literal(value).ok().map(|sql| format!("CAST({sql} AS {kind})")),
                Value::Number(_) if numeric => Some(value.to_string()),
                _ => None,
            };
            let draft = self.draft.column(column);
            let sql = match (option.as_str(), bound, value.as_u64()) {
                ("minimum", _, _) if fits => {
                    draft.min = Some(value.clone());
                    continue;
                }
                ("maximum", _, _) if fits => {
                    draft.max = Some(value.clone());
                    continue;
                }
                ("pattern", _, _) if kind == "text" && value.is_string() => {
                    draft.pattern = value.as_str().map(str::to_owned);
                    continue;
                }
                ("minimum", Some(bound), _) => format!("{sql} >= {bound}"),
                ("maximum", Some(bound), _) => format!("{sql} <= {bound}"),
                ("exclusiveMinimum", Some(bound), _) => format!("{sql} > {bound}"),
                ("exclusiveMaximum", Some(bound), _) => format!("{sql} < {bound}"),
                ("minLength", _, Some(length)) if kind == "text" => format!("char_length({sql}) >= {length}"),
                ("maxLength", _, Some(length)) if kind == "text" => format!("char_length({sql}) <= {length}"),
                ("multipleOf", _, Some(of)) if kind == "integer" && of > 0 => format!("{sql} % {of} = 0"),
                _ => {
                    self.lacks(&format!("{place}.logicalTypeOptions.{option}"), "nothing in a contract says this");
                    continue;
                }
            };
            self.row(&sql, "validity", false, None);
        }
    }

    /// Writes a rule over rows.
    fn row(&mut self, sql: &str, dimension: &str, warns: bool, tolerance: Option<String>) {
        self.written("row", sql, dimension, warns, tolerance);
    }

    fn written(&mut self, over: &str, sql: &str, dimension: &str, warns: bool, tolerance: Option<String>) {
        self.rules += 1;
        let severity = if warns { "severity = \"warning\"\n" } else { "" };
        let tolerance = tolerance.map(|said| format!("tolerance = {{ {said} }}\n")).unwrap_or_default();
        self.draft.rules.push(format!(
            "\n[[rule]]\nname = \"rule-{}\"\n{over} = {}\ndimension = \"{dimension}\"\n{severity}{tolerance}",
            self.rules,
            json!(sql)
        ));
    }

    /// That values are found in another object.
    fn reference(&mut self, from: Option<Vec<String>>, relation: &Value) -> Result<(), String> {
        if relation["type"].as_str().is_some_and(|kind| kind != "foreignKey") {
            return Err("it is no foreign key".to_owned());
        }
        let from = from.ok_or("it does not name its columns")?;
        let to = ends(&relation["to"]).ok_or("it does not name what it refers to")?;
        let split = |end: &String| end.rsplit_once('.').map(|(object, column)| (object.to_owned(), column.to_owned()));
        let targets = to.iter().map(split).collect::<Option<Vec<_>>>().ok_or("it is not written as OBJECT.PROPERTY")?;
        let Some((object, _)) = targets.first().cloned() else { return Err("it names no column".to_owned()) };
        let usual = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
        if targets.iter().any(|(other, _)| *other != object) || !object.chars().all(usual) || object.is_empty() {
            return Err("it names no one data set that could be called so here".to_owned());
        }
        let own = |end: &String| {
            self.named(end.rsplit('.').next().unwrap_or(end))
                .or_else(|| self.names.iter().any(|(_, column)| column == end).then(|| end.clone()))
        };
        let columns = from.iter().map(own).collect::<Option<Vec<_>>>().ok_or("it names a column that is not there")?;
        let target: Vec<&String> = targets.iter().map(|(_, column)| column).collect();
        if columns.len() != target.len() {
            return Err("it names more columns on one side".to_owned());
        }
        self.rules += 1;
        self.tail += &format!(
            "\n[[reference]]\nname = \"reference-{}\"\ncolumns = {}\ndataset = {}\ntarget = {}\n",
            self.rules,
            json!(columns),
            json!(object),
            json!(target)
        );
        self.left_out.push(format!(
            "reference-{} is to a data set `{object}`: write how it and its columns are called here",
            self.rules
        ));
        Ok(())
    }
}

/// One end of a relationship.
fn ends(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(several) => several.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// A value that a contract can name.
fn plain(value: &Value) -> Option<Value> {
    let fits = value.is_string() || value.is_boolean() || value.is_i64() || value.is_f64();
    fits.then(|| value.clone())
}

/// Whether a value can be one of a column of this type.
fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => value.is_string(),
    }
}
