//! Keys that data are encrypted under: a reconciler replaces those that are due or asked for, and reports it.
//!
//! To replace a key cannot be undone, and happens outside the ledger. So it is asked for by an event, or due by what
//! events say; it is carried out in steps each of which leaves everything openable; and what is there untold, because a
//! process died before it could report, is brought to its end and reported first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use domain::Command;
use domain::keys::encryption::ROOT;
use domain::keys::{ClassKeyRotated, EncryptionConfigured, RootRatcheted, RotationRequested};
use vault::{ClassKey, KeyKind, Turned, VaultError};

use crate::{Engine, ExecuteError, Principal};

const UNTOLD: &str = "keys may not be reported, so they are not replaced: permit `encryption.key.report` and \
                      `encryption.root.report` to the role `system`";

/// What the key hierarchy looks like; no key material.
#[derive(Clone, Debug)]
pub struct KeyInventory {
    /// What holds the root key: `file`, `transit`, `pkcs11` or `memory`.
    pub custodian: &'static str,
    /// The custodian's name for its newest version.
    pub root: String,
    /// Whether the custodian really destroys older versions.
    pub forgets: bool,
    /// When keys are replaced.
    pub schedule: EncryptionConfigured,
    /// When the root key was last ratcheted, in milliseconds since the epoch.
    pub ratcheted_at: Option<i64>,
    /// When it is to be ratcheted next, in milliseconds since the epoch; 0 for at once.
    pub ratchet_due_at: i64,
    /// Classes, and `root`, whose key somebody wants replaced now.
    pub requested: Vec<String>,
    /// Classes that have a key, ordered by name; that of link keys is called `_link`.
    pub classes: Vec<ClassInventory>,
}

/// The keys of one class.
#[derive(Clone, Debug)]
pub struct ClassInventory {
    /// The class.
    pub class: String,
    /// The version of its class key.
    pub version: u32,
    /// When that was made, in milliseconds since the epoch.
    pub created_at: i64,
    /// When it is to be replaced, in milliseconds since the epoch; `None` while it is not reported yet.
    pub rotation_due_at: Option<i64>,
    /// Whether a rotation is under way, or was cut short.
    pub rotating: bool,
    /// How many bucket keys it wraps.
    pub buckets: u64,
    /// Keys of subjects, or links of subjects: how many live, and how many were destroyed.
    pub subjects: [u64; 2],
    /// Keys of days: how many live, and how many were destroyed.
    pub days: [u64; 2],
}

