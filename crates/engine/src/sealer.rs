//! The thread that seals segments. Each seal takes tens of megabytes for a moment; on a thread of its own they are used
//! again by the next, while threads of the runtime's pool would each keep theirs.

use std::sync::{Arc, Weak, mpsc};

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
pub(crate) struct Sealer(mpsc::Sender<Job>);

impl Sealer {
    pub(crate) fn spawn(records: &Arc<RecordLog>) -> std::io::Result<Self> {
        let (jobs, work) = mpsc::channel();
        let records = Arc::downgrade(records);
        std::thread::Builder::new().name("seal".into()).spawn(move || run(&records, &work))?;
        Ok(Self(jobs))
    }

    /// As [`RecordLog::seal`], at the present time; `None` when the thread has ended.
    pub(crate) async fn seal(&self, force: bool) -> Option<Sealed> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Job { force, answer }).ok()?;
        answered.await.ok()
    }
}

/// The log is held for the time of a seal only, so that its directory is let go with the engine.
fn run(records: &Weak<RecordLog>, work: &mpsc::Receiver<Job>) {
    for job in work {
        let Some(records) = records.upgrade() else { return };
        let sealed = records.seal(job.force, Engine::now_us());
        drop(records);
        // Whoever asked may have gone; the log gives the same answer to the next.
        let _ = job.answer.send(sealed);
    }
}
