//! Contracts that are proposed: whatever a version holds, it passes what was made of it, and nobody's values are in that.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int64Array, ListArray,
    RecordBatch, StringArray, TimestampMicrosecondArray, UInt64Array,
};
use arrow::datatypes::Int32Type;
use domain::data::{Form, checks};
use proptest::prelude::*;

use super::*;

async fn frame(form: Form, bytes: &[u8]) -> Frame {
    Frame::open(form, Arc::new(bytes.to_vec())).await.expect("rows")
}

fn known(hidden: &[&str]) -> Known {
    Known {
        name: "loans".to_owned(),
        dataset: "loans".to_owned(),
        version: "2026-11".to_owned(),
        hidden: hidden.iter().map(|name| ((*name).to_owned(), "its class is neither public nor internal")).collect(),
        detectors: Arc::default(),
    }
}

/// What is proposed of some rows, which pass it.
async fn proposed(form: Form, bytes: &[u8], hidden: &[&str]) -> Proposal {
    let (whole, in_order) = (frame(form, bytes).await, frame(form, bytes).await.in_order());
    let proposal = propose(&whole, &in_order, known(hidden)).await.expect("read").expect("proposed");
    let contract = Contract::parse(&proposal.text).unwrap_or_else(|error| panic!("{error}\n{}", proposal.text));
    let found = check(&contract, &whole, &References::new(), 0).await.expect("checked");
    assert_eq!(checks::overall(&found.results), Verdict::Passed, "{:?}\n{}", found.results, proposal.text);
    assert!(found.results.iter().all(|one| one.verdict == Verdict::Passed), "{:?}", found.results);
    super::super::try_contract(&contract).await.expect("it can be published");
    proposal
}

