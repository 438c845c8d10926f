//! Results as the tools themselves wrote them (see `testdata/README.md`), and what is not taken for any.

use super::*;

const VALIDATION: &str = include_str!("../../../testdata/gx_validation.json");
const CHECKPOINT: &str = include_str!("../../../testdata/gx18_checkpoint.json");
const RUN: &str = include_str!("../../../testdata/dbt_run_results.json");
const MANIFEST: &str = include_str!("../../../testdata/dbt_manifest.json");

/// Rule, dimension, verdict, rows that were checked, and those that broke it.
type Told<'a> = (&'a str, &'a str, &'a str, Option<u64>, Option<u64>);

fn told(report: &Report) -> Vec<Told<'_>> {
    let one = |one: &ReportedResult| (one.dimension.as_str(), one.verdict.as_str(), one.checked, one.violations);
    let results = report.results.iter().map(|result| (result.rule.as_str(), one(result)));
    results
        .map(|(rule, (dimension, verdict, checked, violations))| (rule, dimension, verdict, checked, violations))
        .collect()
}

fn expectations(report: &str, of: Option<&str>) -> Result<Report, String> {
    report_of(Tool::GreatExpectations, Files { report, manifest: None }, "loans", of)
}

fn tests_of(manifest: Option<&str>, dataset: &str, of: Option<&str>) -> Result<Report, String> {
    report_of(Tool::Dbt, Files { report: RUN, manifest }, dataset, of)
}

#[test]
fn given_a_validation_when_read_then_each_expectation_is_a_result_under_its_own_words() {
    let report = expectations(VALIDATION, None).expect("a report");
    assert_eq!((report.tool_version.as_deref(), report.run.as_deref()), (Some("1.24.1"), Some("nightly-7")));
    assert_eq!(report.ran_at, Some(1_795_894_526_446));
    let all = |rule, dimension, verdict, violations| (rule, dimension, verdict, Some(5), Some(violations));
    assert_eq!(
        told(&report),
        [
            ("nowhere.expect_column_values_to_not_be_null", "completeness", "unknown", None, None),
            ("expect_table_row_count_to_be_between", "completeness", "passed", None, None),
            all("amount+paid.expect_column_pair_values_a_to_be_greater_than_b", "consistency", "failed", 1),
            all("id+kind.expect_compound_columns_to_be_unique", "uniqueness", "passed", 0),
            all("id.expect_column_values_to_not_be_null", "completeness", "passed", 0),
            all("id.expect_column_values_to_be_unique", "uniqueness", "failed", 2),
            all("amount.expect_column_values_to_not_be_null", "completeness", "passed", 1),
            all("amount.expect_column_values_to_be_between", "validity", "failed", 1),
            all("kind.expect_column_values_to_be_in_set", "validity", "failed", 1),
            ("paid.expect_column_mean_to_be_between", "validity", "passed", None, None),
        ]
    );
    let warns: Vec<bool> = report.results.iter().map(|one| one.warns).collect();
    assert_eq!(warns.iter().filter(|warns| **warns).count(), 1, "the one of severity `warning`");
    assert_eq!(expectations(VALIDATION, Some("loans")), Ok(report));
    assert!(expectations(VALIDATION, Some("cards")).expect_err("another suite").contains("one suite: loans"));
    let files = Files { report: VALIDATION, manifest: None };
    let other = |of| report_of(Tool::GreatExpectations, files, "cards", of);
    assert!(other(None).expect_err("of another data set").contains("--of and the name of one suite: loans"));
    assert!(other(Some("loans")).is_ok(), "it was said");
}

#[test]
fn given_a_checkpoint_of_before_when_read_then_the_validation_in_it_is() {
    let report = expectations(CHECKPOINT, None).expect("a report");
    assert_eq!((report.tool_version.as_deref(), report.run.as_deref()), (Some("0.18.22"), Some("nightly-7")));
    assert_eq!(
        told(&report),
        [
            ("id.expect_column_values_to_not_be_null", "completeness", "passed", Some(5), Some(0)),
            ("id.expect_column_values_to_be_unique", "uniqueness", "failed", Some(5), Some(2)),
            ("kind.expect_column_values_to_be_in_set", "validity", "failed", Some(5), Some(1)),
        ]
    );
}

