//! The key store in SQLite: wrapped keys, the blind index, and their destruction.
//!
//! Layout, and why. Deleting a row is not forgetting it: when SQLite splits or merges pages it copies
//! rows, and `secure_delete` wipes only what is deleted, not such copies. So what must be forgotten
//! lies in tables that only ever grow at their end (`wrapped`, `blind`, `held`, `token`), where pages are never split
//! in the middle, and it is destroyed by overwriting it in place with as many bytes, never by
//! deleting it. Then the write-ahead file is copied back and truncated. Indexes hold names, and beginnings of references and of
//! digests that tell nobody from thousands of others: their pages are split in the middle, and now and then one keeps a copy
//! of what moved away, which `secure_delete` does not know of. A whole digest there would let a guess be confirmed after its
//! person was forgotten.
//!
//! What the disk itself keeps (wear levelling, snapshots, backups) is beyond this file; the keys in
//! here are wrapped, and a destroyed key's wrapping key is replaced too.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use vault::{
    BoxError, DestroyOutcome, Destruction, KeyCount, KeyInfo, KeyKind, KeyName, KeyState, KeyStore, Put, Stored,
    SubjectRef, Target, Turn, WrappedKey,
};

use crate::secret_file::sync_directory_of;
use crate::tokens;

/// Before 3.51.3, a database in WAL mode with two connections could be corrupted by a reset of the
/// write-ahead file.
const OLDEST_SQLITE: i32 = 3_051_003;
/// "CFKS": marks the file as ours.
const APPLICATION_ID: i32 = 0x4346_4b53;
const SCHEMA_VERSION: i32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How many rows are looked through at once for what a rotation has left to do.
const LOOK_ROWS: u64 = 20_000;

const SCHEMA: &str = "
    CREATE TABLE key (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        class TEXT NOT NULL,
        unit TEXT NOT NULL,
        bucket TEXT NOT NULL,            -- unit of the bucket key that wraps it; '' for none
        version INTEGER NOT NULL,
        parent_version INTEGER NOT NULL,
        created_ms INTEGER NOT NULL,
        destroyed_ms INTEGER             -- NULL while it lives
    ) STRICT;
    CREATE UNIQUE INDEX key_name ON key (kind, class, unit);
    CREATE INDEX key_bucket ON key (class, bucket);
    CREATE INDEX key_unit ON key (unit);
    CREATE TABLE wrapped (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE blind (
        id INTEGER PRIMARY KEY,
        scope TEXT NOT NULL,
        idx BLOB NOT NULL,
        subject BLOB NOT NULL            -- deliberately without an index: see the module's text
    ) STRICT;
    CREATE TABLE erased (subject BLOB PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// What came after the first version of the schema, made where it is missing, and what went. The first index had digests
/// whole; its pages are wiped as they are freed.
const ADDED: &str = "
    DROP INDEX IF EXISTS blind_idx;
    CREATE INDEX IF NOT EXISTS blind_beginning ON blind (scope, substr(idx, 1, 2));
    CREATE TABLE IF NOT EXISTS held (
        id INTEGER PRIMARY KEY,
        holder TEXT NOT NULL,
        subject BLOB NOT NULL            -- deliberately without an index of it whole, as in blind
    ) STRICT;
    CREATE INDEX IF NOT EXISTS held_holder ON held (holder);
    -- What pages of an index keep of two bytes of a random reference, thousands of others begin with too.
    CREATE INDEX IF NOT EXISTS held_beginning ON held (substr(subject, 1, 2));
";

const SELECT_KEY: &str = "
    SELECT key.id, kind, class, unit, version, parent_version, created_ms, destroyed_ms, bytes
    FROM key JOIN wrapped USING (id) ";

/// Why the key store cannot be opened or failed.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The SQLite linked in is too old to be trusted with keys.
    #[error("sqlite {found} can corrupt databases in wal mode; build with 3.51.3 or later")]
    SqliteTooOld {
        /// Version linked in.
        found: &'static str,
    },
    /// The file is a database of another program.
    #[error("`{0}` is not a counterfoil key store")]
    NotOurs(PathBuf),
    /// The file was written by a later version of this program.
    #[error("key store `{path}` has schema {found}, this program knows {SCHEMA_VERSION}; use the newer program")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i32,
    },
    /// The file system does not allow a write-ahead file.
    #[error("key store `{0}` cannot use a write-ahead file here; put it on a local file system")]
    NoWal(PathBuf),
    /// The file could not be made.
    #[error("key store `{path}` could not be created")]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A row holds what this program never writes.
    #[error("key store has a broken row: {0}; restore it from a backup made after the last erasure")]
    BrokenRow(&'static str),
    /// The destruction is durable, but its traces could not be removed yet.
    #[error(
        "keys are destroyed, but the write-ahead file still holds traces, because another process \
         reads the key store; end it and destroy again"
    )]
    NotScrubbed,
    /// A time or count above what SQLite can hold.
    #[error("number {0} is too large to store")]
    TooLarge(u64),
    /// SQLite failed.
    #[error("sqlite could not {action}")]
    Sqlite {
        /// What was being done.
        action: &'static str,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },
}

