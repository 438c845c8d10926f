//! Copies in a write-once bucket, for what must not change: full tiles and bundles of the ledger, core files of sealed
//! segments, and a checkpoint each hour.
//!
//! What is to be copied follows from the entries of the ledger, in their order, so how far the copies have come is one
//! number, which the ledger itself keeps. Everything can be done again: objects are created and never replaced, and one
//! that is there already must have the same bytes. What is reported is what the bucket says after an object was stored,
//! not what was asked for. Whether its locks hold is tried out on objects that are made for that, and what was stored is
//! looked at again and again, a part at a time.
//!
//! Nothing waits for the bucket: while it is away, sealing goes on, and the copies lag behind.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::infrastructure::{ArchiveLocked, ArchiveProbed, LockMode, LockedObject, ProbeOutcome};
use domain::serving::SegmentFile;
use domain::{Command, Entry, Event, RefusalCode};
use merkle::TilePath;
use sha2::{Digest, Sha256};
use store::s3::{Bucket, BucketError, BucketOptions, Deletion, Lock, Put};

use crate::{Engine, ExecuteError, OpenError};

/// How often it is looked whether there is something to copy.
pub(crate) const ARCHIVE_EVERY: Duration = Duration::from_secs(5);

/// How often a checkpoint is copied.
const CHECKPOINT_EVERY_MS: i64 = 60 * 60 * 1000;

/// How often it is tried whether locks hold.
const PROBE_EVERY_MS: i64 = DAY_MS;

/// How often a part of what was stored is looked at.
const CHECK_EVERY_MS: i64 = 10 * 60 * 1000;

/// Entries that are read at once.
const SCAN: u64 = 1024;

/// A batch is reported when it has so many objects; the files of one entry, at most ten, stay together.
const BATCH: usize = 48;

/// Objects that are looked at in one go.
const CHECKS: usize = 64;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Which bucket, and how its objects are locked.
#[derive(Clone, Debug)]
pub struct ArchiveOptions {
    /// The bucket.
    pub bucket: BucketOptions,
    /// Who could lift a lock.
    pub mode: LockMode,
    /// For how many days; for the organisation's retention term when 0.
    pub lock_days: u32,
}

/// How the copies stand.
#[derive(Clone, Debug)]
pub struct ArchiveStanding {
    /// The bucket.
    pub bucket: String,
    /// The mode of its locks.
    pub mode: LockMode,
    /// All files that entries below this number speak of are there.
    pub through: u64,
    /// Entries of the ledger that were not looked at yet.
    pub lag: u64,
    /// What was copied since the start: objects.
    pub copied: u64,
    /// Until when the newest of them is locked, in milliseconds since the epoch.
    pub locked_until: Option<i64>,
    /// Why nothing can be copied at the moment; it is tried again.
    pub trouble: Option<String>,
    /// Why nothing is copied any more, until somebody looks into it.
    pub stopped: Option<String>,
    /// When it was last tried whether locks hold since the start, and what came of it.
    pub probed: Option<(i64, ProbeOutcome)>,
}

impl ArchiveStanding {
    /// Whether copies are made, and locks were found to hold.
    pub fn is_well(&self) -> bool {
        let held = self.probed.is_none_or(|(_, outcome)| outcome == ProbeOutcome::Held);
        self.trouble.is_none() && self.stopped.is_none() && held
    }
}

/// The bucket as the engine has it.
pub(crate) struct Archive {
    bucket: Bucket,
    /// What the ledger calls it: another server's bucket may have the same name, and has no copies yet.
    place: String,
    options: ArchiveOptions,
    /// One pass at a time.
    turn: tokio::sync::Mutex<Turn>,
    stand: Mutex<Stand>,
}

/// What one pass leaves to the next; all of it can be found out again.
#[derive(Default)]
struct Turn {
    through: u64,
    checkpoint: Option<(i64, String)>,
    probed_at: Option<i64>,
    checked_at: i64,
    /// The entry from which on copies are to be looked at.
    checked: u64,
    /// What was found wrong and told already.
    told: BTreeSet<String>,
}

#[derive(Clone, Default)]
struct Stand {
    through: u64,
    copied: u64,
    locked_until: Option<i64>,
    trouble: Option<String>,
    stopped: Option<String>,
    probed: Option<(i64, ProbeOutcome)>,
}

