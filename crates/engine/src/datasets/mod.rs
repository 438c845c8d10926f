//! Data sets: versions come in and go out as streams, encrypted in between; and what it takes to forget one person in
//! them.
//!
//! A version is seen by nobody until the event that stores it. Each step looks at what was done already, so that a process
//! that was killed in any of them goes on where it was.

mod checks;
mod columnar;
mod content;
mod forget;
mod rows;
pub(crate) mod views;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use domain::data::datasets::may_store;
use domain::data::{Content, DestroyVersion, StoreVersion, StoredObject, SubjectColumn, Version};
use domain::keys::holds;
use domain::people::Purpose;
use domain::{Command, Refusal, RefusalCode};
use store::objects::Object;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vault::{Fingerprints, ObjectError, ObjectHeader, ObjectId, ObjectPieces, ObjectReader, SubjectRef, VaultError};

pub use checks::{MAX_KEPT_BYTES, Recorded};
pub use columnar::{Columnar, Theirs, VersionPieces};
pub use forget::{HeldRows, RewrittenVersion};
pub use rows::RowError;

use crate::artifacts::now;
use crate::objects::copy;
use crate::{Done, Engine, ExecuteError, Principal};
pub use content::Arrived;
use rows::Rows;

/// The largest version, in bytes.
pub const MAX_VERSION_BYTES: u64 = 1 << 40;

/// Most versions that come in or go out at once.
const MAX_TRANSFERS: usize = 16;

/// Most versions that are read to their end at once, only to see whether they open. Those take no place of others.
const MAX_VERIFIED: usize = 2;

/// Rows whose subjects are looked up at once.
const BATCH_ROWS: usize = 4096;

/// Subjects of a version that are remembered as noted, so that most are noted once.
const REMEMBERED: usize = 1 << 16;

/// How much of a version is decrypted before the first byte of it is given: what is wrong there is told and not sent.
const AHEAD_BYTES: usize = 1 << 20;

/// How the vault's key store calls a version.
const HOLDER: &str = "dataset/";

/// An object that is being read.
type Opened = ObjectReader<BufReader<Box<dyn Object>>>;

/// What is under way with data sets.
pub(crate) struct Transfers {
    permits: Arc<Semaphore>,
    /// For versions that are verified.
    verified: Arc<Semaphore>,
    /// What checks found that wait for their event, by identifier.
    found: Mutex<BTreeMap<String, domain::data::Found>>,
    /// Objects that were written and wait for their event, and what is known to be in each.
    written: Mutex<BTreeMap<String, (StoredObject, Option<Content>)>>,
    /// Objects that are being written, or wait for their event.
    begun: Mutex<BTreeSet<String>>,
    /// One version at a time is written anew.
    rewrites: tokio::sync::Mutex<()>,
    /// Held to read while a version comes in until its event, and alone while a person's keys go: whom a version is about
    /// that has no event yet cannot be found, and is forgotten with the keys.
    pub(crate) coming: Arc<tokio::sync::RwLock<()>>,
}

impl Default for Transfers {
    fn default() -> Self {
        let permits = Arc::new(Semaphore::new(MAX_TRANSFERS));
        let verified = Arc::new(Semaphore::new(MAX_VERIFIED));
        let (written, begun, found) = Default::default();
        Self { permits, verified, written, begun, found, rewrites: Default::default(), coming: Default::default() }
    }
}

impl Transfers {
    fn begin(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.permits).try_acquire_owned().map_err(|_| {
            let message = format!("{MAX_TRANSFERS} versions of data sets are being read or stored: try again");
            Refusal::new(RefusalCode::Conflict, message)
        })
    }

    /// The error is another one than of an object that does not open.
    fn begin_to_verify(&self) -> Result<OwnedSemaphorePermit, ExecuteError> {
        Arc::clone(&self.verified).try_acquire_owned().map_err(|_| {
            let message = format!("{MAX_VERIFIED} versions of data sets are being verified: try again");
            ExecuteError::Unavailable(message)
        })
    }

    fn waits(&self, stored: &StoredObject, content: Option<Content>) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert(stored.object.clone(), (stored.clone(), content));
    }

    fn settled(&self, stored: &StoredObject) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).remove(&stored.object);
    }

    /// Looks at what is being written, or changes it.
    pub(crate) fn begun<R>(&self, change: impl FnOnce(&mut BTreeSet<String>) -> R) -> R {
        change(&mut self.begun.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The object of this name, if it was written here and waits for its event.
    pub(crate) fn written(&self, object: &str) -> Option<StoredObject> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(object).map(|(stored, _)| stored.clone())
    }

    /// What is known to be in it.
    pub(crate) fn content(&self, object: &str) -> Option<Content> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).get(object)?.1.clone()
    }
}

