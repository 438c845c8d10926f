//! What is put into data sets, from a file, a directory or an address, with progress; and how two versions differ, as text.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::HttpBody;
use bytes::Bytes;
use domain::data::Form;
use futures_util::{Stream, StreamExt, stream};
use serde_json::Value;
use store::SecretSource;
use store::s3::{Bucket, BucketOptions};

use crate::client::{Connect, chain};
use crate::output::Failure;

/// Bytes of a file that are sent at once.
const PIECE_BYTES: usize = 64 << 10;

/// Bytes of an object in a bucket that are asked for at once.
const RANGE_BYTES: u64 = 8 << 20;

/// How often progress is written.
const EVERY: Duration = Duration::from_millis(100);

/// Bytes as they come.
pub type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Something to put.
pub struct Source {
    /// The name by which its form is told.
    pub name: String,
    /// How long it is, when that is known.
    pub bytes: Option<u64>,
    /// Its bytes.
    pub pieces: Pieces,
}

/// What a path or an address stands for: one version, or several that are numbered.
///
/// # Errors
/// When there is nothing, or nothing that can be put.
pub async fn sources(from: &str, connect: &Connect) -> Result<Vec<Source>, Failure> {
    if let Some(object) = from.strip_prefix("s3://") {
        return Ok(vec![in_bucket(object).await?]);
    }
    if from.starts_with("https://") || from.starts_with("http://") {
        return Ok(vec![at_address(from, connect).await?]);
    }
    let path = Path::new(from);
    if path.is_dir() { in_directory(path) } else { Ok(vec![file(path)?]) }
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> Failure + '_ {
    move |error| Failure::io(format!("{}: {error}", path.display()))
}

fn file(path: &Path) -> Result<Source, Failure> {
    let opened = File::open(path).map_err(unreadable(path))?;
    let known = opened.metadata().map_err(unreadable(path))?;
    let bytes = known.is_file().then_some(known.len());
    Ok(Source { name: path.display().to_string(), bytes, pieces: read(opened) })
}

/// The files of a directory, in the order of their names: text as one version, with one header; of other forms each as a
/// version of its own, since such files cannot be put one behind the other.
fn in_directory(dir: &Path) -> Result<Vec<Source>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable(dir))? {
        let path = entry.map_err(unreadable(dir))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // What other programs leave beside their parts, such as `_SUCCESS`.
        if !name.starts_with(['.', '_']) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let forms: Vec<Option<Form>> = files.iter().map(|path| Form::of_name(&path.to_string_lossy())).collect();
    let (Some(first), Some(Some(form))) = (files.first(), forms.first()) else {
        let message = format!("{}: no file in it ends with .csv, .jsonl, .parquet or .arrow", dir.display());
        return Err(Failure::usage(message));
    };
    if let Some((other, _)) = files.iter().zip(&forms).find(|(_, other)| **other != Some(*form)) {
        let message = format!(
            "{} and {} are of different forms: put them into directories of their own",
            first.display(),
            other.display()
        );
        return Err(Failure::usage(message));
    }
    if !form.is_text() {
        return files.iter().map(|path| file(path)).collect();
    }
    let mut bytes = 0;
    for path in &files {
        bytes += path.metadata().map_err(unreadable(path))?.len();
    }
    let (name, csv) = (first.display().to_string(), *form == Form::Csv);
    let parts = Parts { rest: files.into(), at: None, header: csv.then(Vec::new), ended: true };
    Ok(vec![Source { name, bytes: Some(bytes), pieces: read(parts) }])
}

/// Files of text, one behind the other.
struct Parts {
    rest: VecDeque<PathBuf>,
    at: Option<BufReader<File>>,
    /// The header of the first, when there is one in each.
    header: Option<Vec<u8>>,
    /// Whether what was read so far ends with a line.
    ended: bool,
}

impl Parts {
    /// Opens the next file; what is to be read before it.
    fn open(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let failed = |error: &dyn std::fmt::Display| io::Error::other(format!("{}: {error}", path.display()));
        let mut part = BufReader::with_capacity(PIECE_BYTES, File::open(path).map_err(|e| failed(&e))?);
        let mut before = if self.ended { vec![] } else { vec![b'\n'] };
        if let Some(header) = &mut self.header {
            let mut line = Vec::new();
            part.read_until(b'\n', &mut line).map_err(|e| failed(&e))?;
            let names = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii_end().to_vec();
            if header.is_empty() {
                before.extend_from_slice(&line);
                *header = names;
            } else if !names.is_empty() && names != *header {
                return Err(failed(&"its header is another than that of the first file: nothing was stored"));
            }
        }
        self.at = Some(part);
        Ok(before)
    }
}

impl Read for Parts {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(part) = &mut self.at {
                let read = part.read(to)?;
                if read > 0 {
                    self.ended = to[read - 1] == b'\n';
                    return Ok(read);
                }
                self.at = None;
            }
            let Some(path) = self.rest.pop_front() else { return Ok(0) };
            let before = self.open(&path)?;
            if !before.is_empty() {
                if before.len() > to.len() {
                    return Err(io::Error::other(format!("{}: its header is longer than 64 KiB", path.display())));
                }
                self.ended = before.ends_with(b"\n");
                to[..before.len()].copy_from_slice(&before);
                return Ok(before.len());
            }
        }
    }
}

