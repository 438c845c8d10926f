//! One channel's courier: looks what is due, sends it, and writes down what became of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use domain::Command;
use domain::people::notifications::{
    Channel, Delivery, MAX_ATTEMPTS, Notice, NotificationKind, NotificationSettled, due,
};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use super::pause::{Pause, after};
use super::{Fault, Message, Messenger, NO_ADDRESS, Notifier, Undelivered};
use crate::{Engine, ExecuteError};

/// How often it is looked whether something changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked when nothing changed, because time alone makes things due; milliseconds.
const PLAN_EVERY_MS: i64 = 30_000;

/// How many messages are under way at once, while the channel works.
const AT_ONCE: usize = 4;

/// How many are taken up before it is looked again.
const A_ROUND: usize = 16;

/// How many that wait are kept in mind; the plan has the others when these are gone.
const IN_MIND: usize = 10_000;

/// How long what could not be written down waits, in milliseconds.
const WRITE_AGAIN_MS: i64 = 2_000;

/// A message that waits: its identifier, what is told, and to whom when it is for one.
#[derive(Clone)]
struct Waiting {
    id: String,
    notice: Notice,
    to: Option<String>,
}

impl Waiting {
    fn is_alert(&self) -> bool {
        self.notice.kind == NotificationKind::EmergencyDeclared
    }
}

/// What is known of a message that is not settled. It dies with the process, which then begins to count anew.
#[derive(Default)]
struct Tries {
    /// How often it was sent.
    attempts: u64,
    /// How often that failed by its own fault.
    failures: u64,
    /// How many messages had got through when it failed last.
    through: Option<u64>,
    /// Not to be taken up before; milliseconds since the epoch.
    not_before: i64,
    /// What became of it, when that could not be written down yet.
    outcome: Option<(Delivery, Option<String>)>,
}

/// What a try came to.
pub(super) enum Attempt {
    Sent(Result<(), Undelivered>),
    NoAddress,
    /// The address could not be read now.
    Unready(String),
}

pub(super) struct Courier {
    notifier: Arc<Notifier>,
    messenger: Arc<dyn Messenger>,
    tries: BTreeMap<String, Tries>,
    pause: Pause,
    /// How many messages got through.
    through: u64,
    /// What is to be sent next.
    queue: VecDeque<Waiting>,
    pub(super) under_way: JoinSet<Attempt>,
    /// What is under way, by task.
    busy: BTreeMap<Id, Waiting>,
    /// The ledger's size when it was last looked, and when to look again whatever the size.
    looked: (u64, i64),
}

impl Courier {
    pub fn new(notifier: Arc<Notifier>, messenger: Arc<dyn Messenger>) -> Self {
        Self {
            notifier,
            messenger,
            tries: BTreeMap::new(),
            pause: Pause::default(),
            through: 0,
            queue: VecDeque::new(),
            under_way: JoinSet::new(),
            busy: BTreeMap::new(),
            looked: (0, 0),
        }
    }

