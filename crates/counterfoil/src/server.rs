//! Wiring: the engine, the gateway and the web behind one listener, started and ended well.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use domain::Entry;
use engine::{Engine, EngineOptions, Notifier, OpenError, Outbound, SessionLimits};
use gateway::Gateway;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::Config;
use crate::connections;
use crate::doors;
use crate::endpoints;
use crate::notify;
use crate::output::{self, Failure};
use crate::tls::acme::Keeper;
use crate::tls::admit::with_certificates;
use crate::tls::{Files, Tls, Unusable, redirect};
use crate::witnesses::{self, Witnesses};
use crate::workers::{Workers, elsewhere};

/// How long a server waits for a data directory that is in use: as long as another one takes to write its last things.
const TO_END: Duration = Duration::from_secs(5);
/// How long a command does: the server that has it may have only begun to start.
const TO_START: Duration = Duration::from_secs(30);
/// How often one looks meanwhile.
const LOOK: Duration = Duration::from_millis(100);

/// Where a running server can be found, kept in the data directory as `run.json` while it runs.
#[derive(Debug, Serialize, Deserialize)]
pub struct Running {
    /// Its address.
    pub url: String,
    /// Its process.
    pub pid: u32,
    /// SHA-256 of the certificate that it shows, hexadecimal, when it shows one: commands on this machine believe that
    /// one, whatever names are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_sha256: Option<String>,
}

impl Running {
    /// The server that runs on a data directory; `None` when there is none.
    pub fn read(dir: &Path) -> Option<Self> {
        let running: Self = serde_json::from_slice(&std::fs::read(path(dir)).ok()?).ok()?;
        // The lock tells whether the server lives; its process number may be somebody else's by now.
        let lock = std::fs::File::open(dir.join("ledger/.state/LOCK")).ok()?;
        matches!(lock.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)).then_some(running)
    }

    /// A server that begins to listen on a data directory on which none did; waits for it for ever. What an earlier one left
    /// behind is not taken for it, though whoever waits may hold the lock.
    pub async fn appears(dir: &Path) -> Self {
        let left = std::fs::read(path(dir)).ok();
        loop {
            tokio::time::sleep(LOOK).await;
            if std::fs::read(path(dir)).ok() != left
                && let Some(running) = Self::read(dir)
            {
                return running;
            }
        }
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("run.json")
}

/// Everything that a data directory needs to be served.
pub struct Server {
    config: Config,
    engine: Arc<Engine>,
    gateway: Arc<Gateway>,
    app: Arc<web::App>,
    /// When the certificate that is shown expires, and how often another one could not be had.
    certificate: (Gauge, Counter),
    notifier: Option<Arc<Notifier>>,
}

impl Server {
    /// Opens the data directory, making it when it is not there.
    ///
    /// # Errors
    /// When it is in use, damaged or rolled back, or a witness remembers another history of it.
    pub async fn open(config: Config) -> Result<Self, Failure> {
        let named = Witnesses::of(&config)?;
        let named = named.as_ref();
        let asking = |options: EngineOptions| Engine::open_asking(options, move |log| witnesses::ask_first(named, log));
        let engine = patiently(&config, TO_END, asking).await?;
        located(&config, &engine).await?;
        Self::over(config, engine)
    }

    /// Opens a data directory that is an older copy than the one remembered, by the right of `key`. Returns the event
    /// that says so, with the `reference`.
    ///
    /// # Errors
    /// As [`Self::open`], witnesses included; and when it is no older copy, or the key's owner may not.
    pub async fn accept_rollback(config: Config, key: &str, reference: &str) -> Result<(Self, Entry), Failure> {
        let named = Witnesses::of(&config)?;
        let ask = |log| witnesses::ask_first(named.as_ref(), log);
        let opened = Engine::accept_rollback(options(&config), key, reference, ask).await;
        let (engine, done) = opened.map_err(|e| not_opened(&e))?;
        let mut events = done.events;
        let event = events.pop().ok_or_else(|| Failure::io("the event was not written"))?;
        Ok((Self::over(config, engine)?, event))
    }

    fn over(config: Config, engine: Arc<Engine>) -> Result<Self, Failure> {
        let mut registry = Registry::with_prefix("counterfoil");
        let limits = gateway::Limits {
            request_bytes: config.limits.request_bytes,
            response_bytes: config.limits.response_bytes,
            concurrent: config.limits.concurrent,
            answer_time: Duration::from_secs(config.limits.stream_seconds),
            ..gateway::Limits::default()
        };
        engine.pace_tokens(config.limits.tokens_an_hour);
        let gateway = Gateway::new(Arc::clone(&engine), limits, &mut registry);
        let certificate = certificate_metrics(&config, &mut registry);
        let (app, notifier) = app(&config, &engine, registry)?;
        Ok(Self { config, engine, gateway, app, certificate, notifier })
    }

