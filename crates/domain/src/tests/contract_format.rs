//! The format of contracts: what is read of a file, what it checks, and where the error is in one that is refused.

use crate::data::contracts::format::{MAX_CHECKS, MAX_CONTRACT_BYTES, WHOLE_PPM};
use crate::data::{Check, Contract, Dimension, Literal, Tolerance, What};

const WHOLE: &str = r#"name = "loans"
dataset = "loans"
closed = true
keys = [["id"], ["customer", "opened"]]

[[column]]
name = "id"
type = "integer"
required = true
unique = true

[[column]]
name = "customer"
type = "text"
pattern = "^c-[0-9]+$"
missing = ["n/a", -1]

[[column]]
name = "opened"
type = "timestamp"
min = 2020-01-01T00:00:00Z

[[column]]
name = "Credit amount"
type = "number"
unit = "EUR"
min = 0.5
max = 100000
severity = "warning"
tolerance = { share = 0.001 }

[[column]]
name = "kind"
type = "text"
allowed = ["a", "b"]

[freshness]
column = "opened"
max_age = "7d"

[[rule]]
name = "positive"
row = '"Credit amount" > 0'
dimension = "accuracy"
tolerance = { rows = 3 }

[[rule]]
name = "enough"
set = "count(*) >= 100"
dimension = "completeness"

[[reference]]
name = "customer-known"
columns = ["customer"]
dataset = "customers"
target = ["id"]

[[reference]]
name = "kind-as-known"
columns = ["id"]
dataset = "ledger"
version = "2026"
agree = ["kind"]
"#;

#[test]
fn given_a_whole_contract_when_read_then_each_thing_that_it_checks_has_a_name_and_a_dimension() {
    let contract = Contract::parse(WHOLE).expect("a contract");
    let checks = contract.checks();
    let named: Vec<(&str, Dimension, bool)> =
        checks.iter().map(|check| (check.name.as_str(), check.dimension, check.blocking)).collect();
    use Dimension::{Accuracy, Completeness, Consistency, Timeliness, Uniqueness, Validity};
    let expected = [
        ("schema", Validity, true),
        ("id.type", Validity, true),
        ("id.required", Completeness, true),
        ("id.unique", Uniqueness, true),
        ("customer.pattern", Validity, true),
        ("opened.type", Validity, true),
        ("opened.range", Validity, true),
        ("Credit amount.type", Validity, false),
        ("Credit amount.range", Validity, false),
        ("kind.allowed", Validity, true),
        ("key.id", Uniqueness, true),
        ("key.customer+opened", Uniqueness, true),
        ("freshness", Timeliness, true),
        ("positive", Accuracy, true),
        ("enough", Completeness, true),
        ("customer-known", Consistency, true),
        ("kind-as-known", Accuracy, true),
    ];
    assert_eq!(named, expected);
    assert_eq!(contract.dimensions().len(), 6);
    let missing = &contract.column("customer").expect("there").missing;
    assert_eq!(missing, &[Literal::Text("n/a".into()), Literal::Integer(-1)]);
    let opened = contract.column("opened").expect("there").min.clone();
    assert_eq!(opened, Some(Literal::Text("2020-01-01T00:00:00Z".into())));
    assert_eq!(contract.freshness.as_ref().map(|fresh| fresh.max_age_ms), Some(7 * 86_400_000));
    assert!(matches!(checks.last().map(|check| &check.what), Some(What::Reference(_))));
    let tolerances: Vec<Tolerance> = checks.iter().map(|check| check.tolerance).collect();
    assert!(tolerances.contains(&Tolerance::Ppm(1000)) && tolerances.contains(&Tolerance::Rows(3)));
}

#[test]
fn given_tolerances_when_compared_then_a_share_is_of_the_rows_and_its_bound_is_tolerated() {
    let check = |tolerance| Check {
        name: "x".into(),
        dimension: Dimension::Validity,
        blocking: true,
        tolerance,
        what: What::Schema,
    };
    assert!(check(Tolerance::Nothing).tolerates(0, 0) && !check(Tolerance::Nothing).tolerates(1, u64::MAX));
    assert!(check(Tolerance::Rows(3)).tolerates(3, 3) && !check(Tolerance::Rows(3)).tolerates(4, 100));
    assert!(check(Tolerance::Ppm(1000)).tolerates(1, 1000) && !check(Tolerance::Ppm(1000)).tolerates(2, 1000));
    assert!(check(Tolerance::Ppm(WHOLE_PPM)).tolerates(u64::MAX, u64::MAX));
}

#[track_caller]
fn refused(from: &str, to: &str, line: usize, why: &str) {
    assert!(WHOLE.contains(from), "{from}");
    let error = Contract::parse(&WHOLE.replacen(from, to, 1)).expect_err("refused");
    assert_eq!(error.line, line, "{error}");
    assert!(error.why.contains(why), "{error}");
}

#[test]
fn given_files_with_one_thing_wrong_when_read_then_each_is_refused_with_its_line() {
    refused("closed = true", "closed = 3", 3, "boolean");
    refused("name = \"kind\"", "name = 'ki\"nd'", 33, "no control characters");
    refused("closed = true", "clsed = true", 3, "unknown field `clsed`");
    refused("name = \"loans\"", "name = \"Loans!\"", 1, "not a name for a contract");
    refused("type = \"integer\"", "type = \"int\"", 8, "unknown variant `int`");
    refused("name = \"customer\"", "name = \"id\"", 13, "column `id` is there twice");
    refused("[\"id\"], ", "[\"nr\"], ", 4, "no [[column]] `nr`");
    refused("min = 0.5", "min = \"low\"", 24, "column `Credit amount`: a value is not of the column's type");
    refused("unit = \"EUR\"", "unit = \"€ in all\"", 24, "a unit is");
    refused("share = 0.001", "share = 1.5", 24, "a tolerance is");
    refused("share = 0.001", "share = 0.1, rows = 2", 24, "a tolerance is");
    refused("allowed = [\"a\", \"b\"]", "allowed = []", 33, "names no value");
    refused("column = \"opened\"", "column = \"id\"", 38, "freshness needs a column of dates");
    refused("max_age = \"7d\"", "max_age = \"week\"", 38, "no length of time");
    refused("set = \"count(*) >= 100\"", "", 48, "either `row`");
    refused("target = [\"id\"]", "target = [\"id\", \"b\"]", 53, "the same number of columns");
    refused("name = \"positive\"", "name = \"freshness\"", 1, "two checks are called `freshness`");
    refused("pattern = \"^c-[0-9]+$\"", "min = 3", 13, "not of the column's type");
}

#[test]
fn given_files_that_are_too_much_when_read_then_they_are_refused() {
    let long = format!("{WHOLE}# {}", "x".repeat(MAX_CONTRACT_BYTES));
    assert!(Contract::parse(&long).expect_err("long").why.contains("bytes at most"));
    let mut wide = "name = \"a\"\ndataset = \"a\"\n".to_owned();
    for n in 0..=MAX_CHECKS {
        wide += &format!("[[column]]\nname = \"c{n}\"\ntype = \"date\"\n");
    }
    assert!(Contract::parse(&wide).expect_err("wide").why.contains("split it"));
    assert!(Contract::parse("name = \"a\"\ndataset = \"a\"\n").expect_err("empty").why.contains("no columns"));
    let deep = format!("name = {}", "[".repeat(5000));
    Contract::parse(&deep).expect_err("deep");
}
