//! Objects in an ordinary bucket: what must be erasable does not go where locks are.
//!
//! An object is stored in parts as it is written, and can be seen when all of it is there; one part is in memory. It is read
//! in pieces, of which one is in memory. What is removed is removed in every version, and looked for again. Names are those
//! that files below the data directory have, so that objects can be moved either way by copying.
//!
//! Requests are made on a thread of their own, so that whoever waits here may be any thread.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Incoming, Object, Objects, Sink, is_name};
use crate::s3::{Bucket, BucketError, BucketOptions, MOST_PARTS, Upload, Versioning};

/// Bytes of each part but the last.
const PART_BYTES: usize = 16 << 20;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 4 << 20;

/// The most bytes of one object: a little less than 157 GiB.
const MOST_BYTES: u64 = (PART_BYTES * MOST_PARTS) as u64;

/// What the names of all objects begin with, in the bucket as in the data directory.
const BELOW: &str = "objects/";

/// Says whose objects these are: two ledgers that shared a prefix would tidy each other's away.
const OWNER: &str = "counterfoil-objects";

/// Most bytes that say so.
const MOST_OWNER_BYTES: usize = 1024;

/// Why a bucket is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It may be tomorrow.
    #[error("{0}")]
    Away(String),
    /// Somebody has to change something.
    #[error("{0}")]
    Wrong(String),
}

impl From<BucketError> for Unfit {
    fn from(error: BucketError) -> Self {
        match error {
            BucketError::Unreachable(_) | BucketError::Secret(_) => Self::Away(error.to_string()),
            BucketError::Refused { .. } => Self::Wrong(error.to_string()),
        }
    }
}

/// An ordinary bucket, of which several [`Objects`] are parts.
pub struct OrdinaryBucket {
    bucket: Arc<Bucket>,
    runtime: tokio::runtime::Handle,
    /// Uploads of this process. Held while one begins, so that none is taken for left behind.
    begun: Mutex<BTreeSet<Upload>>,
    /// The thread ends with it.
    _stop: oneshot::Sender<()>,
}

impl OrdinaryBucket {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// When the address is none, there are no authorities to believe, or no thread can be had.
    pub fn new(options: &BucketOptions) -> Result<Arc<Self>, String> {
        let bucket = Arc::new(Bucket::new(options)?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let work = move || {
            let _ = runtime.block_on(stopped);
        };
        std::thread::Builder::new().name("bucket".into()).spawn(work).map_err(|e| e.to_string())?;
        Ok(Arc::new(Self { bucket, runtime: handle, begun: Mutex::default(), _stop: stop }))
    }

    /// Where its objects are: server, bucket and what their names begin with, each after a slash.
    #[must_use]
    pub fn place(&self) -> String {
        self.bucket.place()
    }

    /// Puts it to the test: whether it is the bucket of `owner`, has no locks, and lets go of what is deleted. Also gives up
    /// uploads that nobody goes on with. Says whether it keeps versions, which are deleted too.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn try_out(&self, owner: &str, trial: &str) -> Result<Versioning, Unfit> {
        let bucket = Arc::clone(&self.bucket);
        if self.wait(async move { bucket.can_lock().await })? {
            let why = "it has object lock: what must be erasable needs a bucket without";
            return Err(Unfit::Wrong(why.into()));
        }
        let bucket = Arc::clone(&self.bucket);
        let versioning = self.wait(async move { bucket.versioning().await })?;
        self.belongs_to(owner)?;
        let name = format!("trials/{trial}");
        let (bucket, stored) = (Arc::clone(&self.bucket), name.clone());
        let text = Bytes::from_static(b"this object tells whether what is deleted is gone\n");
        let (there, listed) = self.wait(async move {
            // Twice, so that there is an older version where versions are kept.
            bucket.put(&stored, Bytes::from_static(b"older\n")).await?;
            bucket.put(&stored, text.clone()).await?;
            let piece = bucket.piece(&stored, 5, text.len()).await?;
            Ok((piece.is_some_and(|piece| piece[..] == text[5..]), bucket.names("trials/").await?))
        })?;
        // With those that were cut off.
        for name in listed.iter().chain([&name]) {
            self.erase(name).map_err(|error| match error {
                Erasing::Bucket(error) => Unfit::from(error),
                Erasing::Left(n) => {
                    Unfit::Wrong(format!("it keeps what is deleted: {n} versions of `{name}` are left"))
                }
            })?;
        }
        if !there || !listed.contains(&name) {
            return Err(Unfit::Wrong(format!("`{name}` was stored, and cannot be read back or is not listed")));
        }
        self.clear_uploads()?;
        Ok(versioning)
    }

