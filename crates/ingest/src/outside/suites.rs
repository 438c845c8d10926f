//! Suites of Great Expectations as contracts.
//!
//! The form is that of `ExpectationSuite` as the library writes it, JSON of versions 0.18 (`expectation_type`) and 1 (`type`).
//! What a contract cannot say in the same sense is listed by name, and never left out in silence.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Imported, made};
use crate::numbers::quoted;

#[derive(Default)]
pub(super) struct Draft {
    /// Columns in the order in which they are named first.
    order: Vec<String>,
    columns: BTreeMap<String, Column>,
    pub keys: Vec<Vec<String>>,
    pub rules: Vec<String>,
    pub closed: bool,
}

#[derive(Default)]
pub(super) struct Column {
    pub kind: Option<&'static str>,
    pub required: bool,
    pub unique: bool,
    pub min: Option<Value>,
    pub max: Option<Value>,
    pub allowed: Option<Vec<Value>>,
    pub pattern: Option<String>,
    pub missing: Vec<Value>,
}

/// Makes a contract for a data set of a suite; without `dataset` it is called as the suite is.
///
/// # Errors
/// Why it is no suite, or why no contract can be made of it.
pub(super) fn import(text: &str, dataset: Option<&str>) -> Result<Imported, String> {
    let suite: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let Some(expectations) = suite["expectations"].as_array() else {
        return Err("it has no list `expectations`: only suites of Great Expectations, as JSON, are read".to_owned());
    };
    let said = suite["name"].as_str().or_else(|| suite["expectation_suite_name"].as_str());
    let name = dataset.or(said).ok_or("the suite has no name: say whose contract it becomes with --dataset")?;
    let (mut draft, mut left_out) = (Draft::default(), Vec::new());
    for (n, one) in (1..).zip(expectations) {
        let kind = one["type"].as_str().or_else(|| one["expectation_type"].as_str()).unwrap_or("without a type");
        if let Err(why) = draft.take(n, kind, one) {
            let column = one["kwargs"]["column"].as_str().map(|name| format!(" of `{name}`")).unwrap_or_default();
            left_out.push(format!("expectation {n}, {kind}{column}: {why}"));
        }
    }
    let text = draft.written(name, &mut left_out);
    made(text, left_out)
}

impl Draft {
    pub fn column(&mut self, name: &str) -> &mut Column {
        if !self.columns.contains_key(name) {
            self.order.push(name.to_owned());
        }
        self.columns.entry(name.to_owned()).or_default()
    }

