//! The servers that are compared: the product and nginx, each a process of its own that ends with its owner.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::load::Target;
use crate::{Arguments, Failure};

const PROGRAM: &str = env!("CARGO_BIN_EXE_counterfoil");

/// A running server.
pub struct Server {
    process: Process,
    pub target: Target,
}

/// A child process that is ended when this is dropped.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // A server is asked first, so that nginx takes its workers along. It may have ended by itself.
        let _ = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// What a process and its children have used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Seconds of processor time.
    pub cpu: f64,
    /// Resident memory in MiB.
    pub rss_mib: f64,
    /// The most that it ever was.
    pub peak_mib: f64,
}

impl Server {
    /// The product, over a fresh data directory below `dir`, with one service that asks `provider`.
    pub fn counterfoil(arguments: &Arguments, dir: &Path, provider: SocketAddr) -> Result<Self, Failure> {
        let data = dir.join("data");
        std::fs::write(dir.join("org.toml"), ORG.replace("ADDRESS", &provider.to_string()))?;
        let mut command = under(&arguments.under, PROGRAM.as_ref());
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
        command.env("COUNTERFOIL_TELEMETRY_FILTER", "warn").stdout(Stdio::piped());
        // Remembered as it would be, but not in anybody's home.
        command.env("COUNTERFOIL_SERVER_STATE", dir.join("state"));
        let mut process = Process(command.spawn()?);
        let mut line = String::new();
        let out = process.0.stdout.take().ok_or("the server has no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let url = serde_json::from_str::<Value>(&line)?["listening"].as_str().unwrap_or_default().to_owned();
        let address = url.trim_start_matches("http://").parse()?;
        let org = dir.join("org.toml");
        administer(&data, &["apply", "--yes", "-f", org.to_str().ok_or("the directory's name is not text")?])?;
        let key = administer(&data, &["keys", "create", "--service", "bench"])?;
        let secret = key["secret"].as_str().ok_or("no key was made")?;
        Ok(Self { process, target: Target::new(address, secret) })
    }

    /// nginx as a reverse proxy to `provider`; `None` when there is none.
    pub fn nginx(
        arguments: &Arguments,
        dir: &Path,
        provider: SocketAddr,
        nginx: Nginx,
    ) -> Result<Option<Self>, Failure> {
        if Command::new(&arguments.nginx).arg("-v").stderr(Stdio::null()).status().is_err() {
            println!("skipped: nginx: `{}` is not there; give --nginx PATH", arguments.nginx.display());
            return Ok(None);
        }
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let (prefix, upstream, location) = match nginx {
            Nginx::Plain => (dir.join("nginx-plain"), "", "proxy_pass http://PROVIDER;"),
            Nginx::Keeping => (dir.join("nginx"), KEEPING_UPSTREAM, KEEPING_LOCATION),
        };
        std::fs::create_dir_all(&prefix)?;
        let text = NGINX.replace("UPSTREAM", upstream).replace("LOCATION", location);
        let text = text.replace("LISTEN", &address.to_string()).replace("PROVIDER", &provider.to_string());
        std::fs::write(prefix.join("nginx.conf"), text)?;
        let mut command = under(&arguments.under, &arguments.nginx);
        command.arg("-p").arg(&prefix).args(["-c", "nginx.conf", "-e", "error.log"]);
        let process = Process(command.spawn()?);
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until {
                return Err(format!("nginx does not listen; see {}", prefix.join("error.log").display()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(Self { process, target: Target::new(address, "none") }))
    }

    /// What it has used so far.
    pub fn usage(&self) -> Usage {
        let id = self.process.0.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let ids = children.split_whitespace().filter_map(|id| id.parse().ok()).chain([id]);
        ids.map(usage).fold(Usage::default(), |sum, one| Usage {
            cpu: sum.cpu + one.cpu,
            rss_mib: sum.rss_mib + one.rss_mib,
            peak_mib: sum.peak_mib + one.peak_mib,
        })
    }
}

/// What one process has used (proc(5)).
fn usage(id: u32) -> Usage {
    /// Clock ticks a second in `/proc`, on every Linux that matters.
    const TICKS: f64 = 100.0;
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{id}/{name}")).unwrap_or_default();
    let (stat, status) = (read("stat"), read("status"));
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|value| value.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.unwrap_or_default() / 1024.0
    };
    Usage { cpu: ticks.sum::<f64>() / TICKS, rss_mib: mib("VmRSS:"), peak_mib: mib("VmHWM:") }
}

/// Runs a command of the program against the running server.
fn administer(data: &Path, command: &[&str]) -> Result<Value, Failure> {
    let ran = Command::new(PROGRAM).args(command).args(["--json", "--data"]).arg(data).output()?;
    if !ran.status.success() {
        return Err(format!("{command:?} failed: {}", String::from_utf8_lossy(&ran.stderr)).into());
    }
    Ok(serde_json::from_slice(&ran.stdout)?)
}

fn under(prefix: &str, program: &Path) -> Command {
    let mut words = prefix.split_whitespace();
    match words.next() {
        None => Command::new(program),
        Some(first) => {
            let mut command = Command::new(first);
            command.args(words).arg(program);
            command
        }
    }
}

/// Busy processes that run only when nothing else wants to, one a core.
pub fn keep_awake() -> Result<Vec<Process>, Failure> {
    let spin = || Command::new("chrt").args(["--idle", "0", "sh", "-c", "while :; do :; done"]).spawn().map(Process);
    let cores = std::thread::available_parallelism()?.get();
    Ok((0..cores).map(|_| spin()).collect::<Result<_, _>>()?)
}

const ORG: &str = r#"
[provider.stand-in]
kind = "openai"
base_url = "http://ADDRESS/v1"
region = "here"
first_byte_timeout_ms = 10000
idle_timeout_ms = 10000

[service.bench]
owner = "bench"
purpose = "measurement"
risk_tier = "low"
classification = "confidential"
uses_personal_info = true

[[service.bench.route]]
name = "assistant"
provider = "stand-in"
model = "stand-in-chat-1"

[[service.bench.route]]
name = "guarded"
provider = "stand-in"
model = "stand-in-chat-1"
guard.requests = { personal = "tokenise", sensitive = "mask", secret = "block" }
"#;

/// The route that has a guard.
pub const GUARDED: &str = "guarded";

/// How nginx is told to reach the provider.
#[derive(Clone, Copy, Debug)]
pub enum Nginx {
    /// `proxy_pass` and nothing else: a connection to the provider for each call, as nginx does unless it is told more.
    Plain,
    /// It keeps connections to the provider, as the gateway does.
    Keeping,
}

const NGINX: &str = "
daemon off;
worker_processes auto;
pid nginx.pid;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 1000000000;
  UPSTREAM
  server {
    listen LISTEN;
    location / { LOCATION }
  }
}
";

const KEEPING_UPSTREAM: &str = "upstream provider { server PROVIDER; keepalive 128; keepalive_requests 1000000000; }";
const KEEPING_LOCATION: &str = "proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection \"\";";