fn read(from: impl Read + Send + 'static) -> Pieces {
    Box::pin(stream::try_unfold(from, |mut from| async move {
        let mut piece = vec![0; PIECE_BYTES];
        let read = from.read(&mut piece)?;
        piece.truncate(read);
        Ok::<_, io::Error>((read > 0).then(|| (Bytes::from(piece), from)))
    }))
}

async fn at_address(url: &str, connect: &Connect) -> Result<Source, Failure> {
    let body = connect.fetch(url).await?;
    let bytes = body.size_hint().exact();
    let pieces = body.into_data_stream().map(|piece| piece.map_err(|e| io::Error::other(chain(&e))));
    let name = url.split(['?', '#']).next().unwrap_or_default().to_owned();
    Ok(Source { name, bytes, pieces: Box::pin(pieces) })
}

/// An object in a bucket, by the environment that every client of S3 knows. It is asked for piece by piece, and must not
/// change meanwhile.
async fn in_bucket(object: &str) -> Result<Source, Failure> {
    let (bucket, name) = object
        .split_once('/')
        .filter(|(bucket, name)| !bucket.is_empty() && !name.is_empty())
        .ok_or_else(|| Failure::usage("an object in a bucket is named s3://BUCKET/NAME"))?;
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let region = env("AWS_REGION").or_else(|| env("AWS_DEFAULT_REGION")).unwrap_or_else(|| "us-east-1".to_owned());
    let endpoint = env("AWS_ENDPOINT_URL_S3").or_else(|| env("AWS_ENDPOINT_URL"));
    let access_key = env("AWS_ACCESS_KEY_ID").filter(|_| env("AWS_SECRET_ACCESS_KEY").is_some());
    let access_key = access_key.ok_or_else(|| {
        Failure::usage("to read from a bucket, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; AWS_REGION and AWS_ENDPOINT_URL_S3 say where it is")
    })?;
    let options = BucketOptions {
        endpoint: endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com")),
        region,
        bucket: bucket.to_owned(),
        prefix: String::new(),
        access_key,
        secret_key: SecretSource::Env("AWS_SECRET_ACCESS_KEY".to_owned()),
        ca_file: env("AWS_CA_BUNDLE").map(PathBuf::from).unwrap_or_default(),
    };
    let reached = |error: store::s3::BucketError| Failure::unreachable(error.to_string());
    let opened = Bucket::new(&options).map_err(Failure::usage)?;
    let head = opened.head(name, None).await.map_err(reached)?;
    let missing = || Failure::io(format!("bucket `{bucket}` has no object `{name}`"));
    let head = head.ok_or_else(missing)?;
    let total = head.bytes.ok_or_else(|| Failure::io(format!("the server does not say how long `{name}` is")))?;
    let (opened, named, etag) = (Arc::new(opened), name.to_owned(), head.etag);
    let pieces = stream::try_unfold(0, move |at| {
        let (bucket, name, etag) = (Arc::clone(&opened), named.clone(), etag.clone());
        async move {
            if at >= total {
                return Ok(None);
            }
            let to = (at + RANGE_BYTES).min(total);
            let piece = bucket.get_range(&name, at..to, etag.as_deref()).await.map_err(io::Error::other)?;
            Ok::<_, io::Error>(Some((Bytes::from(piece), to)))
        }
    });
    Ok(Source { name: name.to_owned(), bytes: Some(total), pieces: Box::pin(pieces) })
}

/// Writes how far a transfer is to standard error, where somebody sees it.
pub fn with_progress(source: Source, what: String, json: bool) -> Pieces {
    if json || !io::stderr().is_terminal() {
        return source.pieces;
    }
    let (total, began) = (source.bytes, Instant::now());
    let (mut sent, mut shown) = (0_u64, began);
    let end = stream::once(async {
        // The server reads it all before it answers.
        let _ = write!(io::stderr(), "\r\x1b[Ksent: it is being read\r");
        let _ = io::stderr().flush();
        Ok(Bytes::new())
    });
    let pieces = source.pieces.map(move |piece| -> io::Result<Bytes> {
        let piece = piece?;
        sent += piece.len() as u64;
        if shown.elapsed() >= EVERY {
            shown = Instant::now();
            let _ = write!(io::stderr(), "\r\x1b[K{what}: {}", progress(sent, total, began.elapsed()));
            let _ = io::stderr().flush();
        }
        Ok(piece)
    });
    Box::pin(pieces.chain(end).filter(|piece| std::future::ready(!piece.as_ref().is_ok_and(Bytes::is_empty))))
}