    fn belongs_to(&self, owner: &str) -> Result<(), Unfit> {
        let (bucket, text) = (Arc::clone(&self.bucket), Bytes::from(format!("{owner}\n")));
        let whose = self.wait(async move {
            // Not every server minds the condition on what is stored.
            if let Some(there) = bucket.get(OWNER, MOST_OWNER_BYTES).await? {
                return Ok(Some(there));
            }
            bucket.put_new(OWNER, text).await?;
            bucket.get(OWNER, MOST_OWNER_BYTES).await
        })?;
        let whose = String::from_utf8_lossy(&whose.unwrap_or_default()).trim().to_owned();
        match whose == owner {
            true => Ok(()),
            false => {
                let why =
                    format!("objects of another ledger lie there, as `{OWNER}` says: take another bucket or prefix");
                Err(Unfit::Wrong(why))
            }
        }
    }

    /// Gives up objects that are being uploaded by nobody any more. What others upload beside them is left alone.
    ///
    /// # Errors
    /// [`BucketError`].
    pub fn clear_uploads(&self) -> Result<(), BucketError> {
        let bucket = Arc::clone(&self.bucket);
        let found = self.wait(async move { bucket.uploads(BELOW).await })?;
        // After they were listed: what was begun meanwhile is not among them.
        let ours = self.begun().clone();
        for upload in found.into_iter().filter(|upload| !ours.contains(upload)) {
            tracing::info!(object = upload.name, "an upload that nobody goes on with is given up");
            let bucket = Arc::clone(&self.bucket);
            self.wait(async move { bucket.abort(&upload).await })?;
        }
        Ok(())
    }

    /// Deletes an object in every version, and looks whether that is so.
    fn erase(&self, name: &str) -> Result<(), Erasing> {
        let (bucket, name) = (Arc::clone(&self.bucket), name.to_owned());
        let left = self.wait(async move {
            for version in bucket.versions(&name).await? {
                // What was stored where there are no versions has no name of one.
                bucket.delete(&name, Some(version.as_str()).filter(|version| *version != "null")).await?;
            }
            // A mark of deletion that came of deleting `null` where versions are kept, and `null` itself below it.
            for version in bucket.versions(&name).await? {
                bucket.delete(&name, Some(&version)).await?;
            }
            Ok(bucket.versions(&name).await?.len())
        })?;
        if left > 0 { Err(Erasing::Left(left)) } else { Ok(()) }
    }

    /// Has requests made, and waits for what comes of it.
    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, BucketError>> + Send + 'static,
    ) -> Result<T, BucketError> {
        let (answer, answered) = sync_channel(1);
        self.runtime.spawn(async move {
            // Whoever asked may be gone.
            let _ = answer.send(work.await);
        });
        let gone = |_| BucketError::Unreachable("the thread that asks the bucket has ended".into());
        answered.recv().map_err(gone)?
    }

    fn begun(&self) -> MutexGuard<'_, BTreeSet<Upload>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin_upload(&self, name: &str) -> Result<Upload, BucketError> {
        let mut begun = self.begun();
        let (bucket, name) = (Arc::clone(&self.bucket), name.to_owned());
        let upload = self.wait(async move { bucket.begin(&name).await })?;
        begun.insert(upload.clone());
        Ok(upload)
    }
}

/// Why something is not gone.
enum Erasing {
    Bucket(BucketError),
    Left(usize),
}

impl From<BucketError> for Erasing {
    fn from(error: BucketError) -> Self {
        Self::Bucket(error)
    }
}

impl From<BucketError> for io::Error {
    fn from(error: BucketError) -> Self {
        let kind = match &error {
            BucketError::Refused { .. } => io::ErrorKind::PermissionDenied,
            BucketError::Unreachable(_) | BucketError::Secret(_) => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, error)
    }
}

/// Objects below `below` in a bucket, such as `objects/`.
pub struct InBucket {
    bucket: Arc<OrdinaryBucket>,
    below: String,
}

impl InBucket {
    /// A part of a bucket.
    #[must_use]
    pub fn new(bucket: &Arc<OrdinaryBucket>, below: &str) -> Self {
        Self { bucket: Arc::clone(bucket), below: below.to_owned() }
    }

    fn key(&self, name: &str) -> io::Result<String> {
        // Refuses what is no name.
        super::path(std::path::Path::new(""), name)?;
        Ok(format!("{}{}/{name}", self.below, &name[..2]))
    }
}

