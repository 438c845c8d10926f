//! The format of a contract: a TOML file that says what columns a data set has and what must be true of its rows.
//!
//! `docs/contracts.md` describes it. A file is read whole or refused with the line; what its SQL means is not known here
//! and is tried before it is published.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use toml::{Spanned, Value};

use super::checks_of::Check;
use crate::decide::{name_is_valid, reference_is_valid};

/// The longest contract, in bytes: it lies whole in an entry of the ledger.
pub const MAX_CONTRACT_BYTES: usize = 24 << 10;

/// The most that one contract can check: the results of all lie in an entry of the ledger.
pub const MAX_CHECKS: usize = 200;

/// The longest SQL expression, in bytes.
const MAX_SQL_BYTES: usize = 2000;

/// The longest name of a column, in bytes.
const MAX_COLUMN_BYTES: usize = 64;

/// The longest name of a check, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// A whole, in millionths.
pub const WHOLE_PPM: u64 = 1_000_000;

/// What of data is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// Nothing is missing.
    Completeness,
    /// It agrees with what is known to be true.
    Accuracy,
    /// Its parts agree with each other, and with other data.
    Consistency,
    /// Nothing is there twice.
    Uniqueness,
    /// Values are of the form and range that they are to be.
    Validity,
    /// It is recent enough.
    Timeliness,
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Completeness, Self::Accuracy, Self::Consistency, Self::Uniqueness, Self::Validity, Self::Timeliness];

    /// Those that a version must have passed before a model is trained on it.
    pub const FOR_TRAINING: [Self; 3] = [Self::Completeness, Self::Accuracy, Self::Consistency];

    /// The word used in contracts, the ledger and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completeness => "completeness",
            Self::Accuracy => "accuracy",
            Self::Consistency => "consistency",
            Self::Uniqueness => "uniqueness",
            Self::Validity => "validity",
            Self::Timeliness => "timeliness",
        }
    }
}

/// What a rule that is broken leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The version is quarantined.
    #[default]
    Blocking,
    /// It is told.
    Warning,
}

/// How much may break a rule that still passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tolerance {
    /// Nothing.
    #[default]
    Nothing,
    /// This many rows.
    Rows(u64),
    /// This share of rows, in millionths.
    Ppm(u64),
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// UTF-8 text.
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// A floating-point number of 64 bits.
    Number,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// A moment; without a zone it is in UTC.
    Timestamp,
}

/// A value in a contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Literal {
    /// A whole number.
    Integer(i64),
    /// A number as decimal digits.
    Number(String),
    /// Text, or a date.
    Text(String),
    /// True or false.
    Boolean(bool),
}

/// A column, and what must be true of each of its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContractColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnType,
    /// Whether every row has a value.
    pub required: bool,
    /// Whether every value is there once.
    pub unique: bool,
    /// What a number counts.
    pub unit: Option<String>,
    /// The smallest value.
    pub min: Option<Literal>,
    /// The largest value.
    pub max: Option<Literal>,
    /// The only values; none when any is.
    pub allowed: Vec<Literal>,
    /// What every value matches, as a regular expression.
    pub pattern: Option<String>,
    /// Values that stand for none, beside an empty text.
    pub missing: Vec<Literal>,
    /// What breaking these leads to.
    pub severity: Severity,
    /// How much may break each.
    pub tolerance: Tolerance,
}

/// How recent the newest row must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Freshness {
    /// The column with dates or timestamps.
    pub column: String,
    /// How long ago the newest may be, in milliseconds.
    pub max_age_ms: i64,
    /// What breaking it leads to.
    pub severity: Severity,
}

/// What an SQL expression is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// Each row.
    Row(String),
    /// All rows together.
    Set(String),
}

/// A rule as an SQL expression.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SqlRule {
    /// Its name.
    pub name: String,
    /// What must be true.
    pub over: Over,
    /// Of which dimension it is.
    pub dimension: Dimension,
    /// What breaking it leads to.
    pub severity: Severity,
    /// How much may break it; nothing of a rule over all rows.
    pub tolerance: Tolerance,
}

/// That values are found in another data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// The columns here.
    pub columns: Vec<String>,
    /// The other data set.
    pub dataset: String,
    /// Its version; the newest that can be read when none is named.
    pub version: Option<String>,
    /// The columns there, in the same order.
    pub target: Vec<String>,
    /// Columns that must have the same value in the row that is found, by the same name there.
    pub agree: Vec<String>,
    /// Of which dimension it is.
    pub dimension: Dimension,
    /// What breaking it leads to.
    pub severity: Severity,
    /// How much may break it.
    pub tolerance: Tolerance,
}