    /// Takes an expectation over, or says why it cannot be.
    fn take(&mut self, n: usize, kind: &str, one: &Value) -> Result<(), String> {
        let given = &one["kwargs"];
        if ["row_condition", "condition_parser"].iter().any(|name| !given[*name].is_null()) {
            return Err("it holds for some rows only: write a [[rule]]".to_owned());
        }
        let mostly = match &given["mostly"] {
            Value::Null => 1.0,
            share => share.as_f64().filter(|share| (0.0..=1.0).contains(share)).ok_or("`mostly` is no share")?,
        };
        let warns = matches!(one["severity"].as_str(), Some("warning" | "info"));
        // A tolerance and a severity of a column are of all that it says, so what has its own becomes a rule.
        let apart = mostly < 1.0 || warns;
        let rule = Rule { n, mostly, warns };
        if let Some(table) = self.of_table(kind, given, &rule) {
            return table;
        }
        let name = given["column"].as_str().ok_or("nothing in a contract says this")?;
        let (column, sql) = (self.column(name), quoted(name));
        let (min, max) = (bound(&given["min_value"])?, bound(&given["max_value"])?);
        let strict = given["strict_min"] == true || given["strict_max"] == true;
        match kind {
            "expect_column_to_exist" => {}
            "expect_column_values_to_not_be_null" if !apart => column.required = true,
            "expect_column_values_to_not_be_null" => {
                self.rules.push(rule.row(&format!("{sql} IS NOT NULL"), "completeness"));
            }
            "expect_column_values_to_be_unique" if !apart => column.unique = true,
            "expect_column_values_to_be_of_type" | "expect_column_values_to_be_in_type_list" if !apart => {
                let types = given["type_list"].as_array().cloned().unwrap_or_else(|| vec![given["type_"].clone()]);
                let mut known: Vec<&'static str> = types.iter().filter_map(|word| type_of(word.as_str()?)).collect();
                known.dedup();
                let [only] = known.as_slice() else {
                    return Err("it names no type that a contract has, or several".to_owned());
                };
                column.kind = Some(*only);
            }
            "expect_column_values_to_be_between" => {
                // One range a column: another one is a rule.
                if apart || strict || column.min.is_some() || column.max.is_some() {
                    self.rules.push(rule.row(&between(&sql, min.as_ref(), max.as_ref(), given)?, "validity"));
                } else if min.is_none() && max.is_none() {
                    return Err("it names no bound".to_owned());
                } else {
                    (column.min, column.max) = (min, max);
                }
            }
            "expect_column_values_to_be_in_set" => {
                let values = given["value_set"].as_array().filter(|values| !values.is_empty());
                let values = values.ok_or("it names no values")?;
                let literals: Vec<String> = values.iter().map(literal).collect::<Result<_, _>>()?;
                if apart || column.allowed.is_some() {
                    self.rules.push(rule.row(&format!("{sql} IN ({})", literals.join(", ")), "validity"));
                } else {
                    column.allowed = Some(values.clone());
                }
            }
            "expect_column_values_to_match_regex" => {
                let regex = given["regex"].as_str().ok_or("it names no expression")?;
                // The library looks from the start of a value on.
                let regex = if regex.starts_with('^') { regex.to_owned() } else { format!("^(?:{regex})") };
                if apart || column.pattern.is_some() {
                    let sql = format!("regexp_like({sql}, {})", literal(&json!(regex))?);
                    self.rules.push(rule.row(&sql, "validity"));
                } else {
                    column.pattern = Some(regex);
                }
            }
            "expect_column_min_to_be_between"
            | "expect_column_max_to_be_between"
            | "expect_column_mean_to_be_between"
            | "expect_column_sum_to_be_between" => {
                let asked = match kind {
                    "expect_column_min_to_be_between" => "min",
                    "expect_column_max_to_be_between" => "max",
                    "expect_column_mean_to_be_between" => "avg",
                    _ => "sum",
                };
                self.rules.push(
                    rule.set(&between(&format!("{asked}({sql})"), min.as_ref(), max.as_ref(), given)?, "validity"),
                );
            }
            _ if apart => return Err("with `mostly` or as a warning nothing in a contract says this".to_owned()),
            _ => return Err("nothing in a contract says this".to_owned()),
        }
        Ok(())
    }

    /// What is expected of no column in particular; `None` when it is not that.
    fn of_table(&mut self, kind: &str, given: &Value, rule: &Rule) -> Option<Result<(), String>> {
        let names = |of: &Value| -> Option<Vec<String>> {
            of.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
        };
        let taken = match kind {
            "expect_table_row_count_to_be_between" | "expect_table_row_count_to_equal" => {
                let equal = bound(&given["value"]);
                let sql = equal.and_then(|equal| {
                    let (min, max) = (bound(&given["min_value"])?, bound(&given["max_value"])?);
                    between("count(*)", equal.as_ref().or(min.as_ref()), equal.as_ref().or(max.as_ref()), given)
                });
                sql.map(|sql| self.rules.push(rule.set(&sql, "completeness")))
            }
            "expect_table_columns_to_match_set" | "expect_table_columns_to_match_ordered_list" => {
                let listed = if kind.ends_with("_set") { "column_set" } else { "column_list" };
                names(&given[listed]).ok_or_else(|| "it names no columns".to_owned()).and_then(|names| {
                    for name in &names {
                        self.column(name);
                    }
                    self.closed |= given["exact_match"] != false;
                    let ordered = kind.ends_with("_ordered_list");
                    if ordered { Err("the columns were taken, and not their order".to_owned()) } else { Ok(()) }
                })
            }
            "expect_compound_columns_to_be_unique" if rule.mostly >= 1.0 && !rule.warns => {
                names(&given["column_list"]).ok_or_else(|| "it names no columns".to_owned()).map(|names| {
                    for name in &names {
                        self.column(name);
                    }
                    self.keys.push(names);
                })
            }
            "expect_column_pair_values_a_to_be_greater_than_b" | "expect_column_pair_values_to_be_equal" => {
                let pair = given["column_A"].as_str().zip(given["column_B"].as_str());
                pair.ok_or_else(|| "it names no two columns".to_owned()).map(|(a, b)| {
                    let than = match (kind.ends_with("equal"), given["or_equal"] == true) {
                        (true, _) => "=",
                        (false, true) => ">=",
                        (false, false) => ">",
                    };
                    for name in [a, b] {
                        self.column(name);
                    }
                    let sql = format!("{} {than} {}", quoted(a), quoted(b));
                    self.rules.push(rule.row(&sql, "consistency"));
                })
            }
            _ => return None,
        };
        Some(taken)
    }

