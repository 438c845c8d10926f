//! What an ordinary bucket is asked: objects are stored in parts, read in pieces, listed, and deleted in every version.

use bytes::Bytes;
use http::{Method, StatusCode, header};

use super::{Answer, Ask, Bucket, BucketError, Put, refused, xml};

/// The most parts that an upload may have.
pub const MOST_PARTS: usize = 10_000;

/// Most bytes of one page of a list.
const MOST_LIST_BYTES: usize = 4 << 20;

/// Whether a bucket keeps what is replaced or deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    /// It never did.
    Never,
    /// It does.
    Enabled,
    /// It did: older versions may be there.
    Suspended,
}

/// An upload in parts that is not complete.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Upload {
    /// The object's name below the prefix.
    pub name: String,
    /// What the server calls it.
    pub id: String,
}

impl Bucket {
    /// Stores an object whole; what lay under its name is replaced.
    ///
    /// # Errors
    /// [`BucketError`]. When it is unreachable, the object may be there all the same.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), BucketError> {
        let ask = Ask { body: bytes, ..Ask::of("store", Method::PUT, name) };
        self.done(&ask).await.map(drop)
    }

    /// Stores an object, unless there is one of its name.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn put_new(&self, name: &str, bytes: Bytes) -> Result<Put, BucketError> {
        let headers = vec![("if-none-match", "*".to_owned())];
        let ask = Ask { headers, body: bytes, ..Ask::of("create", Method::PUT, name) };
        let answer = self.send(&ask).await?;
        match answer.status {
            StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT => Ok(Put::Exists),
            status if status.is_success() => Ok(Put::Created),
            _ => Err(refused(&ask, &answer)),
        }
    }

    /// Up to `most` bytes of an object from `offset` on, fewer at its end; none when there is no such object.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn piece(&self, name: &str, offset: u64, most: usize) -> Result<Option<Bytes>, BucketError> {
        let last = offset.saturating_add(most.max(1) as u64) - 1;
        let headers = vec![("range", format!("bytes={offset}-{last}"))];
        let ask = Ask { headers, most_bytes: most, ..Ask::of("read", Method::GET, name) };
        let answer = self.send(&ask).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::PARTIAL_CONTENT => Ok(Some(answer.body)),
            // All of it, because it was asked for from the beginning and has no more.
            StatusCode::OK if offset == 0 && answer.body.len() <= most => Ok(Some(answer.body)),
            StatusCode::RANGE_NOT_SATISFIABLE => Ok(Some(Bytes::new())),
            _ => Err(refused(&ask, &answer)),
        }
    }

    /// Begins an upload in parts.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn begin(&self, name: &str) -> Result<Upload, BucketError> {
        let query = vec![("uploads", String::new())];
        let ask = Ask { query, most_bytes: MOST_LIST_BYTES, ..Ask::of("begin an upload of", Method::POST, name) };
        let answer = self.done(&ask).await?;
        let id = xml::text(&text_of(&answer), "UploadId").filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| meaningless("no identifier of the upload"))?;
        Ok(Upload { name: name.to_owned(), id })
    }

    /// Stores a part of an upload, from 1; returns the server's mark for it.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn part(&self, upload: &Upload, number: usize, bytes: Bytes) -> Result<String, BucketError> {
        let query = vec![("partNumber", number.to_string()), ("uploadId", upload.id.clone())];
        let ask = Ask { query, body: bytes, ..Ask::of("store a part of", Method::PUT, &upload.name) };
        let answer = self.done(&ask).await?;
        let mark = answer.headers.get(header::ETAG).and_then(|value| value.to_str().ok());
        mark.map(str::to_owned).ok_or_else(|| meaningless("no mark of the part"))
    }

    /// Makes an object of the parts that were stored.
    ///
    /// # Errors
    /// [`BucketError`]. When it is unreachable, the object may be there all the same.
    pub async fn complete(&self, upload: &Upload, marks: &[String]) -> Result<(), BucketError> {
        let part = |(at, mark): (usize, &String)| {
            let (number, mark) = (at + 1, xml::escaped(mark));
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{mark}</ETag></Part>")
        };
        let parts: String = marks.iter().enumerate().map(part).collect();
        let body = format!(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
        );
        let (query, headers) = (of_upload(upload), vec![("content-type", "application/xml".to_owned())]);
        let (body, most_bytes) = (body.into(), MOST_LIST_BYTES);
        let ask = Ask { query, headers, body, most_bytes, ..Ask::of("complete", Method::POST, &upload.name) };
        let answer = self.done(&ask).await?;
        // It begins to answer before it knows how that ends.
        match text_of(&answer).contains("<Error>") {
            true => Err(refused(&ask, &answer)),
            false => Ok(()),
        }
    }

    /// Gives an upload up, with all its parts. One that is not there is no error.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn abort(&self, upload: &Upload) -> Result<(), BucketError> {
        let ask = Ask { query: of_upload(upload), ..Ask::of("give up", Method::DELETE, &upload.name) };
        let answer = self.send(&ask).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(refused(&ask, &answer)),
        }
    }

    /// The uploads below `below` that are not complete.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn uploads(&self, below: &str) -> Result<Vec<Upload>, BucketError> {
        let (mut found, mut after) = (Vec::new(), None::<(String, String)>);
        loop {
            let mut query = vec![("uploads", String::new()), ("prefix", self.full(below))];
            if let Some((key, id)) = after {
                query.extend([("key-marker", key), ("upload-id-marker", id)]);
            }
            let page = self.page("list the uploads of", query).await?;
            for upload in xml::all(&page, "Upload") {
                if let (Some(name), Some(id)) = (self.name_in(upload), xml::text(upload, "UploadId")) {
                    found.push(Upload { name, id });
                }
            }
            after = markers(&page, ["NextKeyMarker", "NextUploadIdMarker"]);
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// The names of the objects below `below`, in order. What is deleted and kept as an older version is not among them.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn names(&self, below: &str) -> Result<Vec<String>, BucketError> {
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let mut query = vec![("list-type", "2".to_owned()), ("prefix", self.full(below))];
            query.extend(after.map(|token| ("continuation-token", token)));
            let page = self.page("list", query).await?;
            found.extend(xml::all(&page, "Contents").into_iter().filter_map(|object| self.name_in(object)));
            let more = xml::text(&page, "IsTruncated").as_deref() == Some("true");
            after = xml::text(&page, "NextContinuationToken").filter(|_| more);
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// What the versions and marks of deletion of the object `name` are called; `null` where there were no versions when it
    /// was stored.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn versions(&self, name: &str) -> Result<Vec<String>, BucketError> {
        let (mut found, mut after) = (Vec::new(), None::<(String, String)>);
        loop {
            let mut query = vec![("versions", String::new()), ("prefix", self.full(name))];
            if let Some((key, version)) = after {
                query.extend([("key-marker", key), ("version-id-marker", version)]);
            }
            let page = self.page("list the versions of", query).await?;
            for listed in [xml::all(&page, "Version"), xml::all(&page, "DeleteMarker")].concat() {
                // Others may have names that begin like this one.
                if self.name_in(listed).as_deref() == Some(name) {
                    found.push(xml::text(listed, "VersionId").unwrap_or_else(|| "null".to_owned()));
                }
            }
            after = markers(&page, ["NextKeyMarker", "NextVersionIdMarker"]);
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Deletes an object, or one version of it. One that is not there is no error; where versions are kept and none is
    /// named, a mark of deletion is put over it.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn delete(&self, name: &str, version: Option<&str>) -> Result<(), BucketError> {
        let ask = Ask::of("delete", Method::DELETE, name).version(version);
        let answer = self.send(&ask).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(refused(&ask, &answer)),
        }
    }

    /// Whether the bucket can lock objects. A server that knows no locks has none.
    ///
    /// # Errors
    /// [`BucketError`], also when whoever asks may not know.
    pub async fn can_lock(&self) -> Result<bool, BucketError> {
        let ask = self.ask_bucket("tell the object lock of", vec![("object-lock", String::new())]);
        let Some(answer) = self.known(&ask).await? else { return Ok(false) };
        match answer.status {
            StatusCode::NOT_FOUND if super::code_of(&answer.body) != "NoSuchBucket" => Ok(false),
            status if status.is_success() => Ok(text_of(&answer).contains("<ObjectLockEnabled>Enabled<")),
            _ => Err(refused(&ask, &answer)),
        }
    }

    /// Whether the bucket keeps versions. A server that knows none keeps none.
    ///
    /// # Errors
    /// [`BucketError`], also when whoever asks may not know.
    pub async fn versioning(&self) -> Result<Versioning, BucketError> {
        let ask = self.ask_bucket("tell the versioning of", vec![("versioning", String::new())]);
        let Some(answer) = self.known(&ask).await? else { return Ok(Versioning::Never) };
        if !answer.status.is_success() {
            return Err(refused(&ask, &answer));
        }
        match xml::text(&text_of(&answer), "Status").as_deref() {
            Some("Enabled") => Ok(Versioning::Enabled),
            Some("Suspended") => Ok(Versioning::Suspended),
            None => Ok(Versioning::Never),
            Some(_) => Err(meaningless("a state of versioning that is none")),
        }
    }

    /// The answer about something that not every server knows; none from one that does not.
    async fn known(&self, ask: &Ask<'_>) -> Result<Option<Answer>, BucketError> {
        match self.send_any(ask).await? {
            answer if answer.status == StatusCode::NOT_IMPLEMENTED => Ok(None),
            answer => super::unless_away(answer).map(Some),
        }
    }

    fn ask_bucket(&self, what: &'static str, query: Vec<(&'static str, String)>) -> Ask<'static> {
        let (headers, body) = Default::default();
        Ask { what, method: Method::GET, name: None, query, headers, body, most_bytes: MOST_LIST_BYTES }
    }

    /// Sends what must be done.
    async fn done(&self, ask: &Ask<'_>) -> Result<Answer, BucketError> {
        let answer = self.send(ask).await?;
        match answer.status.is_success() {
            true => Ok(answer),
            false => Err(refused(ask, &answer)),
        }
    }

    async fn page(&self, what: &'static str, query: Vec<(&'static str, String)>) -> Result<String, BucketError> {
        Ok(text_of(&self.done(&self.ask_bucket(what, query)).await?))
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.options.prefix)
    }

    /// The name below the prefix that stands in an element as its key.
    fn name_in(&self, element: &str) -> Option<String> {
        Some(xml::text(element, "Key")?.strip_prefix(&self.options.prefix)?.to_owned())
    }
}

fn of_upload(upload: &Upload) -> Vec<(&'static str, String)> {
    vec![("uploadId", upload.id.clone())]
}

/// Where the next page of a list begins; none after the last.
fn markers(page: &str, names: [&str; 2]) -> Option<(String, String)> {
    let more = xml::text(page, "IsTruncated").as_deref() == Some("true");
    let [key, id] = names.map(|name| xml::text(page, name));
    key.filter(|key| more && !key.is_empty()).map(|key| (key, id.unwrap_or_default()))
}

fn text_of(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn meaningless(what: &str) -> BucketError {
    BucketError::Unreachable(format!("its answer has {what}"))
}
