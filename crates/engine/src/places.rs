//! Where encrypted objects are kept: in files of the data directory, or in an ordinary bucket. What lay in the directory
//! before there was a bucket stays there, is read there, and goes from there.
//!
//! A bucket is put to the test at each start and once a day: whether what is deleted is gone. Nothing is stored in it until
//! it passed. One that is not the bucket that this ledger's objects lie in is found out by the objects that it lacks.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::Command;
use domain::infrastructure::{ObjectsProbed, PlaceOutcome, Versioning};
use store::objects::bucket::{InBucket, OrdinaryBucket, Unfit};
use store::objects::{self, Directory, Incoming, Object, Objects};
use store::s3::{self, BucketOptions};

use crate::artifacts::DOCUMENTS;
use crate::{Engine, ExecuteError, OpenError, identity};

/// How often it is looked whether something is to be done about objects.
pub(crate) const OBJECTS_EVERY: Duration = Duration::from_secs(60);

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Names of objects that a message lists.
const NAMED: usize = 3;

/// How the bucket of objects stands.
#[derive(Clone, Debug)]
pub struct ObjectsStanding {
    /// Where it is: server, bucket and prefix.
    pub bucket: String,
    /// Whether it keeps versions, as far as was asked since the start.
    pub versioning: Option<Versioning>,
    /// When it last passed the test since the start, in milliseconds since the epoch.
    pub tried_at: Option<i64>,
    /// Why nothing is stored there at the moment; it is tried again.
    pub trouble: Option<String>,
}

/// The two places, and the bucket if they are in one.
pub(crate) struct Places {
    pub objects: Box<dyn Objects>,
    /// Documents lie apart from all else.
    pub documents: Box<dyn Objects>,
    bucket: Option<Ordinary>,
}

/// The bucket as the engine has it.
struct Ordinary {
    bucket: Arc<OrdinaryBucket>,
    passed: Arc<AtomicBool>,
    stand: Mutex<Stand>,
}

#[derive(Clone, Default)]
struct Stand {
    tried: Option<(i64, Versioning)>,
    trouble: Option<String>,
}

/// Objects in a bucket, and those that lay in a directory before.
struct Moved {
    bucket: InBucket,
    before: Directory,
    passed: Arc<AtomicBool>,
}

impl Objects for Moved {
    fn begin(&self, name: &str) -> io::Result<Incoming> {
        match self.passed.load(Ordering::Acquire) {
            true => self.bucket.begin(name),
            false => {
                Err(io::Error::other("the bucket of objects has not passed its test: see `counterfoil objects status`"))
            }
        }
    }