    pub fn written(&self, name: &str, left_out: &mut Vec<String>) -> String {
        let name = json!(name);
        let mut text = format!("name = {name}\ndataset = {name}\n");
        if self.closed {
            text += "closed = true\n";
        }
        if !self.keys.is_empty() {
            text += &format!("keys = {}\n", json!(self.keys));
        }
        for name in &self.order {
            let column = &self.columns[name];
            let kind = column.kind.unwrap_or_else(|| {
                let kind = column.guessed();
                left_out.push(format!("column `{name}`: no expectation says its type, and `{kind}` was written"));
                kind
            });
            text += &format!("\n[[column]]\nname = {}\ntype = \"{kind}\"\n", json!(name));
            for (word, said) in [("required", column.required), ("unique", column.unique)] {
                if said {
                    text += &format!("{word} = true\n");
                }
            }
            for (word, bound) in [("min", &column.min), ("max", &column.max)] {
                if let Some(bound) = bound {
                    text += &format!("{word} = {bound}\n");
                }
            }
            if let Some(allowed) = &column.allowed {
                text += &format!("allowed = {}\n", json!(allowed));
            }
            if let Some(pattern) = &column.pattern {
                text += &format!("pattern = {}\n", json!(pattern));
            }
            if !column.missing.is_empty() {
                text += &format!("missing = {}\n", json!(column.missing));
            }
        }
        text + &self.rules.concat()
    }
}

impl Column {
    /// A type that all values that it names have.
    fn guessed(&self) -> &'static str {
        let mut bounds = [&self.min, &self.max].into_iter().flatten();
        if let Some(bound) = bounds.next() {
            return match bound.as_str() {
                Some(text) if text.len() > 10 => "timestamp",
                Some(_) => "date",
                None => "number",
            };
        }
        let values = self.allowed.as_deref().unwrap_or_default();
        match values {
            [] => "text",
            all if all.iter().all(Value::is_boolean) => "boolean",
            all if all.iter().all(Value::is_i64) => "integer",
            all if all.iter().all(Value::is_number) => "number",
            _ => "text",
        }
    }
}

/// A rule that an expectation becomes.
struct Rule {
    n: usize,
    mostly: f64,
    warns: bool,
}

impl Rule {
    fn head(&self) -> String {
        let severity = if self.warns { "severity = \"warning\"\n" } else { "" };
        format!("\n[[rule]]\nname = \"expectation-{}\"\n{severity}", self.n)
    }

    fn row(&self, sql: &str, dimension: &str) -> String {
        // A contract counts shares in millionths.
        let share = ((1.0 - self.mostly) * 1e6).round() / 1e6;
        let tolerance = if share > 0.0 { format!("tolerance = {{ share = {share:.6} }}\n") } else { String::new() };
        format!("{}row = {}\ndimension = \"{dimension}\"\n{tolerance}", self.head(), json!(sql))
    }

    fn set(&self, sql: &str, dimension: &str) -> String {
        format!("{}set = {}\ndimension = \"{dimension}\"\n", self.head(), json!(sql))
    }
}

/// A bound as it is given; `None` for none.
fn bound(value: &Value) -> Result<Option<Value>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Number(_) | Value::String(_) => Ok(Some(value.clone())),
        _ => Err("a bound is computed when it is asked, and not written down".to_owned()),
    }
}

fn between(sql: &str, min: Option<&Value>, max: Option<&Value>, given: &Value) -> Result<String, String> {
    let side = |bound: Option<&Value>, strict: &str, sign: &str| -> Result<Option<String>, String> {
        let Some(bound) = bound else { return Ok(None) };
        let equal = if given[strict] == true { "" } else { "=" };
        Ok(Some(format!("{sql} {sign}{equal} {}", literal(bound)?)))
    };
    let sides: Vec<String> =
        [side(min, "strict_min", ">")?, side(max, "strict_max", "<")?].into_iter().flatten().collect();
    if sides.is_empty() { Err("it names no bound".to_owned()) } else { Ok(sides.join(" AND ")) }
}

/// A value as SQL writes it.
pub(super) fn literal(value: &Value) -> Result<String, String> {
    match value {
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::String(text) => Ok(format!("'{}'", text.replace('\'', "''"))),
        _ => Err("a value in it is neither text, nor a number, nor true or false".to_owned()),
    }
}

