//! Checks over real loans: as they are, and with a fault of every dimension planted in them.

use std::sync::Arc;

use domain::data::{Contract, Dimension, Form, RuleResult, Unsure, Verdict, checks};
use query::rows::Frame;

use super::run::table;
use super::{BROKEN_RULES, Checked, References, check, in_form, offending, try_contract};

const DATA: &str = include_str!("../../../../examples/credit-risk/german_credit.data");
const CONTRACT: &str = include_str!("../../../../examples/credit-risk/contract.toml");

/// 2026-11-28T00:00:00Z
const NOW: i64 = 1_795_824_000_000;

/// Names of columns by their place.
const NAMES: &str = "id,checking_status,duration_months,credit_history,purpose,credit_amount,savings,employment_since,\
                     installment_rate,personal_status_sex,other_debtors,residence_since,property,age_years,\
                     other_installment_plans,housing,existing_credits,job,dependents,telephone,foreign_worker,label,\
                     recorded_at";

/// The loans with an identifier and a date, as cells.
fn loans() -> Vec<Vec<String>> {
    let row = |(n, line): (usize, &str)| {
        let cells = line.split_whitespace().map(str::to_owned);
        let id = std::iter::once((n + 1).to_string());
        id.chain(cells).chain(["2026-11-20T10:00:00Z".to_owned()]).collect()
    };
    DATA.lines().enumerate().map(row).collect()
}

fn place(name: &str) -> usize {
    NAMES.split(',').position(|known| known == name).expect("a column")
}

fn csv(rows: &[Vec<String>]) -> Vec<u8> {
    let lines: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    format!("{NAMES}\n{}\n", lines.join("\n")).into_bytes()
}

/// A frame of some rows, beside which the bookings and the list of purposes lie.
async fn frame(contract: &Contract, rows: Vec<u8>) -> (Frame, References) {
    let mut frame = Frame::open(Form::Csv, Arc::new(rows)).await.expect("rows");
    // The seventh, holidays, nobody borrows for.
    let codes = (0..=10).filter(|n| *n != 7).map(|n| format!("{{\"code\":\"A4{n}\"}}\n"));
    let codes: String = codes.collect();
    let mut references = References::new();
    for (n, reference) in contract.references.iter().enumerate() {
        let (form, bytes) = match reference.dataset.as_str() {
            "bookings" => (Form::Csv, csv(&loans())),
            _ => (Form::Jsonl, codes.clone().into_bytes()),
        };
        frame.add_table(&table(n), form, Arc::new(bytes)).await.expect("another table");
        references.push((reference.clone(), table(n)));
    }
    (frame, references)
}

async fn checked(contract: &str, rows: &[Vec<String>]) -> Checked {
    let contract = Contract::parse(contract).expect("a contract");
    let (frame, references) = frame(&contract, csv(rows)).await;
    check(&contract, &frame, &references, NOW).await.expect("checked")
}

fn of<'a>(checked: &'a Checked, rule: &str) -> &'a RuleResult {
    checked.results.iter().find(|one| one.rule == rule).expect("the rule is there")
}