/// Whom the rows of a version are said to be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// Nothing was said, which does for a data set that has no data about people.
    Unsaid,
    /// Nobody in particular: nothing here finds anybody in them.
    Nobody,
    /// Whoever a column names.
    Named(SubjectColumn),
}

/// A version that is read: its plaintext comes from `reader` as it is decrypted, but for what was read ahead.
pub struct Reading {
    /// How many bytes there are.
    pub bytes: u64,
    ahead: Option<Vec<u8>>,
    /// What was read ahead and is given.
    given: Vec<u8>,
    reader: Opened,
    _permit: OwnedSemaphorePermit,
}

impl Reading {
    /// The next piece; `None` at the end. What was given is authentic, and all was given only when the end is reached.
    ///
    /// # Errors
    /// By its name, what is wrong with the object.
    pub fn next_piece(&mut self) -> Result<Option<&[u8]>, ObjectError> {
        if let Some(ahead) = self.ahead.take() {
            self.given = ahead;
            return Ok(Some(&self.given));
        }
        self.reader.next_chunk()
    }
}

/// Why a version was not written.
enum Unwritten {
    TooLarge,
    Rows(RowError),
    Vault(VaultError),
    Object(ObjectError),
}

impl From<ObjectError> for Unwritten {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        Self::Object(error.into())
    }
}

impl From<RowError> for Unwritten {
    fn from(error: RowError) -> Self {
        Self::Rows(error)
    }
}

impl From<Unwritten> for ExecuteError {
    fn from(why: Unwritten) -> Self {
        let invalid = |why: String| Refusal::new(RefusalCode::Invalid, format!("{why}: nothing was stored")).into();
        match why {
            Unwritten::TooLarge => invalid(format!("a version has {MAX_VERSION_BYTES} bytes at most")),
            Unwritten::Rows(RowError::Malformed(why)) => invalid(why),
            Unwritten::Rows(RowError::Io(error)) | Unwritten::Object(ObjectError::Io(error)) => match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::TimedOut | io::ErrorKind::FileTooLarge => {
                    invalid(error.to_string())
                }
                _ => Self::Unavailable(error.to_string()),
            },
            Unwritten::Vault(error @ VaultError::Name { .. }) => invalid(error.to_string()),
            Unwritten::Vault(error) => Self::Unavailable(error.to_string()),
            Unwritten::Object(error) => Self::Unavailable(error.to_string()),
        }
    }
}

impl Engine {
    /// Stores a version of a data set with all that `from` gives, without a look at what is in it.
    ///
    /// # Errors
    /// As [`Engine::take_version`]. Then nothing is stored.
    pub async fn store_version(
        self: &Arc<Self>,
        who: &Principal,
        wish: (&str, &str, About),
        from: impl Read + Send + 'static,
    ) -> Result<Done, ExecuteError> {
        let arrived = self.take_version(who, wish, from).await?;
        self.settle_version(who, arrived, None).await
    }

