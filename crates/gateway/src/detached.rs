//! Work that goes on when whoever asked for it has gone: a client that hangs up must not take its record with it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Whether the client has gone, as seen by the work itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Departed(Arc<AtomicBool>);

impl Departed {
    pub(crate) fn has(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A future that is moved to a task of its own when it is dropped unfinished. As long as nobody leaves, no task is made.
pub(crate) struct Detached<F: Future<Output: Send> + Send + 'static> {
    work: Option<Pin<Box<F>>>,
    departed: Departed,
}

impl<F: Future<Output: Send> + Send + 'static> Detached<F> {
    /// Makes the work, which may look at the flag it is given.
    pub(crate) fn new(work: impl FnOnce(Departed) -> F) -> Self {
        let departed = Departed::default();
        Self { work: Some(Box::pin(work(departed.clone()))), departed }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Detached<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let done = work.as_mut().poll(cx);
        if done.is_ready() {
            self.work = None;
        }
        done
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Detached<F> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            self.departed.0.store(true, Ordering::Release);
            go_on(work);
        }
    }
}

/// Runs `work` by itself. Without a runtime the process is ending, and what was begun shows at the next start.
pub(crate) fn go_on<F: Future<Output: Send> + Send + 'static>(work: F) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move { drop(work.await) });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn work_is_finished_without_its_client_and_knows_it() {
        let (told, hear) = tokio::sync::oneshot::channel();
        let (go, gate) = tokio::sync::oneshot::channel::<()>();
        let mut work = Box::pin(Detached::new(|departed| async move {
            gate.await.expect("the gate opens");
            told.send(departed.has()).expect("somebody listens");
        }));
        assert!(work.as_mut().now_or_never().is_none());
        drop(work);
        go.send(()).expect("the work waits");
        assert!(hear.await.expect("the work ended by itself"));
    }

    #[tokio::test]
    async fn work_that_is_awaited_gives_its_answer() {
        assert_eq!(Detached::new(|departed| async move { (departed.has(), 7) }).await, (false, 7));
    }
}