/// Why a pass ended early.
enum Trouble {
    /// It may be over at the next pass.
    Passing(String),
    /// An object is not as it should be.
    Wrong(String, ProbeOutcome, String),
    /// Something else that somebody has to look into.
    Lasting(String),
    Ledger(ExecuteError),
}

impl From<BucketError> for Trouble {
    fn from(error: BucketError) -> Self {
        Self::Passing(error.to_string())
    }
}

impl From<ExecuteError> for Trouble {
    fn from(error: ExecuteError) -> Self {
        Self::Ledger(error)
    }
}

/// A file to be copied.
enum File {
    Tile(TilePath),
    Core(SegmentFile),
}

struct Due {
    files: Vec<File>,
    through: u64,
}

impl Archive {
    pub(crate) fn open(options: &ArchiveOptions) -> Result<Self, OpenError> {
        let bucket = Bucket::new(&options.bucket);
        let bucket = bucket.map_err(|why| OpenError::Keys { what: "the write-once bucket", why })?;
        let place = bucket.place();
        Ok(Self { bucket, place, options: options.clone(), turn: Default::default(), stand: Mutex::default() })
    }

    fn stand<R>(&self, change: impl FnOnce(&mut Stand) -> R) -> R {
        change(&mut self.stand.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock(&self, until_ms: i64) -> Lock {
        Lock { mode: self.options.mode.as_str().to_owned(), until_ms }
    }

    /// Stores an object, or finds it stored, and says what the bucket says of it.
    async fn keep(&self, name: String, bytes: Vec<u8>, until_ms: i64) -> Result<LockedObject, Trouble> {
        let (sha256, len): ([u8; 32], _) = (Sha256::digest(&bytes).into(), bytes.len());
        let put = self.bucket.create(&name, bytes, sha256, &self.lock(until_ms)).await?;
        let wrong = |outcome, why: &str| Trouble::Wrong(name.clone(), outcome, why.to_owned());
        let head = self.bucket.head(&name, None).await?;
        let head = head.ok_or_else(|| wrong(ProbeOutcome::Missing, "it was stored and is not there"))?;
        // Also what was created now may lie under something newer by the time it is looked at.
        if head.sha256 != Some(sha256) && (put == Put::Exists || head.sha256.is_some()) {
            let same = match head.bytes.is_none_or(|there| there == len as u64) {
                true => self.bucket.get(&name, len).await?.is_some_and(|there| Sha256::digest(&there)[..] == sha256),
                false => false,
            };
            if !same {
                return Err(wrong(ProbeOutcome::Differs, "other bytes lie under its name than the ledger says"));
            }
        }
        let lock = head.lock.filter(|lock| lock.mode == self.options.mode.as_str());
        let (Some(version), Some(lock)) = (head.version, lock) else {
            let why = "the bucket does not say that it is locked as was asked: make a bucket with object lock";
            return Err(wrong(ProbeOutcome::Unlocked, why));
        };
        Ok(LockedObject {
            object: name,
            sha256: merkle::hex(&sha256),
            bytes: len as u64,
            version,
            until: lock.until_ms,
        })
    }

    /// Tries to delete an object that is made for that: where locks do not hold, nothing is lost.
    async fn probe(&self, now: i64) -> Result<(String, ProbeOutcome), Trouble> {
        let name = format!("probes/{now}");
        let made = self.keep(name.clone(), b"this object tells whether locks hold\n".to_vec(), now + DAY_MS).await;
        let made = match made {
            Err(Trouble::Wrong(_, outcome, _)) => return Ok((name, outcome)),
            made => made?,
        };
        let deletion = self.bucket.delete_version(&name, &made.version).await?;
        let outcome = match (deletion, self.bucket.head(&name, Some(&made.version)).await) {
            // Where what there is may not be listed, a server does not say that something is gone.
            (_, Ok(None)) | (Deletion::Done, Err(_)) => ProbeOutcome::Deletable,
            (_, Ok(Some(_))) => ProbeOutcome::Held,
            (Deletion::Refused, Err(error)) => return Err(error.into()),
        };
        Ok((name, outcome))
    }

    /// How an object that was stored is now.
    async fn look_at(&self, object: &LockedObject) -> Result<ProbeOutcome, Trouble> {
        let (name, version) = (&object.object, Some(object.version.as_str()));
        let newest = self.bucket.head(name, None).await?.filter(|head| head.version.as_deref() == version);
        let Some(head) = newest else {
            return Ok(match self.bucket.head(name, version).await? {
                Some(_) => ProbeOutcome::Hidden,
                None => ProbeOutcome::Missing,
            });
        };
        let locked = head
            .lock
            .is_some_and(|lock| lock.mode == self.options.mode.as_str() && lock.until_ms / 1000 >= object.until / 1000);
        Ok(match head.sha256.is_none_or(|sha256| merkle::hex(&sha256) == object.sha256) {
            false => ProbeOutcome::Differs,
            true if locked => ProbeOutcome::Held,
            true => ProbeOutcome::Unlocked,
        })
    }
}

impl Engine {
    /// How the copies in the write-once bucket stand; none when the settings name no bucket.
    pub fn archive_standing(&self) -> Option<ArchiveStanding> {
        let archive = self.archive.as_ref()?;
        let stand = archive.stand(|stand| stand.clone());
        let told = self.read(|state| state.archives.get(&archive.place).copied().unwrap_or_default());
        let through = stand.through.max(told);
        Some(ArchiveStanding {
            bucket: archive.bucket.name().to_owned(),
            mode: archive.options.mode,
            through,
            lag: self.log.size().saturating_sub(through),
            copied: stand.copied,
            locked_until: stand.locked_until,
            trouble: stand.trouble,
            stopped: stand.stopped,
            probed: stand.probed,
        })
    }

    /// Copies what is to be copied and looks at the bucket now, also when copying had stopped.
    ///
    /// # Errors
    /// When the ledger cannot be written. What the bucket did is in [`Engine::archive_standing`].
    pub async fn archive_now(self: &Arc<Self>) -> Result<(), ExecuteError> {
        self.pass_archive(true).await
    }

    pub(crate) async fn tend_archive(self: &Arc<Self>) -> Result<(), ExecuteError> {
        self.pass_archive(false).await
    }

    async fn pass_archive(self: &Arc<Self>, asked: bool) -> Result<(), ExecuteError> {
        let Some(archive) = &self.archive else { return Ok(()) };
        let mut turn = archive.turn.lock().await;
        if asked {
            archive.stand(|stand| stand.stopped = None);
            let (through, checkpoint) = (turn.through, turn.checkpoint.take().map(|(_, name)| (0, name)));
            *turn = Turn { through, checkpoint, ..Turn::default() };
        } else if archive.stand(|stand| stand.stopped.is_some()) {
            return Ok(());
        }
        let bucket = archive.place.as_str();
        let stop = |why: String| {
            tracing::error!(
                bucket,
                why,
                "ALERT: copying to the write-once bucket has stopped: look into it, then run `counterfoil ledger archive run`"
            );
            archive.stand(|stand| stand.stopped = Some(why));
        };
        match self.work_archive(archive, &mut turn).await {
            Ok(()) => {
                if archive.stand(|stand| stand.trouble.take()).is_some() {
                    tracing::info!(bucket, "files are copied to the write-once bucket again");
                }
                Ok(())
            }
            Err(Trouble::Passing(why)) => {
                if archive.stand(|stand| stand.trouble.replace(why.clone())).is_none() {
                    tracing::error!(
                        bucket,
                        why,
                        "ALERT: nothing can be copied to the write-once bucket; it is tried again, and all else goes on"
                    );
                }
                Ok(())
            }
            Err(Trouble::Wrong(object, outcome, why)) => {
                stop(format!("`{object}`: {why}"));
                self.report_probe(bucket, object, outcome).await
            }
            Err(Trouble::Lasting(why)) => {
                stop(why);
                Ok(())
            }
            // Policies from before there were copies: asking again and again would fill the ledger with refusals.
            Err(Trouble::Ledger(ExecuteError::Refused(refusal))) if refusal.code == RefusalCode::Forbidden => {
                stop(format!(
                    "{refusal}: permit `archive.lock.report` and `archive.probe.report` to the role `system`"
                ));
                Ok(())
            }
            Err(Trouble::Ledger(error)) => Err(error),
        }
    }

    async fn work_archive(self: &Arc<Self>, archive: &Archive, turn: &mut Turn) -> Result<(), Trouble> {
        let now = Self::now_ms();
        let bucket = archive.place.as_str();
        if turn.probed_at.is_none_or(|at| now - at >= PROBE_EVERY_MS) {
            let (object, outcome) = archive.probe(now).await?;
            if outcome != ProbeOutcome::Held {
                tracing::error!(bucket, object, ?outcome, "ALERT: locks of the write-once bucket do not hold");
            }
            self.report_probe(bucket, object, outcome).await?;
            archive.stand(|stand| stand.probed = Some((now, outcome)));
            turn.probed_at = Some(now);
        }
        let known = self.read(|state| state.archives.get(bucket).copied().unwrap_or_default());
        turn.through = turn.through.max(known);
        let size = self.log.size();
        while turn.through < size {
            let from = turn.through;
            let due = self.blocking(move |engine| engine.due_for_archive(from)).await?;
            let due = due.map_err(Trouble::Lasting)?;
            let mut objects = Vec::with_capacity(due.files.len());
            for file in due.files {
                let read = self.blocking(move |engine| engine.read_for_archive(&file)).await?;
                let (name, bytes) = read.map_err(Trouble::Lasting)?;
                objects.push(archive.keep(name, bytes, self.lock_until(archive)).await?);
            }
            self.report_locked(archive, due.through, objects).await?;
            turn.through = due.through;
            archive.stand(|stand| stand.through = due.through);
        }
        self.archive_checkpoint(archive, turn, now).await?;
        if now - turn.checked_at >= CHECK_EVERY_MS {
            self.check_archive(archive, turn, now).await?;
            turn.checked_at = now;
        }
        Ok(())
    }

    /// A day longer than it must be, so that clocks that differ leave nothing too short.
    fn lock_until(&self, archive: &Archive) -> i64 {
        let days = match archive.options.lock_days {
            0 => self.org().retention_days,
            days => days,
        };
        Self::now_ms().saturating_add((i64::from(days) + 1).saturating_mul(DAY_MS))
    }

    /// What the entries from `from` on speak of, up to a batch.
    fn due_for_archive(&self, from: u64) -> Result<Due, String> {
        let end = self.log.size().min(from.saturating_add(SCAN));
        let (mut due, mut failed) = (Due { files: Vec::new(), through: from }, None);
        let went = self.went_since(from)?;
        let mut each = |seq: u64, bytes: &[u8]| {
            if due.files.len() >= BATCH || failed.is_some() {
                return;
            }
            match Entry::decode(bytes).map(|entry| entry.event) {
                // One whose records went before they were copied has nothing to copy.
                Ok(Event::SegmentSealed(sealed) | Event::AccessesSealed(sealed))
                    if !went.contains(&sealed.core.path) =>
                {
                    due.files.push(File::Core(sealed.core))
                }
                Ok(_) => {}
                Err(error) => failed = Some(format!("entry {seq}: {error}")),
            }
            due.files.extend(merkle::completed_by(seq).into_iter().map(File::Tile));
            due.through = seq + 1;
        };
        self.log.for_each_entry(from..end, &mut each).map_err(|e| e.to_string())?;
        failed.map_or(Ok(due), Err)
    }

    /// Files of records that entries from `from` on say went. Their seals, if they are not copied yet, are after it too.
    fn went_since(&self, from: u64) -> Result<BTreeSet<String>, String> {
        let mut went = BTreeSet::new();
        // Most of the time everything was copied long before it goes, and there is little to read.
        let under_rule = self.read(|state| state.disposals.values().any(|one| one.disposing.item.kind.is_core()));
        if !under_rule {
            return Ok(went);
        }
        let mut each = |_: u64, bytes: &[u8]| {
            if let Ok(Event::SegmentsDisposed(body)) = Entry::decode(bytes).map(|entry| entry.event) {
                went.extend(body.segments.into_iter().map(|segment| segment.core.path));
            }
        };
        self.log.for_each_entry(from..self.log.size(), &mut each).map_err(|e| e.to_string())?;
        Ok(went)
    }

    /// The name and the bytes of a file, which must be those that the ledger speaks of.
    fn read_for_archive(&self, file: &File) -> Result<(String, Vec<u8>), String> {
        match file {
            File::Tile(tile) => {
                let bytes = self.log.tile(tile).map_err(|e| e.to_string())?;
                Ok((format!("ledger/{tile}"), bytes.ok_or_else(|| format!("the ledger has no `{tile}`"))?))
            }
            File::Core(core) => {
                let (name, path) = (format!("records/{}", core.path), self.data_dir().join("records").join(&core.path));
                let bytes = std::fs::read(&path).map_err(|e| format!("`{}`: {e}", path.display()))?;
                match merkle::hex(&Sha256::digest(&bytes)) == core.sha256 {
                    true => Ok((name, bytes)),
                    false => Err(format!("`{}` is not what the ledger says: it was altered", path.display())),
                }
            }
        }
    }

    async fn report_locked(
        self: &Arc<Self>,
        archive: &Archive,
        through: u64,
        objects: Vec<LockedObject>,
    ) -> Result<(), Trouble> {
        let Some(newest) = objects.last() else { return Ok(()) };
        let (copied, until) = (objects.len() as u64, newest.until);
        let (bucket, mode) = (archive.place.clone(), archive.options.mode);
        let locked = ArchiveLocked { bucket, mode, through, objects };
        self.execute(self.system(), Command::ReportLocked(locked)).await?;
        archive.stand(|stand| {
            stand.copied += copied;
            stand.locked_until = Some(until);
        });
        Ok(())
    }

    async fn report_probe(
        self: &Arc<Self>,
        bucket: &str,
        object: String,
        outcome: ProbeOutcome,
    ) -> Result<(), ExecuteError> {
        let probed = ArchiveProbed { bucket: bucket.to_owned(), object, outcome };
        self.execute(self.system(), Command::ReportProbed(probed)).await.map(drop)
    }

    /// The newest checkpoint, unless one was copied within the hour. Its name says its size and its bytes, since one tree
    /// can be signed by ever more witnesses.
    async fn archive_checkpoint(self: &Arc<Self>, archive: &Archive, turn: &mut Turn, now: i64) -> Result<(), Trouble> {
        if turn.checkpoint.as_ref().is_some_and(|(at, _)| now - at < CHECKPOINT_EVERY_MS) {
            return Ok(());
        }
        let Some(note) = self.log.latest_checkpoint() else { return Ok(()) };
        let size = note.lines().nth(1).unwrap_or("0");
        let digest = merkle::hex(&Sha256::digest(note.as_bytes()));
        let name = format!("checkpoints/{size:0>20}-{}", digest.get(..16).unwrap_or_default());
        if turn.checkpoint.as_ref().is_none_or(|(_, last)| *last != name) {
            let kept = archive.keep(name.clone(), note.into_bytes(), self.lock_until(archive)).await?;
            self.report_locked(archive, turn.through, vec![kept]).await?;
        }
        turn.checkpoint = Some((now, name));
        Ok(())
    }

    /// Looks at a part of what was stored; after all of it, at the first again.
    async fn check_archive(self: &Arc<Self>, archive: &Archive, turn: &mut Turn, now: i64) -> Result<(), Trouble> {
        let (bucket, from) = (archive.place.clone(), turn.checked);
        let stored = self.blocking(move |engine| engine.stored_in(&bucket, from)).await?;
        let (objects, next) = stored.map_err(Trouble::Lasting)?;
        // What is over may be deleted.
        for object in objects.iter().filter(|object| object.until > now) {
            let outcome = archive.look_at(object).await?;
            let told = format!("{outcome:?} {}", object.object);
            if outcome != ProbeOutcome::Held && turn.told.insert(told) {
                let (bucket, name) = (archive.place.as_str(), object.object.clone());
                tracing::error!(
                    bucket,
                    object = name,
                    ?outcome,
                    "ALERT: a copy in the write-once bucket is not as it was stored"
                );
                self.report_probe(bucket, name, outcome).await?;
            }
        }
        turn.checked = next;
        Ok(())
    }

    /// What entries from `from` on say was stored in a bucket, up to about [`CHECKS`] objects, and where to go on.
    fn stored_in(&self, bucket: &str, from: u64) -> Result<(Vec<LockedObject>, u64), String> {
        let size = self.log.size();
        let (mut found, mut next) = (Vec::new(), from);
        while found.len() < CHECKS && next < size {
            let range = next..size.min(next.saturating_add(SCAN));
            let mut each = |seq: u64, bytes: &[u8]| {
                if found.len() >= CHECKS {
                    return;
                }
                if let Ok(Event::ArchiveLocked(locked)) = Entry::decode(bytes).map(|entry| entry.event)
                    && locked.bucket == bucket
                {
                    found.extend(locked.objects);
                }
                next = seq + 1;
            };
            self.log.for_each_entry(range, &mut each).map_err(|e| e.to_string())?;
        }
        Ok((found, if next >= size { 0 } else { next }))
    }
}
