//! Real custodians for the tests of drivers: OpenBao and SoftHSM2, where `scripts/install-test-tools` put them.

use std::path::PathBuf;

use super::*;

/// The value of a variable, or a word about the skipped test.
fn place(test: &str, variable: &str) -> Option<PathBuf> {
    let place = std::env::var_os(variable).map(PathBuf::from);
    if place.is_none() {
        eprintln!("skipped: {test}: {variable} is not set; run the tests with scripts/test");
    }
    place
}

pub mod bao {
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    /// An OpenBao server with a Transit engine, all in memory; it ends with its owner.
    pub struct Bao {
        pub address: String,
        child: Child,
        _home: tempfile::TempDir,
    }

    impl Bao {
        pub const TOKEN: &'static str = "for-tests-only";

        pub fn start(test: &str) -> Option<Bao> {
            let program = super::place(test, "COUNTERFOIL_TEST_BAO")?;
            // It takes the port above its own too, which may be somebody else's: then it ends, and is started at another.
            let started = (0..5).find_map(|_| Self::at_free_port(&program));
            Some(started.expect("OpenBao starts"))
        }

        fn at_free_port(program: &std::path::Path) -> Option<Bao> {
            let home = tempfile::tempdir().expect("a directory");
            let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            let port = free.local_addr().expect("its address").port();
            drop(free);
            let address = format!("http://127.0.0.1:{port}");
            let command = |arguments: &[&str]| {
                let mut command = Command::new(program);
                command.args(arguments);
                command.env("HOME", home.path()).env("BAO_ADDR", &address).env("BAO_TOKEN", Self::TOKEN);
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                command
            };
            let listen = format!("-dev-listen-address=127.0.0.1:{port}");
            let server = ["server", "-dev", "-dev-no-store-token", "-dev-root-token-id", Self::TOKEN, &listen];
            let mut child = command(&server).spawn().expect("OpenBao is a program");
            let until = Instant::now() + Duration::from_secs(60);
            while !command(&["secrets", "enable", "transit"]).status().is_ok_and(|status| status.success()) {
                if child.try_wait().expect("a child").is_some() {
                    return None;
                }
                assert!(Instant::now() < until, "OpenBao does not answer");
                std::thread::sleep(Duration::from_millis(200));
            }
            Some(Bao { address, child, _home: home })
        }

        /// Lets it hold its breath: connections are taken, and nothing is answered.
        pub fn pause(&self, pause: bool) {
            let signal = if pause { "-STOP" } else { "-CONT" };
            let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
            assert!(sent.is_ok_and(|status| status.success()));
        }
    }

    impl Drop for Bao {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The token of SoftHSM2 that `scripts/install-test-tools` made; the environment says where it lies.
pub struct SoftHsm {
    pub module: PathBuf,
}

impl SoftHsm {
    pub const LABEL: &'static str = "custody";
    pub const PIN: &'static str = "31415926";

    pub fn get(test: &str) -> Option<SoftHsm> {
        place(test, "SOFTHSM2_CONF")?;
        Some(SoftHsm { module: place(test, "COUNTERFOIL_TEST_SOFTHSM")? })
    }
}

#[test]
fn given_a_secret_in_a_file_or_a_variable_when_read_then_it_is_private_there_and_never_empty() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("token");
    let file = SecretSource::File(path.clone());
    assert!(file.read("the token").expect_err("missing").to_string().starts_with("the token: "));
    secret_file::create(&path, b"secret\n").expect("written");
    assert_eq!(file.read("the token").expect("read").as_deref().map(String::as_str), Some("secret"));
    std::fs::write(&path, "\n").expect("written");
    assert!(file.read("the token").expect_err("empty").to_string().contains("it is empty"));
    let unset = SecretSource::Env("COUNTERFOIL_TEST_NO_SUCH_VARIABLE".into());
    assert!(unset.read("the token").expect_err("unset").to_string().contains("is not set"));
    assert_eq!(SecretSource::None.read("the token").expect("none"), None);
}

#[test]
fn given_a_data_directory_when_its_file_custodian_is_opened_twice_then_it_is_the_same_key() {
    let dir = tempfile::tempdir().expect("a directory");
    let key_id = || open(&CustodianOptions::default(), dir.path()).expect("opened").key_id();
    assert_eq!(key_id(), key_id());
}