/// What did not pass: rule, verdict, how many rows.
fn broken(checked: &Checked) -> Vec<(&str, Verdict, u64)> {
    let broken = checked.results.iter().filter(|one| one.verdict != Verdict::Passed);
    broken.map(|one| (one.rule.as_str(), one.verdict, one.violations)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_real_loans_when_checked_as_they_are_then_all_dimensions_pass_within_their_tolerance() {
    let checked = checked(CONTRACT, &loans()).await;
    assert_eq!((checked.rows, broken(&checked)), (1000, vec![]));
    assert_eq!(checks::overall(&checked.results), Verdict::Passed);
    assert_eq!(of(&checked, "free-housing-owns-nothing").violations, 4, "four in a hundred and eight do");
    assert_eq!(of(&checked, "schema").checked, 23);
    for dimension in Dimension::ALL {
        assert!(checked.results.iter().any(|one| one.dimension == dimension), "{dimension:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_fault_of_each_dimension_when_planted_then_the_rule_for_it_counts_it_and_no_other_is_broken() {
    type Plant = fn(&mut Vec<Vec<String>>);
    fn set(rows: &mut [Vec<String>], from: usize, to: usize, column: &str, value: &str) {
        for row in &mut rows[from..to] {
            row[place(column)] = value.to_owned();
        }
    }
    let failed = |rule: &'static str, rows: u64| (rule, Verdict::Failed, rows);
    let faults: [(Dimension, Plant, (&str, Verdict, u64)); 11] = [
        (Dimension::Completeness, |rows| set(rows, 0, 3, "credit_history", ""), failed("credit_history.required", 3)),
        (Dimension::Completeness, |rows| rows.truncate(100), failed("enough-of-both", 1)),
        (Dimension::Validity, |rows| set(rows, 5, 7, "savings", "A69"), failed("savings.allowed", 2)),
        (Dimension::Validity, |rows| set(rows, 5, 6, "age_years", "201"), failed("age_years.range", 1)),
        (Dimension::Validity, |rows| set(rows, 5, 9, "dependents", "one"), failed("dependents.type", 4)),
        (Dimension::Validity, |rows| set(rows, 5, 6, "residence_since", "1.5"), failed("residence_since.type", 1)),
        (
            Dimension::Validity,
            |rows| set(rows, 5, 7, "personal_status_sex", "A9"),
            failed("personal_status_sex.pattern", 2),
        ),
        (Dimension::Consistency, |rows| set(rows, 6, 8, "purpose", "A47"), failed("purpose-known", 2)),
        (Dimension::Accuracy, |rows| set(rows, 0, 4, "credit_amount", "1000"), failed("as-booked", 4)),
        (Dimension::Timeliness, |rows| set(rows, 0, 1000, "recorded_at", "2026-09-01"), failed("freshness", 1)),
        (Dimension::Timeliness, |rows| set(rows, 0, 1, "recorded_at", "2027-01-01"), failed("freshness", 1)),
    ];
    for (dimension, plant, expected) in faults {
        let mut rows = loans();
        plant(&mut rows);
        let checked = checked(CONTRACT, &rows).await;
        assert_eq!(broken(&checked), [expected], "{dimension:?}");
        assert_eq!(of(&checked, expected.0).dimension, dimension);
        assert_eq!(checks::overall(&checked.results), Verdict::Failed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_rows_that_are_there_twice_when_checked_then_all_of_them_count_and_rows_without_a_key_are_left_to_others()
{
    let mut rows = loans();
    rows[1] = rows[0].clone();
    rows[2] = rows[0].clone();
    let found = checked(CONTRACT, &rows).await;
    assert_eq!(broken(&found), [("key.id", Verdict::Failed, 3)]);
    assert_eq!(of(&found, "key.id").dimension, Dimension::Uniqueness);
    for row in &mut rows[0..3] {
        row[0] = String::new();
    }
    let found = checked(CONTRACT, &rows).await;
    assert_eq!(broken(&found), [("id.required", Verdict::Failed, 3)], "NULL is no value that is there twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_more_columns_of_keys_than_one_pass_takes_when_checked_then_the_others_are_counted_all_the_same() {
    let columns: Vec<String> = (1..=6).map(|n| format!("c{n}")).collect();
    let typed = columns.iter().map(|name| format!("[[column]]\nname = \"{name}\"\ntype = \"text\"\nunique = true\n"));
    let text = format!("name = \"keys\"\ndataset = \"keys\"\n{}", typed.collect::<String>());
    let contract = Contract::parse(&text).expect("a contract");
    // Every value of the n-th column is there n times, so those of the first once, and some are missing.
    let row = |at: usize| (1..=6).map(|n| if at == 600 + n { String::new() } else { format!("v{}", at / n) }).collect();
    let rows: Vec<Vec<String>> = (0..720).map(row).collect();
    let lines: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    let csv = format!("{}\n{}\n", columns.join(","), lines.join("\n"));
    let frame = Frame::open(Form::Csv, Arc::new(csv.into_bytes())).await.expect("rows");
    let none = References::new();
    let found = check(&contract, &frame, &none, NOW).await.expect("checked");
    for n in 1..=6 {
        let result = of(&found, &format!("c{n}.unique"));
        // One value is there once less, and of the second column it is alone then.
        let expected = [0, 718, 719, 719, 719, 719][n - 1];
        assert_eq!((result.verdict == Verdict::Passed, result.violations), (n == 1, expected), "c{n}");
    }
    let (_, kept) = offending(&contract, &frame, &none, &found.results).await.expect("read").expect("rows");
    assert_eq!(kept, 718 + 4 * 719);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_value_that_stands_for_none_when_checked_then_it_is_missing_and_breaks_no_rule_but_that() {
    let mut rows = loans();
    rows[0][place("credit_amount")] = "-999".to_owned();
    let bare = CONTRACT.replace("agree = [\"credit_amount\", \"duration_months\"]", "agree = [\"duration_months\"]");
    let found = checked(&bare, &rows).await;
    assert_eq!(broken(&found), [("credit_amount.required", Verdict::Failed, 1)], "not below the range");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_what_cannot_be_evaluated_when_checked_then_it_is_unknown_by_name_and_the_others_are_not() {
    let more = "\n[[rule]]\nname = \"divides\"\nrow = \"credit_amount / (dependents - dependents) > 1\"\ndimension = \"validity\"\n\
                [[rule]]\nname = \"no-such-column\"\nrow = \"wealth > 1\"\ndimension = \"validity\"\n\
                [[rule]]\nname = \"nothing\"\nset = \"max(CASE WHEN label = 9 THEN 1 END) = 1\"\ndimension = \"validity\"\n";
    let found = checked(&format!("{CONTRACT}{more}"), &loans()).await;
    let unknown = |rule| (rule, Verdict::Unknown, 0);
    assert_eq!(broken(&found), [unknown("divides"), unknown("no-such-column"), unknown("nothing")]);
    assert_eq!(of(&found, "divides").why, Some(Unsure::NotEvaluable));
    assert_eq!(checks::overall(&found.results), Verdict::Unknown);
    assert_eq!(of(&found, "free-housing-owns-nothing").violations, 4);

    let contract = Contract::parse(CONTRACT).expect("a contract");
    let none = frame(&contract, format!("{NAMES}\n").into_bytes()).await;
    let found = check(&contract, &none.0, &none.1, NOW).await.expect("checked");
    assert_eq!(of(&found, "id.required").why, Some(Unsure::NoRows));
    assert_eq!(of(&found, "enough-of-both").verdict, Verdict::Failed, "none are not enough");

    let whole = frame(&contract, csv(&loans())).await;
    let found = check(&contract, &whole.0, &References::new(), NOW).await.expect("checked");
    assert_eq!(of(&found, "as-booked").why, Some(Unsure::ReferenceMissing));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_other_columns_than_named_when_checked_then_the_schema_is_broken_and_what_needs_them_is_unknown() {
    let text = String::from_utf8(csv(&loans())).expect("text").replacen("age_years", "age", 1);
    let contract = Contract::parse(CONTRACT).expect("a contract");
    let (frame, references) = frame(&contract, text.into_bytes()).await;
    let found = check(&contract, &frame, &references, NOW).await.expect("checked");
    assert_eq!(of(&found, "schema").violations, 2, "one is missing and one too many");
    assert_eq!(of(&found, "age_years.range").why, Some(Unsure::ColumnMissing));
    assert_eq!(of(&found, "employed-since-of-age").verdict, Verdict::Unknown);
    let open = Contract::parse(&CONTRACT.replace("closed = true", "closed = false")).expect("a contract");
    let found = check(&open, &frame, &references, NOW).await.expect("checked");
    assert_eq!(of(&found, "schema").violations, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_rows_that_break_what_blocks_when_kept_then_each_says_which_rules_and_they_read_in_every_form() {
    let mut rows = loans();
    rows[4][place("age_years")] = "7".to_owned();
    rows[4][place("dependents")] = "one, \"or\" two".replace(['"', ','], "");
    rows[9][place("savings")] = "A69".to_owned();
    rows[11] = rows[10].clone();
    let contract = Contract::parse(CONTRACT).expect("a contract");
    let (frame, references) = frame(&contract, csv(&rows)).await;
    let found = check(&contract, &frame, &references, NOW).await.expect("checked");
    let kept = offending(&contract, &frame, &references, &found.results).await.expect("read");
    let (parquet, count) = kept.expect("rows");
    let of = |form| in_form(parquet.clone(), form);
    let lines = String::from_utf8(of(Form::Jsonl).await.expect("rows")).expect("text");
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len() as u64, count);
    let rules = |id: i64| {
        let with = lines.iter().filter(|line| line["id"] == id);
        with.map(|line| line[BROKEN_RULES].as_str().expect("rules").to_owned()).collect::<Vec<_>>()
    };
    // Whoever is that young was not employed for seven years either.
    assert!(rules(5).concat().contains("dependents.type") && rules(5).concat().contains("age_years.range"));
    assert_eq!(rules(10), ["savings.allowed"]);
    assert_eq!(rules(11), ["key.id", "key.id"]);
    assert_eq!(lines.iter().find(|line| line["id"] == 5).expect("kept")["dependents"], "one or two", "as it came");
    let text = String::from_utf8(of(Form::Csv).await.expect("rows")).expect("text");
    assert!(text.starts_with("id,checking_status,") && text.lines().count() as u64 == count + 1);
    assert!(of(Form::Parquet).await.expect("rows").starts_with(b"PAR1"));

    let whole = loans();
    let (frame, references) = self::frame(&contract, csv(&whole)).await;
    let found = check(&contract, &frame, &references, NOW).await.expect("checked");
    assert_eq!(offending(&contract, &frame, &references, &found.results).await.expect("read"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_contracts_that_cannot_be_asked_when_tried_then_the_rule_is_named() {
    let tried = async |from: &str, to: &str| {
        assert!(CONTRACT.contains(from), "{from}");
        try_contract(&Contract::parse(&CONTRACT.replacen(from, to, 1)).expect("a contract")).await
    };
    assert_eq!(tried("30d", "30d").await, Ok(()));
    for (from, to, rule) in [
        ("age_years >= 19", "age >= 19", "employed-since-of-age"),
        ("age_years >= 19", "age_years >=", "employed-since-of-age"),
        ("age_years >= 19", "age_years in (select 1)", "employed-since-of-age"),
        ("age_years >= 19", "count(*) > 19", "employed-since-of-age"),
        ("age_years >= 19", "length(replace(job, 'A', savings)) > 1", "employed-since-of-age"),
        ("count(*) >= 500", "length(string_agg(job, ',')) >= 500", "enough-of-both"),
        ("count(*) >= 500", "counted(*) >= 500", "enough-of-both"),
        ("^A3[0-4]$", "^A3[0-4$", "credit_history.pattern"),
    ] {
        let why = tried(from, to).await.expect_err(to);
        assert!(why.starts_with(&format!("rule `{rule}`")), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_columns_that_are_named_as_ours_would_be_when_checked_then_neither_is_taken_for_the_other() {
    let names = ["id", "__given id", "__kept_0", "__key_0", "n0", "t", "counterfoil_rules"];
    let column =
        |name: &str| format!("[[column]]\nname = \"{name}\"\ntype = \"integer\"\nrequired = true\nunique = true\n");
    let columns: String = names.map(column).concat();
    let rule =
        "[[rule]]\nname = \"apart\"\nrow = '\"__kept_0\" > id AND \"__given id\" > id'\ndimension = \"accuracy\"\n";
    let text = format!("name = \"loans\"\ndataset = \"loans\"\nclosed = true\n{columns}{rule}");
    let contract = Contract::parse(&text).expect("a contract");
    assert_eq!(try_contract(&contract).await, Ok(()));
    let rows = format!("{}\n1,11,21,31,41,51,61\n2,12,1,32,42,52,62\n3,13,23,33,43,53,62\n", names.join(","));
    let frame = Frame::open(Form::Csv, Arc::new(rows.into_bytes())).await.expect("rows");
    let none = References::new();
    let found = check(&contract, &frame, &none, NOW).await.expect("checked");
    let failed = |rule, rows| (rule, Verdict::Failed, rows);
    assert_eq!(broken(&found), [failed("counterfoil_rules.unique", 2), failed("apart", 1)]);
    let kept = offending(&contract, &frame, &none, &found.results).await.expect("read");
    let lines = String::from_utf8(in_form(kept.expect("rows").0, Form::Jsonl).await.expect("rows")).expect("text");
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told = |line: &serde_json::Value| {
        format!("{} {} {}", line["id"], line["counterfoil_rules"], line["counterfoil_rules_"])
    };
    let mut told: Vec<String> = lines.iter().map(told).collect();
    told.sort_unstable();
    assert_eq!(told, ["2 62 \"apart\"", "2 62 \"counterfoil_rules.unique\"", "3 62 \"counterfoil_rules.unique\""]);
}