    /// All doors, for one thread: the gateway's, which are served there, and the web's, which are not.
    fn router(&self) -> Router {
        let inference = web::with_headers(gateway::router(self.gateway.twin()), &self.app);
        let doors = inference.merge(elsewhere(web::router(Arc::clone(&self.app))));
        match self.config.tls.client_ca.is_empty() {
            true => doors,
            false => with_certificates(doors, &self.engine),
        }
    }

    /// Listens, and serves until `stop` is true; then lets requests end and closes.
    ///
    /// # Errors
    /// When it cannot listen or cannot close well.
    pub async fn serve(self, listening: Listening, mut stop: watch::Receiver<bool>) -> Result<(), Failure> {
        let drain = Duration::from_secs(self.config.server.drain_seconds);
        let mut stopping = stop.clone();
        let graceful = async move {
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        let bounds = connections::Bounds::new(self.config.limits.connections);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let hand = || Some(self.engine.records().hand());
        let mut workers = Workers::start(threads, bounds, listening.tls.as_ref(), || self.router(), hand)?;
        let serving = workers.serve(listening.listener, graceful);
        let late = async move {
            let _ = stop.wait_for(|stop| *stop).await;
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            () = serving => {}
            () = late => tracing::warn!(seconds = drain.as_secs(), "requests under way were cut off at shutdown"),
        }
        let _ = std::fs::remove_file(path(&self.config.server.data));
        // While there are workers, records of clients that have gone are completed.
        self.close().await
    }

    /// Seals what is unsealed, publishes and closes.
    ///
    /// # Errors
    /// When something could not be written.
    pub async fn close(&self) -> Result<(), Failure> {
        let drain = Duration::from_secs(self.config.server.drain_seconds);
        if tokio::time::timeout(drain, self.gateway.rest()).await.is_err() {
            tracing::warn!("some requests did not end; they will have records as interrupted at the next start");
        }
        self.engine.shutdown().await.map_err(|e| Failure::io(e.to_string()))
    }

    /// Has the witnesses asked from now on, takes the listening address, and tells where the server is in `run.json`.
    ///
    /// # Errors
    /// When the address is taken, or a setting makes no sense.
    pub async fn listen(&self, stop: watch::Receiver<bool>) -> Result<Listening, Failure> {
        let failed = |e: engine::ExecuteError| Failure::io(e.to_string());
        self.engine.publish().await.map_err(failed)?;
        if let Some(witnesses) = Witnesses::of(&self.config)? {
            witnesses.start(self.engine.log(), stop.clone());
        }
        self.engine.beat().await.map_err(failed)?;
        let address = &self.config.server.listen;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|e| Failure::io(format!("cannot listen on {address}: {e}")))?;
        let local = listener.local_addr()?;
        let tls = Tls::new(&self.config, &self.certificate.0);
        let tls = tls.map_err(|Unusable(key, why)| Failure::usage(format!("`tls.{key}`: {why}")))?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{local}");
        let mut redirect = None;
        if let Some(tls) = &tls {
            self.secure(tls, &url, stop.clone());
            redirect = self.redirect(local.port(), stop.clone()).await?;
        }
        tell(&self.config, &url, tls.as_ref())?;
        let certificates = tls.as_ref().map(|tls| Arc::clone(&tls.certificates));
        let own = endpoints::Own { listener: local, certificates, redirect };
        tokio::spawn(endpoints::follow(Arc::clone(&self.engine), own, stop.clone()));
        let left = self.engine.read(domain::State::unchecked);
        tokio::spawn(ingest::check::check_those_left(Arc::clone(&self.engine), left, stop.clone()));
        tokio::spawn(ingest::rescan::follow(Arc::clone(&self.engine), stop));
        if let Some(notifier) = &self.notifier {
            self.engine.start_notifying(notifier);
        }
        Ok(Listening { listener, tls, url })
    }

    /// Sees to it that a good certificate is shown until `stop` is true.
    fn secure(&self, tls: &Tls, url: &str, stop: watch::Receiver<bool>) {
        let (settings, certificates) = (&self.config.tls, &tls.certificates);
        let (config, url, shown) = (self.config.clone(), url.to_owned(), tls.clone());
        let changed = move || {
            if let Err(error) = tell(&config, &url, Some(&shown)) {
                tracing::warn!(error = error.message, "commands on this machine will not believe the new certificate");
            }
        };
        match self.config.asks_for_certificates() {
            true => {
                let keeper = Keeper::new(&self.config, &self.engine, certificates, &self.certificate.1);
                tokio::spawn(keeper.run(stop, changed));
            }
            false => {
                tokio::spawn(Files::new(settings).follow(Arc::clone(certificates), stop, changed));
            }
        }
    }