    /// Goes on until `stop` is true. What is under way then is cut off, and sent again after the next start.
    pub async fn run(mut self, engine: Weak<Engine>, mut stop: watch::Receiver<bool>) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let work = async {
            loop {
                let ended = tokio::select! {
                    _ = looks.tick() => None,
                    Some(ended) = self.under_way.join_next_with_id() => Some(ended),
                };
                let Some(engine) = engine.upgrade() else { return };
                match ended {
                    Some(ended) => self.ended(&engine, ended, Engine::now_ms()).await,
                    None => self.look(&engine, Engine::now_ms()).await,
                }
                self.fill(&engine, Engine::now_ms());
            }
        };
        tokio::select! {
            () = work => {}
            // An error says that nobody can ask to stop any more, which is as good as asking.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// Plans what to send next, when something changed or the time has come.
    pub async fn look(&mut self, engine: &Arc<Engine>, now: i64) {
        let size = engine.read(|state| state.size);
        if size != self.looked.0 || now >= self.looked.1 {
            for one in self.plan(engine, size, now) {
                self.settle(engine, &one, now).await;
            }
        }
    }

    /// Puts what comes next into the queue; what was sent and could not be written down yet.
    fn plan(&mut self, engine: &Engine, size: u64, now: i64) -> Vec<Waiting> {
        let waiting = self.waiting(engine, now);
        (self.notifier.gauged)(self.messenger.channel(), waiting.len());
        let known: BTreeSet<&str> = waiting.iter().map(|one| one.id.as_str()).collect();
        self.tries.retain(|id, _| known.contains(id.as_str()));
        let busy: BTreeSet<&str> = self.busy.values().map(|one| one.id.as_str()).collect();
        let ready = |one: &Waiting| {
            let due = self.tries.get(&one.id).is_none_or(|tries| tries.not_before <= now);
            due && !busy.contains(one.id.as_str())
        };
        let ready: Vec<Waiting> = waiting.into_iter().filter(ready).collect();
        let is_known = |one: &Waiting| self.tries.get(&one.id).is_some_and(|tries| tries.outcome.is_some());
        let (mut unwritten, mut ready): (Vec<Waiting>, Vec<Waiting>) = ready.into_iter().partition(is_known);
        // Alerts go first, and what was not tried yet before what failed. While nobody knows whether the channel works it
        // is the other way round: else one alert that nothing helps could be the only one that is ever tried.
        ready.sort_by_key(|one| {
            let (attempts, rest) = (self.attempts(one), !one.is_alert());
            if self.pause.works() { (u64::from(rest), attempts) } else { (attempts, u64::from(rest)) }
        });
        let more = ready.len() > A_ROUND;
        ready.truncate(A_ROUND);
        self.queue = ready.into();
        let later = self.tries.values().map(|tries| tries.not_before).filter(|at| *at > now).min();
        let next = now.saturating_add(PLAN_EVERY_MS).min(later.unwrap_or(i64::MAX));
        self.looked = (size, if more && self.pause.works() { now } else { next });
        if self.pause.until() > now {
            self.look_at(self.pause.until());
        }
        unwritten.truncate(A_ROUND);
        unwritten
    }

    /// Looks again then at the latest.
    fn look_at(&mut self, at: i64) {
        self.looked.1 = self.looked.1.min(at);
    }

    fn attempts(&self, one: &Waiting) -> u64 {
        self.tries.get(&one.id).map_or(0, |tries| tries.attempts)
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

    /// Sends what comes next, as much as may be under way.
    pub fn fill(&mut self, engine: &Arc<Engine>, now: i64) {
        // Until it is known that the channel works, one at a time finds out.
        let most = if self.pause.works() { AT_ONCE } else { 1 };
        while self.under_way.len() < most {
            let Some(one) = self.queue.front() else { return };
            let is_new_alert = one.is_alert() && self.attempts(one) == 0;
            if !self.pause.is_over(now, is_new_alert) {
                return;
            }
            let Some(one) = self.queue.pop_front() else { return };
            let to = one.to.clone().map_or_else(|| one.notice.to.iter().cloned().collect(), |to| vec![to]);
            let org = engine.org().name;
            let message = Message::of(&one.notice, one.id.clone(), to, &self.notifier.public_url, &org);
            let (engine, messenger, to) = (Arc::clone(engine), Arc::clone(&self.messenger), one.to.clone());
            let task = self.under_way.spawn(async move { attempt(&engine, messenger.as_ref(), to, message).await });
            self.busy.insert(task.id(), one);
        }
    }

    /// Takes in what a try came to.
    pub async fn ended(&mut self, engine: &Arc<Engine>, ended: Result<(Id, Attempt), JoinError>, now: i64) {
        let (task, attempt) = ended.unwrap_or_else(|error| {
            tracing::error!(%error, "a message was not sent");
            let (word, detail) = ("internal".to_owned(), error.to_string());
            (error.id(), Attempt::Sent(Err(Undelivered { word, detail, fault: Fault::Message })))
        });
        let Some(one) = self.busy.remove(&task) else { return };
        self.note(&one.id, attempt, now);
        self.settle(engine, &one, now).await;
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
                self.through += 1;
                if self.pause.end() {
                    tracing::info!(channel = channel.as_str(), "a channel takes messages again");
                    // Everything that waits may go now, alerts first.
                    self.looked.1 = now;
                }
                return;
            }
            Attempt::Sent(Err(why)) => why,
            Attempt::Unready(detail) => {
                Undelivered { word: "address_unreadable".to_owned(), detail, fault: Fault::Message }
            }
        };
        tries.attempts += 1;
        // If others got through since it failed before, it does not lie with the channel alone, whatever that said: else
        // a message that its receiver stumbles over would be sent for ever, and hold up the others each time.
        let alone = tries.through.replace(self.through).is_some_and(|before| before < self.through);
        if let Fault::Channel(wait) = why.fault
            && (!alone || !wait.is_zero())
        {
            self.pause.begin(wait, now);
            let seconds = self.pause.until().saturating_sub(now) / 1000;
            let (channel, reason) = (channel.as_str(), why.word.as_str());
            tracing::warn!(
                channel,
                reason,
                seconds,
                "a channel takes nothing and pauses; what is due then will be told"
            );
        }
        let is_its_own = alone || !matches!(why.fault, Fault::Channel(_));
        tries.failures += u64::from(is_its_own);
        let (attempts, reason) = (tries.attempts, why.word.as_str());
        if why.fault == Fault::Lasting || tries.failures >= most {
            tracing::warn!(channel = channel.as_str(), notification = id, attempts, reason, "a notification failed");
            tries.outcome = Some((Delivery::Failed, Some(why.word.clone())));
        } else {
            tries.not_before = if is_its_own { now.saturating_add(after(tries.failures)) } else { now };
            let again = tries.not_before.max(self.pause.until());
            tracing::warn!(
                channel = channel.as_str(),
                notification = id,
                attempts,
                reason,
                "a notification was not delivered; it will be tried again"
            );
            self.look_at(again);
            (self.notifier.counted)(channel, "retried");
        }
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
            attempts: tries.attempts.min(MAX_ATTEMPTS),
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
                let again = now.saturating_add(WRITE_AGAIN_MS);
                tries.not_before = again;
                self.look_at(again);
                tracing::warn!(%error, "what became of a notification was not written down; it will be tried again");
            }
        }
    }
}

/// One try.
async fn attempt(engine: &Arc<Engine>, messenger: &dyn Messenger, to: Option<String>, mut message: Message) -> Attempt {
    if let Some(to) = to {
        match engine.address_of(&to).await {
            Ok(Some(address)) => message.address = Some(address),
            Ok(None) => return Attempt::NoAddress,
            Err(error) => return Attempt::Unready(error.to_string()),
        }
    }
    Attempt::Sent(messenger.send(&message).await)
}
