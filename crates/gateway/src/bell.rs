//! One bell for many sleepers.
//!
//! The thread that writes records answers a whole batch of them at once. To wake a task of another thread takes a system
//! call, a batch of tasks as many. So whoever waits for a record goes to sleep here, and the writer rings once: a task on
//! the sleepers' own thread, the warden, wakes them there, where that costs next to nothing.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

/// The bell of one thread.
#[derive(Default)]
pub(crate) struct Bell(Mutex<Ward>);

#[derive(Default)]
struct Ward {
    /// Those to be woken.
    called: Vec<Waker>,
    /// Wakes the warden; `None` while there is none.
    warden: Option<Waker>,
    /// Whether the warden was woken and has not come yet.
    rung: bool,
}

/// Whoever sleeps, as the other thread knows it.
struct Sleeper {
    bell: Arc<Bell>,
    waker: Waker,
}

impl Bell {
    /// Waits for `work`, which another thread wakes. Called on the bell's own thread.
    pub(crate) async fn sleep<F: Future>(self: &Arc<Self>, work: F) -> F::Output {
        let mut work = pin!(work);
        // Made once; a task keeps its waker while it waits.
        let mut asleep: Option<(Waker, Waker)> = None;
        poll_fn(|cx| {
            if asleep.as_ref().is_none_or(|(waker, _)| !waker.will_wake(cx.waker())) {
                let sleeper = Sleeper { bell: self.clone(), waker: cx.waker().clone() };
                asleep = Some((cx.waker().clone(), Arc::new(sleeper).into()));
                self.post_warden();
            }
            let through = asleep.as_ref().map_or(cx.waker(), |(_, sleeper)| sleeper);
            work.as_mut().poll(&mut Context::from_waker(through))
        })
        .await
    }

    /// Sees to it that there is a warden.
    fn post_warden(self: &Arc<Self>) {
        let mut ward = self.lock();
        if ward.warden.is_none() {
            // Its first poll finds whoever was called until then.
            (ward.warden, ward.rung) = (Some(Waker::noop().clone()), true);
            drop(ward);
            tokio::spawn(Warden(Arc::downgrade(self)));
        }
    }

    fn call(&self, sleeper: &Waker) {
        let mut ward = self.lock();
        let Some(warden) = &ward.warden else {
            drop(ward);
            return sleeper.wake_by_ref();
        };
        if ward.rung {
            ward.called.push(sleeper.clone());
            return;
        }
        let warden = warden.clone();
        ward.rung = true;
        ward.called.push(sleeper.clone());
        drop(ward);
        warden.wake();
    }

    fn lock(&self) -> MutexGuard<'_, Ward> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let ward = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(warden) = ward.warden.take() {
            warden.wake();
        }
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.bell.call(&self.waker);
    }
}

/// Wakes whoever is called, until the bell is gone. When its own runtime ends first, nobody sleeps there any more; others
/// are woken as they always are.
struct Warden(Weak<Bell>);

impl Future for Warden {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(bell) = self.0.upgrade() else { return Poll::Ready(()) };
        let called = {
            let mut ward = bell.lock();
            ward.rung = false;
            if ward.warden.as_ref().is_none_or(|warden| !warden.will_wake(cx.waker())) {
                ward.warden = Some(cx.waker().clone());
            }
            std::mem::take(&mut ward.called)
        };
        called.into_iter().for_each(Waker::wake);
        Poll::Pending
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        if let Some(bell) = self.0.upgrade() {
            let mut ward = bell.lock();
            ward.warden = None;
            let called = std::mem::take(&mut ward.called);
            drop(ward);
            called.into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// What a sleeper waits for, and how to wake it.
    #[derive(Default)]
    struct Gate {
        open: AtomicBool,
        waker: Mutex<Option<Waker>>,
    }

    impl Gate {
        async fn pass(self: Arc<Self>) {
            poll_fn(|cx| {
                *self.waker.lock().expect("not poisoned") = Some(cx.waker().clone());
                if self.open.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }

        /// Opens it once somebody waits.
        fn open(&self) {
            let waker = loop {
                if let Some(waker) = self.waker.lock().expect("not poisoned").take() {
                    break waker;
                }
                std::thread::yield_now();
            };
            self.open.store(true, Ordering::Release);
            waker.wake();
        }
    }

    #[test]
    fn given_many_sleepers_when_another_thread_wakes_each_then_all_wake() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (bell, passed) = (Arc::new(Bell::default()), Arc::new(AtomicUsize::new(0)));
        let gates: Vec<Arc<Gate>> = (0..100).map(|_| Arc::default()).collect();
        let opener = std::thread::spawn({
            let gates = gates.clone();
            move || gates.iter().for_each(|gate| gate.open())
        });
        runtime.block_on(async {
            let sleepers: Vec<_> = gates
                .iter()
                .map(|gate| {
                    let (bell, gate, passed) = (bell.clone(), gate.clone(), passed.clone());
                    tokio::spawn(async move {
                        bell.sleep(gate.pass()).await;
                        passed.fetch_add(1, Ordering::Relaxed);
                    })
                })
                .collect();
            for sleeper in sleepers {
                let woken = tokio::time::timeout(Duration::from_secs(30), sleeper).await;
                woken.expect("woken in time").expect("no panic");
            }
        });
        opener.join().expect("no panic");
        assert_eq!(passed.load(Ordering::Relaxed), 100);
    }

    #[test]
    fn given_a_warden_whose_runtime_has_ended_when_somebody_sleeps_in_another_then_they_are_woken() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let bell = Arc::new(Bell::default());
        runtime().block_on(bell.sleep(async {}));
        let gate = Arc::<Gate>::default();
        let opener = std::thread::spawn({
            let gate = gate.clone();
            move || gate.open()
        });
        runtime().block_on(bell.sleep(gate.pass()));
        opener.join().expect("no panic");
    }
}
