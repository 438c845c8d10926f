//! The witnesses of this ledger: each new checkpoint is shown to all of them, and what they cosign is kept.
//!
//! All are asked about the same checkpoint before a newer one is looked at; otherwise each might cosign another one,
//! and no checkpoint would ever carry enough cosignatures. A witness that fails is left alone for a while, longer each
//! time, and does not hold up the others for more than one answer's time. Only the configured addresses are called.
//!
//! A witness that remembers another history stops the ledger: before a server writes anything, and while it runs. Then
//! nothing is written to this data directory any more, by servers and by commands, until the newest copy is restored, or
//! a server is started for which that witness has nothing to say against it or does not count any more.

mod ask;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::Uri;
use ledger::log::{Log, LogError, OtherHistory};
use merkle::{Checkpoint, Policy};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::output::Failure;
use crate::tls::trust::Trust;
pub use ask::shown;
use ask::{Asked, Asker, HttpClient, Trouble};

/// How often it is looked whether a new checkpoint was published.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a witness that failed is left alone at first; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long a witness is left alone at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The witnesses that the settings name.
pub struct Witnesses {
    policy: Policy,
    addresses: Vec<Uri>,
    client: HttpClient,
}

impl Witnesses {
    /// Those of the settings; none when there are none.
    ///
    /// # Errors
    /// When an address or the policy makes no sense, or those to be believed cannot be read.
    pub fn of(config: &Config) -> Result<Option<Self>, Failure> {
        let urls = &config.witnesses.urls;
        if urls.is_empty() {
            return Ok(None);
        }
        let addresses = urls.iter().map(|url| address(url)).collect::<Result<_, _>>()?;
        let policy = read_policy(&config.witnesses.policy)?;
        let client = ask::client(&Trust::from_file(&config.witnesses.ca));
        let client = client.map_err(|why| Failure::usage(format!("`witnesses.ca`: {why}")))?;
        Ok(Some(Self { policy, addresses, client }))
    }

    fn rounds(&self, log: &Arc<Log>) -> Rounds {
        let asker = Asker::new(Arc::clone(log), self.policy.clone(), self.client.clone());
        let witnesses = self.addresses.iter().cloned().map(Witness::new).collect();
        Rounds { asker, log: Arc::clone(log), witnesses }
    }

    /// Goes on showing each new checkpoint of the log until `stop` is true.
    pub fn start(&self, log: &Arc<Log>, stop: watch::Receiver<bool>) {
        tokio::spawn(self.rounds(log).run(stop));
    }
}

/// Asks the witnesses before anything is written: a copy of the data that was restored whole is consistent in itself, and
/// only others can tell that it is old. One that does not answer does not keep the server from starting, unless the ledger
/// was stopped before: then it goes on only when every witness that the settings name cosigns it.
///
/// It answers which of them cosign the ledger: the addresses by which [`Log::other_histories`] calls them.
///
/// # Errors
/// [`LogError::OtherHistory`] when a witness remembers another history of this ledger.
pub async fn ask_first(witnesses: Option<&Witnesses>, log: Arc<Log>) -> Result<Vec<String>, LogError> {
    let mut asked = Vec::new();
    if let Some(witnesses) = witnesses {
        let mut rounds = witnesses.rounds(&log);
        // One that does not answer is named by those who go on asking.
        rounds.witnesses.iter_mut().for_each(|witness| witness.quiet = true);
        rounds.round().await;
        if let Some(OtherHistory { by, why }) = rounds.stop_at_another_history() {
            return Err(LogError::OtherHistory { by, why });
        }
        asked = rounds.witnesses;
    }
    let cosigning = asked.iter().filter(|witness| witness.cosigned.is_some());
    let cosigning: Vec<String> = cosigning.map(|witness| witness.address.to_string()).collect();
    let told = log.other_histories();
    let Some(first) = told.first() else { return Ok(cosigning) };
    // Whoever could not be asked may remember the same as those that told so.
    if let Some(silent) = asked.iter().find(|witness| witness.cosigned.is_none()) {
        let by = silent.address.to_string();
        tracing::error!(witness = by, "the ledger was stopped, and this witness does not cosign it, so it stays so");
        let before = told.iter().find(|told| told.by == by).map(|told| told.why.clone());
        let why = before.unwrap_or_else(|| {
            let trouble = silent.trouble.as_ref().map_or_else(|| "it was not asked".to_owned(), ToString::to_string);
            format!("{trouble}; and {} stopped the ledger before: {}", first.by, first.why)
        });
        return Err(LogError::OtherHistory { by, why });
    }
    for OtherHistory { by, .. } in &told {
        let why =
            if cosigning.contains(by) { "it cosigns this ledger now" } else { "the settings do not name it any more" };
        tracing::warn!(witness = by, why, "the ledger was stopped by a witness, and goes on");
    }
    log.go_on();
    Ok(cosigning)
}