/// A [`KeyStore`] in one SQLite file.
pub struct SqliteKeys {
    connection: Mutex<Connection>,
}

impl SqliteKeys {
    /// Opens the key store at `path`, or makes an empty one there, readable by its owner only.
    ///
    /// # Errors
    /// When the file belongs to another program or a later version, or SQLite refuses it.
    pub fn open(path: &Path) -> Result<SqliteKeys, KeyStoreError> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(KeyStoreError::SqliteTooOld { found: rusqlite::version() });
        }
        create_private(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed("open the key store"))?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed("set a timeout"))?;
        wipe_what_is_freed(&connection)?;
        let was_older = check_or_create_schema(&mut connection, path)?;
        set_pragmas(&connection, path)?;
        tokens::prepare(&connection)?;
        let opened = SqliteKeys { connection: Mutex::new(connection) };
        match was_older.then(|| opened.scrub()) {
            // Traces in the write-ahead file go with the next destruction.
            None | Some(Ok(()) | Err(KeyStoreError::NotScrubbed)) => Ok(opened),
            Some(Err(error)) => Err(error),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic while it was held dropped its transaction, which rolled back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in a transaction that holds the write lock from its start.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, KeyStoreError>,
    ) -> Result<T, KeyStoreError> {
        let action = "write to the key store";
        let mut connection = self.lock();
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed(action))?;
        let value = work(&transaction)?;
        transaction.commit().map_err(failed(action))?;
        Ok(value)
    }

    /// Copies the write-ahead file back into the database and truncates it.
    fn scrub(&self) -> Result<(), KeyStoreError> {
        let connection = self.lock();
        let blocked: i64 = connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(failed("truncate the write-ahead file"))?;
        if blocked == 0 { Ok(()) } else { Err(KeyStoreError::NotScrubbed) }
    }
}

impl KeyStore for SqliteKeys {
    fn get(&self, name: &KeyName) -> Result<Option<Stored>, BoxError> {
        let connection = self.lock();
        let row = find(&connection, name)?;
        Ok(row.map(|row| match row.destroyed_ms {
            Some(at_ms) => Stored::Destroyed { at_ms },
            None => Stored::Live(row.key),
        }))
    }

    fn put(&self, key: &WrappedKey) -> Result<Put, BoxError> {
        let answer = self.write(|tx| {
            if find(tx, &key.name)?.is_some() {
                return Ok(Put::Exists);
            }
            if let Some(subject) = key.name.owner()
                && is_erased(tx, &subject)?
            {
                return Ok(Put::SubjectErased);
            }
            if let Some(parent) = key.name.parent()
                && live_version(tx, &parent)? != Some(key.parent_version)
            {
                return Ok(Put::ParentMoved);
            }
            insert(tx, key, None)?;
            Ok(Put::Stored)
        })?;
        Ok(answer)
    }

