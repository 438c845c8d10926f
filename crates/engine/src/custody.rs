//! Who keeps the root key, and what happens when they cannot be asked: it is said in the log and in the ledger, keys that
//! are held serve for the grace, and then are forgotten, so that nothing is sealed any more until the custodian is back.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::keys::{CustodianKind, CustodianReported};
use domain::{Command, RefusalCode};
use store::{CustodianOptions, SqliteKeys};
use vault::{Away, Custodian, CustodianInfo, Custody, HandedOver, Handover, KeyStore};

pub use vault::Custodied;

use crate::{Engine, ExecuteError, OpenError};

/// The longest time between two looks at a custodian.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The shortest: a short grace is looked at more often.
const LOOK_AT_LEAST: Duration = Duration::from_millis(250);

/// Which custodian holds the root key, and how long its keys are held while it is away.
#[derive(Clone, Debug)]
pub struct CustodyOptions {
    /// Which, and how it is found.
    pub custodian: CustodianOptions,
    /// How long unwrapped keys serve while it cannot be reached.
    pub grace: Duration,
}

impl Default for CustodyOptions {
    fn default() -> Self {
        Self { custodian: CustodianOptions::default(), grace: Duration::from_secs(60 * 60) }
    }
}

/// The custodian as the engine has it.
pub(crate) struct Keeper {
    root: Arc<dyn Custodian>,
    /// What it unwraps is held for the time that it is away; a file is never away.
    custody: Option<Arc<Custody>>,
    /// Whether the grace is over, as far as was looked.
    over: AtomicBool,
    /// Whether the policies in force forbid to report.
    forbidden: AtomicBool,
}

impl Keeper {
    pub(crate) fn open(options: &CustodyOptions, dir: &Path) -> Result<Self, OpenError> {
        let root = store::custodian::open(&options.custodian, dir);
        let root = root.map_err(|e| OpenError::Keys { what: "the root key", why: crate::open::chain(&e) })?;
        let (over, forbidden) = Default::default();
        Ok(match options.custodian {
            CustodianOptions::File { .. } => Self { root, custody: None, over, forbidden },
            CustodianOptions::Transit(_) | CustodianOptions::Pkcs11(_) => {
                let custody = Arc::new(Custody::new(root, options.grace));
                Self { root: Arc::clone(&custody) as Arc<dyn Custodian>, custody: Some(custody), over, forbidden }
            }
        })
    }

    /// Whoever wraps and unwraps for the vault.
    pub(crate) fn root(&self) -> Arc<dyn Custodian> {
        Arc::clone(&self.root)
    }
}

/// Moves the root of a data directory from one custodian to another, while no server runs on it: first everything is wrapped
/// by the new one, and the old one is as it was. See [`Handover::hand_over`]. Returns what keeps it now.
///
/// # Errors
/// When a custodian, a key or the key store cannot be used; then one of the two opens everything as before.
pub fn move_custodian(
    dir: &Path,
    from: &CustodianOptions,
    to: &CustodianOptions,
) -> Result<(HandedOver, CustodianInfo), OpenError> {
    let (handover, new) = between(dir, from, to)?;
    Ok((handover.hand_over().map_err(not_moved)?, new))
}

/// The second step, once the new one is known to serve: the old one opens no copy of the key store any more. Returns whether
/// its older versions are really gone. A file goes altogether.
///
/// # Errors
/// When the root was not moved, or as [`move_custodian`]. To be repeated then.
pub fn retire_custodian(dir: &Path, from: &CustodianOptions, to: &CustodianOptions) -> Result<bool, OpenError> {
    let (handover, _) = between(dir, from, to)?;
    let gone = handover.retire_old().map_err(not_moved)?;
    if matches!(from, CustodianOptions::File { .. }) {
        let path = dir.join(store::custodian::ROOT_KEY);
        store::custodian::discard_file(dir).map_err(|source| OpenError::Io { path, source })?;
    }
    Ok(gone)
}

fn not_moved(error: vault::VaultError) -> OpenError {
    OpenError::Keys { what: "the move of the root key", why: crate::open::chain(&error) }
}

fn between(dir: &Path, from: &CustodianOptions, to: &CustodianOptions) -> Result<(Handover, CustodianInfo), OpenError> {
    let failed =
        |what: &'static str| move |e: &dyn std::error::Error| OpenError::Keys { what, why: crate::open::chain(e) };
    let signer = crate::open::signer(dir, None)?;
    let keys = SqliteKeys::open(&dir.join("keys.sqlite")).map_err(|e| failed("the key store")(&e))?;
    let keys: Arc<dyn KeyStore> = Arc::new(keys);
    let old =
        store::custodian::open_existing(from, dir).map_err(|e| failed("the custodian that keeps the root")(&e))?;
    let new = store::custodian::open(to, dir).map_err(|e| failed("the custodian that is to keep the root")(&e))?;
    let handover = Handover::new(signer.verifier_key().name(), &keys, &old, &new).map_err(not_moved)?;
    Ok((handover, new.describe()))
}