/// The type for the name that pandas, Spark or a database gives it.
pub(super) fn type_of(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().trim_end_matches("type") {
        "int" | "int8" | "int16" | "int32" | "int64" | "integer" | "bigint" | "smallint" | "long" => Some("integer"),
        "float" | "float32" | "float64" | "double" | "double_precision" | "real" | "numeric" | "decimal" => {
            Some("number")
        }
        "str" | "string" | "text" | "varchar" | "char" => Some("text"),
        "bool" | "boolean" => Some("boolean"),
        "date" => Some("date"),
        "timestamp" | "datetime" | "datetime64" | "datetime64[ns]" => Some("timestamp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::data::Contract;

    use super::*;

    const SUITE: &str = r#"{"name": "loans", "meta": {"great_expectations_version": "1.3.0"}, "expectations": [
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 10, "max_value": null}, "meta": {}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}, "meta": {}},
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}, "meta": {}},
        {"type": "expect_column_values_to_be_of_type", "kwargs": {"column": "id", "type_": "int64"}, "meta": {}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 1, "max_value": 5000.5}, "meta": {}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "amount", "mostly": 0.95}, "meta": {}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "kind", "value_set": ["car", "o'home"]}, "meta": {}},
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "code", "regex": "[A-Z]\\d"}, "severity": "warning"},
        {"type": "expect_column_kl_divergence_to_be_less_than", "kwargs": {"column": "amount", "threshold": 0.1}, "meta": {}},
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "code", "row_condition": "id > 3"}, "meta": {}}]}"#;

    #[test]
    fn given_a_suite_when_imported_then_the_contract_says_the_same_and_the_rest_is_listed() {
        let made = import(SUITE, None).expect("a contract");
        let contract = Contract::parse(&made.text).expect("it reads");
        let checks: Vec<String> = contract.checks().into_iter().map(|check| check.name).collect();
        for name in ["id.required", "id.unique", "id.type", "amount.range", "kind.allowed", "expectation-1"] {
            assert!(checks.iter().any(|check| check == name), "{name} in {checks:?}");
        }
        assert!(made.text.contains("set = \"count(*) >= 10\""), "{}", made.text);
        assert!(made.text.contains("row = \"\\\"amount\\\" IS NOT NULL\"") && made.text.contains("share = 0.050000"));
        assert!(made.text.contains("regexp_like(\\\"code\\\", '^(?:[A-Z]\\\\d)')"), "{}", made.text);
        assert!(made.text.contains("severity = \"warning\""));
        let listed = made.left_out.join("\n");
        assert!(listed.contains("expectation 9, expect_column_kl_divergence_to_be_less_than of `amount`"), "{listed}");
        assert!(listed.contains("expectation 10, expect_column_values_to_be_unique of `code`"), "{listed}");
        assert!(listed.contains("column `kind`: no expectation says its type"), "{listed}");
        assert_eq!(made.left_out.len(), 5, "two expectations and three types: {listed}");
    }

    #[test]
    fn given_a_suite_as_it_was_written_before_when_imported_then_it_is_read_under_the_name_that_is_asked_for() {
        let suite = r#"{"expectation_suite_name": "Of Loans!", "expectations": [
            {"expectation_type": "expect_column_to_exist", "kwargs": {"column": "id"}},
            {"expectation_type": "expect_compound_columns_to_be_unique", "kwargs": {"column_list": ["id", "day"]}},
            {"expectation_type": "expect_column_pair_values_a_to_be_greater_than_b",
             "kwargs": {"column_A": "paid", "column_B": "lent", "or_equal": true, "mostly": 0.5}}]}"#;
        assert!(import(suite, None).is_err(), "no name of a data set");
        let made = import(suite, Some("loans")).expect("a contract");
        let contract = Contract::parse(&made.text).expect("it reads");
        assert_eq!((contract.dataset.as_str(), contract.keys.len(), contract.columns.len()), ("loans", 1, 4));
        assert!(made.text.contains("\\\"paid\\\" >= \\\"lent\\\""), "{}", made.text);
    }

    #[test]
    fn given_something_else_when_imported_then_it_is_refused() {
        for (text, why) in [
            ("version: 3", "no JSON"),
            ("{}", "no list `expectations`"),
            (r#"{"name": "x", "expectations": []}"#, "it names no columns"),
            (
                r#"{"name": "x", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": ""}}]}"#,
                "name",
            ),
        ] {
            let error = import(text, None).expect_err(text);
            assert!(error.contains(why), "{error}");
        }
    }
}
