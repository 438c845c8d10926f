//! Rows of every form through SQL, and what is refused of files that are not as they say.

use std::sync::Arc;

use datafusion::arrow::array::{
    AsArray, DictionaryArray, Int64Array, StringArray, TimestampMillisecondArray, TimestampSecondArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, TimeUnit};
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::WriterProperties;
use domain::data::Form;

use super::*;

fn bytes(of: impl Into<Vec<u8>>) -> Arc<dyn RangeRead> {
    let of: Vec<u8> = of.into();
    Arc::new(of)
}

/// An answer, a line a row.
async fn ask(frame: &Frame, sql: &str) -> Result<Vec<String>, RowsError> {
    let mut rows = frame.select(sql).await?;
    let mut lines = Vec::new();
    while let Some(batch) = rows.next().await? {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|column| array_value_to_string(column, row).expect("text"));
            lines.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    Ok(lines)
}

async fn frame(form: Form, of: impl Into<Vec<u8>>) -> (Frame, Survey) {
    Frame::surveyed(form, bytes(of)).await.expect("as its form says")
}

async fn why(form: Form, of: impl Into<Vec<u8>>) -> String {
    match Frame::surveyed(form, bytes(of)).await {
        Err(RowsError::Malformed(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn batch(rows: std::ops::Range<i64>) -> RecordBatch {
    let ids = Int64Array::from_iter_values(rows.clone());
    let names: StringArray = rows.clone().map(|n| (n % 3 != 0).then(|| format!("name {n}"))).collect();
    let times = TimestampMillisecondArray::from_iter_values(rows.map(|n| n * 86_400_000));
    let fields = vec![
        Field::new("id", DataType::Int64, false),
        Field::new("name", DataType::Utf8, true),
        // Parquet has no seconds.
        Field::new("at", DataType::Timestamp(TimeUnit::Millisecond, None), false),
    ];
    let columns = vec![Arc::new(ids) as _, Arc::new(names) as _, Arc::new(times) as _];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).expect("a batch")
}

fn parquet(batches: &[RecordBatch]) -> Vec<u8> {
    let mut out = Vec::new();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(10_000)).build();
    let mut writer = ArrowWriter::try_new(&mut out, batches[0].schema(), Some(properties)).expect("a writer");
    batches.iter().for_each(|batch| writer.write(batch).expect("written"));
    writer.close().expect("closed");
    out
}

fn arrow(batches: &[RecordBatch], packed: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let options = IpcWriteOptions::default();
    let options = options.try_with_compression(packed.then_some(CompressionType::LZ4_FRAME)).expect("a codec");
    let mut writer = FileWriter::try_new_with_options(&mut out, &batches[0].schema(), options).expect("a writer");
    batches.iter().for_each(|batch| writer.write(batch).expect("written"));
    writer.finish().expect("finished");
    drop(writer);
    out
}

fn words(survey: &Survey) -> Vec<String> {
    survey.columns.iter().map(|(name, kind)| format!("{name}:{kind}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_csv_when_asked_then_columns_have_the_narrowest_type_of_all_their_values() {
    let text = "\u{feff}Id,amount,ok,day,at,note,code\r\n\
                1,1,true,2026-11-22,2026-11-22T20:30:00Z,\"a, \"\"b\"\"\nc\",007\r\n\
                2,2.5,,2026-11-23,2026-11-22 21:30:00+01:00,,12\r\n";
    let (frame, survey) = frame(Form::Csv, text).await;
    let expected = ["Id:integer", "amount:number", "ok:boolean", "day:date", "at:timestamp", "note:text", "code:text"];
    assert_eq!(words(&survey), expected);
    assert_eq!((survey.rows, survey.groups.len()), (2, 1));
    let rows =
        ask(&frame, "SELECT Id, amount * 2, ok, day, \"at\", note, code FROM rows ORDER BY Id").await.expect("asked");
    assert_eq!(rows[1], "2|5.0||2026-11-23|2026-11-22T20:30:00||12");
    assert!(rows[0].ends_with("|a, \"b\"\nc|007"), "{rows:?}");
    assert_eq!(ask(&frame, "SELECT count(*) FROM rows").await.expect("asked"), ["2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_columns_that_are_known_when_asked_then_the_answer_is_that_of_reading_all_of_it_first() {
    let csv = "\u{feff}id,born,note\n1,2001-02-03,\"a,b\"\n2,,c\n";
    let jsonl = "{\"id\":1,\"born\":\"2001-02-03\"}\n{\"note\":\"c\",\"id\":2}\n";
    for (form, text) in [(Form::Csv, csv), (Form::Jsonl, jsonl)] {
        let (whole, survey) = frame(form, text).await;
        let known = Frame::known(form, bytes(text), survey.columns.clone()).await.expect("as it was");
        assert_eq!(known.columns(), survey.columns);
        let sql = "SELECT sum(id), max(born), min(note) FROM rows";
        assert_eq!(ask(&known, sql).await.expect("asked"), ask(&whole, sql).await.expect("asked"));
        let mut other = survey.columns;
        other[1].1 = "integer".to_owned();
        let wrong = Frame::known(form, bytes(text), other.clone()).await.expect("opened");
        ask(&wrong, sql).await.expect_err("a date is no number");
        other[1].0 = "birth".to_owned();
        assert_eq!(Frame::known(form, bytes(text), other).await.is_err(), form == Form::Csv);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_rows_that_are_alike_when_counted_beside_others_then_all_of_them_are_and_too_many_rows_give_no_number() {
    let sql = "SELECT __repeated_rows(a), __repeated_rows(a, b), count(*) FROM rows";
    let (few, _) = frame(Form::Csv, "a,b\n1,x\n1,y\n2,x\n1,x\n,x\n,x\n2,\n").await;
    assert_eq!(ask(&few, sql).await.expect("asked"), ["5|2|7"], "what is missing is like nothing");
    let lines: String = (0..9_000).map(|n| format!("{n},x\n")).collect();
    let (many, _) = frame(Form::Csv, format!("a,b\n{lines}")).await;
    assert_eq!(ask(&many, sql).await.expect("asked"), ["||9000"]);
    let (none, _) = frame(Form::Csv, "a,b\n").await;
    assert_eq!(ask(&none, sql).await.expect("asked"), ["0|0|0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_json_lines_when_asked_then_members_that_are_left_out_are_null() {
    let text = "{\"id\":1,\"name\":\"Ann \\u00e9\",\"tags\":[1,2]}\n\n{\"id\":2.5,\"at\":\"2026-11-22\"}\n";
    let (frame, survey) = frame(Form::Jsonl, text).await;
    assert_eq!(words(&survey), ["id:number", "name:text", "tags:json", "at:date"]);
    let rows = ask(&frame, "SELECT id, name, tags, \"at\" FROM rows ORDER BY id").await.expect("asked");
    assert_eq!(rows, ["1.0|Ann é|[1,2]|", "2.5|||2026-11-22"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_parquet_and_arrow_when_asked_then_all_groups_are_read_and_text_is_plain() {
    let batches = [batch(0..15_000), batch(15_000..25_000)];
    let dictionary = cast(batches[0].column(1), &DataType::Dictionary(DataType::Int32.into(), DataType::Utf8.into()));
    let dictionary = dictionary.expect("a dictionary");
    assert!(dictionary.as_any().is::<DictionaryArray<Int32Type>>());
    for (form, file, groups) in [
        (Form::Parquet, parquet(&batches), 3),
        (Form::Arrow, arrow(&batches, false), 2),
        (Form::Arrow, arrow(&batches, true), 2),
    ] {
        let length = file.len() as u64;
        let (frame, survey) = frame(form, file).await;
        assert_eq!(words(&survey), ["id:integer", "name:text", "at:timestamp"]);
        assert_eq!((survey.rows, survey.groups.len()), (25_000, groups));
        assert!(survey.groups.iter().all(|group| group.from < group.to && group.to <= length));
        let sums = ask(&frame, "SELECT count(*), sum(id), count(name), min(\"at\") FROM rows").await.expect("asked");
        assert_eq!(sums, ["25000|312487500|16666|1970-01-01T00:00:00"]);
        let mut rows = frame.select("SELECT name, id FROM rows WHERE id = 7").await.expect("asked");
        let found = rows.next().await.expect("read").expect("a row");
        assert_eq!(found.column(0).as_string::<i32>().value(0), "name 7");
        assert_eq!(found.column(1).as_primitive::<Int64Type>().value(0), 7);
    }
    let schema = Schema::new(vec![Field::new("name", dictionary.data_type().clone(), true)]);
    let packed = RecordBatch::try_new(Arc::new(schema), vec![dictionary]).expect("a batch");
    let (frame, _) = frame(Form::Arrow, arrow(&[packed], false)).await;
    let mut rows = frame.select("SELECT name FROM rows WHERE name = 'name 7'").await.expect("asked");
    assert_eq!(rows.next().await.expect("read").expect("a row").column(0).as_string::<i32>().value(0), "name 7");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_second_table_when_joined_then_rows_are_held_against_it_and_nothing_but_select_is_taken() {
    let (mut frame, _) = frame(Form::Csv, "id,country\n1,AU\n2,XX\n").await;
    frame.add_table("countries", Form::Jsonl, bytes("{\"code\":\"AU\"}\n")).await.expect("beside it");
    let sql = "SELECT id FROM rows LEFT ANTI JOIN countries ON rows.country = countries.code";
    assert_eq!(ask(&frame, sql).await.expect("asked"), ["2"]);
    assert!(frame.add_table("rows", Form::Csv, bytes("a\n1\n")).await.is_err(), "a name once");
    for sql in [
        "DROP TABLE rows",
        "COPY rows TO '/tmp/x.csv'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "SELECT 1; SELECT 2",
        "SELECT repeat('x', 1000000000)",
        "SELECT CAST(NULL AS INT[1000000000])",
        "SELECT * FROM '/etc/passwd'",
        "EXPLAIN SELECT 1",
    ] {
        assert!(matches!(frame.select(sql).await, Err(RowsError::Query(_))), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_text_that_is_not_as_it_says_when_read_then_the_line_is_named_and_nothing_of_it_repeated() {
    let wide = (0..10_001).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",");
    let cases: &[(&[u8], &str)] = &[
        (b"", "line 1: there is no header"),
        (b"id,name\n1,ann\n2\n", "line 3: 1 fields, where the header has 2"),
        (b"id,name\n1,ann,x\n", "line 2: 3 fields"),
        (b"id,name\n1,ann\nid,name\n2,bob\n", "line 3: the header again"),
        (b"id,id\n1,2\n", "line 1: column 2 has the same name"),
        (b"id,\n1,2\n", "line 1: column 2 has no name"),
        (b"1,ann@example.com\n2,bob@example.com\n", "line 1: column 2 is named by what looks like a value"),
        (b"a,2026-11-22\n", "line 1: column 2 is named by what looks like a value"),
        (b"id,name\n1,a\xe9n\n", "line 2, byte 11: no UTF-8"),
        (b"id,name\n1,an\xc3", "line 2, byte 13: the text ends within a character"),
        (b"id,name\n1,a\0n\n", "line 2, byte 11: a NUL"),
        (b"id,name\n1,\"ann\n2,bob\n", "line 2: "),
        (b"\xff\xfei\0d\0", "line 1, byte 0: the text is UTF-16"),
        (b"\x1f\x8b\x08\x00", "byte 0: this is compressed with gzip"),
        (b"PAR1", "byte 0: this is a file of form parquet"),
        (b"at\n2026-11-22\n2026-02-30\n", "line 3: column `at` has times"),
        (b"at\n2026-11-22T00:00:00Z\n292278-01-01T00:00:00Z\n", "line 3: column `at` has times"),
        (wide.as_bytes(), "line 1: there are more than 10000 columns"),
    ];
    for (text, start) in cases {
        let why = why(Form::Csv, *text).await;
        assert!(why.starts_with(*start) && !why.contains("ann"), "{start}: {why}");
    }
    let endless = ["a,b\n1,\"", &"x".repeat(17 << 20)].concat();
    assert!(why(Form::Csv, endless).await.contains("longer than 16 MiB"));
    for (text, start) in [
        ("", "line 1: there are no members"),
        ("{\"a\":1}\n{\"a\":1\n", "line 2, column 6: this is no JSON object"),
        ("{\"a\":1}\n[1]\n", "line 2, column"),
        ("{\"a\":1}\n{\"a\":\"ann\"}\n", "line 2: member `a` was integer in the lines before and is text here"),
        ("{\"a\":{}}\n{\"a\":1}\n", "line 2: member `a` was json"),
        ("{\"a\":1,\"a\":2}\n", "line 1: member `a` comes twice"),
        ("{\"a\":1e999}\n", "line 1: a number that is out of range"),
        ("{\"a\":\"x\\u0000\"}\n", "line 1: text with a NUL"),
        ("{\"a\":\"\\ud800\"}\n", "line 1"),
        ("{\"ann@example.com\":1}\n", "line 1: column 1 is named by what looks like a value"),
    ] {
        let why = why(Form::Jsonl, text).await;
        assert!(why.starts_with(start) && !why.contains("ann"), "{start}: {why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_files_that_lie_when_read_then_the_group_is_named_and_no_memory_is_taken_for_what_they_claim() {
    let good = parquet(&[batch(0..25_000)]);
    let cut = good[..good.len() - 9].to_vec();
    assert!(why(Form::Parquet, cut).await.starts_with("footer: the file does not end with `PAR1`"));
    let mut long = good.clone();
    let at = long.len() - 8;
    long[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(why(Form::Parquet, long).await.starts_with("footer: it claims to be 4294967295 bytes"));
    // The first page of the first column: its length unpacked becomes 2^31 - 1.
    let mut page = good.clone();
    let varint = (5..40).find(|at| page[*at] == 0x15).expect("a header");
    let mut bomb = page[..=varint].to_vec();
    bomb.extend_from_slice(&[0xfe, 0xff, 0xff, 0xff, 0x0f]);
    let rest = varint + 1 + page[varint + 1..].iter().position(|b| b & 0x80 == 0).expect("an end") + 1;
    // The file keeps its length, so that all else is where it was.
    let lost = bomb.len() - rest;
    bomb.extend_from_slice(&page[rest..page.len() - lost]);
    page[..40].copy_from_slice(&bomb[..40]);
    let bombed = why(Form::Parquet, page).await;
    assert!(bombed.starts_with("row group 0, column 1: the page at byte 4 claims"), "{bombed}");
    let mut scrambled = good.clone();
    scrambled[5..400].fill(0xa5);
    assert!(why(Form::Parquet, scrambled).await.starts_with("row group 0"));
    assert!(why(Form::Parquet, b"id\n1\n").await.contains("no Parquet file"));

    let good = arrow(&[batch(0..100)], false);
    assert!(why(Form::Arrow, good[..good.len() - 20].to_vec()).await.starts_with("footer"));
    assert!(why(Form::Arrow, b"\xff\xff\xff\xff\x10\0\0\0".to_vec()).await.contains("stream"));
    let mut scrambled = good.clone();
    scrambled[300..500].fill(0xff);
    let _ = Frame::surveyed(Form::Arrow, bytes(scrambled)).await;

    let far = TimestampSecondArray::from_iter_values([0, i64::MAX / 1_000_000]);
    let schema = Schema::new(vec![Field::new("at", DataType::Timestamp(TimeUnit::Second, None), false)]);
    let far = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(far)]).expect("a batch");
    assert!(why(Form::Arrow, arrow(std::slice::from_ref(&far), false)).await.contains("record batch 0: column `at`"));
    let twice = Schema::new(vec![Field::new("a", DataType::Int64, false), Field::new("a", DataType::Int64, false)]);
    let ids = || Arc::new(Int64Array::from(vec![1])) as _;
    let twice = RecordBatch::try_new(Arc::new(twice), vec![ids(), ids()]).expect("a batch");
    assert!(why(Form::Arrow, arrow(std::slice::from_ref(&twice), false)).await.contains("column 2 has the same name"));
    assert!(why(Form::Parquet, parquet(&[twice])).await.contains("column 2 has the same name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_more_than_memory_holds_when_sorted_then_it_is_refused_and_nothing_is_spilled() {
    let (frame, _) = frame(Form::Parquet, parquet(&[batch(0..200_000)])).await;
    let sql =
        "SELECT a.name || b.name AS pair FROM rows a CROSS JOIN (SELECT name FROM rows LIMIT 500) b ORDER BY pair";
    let mut rows = frame.with_timeout(std::time::Duration::from_secs(120)).select(sql).await.expect("planned");
    let failed = loop {
        match rows.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("answered"),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(failed, RowsError::Query(crate::QueryError::Memory(_) | crate::QueryError::Timeout(_))),
        "{failed}"
    );
}

/// Changes a few bytes of a file, the same ones for the same number.
fn changed(file: &[u8], number: u64) -> Vec<u8> {
    let mut file = file.to_vec();
    let mut chance = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..=number % 4 {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let at = usize::try_from(chance % file.len() as u64).expect("small");
        file[at] = chance.to_le_bytes()[5];
    }
    if number.is_multiple_of(7) {
        file.truncate(usize::try_from(chance % file.len() as u64).expect("small"));
    }
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn given_files_with_changed_bytes_when_read_then_they_are_read_or_refused_and_nothing_breaks() {
    let csv = b"id,name,at\n1,\"a, b\",2026-11-22\n2,,2026-11-23T10:00:00Z\n3,\"c\"\"d\",\n".to_vec();
    let jsonl = b"{\"id\":1,\"name\":\"a\\n\",\"at\":\"2026-11-22\"}\n{\"id\":2.5,\"tags\":[1]}\n".to_vec();
    let small = [batch(0..50)];
    for (form, file, times) in [
        (Form::Csv, csv, 2000),
        (Form::Jsonl, jsonl, 2000),
        (Form::Parquet, parquet(&small), 600),
        (Form::Arrow, arrow(&small, false), 600),
        (Form::Arrow, arrow(&small, true), 600),
    ] {
        for number in 0..times {
            let changed = changed(&file, number);
            if form.is_text() {
                if let Ok((said, read)) = probe(form, changed) {
                    assert_eq!(said, read, "{form:?} {number}");
                }
                continue;
            }
            match Frame::surveyed(form, bytes(changed)).await {
                Ok(_) | Err(RowsError::Malformed(_)) => {}
                Err(other) => panic!("{form:?} {number}: {other}"),
            }
        }
    }
}
