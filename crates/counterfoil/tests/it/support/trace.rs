//! The program as the kernel sees it: strace watches its system calls, or makes them fail.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{World, eventually};

/// A strace that makes syncs of a process fail; it goes with its owner.
pub struct FailingSyncs(Child);

impl FailingSyncs {
    /// From now on, after `good` more, every `fdatasync` of these files by this process fails. `None` when processes
    /// may not be attached to.
    pub fn of(strace: &Path, process: u32, files: &[PathBuf], good: u32) -> Option<Self> {
        let mut command = Command::new(strace);
        command.args(["-qq", "-f", "-o", "/dev/null", "-p", &process.to_string(), "-e", "trace=fdatasync"]);
        command.args(["-e", &format!("inject=fdatasync:error=EIO:when={}+", good + 1)]);
        for file in files {
            command.arg("-P").arg(file);
        }
        let strace = command.stderr(Stdio::null()).spawn().expect("strace starts");
        let mut this = Self(strace);
        let attached = eventually("strace attaches to every thread, or ends", || {
            let ended = this.0.try_wait().expect("a child").is_some();
            (ended || threads(process).all(|status| !status.contains("TracerPid:\t0\n"))).then_some(!ended)
        });
        attached.then_some(this)
    }
}

impl Drop for FailingSyncs {
    fn drop(&mut self) {
        // It ends with what it watches; this is for a test that failed before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the kernel says of each thread of a process.
fn threads(process: u32) -> impl Iterator<Item = String> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    tasks.filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok())
}

/// Whom programs reach out to: every address that they connect or send to.
pub struct Reached(PathBuf);

impl Reached {
    /// From now on the world's programs are watched, under a name of the test's.
    pub fn by(world: &mut World, strace: &Path, name: &str) -> Self {
        let calls = world.path(name);
        std::fs::create_dir(&calls).expect("a directory");
        let (strace, output) = (strace.display().to_string(), calls.join("of").display().to_string());
        // The watcher is not the parent (-D): signals go to the program itself. One file a thread (-ff).
        let trace = "trace=connect,sendto,sendmsg,sendmmsg";
        world.starter = [&strace, "-D", "-ff", "-q", "-s", "0", "-e", trace, "-o", &output].map(str::to_owned).to_vec();
        Self(calls)
    }

    /// The addresses so far. Everything watched must have ended.
    pub fn addresses(&self) -> BTreeSet<String> {
        let files = || std::fs::read_dir(&self.0).expect("a directory").map(|file| file.expect("an entry").path());
        let read = |path: PathBuf| std::fs::read_to_string(path).expect("readable");
        let ended = |text: &String| text.contains("+++ exited with") || text.contains("+++ killed by");
        let calls: Vec<String> = eventually("strace has written everything down", || {
            let calls: Vec<String> = files().map(read).collect();
            calls.iter().all(ended).then_some(calls)
        });
        assert!(!calls.is_empty(), "nothing was watched");
        calls.iter().flat_map(|text| text.lines()).filter_map(address).collect()
    }
}

/// The address that a call names, as `AF_INET 127.0.0.1:80`, or whatever else strace says of it.
fn address(call: &str) -> Option<String> {
    let (_, named) = call.split_once("{sa_family=")?;
    let named = named.split('}').next().unwrap_or(named);
    let between = |from: &str| Some(named.split_once(from)?.1.split(['"', ')']).next().unwrap_or_default());
    match (between("sin_addr=inet_addr(\""), between("sin_port=htons(")) {
        (Some(host), Some(port)) => Some(format!("AF_INET {host}:{port}")),
        _ => Some(named.to_owned()),
    }
}

/// How `addresses` says the address of a URL.
pub fn inet(url: &str) -> String {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    format!("AF_INET {}", host.split('/').next().unwrap_or(host))
}

#[test]
fn given_lines_of_strace_when_read_then_their_addresses_are_found() {
    let connect = r#"connect(9, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("192.0.2.7")}, 16) = 0"#;
    assert_eq!(address(connect).as_deref(), Some("AF_INET 192.0.2.7:443"));
    let socket = r#"connect(3, {sa_family=AF_UNIX, sun_path="/run/nscd"}, 110) = -1 ENOENT"#;
    assert_eq!(address(socket).as_deref(), Some(r#"AF_UNIX, sun_path="/run/nscd""#));
    assert_eq!(address(r#"sendto(7, ""..., 9, MSG_NOSIGNAL, NULL, 0) = 9"#), None);
    assert_eq!(inet("http://127.0.0.1:80/v1"), "AF_INET 127.0.0.1:80");
}
