//! A streamed answer on its way through: frames are passed on at once, the end only when the record is durable.
//!
//! There is no task and no channel between provider and client; the client's connection pulls. If the client goes, what
//! is left of the provider's answer is read by a task of its own, so that the record is complete.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use domain::serving::Status;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::detached::go_on;
use crate::dialect::openai::{Operation, Verdict, Watch};
use crate::dialect::sse::Frames;
use crate::problem::Problem;
use crate::record::{Draft, Outcome};

/// The provider's side of a stream.
pub(crate) struct Flow {
    operation: Operation,
    provider: String,
    upstream: Incoming,
    frames: Frames,
    watch: Watch,
    draft: Draft,
    /// HTTP status that was answered.
    http: u16,
    /// What was passed on.
    sent: Vec<u8>,
    /// What must wait for the record.
    held: VecDeque<Bytes>,
    ended: bool,
    idle: Duration,
    deadline: Instant,
    timer: Pin<Box<Sleep>>,
    limit: usize,
}

/// What comes next.
enum Step {
    /// A frame to pass on.
    Frame(Bytes),
    /// Nothing more, or why not.
    End(Result<(), Problem>),
}

/// What a stream is made of when its first bytes have come.
pub(crate) struct Start {
    pub(crate) operation: Operation,
    pub(crate) provider: String,
    pub(crate) upstream: Incoming,
    pub(crate) usage_is_ours: bool,
    pub(crate) http: u16,
    pub(crate) idle: Duration,
    pub(crate) deadline: Instant,
    pub(crate) first: Option<Bytes>,
}

impl Flow {
    pub(crate) fn new(start: Start, draft: Draft) -> Self {
        let mut frames = Frames::default();
        let limit = draft.gateway.limits.response_bytes;
        frames.push(start.first.unwrap_or_default());
        Self {
            operation: start.operation,
            provider: start.provider,
            upstream: start.upstream,
            frames,
            watch: Watch::new(start.operation, start.usage_is_ours),
            draft,
            http: start.http,
            sent: Vec::new(),
            held: VecDeque::new(),
            ended: false,
            idle: start.idle,
            deadline: start.deadline,
            timer: Box::pin(tokio::time::sleep(start.idle)),
            limit,
        }
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            while let Some(frame) = self.frames.next_frame() {
                if let Some(frame) = self.take(frame) {
                    return Poll::Ready(Step::Frame(frame));
                }
            }
            if self.ended {
                return Poll::Ready(Step::End(Ok(())));
            }
            let Poll::Ready(next) = Pin::new(&mut self.upstream).poll_frame(cx) else {
                ready!(self.timer.as_mut().poll(cx));
                return Poll::Ready(Step::End(Err(self.late())));
            };
            match next {
                Some(Ok(frame)) => {
                    let Ok(piece) = frame.into_data() else { continue };
                    if self.sent.len() + self.frames.pending() + piece.len() > self.limit {
                        return Poll::Ready(Step::End(Err(Problem::AnswerTooLarge(self.limit))));
                    }
                    self.frames.push(piece);
                    self.timer.as_mut().reset(self.deadline.min(Instant::now() + self.idle));
                }
                Some(Err(_)) => return Poll::Ready(Step::End(Err(Problem::ProviderBroke(self.provider.clone())))),
                None => {
                    self.ended = true;
                    let rest = self.frames.rest();
                    if !rest.is_empty() && self.watch.look(&rest) != Verdict::Strip {
                        self.held.push_back(rest);
                    }
                    // An error that the provider told is an end as well.
                    if !self.watch.ended && !self.watch.failed {
                        self.held.clear();
                        return Poll::Ready(Step::End(Err(Problem::ProviderEndedEarly(self.provider.clone()))));
                    }
                }
            }
        }
    }

    /// Decides about a whole frame; gives it back if it can be passed on now.
    fn take(&mut self, frame: Bytes) -> Option<Bytes> {
        match self.watch.look(&frame) {
            Verdict::Strip => None,
            Verdict::Forward if !self.ended => {
                self.sent.extend_from_slice(&frame);
                Some(frame)
            }
            Verdict::Forward | Verdict::Last => {
                self.ended = true;
                self.held.push_back(frame);
                None
            }
        }
    }

    fn late(&self) -> Problem {
        if Instant::now() >= self.deadline {
            return Problem::AnswerTooLong(self.draft.gateway.limits.answer_time);
        }
        Problem::ProviderSilent { provider: self.provider.clone(), silence: self.idle }
    }

    /// The end for a client that is still there: record, and only then the last frames.
    async fn finish(mut self: Box<Self>, end: Result<(), Problem>) -> VecDeque<Bytes> {
        let last = match &end {
            Ok(()) => std::mem::take(&mut self.held),
            Err(problem) => VecDeque::from([Bytes::from(problem.event(self.operation))]),
        };
        let outcome = self.outcome(&end);
        for frame in &last {
            self.sent.extend_from_slice(frame);
        }
        let Flow { operation, draft, sent, watch, mut upstream, .. } = *self;
        let lenient = draft.may_go_unrecorded();
        let closed = close(draft, &watch, sent, outcome).await;
        // By now the provider's last chunk is here as well: reading it lets the connection be used again.
        let _ = futures_util::FutureExt::now_or_never(http_body_util::BodyExt::frame(&mut upstream));
        match closed {
            Err(problem) if !lenient => VecDeque::from([Bytes::from(problem.event(operation))]),
            _ => last,
        }
    }

    fn outcome(&self, end: &Result<(), Problem>) -> Outcome {
        let http = Some(self.http);
        match end {
            Err(problem) => Outcome { status: problem.status(), http, code: Some(problem.code()) },
            Ok(()) if self.watch.failed => Outcome { status: Status::Error, http, code: Some("provider_error") },
            Ok(()) => Outcome { status: Status::Ok, http, code: None },
        }
    }

    /// The end when the client has gone: read what still comes, within limits, and record.
    async fn drain(mut self: Box<Self>) {
        let until = self.deadline.min(Instant::now() + self.draft.gateway.limits.drain_time);
        let rest = std::future::poll_fn(|cx| {
            loop {
                if let Step::End(end) = ready!(self.poll_step(cx)) {
                    return Poll::Ready(end);
                }
            }
        });
        let whole = matches!(tokio::time::timeout_at(until, rest).await, Ok(Ok(())));
        for frame in std::mem::take(&mut self.held) {
            self.sent.extend_from_slice(&frame);
        }
        let Flow { mut draft, watch, sent, http, .. } = *self;
        draft.response_meta.insert("complete".into(), whole.into());
        let outcome = Outcome { status: Status::Cancelled, http: Some(http), code: Some("client_gone") };
        // Nobody is left to be told; the failure was logged and counted.
        let _ = close(draft, &watch, sent, outcome).await;
    }
}