/// Clears the line of progress.
pub fn cleared(json: bool) {
    if !json && io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

fn progress(sent: u64, total: Option<u64>, took: Duration) -> String {
    let mib = |bytes: u64| bytes >> 20;
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = mib(sent.saturating_mul(1000) / millis);
    match total.filter(|total| *total > 0) {
        Some(total) => {
            let percent = sent.min(total).saturating_mul(100) / total;
            let full = usize::try_from(percent / 5).unwrap_or(0);
            let bar: String = "#".repeat(full) + &".".repeat(20 - full.min(20));
            format!("[{bar}] {percent}%, {} of {} MiB, {rate} MiB/s", mib(sent), mib(total))
        }
        None => format!("{} MiB, {rate} MiB/s", mib(sent)),
    }
}

/// How two versions differ, for people.
pub fn compared(diff: &Value) -> String {
    let pair = |value: &Value| match (&value[0], &value[1]) {
        (a, b) if a == b => plain(a),
        (a, b) => format!("{} -> {}", plain(a), plain(b)),
    };
    let mut text = format!("{} to {}\nrows: {}\n", plain(&diff["from"]), plain(&diff["to"]), pair(&diff["rows"]));
    if let Some(rows) = diff["by_key"].as_object() {
        text += &format!(
            "by key: {} added, {} removed, {} changed; without a key of their own: {}\n",
            rows["added"],
            rows["removed"],
            rows["changed"],
            pair(&rows["unclear"])
        );
        let others: Vec<String> = rows["not_compared"].as_array().into_iter().flatten().map(plain).collect();
        if !others.is_empty() {
            text += &format!("not compared by key: {}\n", others.join(", "));
        }
    }
    let columns = |name: &str| diff[name].as_array().cloned().unwrap_or_default();
    for (mark, list) in
        [("+", columns("columns_added")), ("-", columns("columns_removed")), ("~", columns("columns_retyped"))]
    {
        for column in list {
            let parts: Vec<String> = column.as_array().into_iter().flatten().map(plain).collect();
            text += &format!(
                "{mark} column {}: {}\n",
                parts.first().map_or("", String::as_str),
                parts.get(1..).unwrap_or_default().join(" -> ")
            );
        }
    }
    let mut lines = vec![["column", "type", "nulls", "distinct", "median", "range", "distance"].map(str::to_owned)];
    for column in columns("columns") {
        let median = match column["quantiles"].as_array() {
            Some(both) => pair(&Value::Array(both.iter().map(|one| one["p50"].clone()).collect())),
            None => String::new(),
        };
        let range = match (column["min"].as_array(), column["max"].as_array()) {
            (Some(_), Some(_)) => format!("{} .. {}", pair(&column["min"]), pair(&column["max"])),
            _ => String::new(),
        };
        let distance = match column["distance"].as_f64() {
            Some(by) => format!("{by:.4} {}", plain(&column["measure"])),
            None => String::new(),
        };
        lines.push([
            plain(&column["name"]),
            plain(&column["type"]),
            pair(&column["nulls"]),
            pair(&column["distinct"]),
            median,
            range,
            distance,
        ]);
    }
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    for line in &lines {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<0$}", *width)).collect();
        text += &format!("{}\n", cells.join("  ").trim_end());
    }
    let left_out = diff["columns_left_out"].as_u64().unwrap_or(0);
    if left_out > 0 {
        text += &format!("{left_out} more columns were not compared\n");
    }
    if diff["shows_values"] == false {
        text += "values are not shown of columns that are not public or internal, by their data set, their steward or what was \
                 found in them, and medians only as the beginning of a band\n";
    }
    text
}

/// A value on one line, without what would move a terminal's cursor.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => format!("{:.4}", number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_parts_when_read_then_their_header_comes_once_and_lines_stay_apart() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        write("part-1.csv", "id,n\n1,a");
        write("part-2.csv", "id,n\r\n2,b\n");
        write("part-3.csv", "");
        write("_SUCCESS", "");
        let parts = |rest: &[&str]| Parts {
            rest: rest.iter().map(|name| dir.path().join(name)).collect(),
            at: None,
            header: Some(vec![]),
            ended: true,
        };
        let mut text = String::new();
        parts(&["part-1.csv", "part-2.csv", "part-3.csv"]).read_to_string(&mut text).expect("read");
        assert_eq!(text, "id,n\n1,a\n2,b\n");
        write("part-4.csv", "id,m\n1,a\n");
        let other = parts(&["part-1.csv", "part-4.csv"]).read_to_string(&mut String::new()).expect_err("refused");
        assert!(other.to_string().contains("its header is another"), "{other}");
        assert!(in_directory(dir.path()).is_ok_and(|sources| sources.len() == 1));
        write("more.parquet", "");
        assert!(in_directory(dir.path()).is_err_and(|failure| failure.message.contains("different forms")));
    }

    #[test]
    fn given_progress_when_written_then_it_says_how_far() {
        let second = Duration::from_secs(1);
        assert_eq!(progress(5 << 20, Some(10 << 20), second), "[##########..........] 50%, 5 of 10 MiB, 5 MiB/s");
        assert_eq!(progress(3 << 20, None, second), "3 MiB, 3 MiB/s");
        assert!(progress(11, Some(10), second).contains("100%"));
    }
}
