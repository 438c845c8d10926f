//! The one way to change anything: authorise, decide, append, apply; then reconcilers that act on what was decided.
//!
//! [`Engine::execute`] is the only function that writes events. It gathers the facts that a command needs, asks Cedar,
//! calls `domain::decide`, appends the events to the ledger, waits until they are durable and folds them into the
//! state. Refusals are recorded too. The engine knows nothing of HTTP or SQL.

pub mod accesses;
mod approvals;
mod archive;
mod artifacts;
mod aside;
mod authorize;
mod clock;
mod counters;
mod custody;
mod datasets;
mod detectors;
mod directory;
mod documents;
mod emergencies;
mod encryption;
mod execute;
mod identity;
mod keys;
mod lineage;
mod notify;
mod objects;
mod open;
mod outbound;
mod passkeys;
mod payloads;
mod people;
mod places;
mod policies;
mod profiles;
mod reconcile;
mod recover;
mod recovery;
mod refused;
mod requests;
pub mod residency;
mod retention;
mod reviews;
mod rollback;
mod sealer;
mod sessions;
mod snapshot;
mod tokens;
mod workloads;

pub use accesses::{Answered, Attempt, Unrecorded};
pub use approvals::Asked;
pub use archive::{ArchiveOptions, ArchiveStanding};
pub use aside::{ASIDE_DAYS, Aside};
pub use authorize::{Permit, Policies, PolicyError};
pub use custody::{Custodied, CustodyOptions, move_custodian, retire_custodian};
pub use datasets::views::{MAX_LINK_MS, View, ViewLink};
pub use datasets::{
    About, Arrived, Columnar, HeldRows, MAX_KEPT_BYTES, MAX_VERSION_BYTES, Reading, Recorded, RewrittenVersion,
    RowError, Theirs, VersionPieces,
};
pub use detectors::Looking;
pub use directory::{GroupNote, GroupWish, MAX_NAME_BYTES, PersonWish, email_is_valid, label_is_valid};
pub use documents::MAX_DOCUMENT_BYTES;
pub use encryption::{ClassInventory, KeyInventory};
pub use execute::{Ask, Done, ExecuteError};
pub use identity::{AuthError, ClientCertificate, Principal, random_secret};
pub use keys::{Lookup, NewKey, Opens, Rotated};
pub use lineage::graph;
pub use lineage::{MAX_DEPTH, Rejected};
pub use notify::{Counted, Fault, Gauged, Message, Messenger, Notifier, Sending, Tried, Undelivered};
pub use open::{EngineOptions, OpenError};
pub use outbound::{Forbidden, Outbound};
pub use passkeys::{MAX_NAME_CHARS, NotLetIn};
pub use payloads::DroppedRows;
pub use people::{Explanation, Wish, Would};
pub use places::ObjectsStanding;
pub use policies::{Change, ChangeGroup, PolicyDiff};
pub use profiles::Profile;
pub use recovery::{MISTYPED, probe_recovery_code};
pub use requests::{HeldElsewhere, HeldInference, NewRequest, RequestText};
pub use retention::Upcoming;
pub use reviews::{Campaign, Due};
pub use rollback::memory;
pub use sessions::{NewSession, Proven, SessionLimits, Visit};
pub use tokens::{HeldToken, MAX_TOKENS, Subjects, Untokenized};
pub use vault::tokens::{TokenCount, TokenInfo};
pub use workloads::ShownToken;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use domain::State;
use domain::people::AccessCore;
use domain::serving::{InferenceCore, SegmentProgress};
use ledger::log::Log;
use ledger::records::RecordLog;
use sealer::Sealer;
use vault::Vault;

