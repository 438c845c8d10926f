//! The load: the same chat request again and again over connections that stay open, as fast as answers come or at a
//! steady rate whatever the answers do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::Failure;
use crate::stand_in::message_end;

/// How many people the requests concern.
const SUBJECTS: usize = 64;

/// Where requests go, and what they are.
#[derive(Clone)]
pub struct Target {
    address: SocketAddr,
    secret: String,
    /// One for each subject.
    requests: Arc<Vec<Vec<u8>>>,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// How long each call took.
    pub latencies: Vec<Duration>,
    /// How long all of it took.
    pub took: Duration,
}

impl Sample {
    /// The latency in milliseconds that a share of the calls did not exceed.
    pub fn ms(&mut self, share: f64) -> f64 {
        self.latencies.sort_unstable();
        let at = ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }

    /// Calls a second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    /// Adds another part of the same measurement.
    pub fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.took += other.took;
    }
}

impl Target {
    /// Requests to `address` that show `secret`; each about 560 bytes with its head.
    pub fn new(address: SocketAddr, secret: &str) -> Self {
        let requests = (0..SUBJECTS).map(|subject| request(address, secret, "assistant", QUESTION, subject)).collect();
        Self { address, secret: secret.to_owned(), requests: Arc::new(requests) }
    }

    /// The same with another question to another route.
    pub fn asking(&self, route: &str, question: &str) -> Self {
        let requests = (0..SUBJECTS).map(|subject| request(self.address, &self.secret, route, question, subject));
        Self { requests: Arc::new(requests.collect()), ..self.clone() }
    }

    fn request(&self, number: usize) -> &[u8] {
        &self.requests[number % self.requests.len()]
    }

    /// One connection, one call after the other.
    pub fn in_turn(&self, time: Duration) -> Result<Sample, Failure> {
        let (mut connection, start) = (Connection::open(self.address)?, Instant::now());
        let mut latencies = Vec::new();
        while start.elapsed() < time {
            let begin = Instant::now();
            connection.call(self.request(latencies.len()))?;
            latencies.push(begin.elapsed());
        }
        Ok(Sample { latencies, took: start.elapsed() })
    }

    /// So many calls a second, each measured from when it was due: one that must wait for another is not let off.
    pub fn steadily(&self, rate: u64, connections: usize, time: Duration) -> Result<Sample, Failure> {
        let between = Duration::from_secs(1) / u32::try_from(rate)?;
        let start = Instant::now() + Duration::from_millis(50);
        let one = |first: usize| -> Result<Vec<Duration>, Failure> {
            let mut connection = Connection::open(self.address)?;
            let mut latencies = Vec::new();
            for number in (first..).step_by(connections) {
                let due = start + between * u32::try_from(number)?;
                if due > start + time {
                    break;
                }
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                connection.call(self.request(number))?;
                latencies.push(due.elapsed());
            }
            Ok(latencies)
        };
        let mut latencies = Vec::new();
        std::thread::scope(|scope| -> Result<(), Failure> {
            let threads: Vec<_> = (0..connections).map(|first| scope.spawn(move || one(first))).collect();
            for thread in threads {
                latencies.extend(thread.join().map_err(|_| "a thread of the load panicked")??);
            }
            Ok(())
        })?;
        Ok(Sample { latencies, took: time })
    }

    /// As many calls as answers come, over so many connections, from one thread.
    pub fn at_once(&self, connections: usize, time: Duration) -> Result<Sample, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let start = Instant::now();
            let callers: Vec<_> =
                (0..connections).map(|first| tokio::spawn(caller(self.clone(), first, start + time))).collect();
            let mut latencies = Vec::new();
            for caller in callers {
                latencies.extend(caller.await??);
            }
            Ok(Sample { latencies, took: start.elapsed() })
        })
    }
}

async fn caller(target: Target, first: usize, until: Instant) -> Result<Vec<Duration>, Failure> {
    let mut connection = tokio::net::TcpStream::connect(target.address).await?;
    connection.set_nodelay(true)?;
    let (mut latencies, mut answer) = (Vec::new(), Vec::with_capacity(4096));
    loop {
        let begin = Instant::now();
        if begin >= until {
            return Ok(latencies);
        }
        connection.write_all(target.request(first + latencies.len())).await?;
        answer.clear();
        while message_end(&answer).is_none() {
            if connection.read_buf(&mut answer).await? == 0 {
                return Err("a server closed its connection".into());
            }
        }
        must_be_good(&answer)?;
        latencies.push(begin.elapsed());
    }
}

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { stream, answer: Vec::with_capacity(4096) })
    }

    fn call(&mut self, request: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(request)?;
        self.answer.clear();
        let mut piece = [0; 4096];
        while message_end(&self.answer).is_none() {
            let read = self.stream.read(&mut piece)?;
            if read == 0 {
                return Err("a server closed its connection".into());
            }
            self.answer.extend_from_slice(&piece[..read]);
        }
        must_be_good(&self.answer)
    }
}

fn must_be_good(answer: &[u8]) -> Result<(), Failure> {
    if answer.starts_with(b"HTTP/1.1 200 ") {
        return Ok(());
    }
    Err(format!("an answer was not as it should be: {}", String::from_utf8_lossy(answer)).into())
}

const QUESTION: &str = "I applied for a loan last week and have heard nothing since. Has it arrived? \
    My application number is 20394, and I would like to know whether you still need my last two payslips.";

fn request(address: SocketAddr, secret: &str, route: &str, question: &str, subject: usize) -> Vec<u8> {
    let body = serde_json::json!({
        "model": route,
        "messages": [
            {"role": "system", "content": "You help customers of a lender. Be brief, be kind, and promise nothing."},
            {"role": "user", "content": question},
        ],
        "temperature": 0.2, "max_tokens": 256, "user": format!("customer-{subject:05}"),
    })
    .to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {secret}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
