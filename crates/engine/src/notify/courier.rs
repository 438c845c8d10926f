//! One channel's courier: looks what is due, sends it, and writes down what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use domain::Command;
use domain::people::notifications::{Channel, Delivery, Notice, NotificationKind, NotificationSettled, due};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Message, Messenger, NO_ADDRESS, Notifier, Undelivered};
use crate::{Engine, ExecuteError};

/// How often it is looked whether something changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked when nothing changed, because time alone makes things due; milliseconds.
const PLAN_EVERY_MS: i64 = 30_000;

/// How many messages are under way at once.
const AT_ONCE: usize = 4;

/// How many are taken up before it is looked again.
const A_ROUND: usize = 16;

/// How many that wait are kept in mind; the plan has the others when these are gone.
const IN_MIND: usize = 10_000;

/// How long a message waits after its first failure, in milliseconds; four times as long after each further one.
const FIRST_PAUSE_MS: i64 = 2_000;

/// How long it waits at most, in milliseconds.
const LONGEST_PAUSE_MS: i64 = 3_600_000;

/// A message that waits: its identifier, what is told, and to whom when it is for one.
#[derive(Clone)]
struct Waiting {
    id: String,
    notice: Notice,
    to: Option<String>,
}

/// What is known of a message that is not settled. It dies with the process, which then begins to count anew.
#[derive(Default)]
struct Tries {
    attempts: u64,
    /// Not to be taken up before; milliseconds since the epoch.
    not_before: i64,
    /// What became of it, when that could not be written down yet.
    outcome: Option<(Delivery, Option<String>)>,
}

/// What a try came to.
enum Attempt {
    Sent(Result<(), Undelivered>),
    NoAddress,
    /// The address could not be read now.
    Unready(String),
}

pub(super) struct Courier {
    notifier: Arc<Notifier>,
    messenger: Arc<dyn Messenger>,
    tries: BTreeMap<String, Tries>,
    /// The ledger's size when it was last looked, and when to look again whatever the size.
    looked: (u64, i64),
}

impl Courier {
    pub fn new(notifier: Arc<Notifier>, messenger: Arc<dyn Messenger>) -> Self {
        Self { notifier, messenger, tries: BTreeMap::new(), looked: (0, 0) }
    }