    fn children(&self, parent: &KeyName) -> Result<Vec<WrappedKey>, BoxError> {
        Ok(children(&self.lock(), parent)?)
    }

    fn wrapped_by_root(&self) -> Result<Vec<WrappedKey>, BoxError> {
        Ok(rotate::roots(&self.lock())?)
    }

    fn rewrap_roots(&self, keys: &[WrappedKey]) -> Result<DestroyOutcome, BoxError> {
        let outcome = self.write(|tx| rotate::rewrap_roots(tx, keys))?;
        if outcome == DestroyOutcome::Done {
            self.scrub()?;
        }
        Ok(outcome)
    }

    fn turn(&self, turn: &Turn) -> Result<DestroyOutcome, BoxError> {
        // Not scrubbed: the rotation's end does that, and an error here would look as if nothing had happened.
        Ok(self.write(|tx| rotate::turn(tx, turn))?)
    }

    fn lagging(&self, class: &str, after: u64, limit: usize) -> Result<Vec<(u64, WrappedKey)>, BoxError> {
        // Range by range, so that others come in between while there is nothing to be found.
        let (last, mut from) = (rotate::last(&self.lock())?, after);
        while from < last {
            let until = from.saturating_add(LOOK_ROWS);
            let found = rotate::lagging(&self.lock(), class, (from, until), limit)?;
            if !found.is_empty() {
                return Ok(found);
            }
            from = until;
        }
        Ok(Vec::new())
    }

    fn rewrap(&self, keys: &[WrappedKey]) -> Result<u64, BoxError> {
        Ok(self.write(|tx| rotate::rewrap(tx, keys))?)
    }

    fn forget_outgoing(&self, class: &str, at_ms: u64) -> Result<bool, BoxError> {
        // What an outgoing key wraps becomes fewer only, so it is enough to have looked before; and no new ones come while
        // these are there.
        let known = rotate::outgoing(&self.lock(), class)?;
        if !known.is_empty() && !self.lagging(class, 0, 1)?.is_empty() {
            return Ok(false);
        }
        let forgotten = self.write(|tx| rotate::forget_outgoing(tx, class, &known, at_ms))?;
        if forgotten {
            self.scrub()?;
        }
        Ok(forgotten)
    }

    fn keys_of(&self, subject: &SubjectRef) -> Result<Vec<WrappedKey>, BoxError> {
        Ok(keys_of(&self.lock(), subject)?)
    }

    fn find_subject(&self, scope: &str, idx: &[u8; 32]) -> Result<Option<SubjectRef>, BoxError> {
        Ok(find_subject(&self.lock(), scope, idx)?)
    }

    fn bind_subject(&self, scope: &str, idx: &[u8; 32], subject: &SubjectRef) -> Result<SubjectRef, BoxError> {
        let bound = self.write(|tx| {
            if let Some(bound) = find_subject(tx, scope, idx)? {
                return Ok(bound);
            }
            let bind = "INSERT INTO blind (scope, idx, subject) VALUES (?1, ?2, ?3)";
            execute(tx, bind, params![scope, idx, subject.0])?;
            Ok(*subject)
        })?;
        Ok(bound)
    }

