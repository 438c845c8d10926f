//! Group commit: one thread owns the log; everybody else hands in items and is called back when they are durable.
//!
//! While one batch is being synced the next one gathers, so a lone writer pays one sync and a crowd shares it. Where
//! syncs are quick a crowd would hardly share: each sync would carry one or two items, and cost more processor time than
//! all else that is done for them. So when many come, the writer lingers while the queue grows, a millisecond at most, and
//! until half of those on their way are there: while their batch is synced, the other half is worked on.
//!
//! Where the threads that make items are known to it ([`Committer::hand`]), it need not guess from how many come: while all of
//! them have work, nobody is kept from anything by a batch that fills, and the writer lingers until one of them has none.
//!
//! The queue is bounded and keeps the order of `submit` calls. What a batch means is the `Sink`'s business; items carry
//! their own callback. When the sink reports that the state of the disk is unknown, nobody is called back and the process
//! ends: it must recover from the disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Items a second that make a crowd: some of them come while the writer lingers.
const CROWD: u32 = 4000;
/// How long the rate of items is counted before it is believed.
const COUNTED: Duration = Duration::from_millis(20);
/// Most time that the writer lingers.
const LINGER: Duration = Duration::from_millis(1);
/// How long it waits for the next item before it takes the queue to grow no more.
const LOOK: Duration = Duration::from_micros(100);
/// Most time that it lingers while every thread that makes items has work.
const BUSY_LINGER: Duration = Duration::from_millis(5);

/// What the writer thread does with a batch.
pub trait Sink: Send + 'static {
    /// One submitted piece of work with its callback.
    type Item: Send + 'static;

    /// Makes the items durable in order, then answers each, taking them out of `batch`. An error means that what is on
    /// disk is unknown: the sink must not have answered anybody whose item it concerns.
    fn commit(&mut self, batch: &mut Vec<Self::Item>) -> Result<(), Fatal>;

    /// How many items are on their way, those that wait already included; `None` when nobody knows.
    fn coming(&self) -> Option<usize> {
        None
    }
}

/// The state of the disk is unknown; the process cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fatal(pub String);

/// Called on the writer thread when the sink fails.
pub type FatalHandler = Arc<dyn Fn(&Fatal) + Send + Sync>;

/// Logs and aborts the process: after a failed sync only recovery from the disk can tell what is durable.
pub fn abort_process() -> FatalHandler {
    Arc::new(|fatal| {
        tracing::error!(error = %fatal, "stopping the process: what is on disk is unknown");
        std::process::abort()
    })
}

/// How much is gathered and how much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most items in one batch.
    pub batch_items: usize,
    /// Bytes after which no further item joins a batch; a single larger item is a batch of its own.
    pub batch_bytes: usize,
    /// Most items waiting.
    pub queue_items: usize,
    /// Bytes waiting after which no further item is taken.
    pub queue_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { batch_items: 1024, batch_bytes: 1 << 20, queue_items: 16_384, queue_bytes: 32 << 20 }
    }
}

/// Why an item was not taken. It is handed back.
#[derive(Debug)]
pub enum Rejected<T> {
    /// The queue is full: the disk does not keep up.
    Busy(T),
    /// The writer has stopped.
    Closed(T),
}

/// The handle to the writer thread. Dropping it writes what waits, then joins the thread.
pub struct Committer<T: Send + 'static> {
    shared: Arc<Shared<T>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<T> {
    queue: Mutex<Queue<T>>,
    limits: Limits,
    /// Threads that make items and say when they have nothing to do.
    hands: AtomicUsize,
    /// How many of them have nothing to do.
    resting: AtomicUsize,
    /// Whether the writer waits for one of them to rest. Written under the lock of the queue.
    lingers: AtomicBool,
    /// Signalled when the writer waits and as many items are there as it waits for, or at the end.
    work: Condvar,
    /// Signalled when a submitter waits and room is made, or at the end.
    room: Condvar,
}

struct Queue<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    closed: bool,
    /// How many items the writer waits for; `None` while it does not wait.
    wanted: Option<usize>,
    submitters_wait: usize,
}

