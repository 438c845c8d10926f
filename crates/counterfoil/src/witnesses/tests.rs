//! Rounds against witnesses that are real, absent, silent or lying.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use ledger::log::LogOptions;
use ledger::vfs::RealVfs;
use ledger::witness::WitnessStore;
use merkle::{CosignerKey, Note, SignerKey};
use tokio::net::TcpListener;

use super::*;
use crate::witness::server;

struct Rig {
    log: Arc<Log>,
    dir: tempfile::TempDir,
}

fn cosigner(number: u8) -> CosignerKey {
    CosignerKey::new(&format!("witness.example/w{number}"), &[number; 32]).expect("a key")
}

fn open_log(dir: &Path) -> Arc<Log> {
    let signer = SignerKey::ed25519("example.com/log", &[77; 32]).expect("a key");
    let options = LogOptions::new(dir, signer);
    Log::open(Arc::new(RealVfs), options, &mut |_, _| {}).expect("a new log").0
}

impl Rig {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { log: open_log(&dir.path().join("log")), dir }
    }

    /// Appends, and publishes a checkpoint.
    fn grow(&self, entries: usize) {
        self.log.append_and_wait(vec![b"entry".to_vec(); entries]).expect("appended");
        self.log.publish().expect("published");
    }

    /// Starts a real witness of this log.
    async fn witness(&self, number: u8) -> String {
        let state = self.dir.path().join(format!("w{number}"));
        let store = WitnessStore::open(Arc::new(RealVfs), &state).expect("a new state");
        let logs = [SignerKey::ed25519("example.com/log", &[77; 32]).expect("a key").verifier_key().to_string()];
        let witness = server::Witness::new(store, cosigner(number), &logs).expect("good settings");
        listen(server::router(Arc::new(witness))).await
    }

    fn rounds(&self, policy: &str, urls: &[String]) -> Rounds {
        Witnesses { policy: Policy::parse(policy).expect("a policy"), ..named(urls) }.rounds(&self.log)
    }

    /// Size and number of signatures of the witnessed checkpoint.
    fn witnessed(&self) -> Option<(u64, usize)> {
        let note = Note::parse(self.log.witnessed_checkpoint()?).expect("a note");
        Some((Checkpoint::parse(&note.text).expect("a checkpoint").size, note.signatures.len()))
    }
}