    /// Sends browsers on from a listener without TLS, if there is to be one; where it listens.
    async fn redirect(&self, port: u16, stop: watch::Receiver<bool>) -> Result<Option<SocketAddr>, Failure> {
        let from = &self.config.tls.redirect_from;
        if from.is_empty() {
            return Ok(None);
        }
        let listener = TcpListener::bind(from).await;
        let listener = listener.map_err(|e| Failure::io(format!("cannot listen on {from}: {e}")))?;
        let local = listener.local_addr()?;
        let public_url = Some(public_url(&self.config)).filter(|_| !self.config.server.public_url.is_empty());
        tokio::spawn(redirect::serve(listener, redirect::Target { public_url, port }, stop));
        Ok(Some(local))
    }
}

/// When the certificate that is shown expires, and how often an authority gave no other one; told when there is TLS.
fn certificate_metrics(config: &Config, registry: &mut Registry) -> (Gauge, Counter) {
    let (expires, failures) = (Gauge::default(), Counter::default());
    if config.is_secured() {
        let help = "When the certificate that is shown expires, in seconds since the epoch; 0 before there is one";
        registry.register("tls_certificate_expires_seconds", help, expires.clone());
    }
    if config.asks_for_certificates() {
        registry.register("acme_failures", "Attempts to get a certificate that failed", failures.clone());
    }
    (expires, failures)
}

/// Has the ledger say where this node and its buckets lie, before anything goes from here to anywhere. Policies from before
/// there was such a command refuse it: then that stays unknown, which permits nothing.
async fn located(config: &Config, engine: &Arc<Engine>) -> Result<(), Failure> {
    let node = Some((format!("node/{}", config.node.name), &config.node.region));
    let bucket = (format!("archive/{}", config.write_once.bucket), &config.write_once.located);
    let bucket = Some(bucket).filter(|_| !config.write_once.bucket.is_empty());
    let said = |region: &'_ String| Some(region.clone()).filter(|region| !region.is_empty());
    let told = |store: &str, done: Result<(), engine::ExecuteError>| match done {
        Err(engine::ExecuteError::Refused(refusal)) => {
            tracing::warn!(store, refusal = refusal.message, "the ledger does not say where this store lies");
            Ok(())
        }
        done => done.map_err(|e| Failure::io(e.to_string())),
    };
    for (store, region) in node.into_iter().chain(bucket) {
        told(&store, engine.locate(&store, said(region).as_deref()).await)?;
    }
    told("objects", engine.locate_objects(said(&config.objects.located).as_deref()).await)
}

/// Tells commands on this machine where the server is, and which certificate it shows.
fn tell(config: &Config, url: &str, tls: Option<&Tls>) -> Result<(), Failure> {
    let certificate_sha256 = tls.and_then(|tls| tls.certificates.fingerprint());
    let running = Running { url: url.to_owned(), pid: std::process::id(), certificate_sha256 };
    let text = serde_json::to_vec(&running).map_err(|e| Failure::io(e.to_string()))?;
    std::fs::write(path(&config.server.data), text)?;
    Ok(())
}

/// A data directory opened for one command, while no server runs: the API without listener, gateway and clockwork.
pub struct Visit {
    engine: Arc<Engine>,
    app: Arc<web::App>,
}

impl Visit {
    /// Opens the data directory.
    ///
    /// # Errors
    /// When it is in use, damaged or rolled back.
    pub async fn open(config: &Config) -> Result<Self, Failure> {
        let engine = patiently(config, TO_START, Engine::visit).await?;
        let (app, _) = app(config, &engine, Registry::default())?;
        Ok(Self { engine, app })
    }

    /// The web's doors.
    pub fn router(&self) -> Router {
        web::router(Arc::clone(&self.app))
    }

    /// Makes recovery codes by the right of whoever holds the data directory: the administrator, and the codes.
    ///
    /// # Errors
    /// When there is no such administrator, or several and none was named.
    pub async fn recovery_codes(&self, actor: Option<&str>) -> Result<(String, Vec<String>), Failure> {
        let made = self.engine.issue_recovery_by_directory(actor).await;
        made.map_err(|error| match error {
            engine::ExecuteError::Refused(refusal) => {
                let policies = refusal.policies;
                Failure { policies, ..Failure::refused(refusal.code.as_str(), refusal.message) }
            }
            error => Failure::io(error.to_string()),
        })
    }

