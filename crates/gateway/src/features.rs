//! What contracts say of the inputs of a model: types, ranges, allowed values and that there is a value, compiled once when a
//! contract changes, and looked at in each request without SQL.
//!
//! A column of a contract is held against the input of the same name. What a model does not take, such as the label, is not
//! looked at; neither are patterns, keys and rules. One row that breaks something is enough: tolerances are for versions.

use std::collections::HashSet;

use domain::data::contracts::Severity;
use domain::data::{ColumnType, Contract, ContractColumn, ContractPublished, Literal};
use onnx::{Tensor, TensorData};

/// A contract as it guards a model.
#[derive(Debug)]
pub(crate) struct Features {
    /// Its name and version, for messages and records.
    contract: String,
    columns: Vec<Feature>,
}

#[derive(Debug)]
struct Feature {
    name: String,
    kind: ColumnType,
    required: bool,
    min: Option<f64>,
    max: Option<f64>,
    allowed_text: HashSet<String>,
    allowed_numbers: Vec<f64>,
    missing_text: HashSet<String>,
    missing_numbers: Vec<f64>,
    blocks: bool,
}

/// What is wrong with one value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Required,
    Type,
    Range,
    Allowed,
}

impl Wrong {
    fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Type => "type",
            Self::Range => "range",
            Self::Allowed => "allowed",
        }
    }
}

/// A check that inputs break. No value is in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Its contract, and its name there.
    pub check: String,
    pub blocks: bool,
    pub rows: usize,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} rows)", self.check, self.rows)
    }
}

impl Features {
    /// A contract in force, when it guards the model.
    pub(crate) fn of(published: &ContractPublished, model: &str) -> Option<Self> {
        let contract = Contract::parse(&published.text);
        let contract = contract
            .inspect_err(|error| {
                let contract = published.contract.as_str();
                tracing::error!(contract, %error, "ALERT: a contract in force cannot be read, and guards no model: publish it anew");
            })
            .ok()?;
        let guards = contract.models.iter().any(|guarded| guarded == model);
        let contract_name = format!("{} {}", published.contract, published.version);
        guards.then(|| Self { contract: contract_name, columns: contract.columns.iter().map(feature).collect() })
    }

    /// The checks that inputs break.
    pub(crate) fn broken(&self, inputs: &[(String, Tensor)]) -> Vec<Broken> {
        let mut broken: Vec<Broken> = Vec::new();
        for column in &self.columns {
            let Some((_, tensor)) = inputs.iter().find(|(name, _)| *name == column.name) else { continue };
            let mut counts = [0_usize; 4];
            let mut count = |wrong: Option<Wrong>| {
                if let Some(count) = wrong.and_then(|wrong| counts.get_mut(wrong as usize)) {
                    *count += 1;
                }
            };
            match tensor.data() {
                TensorData::Str(values) => values.iter().for_each(|value| count(column.text(value))),
                TensorData::Bool(values) => values.iter().for_each(|_| count(column.truth())),
                TensorData::F32(values) => values.iter().for_each(|value| count(column.number(f64::from(*value)))),
                TensorData::F64(values) => values.iter().for_each(|value| count(column.number(*value))),
                TensorData::I64(values) => values.iter().for_each(|value| count(column.number(*value as f64))),
                TensorData::I32(values) => values.iter().for_each(|value| count(column.number(f64::from(*value)))),
            }
            for wrong in [Wrong::Required, Wrong::Type, Wrong::Range, Wrong::Allowed] {
                let rows = counts.get(wrong as usize).copied().unwrap_or_default();
                if rows > 0 {
                    let check = format!("{}: {}.{}", self.contract, column.name, wrong.word());
                    broken.push(Broken { check, blocks: column.blocks, rows });
                }
            }
        }
        broken
    }
}

impl Feature {
    fn nothing(&self) -> Option<Wrong> {
        self.required.then_some(Wrong::Required)
    }

    fn text(&self, value: &str) -> Option<Wrong> {
        if value.is_empty() || self.missing_text.contains(value) {
            return self.nothing();
        }
        match self.kind {
            // A date is text on the wire; what it says is for the checks of versions.
            ColumnType::Text | ColumnType::Date | ColumnType::Timestamp => {
                let allowed = self.allowed_text.is_empty() || self.allowed_text.contains(value);
                (!allowed).then_some(Wrong::Allowed)
            }
            ColumnType::Integer | ColumnType::Number | ColumnType::Boolean => Some(Wrong::Type),
        }
    }

