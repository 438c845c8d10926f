//! A streamed answer on its way to the client: frames are passed on at once, the end only when the record is durable.
//!
//! There is no channel between provider and client; the client's connection pulls. If the client goes, what is left of
//! the provider's answer is read by a task of its own, so that the record is complete. A connection that is not read
//! does not pull, so beside each stream a task sleeps that wakes when a limit has passed and sees to it.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use crate::detached::go_on;
use crate::stream::{Flow, Step};

/// How much later than the client's own connection the task looks: a client that waits is told by its connection.
const LATER: Duration = Duration::from_millis(50);

/// The body that the client's connection pulls from.
pub(crate) struct StreamBody {
    passage: Arc<Mutex<Passage>>,
    watch: AbortHandle,
}

/// Why a stream is cut: the connection is closed, so that the client does not take what it has for the whole.
#[derive(Debug, thiserror::Error)]
#[error("the client did not read its answer")]
pub(crate) struct Stalled;

struct Passage {
    state: State,
    /// Frames that came while the client did not ask.
    ready: VecDeque<Bytes>,
    /// Since when the client could ask for more and has not; `None` while it waits.
    given: Option<Instant>,
    /// Wakes the client's connection.
    client: Waker,
    stall: Duration,
}

enum State {
    Flowing(Box<Flow>),
    /// The record is being made durable; what comes out of it is the end of the stream.
    Closing(Pin<Box<dyn Future<Output = VecDeque<Bytes>> + Send>>),
    Ending(VecDeque<Bytes>),
    /// The client was given up.
    Cut,
}

impl StreamBody {
    pub(crate) fn new(flow: Flow) -> Self {
        let stall = flow.client_stall();
        let passage = Passage {
            state: State::Flowing(Box::new(flow)),
            ready: VecDeque::new(),
            given: Some(Instant::now()),
            client: Waker::noop().clone(),
            stall,
        };
        let passage = Arc::new(Mutex::new(passage));
        let watch = tokio::spawn(look_after(passage.clone())).abort_handle();
        Self { passage, watch }
    }
}

/// Looks whenever a limit could have passed, until the stream is over.
async fn look_after(passage: Arc<Mutex<Passage>>) {
    let mut next = lock(&passage).next_look(Instant::now());
    while let Some(at) = next {
        sleep_until(at).await;
        next = lock(&passage).look(Instant::now());
    }
}

fn lock(passage: &Mutex<Passage>) -> MutexGuard<'_, Passage> {
    passage.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Passage {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Stalled>>> {
        if let Some(frame) = self.ready.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        loop {
            match &mut self.state {
                State::Flowing(flow) => match ready!(flow.poll_step(cx)) {
                    Step::Frame(frame) => return Poll::Ready(Some(Ok(frame))),
                    Step::End(end) => {
                        let State::Flowing(flow) = self.take() else { continue };
                        self.state = State::Closing(Box::pin(flow.finish(end)));
                    }
                },
                State::Closing(record) => self.state = State::Ending(ready!(record.as_mut().poll(cx))),
                State::Ending(last) => return Poll::Ready(last.pop_front().map(Ok)),
                State::Cut => return Poll::Ready(Some(Err(Stalled))),
            }
        }
    }

    /// Does what a connection that does not pull leaves undone. Says when to look again; `None` when it is over.
    fn look(&mut self, now: Instant) -> Option<Instant> {
        if self.given.is_some_and(|given| given + self.stall <= now) {
            self.give_up("client_stalled");
            return None;
        }
        // With the waker of the client, which is the one that must hear of what comes.
        let client = self.client.clone();
        let mut cx = Context::from_waker(&client);
        let mut came = false;
        while let Poll::Ready(()) = self.proceed(now, &mut cx) {
            came = true;
        }
        if came {
            self.given.get_or_insert(now);
            client.wake();
        }
        self.next_look(now)
    }

    /// One step that the client did not ask for.
    fn proceed(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.state {
            State::Flowing(flow) if flow.due() <= now => match ready!(flow.poll_step(cx)) {
                Step::Frame(frame) => self.ready.push_back(frame),
                Step::End(end) => {
                    let State::Flowing(flow) = self.take() else { return Poll::Pending };
                    let (tell, told) = oneshot::channel();
                    go_on(async move { tell.send(flow.finish(end).await) });
                    self.state = State::Closing(Box::pin(async { told.await.unwrap_or_default() }));
                }
            },
            State::Closing(record) => self.state = State::Ending(ready!(record.as_mut().poll(cx))),
            State::Flowing(_) | State::Ending(_) | State::Cut => return Poll::Pending,
        }
        Poll::Ready(())
    }

    fn next_look(&self, now: Instant) -> Option<Instant> {
        let stalled = self.given.unwrap_or(now) + self.stall;
        match &self.state {
            State::Flowing(flow) => Some(stalled.min(flow.due().max(now) + LATER)),
            State::Closing(_) => Some(stalled),
            State::Ending(_) | State::Cut => None,
        }
    }

    /// Leaves the rest to a task of its own, so that the record is complete without the client.
    fn give_up(&mut self, code: &'static str) {
        match self.take() {
            State::Flowing(flow) => go_on(flow.drain(code)),
            State::Closing(record) => go_on(record),
            State::Ending(_) | State::Cut => {}
        }
    }

    fn take(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Cut)
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Stalled;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stalled>>> {
        let mut passage = lock(&self.passage);
        let next = passage.poll(cx);
        passage.given = next.is_ready().then(Instant::now);
        if next.is_pending() {
            passage.client.clone_from(cx.waker());
        }
        next.map(|next| next.map(|frame| frame.map(Frame::data)))
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        self.watch.abort();
        lock(&self.passage).give_up("client_gone");
    }
}
