//! Files with columns, read and written side by side: a batch comes out, its column goes back in, changed.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::output::Failure;

/// Rows in a batch: as many as the server takes values at once.
const ROWS: usize = engine::MAX_TOKENS;

/// Bytes of a group of rows that are held until it is written.
const GROUP_BYTES: usize = 8 << 20;

/// A column of some rows, and whose each is.
pub struct Batch {
    pub values: Vec<Option<String>>,
    pub subjects: Option<Vec<Option<String>>>,
}

/// A file that is read while another is written.
pub trait Table {
    /// The next rows; `None` after the last.
    fn next(&mut self) -> Result<Option<Batch>, Failure>;
    /// Writes the rows of the last batch, with these in the column.
    fn write(&mut self, column: Vec<Option<String>>) -> Result<(), Failure>;
    /// How much of the file has been read, from 0 to 1.
    fn part(&self) -> f64;
    /// Ends the file that is written, and makes it durable.
    fn finish(self: Box<Self>) -> Result<(), Failure>;
}

/// Opens a file by the ending of its name.
pub fn open(path: &Path, out: File, column: &str, subjects: Option<&str>) -> Result<Box<dyn Table>, Failure> {
    let name = path.display();
    let file = File::open(path).map_err(|e| Failure::io(format!("{name}: {e}")))?;
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok(Box::new(Csv::open(file, out, column, subjects).map_err(|why| at(path, why))?)),
        Some("parquet") => Ok(Box::new(Parquet::open(file, out, column, subjects).map_err(|why| at(path, why))?)),
        _ => Err(Failure::usage(format!("{name}: give a file whose name ends in .csv or .parquet"))),
    }
}

fn at(path: &Path, why: Failure) -> Failure {
    Failure { message: format!("{}: {}", path.display(), why.message), ..why }
}

fn missing<'a>(column: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    Failure::usage(format!("there is no column `{column}`; there are: {}", known.collect::<Vec<_>>().join(", ")))
}

struct Csv {
    reader: csv::Reader<File>,
    writer: csv::Writer<BufWriter<File>>,
    column: usize,
    subjects: Option<usize>,
    rows: Vec<csv::StringRecord>,
    size: u64,
}

impl Csv {
    fn open(file: File, out: File, column: &str, subjects: Option<&str>) -> Result<Self, Failure> {
        let size = file.metadata().map_or(0, |found| found.len());
        let mut reader = csv::Reader::from_reader(file);
        let headings = reader.headers().map_err(|e| wrong(&e))?.clone();
        let find = |name: &str| {
            let mut named = headings.iter().enumerate().filter(|(_, heading)| *heading == name);
            match (named.next(), named.next()) {
                (Some((at, _)), None) => Ok(at),
                (Some(_), Some(_)) => Err(Failure::usage(format!("two columns are called `{name}`"))),
                (None, _) => Err(missing(name, headings.iter())),
            }
        };
        let (column, subjects) = (find(column)?, subjects.map(find).transpose()?);
        let mut writer = csv::Writer::from_writer(BufWriter::new(out));
        writer.write_record(&headings).map_err(|e| wrong(&e))?;
        Ok(Self { reader, writer, column, subjects, rows: Vec::with_capacity(ROWS), size })
    }
}

impl Table for Csv {
    fn next(&mut self) -> Result<Option<Batch>, Failure> {
        self.rows.clear();
        for row in self.reader.records().take(ROWS) {
            self.rows.push(row.map_err(|e| wrong(&e))?);
        }
        let pick = |at: usize| self.rows.iter().map(|row| row.get(at).map(str::to_owned)).collect::<Vec<_>>();
        let batch = Batch { values: pick(self.column), subjects: self.subjects.map(pick) };
        Ok((!self.rows.is_empty()).then_some(batch))
    }

    fn write(&mut self, column: Vec<Option<String>>) -> Result<(), Failure> {
        for (row, value) in self.rows.drain(..).zip(column) {
            let value = value.unwrap_or_default();
            let fields =
                row.iter().enumerate().map(|(at, field)| if at == self.column { value.as_str() } else { field });
            self.writer.write_record(fields).map_err(|e| wrong(&e))?;
        }
        Ok(())
    }

    fn part(&self) -> f64 {
        self.reader.position().byte() as f64 / self.size.max(1) as f64
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        let inner = self.writer.into_inner().map_err(|e| Failure::io(e.to_string()))?;
        let file = inner.into_inner().map_err(|e| Failure::io(e.to_string()))?;
        Ok(file.sync_all()?)
    }
}

/// What is wrong with a CSV file, without what it holds.
fn wrong(error: &csv::Error) -> Failure {
    match error.kind() {
        csv::ErrorKind::Io(error) => Failure::io(error.to_string()),
        csv::ErrorKind::Utf8 { pos, .. } => {
            Failure::usage(format!("line {} is not UTF-8", pos.as_ref().map_or(0, csv::Position::line)))
        }
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            Failure::usage(format!("line {line} has {len} fields, the headings are {expected_len}"))
        }
        _ => Failure::usage("it is not a CSV file"),
    }
}

struct Parquet {
    reader: ParquetRecordBatchReader,
    writer: ArrowWriter<File>,
    column: usize,
    subjects: Option<usize>,
    batch: Option<RecordBatch>,
    read: u64,
    rows: u64,
}

