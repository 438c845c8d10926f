//! Couriers over a real data directory, with messengers that fail as they are told to.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::people::notifications::{Channel, NotificationSettled};
use domain::{Event, people::NotificationKind};

use super::courier::Courier;
use super::{Fault, Message, Messenger, Notifier, Sending, Undelivered};
use crate::tests::{events, open, operator};
use crate::{Engine, Profile, Wish};

const HOUR_MS: i64 = 3_600_000;

const AWAY: Fault = Fault::Channel(Duration::ZERO);

/// Fails as often as it is told to, then delivers, but for what it stumbles over or hangs at.
struct Fake {
    channel: Channel,
    failures: AtomicU64,
    fault: Fault,
    stumbles_over: Mutex<String>,
    hangs_at: Mutex<String>,
    sent: Mutex<Vec<Message>>,
}

impl Fake {
    fn new(channel: Channel, failures: u64, fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            channel,
            failures: failures.into(),
            fault,
            stumbles_over: Mutex::default(),
            hangs_at: Mutex::default(),
            sent: Mutex::default(),
        })
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
            let is = |about: &Mutex<String>| *about.lock().expect("not poisoned") == message.about;
            if is(&self.hangs_at) {
                std::future::pending::<()>().await;
            }
            let left = self.failures.load(Ordering::SeqCst);
            self.failures.store(left.saturating_sub(1), Ordering::SeqCst);
            if left > 0 || is(&self.stumbles_over) {
                let (word, detail) = ("unreachable".to_owned(), "nobody listens".to_owned());
                return Err(Undelivered { word, detail, fault: self.fault });
            }
            self.sent.lock().expect("not poisoned").push(message.clone());
            Ok(())
        })
    }
}

fn courier(fake: &Arc<Fake>) -> Courier {
    gauged(fake, &Arc::default())
}

/// A courier that says how much waits.
fn gauged(fake: &Arc<Fake>, gauge: &Arc<AtomicUsize>) -> Courier {
    let messenger: Arc<dyn Messenger> = Arc::clone(fake) as Arc<dyn Messenger>;
    let (url, gauge) = ("https://counterfoil.example".to_owned(), Arc::clone(gauge));
    let gauged = Box::new(move |_: Channel, waiting: usize| gauge.store(waiting, Ordering::SeqCst));
    let notifier = Notifier::new(url, vec![Arc::clone(&messenger)], Box::new(|_, _| {}), gauged);
    Courier::new(Arc::new(notifier), messenger)
}

/// Looks what is due at `now`, and goes on until nothing is under way.
async fn round(courier: &mut Courier, engine: &Arc<Engine>, now: i64) {
    courier.look(engine, now).await;
    courier.fill(engine, now);
    while let Some(ended) = courier.under_way.join_next_with_id().await {
        courier.ended(engine, ended, now).await;
        courier.fill(engine, now);
    }
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
    ask(&engine).await;
    engine
}