impl Engine {
    /// Sets when keys are replaced.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn configure_encryption(
        self: &Arc<Self>,
        who: &Principal,
        class_days: u32,
        ratchet_hours: u32,
    ) -> Result<(), ExecuteError> {
        let configured = EncryptionConfigured { class_days, ratchet_hours };
        self.execute(who, Command::ConfigureEncryption(configured)).await.map(drop)
    }

    /// Has the key of a class, or of `root`, replaced, and waits until that is done.
    ///
    /// # Errors
    /// As [`Engine::execute`]. When the key store or the custodian fails, the request stands, and is tried again.
    pub async fn rotate_encryption(self: &Arc<Self>, who: &Principal, key: &str) -> Result<(), ExecuteError> {
        let known = |class: &str| self.read(|state| state.encryption.classes.contains_key(class));
        let may = || self.policies().decide(who, "encryption.rotate", &format!("encryption/{key}")).is_ok();
        if key != ROOT && !known(key) && may() {
            // It may be there since a moment ago, and not be reported yet.
            self.tend_keys().await?;
        }
        let requested = RotationRequested { key: key.to_owned() };
        self.execute(who, Command::RotateEncryption(requested)).await?;
        // Whoever asked may go away meanwhile.
        let engine = Arc::clone(self);
        let work = tokio::spawn(async move { engine.tend_keys().await });
        work.await.map_err(|e| ExecuteError::Internal(e.to_string()))?
    }

    /// Ratchets the root key now, and reports it: with a copy of the key store made before, nothing can be opened.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when the custodian or the key store fails: repeat it then; or when the policies in
    /// force do not let it be reported.
    pub async fn ratchet_root(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let _turn = self.key_turn.lock().await;
        match self.may_report_keys() {
            true => self.ratchet_in_turn().await,
            false => Err(ExecuteError::Unavailable(UNTOLD.to_owned())),
        }
    }

    /// Brings to an end what was cut short, then replaces what is due or asked for.
    pub(crate) async fn tend_keys(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let _turn = self.key_turn.lock().await;
        if !self.may_report_keys() {
            return Ok(());
        }
        let classes = self.in_vault(|engine| engine.vault.class_keys()).await?;
        for known in classes {
            self.tend_class(known).await?;
        }
        match self.read(|state| state.encryption.ratchet_due_at()) <= Self::now_ms() {
            true => self.ratchet_in_turn().await,
            false => Ok(()),
        }
    }

    /// Reports the first keys of classes soon, for what lies under them is on record at once. Nothing is replaced.
    pub(crate) async fn tell_new_keys(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let _turn = self.key_turn.lock().await;
        let known = self.in_vault(|engine| engine.vault.class_keys()).await?;
        let untold = |key: &ClassKey| self.read(|state| !state.encryption.classes.contains_key(&key.class));
        let new: Vec<ClassKey> = known.into_iter().filter(untold).collect();
        if new.is_empty() || !self.may_report_keys() {
            return Ok(());
        }
        for key in new {
            self.tend_class(key).await?;
        }
        Ok(())
    }

    async fn tend_class(self: &Arc<Self>, known: ClassKey) -> Result<(), ExecuteError> {
        let class = known.class.clone();
        let told = self.read(|state| state.encryption.classes.get(&class).map_or(0, |told| told.version));
        if told > known.version {
            // A report would be refused, each time: the ledger is not to be filled with that.
            tracing::error!(
                class,
                told,
                found = known.version,
                "the key store is older than the ledger: restore the newest copy of it; its keys are not replaced"
            );
            return Ok(());
        }
        if told < known.version || known.outgoing > 0 {
            let (of, at) = (class.clone(), now());
            self.check_not_stopped()?;
            let turned = self.in_vault(move |engine| engine.vault.finish_rotation(&of, at)).await?;
            let made_at = i64::try_from(known.created_ms).unwrap_or(i64::MAX);
            self.report_class(turned, made_at).await?;
        }
        let (due, wanted) = self.read(|state| {
            let encryption = &state.encryption;
            (encryption.rotation_due_at(&class), encryption.wanted_since(&class))
        });
        if due.is_none_or(|due| due > Self::now_ms()) {
            return Ok(());
        }
        // A clock that was set back must not make the key look older than the request that it answers.
        let made_at = Self::now_ms().max(wanted.unwrap_or(0));
        let at = u64::try_from(made_at).unwrap_or(0);
        self.check_not_stopped()?;
        let turned = self.in_vault(move |engine| engine.vault.rotate_class(&class, at)).await?;
        self.report_class(turned, made_at).await
    }

    async fn report_class(self: &Arc<Self>, turned: Turned, made_at: i64) -> Result<(), ExecuteError> {
        let Turned { class, version, buckets, rewrapped } = turned;
        tracing::info!(class, version, buckets, rewrapped, "the key of a class is in use");
        let custodian = self.vault.custodian().kind.to_owned();
        let rotated = ClassKeyRotated { class, version, made_at, buckets: buckets as u64, rewrapped, custodian };
        self.execute(self.system(), Command::ReportClassKey(rotated)).await.map(drop)
    }

    async fn ratchet_in_turn(self: &Arc<Self>) -> Result<(), ExecuteError> {
        // A ratchet of an older copy would destroy the version of the root key that opens the newest one.
        let found = self.in_vault(|engine| engine.vault.class_keys()).await?;
        let found: BTreeMap<String, u32> = found.into_iter().map(|key| (key.class, key.version)).collect();
        let older = self.read(|state| {
            let mut told = state.encryption.classes.iter();
            told.any(|(class, told)| found.get(class).is_none_or(|version| *version < told.version))
        });
        if older {
            let why = "the key store is older than the ledger, so the root is not ratcheted: restore its newest copy";
            return Err(ExecuteError::Unavailable(why.to_owned()));
        }
        self.check_not_stopped()?;
        let done = self.in_vault(|engine| engine.vault.ratchet()).await?;
        tracing::info!(
            key_id = done.key_id,
            rewrapped = done.rewrapped,
            forgets = done.forgets,
            "the root was ratcheted"
        );
        let ratcheted = RootRatcheted {
            key_id: done.key_id,
            custodian: self.vault.custodian().kind.to_owned(),
            rewrapped: done.rewrapped as u64,
            forgets: done.forgets,
        };
        self.execute(self.system(), Command::ReportRatchet(ratcheted)).await.map(drop)
    }

    /// Whether the policies in force let Counterfoil report of keys. Those from before there were reports do not: then
    /// nothing is replaced, for what cannot be undone is not done untold.
    fn may_report_keys(&self) -> bool {
        let policies = self.policies();
        let report = |action, resource| policies.decide(self.system(), action, resource);
        let refused = report("encryption.key.report", "encryption/root")
            .and_then(|_| report("encryption.root.report", "encryption/root"))
            .err();
        if let Some(refusal) = &refused
            && !self.keys_untold.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%refusal, "{UNTOLD}");
        }
        refused.is_none()
    }

    /// The key hierarchy as it is, for whoever looks after it.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when the key store fails.
    pub async fn encryption_inventory(self: &Arc<Self>) -> Result<KeyInventory, ExecuteError> {
        let (keys, counts) = self.in_vault(|engine| Ok((engine.vault.class_keys()?, engine.vault.count()?))).await?;
        let count = |kind: KeyKind, class: &str| {
            let found = counts.iter().find(|count| count.kind == kind && count.class == class);
            found.map_or([0, 0], |count| [count.live, count.destroyed])
        };
        let held = self.vault.custodian();
        Ok(self.read(|state| {
            let encryption = &state.encryption;
            let class = |key: ClassKey| {
                let [subjects, links] = [KeyKind::Subject, KeyKind::Link].map(|kind| count(kind, &key.class));
                ClassInventory {
                    version: key.version,
                    created_at: i64::try_from(key.created_ms).unwrap_or(i64::MAX),
                    rotation_due_at: encryption.rotation_due_at(&key.class),
                    rotating: key.outgoing > 0,
                    buckets: count(KeyKind::Bucket, &key.class)[0],
                    subjects: [subjects[0] + links[0], subjects[1] + links[1]],
                    days: count(KeyKind::Day, &key.class),
                    class: key.class,
                }
            };
            KeyInventory {
                custodian: held.kind,
                root: held.key_id.clone(),
                forgets: held.forgets,
                schedule: encryption.schedule(),
                ratcheted_at: encryption.ratcheted.as_ref().map(|(_, at)| *at),
                ratchet_due_at: encryption.ratchet_due_at(),
                requested: encryption.requested.keys().cloned().collect(),
                classes: keys.into_iter().map(class).collect(),
            }
        }))
    }

    /// Does what waits for the key store or the custodian.
    async fn in_vault<R: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<R, VaultError> + Send + 'static,
    ) -> Result<R, ExecuteError> {
        let done = self.blocking(work).await?;
        done.map_err(|error| ExecuteError::Unavailable(crate::open::chain(&error)))
    }
}

fn now() -> u64 {
    u64::try_from(Engine::now_ms()).unwrap_or(0)
}
