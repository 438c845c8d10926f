//! What all handlers share.

use std::sync::Arc;

use engine::{Engine, Principal};
use merkle::Hash;
use prometheus_client::registry::Registry;
use query::{At, Database};

use crate::failure::Failure;
use crate::metrics::Metrics;

/// The server's shared parts.
pub struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) db: Arc<Database>,
    pub(crate) metrics: Metrics,
    /// The address that people use, without a slash at its end.
    pub(crate) public_url: String,
    /// Whether browsers reach this server by https, so that cookies must not travel otherwise.
    pub(crate) secure: bool,
}

impl App {
    /// Puts the parts together. `registry` holds the metrics of others already; ours are added to it. `public_url` is
    /// the address that people use; sign-in links begin with it.
    #[must_use]
    pub fn new(engine: Arc<Engine>, db: Arc<Database>, registry: Registry, public_url: String) -> Arc<Self> {
        let secure = public_url.starts_with("https://");
        Arc::new(Self { engine, db, metrics: Metrics::new(registry), public_url, secure })
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
