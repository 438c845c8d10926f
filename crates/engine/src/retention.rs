//! Disposal of what is due: once a day, and on demand.
//!
//! For each class and day: an entry that says what is to go and by which rule, then the day's key is destroyed, then its
//! rows are taken out of the payload files, then both are looked for again, then an entry says what became of it. Every
//! step can be done again, so a process that died in between is gone on from by the next that looks. Versions of data sets
//! and artifacts go the same way, each with its own key and file, and so do the files of records, which have no key.
//!
//! Right before anything is destroyed it is asked again, in a turn of commands, whether a hold keeps it: one that is placed
//! while a disposal is under way keeps what is not destroyed yet.

mod cores;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::keys::holds::{self, HoldPlaced, HoldReleased};
use domain::keys::retention::{
    BeginDisposal, ClockLeap, ConfirmClock, Disposal, DisposalConfirmed, Expiring, Item, Kind, Method,
    RetentionDisposed, RetentionDisposing, RetentionKept,
};
use domain::serving::InferenceCore;
use domain::{Command, Record, Refusal, RefusalCode};
use ledger::records::segment;
use vault::{KeyKind, KeyState, SubjectRef};

use cores::{CoreDay, HeldCores};

use crate::payloads::{ClassDay, Doomed, Held};
use crate::{Engine, ExecuteError, Principal, identity};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Something that a rule says the end of, with what it is now.
#[derive(Clone, Debug)]
pub struct Upcoming {
    /// What the ledger says.
    pub expiring: Expiring,
    /// What an object is of, such as `dataset/NAME/VERSION`; `None` for a day of payloads.
    pub source: Option<String>,
    /// How many payloads there are; `None` for an object and for segments of records, whose rows nobody counts.
    pub rows: Option<u64>,
    /// How many bytes they take, about; of an object, those of its file.
    pub bytes: u64,
    /// The holds that keep it, or `service/NAME` of one that answers with it.
    pub held_by: Vec<String>,
}

/// Where things of the living are looked for: what a hold is on, by its identifier.
struct Looked {
    /// What the payload files hold.
    days: BTreeMap<ClassDay, (Held, BTreeSet<[u8; 16]>)>,
    /// Days of which services have records.
    served: BTreeMap<String, BTreeSet<ClassDay>>,
    /// The objects of data sets with rows about somebody, by the hold on them.
    about: BTreeMap<String, BTreeSet<String>>,
    /// What segments of records hold.
    cores: BTreeMap<CoreDay, HeldCores>,
    holds: BTreeMap<String, String>,
}

impl Looked {
    /// The holds on people and services that have something in an item.
    fn keeping(&self, item: &Item, holds: &[String]) -> Vec<String> {
        if item.kind.is_core() {
            return self.keeping_cores(item, holds);
        }
        if let Some(object) = &item.object {
            // One that was placed since: it was not looked for, so it keeps.
            let has = |hold: &&String| self.about.get(*hold).is_none_or(|objects| objects.contains(object));
            return holds.iter().filter(has).cloned().collect();
        }
        let key = (item.class.clone(), item.day.clone().unwrap_or_default());
        let has = |hold: &&String| match self.holds.get(*hold).and_then(|on| on.split_once('/')) {
            Some(("subject", hex)) => {
                let subject = SubjectRef::from_hex(hex);
                self.days.get(&key).is_some_and(|(_, known)| subject.is_some_and(|one| known.contains(&one.0)))
            }
            Some(("service", name)) => self.served.get(name).is_some_and(|days| days.contains(&key)),
            // One that was placed since: it was not looked for, so it keeps.
            _ => true,
        };
        holds.iter().filter(has).cloned().collect()
    }
}