    fn bind_subjects(&self, scope: &str, rows: &[([u8; 32], SubjectRef)]) -> Result<Vec<SubjectRef>, BoxError> {
        let bind = |tx: &Transaction<'_>, (idx, subject): &([u8; 32], SubjectRef)| {
            if let Some(bound) = find_subject(tx, scope, idx)? {
                return Ok(bound);
            }
            let bind = "INSERT INTO blind (scope, idx, subject) VALUES (?1, ?2, ?3)";
            execute(tx, bind, params![scope, idx, subject.0])?;
            Ok(*subject)
        };
        Ok(self.write(|tx| rows.iter().map(|row| bind(tx, row)).collect())?)
    }

    fn hold(&self, holder: &str, subjects: &[SubjectRef]) -> Result<(), BoxError> {
        let note = "INSERT INTO held (holder, subject) VALUES (?1, ?2)";
        Ok(self.write(|tx| subjects.iter().try_for_each(|subject| execute(tx, note, params![holder, subject.0])))?)
    }

    fn holders(&self, subject: &SubjectRef) -> Result<Vec<String>, BoxError> {
        let connection = self.lock();
        let found = connection
            .prepare_cached("SELECT DISTINCT holder FROM held WHERE substr(subject, 1, 2) = substr(?1, 1, 2) AND subject = ?1 ORDER BY holder")
            .and_then(|mut select| select.query_map([subject.0], |row| row.get(0))?.collect())
            .map_err(failed("look up who holds data of a subject"))?;
        Ok(found)
    }

    fn release(&self, holder: &str, subject: Option<&SubjectRef>) -> Result<(), BoxError> {
        let wipe = "UPDATE held SET subject = zeroblob(16) WHERE holder = ?1 AND (?2 IS NULL OR subject = ?2)";
        let subject = subject.map(|subject| subject.0);
        Ok(self.write(|tx| execute(tx, wipe, params![holder, subject]))?)
    }

    fn destroy(&self, destruction: &Destruction) -> Result<DestroyOutcome, BoxError> {
        let outcome = self.write(|tx| destroy(tx, destruction))?;
        if outcome == DestroyOutcome::Done {
            self.scrub()?;
        }
        Ok(outcome)
    }

    fn list(&self) -> Result<Vec<KeyInfo>, BoxError> {
        let mut rows = select(&self.lock(), "", [])?;
        rows.sort_by(|a, b| a.key.name.cmp(&b.key.name));
        let info = |row: KeyRow| KeyInfo {
            kind: row.key.name.kind,
            class: row.key.name.class,
            id: row.key.name.unit,
            version: row.key.version,
            state: match row.destroyed_ms {
                Some(at_ms) => KeyState::Destroyed { at_ms },
                None => KeyState::Live,
            },
            created_ms: row.key.created_ms,
        };
        Ok(rows.into_iter().map(info).collect())
    }

    fn count(&self) -> Result<Vec<KeyCount>, BoxError> {
        Ok(rotate::count(&self.lock())?)
    }
}

/// A row of `key` with its row of `wrapped`.
struct KeyRow {
    id: i64,
    key: WrappedKey,
    destroyed_ms: Option<u64>,
}

fn create_private(path: &Path) -> Result<(), KeyStoreError> {
    // SQLite would make it readable by all; its -wal and -shm files take their mode from it.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let synced = match made {
        Ok(file) => file.sync_all().and_then(|()| sync_directory_of(path)),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    };
    synced.map_err(|source| KeyStoreError::Create { path: path.to_owned(), source })
}

/// Makes the schema, or brings it up to date: whether it was an older one.
fn check_or_create_schema(connection: &mut Connection, path: &Path) -> Result<bool, KeyStoreError> {
    let action = "read the schema of the key store";
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed(action))?;
    let number = |sql| tx.query_row(sql, [], |row| row.get::<_, i32>(0)).map_err(failed(action));
    let application_id = number("PRAGMA application_id")?;
    let schema_version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    match (application_id, schema_version, tables) {
        (APPLICATION_ID, SCHEMA_VERSION, _) => Ok(false),
        (APPLICATION_ID, 1..=3, _) => tx
            .execute_batch(ADDED)
            .and_then(|()| tx.execute_batch(&format!("PRAGMA user_version = {SCHEMA_VERSION};")))
            .and_then(|()| tx.commit())
            .map(|()| true)
            .map_err(failed("bring the key store up to date")),
        (APPLICATION_ID, found, _) => Err(KeyStoreError::Newer { path: path.to_owned(), found }),
        (0, 0, 0) => {
            let marks = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION};");
            tx.execute_batch(SCHEMA)
                .and_then(|()| tx.execute_batch(ADDED))
                .and_then(|()| tx.execute_batch(&marks))
                .and_then(|()| tx.commit())
                .map(|()| false)
                .map_err(failed("create the key store"))
        }
        _ => Err(KeyStoreError::NotOurs(path.to_owned())),
    }
}