    /// Takes in what is to be a version of a data set: all that `from` gives, which is read as a stream and encrypted.
    /// Nobody sees it yet. A read that fails with [`io::ErrorKind::UnexpectedEof`] or [`io::ErrorKind::TimedOut`] says that
    /// whoever sends it broke off.
    ///
    /// # Errors
    /// [`ExecuteError::Refused`] when policies or rules refuse it or it broke off; [`ExecuteError::Unavailable`] when it
    /// cannot be written. Then nothing is there.
    pub async fn take_version(
        self: &Arc<Self>,
        who: &Principal,
        wish: (&str, &str, About),
        from: impl Read + Send + 'static,
    ) -> Result<Arrived, ExecuteError> {
        let (dataset, version, about) = (wish.0.to_owned(), wish.1.to_owned(), wish.2);
        let unsaid = about == About::Unsaid;
        let subjects = if let About::Named(column) = about { Some(column) } else { None };
        let resource = format!("dataset/{dataset}");
        // Before any byte is taken; the command asks again.
        let allowed = self.authorize(who, "dataset.version.store", &resource).map(drop);
        let allowed = allowed.and_then(|()| self.read(|state| may_store(state, &dataset, &version, subjects.as_ref())));
        let allowed = allowed.and_then(|()| columnar::can_be_read(self, subjects.as_ref()));
        let allowed = allowed.and_then(|()| self.may_be_here(&dataset));
        let allowed = allowed.and_then(|()| if unsaid { self.is_about_nobody(&dataset) } else { Ok(()) });
        if let Err(refusal) = allowed {
            return Err(self.record_refusal(who, "dataset.version.store", resource, refusal).await);
        }
        let coming = Arc::clone(&self.transfers.coming).read_owned().await;
        let permit = self.transfers.begin()?;
        let class = self.read(|state| state.datasets.get(&dataset).map(|known| known.spec.class.as_str()));
        let class = class.ok_or_else(|| ExecuteError::Internal(format!("data set `{dataset}` vanished")))?;
        let (column, named) = (subjects.clone(), (dataset.clone(), version.clone()));
        let written = self.blocking(move |engine| {
            let (dataset, version) = (named.0.as_str(), named.1.as_str());
            let fingerprints = engine.vault.fingerprints(dataset, now()).map_err(unavailable)?;
            let lines = column.as_ref().filter(|column| column.form.is_text());
            let holder = holder(dataset, version);
            let (stored, digest) = engine.write_version(class, &holder, lines, from, &fingerprints)?;
            if let Some(columns) = column.as_ref().filter(|column| !column.form.is_text()) {
                engine.note_columns((dataset, version), columns, &stored)?;
            }
            Ok::<_, ExecuteError>((stored, digest, fingerprints))
        });
        let (stored, digest, fingerprints) = written.await??;
        let object = stored.object.clone();
        let wish = StoreVersion { dataset, version, object, subjects };
        Ok(Arrived { wish, stored, digest, fingerprints, _coming: coming, _permit: permit })
    }

    /// Erasure finds nobody in rows of which nothing is said, so that is not left out by mistake.
    fn is_about_nobody(&self, dataset: &str) -> Result<(), Refusal> {
        let class = self.read(|state| state.datasets.get(dataset).map(|known| known.spec.class));
        let Some(class) = class.filter(|class| class.is_personal()) else { return Ok(()) };
        let message = format!(
            "data set `{dataset}` is {}: say which column names whom rows are about (`--subject-column` and \
             `--subject-scope`), or that they are about nobody in particular (`--no-subjects`, or `?subjects=none`): then \
             no erasure finds anybody in them",
            class.as_str()
        );
        Err(Refusal::new(RefusalCode::Invalid, message))
    }

    /// Forgets that an object is being written once its event is there, and scraps one whose event was refused. After another failure the event may be there all the same:
    /// then it is left to the next start, which knows.
    async fn unless_decided(self: &Arc<Self>, done: &Result<Done, ExecuteError>, stored: &StoredObject) {
        if done.is_ok() {
            self.object_is_told(&stored.object);
        }
        if let Err(ExecuteError::Refused(_)) = done {
            let stored = stored.clone();
            let scrapped = self.blocking(move |engine| engine.scrap_object(&stored.class, &stored.object)).await;
            if let Ok(Err(error)) | Err(error) = scrapped {
                tracing::warn!(%error, "what was written for nothing is removed by the next start");
            }
        }
    }

    fn write_version(
        &self,
        class: &str,
        holder: &str,
        subjects: Option<&SubjectColumn>,
        mut from: impl Read,
        fingerprints: &Fingerprints,
    ) -> Result<(StoredObject, String), ExecuteError> {
        let mut fingerprint = fingerprints.begin(content::BYTES);
        let stored = self.write_object(class, |to| {
            let to: &mut dyn io::Write = &mut content::Both(to, &mut fingerprint);
            let Some(subjects) = subjects else {
                return copy(&mut from, to, MAX_VERSION_BYTES)?.map(drop).ok_or(Unwritten::TooLarge);
            };
            let mut rows = Rows::coming_in(from.take(MAX_VERSION_BYTES + 1), subjects);
            let (mut row, mut batch, mut bytes, mut noted) = (Vec::new(), Vec::new(), 0_u64, HashSet::new());
            while let Some((line, identifier)) = rows.next(&mut row)? {
                bytes += line.len() as u64;
                to.write_all(line)?;
                batch.extend(identifier);
                if batch.len() == BATCH_ROWS {
                    self.note_subjects(holder, &subjects.scope, &mut batch, &mut noted)?;
                }
            }
            self.note_subjects(holder, &subjects.scope, &mut batch, &mut noted)?;
            if bytes > MAX_VERSION_BYTES { Err(Unwritten::TooLarge) } else { Ok(()) }
        });
        Ok((stored?, merkle::hex(&fingerprint.finish())))
    }