    fn truth(&self) -> Option<Wrong> {
        (self.kind != ColumnType::Boolean).then_some(Wrong::Type)
    }

    fn number(&self, value: f64) -> Option<Wrong> {
        if value.is_nan() || self.missing_numbers.contains(&value) {
            return self.nothing();
        }
        match self.kind {
            ColumnType::Integer if value.fract() != 0.0 => Some(Wrong::Type),
            ColumnType::Integer | ColumnType::Number => {
                if self.min.is_some_and(|min| value < min) || self.max.is_some_and(|max| value > max) {
                    return Some(Wrong::Range);
                }
                let allowed = self.allowed_numbers.is_empty() || self.allowed_numbers.contains(&value);
                (!allowed).then_some(Wrong::Allowed)
            }
            _ => Some(Wrong::Type),
        }
    }
}

fn feature(column: &ContractColumn) -> Feature {
    let number = |literal: &Literal| match literal {
        Literal::Integer(number) => Some(*number as f64),
        Literal::Number(digits) => digits.parse().ok(),
        Literal::Text(_) | Literal::Boolean(_) => None,
    };
    let text = |literal: &Literal| match literal {
        Literal::Text(text) => Some(text.clone()),
        _ => None,
    };
    Feature {
        name: column.name.clone(),
        kind: column.kind,
        required: column.required,
        min: column.min.as_ref().and_then(number),
        max: column.max.as_ref().and_then(number),
        allowed_text: column.allowed.iter().filter_map(text).collect(),
        allowed_numbers: column.allowed.iter().filter_map(number).collect(),
        missing_text: column.missing.iter().filter_map(text).collect(),
        missing_numbers: column.missing.iter().filter_map(number).collect(),
        blocks: column.severity == Severity::Blocking,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
name = "loans"
dataset = "loans"
models = ["credit-risk"]
[[column]]
name = "age"
type = "integer"
required = true
min = 18
missing = [-1]
[[column]]
name = "kind"
type = "text"
allowed = ["a", "b"]
severity = "warning"
[[column]]
name = "label"
type = "integer"
required = true
"#;

    fn features(model: &str) -> Option<Features> {
        let (contract, dataset, text) = ("loans".to_owned(), "loans".to_owned(), TEXT.to_owned());
        Features::of(&ContractPublished { contract, version: 3, dataset, text }, model)
    }

    #[test]
    fn given_inputs_when_looked_at_then_each_check_counts_its_rows_and_what_the_model_does_not_take_is_left_out() {
        assert!(features("other").is_none());
        let features = features("credit-risk").expect("it guards the model");
        let tensor = |data: TensorData, rows: usize| Tensor::new(vec![rows, 1], data).expect("a tensor");
        let text = |words: &[&str]| TensorData::Str(words.iter().map(|word| (*word).into()).collect());
        let inputs = |ages: Vec<f32>, kinds: &[&str]| {
            let ages = ("age".to_owned(), tensor(TensorData::F32(ages.clone()), ages.len()));
            vec![ages, ("kind".to_owned(), tensor(text(kinds), kinds.len()))]
        };
        assert_eq!(features.broken(&inputs(vec![18.0, 70.0], &["a", ""])), []);
        let broken = features.broken(&inputs(vec![17.0, -1.0, 20.5, 4.0], &["a", "c", "b", "b"]));
        let said: Vec<(String, bool)> = broken.iter().map(|one| (one.to_string(), one.blocks)).collect();
        let expected = [
            ("loans 3: age.required (1 rows)", true),
            ("loans 3: age.type (1 rows)", true),
            ("loans 3: age.range (2 rows)", true),
            ("loans 3: kind.allowed (1 rows)", false),
        ];
        assert_eq!(said, expected.map(|(text, blocks)| (text.to_owned(), blocks)));
        let words = vec![("age".to_owned(), tensor(text(&["old"]), 1))];
        assert_eq!(features.broken(&words)[0].check, "loans 3: age.type");
    }
}
