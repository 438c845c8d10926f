//! Rules of quality: a metric, and how many rows may break it.

use serde_json::{Map, Value, json};

use super::super::suites::literal;
use super::{DESCRIBES, Taken, is_of, plain};
use crate::numbers::quoted;

/// Operators of a rule.
const OPERATORS: [&str; 8] = [
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
];

impl Taken {
    /// A rule of a column, or of all rows when there is none.
    pub(super) fn rule(&mut self, place: &str, column: Option<&str>, rule: &Value) -> Result<(), String> {
        let kind = rule["type"].as_str().unwrap_or("library");
        let said = |member: &str| rule[member].as_str().unwrap_or_default().to_owned();
        match kind {
            "library" => {}
            "text" => return Err(format!("a sentence that nothing can evaluate: {}", short(&said("description")))),
            "sql" => {
                let query = short(&said("query"));
                return Err(format!("a contract has expressions and no questions; write a [[rule]] for it: {query}"));
            }
            "custom" => return Err(format!("it is for the engine {}", short(&said("engine")))),
            _ => return Err("there is no such type of rule".to_owned()),
        }
        let metric = ["metric", "rule"].into_iter().find_map(|member| rule[member].as_str());
        let metric = match metric.ok_or("it names no metric")? {
            "nullValues" | "nullCheck" => "nullValues",
            "duplicateValues" | "duplicateCount" | "uniqueCheck" => "duplicateValues",
            "invalidValues" | "validValues" => "invalidValues",
            known @ ("missingValues" | "rowCount") => known,
            _ => return Err("a contract has no such metric".to_owned()),
        };
        let [_, _, describes] = DESCRIBES;
        let read = [&["metric", "rule", "arguments", "validValues", "pattern"][..], &OPERATORS].concat();
        self.others(place, rule, describes, &read);
        let warns = matches!(said("severity").as_str(), "warning" | "warn" | "info");
        let dimension = match said("dimension").as_str() {
            "accuracy" | "ac" => Some("accuracy"),
            "completeness" | "cp" | "coverage" | "cv" => Some("completeness"),
            "conformity" | "cf" => Some("validity"),
            "consistency" | "cs" => Some("consistency"),
            "timeliness" | "tm" => Some("timeliness"),
            "uniqueness" | "uq" => Some("uniqueness"),
            _ => None,
        };
        if metric == "rowCount" {
            let sql = compared("count(*)", rule)?;
            self.written("set", &sql, dimension.unwrap_or("completeness"), warns, None);
            return Ok(());
        }
        let most = Most::of(rule)?;
        let none = matches!(most, Most::Rows(0)) && !warns;
        let arguments = &rule["arguments"];
        let Some(column) = column else {
            let names = arguments["properties"].as_array().filter(|_| metric == "duplicateValues" && none);
            let names =
                names.ok_or("of all rows a contract says how many there are, and which columns tell them apart")?;
            let names = names.iter().map(|name| self.named(name.as_str()?)).collect::<Option<Vec<String>>>();
            let names = names.ok_or("it names a column that is not there")?;
            if !self.draft.keys.contains(&names) {
                self.draft.keys.push(names);
            }
            return Ok(());
        };
        let sql = quoted(column);
        match metric {
            "duplicateValues" if none => self.draft.column(column).unique = true,
            "duplicateValues" => return Err("a contract allows no repeated values, or any number".to_owned()),
            "nullValues" | "missingValues" => {
                let missing = arguments["missingValues"].as_array().into_iter().flatten();
                let missing: Vec<Value> = missing.filter(|one| !one.is_null() && *one != "").cloned().collect();
                if missing.iter().any(|one| plain(one).is_none()) {
                    return Err("a value that stands for none is not a plain one".to_owned());
                }
                let draft = self.draft.column(column);
                draft.missing.extend(missing);
                match none && dimension.is_none_or(|dimension| dimension == "completeness") {
                    true => draft.required = true,
                    false => {
                        let dimension = dimension.unwrap_or("completeness");
                        self.row(&format!("{sql} IS NOT NULL"), dimension, warns, most.tolerance());
                    }
                }
            }
            _ => {
                let listed = [&arguments["validValues"], &rule["validValues"]].into_iter().find_map(Value::as_array);
                let pattern = [&arguments["pattern"], &rule["pattern"]].into_iter().find_map(Value::as_str);
                let plainly = none && dimension.is_none_or(|dimension| dimension == "validity");
                let dimension = dimension.unwrap_or("validity");
                if listed.is_none() && pattern.is_none() {
                    return Err("it names neither values nor a pattern".to_owned());
                }
                if let Some(values) = listed.filter(|values| !values.is_empty()) {
                    let literals = values.iter().map(literal).collect::<Result<Vec<_>, _>>()?;
                    let draft = self.draft.column(column);
                    if !values.iter().all(|value| is_of(draft.kind.unwrap_or("text"), value)) {
                        return Err("its values are not of the column's type".to_owned());
                    }
                    match plainly && draft.allowed.is_none() {
                        true => draft.allowed = Some(values.clone()),
                        false => {
                            self.row(&format!("{sql} IN ({})", literals.join(", ")), dimension, warns, most.tolerance())
                        }
                    }
                }
                if let Some(pattern) = pattern {
                    let draft = self.draft.column(column);
                    match plainly && draft.pattern.is_none() && draft.kind == Some("text") {
                        true => draft.pattern = Some(pattern.to_owned()),
                        false => {
                            let sql = format!("regexp_like(CAST({sql} AS VARCHAR), {})", literal(&json!(pattern))?);
                            self.row(&sql, dimension, warns, most.tolerance());
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// A beginning of what somebody wrote, on one line.
fn short(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line: String = line.chars().filter(|c| !c.is_control()).take(120).collect();
    format!("`{line}`")
}

/// How many rows may break a rule.
enum Most {
    Rows(u64),
    /// Of a million.
    Share(u64),
}

impl Most {
    /// What the operators of a rule say of a count of rows that break it.
    fn of(rule: &Value) -> Result<Self, String> {
        let given: Map<String, Value> = rule
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(member, value)| OPERATORS.contains(&member.as_str()) && !value.is_null())
            .map(|(member, value)| (member.clone(), value.clone()))
            .collect();
        let mut given = given.into_iter();
        let why = "how many may break it is said in a way that a contract does not: write a [[rule]]";
        let (Some((operator, value)), None) = (given.next(), given.next()) else { return Err(why.to_owned()) };
        let percent = match rule["unit"].as_str() {
            None | Some("rows") => false,
            Some("percent" | "%") => true,
            Some(_) => return Err("its unit is neither rows nor percent".to_owned()),
        };
        let number = value.as_f64().filter(|number| *number >= 0.0).ok_or(why)?;
        let scaled = if percent { (number * 10_000.0).round() } else { number };
        let whole = scaled.fract() == 0.0 && scaled <= 1e15 && (!percent || scaled <= 1e6);
        let count = if whole { scaled as u64 } else { return Err(why.to_owned()) };
        let count = match operator.as_str() {
            "mustBe" if count == 0 => 0,
            "mustBeLessOrEqualTo" => count,
            // Of a share, a millionth less.
            "mustBeLessThan" if count > 0 => count - 1,
            _ => return Err(why.to_owned()),
        };
        Ok(if percent && count > 0 { Self::Share(count) } else { Self::Rows(count) })
    }

    fn tolerance(&self) -> Option<String> {
        match self {
            Self::Rows(0) => None,
            Self::Rows(rows) => Some(format!("rows = {rows}")),
            Self::Share(ppm) => Some(format!("share = {:.6}", *ppm as f64 / 1e6)),
        }
    }
}

/// What the operators of a rule say of a number.
fn compared(number: &str, rule: &Value) -> Result<String, String> {
    let mut sides = Vec::new();
    let plain = |value: &Value| value.is_number().then(|| value.to_string());
    for operator in OPERATORS {
        let value = &rule[operator];
        if value.is_null() {
            continue;
        }
        let two = value.as_array().and_then(|two| match two.as_slice() {
            [low, high] => plain(low).zip(plain(high)),
            _ => None,
        });
        let side = match (operator, plain(value), two) {
            ("mustBe", Some(value), _) => format!("{number} = {value}"),
            ("mustNotBe", Some(value), _) => format!("{number} <> {value}"),
            ("mustBeGreaterThan", Some(value), _) => format!("{number} > {value}"),
            ("mustBeGreaterOrEqualTo", Some(value), _) => format!("{number} >= {value}"),
            ("mustBeLessThan", Some(value), _) => format!("{number} < {value}"),
            ("mustBeLessOrEqualTo", Some(value), _) => format!("{number} <= {value}"),
            // The standard has both ends outside.
            ("mustBeBetween", _, Some((low, high))) => format!("{number} > {low} AND {number} < {high}"),
            ("mustNotBeBetween", _, Some((low, high))) => format!("NOT ({number} > {low} AND {number} < {high})"),
            _ => return Err(format!("`{operator}` names no number")),
        };
        sides.push(side);
    }
    if sides.is_empty() { Err("it says nothing of the number".to_owned()) } else { Ok(sides.join(" AND ")) }
}