    /// Goes on until `stop` is true. What is under way then is cut off, and sent again after the next start.
    pub async fn run(mut self, engine: Weak<Engine>, mut stop: watch::Receiver<bool>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let rounds = async {
            loop {
                looks.tick().await;
                let Some(engine) = engine.upgrade() else { return };
                self.round(&engine, Engine::now_ms()).await;
            }
        };
        tokio::select! {
            () = rounds => {}
            // An error says that nobody can ask to stop any more, which is as good as asking.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Sends what is due at `now`, as much as a round takes.
    pub async fn round(&mut self, engine: &Arc<Engine>, now: i64) {
        let size = engine.read(|state| state.size);
        if size == self.looked.0 && now < self.looked.1 {
            return;
        }
        let waiting = self.waiting(engine, now);
        let known: BTreeSet<&str> = waiting.iter().map(|one| one.id.as_str()).collect();
        self.tries.retain(|id, _| known.contains(id.as_str()));
        let ready = |one: &&Waiting| self.tries.get(&one.id).is_none_or(|tries| tries.not_before <= now);
        let mut round: Vec<&Waiting> = waiting.iter().filter(ready).collect();
        // Alerts go first, and what was not tried yet before what failed: a receiver that takes nothing takes its time.
        let attempts = |one: &Waiting| self.tries.get(&one.id).map_or(0, |tries| tries.attempts);
        round.sort_by_key(|one| (one.notice.kind != NotificationKind::EmergencyDeclared, attempts(one)));
        let more = round.len() > A_ROUND;
        let round: Vec<Waiting> = round.into_iter().take(A_ROUND).cloned().collect();
        // A try may take longer than the pause after it, which begins when the try ends.
        let begun = Instant::now();
        let clock = move || now.saturating_add(i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX));
        for some in round.chunks(AT_ONCE) {
            self.send(engine, some, clock).await;
        }
        let soonest = self.tries.values().map(|tries| tries.not_before).min().unwrap_or(i64::MAX);
        let next = if more { now } else { now.saturating_add(PLAN_EVERY_MS).min(soonest) };
        self.looked = (size, next);
    }

    /// What waits to be told by this channel.
    fn waiting(&self, engine: &Engine, now: i64) -> Vec<Waiting> {
        let channel = self.messenger.channel();
        engine.read(|state| {
            let each = |notice: Notice| {
                let to: Vec<Option<String>> = match channel {
                    Channel::Webhook => vec![None],
                    Channel::Email => notice.to.iter().cloned().map(Some).collect(),
                };
                to.into_iter().map(move |to| Waiting {
                    id: notice.id(channel, to.as_deref()),
                    notice: notice.clone(),
                    to,
                })
            };
            let waiting = due(state, now).into_iter().flat_map(each);
            waiting.filter(|one| !state.is_settled(&one.id)).take(IN_MIND).collect()
        })
    }

    async fn send(&mut self, engine: &Arc<Engine>, some: &[Waiting], clock: impl Fn() -> i64) {
        let org = engine.org().name;
        let mut under_way = JoinSet::new();
        for one in some.iter().filter(|one| self.tries.get(&one.id).is_none_or(|tries| tries.outcome.is_none())) {
            let (engine, messenger, one) = (Arc::clone(engine), Arc::clone(&self.messenger), one.clone());
            let to = one.to.clone().map_or_else(|| one.notice.to.iter().cloned().collect(), |to| vec![to]);
            let message = Message::of(&one.notice, one.id.clone(), to, &self.notifier.public_url, &org);
            under_way.spawn(async move { (one.id.clone(), attempt(&engine, messenger.as_ref(), &one, message).await) });
        }
        while let Some(ended) = under_way.join_next().await {
            match ended {
                Ok((id, attempt)) => self.note(&id, attempt, clock()),
                Err(error) => tracing::error!(%error, "a message was not sent"),
            }
        }
        for one in some {
            self.settle(engine, one, clock()).await;
        }
    }

    /// Keeps in mind what a try came to.
    fn note(&mut self, id: &str, attempt: Attempt, now: i64) {
        let (most, channel) = (self.messenger.attempts(), self.messenger.channel());
        let tries = self.tries.entry(id.to_owned()).or_default();
        let why = match attempt {
            Attempt::NoAddress => {
                tries.outcome = Some((Delivery::Skipped, Some(NO_ADDRESS.to_owned())));
                return;
            }
            Attempt::Sent(Ok(())) => {
                tries.attempts += 1;
                tries.outcome = Some((Delivery::Delivered, None));
                return;
            }
            Attempt::Sent(Err(why)) => why,
            Attempt::Unready(detail) => Undelivered { word: "address_unreadable".to_owned(), detail, lasting: false },
        };
        tries.attempts += 1;
        let (attempts, reason) = (tries.attempts, why.word.as_str());
        if why.lasting || attempts >= most {
            tracing::warn!(channel = channel.as_str(), notification = id, attempts, reason, "a notification failed");
            tries.outcome = Some((Delivery::Failed, Some(why.word)));
            return;
        }
        tries.not_before = now.saturating_add(pause_ms(attempts));
        tracing::warn!(
            channel = channel.as_str(),
            notification = id,
            attempts,
            reason,
            "a notification was not delivered; it will be tried again"
        );
        (self.notifier.counted)(channel, "retried");
    }

    /// Writes down what became of a message, if that is known.
    async fn settle(&mut self, engine: &Arc<Engine>, one: &Waiting, now: i64) {
        let Some(tries) = self.tries.get_mut(&one.id) else { return };
        let Some((delivery, reason)) = tries.outcome.clone() else { return };
        let channel = self.messenger.channel();
        let settled = NotificationSettled {
            notification: one.id.clone(),
            kind: one.notice.kind,
            about: one.notice.about.clone(),
            channel,
            to: one.to.clone(),
            delivery,
            attempts: tries.attempts,
            reason,
        };
        match engine.execute(engine.system(), Command::SettleNotification(settled)).await {
            Ok(_) => {
                self.tries.remove(&one.id);
                (self.notifier.counted)(channel, delivery.as_str());
            }
            // Asking again and again would fill the ledger with refusals; it stays in mind while this process lives.
            Err(ExecuteError::Refused(refusal)) => {
                tries.not_before = i64::MAX;
                tracing::warn!(%refusal, "what became of a notification may not be written down");
            }
            Err(error) => {
                tries.not_before = now.saturating_add(FIRST_PAUSE_MS);
                tracing::warn!(%error, "what became of a notification was not written down; it will be tried again");
            }
        }
    }
}

/// One try.
async fn attempt(engine: &Arc<Engine>, messenger: &dyn Messenger, one: &Waiting, mut message: Message) -> Attempt {
    if let Some(to) = &one.to {
        match engine.address_of(to).await {
            Ok(Some(address)) => message.address = Some(address),
            Ok(None) => return Attempt::NoAddress,
            Err(error) => return Attempt::Unready(error.to_string()),
        }
    }
    Attempt::Sent(messenger.send(&message).await)
}

/// How long to wait after this many failures, in milliseconds.
fn pause_ms(attempts: u64) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1).saturating_mul(2)).unwrap_or(u32::MAX);
    2_i64
        .checked_pow(doublings)
        .and_then(|times| FIRST_PAUSE_MS.checked_mul(times))
        .map_or(LONGEST_PAUSE_MS, |pause| pause.min(LONGEST_PAUSE_MS))
}