/// Asks for a role for somebody new; what is told is about this.
async fn ask(engine: &Arc<Engine>) -> String {
    let operator = operator(engine);
    let actor = engine.register_actor(&operator, domain::people::ActorKind::Human).await.expect("registered");
    let ends_at = Engine::now_ms() + 24 * HOUR_MS;
    let (role, scope, reference) = ("monitor".into(), "org".into(), "CHG-1".into());
    let asked = engine.request_grant(&operator, Wish { actor, role, scope, ends_at, reference }).await;
    format!("grant/{}", asked.expect("asked"))
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_receiver_that_fails_when_tried_again_later_then_it_is_told_once_and_the_ledger_says_after_how_many() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = waiting(dir.path()).await;
    let fake = Fake::new(Channel::Webhook, 2, Fault::Message);
    let mut courier = courier(&fake);
    let now = Engine::now_ms();
    round(&mut courier, &engine, now).await;
    round(&mut courier, &engine, now + 1_000).await;
    assert_eq!(fake.failures.load(Ordering::SeqCst), 1, "not before its time");
    round(&mut courier, &engine, now + 30_000).await;
    assert_eq!(fake.failures.load(Ordering::SeqCst), 0, "after its time");
    round(&mut courier, &engine, now + 35_000).await;
    assert!(fake.sent().is_empty() && settled(&engine).is_empty(), "longer each time");
    round(&mut courier, &engine, now + 90_000).await;
    round(&mut courier, &engine, now + 120_000).await;
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
    let (broken, good) = (Fake::new(Channel::Webhook, 1, AWAY), Fake::new(Channel::Webhook, 0, AWAY));
    let now = Engine::now_ms();
    let mut first = courier(&broken);
    round(&mut first, &engine, now).await;
    // The first process dies with a message that it could not send.
    drop(first);
    round(&mut courier(&good), &engine, now).await;
    let told = settled(&engine);
    assert_eq!((good.sent().len(), told.len(), told[0].attempts), (1, 1, 1));
    round(&mut courier(&good), &engine, now + HOUR_MS).await;
    assert_eq!((good.sent().len(), settled(&engine).len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_message_that_is_refused_when_it_was_tried_enough_then_that_is_final_and_written_down() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = waiting(dir.path()).await;
    let now = Engine::now_ms();
    for (lasting, attempts) in [(false, 3), (true, 1)] {
        let (channel, fault) =
            if lasting { (Channel::Email, Fault::Lasting) } else { (Channel::Webhook, Fault::Message) };
        let fake = Fake::new(channel, u64::MAX, fault);
        if lasting {
            let operator = operator(&engine);
            let profile = Profile { email: Some("zoe@example.com".into()), ..Profile::default() };
            engine.set_profile(&operator, &operator.actor, &profile).await.expect("set");
        }
        let mut courier = courier(&fake);
        for minutes in 0..10 {
            round(&mut courier, &engine, now + minutes * 60_000).await;
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
    let fake = Fake::new(Channel::Email, 0, AWAY);
    let now = Engine::now_ms();
    round(&mut courier(&fake), &engine, now).await;
    let [told] = &settled(&engine)[..] else { panic!("written down once") };
    let who = operator(&engine);
    assert_eq!((told.delivery.as_str(), told.attempts, told.to.as_ref()), ("skipped", 0, Some(&who.actor)));
    let notifier = Notifier::new(
        String::new(),
        vec![Arc::clone(&fake) as Arc<dyn Messenger>],
        Box::new(|_, _| {}),
        Box::new(|_, _| {}),
    );
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

#[tokio::test(flavor = "multi_thread")]
async fn given_a_receiver_that_is_away_for_long_when_it_is_back_then_all_is_told_that_is_due_still() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = waiting(dir.path()).await;
    ask(&engine).await;
    let fake = Fake::new(Channel::Webhook, 1_000, AWAY);
    let gauge = Arc::default();
    let mut courier = gauged(&fake, &gauge);
    let now = Engine::now_ms();
    for minutes in (0..600).step_by(10) {
        round(&mut courier, &engine, now + minutes * 60_000).await;
    }
    // One at a time, after 0, 10, 20, 30, 40, 50 and 90 minutes, and then each hour.
    assert_eq!(1_000 - fake.failures.load(Ordering::SeqCst), 15);
    assert!(settled(&engine).is_empty(), "many more tries than a message has, and none is given up");
    assert_eq!(gauge.load(Ordering::SeqCst), 2);

    fake.failures.store(0, Ordering::SeqCst);
    round(&mut courier, &engine, now + 11 * HOUR_MS).await;
    let told = settled(&engine);
    assert!(told.iter().all(|told| told.delivery.as_str() == "delivered"), "{told:?}");
    let attempts: u64 = told.iter().map(|told| told.attempts).sum();
    assert_eq!((told.len(), attempts), (2, 17));
    round(&mut courier, &engine, now + 11 * HOUR_MS).await;
    assert_eq!((fake.sent().len(), gauge.load(Ordering::SeqCst)), (2, 0));

    // What is over by then is not told at all.
    let dead = Fake::new(Channel::Email, 1_000, AWAY);
    let operator = operator(&engine);
    let profile = Profile { email: Some("zoe@example.com".into()), ..Profile::default() };
    engine.set_profile(&operator, &operator.actor, &profile).await.expect("set");
    let mut late = gauged(&dead, &gauge);
    round(&mut late, &engine, now).await;
    assert_eq!(gauge.load(Ordering::SeqCst), 2);
    dead.failures.store(0, Ordering::SeqCst);
    round(&mut late, &engine, now + 25 * HOUR_MS).await;
    assert_eq!((dead.sent().len(), gauge.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_message_that_its_receiver_stumbles_over_when_others_get_through_then_it_alone_is_given_up() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let fake = Fake::new(Channel::Webhook, 0, AWAY);
    let about = ask(&engine).await;
    fake.stumbles_over.lock().expect("not poisoned").clone_from(&about);
    let mut courier = courier(&fake);
    let now = Engine::now_ms();
    for minutes in 0..8 {
        round(&mut courier, &engine, now + minutes * 60_000).await;
        ask(&engine).await;
    }
    let (failed, told): (Vec<_>, Vec<_>) = settled(&engine).into_iter().partition(|told| told.about == about);
    let [failed] = &failed[..] else { panic!("given up once: {failed:?}") };
    assert_eq!((failed.delivery.as_str(), failed.reason.as_deref()), ("failed", Some("unreachable")));
    assert_eq!(told.len(), 7);
    assert!(told.iter().all(|told| told.delivery.as_str() == "delivered"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_message_that_hangs_when_others_wait_then_they_are_told_meanwhile_and_it_is_not_sent_twice() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = waiting(dir.path()).await;
    let fake = Fake::new(Channel::Webhook, 0, AWAY);
    let mut courier = courier(&fake);
    let now = Engine::now_ms();
    round(&mut courier, &engine, now).await;
    let hanging = ask(&engine).await;
    fake.hangs_at.lock().expect("not poisoned").clone_from(&hanging);
    for _ in 0..10 {
        ask(&engine).await;
    }
    courier.look(&engine, now).await;
    courier.fill(&engine, now);
    assert_eq!(courier.under_way.len(), 4, "so many at once");
    while fake.sent().len() < 11 {
        let ended = courier.under_way.join_next_with_id().await.expect("under way");
        courier.ended(&engine, ended, now).await;
        courier.look(&engine, now).await;
        courier.fill(&engine, now);
    }
    assert!(fake.sent().iter().all(|message| message.about != hanging));
    while courier.under_way.len() > 1 {
        let ended = courier.under_way.join_next_with_id().await.expect("under way");
        courier.ended(&engine, ended, now).await;
        courier.look(&engine, now).await;
        courier.fill(&engine, now);
    }
    assert_eq!((settled(&engine).len(), fake.sent().len()), (11, 11));
}

#[test]
fn given_a_name_with_line_breaks_when_a_message_is_made_then_its_subject_is_one_line() {
    let org = "Acme\r\nBcc: everybody@example.com\u{2028}\u{0}";
    let message = Message::test("n_1".into(), "a_1", "https://c.example", org);
    assert!(message.subject.chars().all(|c| !c.is_control() && c != '\u{2028}'), "{:?}", message.subject);
    assert!(message.text.lines().all(|line| !line.starts_with("Bcc:")), "{:?}", message.text);
    assert!(Message::test("n_1".into(), "a_1", "", &"x".repeat(10_000)).subject.chars().count() <= 160);
}