fn read_policy(path: &str) -> Result<Policy, Failure> {
    if path.is_empty() {
        let message =
            "`witnesses.urls` is set but `witnesses.policy` is not: name a file that says which witnesses to believe";
        return Err(Failure::usage(message));
    }
    let text = std::fs::read_to_string(Path::new(path)).map_err(|e| Failure::io(format!("{path}: {e}")))?;
    let policy = Policy::parse(&text).map_err(|error| {
        let why = std::error::Error::source(&error).map(|why| format!(": {why}")).unwrap_or_default();
        Failure::usage(format!("{path}: {error}{why}"))
    })?;
    match policy.witnesses().is_empty() {
        true => Err(Failure::usage(format!("{path}: the policy names no witness, so no cosignature would count"))),
        false => Ok(policy),
    }
}

/// One witness and how it has behaved.
struct Witness {
    /// Where to post checkpoints.
    address: Uri,
    /// How many entries it has cosigned, as far as is known here.
    size: u64,
    /// Size of the checkpoint it cosigned last in this process.
    cosigned: Option<u64>,
    /// How long to leave it alone after its next failure.
    pause: Duration,
    /// Not to be asked before.
    not_before: Instant,
    /// What was wrong last; none when it works.
    trouble: Option<Trouble>,
    /// Whether only another history is told of.
    quiet: bool,
}

/// Asks all witnesses about one checkpoint after the other.
struct Rounds {
    log: Arc<Log>,
    asker: Asker,
    witnesses: Vec<Witness>,
}

impl Rounds {
    async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let rounds = async {
            loop {
                looks.tick().await;
                self.round().await;
                if self.stop_at_another_history().is_some() {
                    return;
                }
            }
        };
        tokio::select! {
            () = rounds => {}
            // An error says that nobody can ask to stop any more, which is as good as asking.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Shows the checkpoint published last to every witness that has not cosigned it and may be asked.
    async fn round(&mut self) {
        let Some(note) = self.log.latest_checkpoint() else { return };
        let parsed = merkle::Note::parse(&note).ok().and_then(|note| Checkpoint::parse(&note.text).ok());
        let Some(checkpoint) = parsed else { return };
        let asked = Asked { note: Arc::from(note), size: checkpoint.size };
        let now = Instant::now();
        let due = self.witnesses.iter_mut().filter(|w| w.cosigned != Some(asked.size) && w.not_before <= now);
        join_all(due.map(|witness| witness.show(&self.asker, &asked))).await;
    }

    /// Stops the ledger when witnesses remember another history of it; returns what the first of them told.
    fn stop_at_another_history(&self) -> Option<OtherHistory> {
        let remembers = |witness: &Witness| {
            let trouble = witness.trouble.as_ref().filter(|trouble| trouble.is_another_history())?;
            Some(OtherHistory { by: witness.address.to_string(), why: trouble.to_string() })
        };
        let told: Vec<OtherHistory> = self.witnesses.iter().filter_map(remembers).collect();
        for told in &told {
            tracing::error!(
                witness = told.by,
                why = told.why,
                "ALERT: nothing is written to this ledger any more: it was rolled back, or its key is used elsewhere too"
            );
            if let Err(error) = self.log.halt(told.clone()) {
                tracing::error!(%error, "the ledger is stopped here, but later processes would not know of it");
            }
        }
        told.into_iter().next()
    }
}

/// Where the witness with this URL takes checkpoints.
fn address(url: &str) -> Result<Uri, Failure> {
    let wrong =
        || Failure::usage(format!("`witnesses.urls`: `{url}` is not an address such as `https://witness.example/w1`"));
    let address: Uri = format!("{}/add-checkpoint", url.trim_end_matches('/')).parse().map_err(|_| wrong())?;
    if !matches!(address.scheme_str(), Some("http" | "https")) || address.query().is_some() {
        return Err(wrong());
    }
    Ok(address)
}

impl Witness {
    fn new(address: Uri) -> Self {
        Self {
            address,
            size: 0,
            cosigned: None,
            pause: FIRST_PAUSE,
            not_before: Instant::now(),
            trouble: None,
            quiet: false,
        }
    }

    async fn show(&mut self, asker: &Asker, asked: &Asked) {
        match asker.ask(&self.address, &mut self.size, asked).await {
            Ok(()) => {
                self.cosigned = Some(asked.size);
                self.pause = FIRST_PAUSE;
                if self.trouble.take().is_some() {
                    tracing::info!(witness = %self.address, "the witness cosigns again");
                }
            }
            Err(trouble) => {
                self.not_before = Instant::now() + self.pause;
                self.pause = LONGEST_PAUSE.min(self.pause * 2);
                let known = self.trouble.as_ref().map(std::mem::discriminant);
                let told = trouble.is_another_history() || !self.quiet;
                if told && known != Some(std::mem::discriminant(&trouble)) {
                    trouble.report(&self.address);
                }
                self.trouble = Some(trouble);
            }
        }
    }
}

#[cfg(test)]
mod tests;