async fn listen(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A policy with these witnesses, of which `k` must cosign.
fn policy(numbers: &[u8], k: usize) -> String {
    let name = |n: &u8| format!("w{n}");
    let lines: Vec<String> =
        numbers.iter().map(|n| format!("witness {} {}\n", name(n), cosigner(*n).verifier_key())).collect();
    let names: Vec<String> = numbers.iter().map(name).collect();
    format!("{}group g {k} {}\nquorum g\n", lines.concat(), names.join(" "))
}

#[tokio::test]
async fn given_two_witnesses_when_the_log_grows_then_both_cosign_the_same_checkpoint() {
    let rig = Rig::new();
    let urls = [rig.witness(1).await, rig.witness(2).await + "/"];
    let mut rounds = rig.rounds(&policy(&[1, 2], 2), &urls);
    rounds.round().await;
    assert_eq!(rig.witnessed(), None, "nothing is published yet");
    for size in [3, 300] {
        rig.grow(size - rig.log.size() as usize);
        rounds.round().await;
        assert_eq!(rig.witnessed(), Some((size as u64, 3)));
    }
    // A process that starts anew does not know how far the witnesses are; they tell.
    rig.grow(5);
    let mut rounds = rig.rounds(&policy(&[1, 2], 2), &urls);
    rounds.round().await;
    assert_eq!(rig.witnessed(), Some((305, 3)));
    assert_eq!(rounds.witnesses[0].size, 305);
}

#[tokio::test]
async fn given_a_witness_that_is_away_when_others_suffice_then_it_is_left_alone_longer_and_longer() {
    let rig = Rig::new();
    let away = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let urls = [format!("http://{away}"), rig.witness(2).await];
    let mut rounds = rig.rounds(&policy(&[1, 2], 1), &urls);
    rig.grow(4);
    rounds.round().await;
    assert_eq!(rig.witnessed(), Some((4, 2)));
    let absent = &mut rounds.witnesses[0];
    assert!(absent.trouble.is_some() && absent.not_before > Instant::now() && absent.pause == FIRST_PAUSE * 2);
    for _ in 0..20 {
        rounds.witnesses[0].not_before = Instant::now();
        rounds.round().await;
    }
    assert_eq!(rounds.witnesses[0].pause, LONGEST_PAUSE);
    assert_eq!(rig.witnessed(), Some((4, 2)), "who has cosigned is not asked again");
}

#[tokio::test]
async fn given_answers_that_make_no_sense_when_asked_then_each_is_named_and_nothing_is_kept() {
    let rig = Rig::new();
    rig.grow(4);
    let foreign = cosigner(9).sign("another text\n", 1_800_000_000);
    let wrong = cosigner(1).sign("another text\n", 1_800_000_000);
    for (status, body, expected) in [
        (500, String::new(), "Status"),
        (404, String::new(), "Status"),
        (409, "a lot\n".into(), "Nonsense"),
        (409, "0\n".into(), "Moved"),
        (409, "5\n".into(), "Ahead"),
        (409, "2\n".into(), "Forked"),
        (422, String::new(), "Status"),
        (200, "nonsense\n".into(), "Nonsense"),
        (200, String::new(), "Nonsense"),
        (200, format!("{foreign}\n"), "NotInPolicy"),
        (200, format!("{wrong}\n"), "Log"),
        (200, "x".repeat(MAX + 1), "Broken"),
    ] {
        let status = StatusCode::from_u16(status).expect("a status");
        let answer = body.clone();
        let url = listen(Router::new().route("/add-checkpoint", post(async move || (status, answer)))).await;
        let mut rounds = rig.rounds(&policy(&[1], 1), &[url]);
        let note: Arc<str> = rig.log.latest_checkpoint().expect("published").into();
        let witness = &mut rounds.witnesses[0];
        let trouble = rounds.asker.ask(&witness.address, &mut witness.size, &Asked { note, size: 4 }).await;
        let trouble = format!("{:?}", trouble.expect_err("no cosignature"));
        assert!(trouble.starts_with(expected), "{status} {}: {trouble}", &body[..body.len().min(40)]);
        assert_eq!(rig.witnessed(), None);
    }
}

#[tokio::test]
async fn given_a_witness_whose_size_changes_when_asked_then_only_a_proof_refused_from_a_size_it_named_is_another_history()
 {
    let rig = Rig::new();
    rig.grow(4);
    let note: Arc<str> = rig.log.latest_checkpoint().expect("published").into();
    // Newer than the checkpoint that is shown, but not than the log.
    rig.log.append_and_wait(vec![b"entry".to_vec(); 2]).expect("appended");
    for (answers, expected) in [
        ([(409, "6\n"), (500, "")], "Moved(6)"),
        ([(409, "7\n"), (500, "")], "Ahead"),
        ([(409, "2\n"), (409, "3\n")], "Moved(3)"),
        ([(409, "2\n"), (409, "5\n")], "Moved(5)"),
        ([(409, "2\n"), (409, "7\n")], "Ahead"),
        ([(409, "2\n"), (409, "2\n")], "Forked(2)"),
        ([(409, "4\n"), (409, "4\n")], "Forked(4)"),
        ([(409, "2\n"), (422, "")], "Forked(2)"),
        ([(422, ""), (500, "")], "Status"),
    ] {
        let calls = Arc::new(AtomicUsize::new(0));
        let answer = post(async move || {
            let (status, body) = answers[calls.fetch_add(1, Ordering::SeqCst)];
            (StatusCode::from_u16(status).expect("a status"), body)
        });
        let url = listen(Router::new().route("/add-checkpoint", answer)).await;
        let mut rounds = rig.rounds(&policy(&[1], 1), &[url]);
        let asked = Asked { note: Arc::clone(&note), size: 4 };
        let witness = &mut rounds.witnesses[0];
        let trouble = rounds.asker.ask(&witness.address, &mut witness.size, &asked).await.expect_err("no cosignature");
        assert!(format!("{trouble:?}").starts_with(expected), "{answers:?}: {trouble:?}");
        assert_eq!(trouble.is_another_history(), !["Moved", "Status"].iter().any(|word| expected.starts_with(word)));
    }
}

/// One more byte than an answer may have.
const MAX: usize = merkle::note::MAX_NOTE_BYTES;

#[tokio::test]
async fn given_trouble_when_it_stays_the_same_then_it_counts_as_known_until_the_witness_works() {
    let rig = Rig::new();
    rig.grow(1);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let cosigner = cosigner(1);
    let text = merkle::Note::parse(rig.log.latest_checkpoint().expect("published")).expect("a note").text;
    let good = format!("{}\n", cosigner.sign(&text, 1_800_000_000));
    let answer = post(async move || match counted.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
        _ => (StatusCode::OK, good),
    });
    let url = listen(Router::new().route("/add-checkpoint", answer)).await;
    let mut rounds = rig.rounds(&policy(&[1], 1), &[url]);
    let mut troubled = Vec::new();
    for _ in 0..3 {
        rounds.witnesses[0].not_before = Instant::now();
        rounds.round().await;
        troubled.push(rounds.witnesses[0].trouble.is_some());
    }
    assert_eq!(troubled, [true, true, false]);
    assert_eq!(rounds.witnesses[0].pause, FIRST_PAUSE);
    rounds.round().await;
    assert_eq!(calls.load(Ordering::SeqCst), 3, "a cosigned checkpoint is not shown again");
}