    /// Notes in the key store whom a batch of rows is about.
    fn note_subjects(
        &self,
        holder: &str,
        scope: &str,
        batch: &mut Vec<String>,
        noted: &mut HashSet<SubjectRef>,
    ) -> Result<(), Unwritten> {
        if noted.len() > REMEMBERED {
            noted.clear();
        }
        let found = self.vault.subjects(scope, batch, now()).map_err(Unwritten::Vault)?;
        let fresh: Vec<SubjectRef> = found.into_iter().flatten().filter(|subject| noted.insert(*subject)).collect();
        batch.clear();
        match fresh.is_empty() {
            true => Ok(()),
            false => self.vault.hold(holder, &fresh).map_err(Unwritten::Vault),
        }
    }

    /// Opens a version for reading, for the purpose that whoever asks came with.
    ///
    /// # Errors
    /// A refusal when the policies or the data set's purposes do not allow it, or the object cannot be opened; its name
    /// says why.
    pub async fn read_version(
        self: &Arc<Self>,
        who: &Principal,
        dataset: &str,
        version: &str,
    ) -> Result<Reading, ExecuteError> {
        let known = self.readable_version(who, dataset, version).await?;
        let permit = self.transfers.begin()?;
        let stored = known.stored;
        let (bytes, object) = (stored.bytes, stored.object.clone());
        let opened = self.blocking(move |engine| engine.read_ahead(&stored)).await?;
        let (ahead, reader) = opened.map_err(|error| unreadable((dataset, version), &object, &error))?;
        let ahead = Some(ahead).filter(|ahead| !ahead.is_empty());
        Ok(Reading { bytes, ahead, given: Vec::new(), reader, _permit: permit })
    }

    /// Opens an object so that most of what can be wrong with it shows before anything of it is given: its end first, then
    /// its beginning. Blocks.
    fn read_ahead(&self, stored: &StoredObject) -> Result<(Vec<u8>, Opened), ObjectError> {
        drop(self.stored_pieces(stored)?);
        let mut reader = self.open_stored(stored)?;
        let mut ahead = Vec::new();
        while ahead.len() < AHEAD_BYTES
            && let Some(chunk) = reader.next_chunk()?
        {
            ahead.extend_from_slice(chunk);
        }
        Ok((ahead, reader))
    }

    /// Reads all of a version and gives nothing of it: how many bytes there are, and the object that they lie in. The record
    /// of the access names it; whether `who` may ask is for the caller to ask. Reading ends when nobody waits for it any more.
    ///
    /// # Errors
    /// A refusal when there is no such version, or by its name what is wrong with its object.
    pub async fn verify_version(
        self: &Arc<Self>,
        who: &Principal,
        dataset: &str,
        version: &str,
    ) -> Result<(u64, String), ExecuteError> {
        let known = self.read(|state| state.dataset_version(dataset, version).cloned());
        let missing = || format!("data set `{dataset}` has no version `{version}`");
        let stored = known.ok_or_else(|| Refusal::new(RefusalCode::NotFound, missing()))?.stored;
        let object = stored.object.clone();
        who.attempt.iter().for_each(|attempt| attempt.concerns(&object));
        let permit = self.transfers.begin_to_verify()?;
        // Its other end goes with whoever waits; the thread is ended by nothing else.
        let (waited_for, _waiting) = tokio::sync::oneshot::channel::<()>();
        let read = self.blocking(move |engine| {
            let _permit = permit;
            let (ahead, mut reader) = engine.read_ahead(&stored)?;
            let mut bytes = ahead.len() as u64;
            while !waited_for.is_closed()
                && let Some(chunk) = reader.next_chunk()?
            {
                bytes += chunk.len() as u64;
            }
            Ok::<u64, ObjectError>(bytes)
        });
        let bytes = read.await?.map_err(|error| unreadable((dataset, version), &object, &error))?;
        Ok((bytes, object))
    }