fn wipe_what_is_freed(connection: &Connection) -> Result<(), KeyStoreError> {
    let now_on = connection.query_row("PRAGMA secure_delete = ON", [], |row| row.get(0));
    now_on.map(|_: i64| ()).map_err(failed("have what is deleted in the key store wiped"))
}

fn set_pragmas(connection: &Connection, path: &Path) -> Result<(), KeyStoreError> {
    let action = "set up the key store";
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed(action))?;
    if mode != "wal" {
        return Err(KeyStoreError::NoWal(path.to_owned()));
    }
    for (name, value) in [("synchronous", "FULL"), ("temp_store", "MEMORY")] {
        connection.pragma_update(None, name, value).map_err(failed(action))?;
    }
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

fn destroy(tx: &Transaction<'_>, destruction: &Destruction) -> Result<DestroyOutcome, KeyStoreError> {
    let doomed = match &destruction.target {
        Target::Subject(subject) => keys_of(tx, subject)?,
        Target::Day(key) | Target::Object(key) => {
            let row = find(tx, key)?.filter(|row| row.destroyed_ms.is_none());
            row.map(|row| row.key).into_iter().collect()
        }
    };
    let doomed: Vec<KeyName> = doomed.into_iter().map(|key| key.name).collect();
    for rewrap in &destruction.rewraps {
        let bucket = &rewrap.bucket.name;
        let live: Vec<_> = children(tx, bucket)?.into_iter().map(|key| key.name).collect();
        if !destruction.fits(rewrap, live_version(tx, bucket)?, &live) {
            return Ok(DestroyOutcome::Conflict);
        }
    }
    if !destruction.covers(&doomed) {
        return Ok(DestroyOutcome::Conflict);
    }

    for name in &doomed {
        bury(tx, name, destruction.at_ms)?;
    }
    match &destruction.target {
        Target::Subject(subject) => forget_subject(tx, subject, destruction.at_ms)?,
        Target::Day(key) | Target::Object(key) => {
            if find(tx, key)?.is_none() {
                insert(tx, &tombstone(key, destruction.at_ms), Some(destruction.at_ms))?;
            }
        }
    }
    for rewrap in &destruction.rewraps {
        for key in rewrap.children.iter().chain([&rewrap.bucket]) {
            replace(tx, key)?;
        }
        let outgoing = KeyName::outgoing(&rewrap.bucket.name);
        if live_version(tx, &outgoing)?.is_some() {
            bury(tx, &outgoing, destruction.at_ms)?;
        }
    }
    Ok(DestroyOutcome::Done)
}

/// Overwrites the key material and marks the row.
fn bury(tx: &Transaction<'_>, name: &KeyName, at_ms: u64) -> Result<(), KeyStoreError> {
    let row = find(tx, name)?.ok_or(KeyStoreError::BrokenRow("a key vanished"))?;
    let wipe = "UPDATE wrapped SET bytes = zeroblob(length(bytes)) WHERE id = ?1";
    execute(tx, wipe, [row.id])?;
    let mark = "UPDATE key SET destroyed_ms = ?2 WHERE id = ?1";
    execute(tx, mark, params![row.id, time(at_ms)?])
}

/// Overwrites the blind index rows and tokens of a subject and the notes of who holds data of it, and remembers that it is
/// erased.
fn forget_subject(tx: &Transaction<'_>, subject: &SubjectRef, at_ms: u64) -> Result<(), KeyStoreError> {
    let wipe = "UPDATE blind SET idx = randomblob(32), subject = zeroblob(16) WHERE subject = ?1";
    execute(tx, wipe, [subject.0])?;
    execute(
        tx,
        "UPDATE held SET subject = zeroblob(16) WHERE substr(subject, 1, 2) = substr(?1, 1, 2) AND subject = ?1",
        [subject.0],
    )?;
    tokens::forget(tx, subject)?;
    let mark = "INSERT OR IGNORE INTO erased (subject, at_ms) VALUES (?1, ?2)";
    execute(tx, mark, params![subject.0, time(at_ms)?])
}