#[test]
fn given_results_of_dbt_when_read_with_its_manifest_then_those_of_one_model_are_meant() {
    let report = tests_of(Some(MANIFEST), "loans", None).expect("a report");
    assert_eq!(report.tool_version.as_deref(), Some("1.11.16"));
    assert_eq!(report.run.as_deref(), Some("c302fa20-ff67-43a1-bc84-a2a3e3017f94"));
    assert_eq!(
        told(&report),
        [
            ("kind.accepted_values", "validity", "failed", None, Some(1)),
            ("amounts_are_not_below_zero", "validity", "passed", None, Some(0)),
            ("broken", "validity", "unknown", None, None),
            ("amount.not_null", "completeness", "failed", None, Some(1)),
            ("id.not_null", "completeness", "passed", None, Some(0)),
            ("customer.relationships", "consistency", "failed", None, Some(1)),
            ("id.unique", "uniqueness", "failed", None, Some(1)),
        ]
    );
    assert_eq!(report.results.iter().map(|one| one.warns).position(|warns| warns), Some(0), "it only warned");
    let seeds = tests_of(Some(MANIFEST), "loans", Some("customers")).expect("a report");
    assert_eq!(seeds.results.len(), 2);
    assert!(tests_of(Some(MANIFEST), "cards", None).expect_err("no such").contains("--of one of customers, loans"));
    assert!(tests_of(None, "loans", Some("loans")).expect_err("unknown").contains("manifest.json"));
    let all = tests_of(None, "loans", None).expect("a report");
    assert_eq!(all.results.len(), 9, "all of the project");
    assert!(all.results.iter().any(|one| one.rule == "not_null_loans_id"));
}

#[test]
fn given_files_when_only_what_is_kept_is_left_of_them_then_they_say_the_same_and_no_value_is_in_them() {
    let files = Files { report: VALIDATION, manifest: None };
    assert!(VALIDATION.contains("boat") && VALIDATION.contains("5000"));
    let (slimmed, _) = slim(Tool::GreatExpectations, files).expect("slim");
    assert!(!slimmed.contains("boat") && !slimmed.contains("5000"), "{slimmed}");
    assert_eq!(expectations(&slimmed, None), expectations(VALIDATION, None));
    let (slimmed, _) = slim(Tool::GreatExpectations, Files { report: CHECKPOINT, manifest: None }).expect("slim");
    assert_eq!(expectations(&slimmed, None), expectations(CHECKPOINT, None));
    let files = Files { report: RUN, manifest: Some(MANIFEST) };
    let (run, manifest) = slim(Tool::Dbt, files).expect("slim");
    let manifest = manifest.expect("a manifest");
    assert!(manifest.len() < MANIFEST.len() / 4 && !run.contains("select"), "{run}");
    let files = Files { report: &run, manifest: Some(&manifest) };
    assert_eq!(report_of(Tool::Dbt, files, "loans", None), tests_of(Some(MANIFEST), "loans", None));
}

#[test]
fn given_a_file_that_is_none_of_the_tools_when_read_then_it_is_refused_with_the_reason() {
    for (text, why) in [
        ("", "not as the tool writes it"),
        ("{}", "no `results`"),
        (r#"{"results": []}"#, "0 results"),
        (r#"{"results": [{"success": true}]}"#, "not as the tool writes it"),
        (r#"{"run_results": {"a": {"actions_results": {}}}}"#, "no `results`"),
    ] {
        let error = expectations(text, None).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }
    let other =
        r#"{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}, "results": []}"#;
    let files = Files { report: other, manifest: None };
    assert!(report_of(Tool::Dbt, files, "loans", None).expect_err("another").contains("no run_results.json"));
    let deep = format!("{}{}", r#"{"validation_result":"#.repeat(500), "}".repeat(500));
    assert!(expectations(&deep, None).expect_err("deep").contains("recursion limit"));
}

#[test]
fn given_names_that_cannot_be_written_down_when_read_then_the_place_stands_for_them() {
    let one = |column: &str| {
        format!(
            r#"{{"success": true, "expectation_config": {{"type": "expect_column_to_exist", "kwargs": {{"column": "{column}"}}}},
                "result": {{"element_count": 3.0, "unexpected_count": null}}, "exception_info": {{"m1": {{"raised_exception": true}}}}}}"#
        )
    };
    let long = "x".repeat(200);
    let columns = ["ann@example.com", "id", "id", "say \\\"x\\\"", long.as_str()];
    let results: Vec<String> = columns.iter().map(|column| one(column)).collect();
    let text = format!(
        r#"{{"results": [{}], "run_id": {{"run_name": "by ann", "run_time": "2026-11-28T10:00:00.5+00:00"}}}}"#,
        results.join(",")
    );
    let report = expectations(&text, None).expect("a report");
    let rules: Vec<&str> = report.results.iter().map(|one| one.rule.as_str()).collect();
    let exist = "id.expect_column_to_exist";
    assert_eq!(rules, ["expectation-1", exist, &format!("{exist}#2"), "expectation-4", "expectation-5"]);
    assert_eq!((report.run.as_deref(), report.ran_at), (None, Some(1_795_860_000_500)));
    assert_eq!(report.notes.len(), 4, "three names and the run: {:?}", report.notes);
    assert!(report.results.iter().all(|one| one.verdict == Verdict::Unknown && one.checked.is_none()), "they raised");
}