    /// What is known of a version that `who` may read for the purpose that they came with; the record of their access
    /// names it. Whatever shows rows as they are asks this first.
    ///
    /// # Errors
    /// A refusal when the policies, the data set's purposes or where it may go do not allow it, or there is no such version.
    pub async fn readable_version(
        self: &Arc<Self>,
        who: &Principal,
        dataset: &str,
        version: &str,
    ) -> Result<Version, ExecuteError> {
        self.readable(who, dataset, version, false).await
    }

    /// The same, of a version that may wait for its check too when `unchecked` says so.
    async fn readable(
        self: &Arc<Self>,
        who: &Principal,
        dataset: &str,
        version: &str,
        unchecked: bool,
    ) -> Result<Version, ExecuteError> {
        self.authorize(who, "dataset.read", &format!("dataset/{dataset}"))?;
        let purpose = who.attempt.as_ref().and_then(crate::Attempt::why);
        let known = self.version_for_purpose(dataset, version, purpose, unchecked)?;
        self.may_read_raw(who, dataset)?;
        who.attempt.iter().for_each(|attempt| attempt.concerns(&known.stored.object));
        self.may_leave(who, dataset, version).await?;
        Ok(known)
    }

    fn version_for_purpose(
        &self,
        dataset: &str,
        version: &str,
        purpose: Option<Purpose>,
        unchecked: bool,
    ) -> Result<Version, Refusal> {
        let refuse = |code, message: String| Err(Refusal::new(code, message));
        self.read(|state| {
            let Some(known) = state.datasets.get(dataset) else {
                return refuse(RefusalCode::NotFound, format!("there is no data set `{dataset}`"));
            };
            let declared: Vec<&str> = known.spec.purposes.iter().map(|purpose| purpose.as_str()).collect();
            let declared = declared.join(", ");
            let Some(purpose) = purpose else {
                let message = format!("say what data set `{dataset}` is read for: {declared}");
                return refuse(RefusalCode::Invalid, message);
            };
            if !known.spec.purposes.contains(&purpose) {
                let asked = purpose.as_str();
                let message = format!("data set `{dataset}` may not be read for `{asked}`, only for: {declared}");
                let policies = vec!["purpose-fits-data-set".to_owned()];
                return Err(Refusal { code: RefusalCode::Forbidden, message, policies });
            }
            let Some(found) = known.versions.get(version) else {
                return refuse(RefusalCode::NotFound, format!("data set `{dataset}` has no version `{version}`"));
            };
            match state.may_see(dataset, version, purpose) {
                // No model is trained on what was not checked, so the gate on training is none that this opens.
                Err(why) if unchecked && purpose != Purpose::Training && why.policies == ["unchecked"] => {}
                seen => seen?,
            }
            Ok(found.clone())
        })
    }

    fn open_stored(&self, stored: &StoredObject) -> Result<Opened, ObjectError> {
        let (id, file) = self.stored_file(stored)?;
        let reader = self.vault.object_reader(&stored.class, &id, BufReader::with_capacity(256 << 10, file))?;
        is_committed(reader.header(), stored)?;
        Ok(reader)
    }

