//! Opening a data directory: recovery, first set-up, and a new incarnation of the node.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use domain::infrastructure::{Node, NodeJoined, OrgCreated, PoliciesInstalled, SegmentRef};
use domain::people::{AccessCore, ActorKind, ActorRegistered, KeyScope};
use domain::{Command, Entry, Event, Record, State};
use ledger::log::{Log, LogError, LogOptions};
use ledger::records::{RecordError, RecordLog, RecordOptions, Recovered, Resume, Roll};
use ledger::vfs::{RealVfs, Vfs};
use merkle::SignerKey;
use sha2::{Digest, Sha256};
use store::s3::BucketOptions;
use store::{SqliteKeys, secret_file};
use vault::Vault;

use crate::authorize::Policies;
use crate::counters::Counters;
use crate::custody::{CustodyOptions, Keeper};
use crate::passkeys::Ceremonies;
use crate::places::Places;
use crate::sealer::Sealer;
use crate::sessions::{Activity, SessionLimits};
use crate::snapshot::Snapshot;
use crate::{
    ArchiveOptions, AuthError, Engine, ExecuteError, Outbound, Principal, identity, keys, rollback, workloads,
};

/// The policies that a new installation begins with.
const POLICIES: &str = include_str!("../../../policies/counterfoil.cedar");

/// The actor that stands for Counterfoil itself.
const SYSTEM: &str = "a_system";

/// Length of the files of the ledger's write-ahead log, in bytes.
const LEDGER_WAL_BYTES: u64 = 16 << 20;

/// Length of the files of the accesses' write-ahead log, in bytes: they are small and few beside inferences.
const ACCESS_WAL_BYTES: u64 = 4 << 20;

/// Accesses are sealed so many times later than inferences: each seal is an event, and people look often.
const ACCESS_PATIENCE: i64 = 5;

/// How long the operator's key is good for, in milliseconds.
const OPERATOR_KEY_MS: i64 = 365 * 24 * 60 * 60 * 1000;

/// What is done about a ledger that others remember otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// It is refused.
    Refuse,
    /// It is refused when the memory outside tells so; when witnesses told so, it is read, and they are asked again.
    Ask,
    /// An older copy than the memory tells of is read, so that somebody can accept it, and so is one that witnesses told
    /// of: they are asked again.
    Accept,
}

/// How a data directory is opened.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The data directory.
    pub dir: PathBuf,
    /// Directory that remembers, outside the data directory, how far each ledger has come; none for no memory.
    pub state: Option<PathBuf>,
    /// Name of the organisation, for a new directory.
    pub organisation: String,
    /// Origin of the log, for a new directory; made up when absent.
    pub origin: Option<String>,
    /// Days that records must be kept, for a new directory.
    pub retention_days: u32,
    /// Name of this node.
    pub node: String,
    /// Name and version of the program.
    pub program: String,
    /// Records after which a segment is sealed.
    pub roll_records: u64,
    /// Bytes of payload after which a segment is sealed.
    pub roll_bytes: u64,
    /// Time after which a segment is sealed.
    pub roll_after: Duration,
    /// Where providers may be, and which credentials may go there.
    pub outbound: Outbound,
    /// How long sessions last.
    pub sessions: SessionLimits,
    /// Who keeps the root key.
    pub custody: CustodyOptions,
    /// The write-once bucket that copies go to; none when there is none.
    pub archive: Option<ArchiveOptions>,
    /// The ordinary bucket that objects are kept in; files of the data directory when there is none.
    pub objects: Option<BucketOptions>,
    /// What reads rows of Parquet and Arrow, so that those of a person can be taken out of them; none where nothing does.
    pub columnar: Option<Arc<dyn crate::Columnar>>,
}

