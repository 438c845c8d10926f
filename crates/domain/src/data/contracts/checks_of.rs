//! What a contract checks, one thing after another, each with its name.

use super::format::{
    ColumnType, Contract, ContractColumn, Dimension, Literal, Over, Reference, Severity, Tolerance, WHOLE_PPM,
};

/// One thing that is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name, there once in a contract: a rule's own, or `COLUMN.required` and the like.
    pub name: String,
    /// Of which dimension it is.
    pub dimension: Dimension,
    /// Whether breaking it quarantines the version.
    pub blocking: bool,
    /// How much may break it.
    pub tolerance: Tolerance,
    /// What is looked at.
    pub what: What,
}

/// What a check looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// That the columns are there, and when the contract is closed no others.
    Schema,
    /// That values are of their column's type.
    Type(String),
    /// That there is a value.
    Required(String),
    /// That values lie between two.
    Range(String, Option<Literal>, Option<Literal>),
    /// That values are among these.
    Allowed(String, Vec<Literal>),
    /// That values match a regular expression.
    Pattern(String, String),
    /// That no two rows have the same values in these columns. Rows without a value in one of them are not compared.
    Unique(Vec<String>),
    /// That the newest value is not older than this, in milliseconds.
    Fresh(String, i64),
    /// That an expression is not false of a row.
    Row(String),
    /// That an expression is true of all rows together.
    Set(String),
    /// That values are found in another data set.
    Reference(Box<Reference>),
}

impl Check {
    /// Whether it passes with this many of these rows breaking it.
    #[must_use]
    pub fn tolerates(&self, violations: u64, checked: u64) -> bool {
        match self.tolerance {
            Tolerance::Nothing => violations == 0,
            Tolerance::Rows(rows) => violations <= rows,
            Tolerance::Ppm(ppm) => {
                u128::from(violations) * u128::from(WHOLE_PPM) <= u128::from(ppm) * u128::from(checked)
            }
        }
    }
}

impl Contract {
    /// What it checks, in the order of the file.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = vec![Check {
            name: "schema".to_owned(),
            dimension: Dimension::Validity,
            blocking: true,
            tolerance: Tolerance::Nothing,
            what: What::Schema,
        }];
        checks.extend(self.columns.iter().flat_map(of_column));
        checks.extend(self.keys.iter().map(|key| Check {
            name: format!("key.{}", key.join("+")),
            dimension: Dimension::Uniqueness,
            blocking: true,
            tolerance: Tolerance::Nothing,
            what: What::Unique(key.clone()),
        }));
        checks.extend(self.freshness.iter().map(|fresh| Check {
            name: "freshness".to_owned(),
            dimension: Dimension::Timeliness,
            blocking: fresh.severity == Severity::Blocking,
            tolerance: Tolerance::Nothing,
            what: What::Fresh(fresh.column.clone(), fresh.max_age_ms),
        }));
        checks.extend(self.rules.iter().map(|rule| Check {
            name: rule.name.clone(),
            dimension: rule.dimension,
            blocking: rule.severity == Severity::Blocking,
            tolerance: rule.tolerance,
            what: match &rule.over {
                Over::Row(sql) => What::Row(sql.clone()),
                Over::Set(sql) => What::Set(sql.clone()),
            },
        }));
        checks.extend(self.references.iter().map(|reference| Check {
            name: reference.name.clone(),
            dimension: reference.dimension,
            blocking: reference.severity == Severity::Blocking,
            tolerance: reference.tolerance,
            what: What::Reference(Box::new(reference.clone())),
        }));
        checks
    }
}

fn of_column(column: &ContractColumn) -> Vec<Check> {
    let name = || column.name.clone();
    let check = |word: &str, dimension, what| Check {
        name: format!("{}.{word}", column.name),
        dimension,
        blocking: column.severity == Severity::Blocking,
        tolerance: column.tolerance,
        what,
    };
    let mut checks = Vec::new();
    if column.kind != ColumnType::Text {
        checks.push(check("type", Dimension::Validity, What::Type(name())));
    }
    if column.required {
        checks.push(check("required", Dimension::Completeness, What::Required(name())));
    }
    if column.min.is_some() || column.max.is_some() {
        let what = What::Range(name(), column.min.clone(), column.max.clone());
        checks.push(check("range", Dimension::Validity, what));
    }
    if !column.allowed.is_empty() {
        checks.push(check("allowed", Dimension::Validity, What::Allowed(name(), column.allowed.clone())));
    }
    if let Some(pattern) = &column.pattern {
        checks.push(check("pattern", Dimension::Validity, What::Pattern(name(), pattern.clone())));
    }
    if column.unique {
        checks.push(check("unique", Dimension::Uniqueness, What::Unique(vec![name()])));
    }
    checks
}
