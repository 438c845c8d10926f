//! A witness as another process, as somebody else would run it.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::support::world::{PROGRAM, Process};
use crate::support::{World, eventually, http};

/// A running `counterfoil witness serve`.
pub struct WitnessProcess {
    process: Process,
    pub vkey: String,
    origin: String,
    /// Everything after `--listen ADDR`.
    arguments: Vec<String>,
    log: PathBuf,
}

impl WitnessProcess {
    /// Starts a witness of the world's ledger, with its own key and state.
    pub fn start(world: &World, name: &str) -> Self {
        let path = |file: &str| world.path(&format!("{name}.{file}"));
        let key = path("key").display().to_string();
        let made = world.json(&["witness", "keygen", "--name", &format!("witness.example/{name}"), "-o", &key]);
        let vkey = made["vkey"].as_str().expect("a key").to_owned();
        let log_vkey = world.log_vkey();
        let origin = log_vkey.split('+').next().expect("a name").to_owned();
        let state = path("state").display().to_string();
        let arguments = ["--key", &key, "--log", &log_vkey, "--state", &state].map(str::to_owned).to_vec();
        let log = path("log");
        let process = listen("127.0.0.1:0", &arguments, &log);
        assert_eq!(process.hello["vkey"], vkey.as_str());
        Self { process, vkey, origin, arguments, log }
    }

    /// Starts it again where it was, after it was killed.
    fn come_back(&mut self) {
        let address = self.process.url().trim_start_matches("http://").to_owned();
        self.process = listen(&address, &self.arguments, &self.log);
    }

    /// Tells the world's server, from its next start on, to have its checkpoints cosigned by this witness.
    pub fn configure(&self, world: &mut World) {
        let policy = format!("witness w {}\nquorum w\n", self.vkey);
        let policy = world.file("policy", &policy);
        world.set("COUNTERFOIL_WITNESSES_URLS", &self.process.url());
        world.set("COUNTERFOIL_WITNESSES_POLICY", &policy);
    }

    /// Tells the world's server of a witness where nobody listens; its address.
    pub fn away(world: &mut World) -> String {
        let key = world.path("away.key").display().to_string();
        let made = world.json(&["witness", "keygen", "--name", "witness.example/away", "-o", &key]);
        let vkey = made["vkey"].as_str().expect("a key");
        let policy = world.file("away.policy", &format!("witness w {vkey}\nquorum w\n"));
        world.set("COUNTERFOIL_WITNESSES_URLS", "http://127.0.0.1:1");
        world.set("COUNTERFOIL_WITNESSES_POLICY", &policy);
        "http://127.0.0.1:1".to_owned()
    }

    /// Its address.
    pub fn url(&self) -> String {
        self.process.url()
    }

    /// What the witness shows to whoever asks.
    pub fn latest(&self) -> Option<String> {
        let origin = merkle::hex(&Sha256::digest(self.origin.as_bytes()));
        let answer = http::get(&format!("{}/{origin}/checkpoint", self.process.url()));
        (answer.status == 200).then(|| answer.text())
    }

    /// How many entries it has cosigned.
    pub fn size(&self) -> Option<u64> {
        self.latest()?.lines().nth(1)?.parse().ok()
    }
}

fn listen(address: &str, arguments: &[String], log: &Path) -> Process {
    let mut command = Command::new(PROGRAM);
    command.args(["--json", "witness", "serve", "--listen", address]).args(arguments);
    Process::start(&mut command, log).expect("the witness starts")
}

#[test]
fn given_a_witness_elsewhere_when_the_ledger_grows_then_packages_are_vouched_for_by_somebody_else() {
    let mut world = World::new();
    let witness = WitnessProcess::start(&world, "w1");
    let log = world.log_vkey();
    world.stop();
    witness.configure(&mut world);
    world.start();
    assert_eq!(world.chat("chat").status, 200);
    world.json(&["records", "seal"]);
    let size = world.sql("select max(seq) as seq from events")[0]["seq"].as_u64().expect("a number");
    eventually("the witness has cosigned it all", || (witness.size()? > size).then_some(()));

    let file = world.data.join("ledger/checkpoint.witnessed");
    let witnessed = eventually("the ledger keeps the cosignature", || std::fs::read_to_string(&file).ok());
    let note = merkle::Note::parse(&witnessed).expect("a note");
    let key: merkle::VerifierKey = witness.vkey.parse().expect("a key");
    assert!(key.verify(&note).expect("cosigned").timestamp.is_some());

    let pack = world.path("pack.zip").display().to_string();
    let policy = world.file("auditor.policy", &format!("log {log}\nwitness w {}\nquorum w\n", witness.vkey));
    let independence = eventually("the newest checkpoint is cosigned", || {
        world.json(&["evidence", "export", "--from", "2020-01-01", "-o", &pack]);
        let report = world.cli(&["--json", "verify", &pack, "--policy", &policy]).json();
        (report["verdicts"][3]["verdict"] == "pass").then(|| report.clone())
    });
    assert_eq!(independence["verdicts"][0]["verdict"], "pass", "{independence}");
    let stranger = world.path("stranger.key").display().to_string();
    let other = world.json(&["witness", "keygen", "--name", "witness.example/w2", "-o", &stranger]);
    let vkey = other["vkey"].as_str().expect("a key");
    let policy = world.file("stranger.policy", &format!("log {log}\nwitness w {vkey}\nquorum w\n"));
    assert_eq!(world.cli(&["--json", "verify", &pack, "--policy", &policy]).code, 4, "nobody that counts vouches");
}

#[test]
fn given_a_witness_that_goes_away_when_it_comes_back_then_it_catches_up_and_the_server_never_minded() {
    let mut world = World::new();
    let mut witness = WitnessProcess::start(&world, "w1");
    witness.configure(&mut world);
    witness.process.kill();
    world.stop();
    world.start();
    assert_eq!(world.chat("chat").status, 200);
    let log = eventually("the absence is in the log", || {
        let log = world.log();
        log.contains("a witness did not cosign").then_some(log)
    });
    assert_eq!(log.matches("a witness did not cosign").count(), 1, "it is said once: {log}");
    witness.come_back();
    let size = world.sql("select max(seq) as seq from events")[0]["seq"].as_u64().expect("a number");
    eventually("the witness has caught up", || (witness.size()? > size).then_some(()));
    eventually("that is in the log, too", || world.log().contains("the witness cosigns again").then_some(()));
}

#[test]
fn given_a_request_in_a_file_when_cosigned_without_a_network_then_the_state_remembers_it() {
    let world = World::new();
    let key = world.path("w.key").display().to_string();
    world.json(&["witness", "keygen", "--name", "witness.example/w", "-o", &key]);
    assert_eq!(world.cli(&["witness", "keygen", "--name", "other", "-o", &key]).code, 5, "a key is never overwritten");
    let note = world.json(&["ledger", "checkpoint"])["checkpoint"].as_str().expect("a note").to_owned();
    let request = world.file("request", &format!("old 0\n\n{note}"));
    let (log, state) = (world.log_vkey(), world.path("w.state").display().to_string());
    let cosign = |log: &str| {
        world.cli(&["--json", "witness", "cosign", "--in", &request, "--key", &key, "--log", log, "--state", &state])
    };
    let line = cosign(&log).json()["cosignature"].as_str().expect("a line").to_owned();
    assert!(line.starts_with("— witness.example/w "), "{line}");
    assert_eq!(cosign(&log).error(), (65, "conflict".to_owned()), "it remembers");
    assert_eq!(cosign("nonsense").code, 64);
}