impl Engine {
    /// Places a hold on `subject/HEX`, `class/NAME`, `dataset/NAME` or `service/NAME`; returns its identifier.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn place_hold(
        self: &Arc<Self>,
        who: &Principal,
        on: &str,
        reference: &str,
        review_due: i64,
    ) -> Result<String, ExecuteError> {
        let hold = identity::identifier("h_");
        let (on, reference) = (on.to_owned(), reference.to_owned());
        let placed = HoldPlaced { hold: hold.clone(), on, reference, review_due };
        self.execute(who, Command::PlaceHold(placed)).await.map(|_| hold)
    }

    /// Releases a hold that another person placed.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn release_hold(
        self: &Arc<Self>,
        who: &Principal,
        hold: &str,
        reference: &str,
    ) -> Result<(), ExecuteError> {
        let released = HoldReleased { hold: hold.to_owned(), reference: reference.to_owned() };
        self.execute(who, Command::ReleaseHold(released)).await.map(drop)
    }

    /// Confirms a disposal by a rule that another person made: whoever asks looked for what went.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn confirm_disposal(
        self: &Arc<Self>,
        who: &Principal,
        disposal: &str,
        reference: &str,
    ) -> Result<(), ExecuteError> {
        let confirmed = DisposalConfirmed { disposal: disposal.to_owned(), reference: reference.to_owned() };
        self.execute(who, Command::ConfirmDisposal(confirmed)).await.map(drop)
    }

    /// What goes until `until` (milliseconds since the epoch) by the rules in force, soonest first, with what it is now and
    /// what keeps it. Days are known to the ledger from the day after on. Reads the columns of every payload file that may hold something of it.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn upcoming(self: &Arc<Self>, until: i64) -> Result<Vec<Upcoming>, ExecuteError> {
        let mut all = self.read(domain::State::expiring);
        all.retain(|one| one.expires_at <= until);
        let looked = self.look(&all).await?;
        let objects: Vec<String> = all.iter().filter_map(|one| one.item.object.clone()).collect();
        let sizes = self.blocking(move |engine| engine.sizes(objects)).await?;
        let upcoming = all.into_iter().map(|expiring| {
            let source =
                expiring.item.object.as_ref().and_then(|object| self.read(|state| state.object_source(object)));
            let day = expiring.item.day.clone().unwrap_or_default();
            let held = looked.days.get(&(expiring.item.class.clone(), day)).map_or(Held::default(), |(held, _)| *held);
            let mut held_by = looked.keeping(&expiring.item, &expiring.unless_clear);
            held_by.extend(expiring.held_by.clone());
            let cores = looked.cores.get(&(expiring.item.kind, expiring.item.day.clone().unwrap_or_default()));
            let (rows, bytes) = match (&expiring.item.object, cores) {
                (Some(object), _) => (None, sizes.get(object).copied().unwrap_or(0)),
                (None, Some(cores)) => (None, cores.bytes),
                (None, None) => (Some(held.rows), held.bytes),
            };
            Upcoming { expiring, source, rows, bytes, held_by }
        });
        Ok(upcoming.collect())
    }

    /// The bytes of the files that objects lie in.
    fn sizes(&self, objects: Vec<String>) -> BTreeMap<String, u64> {
        let size = |object: String| {
            let artifact = self.read(|state| state.artifacts.get(&object).map(|kept| kept.sha256.clone()));
            let kept = self.places.objects.open(artifact.as_ref().unwrap_or(&object)).ok()??;
            let bytes = kept.size().ok()?;
            Some((object, bytes))
        };
        objects.into_iter().filter_map(size).collect()
    }

    /// Disposes of what is due and not held, having finished what was begun before; returns the disposals that are done.
    ///
    /// # Errors
    /// A refusal when the clock leapt ahead; when a key, a file or the ledger cannot be written or read: what was done stays
    /// done, and the next time goes on.
    pub async fn dispose_due(self: &Arc<Self>) -> Result<Vec<String>, ExecuteError> {
        let _one = self.disposing.lock().await;
        if let Some(ClockLeap { from, to }) = self.blocking(|engine| engine.clock_leap()).await?? {
            let message = format!(
                "the clock leapt ahead by {} hours (from {from} to {to} milliseconds since the epoch), or the server was down for as \
                 long: nothing is disposed of until somebody looked and confirms that it is right, with `counterfoil retention \
                 clock --reference REFERENCE`",
                to.saturating_sub(from) / (60 * 60 * 1000)
            );
            tracing::error!("ALERT {message}");
            return Err(Refusal::new(RefusalCode::Conflict, message).into());
        }
        self.seal(true).await?;
        self.note_kept().await?;
        let now = Self::now_ms();
        let mut due = self.read(|state| state.due(now));
        // Policies from before records could go do not permit it.
        let cores = self.policies().decide(self.system(), "segments.dispose", "disposal/any");
        if let Err(refusal) = &cores
            && due.iter().any(|one| one.item.kind.is_core())
        {
            tracing::warn!(%refusal, "records are not disposed of: install policies that permit it");
            due.retain(|one| !one.item.kind.is_core());
        }
        let looked = self.look(&due).await?;
        for one in due {
            let keeping = looked.keeping(&one.item, &one.unless_clear);
            if !keeping.is_empty() {
                tracing::info!(item = ?one.item, holds = ?keeping, "what is due is held");
                continue;
            }
            let disposal = identity::identifier("x_");
            let begin = BeginDisposal { disposal, item: one.item, clear_of: one.unless_clear };
            match self.execute(self.system(), Command::BeginDisposal(begin)).await {
                // Somebody placed a hold meanwhile.
                Err(ExecuteError::Refused(refusal)) => tracing::info!(%refusal, "something is not disposed of"),
                other => drop(other?),
            }
        }
        self.carry_out_disposals().await
    }

    /// Says that the clock is right, although it leapt ahead: `reference` says where it is written down how that was found out.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn confirm_clock(self: &Arc<Self>, who: &Principal, reference: &str) -> Result<(), ExecuteError> {
        let confirm = ConfirmClock { reference: reference.to_owned() };
        self.execute(who, Command::ConfirmClock(confirm)).await.map(drop)
    }

    /// Runs [`Self::dispose_due`] when that was not done yet on this day.
    pub(crate) async fn dispose_daily(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let today = Self::now_ms().div_euclid(DAY_MS);
        if self.disposed_on.load(Ordering::Relaxed) == today {
            return Ok(());
        }
        // Policies from before there was retention do not permit it: they are asked without an event for each time.
        if let Err(refusal) = self.authorize(self.system(), "retention.keep", "payloads/any") {
            tracing::warn!(%refusal, "nothing is disposed of: install policies that permit it");
            self.disposed_on.store(today, Ordering::Relaxed);
            return Ok(());
        }
        let done = self.dispose_due().await?;
        self.disposed_on.store(today, Ordering::Relaxed);
        if !done.is_empty() {
            tracing::info!(disposals = done.len(), "what was due was disposed of");
        }
        Ok(())
    }

    /// Tells the ledger of the days of which there are keys. The key store is no part of it, and rules are about what the
    /// ledger knows.
    pub(crate) async fn note_kept(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let keys = self.blocking(|engine| engine.vault.inventory()).await?;
        let keys = keys.map_err(|e| ExecuteError::Unavailable(e.to_string()))?;
        let live = keys.into_iter().filter(|key| key.kind == KeyKind::Day && key.state == KeyState::Live);
        for key in live {
            let known = self.read(|state| state.kept.get(&key.class).is_some_and(|days| days.contains(&key.id)));
            if !known {
                let kept = RetentionKept { kind: Kind::sealed_in(&key.class), class: key.class, day: key.id };
                self.execute(self.system(), Command::KeepPayloads(kept)).await?;
            }
        }
        for (class, kind, days) in self.blocking(|engine| engine.days_of_cores()).await?? {
            for day in days {
                let kept = RetentionKept { kind, class: class.to_owned(), day };
                self.execute(self.system(), Command::KeepPayloads(kept)).await?;
            }
        }
        Ok(())
    }

    /// Whether a hold that was placed since a disposal began keeps what is left of it.
    fn is_kept_since(&self, disposing: &RetentionDisposing) -> bool {
        let hold = self.read(|state| state.kept_since(disposing));
        if let Some(hold) = &hold {
            tracing::warn!(disposal = disposing.disposal, hold, "a hold keeps what is left of a disposal: it waits");
        }
        hold.is_some()
    }

    /// Destroys something, unless a hold keeps it by now. To place one is a command, and this takes its turn among them: so
    /// none is placed between the look and the end of it.
    async fn unless_kept<T: Send + 'static>(
        self: &Arc<Self>,
        disposing: &RetentionDisposing,
        destroy: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<Option<T>, ExecuteError> {
        let _turn = self.turn.lock().await;
        match self.is_kept_since(disposing) {
            true => Ok(None),
            false => self.blocking(destroy).await.map(Some),
        }
    }

    /// Looks at what there is of items, and of whom.
    async fn look(self: &Arc<Self>, items: &[Expiring]) -> Result<Looked, ExecuteError> {
        let holds: BTreeMap<String, String> =
            self.read(|state| holds::live(state).map(|(id, hold)| (id.clone(), hold.placed.on.clone())).collect());
        let mut looked = Looked {
            days: BTreeMap::new(),
            served: BTreeMap::new(),
            about: BTreeMap::new(),
            cores: BTreeMap::new(),
            holds,
        };
        let cores = items.iter().filter(|one| one.item.kind.is_core());
        let cores: BTreeSet<CoreDay> =
            cores.map(|one| (one.item.kind, one.item.day.clone().unwrap_or_default())).collect();
        if !cores.is_empty() {
            let holds = looked.holds.clone();
            looked.cores = self.blocking(move |engine| engine.look_at_cores(&cores, &holds)).await??;
        }
        if items.iter().any(|one| one.item.object.is_some()) {
            let holds = looked.holds.clone();
            looked.about = self.blocking(move |engine| engine.held_objects(&holds)).await??;
        }
        let payloads = items.iter().filter(|one| one.item.kind == Kind::InferencePayload);
        let Some(from) = payloads.filter_map(|one| one.item.day.clone()).min() else { return Ok(looked) };
        let on = |kind: &'static str| {
            looked
                .holds
                .values()
                .filter_map(move |on| on.strip_prefix(kind))
                .map(str::to_owned)
                .collect::<BTreeSet<_>>()
        };
        let subjects =
            on("subject/").iter().filter_map(|hex| SubjectRef::from_hex(hex)).map(|subject| subject.0).collect();
        let services = on("service/");
        looked.days = self.payloads_by_day(&from, subjects).await?;
        if !services.is_empty() {
            looked.served = self.blocking(move |engine| engine.served(&services, &from)).await??;
        }
        Ok(looked)
    }

    /// The objects of data sets with rows about those who holds are on, by hold.
    pub(crate) fn held_objects(
        &self,
        holds: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, BTreeSet<String>>, ExecuteError> {
        let mut about = BTreeMap::new();
        for (hold, on) in holds {
            let Some(subject) = on.strip_prefix("subject/").and_then(SubjectRef::from_hex) else { continue };
            let versions = self.datasets_of(&subject)?;
            let objects = self.read(|state| {
                let known = versions.iter().filter_map(|(dataset, version)| state.dataset_version(dataset, version));
                known.map(|version| version.stored.object.clone()).collect()
            });
            about.insert(hold.clone(), objects);
        }
        Ok(about)
    }

    /// Classes and days of which services have records, among those that are stored under `from` or a later day.
    fn served(
        &self,
        services: &BTreeSet<String>,
        from: &str,
    ) -> Result<BTreeMap<String, BTreeSet<ClassDay>>, ExecuteError> {
        let mut served: BTreeMap<String, BTreeSet<ClassDay>> = BTreeMap::new();
        let mut note = |cores: Vec<InferenceCore>| {
            for core in cores {
                if let Some(service) = core.service.filter(|service| services.contains(service)) {
                    served.entry(service).or_default().insert((core.classification, core.day));
                }
            }
        };
        let unreadable =
            |path: &Path, why: &dyn std::fmt::Display| ExecuteError::Unavailable(format!("{}: {why}", path.display()));
        note(self.records.tail());
        let table = self.data_dir().join("records").join(InferenceCore::TABLE);
        for dir in names(&table).map_err(|e| unreadable(&table, &e))? {
            let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let day = name.strip_prefix(segment::SEGMENT_DAY).and_then(|rest| rest.strip_prefix('='));
            if day.is_none_or(|day| day < from) {
                continue;
            }
            for file in names(&dir).map_err(|e| unreadable(&dir, &e))? {
                note(segment::read_core(&file).map_err(|e| unreadable(&file, &e))?);
            }
        }
        Ok(served)
    }

    /// Carries out every disposal that is under way, and reports it.
    pub(crate) async fn carry_out_disposals(self: &Arc<Self>) -> Result<Vec<String>, ExecuteError> {
        let under_way: Vec<Disposal> = self.read(|state| state.under_way().cloned().collect());
        let (cores, others): (Vec<Disposal>, Vec<Disposal>) =
            under_way.into_iter().partition(|one| one.disposing.item.kind.is_core());
        let (objects, days) = others.into_iter().partition(|one| one.disposing.item.object.is_some());
        // What cannot be done of one kind does not keep the others.
        let (days, objects) = (self.dispose_of_days(days).await, self.dispose_of_objects(objects).await);
        let cores = self.dispose_of_cores(cores).await;
        Ok([days?, objects?, cores?].concat())
    }

    /// Destroys the key and the file of each object, looks for both again, and reports it.
    async fn dispose_of_objects(self: &Arc<Self>, under_way: Vec<Disposal>) -> Result<Vec<String>, ExecuteError> {
        if under_way.is_empty() {
            return Ok(Vec::new());
        }
        let items: Vec<Item> = under_way.iter().map(|one| one.disposing.item.clone()).collect();
        let found = self.blocking(move |engine| engine.files_of(&items)).await??;
        // A version ended with the entry that began its disposal: it is among what is decided to go.
        self.finish_objects().await?;
        let (mut files, mut went) = (BTreeSet::new(), Vec::new());
        for Disposal { disposing, .. } in under_way {
            let item = disposing.item.clone();
            let Some(there) = self.unless_kept(&disposing, move |engine| engine.scrap_item(&item)).await? else {
                continue;
            };
            if there? {
                files.extend(disposing.item.object.clone());
            }
            went.push(disposing);
        }
        let gone = self.destroyed(KeyKind::Object).await?;
        let mut done = Vec::new();
        for disposing in went {
            let object = disposing.item.object.clone().unwrap_or_default();
            // The key, and the file unless somebody who died removed it.
            let copies = 1 + u64::from(found.contains(&object));
            let left =
                u64::from(files.contains(&object)) + u64::from(!gone.contains(&(disposing.item.class.clone(), object)));
            done.push(self.report_disposal(disposing, Method::KeyDestroyed, copies, left).await?);
        }
        Ok(done)
    }

    /// The objects of which there is a file. Blocks.
    fn files_of(&self, items: &[Item]) -> Result<BTreeSet<String>, ExecuteError> {
        let mut found = BTreeSet::new();
        for object in items.iter().filter_map(|item| item.object.as_ref()) {
            let artifact = self.read(|state| state.artifacts.get(object).map(|kept| kept.sha256.clone()));
            let opened = self.places.objects.open(artifact.as_ref().unwrap_or(object));
            if opened.map_err(|e| ExecuteError::Unavailable(format!("object `{object}`: {e}")))?.is_some() {
                found.insert(object.clone());
            }
        }
        Ok(found)
    }

    /// Destroys an object; whether there is a file of it still. Blocks.
    fn scrap_item(&self, item: &Item) -> Result<bool, ExecuteError> {
        let Some(object) = &item.object else { return Ok(false) };
        let artifact = self.read(|state| state.artifacts.get(object).cloned());
        match artifact.filter(|_| item.kind == Kind::Artifact) {
            Some(artifact) => {
                self.scrap_artifact(&artifact.sha256, &item.class, object)?;
                self.lies_in(&artifact.sha256, object)
            }
            None => {
                self.scrap_object(&item.class, object)?;
                let opened = self.places.objects.open(object);
                Ok(opened.map_err(|e| ExecuteError::Unavailable(format!("object `{object}`: {e}")))?.is_some())
            }
        }
    }

    /// Says of a disposal that it is done, when nothing is left of it.
    async fn report_disposal(
        self: &Arc<Self>,
        disposing: RetentionDisposing,
        method: Method,
        copies: u64,
        left: u64,
    ) -> Result<String, ExecuteError> {
        let RetentionDisposing { disposal, item, due, .. } = disposing;
        if left > 0 {
            let message = format!("{left} copies of disposal `{disposal}` are still there");
            return Err(ExecuteError::Internal(message));
        }
        let named = disposal.clone();
        let disposed = RetentionDisposed { disposal: named, item, method, due, copies, copies_confirmed: copies };
        self.execute(self.system(), Command::ReportDisposal(disposed)).await?;
        Ok(disposal)
    }

    /// Destroys the key of each day, takes its rows out of the payload files, looks for both again, and reports it.
    async fn dispose_of_days(self: &Arc<Self>, under_way: Vec<Disposal>) -> Result<Vec<String>, ExecuteError> {
        let mut days: BTreeSet<ClassDay> = BTreeSet::new();
        let mut went = Vec::new();
        for Disposal { disposing, .. } in under_way {
            let Some(day) = disposing.item.day.clone() else { continue };
            if self.destroy_day(&disposing, &day).await? {
                if disposing.item.kind == Kind::LineageEvent {
                    let day = day.clone();
                    self.blocking(move |engine| engine.drop_reports(&day)).await??;
                }
                days.insert((disposing.item.class.clone(), day));
                went.push(disposing);
            }
        }
        let Some(from) = days.iter().map(|(_, day)| day.clone()).min() else { return Ok(Vec::new()) };
        let before = self.payloads_by_day(&from, BTreeSet::new()).await?;
        // What came late of days that went before goes too: a call that a crash cut off is sealed by the next start.
        let mut doomed: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        self.read(|state| {
            let before = state.disposals.iter().filter(|(_, known)| known.disposed.is_some());
            let before = before.map(|(id, known)| (id, &known.disposing.item));
            for (id, item) in before.chain(went.iter().map(|disposing| (&disposing.disposal, &disposing.item))) {
                let days = doomed.entry(item.class.clone()).or_default();
                days.extend(item.day.clone().map(|day| (day, format!("disposal/{id}"))));
            }
        });
        self.drop_rows(&from, Doomed::Days(doomed)).await?;
        let after = self.payloads_by_day(&from, BTreeSet::new()).await?;
        let gone = self.destroyed(KeyKind::Day).await?;
        let mut done = Vec::new();
        for disposing in went {
            let Some(day) = disposing.item.day.clone() else { continue };
            let key = (disposing.item.class.clone(), day);
            let files = |held: &BTreeMap<ClassDay, (Held, _)>| held.get(&key).map_or(0, |(held, _)| held.files);
            let (copies, left) = (1 + files(&before), files(&after) + u64::from(!gone.contains(&key)));
            done.push(self.report_disposal(disposing, Method::KeyDestroyed, copies, left).await?);
        }
        Ok(done)
    }

    /// Whether the key of a day was destroyed: a hold that was placed since keeps it.
    async fn destroy_day(self: &Arc<Self>, disposing: &RetentionDisposing, day: &str) -> Result<bool, ExecuteError> {
        let (class, day) = (disposing.item.class.clone(), day.to_owned());
        let now = u64::try_from(Self::now_ms()).unwrap_or(0);
        let destroy = move |engine: &Self| {
            engine.check_not_stopped()?;
            let destroyed = engine.vault.destroy_day(&class, &day, now).map(drop);
            destroyed.map_err(|e| ExecuteError::Unavailable(format!("the key of a day was not destroyed: {e}")))
        };
        match self.unless_kept(disposing, destroy).await? {
            Some(destroyed) => destroyed.map(|()| true),
            None => Ok(false),
        }
    }

    /// The classes and units of a kind of keys that the key store says were destroyed.
    async fn destroyed(self: &Arc<Self>, kind: KeyKind) -> Result<BTreeSet<(String, String)>, ExecuteError> {
        let keys = self.blocking(|engine| engine.vault.inventory()).await?;
        let keys = keys.map_err(|e| ExecuteError::Unavailable(e.to_string()))?;
        let gone = keys.into_iter().filter(|key| key.kind == kind && key.state != KeyState::Live);
        Ok(gone.map(|key| (key.class, key.id)).collect())
    }
}

/// What is in a directory; nothing when there is none.
fn names(dir: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let read = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    read.map(|entry| entry.map(|entry| entry.path())).collect()
}
