//! Telling people what waits for them. What is to be told follows from the state, messengers carry it, and the ledger
//! remembers what became of it: so nothing has to be kept anywhere else, and a restart neither forgets nor repeats.
//!
//! The plan is the queue. Each channel has a courier of its own, so a receiver that is dead holds up nobody else; a
//! message that is refused waits longer each time, and is given up after a number of tries. When it is the receiver that
//! is away, no message is given up: the channel pauses, and what is still due is told when the receiver is back. Between
//! sending and writing that down the process may die: then it is sent again, under the same identifier.

mod courier;
mod message;
mod pause;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use domain::Command;
use domain::people::notifications::{Channel, Delivery, NotificationKind, NotificationSettled};
use serde::Serialize;

pub use message::Message;

use crate::{Engine, ExecuteError, Principal, identity};

/// What it lies with that a message was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The channel: whatever is sent now would fail, and none of it is to blame. There, at least this long must pass
    /// before something is sent again.
    Channel(Duration),
    /// The message, or nobody knows: another try may help, and a number of them is enough.
    Message,
    /// The message, for good: another try cannot help.
    Lasting,
}

/// Why a message was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The reason in a word of a-z, 0-9 and `_`; it is written to the ledger.
    pub word: String,
    /// The same for whoever looks into it. It may name an address, and is neither logged nor written down.
    pub detail: String,
    /// What it lies with.
    pub fault: Fault,
}

/// What sending comes to.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), Undelivered>> + Send + 'a>>;

/// Carries messages by one channel. Each is bounded in time by itself.
pub trait Messenger: Send + Sync {
    /// Its channel.
    fn channel(&self) -> Channel;
    /// How often a message is tried before it is given up, not counting tries that failed by the channel's fault.
    fn attempts(&self) -> u64;
    /// Sends a message.
    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a>;
}

/// Is called with the channel and what a try came to: `delivered`, `failed`, `skipped`, or `retried` when there will be
/// another.
pub type Counted = Box<dyn Fn(Channel, &'static str) + Send + Sync>;

/// Is called with the channel and how many messages wait for it.
pub type Gauged = Box<dyn Fn(Channel, usize) + Send + Sync>;

/// Tells people, by all channels that the settings name.
pub struct Notifier {
    public_url: String,
    messengers: Vec<Arc<dyn Messenger>>,
    counted: Counted,
    gauged: Gauged,
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let channels: Vec<&str> = self.messengers.iter().map(|messenger| messenger.channel().as_str()).collect();
        f.debug_struct("Notifier").field("channels", &channels).finish_non_exhaustive()
    }
}

/// What became of a test message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// How it was sent.
    pub channel: Channel,
    /// Its identifier in the ledger.
    pub notification: String,
    /// What became of it.
    pub delivery: Delivery,
    /// Why it was not delivered, in a word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in more words, for whoever tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Notifier {
    /// Tells people by these messengers. Links begin with `public_url`, which has no slash at its end.
    pub fn new(public_url: String, messengers: Vec<Arc<dyn Messenger>>, counted: Counted, gauged: Gauged) -> Self {
        Self { public_url, messengers, counted, gauged }
    }

    /// The channels there are.
    pub fn channels(&self) -> impl Iterator<Item = Channel> {
        self.messengers.iter().map(|messenger| messenger.channel())
    }

    /// Sends a test message to `who` by each channel, once, and writes down what became of it.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn test(&self, engine: &Arc<Engine>, who: &Principal) -> Result<Vec<Tried>, ExecuteError> {
        let mut tried = Vec::new();
        for messenger in &self.messengers {
            let to = engine.read(|state| state.person_of(&who.actor).to_owned());
            let message = Message::test(identity::identifier("n_"), &to, &self.public_url, &engine.org().name);
            let settled = self.try_once(engine, messenger.as_ref(), &to, message).await;
            let (settled, detail) = settled?;
            (self.counted)(settled.channel, settled.delivery.as_str());
            let NotificationSettled { notification, channel, delivery, reason, .. } = settled;
            tried.push(Tried { channel, notification, delivery, reason, detail });
        }
        Ok(tried)
    }

    async fn try_once(
        &self,
        engine: &Arc<Engine>,
        messenger: &dyn Messenger,
        to: &str,
        mut message: Message,
    ) -> Result<(NotificationSettled, Option<String>), ExecuteError> {
        let channel = messenger.channel();
        let by_mail = channel == Channel::Email;
        if by_mail {
            message.address = engine.address_of(to).await?;
        }
        let no_address = by_mail && message.address.is_none();
        let sent = if no_address { Ok(()) } else { messenger.send(&message).await };
        let (delivery, reason, detail) = match sent {
            Ok(()) if no_address => {
                let detail = format!("`{to}` has no e-mail address: give one with `counterfoil people set`");
                (Delivery::Skipped, Some(NO_ADDRESS.to_owned()), Some(detail))
            }
            Ok(()) => (Delivery::Delivered, None, None),
            Err(why) => (Delivery::Failed, Some(why.word), Some(why.detail)),
        };
        let settled = NotificationSettled {
            notification: message.notification,
            kind: NotificationKind::Test,
            about: message.about,
            channel,
            to: by_mail.then(|| to.to_owned()),
            delivery,
            attempts: u64::from(!no_address),
            reason,
        };
        engine.execute(engine.system(), Command::SettleNotification(settled.clone())).await?;
        Ok((settled, detail))
    }
}

/// The reason of what was skipped.
const NO_ADDRESS: &str = "no_address";

impl Engine {
    /// Begins to tell people what waits for them; it ends at [`Engine::shutdown`].
    pub fn start_notifying(self: &Arc<Self>, notifier: &Arc<Notifier>) {
        for messenger in &notifier.messengers {
            let courier = courier::Courier::new(Arc::clone(notifier), Arc::clone(messenger));
            tokio::spawn(courier.run(Arc::downgrade(self), self.stop.subscribe()));
        }
    }

    /// Where to write to somebody, if they gave an address.
    async fn address_of(self: &Arc<Self>, actor: &str) -> Result<Option<String>, ExecuteError> {
        let profile = self.profile(actor).await?;
        let address = profile.and_then(|profile| profile.email).map(|email| email.trim().to_owned());
        Ok(address.filter(|email| !email.is_empty()))
    }
}

#[cfg(test)]
mod tests;
