//! Views against what they are meant to be, counted by hand.

use std::collections::BTreeMap;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use domain::data::{Form, ViewColumn};
use proptest::prelude::*;

use super::*;

fn column(column: &str, rule: ColumnRule) -> ViewColumn {
    ViewColumn { column: column.into(), rule }
}

fn spec(columns: Vec<ViewColumn>, quasi: &[&str], min_k: u32, max_suppressed_permille: u16) -> ViewSpec {
    let quasi = quasi.iter().map(|one| (*one).to_owned()).collect();
    ViewSpec { columns, quasi, min_k, max_suppressed_permille }
}

/// What a view of a CSV reaches, and its rows as text, an empty cell as nothing.
async fn read(csv: &str, spec: &ViewSpec) -> Result<(Reached, Vec<String>), ViewError> {
    let frame = Frame::open(Form::Csv, Arc::new(csv.as_bytes().to_vec())).await?.in_order();
    let query = Query::of(spec, &frame.columns(), None)?;
    let reached = reach(spec, ("loans", "1"), &query, &frame).await?;
    let mut answer = frame.select(&query.rows(reached.suppressed > 0)).await?;
    let mut rows = Vec::new();
    while let Some(batch) = answer.next().await? {
        let options = FormatOptions::default();
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
        let columns: Vec<ArrayFormatter<'_>> = columns.collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
            rows.push(cells.join("|"));
        }
    }
    Ok((reached, rows))
}

fn refusal(result: Result<(Reached, Vec<String>), ViewError>) -> Refusal {
    match result {
        Err(ViewError::Execute(ExecuteError::Refused(refusal))) => refusal,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn given_rules_when_a_view_is_read_then_each_column_is_what_its_rule_makes_of_it_in_the_order_of_rows() {
    let csv = "age,score,born,seen,code,note\n\
               37,12.5,1988-03-09,2026-11-28T10:00:00Z,p123,x\n\
               -5,-0.5,2001-12-31,2026-01-01T00:00:00Z,p9,y\n\
               ,,,,,z\n";
    let band = || ColumnRule::Band { width: 10 };
    let date = |part| ColumnRule::DateTo { part };
    let columns = vec![
        column("age", band()),
        column("score", band()),
        column("born", date(DatePart::Month)),
        column("seen", date(DatePart::Year)),
        column("code", ColumnRule::Prefix { chars: 2 }),
        column("note", ColumnRule::Drop),
    ];
    let (reached, rows) = read(csv, &spec(columns, &[], 1, 0)).await.expect("a view");
    assert_eq!(rows, ["30|10|1988-03|2026|p1", "-10|-10|2001-12|2026|p9", "||||"]);
    assert_eq!(reached, Reached { k: None, rows: 3, rows_below: 0, suppressed: 0 });
    let top = vec![column("age", ColumnRule::Top { at: 20 }), column("score", ColumnRule::Top { at: 1 })];
    let (_, rows) = read(csv, &spec(top, &[], 1, 0)).await.expect("a view");
    assert_eq!(rows, ["20|1.0", "-5|-0.5", "|"]);
}

#[tokio::test]
async fn given_a_view_that_does_not_fit_a_version_when_read_then_column_and_reason_are_named() {
    let csv = "age,note\n37,x\n38,y\n";
    let band = spec(vec![column("note", ColumnRule::Band { width: 10 })], &[], 1, 0);
    assert!(refusal(read(csv, &band).await).message.contains("column `note` is text"), "bands are of numbers");
    let gone = spec(vec![column("income", ColumnRule::Keep)], &[], 1, 0);
    assert!(refusal(read(csv, &gone).await).message.contains("no column `income`"));
    let few = spec(vec![column("age", ColumnRule::Keep)], &["age"], 2, 999);
    let refused = refusal(read(csv, &few).await);
    assert_eq!(refused.policies, ["k-anonymity"]);
    assert!(refused.message.contains("reaches k = 1") && !refused.message.contains("37"), "{}", refused.message);
}

#[tokio::test]
async fn given_a_column_with_a_quote_in_its_name_when_a_view_names_it_then_it_is_a_name_and_nothing_else() {
    let csv = "\"a\"\"; DROP\",b\n1,2\n";
    let columns = vec![column("a\"; DROP", ColumnRule::Keep)];
    let (_, rows) = read(csv, &spec(columns, &["a\"; DROP"], 1, 0)).await.expect("a view");
    assert_eq!(rows, ["1"]);
}

/// Texts that would run into each other if they were only put one after the other.
const TEXTS: [&str; 6] = ["", "a", "1:a", "-", "a-1", "2:aa"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn given_any_rows_when_a_view_is_read_then_k_and_rows_are_as_counted_one_by_one(
        rows in proptest::collection::vec((proptest::option::weighted(0.9, -25_i64..60), 0..6_usize, 0..6_usize), 1..80),
        min_k in 1_u32..6,
        permille in prop_oneof![Just(0_u16), Just(100), Just(1_000)],
    ) {
        // The first row makes the columns what they are, whatever else comes.
        let rows: Vec<(Option<i64>, &str, &str)> = std::iter::once((Some(1), "a", "a"))
            .chain(rows.into_iter().map(|(age, one, other)| (age, TEXTS[one], TEXTS[other])))
            .collect();
        let text = |age: Option<i64>| age.map(|age| age.to_string()).unwrap_or_default();
        let lines: String = rows.iter().map(|(age, one, other)| format!("{},{one},{other}\n", text(*age))).collect();
        let csv = format!("age,one,other\n{lines}");

        let out = |(age, one, other): &(Option<i64>, &str, &str)| {
            let band = age.map(|age| age.div_euclid(10) * 10);
            format!("{}|{one}|{}", text(band), other.chars().take(1).collect::<String>())
        };
        let mut groups: BTreeMap<String, u64> = BTreeMap::new();
        rows.iter().for_each(|row| *groups.entry(out(row)).or_default() += 1);
        let enough = |n: &u64| *n >= u64::from(min_k);
        let below: u64 = groups.values().filter(|n| !enough(n)).sum();
        let expected: Vec<String> = rows.iter().map(out).filter(|row| enough(&groups[row])).collect();
        let all = rows.len() as u64;

        let columns = vec![
            column("age", ColumnRule::Band { width: 10 }),
            column("one", ColumnRule::Keep),
            column("other", ColumnRule::Prefix { chars: 1 }),
        ];
        let spec = spec(columns, &["age", "one", "other"], min_k, permille);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let answer = runtime.block_on(read(&csv, &spec));
        if below * 1_000 > all * u64::from(permille) {
            prop_assert_eq!(refusal(answer).policies, ["k-anonymity"]);
        } else {
            let (reached, mut found) = answer.expect("a view");
            let k = groups.values().filter(|n| enough(n)).min().copied();
            prop_assert_eq!(reached, Reached { k, rows: all, rows_below: below, suppressed: below });
            let mut expected = expected;
            expected.sort_unstable();
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }
    }
}
