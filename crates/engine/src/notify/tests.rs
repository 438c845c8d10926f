//! Couriers over a real data directory, with messengers that fail as they are told to.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use domain::people::notifications::{Channel, NotificationSettled};
use domain::{Event, people::NotificationKind};

use super::courier::Courier;
use super::{Message, Messenger, Notifier, Sending, Undelivered};
use crate::tests::{events, open, operator};
use crate::{Engine, Profile, Wish};

const HOUR_MS: i64 = 3_600_000;

/// Fails as often as it is told to, then delivers.
struct Fake {
    channel: Channel,
    failures: AtomicU64,
    lasting: bool,
    sent: Mutex<Vec<Message>>,
}

impl Fake {
    fn new(channel: Channel, failures: u64, lasting: bool) -> Arc<Self> {
        Arc::new(Self { channel, failures: failures.into(), lasting, sent: Mutex::default() })
    }

    fn sent(&self) -> Vec<Message> {
        self.sent.lock().expect("not poisoned").clone()
    }
}

impl Messenger for Fake {
    fn channel(&self) -> Channel {
        self.channel
    }

    fn attempts(&self) -> u64 {
        3
    }

    fn send<'a>(&'a self, message: &'a Message) -> Sending<'a> {
        Box::pin(async move {
            let left = self.failures.load(Ordering::SeqCst);
            if left > 0 {
                self.failures.store(left - 1, Ordering::SeqCst);
                let (word, detail) = ("unreachable".to_owned(), "nobody listens".to_owned());
                return Err(Undelivered { word, detail, lasting: self.lasting });
            }
            self.sent.lock().expect("not poisoned").push(message.clone());
            Ok(())
        })
    }
}

fn courier(fake: &Arc<Fake>) -> Courier {
    let messenger: Arc<dyn Messenger> = Arc::clone(fake) as Arc<dyn Messenger>;
    let url = "https://counterfoil.example".to_owned();
    let notifier = Notifier::new(url, vec![Arc::clone(&messenger)], Box::new(|_, _| {}));
    Courier::new(Arc::new(notifier), messenger)
}

fn settled(engine: &Engine) -> Vec<NotificationSettled> {
    let settled = events(engine).into_iter().filter_map(|entry| match entry.event {
        Event::NotificationSettled(body) => Some(body),
        _ => None,
    });
    settled.collect()
}

