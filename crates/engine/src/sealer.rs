//! The thread that seals segments, one for each kind of record. Each seal takes tens of megabytes for a moment; on a
//! thread of its own they are used again by the next, while threads of the runtime's pool would each keep theirs.

use std::marker::PhantomData;
use std::sync::{Arc, Weak, mpsc};

use domain::Record;
use domain::serving::SegmentSealed;
use ledger::records::{RecordError, RecordLog};
use tokio::sync::oneshot;

use crate::Engine;

type Sealed = Result<Option<SegmentSealed>, RecordError>;

struct Job {
    force: bool,
    answer: oneshot::Sender<Sealed>,
}

/// The handle to the thread, which ends with it.
pub(crate) struct Sealer<R> {
    _kind: PhantomData<fn() -> R>,
    jobs: mpsc::Sender<Job>,
}

impl<R: Record> Sealer<R> {
    pub(crate) fn spawn(records: &Arc<RecordLog<R>>) -> std::io::Result<Self> {
        let (jobs, work) = mpsc::channel();
        let records = Arc::downgrade(records);
        std::thread::Builder::new().name("seal".into()).spawn(move || run(&records, &work))?;
        Ok(Self { _kind: PhantomData, jobs })
    }

    /// As [`RecordLog::seal`], at the present time; `None` when the thread has ended.
    pub(crate) async fn seal(&self, force: bool) -> Option<Sealed> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(Job { force, answer }).ok()?;
        answered.await.ok()
    }
}

/// The log is held for the time of a seal only, so that its directory is let go with the engine.
fn run<R: Record>(records: &Weak<RecordLog<R>>, work: &mpsc::Receiver<Job>) {
    for job in work {
        let Some(records) = records.upgrade() else { return };
        let sealed = records.seal(job.force, Engine::now_us());
        drop(records);
        // Whoever asked may have gone; the log gives the same answer to the next.
        let _ = job.answer.send(sealed);
    }
}