/// Overwrites a key with itself wrapped anew, which has as many bytes: a driver of the root key that gives another length
/// has SQLite wipe the old ones (`secure_delete`).
fn replace(tx: &Transaction<'_>, key: &WrappedKey) -> Result<(), KeyStoreError> {
    let row = find(tx, &key.name)?.ok_or(KeyStoreError::BrokenRow("a key vanished"))?;
    overwrite(tx, row.id, key)
}

fn overwrite(tx: &Transaction<'_>, id: i64, key: &WrappedKey) -> Result<(), KeyStoreError> {
    let overwrite = "UPDATE wrapped SET bytes = ?2 WHERE id = ?1";
    execute(tx, overwrite, params![id, key.wrapped])?;
    let update = "UPDATE key SET version = ?2, parent_version = ?3, created_ms = ?4 WHERE id = ?1";
    let created_ms = time(key.created_ms)?;
    execute(tx, update, params![id, key.version, key.parent_version, created_ms])
}

fn insert(tx: &Transaction<'_>, key: &WrappedKey, destroyed_ms: Option<u64>) -> Result<(), KeyStoreError> {
    let KeyName { kind, class, unit } = &key.name;
    let bucket = bucket_column(&key.name);
    let created_ms = time(key.created_ms)?;
    let destroyed_ms = destroyed_ms.map(time).transpose()?;
    let describe = "
        INSERT INTO key
            (kind, class, unit, bucket, version, parent_version, created_ms, destroyed_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (kind, version, parent_version) = (kind.as_str(), key.version, key.parent_version);
    let values = params![kind, class, unit, bucket, version, parent_version, created_ms, destroyed_ms];
    execute(tx, describe, values)?;
    let keep = "INSERT INTO wrapped (id, bytes) VALUES (?1, ?2)";
    execute(tx, keep, params![tx.last_insert_rowid(), key.wrapped])
}

pub(crate) fn execute(tx: &Transaction<'_>, sql: &str, params: impl rusqlite::Params) -> Result<(), KeyStoreError> {
    tx.prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params))
        .map(|_rows| ())
        .map_err(failed("write to the key store"))
}

/// What is stored for a day or an object that is destroyed before it had a key.
fn tombstone(name: &KeyName, at_ms: u64) -> WrappedKey {
    WrappedKey { name: name.clone(), version: 1, parent_version: 0, wrapped: Vec::new(), created_ms: at_ms }
}

/// Unit of the bucket key that wraps the key of this name; empty for the keys above buckets.
fn bucket_column(name: &KeyName) -> String {
    let parent = name.parent().filter(|parent| parent.kind == KeyKind::Bucket);
    parent.map(|bucket| bucket.unit).unwrap_or_default()
}

fn find(connection: &Connection, name: &KeyName) -> Result<Option<KeyRow>, KeyStoreError> {
    let condition = "WHERE kind = ?1 AND class = ?2 AND unit = ?3";
    let rows = select(connection, condition, (name.kind.as_str(), &name.class, &name.unit))?;
    Ok(rows.into_iter().next())
}

fn live_version(connection: &Connection, name: &KeyName) -> Result<Option<u32>, KeyStoreError> {
    let row = find(connection, name)?.filter(|row| row.destroyed_ms.is_none());
    Ok(row.map(|row| row.key.version))
}