/// Opens a log in `dir` as a server does.
fn open_asking(dir: &Path) -> Arc<Log> {
    let signer = SignerKey::ed25519("example.com/log", &[77; 32]).expect("a key");
    let options = LogOptions { asks: true, ..LogOptions::new(dir, signer) };
    Log::open(Arc::new(RealVfs), options, &mut |_, _| {}).expect("it opens").0
}

fn named(urls: &[String]) -> Witnesses {
    let policy = Policy::parse(&policy(&[1], 1)).expect("a policy");
    let addresses = urls.iter().map(|url| address(url).expect("an address")).collect();
    Witnesses { policy, addresses, client: ask::client(&Trust::Public).expect("a client") }
}

#[tokio::test]
async fn given_a_restored_copy_when_the_witness_remembers_more_then_it_is_stopped_until_that_witness_has_nothing_against_it()
 {
    let rig = Rig::new();
    let urls = [rig.witness(1).await];
    rig.grow(5);
    rig.rounds(&policy(&[1], 1), &urls).round().await;
    assert_eq!(rig.witnessed(), Some((5, 2)));
    for (entries, word) in [(3, "only 3"), (6, "another history")] {
        let dir = rig.dir.path().join(format!("restored-{entries}"));
        let other = open_log(&dir);
        other.append_and_wait(vec![b"written after the copy was restored".to_vec(); entries]).expect("appended");
        other.publish().expect("published");
        let told = ask_first(Some(&named(&urls)), Arc::clone(&other)).await.expect_err("rolled back").to_string();
        assert!(told.contains("rolled back") && told.contains(word) && told.contains(&urls[0]), "{told}");
        assert!(other.append_and_wait(vec![b"more".to_vec()]).is_err(), "nothing is written any more");
        drop(other);
        let signer = SignerKey::ed25519("example.com/log", &[77; 32]).expect("a key");
        let again = Log::open(Arc::new(RealVfs), LogOptions::new(&dir, signer), &mut |_, _| {});
        assert!(matches!(again, Err(LogError::OtherHistory { .. })), "commands do not open it either");
        // Asked again, it says so again; and while it cannot be asked, nothing has changed.
        assert!(ask_first(Some(&named(&urls)), open_asking(&dir)).await.is_err());
        let path = dir.join(".state/other-history");
        let text = std::fs::read_to_string(&path).expect("kept");
        let away = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
        let away = format!("http://{away}");
        std::fs::write(&path, text.replace(&urls[0], &away)).expect("written");
        assert!(ask_first(Some(&named(&[away])), open_asking(&dir)).await.is_err());
        // A witness that the settings do not name any more does not count.
        let log = open_asking(&dir);
        assert_eq!(ask_first(None, Arc::clone(&log)).await.expect("it goes on"), Vec::<String>::new());
        log.forget_stop().expect("forgotten");
        drop(log);
        open_log(&dir).append_and_wait(vec![b"more".to_vec()]).expect("it goes on");
    }
    // What was said of another copy does not stop the one that the witness knows.
    let text = format!("{}/add-checkpoint\nit has more\n", urls[0]);
    std::fs::write(rig.dir.path().join("log/.state/other-history"), text).expect("written");
    let Rig { log, dir } = rig;
    drop(log);
    let log = open_asking(&dir.path().join("log"));
    assert!(log.halted().is_some());
    let cosigning = ask_first(Some(&named(&urls)), Arc::clone(&log)).await.expect("it cosigns");
    assert_eq!(cosigning, [format!("{}/add-checkpoint", urls[0])]);
    log.append_and_wait(vec![b"more".to_vec()]).expect("it goes on");
}