fn says(proposal: &Proposal, part: &str) {
    assert!(proposal.text.contains(part), "no `{part}` in\n{}\n{:?}", proposal.text, proposal.left_out);
}

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, of)| (name, of, true)));
    let batch = batch.expect("columns of one length");
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn given_real_loans_when_profiled_then_types_keys_values_ranges_and_a_count_are_proposed() {
    let data = include_str!("../../../../../examples/credit-risk/german_credit.data");
    let names = "checking,months,history,purpose,amount,savings,employment,rate,status,others,since,property,age,plans,\
                 housing,credits,job,dependents,telephone,foreign,label";
    let rows: Vec<String> = (1..)
        .zip(data.lines())
        .map(|(id, line)| format!("{id},{}", line.split_whitespace().collect::<Vec<_>>().join(",")))
        .collect();
    let csv = format!("id,{names}\n{}\n", rows.join("\n"));
    let proposal = proposed(Form::Csv, csv.as_bytes(), &[]).await;
    assert_eq!(proposal.rows, 1000);
    says(&proposal, "closed = true");
    says(&proposal, "name = \"id\"\ntype = \"integer\"\nrequired = true\nunique = true\nseverity = \"blocking\"");
    says(&proposal, "# seen: 250 to 18424 (validity)\nname = \"amount-range\"");
    says(&proposal, "row = \"\\\"savings\\\" IN ('A61', 'A62', 'A63', 'A64', 'A65')\"");
    says(&proposal, "dimension = \"validity\"\nseverity = \"warning\"\ntolerance = { share = 0.01 }");
    says(&proposal, "set = \"count(*) >= 500\"\ndimension = \"completeness\"\nseverity = \"warning\"");
    assert!(!proposal.text.contains("id-range"), "what tells rows apart goes on: {}", proposal.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_nulls_empty_texts_dates_and_large_numbers_when_profiled_then_the_version_passes_what_is_proposed() {
    let rows: String = (0..40)
        .map(|n| {
            let (word, day) = (if n % 4 == 0 { "" } else { "wide, \"and\" 'odd'" }, n % 28 + 1);
            let word = if word.is_empty() { String::new() } else { format!("\"{}\"", word.replace('"', "\"\"")) };
            let seen = if n == 7 { String::new() } else { format!("2026-02-{day:02}T0{}:30:00.25Z", n % 10) };
            format!(
                "{},{word},2024-02-{day:02},{seen},{},{}.5e3,,{}\n",
                9_223_372_036_854_775_700_i64 + n,
                -(n % 30) * 1_000_000_007,
                n,
                n % 2 == 0
            )
        })
        .collect();
    let csv = format!("Big Id,a word,day,seen_at,low,rate,nothing,flag\n{rows}");
    let proposal = proposed(Form::Csv, csv.as_bytes(), &[]).await;
    says(&proposal, "row = \"\\\"a word\\\" IN ('wide, \\\"and\\\" ''odd''')\"");
    says(&proposal, "name = \"column-2-values\"");
    says(
        &proposal,
        "# date; none of 40 rows is without a value (validity, completeness)\nname = \"day\"\ntype = \"date\"\nrequired = true",
    );
    says(
        &proposal,
        "# timestamp; 1 of 40 rows have no value (validity)\nname = \"seen_at\"\ntype = \"timestamp\"\nseverity",
    );
    says(&proposal, "CAST(\\\"day\\\" AS DATE) >= CAST('2024-02-01' AS DATE)");
    says(&proposal, "# seen: -29000000203 to 0 (validity)");
    says(&proposal, "# seen: 500.0 to 39500.0 (validity)");
    says(&proposal, "# text; 40 of 40 rows have no value (validity)\nname = \"nothing\"\ntype = \"text\"\nseverity");
    says(&proposal, "name = \"flag\"\ntype = \"boolean\"\nrequired = true");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_types_that_csv_has_not_when_profiled_then_what_is_no_number_is_let_through_and_lists_are_only_named() {
    let many = 120;
    let column = |of: &dyn Fn(i64) -> f64| (0..many).map(|n| Some(of(n))).collect::<Vec<_>>();
    let moments = (0..many).map(|n| 1_795_824_000_000_000 + n * 3_600_000_000);
    let bytes = parquet(vec![
        ("nan", Arc::new(Float64Array::from(column(&|n| if n % 3 == 0 { f64::NAN } else { n as f64 / 7.0 })))),
        (
            "infinite",
            Arc::new(Float64Array::from(column(&|n| {
                if n == 5 { f64::NEG_INFINITY } else { -1e300 * n as f64 / 120.0 }
            }))),
        ),
        ("only_nan", Arc::new(Float64Array::from(column(&|_| f64::NAN)))),
        ("half", Arc::new(Float32Array::from((0..many).map(|n| Some(n as f32 * 0.1)).collect::<Vec<_>>()))),
        ("unsigned", Arc::new(UInt64Array::from((0..many).map(|n| u64::MAX - n as u64 / 2).collect::<Vec<_>>()))),
        ("least", Arc::new(Int64Array::from((0..many).map(|n| i64::MIN + n / 3).collect::<Vec<_>>()))),
        (
            "money",
            Arc::new(
                Decimal128Array::from((0..many).map(|n| i128::from(n) * 101).collect::<Vec<_>>())
                    .with_precision_and_scale(20, 2)
                    .expect("a scale"),
            ),
        ),
        ("zoned", Arc::new(TimestampMicrosecondArray::from(moments.collect::<Vec<_>>()).with_timezone("+11:00"))),
        ("day", Arc::new(Date32Array::from((0..many).map(|n| n as i32 % 30).collect::<Vec<_>>()))),
        ("sure", Arc::new(BooleanArray::from((0..many).map(|n| (n % 5 != 0).then_some(true)).collect::<Vec<_>>()))),
        (
            "listed",
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>((0..many).map(|n| Some(vec![Some(n as i32)])))),
        ),
        (
            "empty",
            Arc::new(StringArray::from((0..many).map(|n| Some(if n % 2 == 0 { "" } else { "x" })).collect::<Vec<_>>())),
        ),
    ]);
    let proposal = proposed(Form::Parquet, &bytes, &[]).await;
    says(&proposal, "name = \"nan-range\"\nrow = \"\\\"nan\\\" - \\\"nan\\\" <> 0 OR (");
    says(&proposal, "and 1 infinite or not a number");
    says(
        &proposal,
        "# list: no value of it can be asked for here (validity of the schema)\nname = \"listed\"\ntype = \"text\"",
    );
    says(&proposal, "name = \"zoned-range\"");
    assert!(!proposal.text.contains("only_nan-range"), "{}", proposal.text);
    says(&proposal, "# text; 60 of 120 rows have no value (validity)\nname = \"empty\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_rows_that_two_columns_or_times_tell_apart_when_profiled_then_it_is_a_hint_and_blocks_nothing() {
    let rows: String = (0..200)
        .map(|n| format!("{{\"shop\":{},\"day\":\"2026-01-{:02}\",\"sold\":3}}\n", n / 20, n % 20 + 1))
        .collect();
    let proposal = proposed(Form::Jsonl, rows.as_bytes(), &[]).await;
    assert!(!proposal.text.contains("keys = "), "{}", proposal.text);
    let listed = proposal.left_out.join("\n");
    assert!(listed.contains("a key of columns `") && listed.contains("`shop`"), "{listed}");
    let rows: String = (0..60).map(|n| format!("{{\"at\":\"2026-01-01T10:{n:02}:00Z\",\"sold\":3}}\n")).collect();
    let proposal = proposed(Form::Jsonl, rows.as_bytes(), &[]).await;
    assert!(!proposal.text.contains("unique = true"), "{}", proposal.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_columns_about_people_when_profiled_then_no_value_of_theirs_is_in_the_contract() {
    let rows: String = (0..60)
        .map(|n| {
            format!(
                "{n},ann{n}@example.com,19{:02}-03-{:02},{},{}\n",
                50 + n % 40,
                n % 28 + 1,
                51_000 + n % 3,
                70 + n % 2
            )
        })
        .collect();
    let csv = format!("id,contact,date_of_birth,income,weight\n{rows}");
    let proposal = proposed(Form::Csv, csv.as_bytes(), &["income"]).await;
    for value in ["example.com", "1950", "1989", "51000", "51002"] {
        assert!(!proposal.text.contains(value), "{value} in\n{}", proposal.text);
    }
    for rule in ["contact-", "date_of_birth-", "income-"] {
        assert!(!proposal.text.contains(rule), "{rule} in\n{}", proposal.text);
    }
    says(&proposal, "name = \"income\"\ntype = \"integer\"\nrequired = true");
    says(&proposal, "name = \"weight-range\"");
    let listed = proposal.left_out.join("\n");
    for column in ["contact", "date_of_birth", "income"] {
        assert!(listed.contains(&format!("values of column `{column}`")), "{listed}");
    }
    // What is there in few rows may be somebody's, whatever detectors say.
    let rows: String = (0..60).map(|n| format!("{n},{}\n", if n == 30 { "Umlauf" } else { "open" })).collect();
    let proposal = proposed(Form::Csv, format!("id,state\n{rows}").as_bytes(), &[]).await;
    assert!(!proposal.text.contains("Umlauf"), "{}", proposal.text);
    says(&proposal, "char_length(\\\"state\\\") >= 4 AND char_length(\\\"state\\\") <= 6");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_more_columns_than_a_contract_holds_when_profiled_then_it_says_how_many_are_left_out() {
    let names: Vec<String> = (0..260).map(|n| format!("measure_{n}")).collect();
    let row: Vec<String> = (0..260).map(|n| n.to_string()).collect();
    let csv = format!("{}\n{}\n{}\n", names.join(","), row.join(","), row.join(","));
    let proposal = proposed(Form::Csv, csv.as_bytes(), &[]).await;
    assert!(proposal.text.len() <= domain::data::contracts::format::MAX_CONTRACT_BYTES);
    assert!(!proposal.text.contains("closed = true"), "it does not name all");
    assert!(
        proposal.left_out.iter().any(|one| one.ends_with("one contract has no room for them")),
        "{:?}",
        proposal.left_out
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn given_no_rows_or_no_name_that_fits_when_profiled_then_nothing_is_proposed() {
    let whole = frame(Form::Csv, b"id,amount\n").await;
    let refusal = propose(&whole, &frame(Form::Csv, b"id,amount\n").await, known(&[])).await.expect("read");
    assert!(refusal.expect_err("no rows").message.contains("has no rows"));
    let rows = b"\"a\"\"b\"\n1\n";
    let whole = frame(Form::Csv, rows).await;
    let refusal = propose(&whole, &frame(Form::Csv, rows).await, known(&[])).await.expect("read");
    assert!(refusal.expect_err("no columns").message.contains("no contract can be made"));
}

fn cell() -> impl Strategy<Value = String> {
    let odd = [
        "",
        "NULL",
        "NaN",
        "0",
        "-0",
        "007",
        "1.5",
        "1e300",
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "true",
        "FALSE",
        "2026-11-28",
        "2026-02-28T23:59:59.999999Z",
        "0001-01-01",
        "9999-12-31",
        "a",
        "A",
        "ä",
        "it's",
        "\"q\"",
        "x,y",
        "line\nbreak",
        "%",
        "\\",
    ];
    prop_oneof![4 => proptest::sample::select(odd.to_vec()).prop_map(str::to_owned), 1 => any::<i64>().prop_map(|n| n.to_string()), 1 => "[a-c]{0,3}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn given_any_rows_when_profiled_then_they_pass_what_is_proposed(
        rows in proptest::collection::vec((cell(), cell(), cell()), 1..60),
        kinds in proptest::collection::vec(0..3_usize, 3),
    ) {
        // Some columns have one kind of value, so that they are more than text.
        let of = |at: usize, cell: &str, n: usize| match kinds.get(at) {
            Some(0) => (n * 37 % 11).to_string(),
            Some(1) => format!("2026-01-{:02}", n % 28 + 1),
            _ => cell.to_owned(),
        };
        let quoted = |value: String| format!("\"{}\"", value.replace('"', "\"\""));
        let mut csv = "one,two,three\n".to_owned();
        for (n, (a, b, c)) in rows.iter().enumerate() {
            let cells = [of(0, a, n), of(1, b, n), of(2, c, n)];
            csv += &format!("{}\n", cells.map(quoted).join(","));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(proposed(Form::Csv, csv.as_bytes(), &[]));
    }
}
