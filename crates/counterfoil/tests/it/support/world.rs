//! A world for one test: a directory, a provider, a server on a port of its own, and the command line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use ::http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{self, Response};
use super::tools::repository;
use super::upstream::Upstream;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_counterfoil");

/// How the providers in `ORG` behave when a client asks for a route of that name.
pub const BEHAVIOURS: [&str; 8] = ["chat", "limited", "broken", "hang", "reset", "garbage", "endless", "slow"];

/// A finished run of the program.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// What it printed as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The stable word of its error.
    #[track_caller]
    pub fn error(&self) -> (i32, String) {
        let last = self.err.lines().last().unwrap_or_default();
        let error: Value = serde_json::from_str(last).unwrap_or_else(|e| panic!("{e}: {self:?}"));
        (self.code, error["error"]["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// A process that ends with its owner.
pub struct Process {
    child: Child,
    /// The first line it printed, as JSON.
    pub hello: Value,
}

impl Process {
    /// Starts the program and waits for its first line.
    ///
    /// # Errors
    /// How it ended, when it ended instead.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self, Run> {
        let err = File::options().create(true).append(true).open(log).expect("a log file");
        let from = err.metadata().expect("its length").len() as usize;
        let mut child = command.stdout(Stdio::piped()).stderr(err).spawn().expect("the program starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("readable");
        if line.is_empty() {
            let code = child.wait().expect("it ended").code().unwrap_or(-1);
            let err = std::fs::read_to_string(log).expect("a log");
            return Err(Run { code, out: line, err: err[from..].to_owned() });
        }
        let hello = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        Ok(Self { child, hello })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        self.hello["listening"].as_str().expect("an address").to_owned()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself; the signal that ended it, if one did.
    pub fn ended(&mut self) -> Option<i32> {
        let status = super::eventually("the process ends", || self.child.try_wait().expect("a child"));
        status.signal()
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        // It may have ended by itself; both are what the caller wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, as a service manager does.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().expect("kill is there");
        assert!(asked.success());
    }

    /// Asks it to end and waits; the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.terminate();
        self.child.wait().expect("it ended").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One test's world.
pub struct World {
    pub dir: TempDir,
    pub upstream: Upstream,
    /// Where the data is; inside `dir` unless a test put it elsewhere.
    pub data: PathBuf,
    pub server: Option<Process>,
    pub url: String,
    pub key: String,
    /// Where the server is to listen; a free port unless a test needs a certain one.
    pub listen: String,
    settings: Vec<(String, String)>,
    /// What the program is started by, and its arguments; the program itself when empty.
    pub starter: Vec<String>,
}

impl World {
    /// A server with the organisation of `org` and a key for its service `support`.
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// The same with settings, as environment variables.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let mut world = Self::empty(settings);
        world.begin();
        world
    }

    /// Starts the server of an empty world, with the organisation of `org` and a key for its service `support`.
    #[track_caller]
    pub fn begin(&mut self) {
        self.start();
        self.apply();
        self.key = self.create_key("support");
    }

    /// A server whose organisation nothing is declared of yet.
    pub fn empty_organisation() -> Self {
        let mut world = Self::empty(&[]);
        world.start();
        world
    }

    /// A server that browsers reach by a name, as passkeys need; nothing is declared.
    pub fn named() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        let mut world = Self::empty(&[("COUNTERFOIL_SERVER_PUBLIC_URL", &format!("http://localhost:{port}"))]);
        world.listen = format!("127.0.0.1:{port}");
        drop(free);
        world.start();
        world
    }

    /// The operator's key.
    pub fn token(&self) -> String {
        let token = std::fs::read_to_string(self.data.join("operator.token")).expect("the operator's key");
        token.trim().to_owned()
    }

    /// A directory and a provider; nothing runs.
    pub fn empty(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data = dir.path().join("data");
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (url, key, listen) = (String::new(), String::new(), "127.0.0.1:0".to_owned());
        Self { dir, upstream: Upstream::start(), data, server: None, url, key, listen, settings, starter: Vec::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and gives its path as text.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    /// The program in this world: no settings but the test's, and its data directory.
    pub fn command(&self) -> Command {
        let words: Vec<&str> = self.starter.iter().map(String::as_str).chain([PROGRAM]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_clear().current_dir(self.dir.path());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("COUNTERFOIL_SERVER_DATA", &self.data);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the server.
    #[track_caller]
    pub fn start(&mut self) {
        if let Err(run) = self.try_start() {
            panic!("the server did not start: {run:?}");
        }
    }

    /// Starts the server.
    ///
    /// # Errors
    /// How it ended, when it did not start.
    pub fn try_start(&mut self) -> Result<(), Run> {
        let mut command = self.command();
        command.args(["--json", "serve", "--listen", &self.listen]);
        let server = Process::start(&mut command, &self.path("server.log"))?;
        self.url = server.url();
        self.server = Some(server);
        Ok(())
    }

    pub fn server(&mut self) -> &mut Process {
        self.server.as_mut().expect("the server runs")
    }

    /// Ends the server well.
    #[track_caller]
    pub fn stop(&mut self) {
        let code = self.server().stop();
        self.server = None;
        assert_eq!(code, Some(0), "{}", self.log());
    }

    /// What the server wrote to standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }

    /// Runs the program to its end.
    pub fn cli(&self, arguments: &[&str]) -> Run {
        let output = self.command().args(arguments).stdin(Stdio::null()).output().expect("the program starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Run { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs the program with `--json`; it must succeed. Testing controls does when one fails, too.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> Value {
        let run = self.cli(&[&["--json"], arguments].concat());
        let tests_controls = arguments.windows(2).any(|pair| pair == ["controls", "run"]);
        assert!(run.code == 0 || (tests_controls && run.code == 2), "{arguments:?}: {run:?}");
        run.json()
    }

    /// The rows of a query.
    #[track_caller]
    pub fn sql(&self, query: &str) -> Vec<Value> {
        self.json(&["sql", query]).as_array().expect("rows").clone()
    }

    /// Everything that was recorded, sealed or not, in order.
    #[track_caller]
    pub fn records(&self) -> Vec<Value> {
        let query = "select * from inference_records order by incarnation, node_seq";
        self.json(&["sql", "--tail", query]).as_array().expect("rows").clone()
    }

    /// Declares the organisation: a provider with every behaviour, a model served in process, two services.
    #[track_caller]
    pub fn apply(&self) {
        let file = self.file("org.toml", &self.org());
        self.json(&["apply", "-f", &file, "--yes"]);
    }

    /// The organisation's file.
    pub fn org(&self) -> String {
        let routes = BEHAVIOURS.map(|model| {
            format!("[[service.support.route]]\nname = \"{model}\"\nprovider = \"stand-in\"\nmodel = \"{model}\"\n")
        });
        format!(
            r#"[provider.stand-in]
kind = "openai"
base_url = "{base_url}"
first_byte_timeout_ms = 1500
idle_timeout_ms = 1500

[[model]]
name = "credit-risk"
version = "1"
file = "{model}"

[service.support]
owner = "care"
purpose = "support"
risk_tier = "low"
classification = "confidential"
{routes}
[service.credit]
owner = "lending"
purpose = "credit-scoring"
risk_tier = "high"
classification = "restricted"
[[service.credit.route]]
name = "credit-risk"
model = "credit-risk"
version = "1"
"#,
            base_url = self.upstream.base_url,
            model = repository("examples/credit-risk/model.onnx").display(),
            routes = routes.concat(),
        )
    }

    /// The secret of a new key.
    #[track_caller]
    pub fn create_key(&self, service: &str) -> String {
        let created = self.json(&["keys", "create", "--service", service, "--expires", "90d"]);
        created["secret"].as_str().expect("a secret").to_owned()
    }

    /// The log's verifier key, as the ledger's first event tells it.
    #[track_caller]
    pub fn log_vkey(&self) -> String {
        let body = self.sql("select body from events where type = 'org.created'")[0]["body"].clone();
        let body: Value = serde_json::from_str(body.as_str().expect("text")).expect("JSON");
        body["log_vkey"].as_str().expect("a key").to_owned()
    }

    /// Sends a request with the key.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Response {
        let bearer = format!("Bearer {}", self.key);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        http::send(Method::POST, &format!("{}{path}", self.url), &headers, body.to_string())
    }

    /// A plain chat call to a route.
    #[track_caller]
    pub fn chat(&self, route: &str) -> Response {
        self.post("/v1/chat/completions", &ask(route))
    }
}

/// The body of a plain chat call.
pub fn ask(route: &str) -> Value {
    json!({"model": route, "messages": [{"role": "user", "content": "hello"}]})
}