impl<T: Send + 'static> Committer<T> {
    /// Starts the writer thread `name`.
    pub fn spawn<S>(name: &str, sink: S, limits: Limits, on_fatal: FatalHandler) -> std::io::Result<Self>
    where
        S: Sink<Item = T>,
    {
        let queue = Queue { items: VecDeque::new(), bytes: 0, closed: false, wanted: None, submitters_wait: 0 };
        let (work, room) = (Condvar::new(), Condvar::new());
        let (hands, resting, lingers) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
        let shared = Arc::new(Shared { queue: Mutex::new(queue), limits, hands, resting, lingers, work, room });
        let writer = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || writer.run(sink, &on_fatal))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Hands an item in without waiting. `bytes` is what it will add to a batch.
    pub fn try_submit(&self, item: T, bytes: usize) -> Result<(), Rejected<T>> {
        let queue = self.shared.lock();
        if queue.closed {
            return Err(Rejected::Closed(item));
        }
        if !queue.has_room(&self.shared.limits) {
            return Err(Rejected::Busy(item));
        }
        self.shared.push(queue, item, bytes);
        Ok(())
    }

    /// Hands an item in, waiting for room. Never from async code.
    pub fn submit(&self, item: T, bytes: usize) -> Result<(), Rejected<T>> {
        let mut queue = self.shared.lock();
        while !queue.closed && !queue.has_room(&self.shared.limits) {
            queue.submitters_wait += 1;
            queue = self.shared.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.submitters_wait -= 1;
        }
        if queue.closed {
            return Err(Rejected::Closed(item));
        }
        self.shared.push(queue, item, bytes);
        Ok(())
    }

    /// One more thread that makes items and will say when it has nothing to do.
    pub fn hand(&self) -> Hand {
        self.shared.hands.fetch_add(1, Ordering::SeqCst);
        Hand { station: self.shared.clone(), resting: AtomicBool::new(false) }
    }

    /// Whether the writer has stopped, or is told to.
    pub fn is_closed(&self) -> bool {
        self.shared.lock().closed
    }

    /// Items waiting now.
    pub fn waiting(&self) -> usize {
        self.shared.lock().items.len()
    }
}