async fn close(mut draft: Draft, watch: &Watch, sent: Vec<u8>, outcome: Outcome) -> Result<(), Problem> {
    draft.core.tokens_in = watch.tokens.input;
    draft.core.tokens_out = watch.tokens.output;
    draft.core.response_bytes = i64::try_from(sent.len()).unwrap_or(i64::MAX);
    draft.response = sent.into();
    draft.close(outcome).await
}

/// The body that the client's connection pulls from.
pub(crate) struct StreamBody(State);

enum State {
    Flowing(Box<Flow>),
    /// The record is being made durable; what comes out of it is the end of the stream.
    Closing(Pin<Box<dyn Future<Output = VecDeque<Bytes>> + Send>>),
    Ending(VecDeque<Bytes>),
}

impl StreamBody {
    pub(crate) fn new(flow: Flow) -> Self {
        Self(State::Flowing(Box::new(flow)))
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            match &mut self.0 {
                State::Flowing(flow) => match ready!(flow.poll_step(cx)) {
                    Step::Frame(frame) => return Poll::Ready(Some(Ok(Frame::data(frame)))),
                    Step::End(end) => {
                        let State::Flowing(flow) = std::mem::replace(&mut self.0, State::Ending(VecDeque::new()))
                        else {
                            continue;
                        };
                        self.0 = State::Closing(Box::pin(flow.finish(end)));
                    }
                },
                State::Closing(record) => self.0 = State::Ending(ready!(record.as_mut().poll(cx))),
                State::Ending(last) => return Poll::Ready(last.pop_front().map(|frame| Ok(Frame::data(frame)))),
            }
        }
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.0, State::Ending(VecDeque::new())) {
            State::Flowing(flow) => go_on(flow.drain()),
            State::Closing(record) => go_on(record),
            State::Ending(_) => {}
        }
    }
}
