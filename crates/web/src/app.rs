//! What all handlers share.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use domain::people::Door;
use engine::{Engine, Principal};
use merkle::Hash;
use prometheus_client::registry::Registry;
use query::{At, Database};
use webauthn::{NoPasskeys, Site};

use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::people::exchange::Issuers;
use crate::people::gate::{Gate, Whom, too_many};
use crate::people::login::Logins;
use crate::people::oidc::Oidc;
use crate::settings::Settings;

/// Scopes in which services lie, and data sets.
pub(crate) const SERVICES: [&str; 2] = ["service/", "environment/"];
pub(crate) const DATASETS: [&str; 1] = ["dataset/"];

/// The server's shared parts.
pub struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) db: Arc<Database>,
    pub(crate) metrics: Metrics,
    /// What the settings say about the doors.
    pub(crate) settings: Settings,
    /// The provider that people sign in with, if there is one.
    pub(crate) oidc: Option<Oidc>,
    /// Issuers of programs' tokens.
    pub(crate) issuers: Issuers,
    /// Command lines that wait to be let in.
    pub(crate) logins: Logins,
    /// Who failed at the doors, and must wait.
    pub(crate) gate: Gate,
    /// Whether browsers reach this server by https, so that cookies must not travel otherwise.
    pub(crate) secure: bool,
    /// The site that passkeys are good for, or why there is none.
    pub(crate) site: Result<Site, NoPasskeys>,
}

impl App {
    /// Puts the parts together. `registry` holds the metrics of others already; ours are added to it.
    ///
    /// # Errors
    /// When the certificates in the settings cannot be used.
    pub fn new(
        engine: Arc<Engine>,
        db: Arc<Database>,
        registry: Registry,
        settings: Settings,
    ) -> Result<Arc<Self>, String> {
        let secure = settings.public_url.starts_with("https://");
        let provider = settings.oidc.clone();
        let provider = provider.map(|oidc| Oidc::new(oidc, &settings.public_url, engine.outbound())).transpose();
        let oidc = provider.map_err(|e| format!("the certificates of `oidc.ca_file` cannot be used: {e}"))?;
        let issuers = Issuers::new(&settings.workload, engine.outbound());
        let issuers = issuers.map_err(|e| format!("the certificates of `workload.ca_file` cannot be used: {e}"))?;
        let site = Site::at(&settings.public_url);
        Ok(Arc::new(Self {
            engine,
            db,
            metrics: Metrics::new(registry),
            settings,
            oidc,
            issuers,
            logins: Logins::default(),
            gate: Gate::default(),
            secure,
            site,
        }))
    }

    /// Size and root of the ledger as it is now. The right edge of the tree is in memory.
    pub(crate) fn head(&self) -> Result<(u64, Hash), Failure> {
        let log = self.engine.log();
        let size = log.size();
        let root = log.root_at(size).map_err(|error| Failure::internal("read the ledger's root", &error))?;
        Ok((size, root))
    }

    /// Whether `who` may read things of a kind, such as `ledger` or `inferences`.
    pub(crate) fn may_read(&self, who: &Principal, what: &str) -> Result<(), Failure> {
        self.may(who, "read", what)
    }

    /// Whether `who` may do something that is not a command.
    pub(crate) fn may(&self, who: &Principal, action: &str, what: &str) -> Result<(), Failure> {
        self.engine.authorize(who, action, what).map(drop).map_err(Failure::from)
    }

    /// What the policies say of `who`. Nothing is noted: this is for what is offered, and not for what is shown.
    pub(crate) fn decides(&self, who: &Principal, action: &str, what: &str) -> bool {
        self.engine.policies().decide(who, action, what).is_ok()
    }

    /// The scopes of some kinds in which `who` holds a role that reads what lies there.
    pub(crate) fn reads_in(&self, who: &Principal, kinds: &[&str]) -> Vec<String> {
        let scopes = who.roles.iter().map(|(_, scope)| scope);
        let fits = scopes.filter(|scope| kinds.iter().any(|kind| scope.starts_with(*kind)));
        fits.filter(|scope| self.decides(who, "read", scope)).cloned().collect()
    }

    /// What `who` may read of `all`: all of it, which is `None`, or the scopes of some kinds in which they hold a role.
    pub(crate) fn may_read_some(
        &self,
        who: &Principal,
        all: &str,
        kinds: &[&str],
    ) -> Result<Option<Vec<String>>, Failure> {
        let own = self.reads_in(who, kinds);
        if own.is_empty() || self.decides(who, "read", all) {
            return self.may_read(who, all).map(|()| None);
        }
        own.iter().try_for_each(|scope| self.may_read(who, scope))?;
        Ok(Some(own))
    }

    /// Whether something is shown to `who` beside what everybody is shown. Whoever is shown less was denied nothing: on
    /// record is only who saw it.
    pub(crate) fn is_shown(&self, who: &Principal, action: &str, what: &str) -> bool {
        self.engine.policies().decide(who, action, what).is_ok() && self.may(who, action, what).is_ok()
    }

    /// Counts somebody who was turned away at a door, and gives the answer: the failure itself, or that they must wait.
    pub(crate) fn turn_away(&self, door: Door, reason: &'static str, address: IpAddr, failure: Failure) -> Failure {
        let (whom, now) = (Whom::from(address), Instant::now());
        self.gate.failed(whom.clone(), now);
        let wait = self.gate.wait(&whom, now);
        self.engine.turned_away(door, if wait.is_zero() { reason } else { "too_many" });
        if wait.is_zero() { failure } else { too_many(wait) }
    }

    /// Forgets the failures of an address from which somebody came in: those in a row count.
    pub(crate) fn let_in(&self, address: IpAddr) {
        self.gate.succeeded(&Whom::from(address));
    }

    /// Runs SQL over the newest state, records that are not sealed yet included.
    pub(crate) async fn ask(&self, sql: &str) -> Result<Found, Failure> {
        let session = self.db.at(At::Latest { tail: true }).await.map_err(crate::rows::failure)?;
        let answer = session.sql(sql, None).await.map_err(crate::rows::failure)?;
        Ok(Found { rows: answer.rows().map_err(crate::rows::failure)?, size: session.size() })
    }
}

/// What a query found, and at which ledger size.
pub(crate) struct Found {
    pub rows: Vec<serde_json::Map<String, serde_json::Value>>,
    pub size: u64,
}