impl Parquet {
    fn open(file: File, out: File, column: &str, subjects: Option<&str>) -> Result<Self, Failure> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(broken)?;
        let (schema, rows) = (Arc::clone(builder.schema()), builder.metadata().file_metadata().num_rows());
        let find = |name: &str| {
            let names = || schema.fields().iter().map(|field| field.name().as_str());
            let at = names().position(|known| known == name).ok_or_else(|| missing(name, names()))?;
            match schema.field(at).data_type() {
                DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(at),
                other => Err(Failure::usage(format!(
                    "column `{name}` is {other}, not text: a number has lost its leading zeros already, so write it as text"
                ))),
            }
        };
        let (column, subjects) = (find(column)?, subjects.map(find).transpose()?);
        let level = ZstdLevel::try_new(3).map_err(broken)?;
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties)).map_err(broken)?;
        let reader = builder.with_batch_size(ROWS).build().map_err(broken)?;
        Ok(Self { reader, writer, column, subjects, batch: None, read: 0, rows: u64::try_from(rows).unwrap_or(0) })
    }
}

impl Table for Parquet {
    fn next(&mut self) -> Result<Option<Batch>, Failure> {
        let Some(batch) = self.reader.next().transpose().map_err(broken)? else { return Ok(None) };
        self.read += u64::try_from(batch.num_rows()).unwrap_or(0);
        let values = texts(batch.column(self.column))?;
        let subjects = self.subjects.map(|at| texts(batch.column(at))).transpose()?;
        self.batch = Some(batch);
        Ok(Some(Batch { values, subjects }))
    }

    fn write(&mut self, column: Vec<Option<String>>) -> Result<(), Failure> {
        let Some(batch) = self.batch.take() else { return Ok(()) };
        let mut columns = batch.columns().to_vec();
        let kind = columns[self.column].data_type().clone();
        columns[self.column] = cast(&(Arc::new(StringArray::from(column)) as ArrayRef), &kind).map_err(broken)?;
        let changed = RecordBatch::try_new(batch.schema(), columns).map_err(|_| {
            Failure::usage(
                "the column may not be empty, and some of its values were erased: write it with a column that may",
            )
        })?;
        self.writer.write(&changed).map_err(broken)?;
        if self.writer.in_progress_size() > GROUP_BYTES {
            self.writer.flush().map_err(broken)?;
        }
        Ok(())
    }

    fn part(&self) -> f64 {
        self.read as f64 / self.rows.max(1) as f64
    }

    fn finish(self: Box<Self>) -> Result<(), Failure> {
        Ok(self.writer.into_inner().map_err(broken)?.sync_all()?)
    }
}

fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>, Failure> {
    let plain = cast(column, &DataType::Utf8).map_err(broken)?;
    Ok(plain.as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect())
}

fn broken(error: impl std::fmt::Display) -> Failure {
    Failure::io(format!("the Parquet file cannot be read or written: {error}"))
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;
    use arrow::datatypes::{Field, Schema};

    use super::*;

    /// Puts `<…>` around every value of the column `name`.
    fn bracketed(path: &Path, out: &Path, column: &str) -> Result<(), Failure> {
        let mut table = open(path, File::create(out).expect("made"), column, None)?;
        while let Some(batch) = table.next()? {
            assert!(batch.values.len() <= ROWS);
            table.write(batch.values.into_iter().map(|value| value.map(|value| format!("<{value}>"))).collect())?;
        }
        assert!((table.part() - 1.0).abs() < 0.01);
        table.finish()
    }

    #[test]
    fn given_csv_when_a_column_is_changed_then_the_others_and_the_quoting_stay() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, out) = (dir.path().join("a.csv"), dir.path().join("b.csv"));
        let rows: String = (0..2_500).map(|n| format!("{n},\"a, \"\"b\"\"\n{n}\",x\n")).collect();
        std::fs::write(&path, format!("id,name,rest\n{rows}")).expect("written");
        bracketed(&path, &out, "name").expect("changed");
        let text = std::fs::read_to_string(&out).expect("text");
        assert!(text.starts_with("id,name,rest\n0,\"<a, \"\"b\"\"\n0>\",x\n"), "{}", &text[..60]);
        assert_eq!(csv::Reader::from_path(&out).expect("csv").records().count(), 2_500);
        let missing = bracketed(&path, &out, "phone").expect_err("no such column");
        assert!(missing.message.ends_with("there are: id, name, rest"), "{}", missing.message);
        std::fs::write(&path, "id,name\n1\n").expect("written");
        assert!(bracketed(&path, &out, "name").expect_err("cut").message.contains("line 2 has 1 fields"));
    }

    #[test]
    fn given_parquet_when_a_column_is_changed_then_types_and_missing_values_stay() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, out) = (dir.path().join("a.parquet"), dir.path().join("b.parquet"));
        let fields = [("id", DataType::Int64), ("name", DataType::LargeUtf8)];
        let schema = Schema::new(fields.map(|(name, kind)| Field::new(name, kind, true)).to_vec());
        let ids: Vec<i64> = (0..2_500).collect();
        let names = StringArray::from_iter(ids.iter().map(|n| (n % 3 > 0).then(|| n.to_string())));
        let names = cast(&(Arc::new(names) as ArrayRef), &DataType::LargeUtf8).expect("text");
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids)), names];
        let batch = RecordBatch::try_new(Arc::new(schema), columns).expect("a batch");
        let mut writer = ArrowWriter::try_new(File::create(&path).expect("made"), batch.schema(), None).expect("made");
        writer.write(&batch).expect("written");
        writer.close().expect("closed");
        bracketed(&path, &out, "name").expect("changed");
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&out).expect("there")).expect("Parquet");
        assert_eq!(reader.schema().fields(), batch.schema().fields());
        let first = reader.build().expect("rows").next().expect("a batch").expect("read");
        let names = first.column(1).as_string::<i64>();
        assert_eq!((names.is_null(0), names.value(1), names.value(2)), (true, "<1>", "<2>"));
        assert!(bracketed(&path, &out, "id").expect_err("a number").message.contains("not text"));
    }
}