fn children(connection: &Connection, parent: &KeyName) -> Result<Vec<WrappedKey>, KeyStoreError> {
    let rows = match parent.kind {
        KeyKind::Bucket => {
            let condition = "WHERE class = ?1 AND bucket = ?2 AND destroyed_ms IS NULL";
            select(connection, condition, (&parent.class, &parent.unit))?
        }
        KeyKind::Class => {
            let condition =
                "WHERE class = ?1 AND bucket = '' AND kind IN ('bucket', 'outgoing') AND destroyed_ms IS NULL";
            select(connection, condition, [&parent.class])?
        }
        KeyKind::Outgoing
        | KeyKind::Subject
        | KeyKind::Day
        | KeyKind::Link
        | KeyKind::Index
        | KeyKind::Object
        | KeyKind::Format => Vec::new(),
    };
    Ok(rows.into_iter().map(|row| row.key).collect())
}

fn keys_of(connection: &Connection, subject: &SubjectRef) -> Result<Vec<WrappedKey>, KeyStoreError> {
    let condition = "WHERE unit = ?1 AND kind IN ('subject', 'link') AND destroyed_ms IS NULL";
    let rows = select(connection, condition, [subject.to_string()])?;
    Ok(rows.into_iter().map(|row| row.key).collect())
}

fn find_subject(connection: &Connection, scope: &str, idx: &[u8; 32]) -> Result<Option<SubjectRef>, KeyStoreError> {
    connection
        .prepare_cached(
            "SELECT subject FROM blind WHERE scope = ?1 AND substr(idx, 1, 2) = substr(?2, 1, 2) AND idx = ?2",
        )
        .and_then(|mut select| select.query_row(params![scope, idx], |row| row.get(0)).optional())
        .map(|found| found.map(SubjectRef))
        .map_err(failed("look a subject up"))
}

pub(crate) fn is_erased(connection: &Connection, subject: &SubjectRef) -> Result<bool, KeyStoreError> {
    connection
        .prepare_cached("SELECT 1 FROM erased WHERE subject = ?1")
        .and_then(|mut select| select.exists([subject.0]))
        .map_err(failed("look a subject up"))
}

/// All keys for which `condition` holds.
fn select(
    connection: &Connection,
    condition: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<KeyRow>, KeyStoreError> {
    let action = "read keys";
    let mut select = connection.prepare_cached(&format!("{SELECT_KEY}{condition}")).map_err(failed(action))?;
    let mut rows = select.query(params).map_err(failed(action))?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next().map_err(failed(action))? {
        keys.push(read_row(row)?);
    }
    Ok(keys)
}

fn read_row(row: &Row<'_>) -> Result<KeyRow, KeyStoreError> {
    let failed = || failed("read a key");
    let kind: String = row.get(1).map_err(failed())?;
    let kind = KeyKind::parse(&kind).ok_or(KeyStoreError::BrokenRow("unknown kind of key"))?;
    let millis = |ms: i64| u64::try_from(ms).map_err(|_| KeyStoreError::BrokenRow("negative time"));
    let created_ms = millis(row.get(6).map_err(failed())?)?;
    let destroyed_ms: Option<i64> = row.get(7).map_err(failed())?;
    let key = WrappedKey {
        name: KeyName { kind, class: row.get(2).map_err(failed())?, unit: row.get(3).map_err(failed())? },
        version: row.get(4).map_err(failed())?,
        parent_version: row.get(5).map_err(failed())?,
        wrapped: row.get(8).map_err(failed())?,
        created_ms,
    };
    let destroyed_ms = destroyed_ms.map(millis).transpose()?;
    Ok(KeyRow { id: row.get(0).map_err(failed())?, key, destroyed_ms })
}

/// A count of milliseconds as SQLite can hold it.
pub(crate) fn time(ms: u64) -> Result<i64, KeyStoreError> {
    i64::try_from(ms).map_err(|_| KeyStoreError::TooLarge(ms))
}

pub(crate) fn failed(action: &'static str) -> impl Fn(rusqlite::Error) -> KeyStoreError {
    move |source| KeyStoreError::Sqlite { action, source }
}

mod rotate;

#[cfg(test)]
mod tests;