    /// Tells the ledger which custodian keeps the root.
    ///
    /// # Errors
    /// When that could not be written.
    pub async fn tell_custodian(&self) -> Result<(), Failure> {
        self.engine.tell_custodian().await.map_err(|error| Failure::io(error.to_string()))
    }

    /// Seals the accesses that were recorded and signs what the command added.
    ///
    /// # Errors
    /// When that could not be written.
    pub async fn close(self) -> Result<(), Failure> {
        self.engine.leave_visit().await.map_err(|e| Failure::io(e.to_string()))
    }
}

/// Opens the engine with `open`; a data directory in use is tried again for a while.
async fn patiently<F>(
    config: &Config,
    patience: Duration,
    open: impl Fn(EngineOptions) -> F,
) -> Result<Arc<Engine>, Failure>
where
    F: Future<Output = Result<Arc<Engine>, OpenError>>,
{
    let until = Instant::now() + patience;
    let mut told = false;
    loop {
        match open(options(config)).await {
            Err(error) if error.kind() == "locked" && Instant::now() < until => {
                if !told {
                    let (data, seconds) = (config.server.data.display(), patience.as_secs());
                    output::note(&format!(
                        "`{data}` is in use by another process: waiting up to {seconds} s until it answers or ends"
                    ));
                    told = true;
                }
                tokio::time::sleep(LOOK).await;
            }
            opened => return opened.map_err(|e| Failure::new(e.exit_code(), e.kind(), e.to_string())),
        }
    }
}

/// The web's parts, and whoever tells people, if the settings name a channel.
type Parts = (Arc<web::App>, Option<Arc<Notifier>>);

fn app(config: &Config, engine: &Arc<Engine>, mut registry: Registry) -> Result<Parts, Failure> {
    let sql = query::Limits {
        memory_bytes: config.limits.sql_memory_bytes,
        timeout: Duration::from_secs(config.limits.sql_seconds),
        ..query::Limits::default()
    };
    let database = assurance::database(engine, sql).map_err(|e| Failure::io(e.to_string()))?;
    let notifier = notify::notifier(config, &public_url(config), &mut registry);
    let notifier = notifier.map_err(|(section, key, why)| Failure::usage(format!("`{section}.{key}`: {why}")))?;
    let settings = doors::settings(config, public_url(config), notifier.clone())?;
    let app = web::App::new(Arc::clone(engine), Arc::new(database), registry, settings).map_err(Failure::usage)?;
    Ok((app, notifier))
}

/// An address taken, not served yet.
pub struct Listening {
    listener: TcpListener,
    tls: Option<Tls>,
    /// How to reach it.
    pub url: String,
}

fn options(config: &Config) -> EngineOptions {
    let state = config.state_dir(|variable| std::env::var(variable).ok());
    if state.is_none() && config.server.state.is_empty() {
        tracing::warn!(
            "there is no home to remember the size of the ledger in, so an older copy that is restored whole would not be noticed: name a directory in `server.state`"
        );
    }
    EngineOptions {
        dir: config.server.data.clone(),
        state,
        organisation: config.organisation.name.clone(),
        origin: Some(config.organisation.origin.clone()).filter(|origin| !origin.is_empty()),
        retention_days: config.organisation.retention_days,
        node: config.node.name.clone(),
        program: concat!("counterfoil ", env!("CARGO_PKG_VERSION")).to_owned(),
        roll_records: config.records.roll_records,
        roll_bytes: config.records.roll_bytes,
        roll_after: Duration::from_secs(config.records.roll_seconds),
        outbound: Outbound {
            credential_env: config.providers.credential_env.clone(),
            private_hosts: config.providers.private_hosts.clone(),
        },
        sessions: SessionLimits {
            idle: Duration::from_secs(config.sessions.idle_minutes.saturating_mul(60)),
            absolute: Duration::from_secs(config.sessions.absolute_hours.saturating_mul(3600)),
        },
        custody: config.custody(),
        archive: config.archive(),
        objects: config.objects(),
        columnar: Some(Arc::new(ingest::Columnar)),
    }
}

pub fn not_opened(error: &OpenError) -> Failure {
    Failure::new(error.exit_code(), error.kind(), error.to_string())
}

fn public_url(config: &Config) -> String {
    match config.server.public_url.as_str() {
        // Browsers use passkeys at a name, and at no number.
        "" => {
            let scheme = if config.is_secured() { "https" } else { "http" };
            format!("{scheme}://{}", config.server.listen.replacen("127.0.0.1:", "localhost:", 1))
        }
        url => url.trim_end_matches('/').to_owned(),
    }
}

/// A receiver that turns true at SIGTERM or SIGINT.
pub fn stop_signal() -> Result<watch::Receiver<bool>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new requests are taken");
        let _ = sender.send(true);
    });
    Ok(receiver)
}