/// The engine of one installation; shared as `Arc<Engine>`.
pub struct Engine {
    options: EngineOptions,
    log: Arc<Log>,
    log_vkey: String,
    records: Arc<RecordLog>,
    accesses: Arc<RecordLog<AccessCore>>,
    strangers: accesses::Strangers,
    vault: Arc<Vault>,
    keeper: custody::Keeper,
    /// The write-once bucket, when the settings name one.
    archive: Option<archive::Archive>,
    /// Where objects are kept.
    places: places::Places,
    state: RwLock<State>,
    policies: RwLock<Arc<Policies>>,
    /// One command at a time: what is decided is decided on the newest state.
    turn: tokio::sync::Mutex<()>,
    /// One seal at a time: a segment is confirmed before the next is closed.
    sealer: tokio::sync::Mutex<Sealer<InferenceCore>>,
    access_sealer: tokio::sync::Mutex<Sealer<AccessCore>>,
    /// One replacement of keys at a time.
    key_turn: tokio::sync::Mutex<()>,
    /// Whether it was told that keys cannot be replaced under the policies in force.
    keys_untold: AtomicBool,
    /// One payload file is written anew at a time.
    compacting: tokio::sync::Mutex<()>,
    disposing: tokio::sync::Mutex<()>,
    clock: Mutex<clock::Clock>,
    /// Whether the clock was found ahead of the ledger.
    clock_leapt: std::sync::atomic::AtomicBool,
    /// The day on which what was due was last disposed of, since the epoch.
    disposed_on: std::sync::atomic::AtomicI64,
    /// The day on which all objects were last looked through, since the epoch.
    tidied_on: std::sync::atomic::AtomicI64,
    token_pace: tokens::Pace,
    /// By what people who act here are found.
    profile_index: Mutex<requests::ProfileIndex>,
    /// One erasure at a time.
    eraser: tokio::sync::Mutex<()>,
    last_progress: Mutex<Option<SegmentProgress>>,
    last_accesses: Mutex<Option<SegmentProgress>>,
    last_snapshot: AtomicU64,
    /// Size of the checkpoint that the last sign of life kept.
    last_beat: AtomicU64,
    governance: AtomicU64,
    counters: counters::Counters,
    uses: keys::Uses,
    admitted: workloads::Admitted,
    /// One artifact at a time is written.
    artifacts: Mutex<()>,
    /// Versions of data sets that come in or go out.
    transfers: datasets::Transfers,
    /// Detectors of the organisation's own, ready to look.
    ready_detectors: detectors::Ready,
    /// What was made from what, and reports of that on their way in.
    lineage: lineage::Lineage,
    /// Links to views of them.
    view_links: datasets::views::Links,
    /// Those turned away at the doors.
    refused: refused::Refused,
    /// What browsers were asked to prove, and have not answered.
    ceremonies: passkeys::Ceremonies,
    /// When sessions were last used.
    activity: sessions::Activity,
    system: Principal,
    incarnation: AtomicU64,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Engine {
    /// Reads the state. Keep `f` short: writers wait for it.
    pub fn read<R>(&self, f: impl FnOnce(&State) -> R) -> R {
        f(&self.state.read().expect("no panic while the state is locked"))
    }

    /// A counter that grows whenever keys, services, providers, models, policies or rules of residency change. What was derived from
    /// them holds as long as it stands still.
    pub fn governance(&self) -> u64 {
        self.governance.load(Ordering::Acquire)
    }

    /// Does what waits for the disk or takes long, off the threads that serve requests.
    pub(crate) async fn blocking<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> R + Send + 'static,
    ) -> Result<R, ExecuteError> {
        let engine = Arc::clone(self);
        let worked = tokio::task::spawn_blocking(move || work(&engine)).await;
        worked.map_err(|e| ExecuteError::Internal(e.to_string()))
    }

    /// The ledger.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// To be asked right before something is destroyed or replaced for good: on a ledger that is stopped it could not be
    /// told, and the newest copy, once it is restored, may need it.
    ///
    /// # Errors
    /// [`ExecuteError::RolledBack`] when the ledger is stopped.
    pub(crate) fn check_not_stopped(&self) -> Result<(), ExecuteError> {
        match self.log.halted() {
            None => Ok(()),
            Some(ledger::log::OtherHistory { by, why }) => {
                Err(ExecuteError::RolledBack(ledger::log::LogError::OtherHistory { by, why }.to_string()))
            }
        }
    }

    /// The log's verifier key, as a C2SP signed-note vkey.
    pub fn log_vkey(&self) -> &str {
        &self.log_vkey
    }

    /// The log of inference records.
    pub fn records(&self) -> &Arc<RecordLog> {
        &self.records
    }

    /// The log of records of accesses.
    pub fn accesses(&self) -> &Arc<RecordLog<AccessCore>> {
        &self.accesses
    }

    /// The key hierarchy.
    pub fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.options.dir
    }

    /// Name and version of the program, as it joined the ledger.
    pub fn program(&self) -> &str {
        &self.options.program
    }

    /// Where providers may be, and which credentials may go there.
    pub fn outbound(&self) -> &Outbound {
        &self.options.outbound
    }

    /// The name of this node.
    pub fn node(&self) -> &str {
        &self.options.node
    }

    /// The node's present incarnation.
    pub fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::Acquire)
    }

    /// Whose ledger this is.
    pub fn org(&self) -> domain::infrastructure::OrgCreated {
        self.read(|state| state.org.clone()).expect("an open engine has an organisation")
    }

    /// Counterfoil itself, as an actor.
    pub fn system(&self) -> &Principal {
        &self.system
    }

    /// Milliseconds since the epoch.
    pub fn now_ms() -> i64 {
        Self::now_us() / 1000
    }

    /// Microseconds since the epoch.
    pub fn now_us() -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    /// Counts one finished inference request at the gateway's edge, by the hour in which it ended.
    pub fn count(&self, ended_at_us: i64, logged: bool) {
        self.counters.count(ended_at_us, logged);
    }
}

#[cfg(test)]
mod tests;