/// A contract as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contract {
    /// Its name.
    pub name: String,
    /// The data set that it is for.
    pub dataset: String,
    /// Models whose inputs it guards.
    pub models: Vec<String>,
    /// Whether columns that it does not name break it.
    pub closed: bool,
    /// Columns in the order of the file.
    pub columns: Vec<ContractColumn>,
    /// Columns that together tell rows apart.
    pub keys: Vec<Vec<String>>,
    /// How recent the newest row must be.
    pub freshness: Option<Freshness>,
    /// Rules as SQL expressions.
    pub rules: Vec<SqlRule>,
    /// References to other data sets.
    pub references: Vec<Reference>,
}

/// What is wrong with a contract, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct ContractError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    name: Spanned<String>,
    dataset: Spanned<String>,
    #[serde(default)]
    models: Vec<Spanned<String>>,
    #[serde(default)]
    closed: bool,
    #[serde(default, rename = "column")]
    columns: Vec<ColumnForm>,
    #[serde(default)]
    keys: Vec<Spanned<Vec<String>>>,
    freshness: Option<FreshnessForm>,
    #[serde(default, rename = "rule")]
    rules: Vec<RuleForm>,
    #[serde(default, rename = "reference")]
    references: Vec<ReferenceForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnForm {
    name: Spanned<String>,
    #[serde(rename = "type")]
    kind: ColumnType,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    unique: bool,
    unit: Option<String>,
    min: Option<Value>,
    max: Option<Value>,
    allowed: Option<Vec<Value>>,
    pattern: Option<String>,
    #[serde(default)]
    missing: Vec<Value>,
    #[serde(default)]
    severity: Severity,
    tolerance: Option<ToleranceForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToleranceForm {
    rows: Option<u64>,
    share: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FreshnessForm {
    column: Spanned<String>,
    max_age: String,
    #[serde(default)]
    severity: Severity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleForm {
    name: Spanned<String>,
    row: Option<String>,
    set: Option<String>,
    dimension: Dimension,
    #[serde(default)]
    severity: Severity,
    tolerance: Option<ToleranceForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceForm {
    name: Spanned<String>,
    columns: Vec<String>,
    dataset: String,
    version: Option<String>,
    target: Option<Vec<String>>,
    #[serde(default)]
    agree: Vec<String>,
    dimension: Option<Dimension>,
    #[serde(default)]
    severity: Severity,
    tolerance: Option<ToleranceForm>,
}

/// What is wrong, and at which byte.
type Wrong = (usize, String);

impl Contract {
    /// Reads a contract.
    ///
    /// # Errors
    /// [`ContractError`] with the line and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ContractError> {
        if text.len() > MAX_CONTRACT_BYTES {
            let why = format!("a contract has {MAX_CONTRACT_BYTES} bytes at most, and this one {}", text.len());
            return Err(ContractError { line: 1, why });
        }
        let at = |offset: usize, why: String| {
            let before = text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
            ContractError { line: before + 1, why }
        };
        let form: FileForm = toml::from_str(text).map_err(|error| {
            at(error.span().map_or(0, |span| span.start), error.message().trim().replace('\n', ", "))
        })?;
        let contract = read(form).map_err(|(offset, why)| at(offset, why))?;
        contract.fits_together().map_err(|why| at(0, why))?;
        Ok(contract)
    }

    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ContractColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The dimensions that something is checked of.
    #[must_use]
    pub fn dimensions(&self) -> BTreeSet<Dimension> {
        self.checks().iter().map(|check| check.dimension).collect()
    }

    /// Names that are there once, and not too many of them.
    fn fits_together(&self) -> Result<(), String> {
        let checks: Vec<Check> = self.checks();
        if checks.len() > MAX_CHECKS {
            return Err(format!(
                "it checks {} things, and a contract checks {MAX_CHECKS} at most: split it",
                checks.len()
            ));
        }
        if let Some(long) = checks.iter().find(|check| check.name.len() > MAX_NAME_BYTES) {
            return Err(format!("`{}` has more than {MAX_NAME_BYTES} bytes: name fewer columns in a key", long.name));
        }
        if self.columns.is_empty() {
            return Err("it names no columns: write a [[column]] for each".to_owned());
        }
        let mut names = BTreeSet::new();
        match checks.iter().find(|check| !names.insert(&check.name)) {
            Some(twice) => Err(format!("two checks are called `{}`: name one otherwise", twice.name)),
            None => Ok(()),
        }
    }
}

fn read(form: FileForm) -> Result<Contract, Wrong> {
    named("contract", &form.name)?;
    named("data set", &form.dataset)?;
    form.models.iter().try_for_each(|model| named("model", model))?;
    let mut columns: Vec<ContractColumn> = Vec::new();
    for column in form.columns {
        let (start, read) = (column.name.span().start, self::column(column)?);
        if columns.iter().any(|known| known.name == read.name) {
            return Err((start, format!("column `{}` is there twice", read.name)));
        }
        columns.push(read);
    }
    let known = |name: &str| columns.iter().find(|column| column.name == name);
    let must_know = |names: &[String], start: usize| match names.iter().find(|name| known(name).is_none()) {
        Some(unknown) => Err((start, format!("there is no [[column]] `{unknown}`"))),
        None => Ok(()),
    };
    let mut keys = Vec::new();
    for key in form.keys {
        let start = key.span().start;
        must_know(key.get_ref(), start)?;
        if key.get_ref().is_empty() {
            return Err((start, "a key has at least one column".to_owned()));
        }
        keys.push(key.into_inner());
    }
    let freshness = match form.freshness {
        None => None,
        Some(form) => {
            let start = form.column.span().start;
            let column = form.column.into_inner();
            let kind = known(&column).map(|column| column.kind);
            if !matches!(kind, Some(ColumnType::Date | ColumnType::Timestamp)) {
                return Err((
                    start,
                    format!("freshness needs a column of dates or timestamps, and `{column}` is none"),
                ));
            }
            let why = || (start, format!("`{}` is no length of time: write 90m, 12h or 7d", form.max_age));
            let max_age_ms = duration_ms(&form.max_age).ok_or_else(why)?;
            Some(Freshness { column, max_age_ms, severity: form.severity })
        }
    };
    let rules = form.rules.into_iter().map(rule).collect::<Result<_, _>>()?;
    let mut references = Vec::new();
    for reference in form.references {
        let start = reference.name.span().start;
        let read = self::reference(reference)?;
        must_know(&read.columns, start)?;
        must_know(&read.agree, start)?;
        references.push(read);
    }
    let (name, dataset) = (form.name.into_inner(), form.dataset.into_inner());
    let models = form.models.into_iter().map(Spanned::into_inner).collect();
    Ok(Contract { name, dataset, models, closed: form.closed, columns, keys, freshness, rules, references })
}

fn named(what: &str, name: &Spanned<String>) -> Result<(), Wrong> {
    name_is_valid(what, name.get_ref()).map_err(|refusal| (name.span().start, refusal.message))
}

fn column(form: ColumnForm) -> Result<ContractColumn, Wrong> {
    let start = form.name.span().start;
    let name = form.name.into_inner();
    let wrong = |why: String| (start, format!("column `{name}`: {why}"));
    // Names stand in results, of which an entry holds as many as there may be.
    let usual = |c: char| !c.is_control() && c != '"' && c != '\\';
    if name.is_empty() || name.len() > MAX_COLUMN_BYTES || !name.chars().all(usual) {
        let rule = format!("a column's name has 1 to {MAX_COLUMN_BYTES} bytes, no control characters, `\"` or `\\`");
        return Err((start, rule));
    }
    if let Some(unit) = &form.unit
        && reference_is_valid(unit).is_err()
    {
        return Err(wrong("a unit is up to 64 letters, digits and `-_./#:`, such as EUR or months".to_owned()));
    }
    let kind = form.kind;
    let literals = |values: Vec<Value>| {
        values.into_iter().map(|value| literal(value, kind)).collect::<Result<Vec<_>, String>>().map_err(wrong)
    };
    let bound = |value: Option<Value>| value.map(|value| literal(value, kind)).transpose().map_err(wrong);
    let (min, max) = (bound(form.min)?, bound(form.max)?);
    if (min.is_some() || max.is_some()) && matches!(kind, ColumnType::Text | ColumnType::Boolean) {
        return Err(wrong("`min` and `max` are for numbers, dates and timestamps".to_owned()));
    }
    if form.pattern.is_some() && kind != ColumnType::Text {
        return Err(wrong("`pattern` is for columns of type text".to_owned()));
    }
    if form.pattern.as_ref().is_some_and(|pattern| pattern.is_empty() || pattern.len() > MAX_SQL_BYTES) {
        return Err(wrong(format!("a pattern has 1 to {MAX_SQL_BYTES} bytes")));
    }
    let allowed = match form.allowed {
        Some(values) if values.is_empty() => return Err(wrong("`allowed` names no value".to_owned())),
        Some(values) => literals(values)?,
        None => vec![],
    };
    // What stands for no value is compared before anything is converted, so it may be of any type.
    let missing = form.missing.into_iter().map(plain).collect::<Result<_, _>>().map_err(wrong)?;
    let tolerance = tolerance(form.tolerance).map_err(wrong)?;
    let (required, unique, unit, pattern, severity) =
        (form.required, form.unique, form.unit, form.pattern, form.severity);
    Ok(ContractColumn {
        name: name.clone(),
        kind,
        required,
        unique,
        unit,
        min,
        max,
        allowed,
        pattern,
        missing,
        severity,
        tolerance,
    })
}

fn rule(form: RuleForm) -> Result<SqlRule, Wrong> {
    let start = form.name.span().start;
    named("rule", &form.name)?;
    let name = form.name.into_inner();
    let wrong = |why: String| (start, format!("rule `{name}`: {why}"));
    let over = match (form.row, form.set) {
        (Some(row), None) => Over::Row(row),
        (None, Some(set)) => Over::Set(set),
        _ => return Err(wrong("it needs either `row`, an expression over a row, or `set`, one over all".to_owned())),
    };
    let (Over::Row(sql) | Over::Set(sql)) = &over;
    if sql.trim().is_empty() || sql.len() > MAX_SQL_BYTES {
        return Err(wrong(format!("an expression has 1 to {MAX_SQL_BYTES} bytes")));
    }
    if matches!(over, Over::Set(_)) && form.tolerance.is_some() {
        return Err(wrong("a rule over all rows is true or not: it has no tolerance".to_owned()));
    }
    let tolerance = tolerance(form.tolerance).map_err(wrong)?;
    let (dimension, severity) = (form.dimension, form.severity);
    Ok(SqlRule { name: name.clone(), over, dimension, severity, tolerance })
}

fn reference(form: ReferenceForm) -> Result<Reference, Wrong> {
    let start = form.name.span().start;
    named("reference", &form.name)?;
    let name = form.name.into_inner();
    let wrong = |why: String| (start, format!("reference `{name}`: {why}"));
    name_is_valid("data set", &form.dataset).map_err(|refusal| wrong(refusal.message))?;
    if let Some(version) = &form.version {
        name_is_valid("version", version).map_err(|refusal| wrong(refusal.message))?;
    }
    let target = form.target.unwrap_or_else(|| form.columns.clone());
    if form.columns.is_empty() || form.columns.len() != target.len() {
        return Err(wrong("`columns` and `target` name the same number of columns, one at least".to_owned()));
    }
    let usual = if form.agree.is_empty() { Dimension::Consistency } else { Dimension::Accuracy };
    let tolerance = tolerance(form.tolerance).map_err(wrong)?;
    Ok(Reference {
        name: name.clone(),
        columns: form.columns,
        dataset: form.dataset,
        version: form.version,
        target,
        agree: form.agree,
        dimension: form.dimension.unwrap_or(usual),
        severity: form.severity,
        tolerance,
    })
}

fn tolerance(form: Option<ToleranceForm>) -> Result<Tolerance, String> {
    let why = || "a tolerance is { rows = 10 } or { share = 0.001 }, a share from 0 to 1".to_owned();
    match form {
        None => Ok(Tolerance::Nothing),
        Some(ToleranceForm { rows: Some(rows), share: None }) => Ok(Tolerance::Rows(rows)),
        Some(ToleranceForm { rows: None, share: Some(share) }) if (0.0..=1.0).contains(&share) => {
            let ppm = (share * WHOLE_PPM as f64).round();
            Ok(Tolerance::Ppm(ppm as u64))
        }
        Some(_) => Err(why()),
    }
}

/// A value as it is written.
fn plain(value: Value) -> Result<Literal, String> {
    match value {
        Value::Integer(number) => Ok(Literal::Integer(number)),
        Value::Float(number) if number.is_finite() => Ok(Literal::Number(number.to_string())),
        Value::String(text) => Ok(Literal::Text(text)),
        Value::Boolean(flag) => Ok(Literal::Boolean(flag)),
        Value::Datetime(at) => Ok(Literal::Text(at.to_string())),
        _ => Err("a value is a number, a text, true, false or a date".to_owned()),
    }
}

/// A value that a column of this type can have.
fn literal(value: Value, kind: ColumnType) -> Result<Literal, String> {
    let literal = plain(value)?;
    let fits = match (kind, &literal) {
        (ColumnType::Integer | ColumnType::Number, Literal::Integer(_))
        | (ColumnType::Number, Literal::Number(_))
        | (ColumnType::Text, Literal::Text(_))
        | (ColumnType::Boolean, Literal::Boolean(_)) => true,
        (ColumnType::Date | ColumnType::Timestamp, Literal::Text(text)) => {
            let digits =
                text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | 'T' | 'Z' | '.' | '+' | ' '));
            (10..=40).contains(&text.len()) && digits
        }
        _ => false,
    };
    if fits { Ok(literal) } else { Err("a value is not of the column's type".to_owned()) }
}

/// A length of time such as `90m`, `12h` or `7d`, in milliseconds.
fn duration_ms(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let digits = text.get(..text.len().checked_sub(1)?)?;
    let number: i64 = digits.parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(unit)
}
