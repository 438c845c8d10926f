//! A streamed answer as it comes from the provider: cut into frames, watched, kept for the record.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use domain::serving::Status;
use http_body::Body;
use tokio::time::{Instant, Sleep};

use crate::dialect::openai::{Operation, Verdict, Watch};
use crate::dialect::sse::Frames;
use crate::guard::{StreamGuard, Tally};
use crate::pool::Answer;
use crate::problem::Problem;
use crate::record::{Draft, Outcome};

/// The provider's side of a stream.
pub(crate) struct Flow {
    operation: Operation,
    provider: String,
    upstream: Answer,
    frames: Frames,
    watch: Watch,
    draft: Box<Draft>,
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
    guard: Option<StreamGuard>,
}

/// What comes next.
pub(crate) enum Step {
    /// A frame to pass on.
    Frame(Bytes),
    /// Nothing more, or why not.
    End(Result<(), Problem>),
}

/// What a stream is made of when its first bytes have come.
pub(crate) struct Start {
    pub(crate) operation: Operation,
    pub(crate) provider: String,
    pub(crate) upstream: Answer,
    pub(crate) usage_is_ours: bool,
    pub(crate) http: u16,
    pub(crate) idle: Duration,
    pub(crate) deadline: Instant,
    pub(crate) first: Option<Bytes>,
    pub(crate) guard: Option<StreamGuard>,
}

impl Flow {
    pub(crate) fn new(start: Start, draft: Box<Draft>) -> Self {
        let mut frames = Frames::default();
        let limit = draft.gateway.limits.response_bytes;
        frames.push(start.first.unwrap_or_default());
        let idle_until = start.deadline.min(Instant::now() + start.idle);
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
            timer: Box::pin(tokio::time::sleep_until(idle_until)),
            limit,
            guard: start.guard,
        }
    }

    /// When the provider has said nothing for too long, or its answer has taken too long.
    pub(crate) fn due(&self) -> Instant {
        self.timer.deadline()
    }

    /// How long a client may take to ask for more.
    pub(crate) fn client_stall(&self) -> Duration {
        self.draft.gateway.limits.client_stall
    }

    pub(crate) fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        loop {
            while let Some(frame) = self.frames.next_frame() {
                match self.take(frame) {
                    Ok(Some(frame)) => return Poll::Ready(Step::Frame(frame)),
                    Ok(None) => {}
                    Err(blocked) => return Poll::Ready(Step::End(Err(blocked))),
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
                    let now = Instant::now();
                    if now >= self.deadline {
                        return Poll::Ready(Step::End(Err(self.late())));
                    }
                    self.frames.push(piece);
                    self.timer.as_mut().reset(self.deadline.min(now + self.idle));
                }
                Some(Err(_)) => return Poll::Ready(Step::End(Err(Problem::ProviderBroke(self.provider.clone())))),
                None => {
                    self.ended = true;
                    let rest = self.frames.rest();
                    if let Err(blocked) = self.take_rest(rest) {
                        return Poll::Ready(Step::End(Err(blocked)));
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

    /// Decides about a whole frame; gives what can be passed on now.
    fn take(&mut self, frame: Bytes) -> Result<Option<Bytes>, Problem> {
        if !Watch::is_readable(&frame) {
            let why = "an event of its stream is no JSON";
            return Err(Problem::ProviderGarbage { provider: self.provider.clone(), why });
        }
        let verdict = self.watch.look(&frame);
        if verdict == Verdict::Strip {
            return Ok(None);
        }
        let frame = self.guarded(frame)?;
        if verdict == Verdict::Forward && !self.ended {
            self.sent.extend_from_slice(&frame);
            return Ok(Some(frame));
        }
        self.ended = true;
        self.held.push_back(frame);
        Ok(None)
    }

    /// What is left when the provider has ended: a frame that lacks its blank line, and what the guard held back.
    fn take_rest(&mut self, rest: Bytes) -> Result<(), Problem> {
        // One that was cut off is not passed on: that the end is missing says why.
        if !rest.is_empty() && Watch::is_readable(&rest) && self.watch.look(&rest) != Verdict::Strip {
            let rest = self.guarded(rest)?;
            self.held.push_back(rest);
        }
        if let Some(guard) = &mut self.guard {
            let held = guard.rest()?;
            if !held.is_empty() {
                self.held.push_back(held.into());
            }
        }
        Ok(())
    }

    fn guarded(&mut self, frame: Bytes) -> Result<Bytes, Problem> {
        match &mut self.guard {
            None => Ok(frame),
            Some(guard) => guard.frame(frame),
        }
    }

    fn late(&self) -> Problem {
        if Instant::now() >= self.deadline {
            return Problem::AnswerTooLong(self.draft.gateway.limits.answer_time);
        }
        Problem::ProviderSilent { provider: self.provider.clone(), silence: self.idle }
    }

    /// The end for a client that is still there: record, and only then the last frames.
    pub(crate) async fn finish(mut self: Box<Self>, end: Result<(), Problem>) -> VecDeque<Bytes> {
        let last = match &end {
            Ok(()) => std::mem::take(&mut self.held),
            Err(problem) => VecDeque::from([Bytes::from(problem.event(self.operation))]),
        };
        let outcome = self.outcome(&end);
        for frame in &last {
            self.sent.extend_from_slice(frame);
        }
        let Flow { operation, draft, sent, watch, guard, mut upstream, .. } = *self;
        let found = guard.and_then(|guard| guard.tally().if_looked(end.is_ok()));
        let lenient = draft.may_go_unrecorded();
        let closed = close(draft, &watch, found, sent, outcome).await;
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

    /// The end when the client has gone: read what still comes, within limits, and record. `code` says how it went.
    pub(crate) async fn drain(mut self: Box<Self>, code: &'static str) {
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
        let Flow { mut draft, watch, sent, http, guard, .. } = *self;
        let found = guard.and_then(|guard| guard.tally().if_looked(whole));
        draft.response_meta.put("complete", whole);
        let outcome = Outcome { status: Status::Cancelled, http: Some(http), code: Some(code) };
        // Nobody is left to be told; the failure was logged and counted.
        let _ = close(draft, &watch, found, sent, outcome).await;
    }
}

async fn close(
    mut draft: Box<Draft>,
    watch: &Watch,
    found: Option<Tally>,
    sent: Vec<u8>,
    outcome: Outcome,
) -> Result<(), Problem> {
    found.iter().for_each(|tally| draft.answer_guarded(tally));
    draft.core.tokens_in = watch.tokens.input;
    draft.core.tokens_out = watch.tokens.output;
    draft.core.response_bytes = i64::try_from(sent.len()).unwrap_or(i64::MAX);
    draft.response = sent.into();
    draft.close(outcome).await
}
