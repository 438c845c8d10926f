//! The threads that serve connections. Each has a runtime and its share of the connections to itself: an inference stays
//! on one thread from its first byte to its last, but for the writing of its record. Calls are short, and a runtime that
//! shares them among threads spends more on moving and waking them than on most steps of the pipeline.
//!
//! Nothing may compute there for long: what does goes [`elsewhere`].

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::serve::Listener;
use http::StatusCode;
use ledger::records::Hand;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::connections::{Bounds, Connections};
use crate::tls::Tls;

/// Threads that serve connections. Dropping them cuts off what is still under way.
pub struct Workers {
    workers: Vec<Worker>,
    /// One for each connection that may be open.
    places: Arc<Semaphore>,
}

struct Worker {
    clients: mpsc::UnboundedSender<Client>,
    /// How many connections it has.
    open: Arc<AtomicUsize>,
    /// Hears when the last of its connections has ended, once no more come.
    ended: oneshot::Receiver<()>,
    /// The thread ends when this is dropped.
    running: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// A connection on its way to a worker.
struct Client {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    seat: Seat,
}

/// A connection's place, here and with its worker, until it is dropped.
struct Seat {
    _place: OwnedSemaphorePermit,
    open: Arc<AtomicUsize>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Starts `count` threads, each with a router of its own; `tls` secures what they serve. The `hand` of each tells the
    /// log of records when its thread has nothing to do.
    ///
    /// # Errors
    /// When a thread or its runtime cannot be made.
    pub fn start(
        count: usize,
        bounds: Bounds,
        tls: Option<&Tls>,
        router: impl Fn() -> Router,
        hand: impl Fn() -> Option<Hand>,
    ) -> io::Result<Self> {
        let places = Arc::new(Semaphore::new(bounds.connections));
        let connections = || Connections::new(router(), tls.cloned(), bounds);
        let workers = (0..count.max(1)).map(|number| Worker::start(number, connections(), hand()));
        Ok(Self { workers: workers.collect::<io::Result<_>>()?, places })
    }

    /// Accepts connections until `stop` is done, and returns when those there are have ended. The threads live on, for
    /// what goes on without a connection, until this is dropped.
    pub async fn serve(&mut self, mut listener: TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let next = async {
                let place = Arc::clone(&self.places).acquire_owned().await;
                // Errors of accepting are logged and waited out there.
                (place, Listener::accept(&mut listener).await)
            };
            let (place, (stream, peer)) = tokio::select! {
                next = next => next,
                () = &mut stop => break,
            };
            match (place, stream.into_std()) {
                (Ok(place), Ok(stream)) => self.hand_over(stream, peer, place),
                (Err(_), _) => break,
                (_, Err(error)) => tracing::warn!(%error, "a connection could not be handed to a thread"),
            }
        }
        drop(listener);
        for worker in &mut self.workers {
            // The last sender goes, so the worker ends its connections.
            worker.clients = mpsc::unbounded_channel().0;
        }
        for worker in &mut self.workers {
            // A thread that is gone has no connections either.
            let _ = (&mut worker.ended).await;
        }
    }

    /// To the worker with the fewest connections.
    fn hand_over(&self, stream: std::net::TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let Some(worker) = self.workers.iter().min_by_key(|worker| worker.open.load(Ordering::Relaxed)) else { return };
        worker.open.fetch_add(1, Ordering::Relaxed);
        let seat = Seat { _place: place, open: Arc::clone(&worker.open) };
        if worker.clients.send(Client { stream, peer, seat }).is_err() {
            tracing::error!("a thread that serves connections is gone");
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for Worker { running, thread, .. } in self.workers.drain(..) {
            drop(running);
            if thread.join().is_err() {
                tracing::error!("a thread that serves connections panicked");
            }
        }
    }
}

impl Worker {
    fn start(number: usize, connections: Connections, hand: Option<Hand>) -> io::Result<Self> {
        let mut runtime = Builder::new_current_thread();
        runtime.enable_all();
        if let Some(rests) = hand.map(Arc::new) {
            let works = Arc::clone(&rests);
            runtime.on_thread_park(move || rests.rests()).on_thread_unpark(move || works.works());
        }
        let runtime = runtime.build()?;
        let (clients, come) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let (running, stopped) = oneshot::channel::<()>();
        let work = async move {
            let serving = async {
                serve(connections, come, end).await;
                // What the connections left behind goes on until the thread is stopped.
                std::future::pending().await
            };
            tokio::select! {
                () = serving => {}
                _ = stopped => {}
            }
        };
        let thread = std::thread::Builder::new().name(format!("serve-{number}"));
        let thread = thread.spawn(move || runtime.block_on(work))?;
        Ok(Self { clients, open: Arc::default(), ended, running, thread })
    }
}

/// What a worker does until no more clients come.
async fn serve(connections: Connections, mut clients: mpsc::UnboundedReceiver<Client>, end: oneshot::Sender<()>) {
    while let Some(Client { stream, peer, seat }) = clients.recv().await {
        match TcpStream::from_std(stream) {
            Ok(stream) => connections.serve(stream, peer, seat),
            Err(error) => tracing::warn!(%error, "a connection could not be taken over"),
        }
    }
    connections.end().await;
    // Nobody listens when the wait for the end was given up.
    let _ = end.send(());
}

/// Has the handlers of `router` run on the runtime that this is called on, whoever asks them: pages and the management
/// API compute, and an inference should not have to wait for that.
pub fn elsewhere(router: Router) -> Router {
    let runtime = Handle::current();
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let runtime = runtime.clone();
        async move {
            // A set aborts what it holds when it is dropped: with the client goes the work.
            let mut work = JoinSet::new();
            work.spawn_on(next.run(request), &runtime);
            match work.join_next().await {
                Some(Ok(response)) => response,
                Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Some(Err(_)) | None => unavailable(),
            }
        }
    }))
}

/// The runtime is ending.
fn unavailable() -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