/// An organisation in which a role waits for its only administrator to approve it.
async fn waiting(dir: &Path) -> Arc<Engine> {
    let engine = open(dir).await;
    let operator = operator(&engine);
    let actor = engine.register_actor(&operator, domain::people::ActorKind::Human).await.expect("registered");
    let ends_at = Engine::now_ms() + 24 * HOUR_MS;
    let (role, scope, reference) = ("monitor".into(), "org".into(), "CHG-1".into());
    engine.request_grant(&operator, Wish { actor, role, scope, ends_at, reference }).await.expect("asked");
    engine
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_receiver_that_fails_when_tried_again_later_then_it_is_told_once_and_the_ledger_says_after_how_many() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = waiting(dir.path()).await;
    let fake = Fake::new(Channel::Webhook, 2, false);
    let mut courier = courier(&fake);
    let now = Engine::now_ms();
    courier.round(&engine, now).await;
    courier.round(&engine, now + 1_000).await;
    assert_eq!(fake.failures.load(Ordering::SeqCst), 1, "not before its time");
    courier.round(&engine, now + 30_000).await;
    assert_eq!(fake.failures.load(Ordering::SeqCst), 0, "after its time");
    courier.round(&engine, now + 35_000).await;
    assert!(fake.sent().is_empty() && settled(&engine).is_empty(), "longer each time");
    courier.round(&engine, now + 90_000).await;
    courier.round(&engine, now + 120_000).await;
    let [message] = &fake.sent()[..] else { panic!("told once") };
    let [told] = &settled(&engine)[..] else { panic!("written down once") };
    assert_eq!((told.kind, told.attempts, &told.to), (NotificationKind::GrantRequested, 3, &None));
    assert_eq!(told.notification, message.notification);
    let grant = message.about.strip_prefix("grant/").expect("a grant");
    assert_eq!(message.link, format!("https://counterfoil.example/people#{grant}"));
    assert_eq!(message.subject, "[Test] a role waits for approval: monitor in org");
    assert_eq!(message.to, [operator(&engine).actor]);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_what_was_told_when_another_courier_begins_then_it_tells_nothing_and_what_was_not_is_sent_under_its_name()
{
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = waiting(dir.path()).await;
    let (broken, good) = (Fake::new(Channel::Webhook, 1, false), Fake::new(Channel::Webhook, 0, false));
    let now = Engine::now_ms();
    let mut first = courier(&broken);
    first.round(&engine, now).await;
    // The first process dies with a message that it could not send.
    drop(first);
    courier(&good).round(&engine, now).await;
    let told = settled(&engine);
    assert_eq!((good.sent().len(), told.len(), told[0].attempts), (1, 1, 1));
    courier(&good).round(&engine, now + HOUR_MS).await;
    assert_eq!((good.sent().len(), settled(&engine).len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_receiver_that_is_dead_when_it_was_tried_enough_then_that_is_final_and_written_down() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = waiting(dir.path()).await;
    let now = Engine::now_ms();
    for (lasting, attempts) in [(false, 3), (true, 1)] {
        let fake = Fake::new(if lasting { Channel::Email } else { Channel::Webhook }, u64::MAX, lasting);
        if lasting {
            let operator = operator(&engine);
            let profile = Profile { email: Some("zoe@example.com".into()), ..Profile::default() };
            engine.set_profile(&operator, &operator.actor, &profile).await.expect("set");
        }
        let mut courier = courier(&fake);
        for minutes in 0..10 {
            courier.round(&engine, now + minutes * 60_000).await;
        }
        let told = settled(&engine).pop().expect("written down");
        assert_eq!((told.delivery.as_str(), told.attempts), ("failed", attempts));
        assert_eq!(told.reason.as_deref(), Some("unreachable"));
    }
    assert!(events(&engine).iter().all(|entry| !entry.encode().expect("fits").windows(4).any(|part| part == b"zoe@")));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_somebody_without_an_address_when_mails_are_sent_then_that_is_written_down_and_with_one_they_get_theirs()
{
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = waiting(dir.path()).await;
    let fake = Fake::new(Channel::Email, 0, false);
    let now = Engine::now_ms();
    courier(&fake).round(&engine, now).await;
    let [told] = &settled(&engine)[..] else { panic!("written down once") };
    let who = operator(&engine);
    assert_eq!((told.delivery.as_str(), told.attempts, told.to.as_ref()), ("skipped", 0, Some(&who.actor)));
    let notifier = Notifier::new(String::new(), vec![Arc::clone(&fake) as Arc<dyn Messenger>], Box::new(|_, _| {}));
    let tried = notifier.test(&engine, &who).await.expect("tried");
    assert_eq!(tried[0].reason.as_deref(), Some("no_address"));

    let profile = Profile { email: Some(" zoe@example.com ".into()), ..Profile::default() };
    engine.set_profile(&who, &who.actor, &profile).await.expect("set");
    let tried = notifier.test(&engine, &who).await.expect("tried");
    assert_eq!((tried[0].delivery.as_str(), &tried[0].reason), ("delivered", &None));
    let sent = fake.sent();
    assert_eq!((sent.len(), sent[0].address.as_deref()), (1, Some("zoe@example.com")));
    assert_eq!(settled(&engine).len(), 3);
}

#[test]
fn given_a_name_with_line_breaks_when_a_message_is_made_then_its_subject_is_one_line() {
    let org = "Acme\r\nBcc: everybody@example.com\u{2028}\u{0}";
    let message = Message::test("n_1".into(), "a_1", "https://c.example", org);
    assert!(message.subject.chars().all(|c| !c.is_control() && c != '\u{2028}'), "{:?}", message.subject);
    assert!(message.text.lines().all(|line| !line.starts_with("Bcc:")), "{:?}", message.text);
    assert!(Message::test("n_1".into(), "a_1", "", &"x".repeat(10_000)).subject.chars().count() <= 160);
}
