//! Rows of a data set, one after the other and byte for byte: where each ends, and whom it is about.

use std::io::{self, BufRead, BufReader, Read};

use domain::data::{Form, SubjectColumn};

/// The longest row, in bytes: it is in memory while it is looked at.
const MAX_ROW_BYTES: usize = 16 << 20;

/// Why rows cannot be told apart.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// The rows are not written as was said. The text names a row by its number and repeats nothing of it.
    #[error("{0}")]
    Malformed(String),
    /// They cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A row with its line ending, and the identifier of whom it is about, when it has one.
pub(crate) type Row<'r> = (&'r [u8], Option<String>);

/// Reads rows.
pub(crate) struct Rows<'a, R> {
    from: BufReader<R>,
    subjects: &'a SubjectColumn,
    /// Where the column is, once the header of a CSV is read.
    at: Option<usize>,
    /// Rows so far, the header included.
    read: u64,
    /// Whether they come in, and are refused when they are not as was said. What is stored is read as it is.
    comes_in: bool,
    /// How many fields the header of a CSV has.
    fields: usize,
}

impl<'a, R: Read> Rows<'a, R> {
    /// Of what was stored before.
    pub(crate) fn new(from: R, subjects: &'a SubjectColumn) -> Self {
        let from = BufReader::with_capacity(64 << 10, from);
        Self { from, subjects, at: None, read: 0, comes_in: false, fields: 0 }
    }

    /// Of what comes in to be stored.
    pub(crate) fn coming_in(from: R, subjects: &'a SubjectColumn) -> Self {
        Self { comes_in: true, ..Self::new(from, subjects) }
    }