impl Engine {
    /// Tells the ledger which custodian keeps the root, where that is news: for whoever moved it.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn tell_custodian(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let found = self.custodian();
        self.report_custodian(&found.info, found.away.as_ref()).await
    }

    /// What holds the root key, and since when it is away, if it is.
    pub fn custodian(&self) -> Custodied {
        match &self.keeper.custody {
            Some(custody) => custody.last(),
            None => Custodied { info: self.keeper.root.describe(), away: None },
        }
    }

    /// How often to look whether the custodian is there.
    pub(crate) fn custodian_period(&self) -> Duration {
        (self.options.custody.grace / 4).clamp(LOOK_AT_LEAST, LOOK_EVERY)
    }

    /// Looks whether the custodian is there, and says so where that is news.
    pub(crate) async fn watch_custodian(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let found = self.blocking(|engine| match &engine.keeper.custody {
            Some(custody) => custody.probe(),
            None => engine.custodian(),
        });
        let found = found.await?;
        let over = found.away.as_ref().is_some_and(|away| away.left.is_zero());
        if over {
            // Again at each look: a key that was being read just then is forgotten too.
            self.vault.forget_unwrapped();
        }
        if self.keeper.over.swap(over, Ordering::Relaxed) != over && over {
            tracing::error!(
                key_id = found.info.key_id,
                grace_seconds = self.options.custody.grace.as_secs(),
                "the custodian of the root key was away for as long as its keys may be held: nothing is sealed until it is back"
            );
        }
        self.report_custodian(&found.info, found.away.as_ref()).await
    }

    async fn report_custodian(self: &Arc<Self>, info: &CustodianInfo, away: Option<&Away>) -> Result<(), ExecuteError> {
        let Some(kind) = CustodianKind::from_word(info.kind) else { return Ok(()) };
        let known = self.read(|state| state.custodian.clone());
        let news = match &known {
            // Where there never was another custodian than the file, nothing is to be told.
            None => kind != CustodianKind::File,
            // The name of a file's key changes with each ratchet, which has an event of its own.
            Some(known) if kind == CustodianKind::File => known.kind != kind,
            Some(known) => (known.kind, &known.key_id, known.reachable) != (kind, &info.key_id, away.is_none()),
        };
        if !news || self.keeper.forbidden.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (key_id, why) = (&info.key_id, away.map(|away| away.why.as_str()));
        match why {
            Some(why) => tracing::error!(
                key_id,
                why,
                grace_seconds = self.options.custody.grace.as_secs(),
                "ALERT: the custodian of the root key cannot be reached; keys that are held serve for the grace"
            ),
            None => tracing::info!(key_id, "the custodian of the root key can be reached"),
        }
        let lasts = away.map_or(0, |away| i64::try_from(away.lasts.as_millis()).unwrap_or(i64::MAX));
        let since = Self::now_ms().saturating_sub(lasts).max(0);
        let reported = CustodianReported { kind, key_id: key_id.clone(), reachable: away.is_none(), since };
        match self.execute(self.system(), Command::ReportCustodian(reported)).await {
            // Policies from before there were reports: asking again and again would fill the ledger with refusals.
            Err(ExecuteError::Refused(refusal)) if refusal.code == RefusalCode::Forbidden => {
                tracing::warn!(
                    %refusal,
                    "the custodian of the root key is not reported to the ledger: permit `encryption.custodian.report` to \
                     the role `system`"
                );
                self.keeper.forbidden.store(true, Ordering::Relaxed);
                Ok(())
            }
            told => told.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{events, open};

    #[tokio::test(flavor = "multi_thread")]
    async fn given_a_file_when_it_was_the_only_custodian_then_nothing_is_reported_and_it_is_never_away() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = open(dir.path()).await;
        engine.watch_custodian().await.expect("looked");
        let found = engine.custodian();
        assert_eq!((found.info.kind, found.away), ("file", None));
        assert!(engine.read(|state| state.custodian.is_none()));
        // After another custodian, the file is news once.
        let info = CustodianInfo { kind: "transit", key_id: "transit:transit/k".into(), forgets: true };
        engine.report_custodian(&info, None).await.expect("reported");
        let away = Away { why: "gone".into(), lasts: Duration::from_secs(3), left: Duration::ZERO };
        engine.report_custodian(&info, Some(&away)).await.expect("reported");
        engine.report_custodian(&info, Some(&away)).await.expect("known");
        engine.watch_custodian().await.expect("looked");
        engine.watch_custodian().await.expect("looked");
        let told = |entry: &domain::Entry| match &entry.event {
            domain::Event::CustodianReported(body) => Some((body.kind.as_str(), body.reachable)),
            _ => None,
        };
        let told: Vec<_> = events(&engine).iter().filter_map(told).collect();
        assert_eq!(told, [("transit", true), ("transit", false), ("file", true)]);
    }
}
