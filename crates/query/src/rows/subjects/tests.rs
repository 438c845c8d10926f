use datafusion::arrow::array::{
    ArrayRef, Decimal128Array, DictionaryArray, Float64Array, Int64Array, LargeStringArray, ListBuilder, RunArray,
    StringArray, StringBuilder, StringViewArray, StructArray, TimestampMillisecondArray,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{Field, Int16Type, Int32Type, Schema, SchemaRef};
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::metadata::KeyValue;
use datafusion::parquet::file::properties::WriterProperties;

use super::*;

/// How many rows there are; every fifth is Ann's, every seventh nobody's.
const ROWS: usize = 20_000;

/// What only Ann's rows say.
const CANARY: &str = "a canary that is longer than what a view holds itself, and is only Ann's";

fn whose(row: usize) -> Option<String> {
    match row {
        row if row % 7 == 3 => None,
        row if row % 5 == 0 => Some("ann@example.com".to_owned()),
        row => Some(format!("bob{}@example.com", row % 100)),
    }
}

fn is_anns(row: usize) -> bool {
    whose(row).as_deref() == Some("ann@example.com")
}

fn note(row: usize) -> String {
    if is_anns(row) { CANARY.to_owned() } else { format!("a note of some length about the row {row}") }
}

/// Rows with a column for most of what files have.
fn people(packed: bool) -> RecordBatch {
    let emails: Vec<Option<String>> = (0..ROWS).map(whose).collect();
    let notes: Vec<String> = (0..ROWS).map(note).collect();
    let mut tags = ListBuilder::new(StringBuilder::new());
    notes.iter().enumerate().for_each(|(row, note)| {
        (0..row % 3).for_each(|_| tags.values().append_value(note));
        tags.append(row % 4 != 0);
    });
    let email: ArrayRef = match packed {
        true => Arc::new(emails.iter().map(Option::as_deref).collect::<DictionaryArray<Int16Type>>()),
        false => Arc::new(StringArray::from(emails)),
    };
    let notes: ArrayRef = match packed {
        true => Arc::new(StringViewArray::from_iter_values(notes)),
        false => Arc::new(StringArray::from(notes)),
    };
    let amounts = Decimal128Array::from_iter_values((0..ROWS as i128).map(|row| row * 5));
    let inner: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let inner = StructArray::from(vec![(Arc::new(Field::new("n", DataType::Int64, true)), inner)]);
    let large = LargeStringArray::from_iter((0..ROWS).map(|row| (row % 6 != 1).then(|| note(row))));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("email", email),
        ("large", Arc::new(large)),
        ("note", notes),
        ("tags", Arc::new(tags.finish())),
        ("amount", Arc::new(amounts.with_precision_and_scale(12, 2).expect("fits"))),
        ("in", Arc::new(inner)),
        ("at", Arc::new(TimestampMillisecondArray::from_iter_values(0..ROWS as i64))),
        ("id", Arc::new(Int64Array::from_iter_values((0..ROWS as i64).map(|row| row % 100)))),
    ];
    let nullable = columns.into_iter().map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(nullable).expect("a batch")
}