    /// The next row with its line ending, and the identifier of whom it is about, when it has one; `None` at the end.
    pub(crate) fn next<'r>(&mut self, row: &'r mut Vec<u8>) -> Result<Option<Row<'r>>, RowError> {
        row.clear();
        if !self.take(row)? {
            return Ok(None);
        }
        self.read += 1;
        let identifier = match self.subjects.form {
            Form::Csv => self.csv(row)?,
            Form::Jsonl => self.json(row)?,
            Form::Parquet | Form::Arrow => return Err(self.malformed("is in no file of lines", 0)),
        };
        Ok(Some((row.as_slice(), identifier)))
    }

    /// Takes bytes up to the end of a row. In a CSV, a line may end inside quotes.
    fn take(&mut self, row: &mut Vec<u8>) -> Result<bool, RowError> {
        let quotes = self.subjects.form == Form::Csv;
        let mut quoted = false;
        loop {
            let here = self.from.fill_buf()?;
            if here.is_empty() {
                if quoted && self.comes_in {
                    return Err(self.malformed("has a quote that is never closed", 1));
                }
                return Ok(!row.is_empty());
            }
            let ends = |byte: &u8| {
                quoted ^= quotes && *byte == b'"';
                *byte == b'\n' && !quoted
            };
            let end = here.iter().position(ends);
            let taken = end.map_or(here.len(), |end| end + 1);
            row.extend_from_slice(&here[..taken]);
            self.from.consume(taken);
            if row.len() > MAX_ROW_BYTES {
                return Err(self.malformed("is longer than 16 MiB: are its quotes closed?", 1));
            }
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    fn csv(&mut self, row: &[u8]) -> Result<Option<String>, RowError> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(row);
        let mut record = csv::ByteRecord::new();
        if !reader.read_byte_record(&mut record).map_err(|_| self.malformed("is no row of a CSV", 0))? {
            return Ok(None);
        }
        // A quote inside a field that has none around it, or a lone carriage return: whom the rest is about would not be seen.
        let mut rest = csv::ByteRecord::new();
        if reader.read_byte_record(&mut rest).map_err(|_| self.malformed("is no row of a CSV", 0))? {
            return Err(self.malformed("is several: are there quotes in fields without quotes around them?", 0));
        }
        let Some(at) = self.at else {
            let name = |field: &[u8]| {
                String::from_utf8_lossy(field.strip_prefix(b"\xef\xbb\xbf").unwrap_or(field)).trim()
                    == self.subjects.column
            };
            self.at = record.iter().position(name);
            self.fields = record.len();
            if self.at.is_none() {
                let message = format!("the header of the CSV has no column `{}`", self.subjects.column);
                return Err(RowError::Malformed(message));
            }
            return Ok(None);
        };
        if self.comes_in && record.len() != self.fields {
            let message = format!("does not have as many fields as the header: {}, not {}", record.len(), self.fields);
            return Err(self.malformed(&message, 0));
        }
        match record.get(at).map(std::str::from_utf8) {
            Some(Ok(identifier)) => Ok(Some(identifier.to_owned())),
            Some(Err(_)) => Err(self.malformed("names whom it is about in bytes that are no UTF-8", 0)),
            None => Err(self.malformed("has too few fields to say whom it is about", 0)),
        }
    }

    fn json(&self, row: &[u8]) -> Result<Option<String>, RowError> {
        if row.trim_ascii().is_empty() {
            return Ok(None);
        }
        let row: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(row).map_err(|_| self.malformed("is no JSON object", 0))?;
        match row.get(&self.subjects.column) {
            None if self.comes_in => Err(self
                .malformed(&format!("has no member `{}`: null says that it is about nobody", self.subjects.column), 0)),
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(serde_json::Value::String(identifier)) => Ok(Some(identifier.clone())),
            Some(serde_json::Value::Number(identifier)) => Ok(Some(identifier.to_string())),
            Some(_) => Err(self.malformed("names whom it is about by something that is no text and no number", 0)),
        }
    }

    fn malformed(&self, what: &str, further: u64) -> RowError {
        RowError::Malformed(format!("row {} {what}", self.read + further))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects(form: Form) -> SubjectColumn {
        SubjectColumn { form, column: "email".into(), scope: "email".into() }
    }

    fn read(form: Form, text: &str) -> Result<Vec<(String, Option<String>)>, RowError> {
        let subjects = subjects(form);
        let mut rows = Rows::coming_in(text.as_bytes(), &subjects);
        let (mut row, mut all) = (Vec::new(), Vec::new());
        while let Some((bytes, identifier)) = rows.next(&mut row)? {
            all.push((String::from_utf8_lossy(bytes).into_owned(), identifier));
        }
        Ok(all)
    }

    #[test]
    fn given_a_csv_when_read_then_rows_are_as_they_were_and_say_whom_they_are_about() {
        let text =
            "\u{feff}id,email,note\r\n1,ann@x.com,\"two\nlines, \"\"quoted\"\"\"\r\n\r\n2,,none\n3,bob@x.com,end";
        let rows = read(Form::Csv, text).expect("rows");
        assert_eq!(rows.iter().map(|(row, _)| row.as_str()).collect::<String>(), text);
        let about: Vec<Option<&str>> = rows.iter().map(|(_, identifier)| identifier.as_deref()).collect();
        assert_eq!(about, [None, Some("ann@x.com"), None, Some(""), Some("bob@x.com")]);
    }

    #[test]
    fn given_json_lines_when_read_then_rows_are_as_they_were_and_say_whom_they_are_about() {
        let text = "{\"email\":\"ann@x.com\"}\n\n{\"email\":7}\n{\"email\":\"\"}\n{\"email\":null}";
        let rows = read(Form::Jsonl, text).expect("rows");
        assert_eq!(rows.iter().map(|(row, _)| row.as_str()).collect::<String>(), text);
        let about: Vec<Option<&str>> = rows.iter().map(|(_, identifier)| identifier.as_deref()).collect();
        assert_eq!(about, [Some("ann@x.com"), None, Some("7"), Some(""), None]);
    }

    #[test]
    fn given_rows_that_are_not_as_was_said_when_read_then_the_row_is_named_and_not_repeated() {
        for (form, text, why) in [
            (Form::Csv, "id,mail\n1,ann@x.com\n", "no column `email`"),
            (Form::Csv, "id,email\n1\n", "row 2 does not have as many fields as the header: 1, not 2"),
            (Form::Csv, "id,email\n1,bob@x.com,ann\n", "row 2 does not have as many fields"),
            (Form::Csv, "id,email\n1,bob@x.com\n2,\"ann@x.com\n", "row 3 has a quote that is never closed"),
            (Form::Csv, "id,email,note\n1,bob@x.com,5\" pipe\n2,ann@x.com,6\" pipe\n", "row 2 is several"),
            (Form::Csv, "id,email\n1,bob@x.com\r2,ann@x.com\n", "row 2 is several"),
            (Form::Jsonl, "{\"email\":\"a\"}\nann@x.com\n", "row 2 is no JSON object"),
            (Form::Jsonl, "{\"mail\":\"ann@x.com\"}\n", "row 1 has no member `email`"),
            (Form::Jsonl, "{\"email\":[\"ann@x.com\"]}\n", "row 1 names whom"),
        ] {
            let error = read(form, text).expect_err("refused").to_string();
            assert!(error.contains(why) && !error.contains("ann"), "{error}");
        }
    }
}