/// Why a data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The ledger refuses.
    #[error("{0}")]
    Ledger(#[from] LogError),
    /// The ledger is an older copy than the one that is remembered.
    #[error(
        "the ledger was rolled back: `{memory}` remembers {remembered} entries, but {found}; restore the newest copy, or, \
         if this older one is all there is, go on with it by \
         `counterfoil ledger accept-rollback --data {data} --state {state} --reference TICKET`"
    )]
    OlderCopy {
        /// The file that remembers.
        memory: PathBuf,
        /// How many entries it remembers.
        remembered: u64,
        /// What is there instead.
        found: String,
        /// The data directory.
        data: PathBuf,
        /// The directory that the memory lies in.
        state: PathBuf,
    },
    /// Somebody wants to accept a rollback, and there is none.
    #[error(
        "there is nothing to accept: the ledger in `{data}` extends all that is remembered of it; \
         start it as usual, or name the right memory with --state"
    )]
    NothingToAccept {
        /// The data directory.
        data: PathBuf,
    },
    /// Whoever asks is not known.
    #[error("the key is not good: {0}")]
    Unknown(#[from] AuthError),
    /// The log of records refuses.
    #[error("{0}")]
    Records(#[from] RecordError),
    /// The ledger holds an event that this build does not know.
    #[error("event {seq} of the ledger: {why}: use the version of Counterfoil that wrote it, or a newer one")]
    Event {
        /// Its sequence number.
        seq: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A key or the key store.
    #[error("{what}: {why}")]
    Keys {
        /// Which.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The file system.
    #[error("{path}: {source}")]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// First set-up or joining was not possible.
    #[error("the installation cannot be set up: {0}")]
    Setup(#[from] ExecuteError),
}

impl OpenError {
    /// Whether it is because others remember another history.
    fn is_rolled_back(&self) -> bool {
        match self {
            Self::Ledger(error) => matches!(error, LogError::RolledBack { .. } | LogError::OtherHistory { .. }),
            Self::OlderCopy { .. } | Self::Setup(ExecuteError::RolledBack(_)) => true,
            _ => false,
        }
    }

    /// Exit code for a program that cannot go on.
    pub fn exit_code(&self) -> u8 {
        match self {
            _ if self.is_rolled_back() => 3,
            Self::NothingToAccept { .. } | Self::Unknown(_) | Self::Setup(ExecuteError::Refused(_)) => 65,
            Self::Ledger(LogError::Corrupt { .. }) | Self::Event { .. } => 1,
            _ => 5,
        }
    }

    /// A stable word for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            _ if self.is_rolled_back() => "rolled_back",
            Self::NothingToAccept { .. } => "nothing_to_accept",
            Self::Unknown(_) => "unauthenticated",
            Self::Setup(ExecuteError::Refused(refusal)) => refusal.code.as_str(),
            Self::Ledger(LogError::Corrupt { .. }) | Self::Event { .. } => "corrupt",
            Self::Ledger(LogError::Locked { .. }) | Self::Records(RecordError::Locked { .. }) => "locked",
            Self::Keys { .. } => "keys",
            _ => "io",
        }
    }
}

impl Engine {
    /// Opens a data directory, or makes one, and starts this node. Whoever serves gives the first sign of life, once
    /// witnesses have been asked.
    ///
    /// # Errors
    /// When it is in use, damaged, rolled back or not readable.
    pub async fn open(options: EngineOptions) -> Result<Arc<Self>, OpenError> {
        let engine = Self::open_disk(options).await?;
        engine.start().await?;
        Ok(engine)
    }

    /// As [`Engine::open`], but before anything is written, `ask` may ask others what they remember of the ledger. Only so
    /// is a ledger opened again that was stopped, and only when `ask` lets it go on. It answers who cosigns the ledger.
    ///
    /// # Errors
    /// As [`Engine::open`] has them, and what `ask` answers.
    pub async fn open_asking<F>(options: EngineOptions, ask: impl FnOnce(Arc<Log>) -> F) -> Result<Arc<Self>, OpenError>
    where
        F: Future<Output = Result<Vec<String>, LogError>>,
    {
        let (engine, recovered) = Self::read_disk(options, Otherwise::Ask).await?;
        let told = engine.log.other_histories();
        let cosigning = ask(Arc::clone(&engine.log)).await?;
        engine.settle_disk(recovered).await?;
        engine.tell_resumed(&told, &cosigning).await?;
        engine.start().await?;
        Ok(engine)
    }

    /// Opens a data directory for a command while no server runs. The node does not join and takes no
    /// inferences, and nothing is done by the clock, so what comes into the ledger is the command's and the seal of its
    /// accesses, besides what a crash left to be recovered. It ends with [`Engine::leave_visit`].
    ///
    /// # Errors
    /// As for [`Engine::open`].
    pub async fn visit(options: EngineOptions) -> Result<Arc<Self>, OpenError> {
        let engine = Self::open_disk(options).await?;
        engine.ensure_operator().await?;
        // A ledger whose node never started has nothing to be read; what is asked all the same is refused.
        if let Err(error) = engine.accesses.resume_incarnation() {
            tracing::debug!(%error, "accesses are not recorded");
        }
        Ok(engine)
    }

    async fn open_disk(options: EngineOptions) -> Result<Arc<Self>, OpenError> {
        let (engine, recovered) = Self::read_disk(options, Otherwise::Refuse).await?;
        engine.settle_disk(recovered).await?;
        Ok(engine)
    }

    /// Writes the first events of a new ledger, and what a crash left to be recovered.
    async fn settle_disk(self: &Arc<Self>, recovered: Recovered) -> Result<(), OpenError> {
        self.set_up().await?;
        self.recover(recovered).await?;
        self.open_places().await?;
        // What is left of it hurts nobody, and is tried again.
        let tidied = self.blocking(|engine| engine.finish_begun()).await.and_then(|tidied| tidied);
        if let Err(error) = tidied {
            tracing::warn!(%error, "objects that were being written when the process ended were not all removed");
        }
        if let Err(error) = self.finish_objects().await {
            tracing::warn!(%error, "objects that are decided to go are not all gone yet");
        }
        Ok(())
    }

    /// Reads what is there, not writing any event.
    pub(crate) async fn read_disk(
        options: EngineOptions,
        otherwise: Otherwise,
    ) -> Result<(Arc<Self>, Recovered), OpenError> {
        let for_disk = options.clone();
        let opened = tokio::task::spawn_blocking(move || Disk::open(&for_disk, otherwise)).await;
        let disk = opened.map_err(|e| ExecuteError::Internal(e.to_string()))??;
        let recovered = disk.recovered;
        Ok((Arc::new(disk.into_engine(options)?), recovered))
    }

    /// Starts this node.
    pub(crate) async fn start(self: &Arc<Self>) -> Result<(), OpenError> {
        self.join().await?;
        self.ensure_operator().await?;
        self.log.start_publisher(Duration::from_secs(1))?;
        self.start_reconcilers();
        Ok(())
    }

    /// Writes the first events of a new ledger. Each step looks whether it was done, so a crash in between is mended.
    async fn set_up(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let system = self.system().clone();
        if self.read(|state| state.org.is_none()) {
            let created = OrgCreated {
                name: self.options.organisation.clone(),
                origin: self.log.origin().to_owned(),
                log_vkey: self.log_vkey.clone(),
                retention_days: self.options.retention_days,
            };
            self.execute(&system, Command::CreateOrg(created)).await?;
        }
        if self.read(|state| state.policies.is_none()) {
            let sha256 = merkle::hex(&Sha256::digest(POLICIES.as_bytes()));
            let installed = PoliciesInstalled { sha256, text: POLICIES.to_owned() };
            self.execute(&system, Command::InstallPolicies(installed)).await?;
        }
        if self.read(|state| !state.actors.contains_key(SYSTEM)) {
            let itself =
                ActorRegistered { actor: SYSTEM.to_owned(), kind: ActorKind::System, roles: vec!["system".to_owned()] };
            self.execute(&system, Command::RegisterActor(itself)).await?;
        }
        Ok(())
    }

    async fn join(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let incarnation = self.read(|state| state.nodes.get(self.node()).map_or(0, |node| node.incarnation)) + 1;
        let joined = NodeJoined { node: self.node().to_owned(), incarnation, program: self.options.program.clone() };
        self.execute(self.system(), Command::JoinNode(joined)).await?;
        let started = self.records.start_incarnation(incarnation);
        let started = started.and_then(|()| self.accesses.start_incarnation(incarnation));
        started.map_err(|e| ExecuteError::Internal(e.to_string()))?;
        self.incarnation.store(incarnation, std::sync::atomic::Ordering::Release);
        Ok(())
    }

    /// Whoever may read the data directory may administer it: its first administrator's key lies in `operator.token`. Once
    /// an administrator has a passkey, a key that was revoked or deleted is not made anew.
    async fn ensure_operator(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let path = self.data_dir().join("operator.token");
        let io = |e: std::io::Error| ExecuteError::Unavailable(format!("{}: {e}", path.display()));
        match secret_file::read(&path) {
            Ok(token) if self.authenticate(String::from_utf8_lossy(&token).trim()).is_ok() => return Ok(()),
            Ok(_) => std::fs::remove_file(&path).map_err(io)?,
            Err(e) if e.is_missing() => {}
            Err(e) => return Err(ExecuteError::Unavailable(chain(&e))),
        }
        let system = self.system().clone();
        let administrators = self.administrators();
        // Whoever signs in by passkey gave the operator's key up for it, or will.
        if self.read(|state| administrators.iter().any(|actor| state.passkeys_of(actor).next().is_some())) {
            return Ok(());
        }
        let actor = match administrators.into_iter().next() {
            Some(actor) => actor,
            None => {
                let (actor, roles) = (identity::identifier("a_"), vec!["administrator".to_owned()]);
                let registered = ActorRegistered { actor: actor.clone(), kind: ActorKind::Human, roles };
                self.execute(&system, Command::RegisterActor(registered)).await?;
                actor
            }
        };
        let key = self.create_key(&system, KeyScope::Actor(actor), Self::now_ms() + OPERATOR_KEY_MS).await?;
        secret_file::create(&path, format!("{}\n", key.secret).as_bytes())
            .map_err(|e| ExecuteError::Unavailable(chain(&e)))
    }
}

/// What lies in a data directory, opened.
struct Disk {
    log: Arc<Log>,
    log_vkey: String,
    records: Arc<RecordLog>,
    accesses: Arc<RecordLog<AccessCore>>,
    recovered: Recovered,
    vault: Vault,
    keeper: Keeper,
    state: State,
}

impl Disk {
    fn open(options: &EngineOptions, otherwise: Otherwise) -> Result<Self, OpenError> {
        let dir = &options.dir;
        make_private_dir(dir).map_err(|source| OpenError::Io { path: dir.clone(), source })?;
        let signer = signer(dir, options.origin.as_deref())?;
        let (origin, log_vkey) = (signer.verifier_key().name().to_owned(), signer.verifier_key().to_string());
        let vfs: Arc<dyn Vfs> = Arc::new(RealVfs);
        let mut log_options = LogOptions::new(dir.join("ledger"), signer);
        log_options.wal.segment_bytes = LEDGER_WAL_BYTES;
        log_options.memory = options.state.as_ref().map(|state| rollback::memory(state, &log_vkey));
        log_options.accept_rollback = otherwise == Otherwise::Accept;
        log_options.asks = otherwise != Otherwise::Refuse;
        let (log, state) =
            open_log(&vfs, dir, log_options).map_err(|error| rollback::older_copy(options, &log_vkey, error))?;
        let records = dir.join("records");
        let inferences = RecordOptions::new(records.clone(), &origin, &options.node);
        let before = |node: &Node| (node.last_segment.clone(), node.sealed_records);
        let (inferences, mut recovered) = open_records(&vfs, options, inferences, &state, before)?;
        let mut accesses = RecordOptions::new(records.join("access-log"), &origin, &options.node);
        (accesses.tables, accesses.wal_segment_bytes) = (records, ACCESS_WAL_BYTES);
        let before = |node: &Node| (node.last_accesses.clone(), node.sealed_accesses);
        let (accesses, found) = open_records(&vfs, options, accesses, &state, before)?;
        recovered.unsealed += found.unsealed;
        recovered.truncated_bytes += found.truncated_bytes;
        let keeper = Keeper::open(&options.custody, dir)?;
        let vault = open_vault(dir, &origin, &keeper)?;
        Ok(Self { log, log_vkey, records: inferences, accesses, recovered, vault, keeper, state })
    }

    fn into_engine(self, options: EngineOptions) -> Result<Engine, OpenError> {
        let text = self.state.policies.as_ref().map_or(POLICIES, |installed| installed.text.as_str());
        let policies = Policies::with_roles(text, &self.state.custom_roles)
            .map_err(|e| OpenError::Setup(ExecuteError::Internal(format!("the policies in force: {e}"))))?;
        let last_snapshot = AtomicU64::new(self.state.size);
        let roles = vec![("system".to_owned(), domain::people::roles::ORG.to_owned())];
        let system = Principal { actor: SYSTEM.to_owned(), roles, ..Principal::default() };
        let no_thread = |source| OpenError::Io { path: options.dir.clone(), source };
        let sealer = Sealer::spawn(&self.records).map_err(&no_thread)?;
        let access_sealer = Sealer::spawn(&self.accesses).map_err(&no_thread)?;
        let archive = options.archive.as_ref().map(crate::archive::Archive::open).transpose()?;
        let places = Places::open(options.objects.as_ref(), &options.dir)?;
        Ok(Engine {
            options,
            archive,
            places,
            log: self.log,
            log_vkey: self.log_vkey,
            records: self.records,
            accesses: self.accesses,
            strangers: crate::accesses::Strangers::default(),
            vault: Arc::new(self.vault),
            keeper: self.keeper,
            state: RwLock::new(self.state),
            policies: RwLock::new(Arc::new(policies)),
            turn: tokio::sync::Mutex::new(()),
            token_pace: Default::default(),
            profile_index: Default::default(),
            eraser: tokio::sync::Mutex::new(()),
            sealer: tokio::sync::Mutex::new(sealer),
            access_sealer: tokio::sync::Mutex::new(access_sealer),
            key_turn: tokio::sync::Mutex::new(()),
            keys_untold: AtomicBool::new(false),
            compacting: tokio::sync::Mutex::new(()),
            disposing: tokio::sync::Mutex::new(()),
            clock: Default::default(),
            clock_leapt: AtomicBool::new(false),
            disposed_on: std::sync::atomic::AtomicI64::new(i64::MIN),
            tidied_on: std::sync::atomic::AtomicI64::new(i64::MIN),
            governance: AtomicU64::new(1),
            ready_detectors: crate::detectors::Ready::default(),
            counters: Counters::default(),
            uses: keys::Uses::default(),
            admitted: workloads::Admitted::default(),
            artifacts: Mutex::default(),
            transfers: Default::default(),
            lineage: Default::default(),
            view_links: Default::default(),
            refused: Default::default(),
            ceremonies: Ceremonies::default(),
            activity: Activity::new(Engine::now_ms()),
            last_progress: Mutex::new(None),
            last_accesses: Mutex::new(None),
            last_snapshot,
            last_beat: AtomicU64::new(0),
            system,
            incarnation: AtomicU64::new(0),
            stop: tokio::sync::watch::channel(false).0,
        })
    }
}

fn open_log(vfs: &Arc<dyn Vfs>, dir: &Path, log_options: LogOptions) -> Result<(Arc<Log>, State), OpenError> {
    let mut fold = Fold::after(Snapshot::read_all(&dir.join("snapshots")).next());
    let (log, _) = Log::open(Arc::clone(vfs), log_options, &mut |seq, bytes| fold.take(seq, bytes))?;
    if fold.unconfirmed {
        tracing::warn!("a snapshot is of another ledger or another revision of the fold; folding from the beginning");
        fold = Fold::after(None);
        log.for_each_entry(0..log.size(), &mut |seq, bytes| fold.take(seq, bytes))?;
    }
    match fold.failed {
        Some((seq, why)) => Err(OpenError::Event { seq, why }),
        None => Ok((log, fold.state)),
    }
}

/// Folds entries as they are replayed, from a snapshot on if there is one.
struct Fold {
    state: State,
    /// Whether the state comes from a snapshot that the ledger has not confirmed yet.
    unconfirmed: bool,
    failed: Option<(u64, String)>,
}

impl Fold {
    fn after(snapshot: Option<Snapshot>) -> Self {
        let unconfirmed = snapshot.is_some();
        Self { state: snapshot.map(|snapshot| snapshot.state).unwrap_or_default(), unconfirmed, failed: None }
    }

    fn take(&mut self, seq: u64, bytes: &[u8]) {
        if self.failed.is_some() || seq < self.state.size {
            return;
        }
        match Entry::decode(bytes) {
            Ok(entry) => {
                if self.unconfirmed && !self.confirmed_by(&entry) {
                    return;
                }
                self.unconfirmed = false;
                self.state.apply(&entry);
            }
            Err(error) => self.failed = Some((seq, error.to_string())),
        }
    }

    /// Whether this entry, the first after the snapshot, holds the digest of the snapshot's state, folded as it is now.
    fn confirmed_by(&self, entry: &Entry) -> bool {
        let Event::StateDigest(digest) = &entry.event else { return false };
        digest.fold == Some(State::FOLD)
            && digest.size == self.state.size
            && self.state.digest().is_ok_and(|sha256| sha256 == digest.sha256)
    }
}

/// Opens the log of a kind of record. `before` is what the ledger knows of its segments: the last, and the records in all.
fn open_records<R: Record>(
    vfs: &Arc<dyn Vfs>,
    options: &EngineOptions,
    mut record_options: RecordOptions,
    state: &State,
    before: impl Fn(&Node) -> (Option<SegmentRef>, u64),
) -> Result<(Arc<RecordLog<R>>, Recovered), OpenError> {
    let node = state.nodes.get(&options.node).cloned().unwrap_or_default();
    let (last, sealed_records) = before(&node);
    let resume = Resume {
        incarnation: node.incarnation,
        next_segment: last.as_ref().map_or(0, |last| last.number + 1),
        sealed_records,
        prev_root: last.and_then(|last| merkle::encoding::hash_from_hex(&last.root).ok()),
    };
    let patience = if R::SCHEMA == AccessCore::SCHEMA { ACCESS_PATIENCE } else { 1 };
    record_options.roll = Roll {
        records: options.roll_records,
        payload_bytes: options.roll_bytes,
        age_us: i64::try_from(options.roll_after.as_micros()).unwrap_or(i64::MAX).saturating_mul(patience),
    };
    Ok(RecordLog::open(Arc::clone(vfs), record_options, resume, Engine::now_us())?)
}

fn open_vault(dir: &Path, origin: &str, keeper: &Keeper) -> Result<Vault, OpenError> {
    let keys = |what: &'static str| move |e: &dyn std::error::Error| OpenError::Keys { what, why: chain(e) };
    let store = SqliteKeys::open(&dir.join("keys.sqlite")).map_err(|e| keys("the key store")(&e))?;
    let now = u64::try_from(Engine::now_ms()).unwrap_or(0);
    Vault::open(origin, Arc::new(store), keeper.root(), now).map_err(|e| keys("the vault")(&e))
}

/// The ledger's signing key with the log's origin as its name, made when the directory is new.
pub(crate) fn signer(dir: &Path, origin: Option<&str>) -> Result<SignerKey, OpenError> {
    let path = dir.join("signer.key");
    let wrong = |why: String| OpenError::Keys { what: "the ledger's signing key", why };
    let text = match secret_file::read(&path) {
        Ok(text) => text,
        Err(e) if e.is_missing() && !dir.join("ledger").exists() => {
            let origin = origin.map_or_else(|| format!("counterfoil.local/{}", identity::identifier("")), Into::into);
            let mut seed = [0u8; 32];
            getrandom::fill(&mut seed).map_err(|e| wrong(e.to_string()))?;
            let key = SignerKey::ed25519(&origin, &seed).map_err(|e| wrong(e.to_string()))?;
            let line = format!("counterfoil-signer-1 {} {}\n", merkle::hex(&seed), key.verifier_key().name());
            secret_file::create(&path, line.as_bytes()).map_err(|e| wrong(chain(&e)))?;
            line.into_bytes().into()
        }
        Err(e) => return Err(wrong(chain(&e))),
    };
    let text = String::from_utf8_lossy(&text);
    let mut parts = text.trim_end().splitn(3, ' ');
    let (magic, seed, name) = (parts.next(), parts.next(), parts.next());
    let seed = seed.and_then(|seed| merkle::encoding::hash_from_hex(seed).ok());
    let (Some("counterfoil-signer-1"), Some(seed), Some(name)) = (magic, seed, name) else {
        return Err(wrong(format!("`{}` is damaged: restore it from its backup", path.display())));
    };
    SignerKey::ed25519(name, &seed).map_err(|e| wrong(e.to_string()))
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

fn make_private_dir(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}
