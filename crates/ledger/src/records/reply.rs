//! One answer from the writer thread to one waiting task, without a runtime: a value, or the news that none will come.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

enum Slot<T> {
    Empty(Option<Waker>),
    Given(T),
    Gone,
}

struct Shared<T>(Mutex<Slot<T>>);

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, slot: Slot<T>) {
        let before = std::mem::replace(&mut *self.lock(), slot);
        if let Slot::Empty(Some(waker)) = before {
            waker.wake();
        }
    }
}

/// The side that answers. Dropping it unused tells the other side that no answer comes.
pub(super) struct Reply<T>(Option<Arc<Shared<T>>>);

/// The side that waits; `None` when no answer comes.
pub(super) struct Answer<T>(Arc<Shared<T>>);

/// A pair of the two.
pub(super) fn pair<T>() -> (Reply<T>, Answer<T>) {
    let shared = Arc::new(Shared(Mutex::new(Slot::Empty(None))));
    (Reply(Some(Arc::clone(&shared))), Answer(shared))
}

impl<T> Reply<T> {
    /// Answers.
    pub fn give(mut self, value: T) {
        if let Some(shared) = self.0.take() {
            shared.put(Slot::Given(value));
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.put(Slot::Gone);
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = self.0.lock();
        match std::mem::replace(&mut *slot, Slot::Gone) {
            Slot::Given(value) => Poll::Ready(Some(value)),
            Slot::Gone => Poll::Ready(None),
            Slot::Empty(_) => {
                *slot = Slot::Empty(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}