impl<T: Send + 'static> Drop for Committer<T> {
    fn drop(&mut self) {
        self.shared.close();
        let here = std::thread::current().id();
        // A callback may hold the last handle; the writer cannot wait for itself, and ends by itself.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != here) {
            // A panic in the sink has already been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

/// A thread that makes items, as the writer knows it; until it is dropped.
pub struct Hand {
    station: Arc<dyn Station>,
    resting: AtomicBool,
}

impl Hand {
    /// It has nothing to do, so what it is waiting for should be made durable.
    pub fn rests(&self) {
        if !self.resting.swap(true, Ordering::SeqCst) {
            self.station.rests();
        }
    }

    /// It has work again.
    pub fn works(&self) {
        if self.resting.swap(false, Ordering::SeqCst) {
            self.station.works();
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.works();
        self.station.leaves();
    }
}

/// Where hands are counted, whatever the items are.
trait Station: Send + Sync {
    fn rests(&self);
    fn works(&self);
    fn leaves(&self);
}

impl<T: Send> Station for Shared<T> {
    fn rests(&self) {
        self.resting.fetch_add(1, Ordering::SeqCst);
        if self.lingers.load(Ordering::SeqCst) {
            // Taking the lock sees to it that the writer is not between its look at the hands and its sleep.
            drop(self.lock());
            self.work.notify_one();
        }
    }

    fn works(&self) {
        self.resting.fetch_sub(1, Ordering::SeqCst);
    }

    fn leaves(&self) {
        self.hands.fetch_sub(1, Ordering::SeqCst);
    }
}

impl<T> Queue<T> {
    fn has_room_in_batch(&self, limits: &Limits) -> bool {
        self.items.len() < limits.batch_items && self.bytes < limits.batch_bytes
    }

    fn has_room(&self, limits: &Limits) -> bool {
        self.items.len() < limits.queue_items && self.bytes < limits.queue_bytes
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, mut queue: MutexGuard<'_, Queue<T>>, item: T, bytes: usize) {
        queue.items.push_back((item, bytes));
        queue.bytes += bytes;
        let waiting = queue.items.len();
        let enough = queue.wanted.take_if(|wanted| waiting >= *wanted).is_some();
        drop(queue);
        if enough {
            self.work.notify_one();
        }
    }

    fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    fn run<S: Sink<Item = T>>(&self, mut sink: S, on_fatal: &FatalHandler) {
        // Whatever ends this thread, a panic included, nobody may go on waiting for it.
        let _close = CloseOnDrop(self);
        let (mut batch, mut pace) = (Vec::new(), Pace { since: Instant::now(), items: 0, crowd: false });
        while self.gather(&mut batch, pace.crowd, || sink.coming()) {
            pace.count(batch.len());
            if let Err(fatal) = sink.commit(&mut batch) {
                on_fatal(&fatal);
                return;
            }
            batch.clear();
        }
    }

    /// Waits while the queue grows, until it has as many items as are `wanted`.
    fn linger<'a>(&'a self, mut queue: MutexGuard<'a, Queue<T>>, wanted: usize) -> MutexGuard<'a, Queue<T>> {
        let start = Instant::now();
        while self.may_grow(&queue, wanted) && start.elapsed() < LINGER {
            let before = queue.items.len();
            queue.wanted = Some(wanted);
            (queue, _) = self.work.wait_timeout(queue, LOOK).unwrap_or_else(PoisonError::into_inner);
            if queue.items.len() == before {
                break;
            }
        }
        queue.wanted = None;
        queue
    }

    /// Waits while every hand has work, until the queue has as many items as are `wanted`.
    fn linger_busy<'a>(&'a self, mut queue: MutexGuard<'a, Queue<T>>, wanted: usize) -> MutexGuard<'a, Queue<T>> {
        let start = Instant::now();
        self.lingers.store(true, Ordering::SeqCst);
        while self.may_grow(&queue, wanted)
            && self.resting.load(Ordering::SeqCst) == 0
            && let Some(left) = BUSY_LINGER.checked_sub(start.elapsed())
        {
            queue.wanted = Some(wanted);
            (queue, _) = self.work.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner);
        }
        self.lingers.store(false, Ordering::SeqCst);
        queue.wanted = None;
        queue
    }

    fn may_grow(&self, queue: &Queue<T>, wanted: usize) -> bool {
        queue.items.len() < wanted && queue.has_room_in_batch(&self.limits) && !queue.closed
    }

    /// Waits for work and moves one batch of it out; false when closed and empty. `crowd` says whether items come in
    /// crowds, `coming` how many are on their way if that is known.
    fn gather(&self, batch: &mut Vec<T>, crowd: bool, coming: impl FnOnce() -> Option<usize>) -> bool {
        let mut queue = self.lock();
        while queue.items.is_empty() {
            if queue.closed {
                return false;
            }
            queue.wanted = Some(1);
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.wanted = None;
        let half = || coming().map_or(usize::MAX, |coming| coming.div_ceil(2));
        // What comes is counted only when it is waited for: counting may wait itself, and the queue is held meanwhile.
        let (known, busy) = (self.hands.load(Ordering::SeqCst) > 0, self.resting.load(Ordering::SeqCst) == 0);
        if known && busy {
            queue = self.linger_busy(queue, half());
        } else if crowd && !known {
            queue = self.linger(queue, half());
        }
        let mut total = 0;
        while batch.len() < self.limits.batch_items
            && let Some((_, bytes)) = queue.items.front()
            && (batch.is_empty() || total + bytes <= self.limits.batch_bytes)
            && let Some((item, bytes)) = queue.items.pop_front()
        {
            total += bytes;
            batch.push(item);
        }
        queue.bytes -= total;
        let wake = queue.submitters_wait > 0;
        drop(queue);
        if wake {
            self.room.notify_all();
        }
        true
    }
}

/// How fast items come.
struct Pace {
    since: Instant,
    items: u32,
    crowd: bool,
}

impl Pace {
    fn count(&mut self, items: usize) {
        self.items = self.items.saturating_add(u32::try_from(items).unwrap_or(u32::MAX));
        let took = self.since.elapsed();
        if took >= COUNTED {
            let crowd = f64::from(self.items) >= f64::from(CROWD) * took.as_secs_f64();
            *self = Self { since: Instant::now(), items: 0, crowd };
        }
    }
}

/// Closes the queue and lets go of what waits in it, unanswered.
struct CloseOnDrop<'a, T>(&'a Shared<T>);

impl<T> Drop for CloseOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.close();
        let left = std::mem::take(&mut self.0.lock().items);
        drop(left);
    }
}

#[cfg(test)]
mod tests;
