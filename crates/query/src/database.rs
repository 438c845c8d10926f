//! The database: folds the ledger once, keeps up with it, and opens sessions at the newest or at any past size.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use datafusion::arrow::temporal_conversions::timestamp_ms_to_datetime;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::object_store::local::LocalFileSystem;

use domain::Record;

use crate::fold::Fold;
use crate::segments::STORE;
use crate::source::Tail;
use crate::{QueryError, Session, Source};

/// Which state to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The newest.
    Latest {
        /// With the records that no segment holds yet. An answer with them cannot be had again later.
        tail: bool,
    },
    /// The first so many entries.
    Size(u64),
    /// The entries up to an instant, in milliseconds since the epoch.
    Time(i64),
}

/// Bounds on queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that all queries together may use; what can, spills to the disk beyond them.
    pub memory_bytes: usize,
    /// How long a query may take.
    pub timeout: Duration,
    /// Rows that an answer may have.
    pub max_rows: usize,
}

impl Default for Limits {
    /// For people who ask interactively: 512 MiB, 30 s, 10,000 rows.
    fn default() -> Self {
        Self { memory_bytes: 512 << 20, timeout: Duration::from_secs(30), max_rows: 10_000 }
    }
}

/// SQL over one ledger. Cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    source: Arc<dyn Source>,
    limits: Limits,
    runtime: Arc<RuntimeEnv>,
    /// The fold of the newest size that was asked for, extended as the ledger grows.
    newest: Mutex<Arc<Fold>>,
    /// The past fold that was asked for last: control runs and reports ask for the same one many times.
    past: Mutex<Arc<Fold>>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl Database {
    /// A database over `source`. The records directory must exist.
    ///
    /// # Errors
    /// [`QueryError::Source`] when the records directory cannot be opened.
    pub fn new(source: Arc<dyn Source>, limits: Limits) -> Result<Self, QueryError> {
        let runtime = runtime(&*source, limits)?;
        let (newest, past) = (Mutex::default(), Mutex::default());
        Ok(Self(Arc::new(Inner { source, limits, runtime, newest, past })))
    }

    /// Opens a session. Folds what is missing first, on a thread of its own.
    ///
    /// # Errors
    /// [`QueryError::NotReached`], [`QueryError::Future`], [`QueryError::Entry`] or [`QueryError::Source`].
    pub async fn at(&self, at: At) -> Result<Session, QueryError> {
        let inner = Arc::clone(&self.0);
        let folded = tokio::task::spawn_blocking(move || {
            // The tail is taken before the size: what is sealed in between is then in both, never in neither.
            let tail = if at == (At::Latest { tail: true }) { inner.source.tail() } else { Tail::default() };
            let fold = inner.fold(at)?;
            let root = inner.source.root_at(fold.size).map_err(QueryError::Source)?;
            // What went since is missing from any past state too.
            let newest = match inner.newest(inner.source.size()) {
                // What came before an entry that is not understood can still be asked.
                Err(QueryError::Entry { seq, .. }) => inner.newest(seq)?,
                newest => newest?,
            };
            let tail = Tail { inferences: open(&fold, tail.inferences), accesses: open(&fold, tail.accesses) };
            Ok::<_, QueryError>((fold, newest, root, tail))
        });
        let stopped = |_| QueryError::Internal("the thread that folds the ledger stopped".into());
        let (fold, newest, root, tail) = folded.await.map_err(stopped)??;
        let inner = &self.0;
        let (source, runtime) = (Arc::clone(&inner.source), Arc::clone(&inner.runtime));
        Session::open(source, fold, &newest.went, root, &tail, runtime, inner.limits).await
    }
}

/// The records that no segment holds yet.
fn open<R: Record>(fold: &Fold, tail: Vec<R>) -> Vec<R> {
    tail.into_iter().filter(|record| !fold.has_sealed(record)).collect()
}

impl Inner {
    fn fold(&self, at: At) -> Result<Arc<Fold>, QueryError> {
        let size = self.source.size();
        let asked = match at {
            At::Latest { .. } => size,
            At::Size(asked) if asked > size => return Err(QueryError::NotReached { asked, size }),
            At::Size(asked) => asked,
            At::Time(asked) => {
                let (known, newest) = (self.source.known_until(), self.newest(size)?);
                let last = newest.moment().now;
                if asked > known.max(last) {
                    return Err(QueryError::Future { newest: rfc3339(last), size });
                }
                newest.size_at(asked)
            }
        };
        let newest = self.newest(asked)?;
        if newest.size == asked { Ok(newest) } else { self.past(asked) }
    }

    /// A fold of at least `size` entries.
    fn newest(&self, size: u64) -> Result<Arc<Fold>, QueryError> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.size < size {
            // Copies the fold only while a session still holds the old one.
            Arc::make_mut(&mut newest).extend(&*self.source, size)?;
        }
        Ok(Arc::clone(&newest))
    }

    /// The fold of exactly `size` entries, fewer than the newest has.
    fn past(&self, size: u64) -> Result<Arc<Fold>, QueryError> {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        if past.size != size {
            let mut fold = Fold::default();
            fold.extend(&*self.source, size)?;
            *past = Arc::new(fold);
        }
        Ok(Arc::clone(&past))
    }
}

/// The UTC day of a time in milliseconds since the epoch, `yyyy-mm-dd`.
#[must_use]
pub fn day_of(ms: i64) -> String {
    timestamp_ms_to_datetime(ms).map_or_else(|| ms.to_string(), |time| time.format("%F").to_string())
}

/// A time in milliseconds since the epoch, as people write it.
fn rfc3339(ms: i64) -> String {
    timestamp_ms_to_datetime(ms).map_or_else(|| ms.to_string(), |time| time.format("%FT%T%.3fZ").to_string())
}

fn runtime(source: &dyn Source, limits: Limits) -> Result<Arc<RuntimeEnv>, QueryError> {
    let pool = TrackConsumersPool::new(FairSpillPool::new(limits.memory_bytes), NonZeroUsize::MIN);
    let engine = |error| QueryError::from_engine(error, limits.memory_bytes);
    let runtime = RuntimeEnvBuilder::new().with_memory_pool(Arc::new(pool)).build_arc().map_err(engine)?;
    let store = LocalFileSystem::new_with_prefix(source.records_dir())
        .map_err(|error| QueryError::Source(format!("the records directory cannot be opened: {error}")))?;
    let url = ObjectStoreUrl::parse(STORE).map_err(engine)?;
    runtime.register_object_store(url.as_ref(), Arc::new(store));
    // The engine's own store would reach every file of the machine.
    if let Ok(files) = ObjectStoreUrl::parse("file://") {
        runtime.deregister_object_store(files.as_ref()).map_err(engine)?;
    }
    Ok(runtime)
}