#[tokio::test]
async fn given_two_witnesses_that_stopped_a_ledger_when_only_one_is_gone_from_the_settings_then_it_stays_stopped() {
    let rig = Rig::new();
    let [a, b] = [rig.witness(1).await, rig.witness(2).await];
    rig.grow(5);
    rig.rounds(&policy(&[1, 2], 2), &[a.clone(), b.clone()]).round().await;
    let dir = rig.dir.path().join("restored");
    let older = open_log(&dir);
    older.append_and_wait(vec![b"entry".to_vec(); 3]).expect("appended");
    older.publish().expect("published");
    assert!(ask_first(Some(&named(&[a.clone(), b.clone()])), Arc::clone(&older)).await.is_err());
    let by = |log: &Arc<Log>| log.other_histories().into_iter().map(|told| told.by).collect::<Vec<_>>();
    assert_eq!(by(&older), [format!("{a}/add-checkpoint"), format!("{b}/add-checkpoint")]);
    drop(older);
    let told = ask_first(Some(&named(&[b])), open_asking(&dir)).await.expect_err("the other one says so too");
    assert!(told.to_string().contains("only 3"), "{told}");
    // One that cannot be asked may remember the same.
    let away = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let told = ask_first(Some(&named(&[format!("http://{away}")])), open_asking(&dir)).await.expect_err("not known");
    assert!(told.to_string().contains("cannot be reached"), "{told}");
    ask_first(None, open_asking(&dir)).await.expect("none of them counts any more");
}

#[tokio::test]
async fn given_a_running_log_when_a_witness_turns_out_to_know_another_history_then_it_stops_at_once() {
    let rig = Rig::new();
    let urls = [rig.witness(1).await];
    rig.grow(2);
    let (stop, stopped) = watch::channel(false);
    named(&urls).start(&rig.log, stopped);
    let until = Instant::now() + Duration::from_secs(20);
    while rig.witnessed() != Some((2, 2)) && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Somebody else signs with the log's key, and the witness sees that first.
    let twin = open_log(&rig.dir.path().join("twin"));
    twin.append_and_wait(vec![b"entry".to_vec(); 2]).expect("appended");
    twin.append_and_wait(vec![b"of the twin".to_vec()]).expect("appended");
    twin.publish().expect("published");
    named(&urls).rounds(&twin).round().await;
    rig.grow(3);
    while rig.log.halted().is_none() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told = rig.log.halted().expect("stopped");
    assert!(told.why.contains("another history"), "{told:?}");
    assert!(rig.log.append_and_wait(vec![b"more".to_vec()]).is_err());
    assert!(rig.log.publish().is_err());
    drop(stop);
}

#[test]
fn given_settings_that_make_no_sense_when_started_then_they_are_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    for (path, word) in [
        (String::new(), "witnesses.policy"),
        (dir.path().join("absent").display().to_string(), "absent"),
        (file("wrong", "quorum none\nwitness w nonsense\n"), "line 2"),
        (file("none", "quorum none\n"), "names no witness"),
    ] {
        let failure = read_policy(&path).expect_err("wrong");
        assert!(failure.message.contains(word), "{}", failure.message);
    }
    for url in ["", "witness.example", "ftp://witness.example", "http://w/?a=b"] {
        assert!(address(url).is_err(), "{url}");
    }
    assert_eq!(address("https://w.example/a/").expect("good"), "https://w.example/a/add-checkpoint");
    // A server finds it before it opens the ledger, so that witnesses are asked before anything is written.
    let mut config = Config::default();
    config.witnesses.urls = vec!["https://w.example".into()];
    config.witnesses.policy = file("policy", &policy(&[1], 1));
    config.witnesses.ca = dir.path().join("absent").display().to_string();
    let failure = Witnesses::of(&config).err().expect("it cannot be read");
    assert!(failure.message.contains("witnesses.ca"), "{}", failure.message);
}