    fn open(&self, name: &str) -> io::Result<Option<Box<dyn Object>>> {
        match self.before.open(name)? {
            Some(object) => Ok(Some(object)),
            None => self.bucket.open(name),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.before.remove(name)?;
        self.bucket.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = [self.before.list()?, self.bucket.list()?].concat();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

impl Places {
    pub(crate) fn open(options: Option<&BucketOptions>, dir: &Path) -> Result<Self, OpenError> {
        let [objects, documents] = [dir.join("objects"), dir.join("objects").join(DOCUMENTS)].map(Directory);
        let Some(options) = options else {
            return Ok(Self { objects: Box::new(objects), documents: Box::new(documents), bucket: None });
        };
        let bucket = OrdinaryBucket::new(options);
        let bucket = bucket.map_err(|why| OpenError::Keys { what: "the bucket of objects", why })?;
        let passed = Arc::new(AtomicBool::new(false));
        let place = |below: &str, before| -> Box<dyn Objects> {
            Box::new(Moved { bucket: InBucket::new(&bucket, below), before, passed: Arc::clone(&passed) })
        };
        let (objects, documents) = (place("objects/", objects), place(&format!("objects/{DOCUMENTS}/"), documents));
        let bucket = Some(Ordinary { bucket: Arc::clone(&bucket), passed, stand: Mutex::default() });
        Ok(Self { objects, documents, bucket })
    }

    /// What the bucket of objects is called as a store, if they are in one.
    pub(crate) fn store(&self) -> Option<String> {
        self.bucket.as_ref().map(|ordinary| format!("objects/{}", ordinary.bucket.place()))
    }

    /// Gives up uploads that nobody goes on with.
    pub(crate) fn clear_uploads(&self) -> io::Result<()> {
        self.bucket.as_ref().map_or(Ok(()), |ordinary| Ok(ordinary.bucket.clear_uploads()?))
    }
}

impl Ordinary {
    fn stand<R>(&self, change: impl FnOnce(&mut Stand) -> R) -> R {
        change(&mut self.stand.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Engine {
    /// How the bucket of objects stands; none when the settings name none.
    pub fn objects_standing(&self) -> Option<ObjectsStanding> {
        let ordinary = self.places.bucket.as_ref()?;
        let Stand { tried, trouble } = ordinary.stand(|stand| stand.clone());
        let (tried_at, versioning) = tried.unzip();
        Some(ObjectsStanding { bucket: ordinary.bucket.place(), versioning, tried_at, trouble })
    }

    /// Puts the bucket of objects to the test now.
    ///
    /// # Errors
    /// When the ledger cannot be written. What came of the test is in [`Engine::objects_standing`].
    pub async fn try_objects(self: &Arc<Self>) -> Result<(), ExecuteError> {
        self.try_bucket().await.map(drop)
    }

    /// Says what somebody has to change, if that is so.
    async fn try_bucket(self: &Arc<Self>) -> Result<Option<String>, ExecuteError> {
        let Some(ordinary) = &self.places.bucket else { return Ok(None) };
        let (bucket, owner) = (Arc::clone(&ordinary.bucket), self.log.origin().to_owned());
        let trial = identity::identifier("t_");
        let found = self.blocking(move |_| bucket.try_out(&owner, &trial)).await?;
        let (place, now) = (ordinary.bucket.place(), Self::now_ms());
        let (outcome, versioning, wrong) = match found {
            Ok(versioning) => {
                let versioning = match versioning {
                    s3::Versioning::Never => Versioning::Never,
                    s3::Versioning::Enabled => Versioning::Enabled,
                    s3::Versioning::Suspended => Versioning::Suspended,
                };
                ordinary.stand(|stand| *stand = Stand { tried: Some((now, versioning)), trouble: None });
                ordinary.passed.store(true, Ordering::Release);
                (PlaceOutcome::Erasable, Some(versioning), None)
            }
            Err(unfit) => {
                let why = unfit.to_string();
                if ordinary.stand(|stand| stand.trouble.replace(why.clone())).as_ref() != Some(&why) {
                    tracing::error!(bucket = place, why, "ALERT: the bucket of objects did not pass its test");
                }
                // What is away takes nothing by itself, and what passed before is no worse for having been away.
                let Unfit::Wrong(why) = unfit else { return Ok(None) };
                ordinary.passed.store(false, Ordering::Release);
                (PlaceOutcome::Unfit, None, Some(why))
            }
        };
        self.report_objects(ObjectsProbed { bucket: place, outcome, versioning }).await?;
        Ok(wrong)
    }

    async fn report_objects(self: &Arc<Self>, probed: ObjectsProbed) -> Result<(), ExecuteError> {
        if self.read(|state| state.objects_in.as_ref() == Some(&probed)) {
            return Ok(());
        }
        // Policies from before there was a bucket are asked without an event for each time.
        if let Err(refusal) = self.authorize(self.system(), "objects.probe.report", "ledger") {
            tracing::warn!(%refusal, "the bucket of objects is not reported to the ledger: permit it to the role `system`");
            return Ok(());
        }
        self.execute(self.system(), Command::ReportObjects(probed)).await.map(drop)
    }

    /// At a start: puts the bucket to the test, and looks whether objects lie where the settings say, when those say
    /// otherwise than the ledger.
    pub(crate) async fn open_places(self: &Arc<Self>) -> Result<(), OpenError> {
        let unfit = |why: String| OpenError::Keys { what: "the bucket of objects", why };
        let here = self.places.bucket.as_ref().map(|ordinary| ordinary.bucket.place()).unwrap_or_default();
        // Before the bucket is reported as theirs.
        let last = self.read(|state| state.objects_in.as_ref().map(|known| known.bucket.clone()));
        if let Some(last) = last.filter(|last| *last != here) {
            let missing = self.blocking(Self::missing_objects).await?.map_err(|e| unfit(e.to_string()))?;
            if !missing.is_empty() {
                let (n, some) = (missing.len(), missing[..missing.len().min(NAMED)].join("`, `"));
                let place = if here.is_empty() { "the data directory".to_owned() } else { format!("`{here}`") };
                return Err(unfit(format!(
                    "{n} objects of this ledger are not in {place}, such as `{some}`; they were last kept in `{last}`: name \
                     that bucket in `[objects]`, or copy what is below its `objects/` over first"
                )));
            }
        }
        match self.try_bucket().await? {
            Some(why) => Err(unfit(why)),
            None => Ok(()),
        }
    }

    /// The objects that the ledger speaks of and that are not there.
    fn missing_objects(&self) -> io::Result<Vec<String>> {
        let (names, documents): (Vec<String>, Vec<String>) = self.read(|state| {
            let artifacts = state.artifacts.values().map(|kept| kept.sha256.as_str());
            let names = state.spoken_of().chain(artifacts).map(str::to_owned).collect();
            (names, state.documents.values().map(|document| document.published.sha256.clone()).collect())
        });
        let mut missing = Vec::new();
        for name in documents {
            // One that is in force since before documents lay apart is with the other objects.
            if self.places.documents.open(&name)?.is_none() && self.places.objects.open(&name)?.is_none() {
                missing.push(name);
            }
        }
        for name in names {
            if self.places.objects.open(&name)?.is_none() {
                missing.push(name);
            }
        }
        Ok(missing)
    }

    /// Puts the bucket to the test where that is due, and looks through all objects once a day.
    pub(crate) async fn tend_objects(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let now = Self::now_ms();
        if let Some(ordinary) = &self.places.bucket {
            let due = |stand: &Stand| stand.trouble.is_some() || stand.tried.is_none_or(|(at, _)| now - at >= DAY_MS);
            if ordinary.stand(|stand| due(stand)) {
                self.try_objects().await?;
            }
            if ordinary.stand(|stand| stand.trouble.is_some()) {
                return Ok(());
            }
        }
        let today = now.div_euclid(DAY_MS);
        if self.tidied_on.load(Ordering::Relaxed) != today {
            self.blocking(|engine| engine.tidy_objects()).await??;
            self.tidied_on.store(today, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Removes files that were being written when the process ended.
    pub(crate) fn clear_incoming(&self) -> io::Result<()> {
        objects::clear_incoming(&self.objects_dir())?;
        objects::clear_incoming(&self.objects_dir().join(DOCUMENTS))
    }
}