impl Objects for InBucket {
    fn begin(&self, name: &str) -> io::Result<Incoming> {
        let (bucket, key) = (Arc::clone(&self.bucket), self.key(name)?);
        let state = Parts { upload: None, marks: Vec::new(), part: Vec::new(), bytes: 0 };
        Incoming::through(Box::new(Outgoing { bucket, key, name: name.to_owned(), state }))
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Object>>> {
        let (bucket, key) = (Arc::clone(&self.bucket), self.key(name)?);
        let (asked, named) = (Arc::clone(&bucket.bucket), key.clone());
        let Some(head) = bucket.wait(async move { asked.head(&named, None).await })? else { return Ok(None) };
        let total =
            head.bytes.ok_or_else(|| io::Error::other(format!("the bucket does not say how long `{key}` is")))?;
        Ok(Some(Box::new(Remote { bucket, key, total, at: 0, window: Mutex::default() })))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let key = self.key(name)?;
        self.bucket.erase(&key).map_err(|error| match error {
            Erasing::Bucket(error) => error.into(),
            Erasing::Left(n) => io::Error::other(format!("{n} versions of `{key}` are left in the bucket")),
        })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let (bucket, below) = (Arc::clone(&self.bucket.bucket), self.below.clone());
        let keys = self.bucket.wait(async move { bucket.names(&below).await })?;
        let name = |key: &String| {
            let (first, name) = key.strip_prefix(&self.below)?.split_once('/')?;
            (is_name(name) && name.starts_with(first) && first.len() == 2).then(|| name.to_owned())
        };
        let mut names: Vec<String> = keys.iter().filter_map(name).collect();
        names.sort_unstable();
        Ok(names)
    }
}

/// An object in a bucket that is read.
struct Remote {
    bucket: Arc<OrdinaryBucket>,
    key: String,
    total: u64,
    at: u64,
    /// The piece that was read last, and where it begins.
    window: Mutex<(u64, Bytes)>,
}

impl Read for Remote {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.read_at(to, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Object for Remote {
    fn size(&self) -> io::Result<u64> {
        Ok(self.total)
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.total || to.is_empty() {
            return Ok(0);
        }
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if offset.checked_sub(window.0).is_none_or(|at| at >= window.1.len() as u64) {
            let missing =
                || io::Error::new(io::ErrorKind::NotFound, format!("`{}` is in the bucket no more", self.key));
            let (asked, key) = (Arc::clone(&self.bucket.bucket), self.key.clone());
            let piece = self.bucket.wait(async move { asked.piece(&key, offset, PIECE_BYTES).await })?;
            *window = (offset, piece.ok_or_else(missing)?);
        }
        let (from, bytes) = &*window;
        let start = usize::try_from(offset - from).unwrap_or(usize::MAX);
        let rest = bytes.get(start..).unwrap_or_default();
        let taken = rest.len().min(to.len());
        to[..taken].copy_from_slice(&rest[..taken]);
        Ok(taken)
    }
}

/// What of an object went already.
struct Parts {
    upload: Option<Upload>,
    marks: Vec<String>,
    part: Vec<u8>,
    bytes: u64,
}

/// An object on its way into a bucket.
struct Outgoing {
    bucket: Arc<OrdinaryBucket>,
    key: String,
    name: String,
    state: Parts,
}

impl Outgoing {
    /// Stores the part at hand.
    fn send(&mut self) -> io::Result<()> {
        let upload = match &self.state.upload {
            Some(upload) => upload.clone(),
            None => {
                let begun = self.bucket.begin_upload(&self.key)?;
                self.state.upload.insert(begun).clone()
            }
        };
        let (bucket, part) = (Arc::clone(&self.bucket.bucket), std::mem::take(&mut self.state.part));
        let number = self.state.marks.len() + 1;
        let mark = self.bucket.wait(async move { bucket.part(&upload, number, part.into()).await })?;
        self.state.marks.push(mark);
        Ok(())
    }
}

impl Write for Outgoing {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        if self.state.part.len() == PART_BYTES {
            self.send()?;
        }
        self.state.bytes = self.state.bytes.saturating_add(from.len() as u64);
        if self.state.bytes > MOST_BYTES {
            let why = format!("an object in a bucket has {MOST_BYTES} bytes at most, and this one has more");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        let taken = from.len().min(PART_BYTES - self.state.part.len());
        self.state.bytes -= (from.len() - taken) as u64;
        self.state.part.extend_from_slice(&from[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Outgoing {
    fn keep(&mut self, name: &str) -> io::Result<()> {
        if name != self.name {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an object is kept under the name it was begun with",
            ));
        }
        let bucket = Arc::clone(&self.bucket.bucket);
        if self.state.upload.is_none() {
            let (key, part) = (self.key.clone(), std::mem::take(&mut self.state.part));
            return Ok(self.bucket.wait(async move { bucket.put(&key, part.into()).await })?);
        }
        if !self.state.part.is_empty() {
            self.send()?;
        }
        let Some(upload) = self.state.upload.clone() else { return Ok(()) };
        let marks = std::mem::take(&mut self.state.marks);
        self.bucket.wait(async move { bucket.complete(&upload, &marks).await })?;
        if let Some(upload) = self.state.upload.take() {
            self.bucket.begun().remove(&upload);
        }
        Ok(())
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let Some(upload) = self.state.upload.take() else { return };
        let (bucket, left) = (Arc::clone(&self.bucket.bucket), upload.clone());
        if let Err(error) = self.bucket.wait(async move { bucket.abort(&left).await }) {
            tracing::warn!(%error, "an upload could not be given up, and is at the next tidying");
        }
        self.bucket.begun().remove(&upload);
    }
}