    /// The file of an object. The ledger knows how long it is, so that it shows before the first byte is given.
    fn stored_file(&self, stored: &StoredObject) -> Result<(ObjectId, Box<dyn Object>), ObjectError> {
        let id = ObjectId::from_hex(&stored.object).ok_or(ObjectError::Header("its identifier is none"))?;
        let Some(file) = self.places.objects.open(&stored.object)? else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "its file is not there").into());
        };
        match file.size()?.cmp(&stored.stored_bytes) {
            std::cmp::Ordering::Less => Err(ObjectError::Truncated { chunks: 0 }),
            std::cmp::Ordering::Greater => Err(ObjectError::Trailing { chunk: stored.chunks.saturating_sub(1) }),
            std::cmp::Ordering::Equal => Ok((id, file)),
        }
    }

    /// Any part of a version, decrypted as it is read. Who may read it is for the caller to ask.
    ///
    /// # Errors
    /// A refusal when there is no such version or its object cannot be opened; its name says why.
    pub async fn version_reader(
        self: &Arc<Self>,
        dataset: &str,
        version: &str,
    ) -> Result<Arc<ObjectPieces<Box<dyn Object>>>, ExecuteError> {
        let known = self.read(|state| state.dataset_version(dataset, version).cloned());
        let missing = || format!("data set `{dataset}` has no version `{version}`");
        let known = known.ok_or_else(|| Refusal::new(RefusalCode::NotFound, missing()))?;
        let object = known.stored.object.clone();
        let opened = self.blocking(move |engine| engine.stored_pieces(&known.stored)).await?;
        Ok(Arc::new(opened.map_err(|error| unreadable((dataset, version), &object, &error))?))
    }

    fn stored_pieces(&self, stored: &StoredObject) -> Result<ObjectPieces<Box<dyn Object>>, ObjectError> {
        let (id, file) = self.stored_file(stored)?;
        let pieces = self.vault.object_pieces(&stored.class, &id, file, stored.stored_bytes)?;
        is_committed(pieces.header(), stored)?;
        Ok(pieces)
    }

    /// Destroys a version: its key and its file are gone on return.
    ///
    /// # Errors
    /// As [`Engine::execute`]; when the key or the file could not be destroyed yet, it is tried again.
    pub async fn destroy_version(
        self: &Arc<Self>,
        who: &Principal,
        wish: DestroyVersion,
    ) -> Result<Done, ExecuteError> {
        let done = self.execute(who, Command::DestroyVersion(wish)).await?;
        self.finish_objects().await?;
        Ok(done)
    }

    /// Refuses to destroy a version with rows about somebody who is held, by whichever door it is asked for. Of whom its
    /// rows are, only the key store knows, so the ledger's own rule does not see such a hold. Asked in turn, so that none
    /// is placed in between.
    pub(crate) async fn not_held_for_somebody(self: &Arc<Self>, command: &Command) -> Result<(), Refusal> {
        let Command::DestroyVersion(wish) = command else { return Ok(()) };
        let message = match self.held_for_somebody(wish).await {
            Ok(None) => return Ok(()),
            Ok(Some(hold)) => format!(
                "hold `{hold}` on a person keeps version `{}` of data set `{}`, which has rows about them",
                wish.version, wish.dataset
            ),
            Err(error) => format!("whether a hold on a person keeps this cannot be seen: {error}"),
        };
        Err(Refusal::new(RefusalCode::Conflict, message))
    }

    /// A hold on a person of whom a version has rows.
    async fn held_for_somebody(self: &Arc<Self>, wish: &DestroyVersion) -> Result<Option<String>, ExecuteError> {
        let (object, holds) = self.read(|state| {
            let version = state.dataset_version(&wish.dataset, &wish.version);
            let holds = holds::live(state).map(|(id, hold)| (id.clone(), hold.placed.on.clone()));
            (version.map(|version| version.stored.object.clone()), holds.collect())
        });
        let Some(object) = object else { return Ok(None) };
        let about = self.blocking(move |engine| engine.held_objects(&holds)).await??;
        Ok(about.into_iter().find(|(_, objects)| objects.contains(&object)).map(|(hold, _)| hold))
    }

    /// Forgets whom a version is about once it has ended.
    pub(crate) fn forget_ended(&self, dataset: &str, version: &str) -> Result<(), ExecuteError> {
        match self.read(|state| state.dataset_version(dataset, version).is_some()) {
            true => Ok(()),
            false => self.vault.release(&holder(dataset, version), None).map_err(unavailable),
        }
    }
}

/// Whether an object was encrypted under the key that the ledger commits to.
fn is_committed(header: &ObjectHeader, stored: &StoredObject) -> Result<(), ObjectError> {
    match merkle::hex(&header.commitment) == stored.commitment {
        true => Ok(()),
        false => Err(ObjectError::WrongKey),
    }
}

fn holder(dataset: &str, version: &str) -> String {
    format!("{HOLDER}{dataset}/{version}")
}

fn unavailable(error: VaultError) -> ExecuteError {
    ExecuteError::Unavailable(error.to_string())
}

/// Why a version cannot be read, by name: that is for whoever asked, not only for the server's log.
fn unreadable((dataset, version): (&str, &str), object: &str, error: &ObjectError) -> Refusal {
    let code = if error.name() == "key_destroyed" { RefusalCode::Expired } else { RefusalCode::Conflict };
    let message = format!(
        "version `{version}` of data set `{dataset}` cannot be read from object `{object}`: {error} ({})",
        error.name()
    );
    Refusal::new(code, message)
}
