//! A form with a file, as browsers send it (RFC 7578): its fields, which come first, and then the file as a stream that is
//! never in memory.

use std::collections::BTreeMap;
use std::io::{self, Read};

use axum::body::BodyDataStream;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use crate::failure::Failure;

/// The most bytes of what comes before the file.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Bytes of the file that are looked at at once.
const PIECE_BYTES: usize = 64 << 10;

/// The name of the field that is the file.
const FILE: &str = "file";

/// What comes before the file's bytes.
#[derive(Debug)]
pub(crate) struct Head {
    /// Fields by name.
    pub(crate) fields: BTreeMap<String, String>,
    /// How the sender calls the file.
    pub(crate) file_name: String,
    /// The first of its bytes, and what may follow them.
    pub(crate) begun: Bytes,
    /// What stands behind its last byte.
    pub(crate) end: Vec<u8>,
}

/// The boundary that a content type names.
pub(crate) fn boundary(content_type: &str) -> Result<String, Failure> {
    let named = content_type.strip_prefix("multipart/form-data").and_then(|rest| rest.split_once("boundary="));
    let boundary = named.map(|(_, rest)| rest.split(';').next().unwrap_or_default().trim().trim_matches('"'));
    match boundary.filter(|boundary| (1..=70).contains(&boundary.len())) {
        Some(boundary) => Ok(boundary.to_owned()),
        None => Err(Failure::invalid("a form with a file is sent as multipart/form-data")),
    }
}

/// Reads fields until the file begins.
pub(crate) async fn head(body: &mut BodyDataStream, boundary: &str) -> Result<Head, Failure> {
    let broken =
        || Failure::invalid("the form is not written as multipart/form-data, or has no field `file` at its end");
    // The first boundary has no line before it.
    let mut read = BytesMut::from(&b"\r\n"[..]);
    let (delimiter, mut fields) = (format!("\r\n--{boundary}").into_bytes(), BTreeMap::new());
    loop {
        let begin = until(body, &mut read, &delimiter).await?.ok_or_else(broken)?;
        let _ = read.split_to(begin + delimiter.len());
        let lines = until(body, &mut read, b"\r\n\r\n").await?.ok_or_else(broken)?;
        let lines = read.split_to(lines + 4);
        let disposition = disposition(&String::from_utf8_lossy(&lines)).ok_or_else(broken)?;
        if disposition.0 == FILE {
            return Ok(Head { fields, file_name: disposition.1, begun: read.freeze(), end: delimiter });
        }
        let end = until(body, &mut read, &delimiter).await?.ok_or_else(broken)?;
        let value = String::from_utf8(read.split_to(end).to_vec()).map_err(|_| broken())?;
        fields.insert(disposition.0, value);
    }
}

/// Where `mark` is in what was read, reading on until it is; `None` when it never comes.
async fn until(body: &mut BodyDataStream, read: &mut BytesMut, mark: &[u8]) -> Result<Option<usize>, Failure> {
    loop {
        if let Some(at) = memchr::memmem::find(read, mark) {
            return Ok(Some(at));
        }
        if read.len() > MAX_HEAD_BYTES {
            return Ok(None);
        }
        match body.next().await {
            Some(Ok(piece)) => read.extend_from_slice(&piece),
            Some(Err(_)) => return Err(Failure::invalid("the upload broke off")),
            None => return Ok(None),
        }
    }
}

/// Name of the field, and of the file.
fn disposition(lines: &str) -> Option<(String, String)> {
    let line = lines.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let parameter = |wanted: &str| {
        let parts = line.split(';').filter_map(|part| part.split_once('='));
        let found = parts.map(|(name, value)| (name.trim(), value.trim())).find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value.trim_matches('"').to_owned())
    };
    Some((parameter("name")?, parameter("filename").unwrap_or_default()))
}

/// The file's bytes, out of `from`, which goes on behind them.
pub(crate) struct File<R> {
    from: R,
    end: Vec<u8>,
    held: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> File<R> {
    pub(crate) fn new(from: R, end: Vec<u8>) -> Self {
        Self { from, end, held: Vec::new(), given: 0, ended: false }
    }
}

impl<R: Read> Read for File<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }
        while !self.ended {
            let held = &self.held[self.given..];
            let found = memchr::memmem::find(held, &self.end);
            // Without the end, it may begin in the last bytes.
            let safe = found.unwrap_or((held.len() + 1).saturating_sub(self.end.len()));
            if safe > 0 {
                let taken = safe.min(to.len());
                to[..taken].copy_from_slice(&held[..taken]);
                self.given += taken;
                return Ok(taken);
            }
            if found.is_some() {
                self.ended = true;
                break;
            }
            self.held.drain(..self.given);
            self.given = 0;
            let had = self.held.len();
            self.held.resize(had + PIECE_BYTES, 0);
            let read = self.from.read(&mut self.held[had..]);
            self.held.truncate(had + *read.as_ref().unwrap_or(&0));
            if read? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the upload broke off"));
            }
        }
        // What follows is read, so that the sender hears the answer.
        io::copy(&mut self.from, &mut io::sink())?;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const FORM: &str = "--xyz\r\nContent-Disposition: form-data; name=\"version\"\r\n\r\n1\r\n--xyz\r\n\
                        content-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n";

    fn body(pieces: &[&str]) -> BodyDataStream {
        let pieces: Vec<io::Result<Bytes>> = pieces.iter().map(|one| Ok(Bytes::from((*one).to_owned()))).collect();
        Body::from_stream(futures_util::stream::iter(pieces)).into_data_stream()
    }

    #[tokio::test]
    async fn given_a_form_when_read_then_fields_come_first_and_the_file_is_what_is_before_the_last_boundary() {
        let (one, other) = FORM.split_at(90);
        let mut stream = body(&[one, other, "id,n\r\n1,\r\n--xy"]);
        let head = head(&mut stream, "xyz").await.expect("a form");
        assert_eq!((head.fields["version"].as_str(), head.file_name.as_str()), ("1", "a.csv"));
        let mut rest = head.begun.to_vec();
        while let Some(piece) = stream.next().await {
            rest.extend_from_slice(&piece.expect("whole"));
        }
        rest.extend_from_slice(b"\r\n--xyz--\r\n");
        let mut file = String::new();
        File::new(rest.as_slice(), head.end.clone()).read_to_string(&mut file).expect("read");
        assert_eq!(file, "id,n\r\n1,\r\n--xy");
        let cut = File::new(&b"id\r\n--x"[..], head.end).read_to_end(&mut Vec::new()).expect_err("broken off");
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn given_no_form_when_read_then_it_is_refused() {
        assert!(boundary("application/json").is_err());
        assert_eq!(boundary("multipart/form-data; boundary=\"a b\"").expect("named"), "a b");
        for text in ["", "--xyz\r\n\r\n\r\n", "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xyz--"]
        {
            assert!(head(&mut body(&[text]), "xyz").await.is_err(), "{text}");
        }
        let endless = "x".repeat(MAX_HEAD_BYTES + 10);
        assert!(head(&mut body(&[endless.as_str()]), "xyz").await.is_err());
    }
}
