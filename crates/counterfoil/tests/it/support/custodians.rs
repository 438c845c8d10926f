//! Custodians of the root key that are real: OpenBao, and SoftHSM2 with a token of the test's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{eventually, tools};

/// An OpenBao server with a Transit engine, all in memory; it ends with its owner.
pub struct Bao {
    pub address: String,
    child: Child,
    program: PathBuf,
    home: PathBuf,
}

impl Bao {
    pub const TOKEN: &'static str = "for-tests-only";

    pub fn start(test: &str, home: &Path) -> Option<Self> {
        let program = tools::bao(test)?;
        // It takes the port above its own too, which may be somebody else's: then it ends, and is started at another.
        let started = (0..5).find_map(|_| Self::at_free_port(&program, home));
        Some(started.expect("OpenBao starts"))
    }

    fn at_free_port(program: &Path, home: &Path) -> Option<Self> {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let address = format!("http://127.0.0.1:{port}");
        let listen = format!("-dev-listen-address=127.0.0.1:{port}");
        let server = ["server", "-dev", "-dev-no-store-token", "-dev-root-token-id", Self::TOKEN, &listen];
        let child = Self::command(program, home, &address, &server).spawn().expect("OpenBao is a program");
        let mut bao = Self { address, child, program: program.to_owned(), home: home.to_owned() };
        let answers = eventually("OpenBao answers", || match bao.tell(&["secrets", "enable", "transit"]) {
            true => Some(true),
            false => bao.child.try_wait().expect("a child").map(|_| false),
        });
        answers.then_some(bao)
    }

    fn command(program: &Path, home: &Path, address: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env("HOME", home).env("BAO_ADDR", address).env("BAO_TOKEN", Self::TOKEN);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs one of its own commands; whether it succeeded.
    pub fn tell(&self, arguments: &[&str]) -> bool {
        let mut command = Self::command(&self.program, &self.home, &self.address, arguments);
        command.status().is_ok_and(|status| status.success())
    }

    /// Lets it hold its breath: connections are taken, and nothing is answered.
    #[track_caller]
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

/// A token of SoftHSM2 in a directory; its library, and the file that says where the token lies.
pub fn soft_hsm(test: &str, dir: &Path, pin: &str) -> Option<(PathBuf, PathBuf)> {
    let module = tools::soft_hsm(test)?;
    let (tokens, conf) = (dir.join("tokens"), dir.join("softhsm2.conf"));
    std::fs::create_dir(&tokens).expect("a directory");
    std::fs::write(&conf, format!("directories.tokendir = {}\nlog.level = ERROR\n", tokens.display()))
        .expect("written");
    let made = ["--init-token", "--free", "--label", "custody", "--so-pin", "27182818", "--pin", pin];
    tools::run(Command::new("softhsm2-util").args(made).env("SOFTHSM2_CONF", &conf));
    Some((module, conf))
}

/// A file that its owner alone may read.
pub fn secret(path: &Path, text: &str) -> String {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.expect("a file").write_all(text.as_bytes()).expect("written");
    path.display().to_string()
}