fn parquet(batch: &RecordBatch, compression: Compression) -> Vec<u8> {
    let metadata = Some(vec![KeyValue::new("origin".to_owned(), "a test".to_owned())]);
    let properties = WriterProperties::builder().set_compression(compression).set_key_value_metadata(metadata);
    let properties = properties.set_max_row_group_row_count(Some(6000)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
    writer.write(batch).expect("written");
    writer.into_inner().expect("closed")
}

fn arrow(batch: &RecordBatch, packed: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let options = IpcWriteOptions::default();
    let options = options.try_with_compression(packed.then_some(CompressionType::LZ4_FRAME)).expect("a codec");
    let mut writer = FileWriter::try_new_with_options(&mut out, &batch.schema(), options).expect("a writer");
    for from in (0..batch.num_rows()).step_by(9000) {
        writer.write(&batch.slice(from, 9000.min(batch.num_rows() - from))).expect("written");
    }
    writer.finish().expect("finished");
    drop(writer);
    out
}

fn opened(form: Form, bytes: &[u8], column: &str) -> Result<Subjects, RowsError> {
    Subjects::open(form, Arc::new(bytes.to_vec()), column)
}

/// All rows, as they are read.
fn read(form: Form, bytes: &[u8]) -> RecordBatch {
    let subjects = opened(form, bytes, "email").expect("opens");
    let batches: Vec<RecordBatch> = subjects.batches().expect("read").map(|batch| batch.expect("a batch")).collect();
    let schema: SchemaRef = batches.first().map_or_else(|| Arc::clone(subjects.version.schema()), RecordBatch::schema);
    concat_batches(&schema, &batches).expect("of one schema")
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn without(form: Form, bytes: &[u8], column: &str, who: &str) -> (Vec<u8>, u64) {
    let subjects = opened(form, bytes, column).expect("opens");
    subjects.can_be_written_anew().expect("rows can be taken out");
    let mut written = Vec::new();
    let (removed, left) = subjects.without(&mut |named| Ok(named == who), &mut written).expect("written");
    assert_eq!(opened(form, &written, column).expect("opens").rows().expect("read"), left);
    (written, removed)
}

#[test]
fn given_a_person_in_files_of_each_kind_when_written_anew_then_their_rows_are_gone_with_every_byte_and_others_stay() {
    for (form, bytes, plain) in [
        (Form::Parquet, parquet(&people(false), Compression::UNCOMPRESSED), true),
        (Form::Parquet, parquet(&people(true), Compression::SNAPPY), false),
        (Form::Arrow, arrow(&people(false), false), true),
        (Form::Arrow, arrow(&people(true), false), true),
        (Form::Arrow, arrow(&people(true), true), false),
    ] {
        assert!(!plain || (has(&bytes, CANARY) && has(&bytes, "ann@example.com")), "else the test shows nothing");
        let anns = (0..ROWS).filter(|row| is_anns(*row)).count() as u64;
        let (written, removed) = without(form, &bytes, "email", "ann@example.com");
        assert_eq!(removed, anns);
        assert!(!has(&written, "ann@example.com") && !has(&written, CANARY));
        let stay: Vec<u32> = (0..).take(ROWS).filter(|row| !is_anns(*row as usize)).collect();
        let (before, after) = (read(form, &bytes), read(form, &written));
        let expected = copied(&before, &stay.into(), &[]).expect("copied");
        assert_eq!(expected.schema_ref().fields(), after.schema_ref().fields());
        for (one, other) in expected.columns().iter().zip(after.columns()) {
            assert_eq!(one, other);
        }
        let (again, removed) = without(form, &written, "email", "ann@example.com");
        assert_eq!((removed, read(form, &again).num_rows()), (0, after.num_rows()), "once more changes nothing");
        let all = opened(form, &written, "email").expect("opens").without(&mut |_| Ok(true), &mut Vec::<u8>::new());
        assert!(all.is_ok(), "nobody may be left but those without a name");
    }
}

#[test]
fn given_parquet_with_metadata_and_packing_when_written_anew_then_schema_packing_and_metadata_are_as_they_were() {
    let bytes = parquet(&people(true), Compression::SNAPPY);
    let (written, _) = without(Form::Parquet, &bytes, "email", "ann@example.com");
    let file = |bytes: &[u8]| match opened(Form::Parquet, bytes, "email").expect("opens").version {
        Version::Parquet(file) => file,
        _ => panic!("another form"),
    };
    let (before, after) = (file(&bytes), file(&written));
    let whole = |of: &super::super::parquet_file::ParquetFile| {
        let whole = of.metadata().file_metadata();
        let packing =
            of.metadata().row_group(0).columns().iter().map(|column| column.compression()).collect::<Vec<_>>();
        (whole.schema_descr().root_schema_ptr(), whole.key_value_metadata().cloned(), packing)
    };
    assert_eq!(whole(&before), whole(&after));
    assert!(whole(&after).1.is_some_and(|metadata| metadata.iter().any(|one| one.key == "ARROW:schema")));
}

#[test]
fn given_whole_numbers_that_name_somebody_when_asked_then_their_rows_are_found_and_shown() {
    for (form, bytes) in
        [(Form::Parquet, parquet(&people(false), Compression::SNAPPY)), (Form::Arrow, arrow(&people(true), false))]
    {
        let subjects = opened(form, &bytes, "id").expect("opens");
        let mut all = Vec::new();
        let mut each = |named: Vec<String>| -> io::Result<()> {
            all.extend(named);
            Ok(())
        };
        subjects.identifiers(&mut each).expect("read");
        assert_eq!((all.len(), all[42].as_str()), (ROWS, "42"));
        let mut shown = Vec::new();
        let mut each = |row: String| -> io::Result<()> {
            shown.push(row);
            Ok(())
        };
        subjects.rows_of(&mut |named| Ok(named == "42"), &mut each).expect("read");
        assert_eq!(shown.len(), ROWS / 100);
        let row: serde_json::Value = serde_json::from_str(&shown[0]).expect("JSON");
        assert_eq!((&row["id"], &row["email"]), (&42.into(), &"bob42@example.com".into()));
        let emails = opened(form, &bytes, "email").expect("opens");
        let mut named = 0;
        let mut each = |batch: Vec<String>| -> io::Result<()> {
            named += batch.len();
            Ok(())
        };
        emails.identifiers(&mut each).expect("read");
        assert_eq!(named, (0..ROWS).filter(|row| whose(*row).is_some()).count(), "null names nobody");
    }
}

#[track_caller]
fn refused(form: Form, bytes: &[u8], column: &str) -> String {
    let tried = opened(form, bytes, column).and_then(|subjects| subjects.can_be_written_anew());
    match tried {
        Err(RowsError::Malformed(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn given_a_column_or_a_type_that_nothing_can_be_taken_out_of_when_opened_then_it_is_refused_with_the_reason() {
    let file = parquet(&people(false), Compression::SNAPPY);
    assert!(refused(Form::Parquet, &file, "in.n").contains("there is no column `in.n`"));
    assert!(refused(Form::Parquet, &file, "in").contains("is of type struct"));
    assert!(refused(Form::Parquet, &file, "amount").contains("is of type decimal"));
    assert!(refused(Form::Parquet, b"PARE....PARE", "email").contains("encrypted itself"));
    assert!(refused(Form::Parquet, &file[..file.len() - 9], "email").starts_with("footer"));
    let mut scrambled = file.clone();
    scrambled[4..4096].iter_mut().for_each(|byte| *byte ^= 0x5a);
    assert!(refused(Form::Parquet, &scrambled, "email").starts_with("row group 0"));

    let emails: ArrayRef = Arc::new(StringArray::from(vec!["ann@example.com"; 3]));
    let rates: ArrayRef = Arc::new(Float64Array::from(vec![1.5, f64::NAN, -0.0]));
    let runs: RunArray<Int32Type> = vec!["a", "a", "b"].into_iter().collect();
    let batch = RecordBatch::try_from_iter([("email", Arc::clone(&emails)), ("runs", Arc::new(runs) as _)]);
    let why = refused(Form::Arrow, &arrow(&batch.expect("a batch"), false), "email");
    assert!(why.contains("column `runs` is of a type that rows cannot be taken out of"), "{why}");
    let batch = RecordBatch::try_from_iter([("email", emails), ("rate", rates)]).expect("a batch");
    let bytes = arrow(&batch, false);
    assert!(refused(Form::Arrow, &bytes, "rate").contains("is of type number"));
    opened(Form::Arrow, &bytes, "email").expect("opens").can_be_written_anew().expect("not a number is one");
    let long = RecordBatch::try_from_iter([("email", Arc::new(StringArray::from(vec!["x".repeat(2000)])) as ArrayRef)]);
    let subjects = opened(Form::Arrow, &arrow(&long.expect("a batch"), false), "email").expect("opens");
    let too_long = subjects.identifiers(&mut |_| Ok(())).expect_err("no identifier");
    assert!(too_long.to_string().contains("more than 1024 bytes"), "{too_long}");
    let empty = RecordBatch::new_empty(Arc::new(Schema::new(vec![Field::new("email", DataType::Utf8, true)])));
    let (written, removed) = without(Form::Arrow, &arrow(&empty, false), "email", "ann@example.com");
    assert_eq!((removed, read(Form::Arrow, &written).num_rows()), (0, 0));
}

#[test]
fn given_more_columns_than_have_dictionaries_when_written_anew_then_groups_are_cut_by_what_is_in_them() {
    let none: ArrayRef = Arc::new(Int64Array::from(vec![None::<i64>; ROWS]));
    let emails: ArrayRef = Arc::new(StringArray::from_iter((0..ROWS).map(whose)));
    let named = (0..1200).map(|at| (format!("c{at}"), Arc::clone(&none), true));
    let all = std::iter::once(("email".to_owned(), emails, true)).chain(named);
    let batch = RecordBatch::try_from_iter_with_nullable(all).expect("a batch");
    let (written, removed) = without(Form::Parquet, &parquet(&batch, Compression::SNAPPY), "email", "ann@example.com");
    let again = opened(Form::Parquet, &written, "email").expect("opens");
    assert_eq!(again.rows().expect("read") + removed, ROWS as u64);
    let Version::Parquet(file) = &again.version else { panic!("another form") };
    assert_eq!(file.groups(), 1);
}

#[test]
fn given_a_callback_that_fails_when_rows_are_read_then_that_is_what_is_told() {
    let bytes = arrow(&people(true), false);
    let subjects = opened(Form::Arrow, &bytes, "email").expect("opens");
    let failed = subjects.without(&mut |_| Err(io::Error::other("the key store is away")), &mut Vec::<u8>::new());
    assert!(matches!(failed, Err(RowsError::Io(error)) if error.to_string() == "the key store is away"));
}
