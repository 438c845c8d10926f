//! How many entries a second the log makes durable, and how near that is to what the disk can do.
//!
//! `cargo bench -p ledger --bench commit -- [writers] [seconds] [bytes]` (64, 5 and 1024 by default). Each writer sends
//! one entry and waits until it is durable. First the disk alone is measured, then the log on it.

mod disk;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use disk::Disk;
use ledger::log::{Log, LogOptions};
use ledger::vfs::RealVfs;
use merkle::SignerKey;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let number = |at: usize, usual: u64| numbers.get(at).copied().unwrap_or(usual);
    let (writers, seconds, bytes) = (number(0, 64), number(1, 5), number(2, 1024));
    // In the current directory, not in /tmp, which may be no disk at all.
    let dir = tempfile::tempdir_in(".")?;
    let disk = Disk::measure(dir.path())?;
    disk.print();
    for writers in [1, writers] {
        run(&dir.path().join(writers.to_string()), writers, seconds, bytes, disk.bandwidth)?;
    }
    Ok(())
}

fn run(dir: &Path, writers: u64, seconds: u64, bytes: u64, bandwidth: f64) -> Result<(), Failure> {
    let options = LogOptions::new(dir, SignerKey::ed25519("bench.example/log", &[7; 32])?);
    let (log, _) = Log::open(Arc::new(RealVfs), options, &mut |_, _| {})?;
    log.start_publisher(Duration::from_secs(1))?;
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    let mut latencies: Vec<Duration> = std::thread::scope(|scope| {
        let writer = || writer(&log, bytes, &stop, &done);
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(writer)).collect();
        std::thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    let elapsed = start.elapsed().as_secs_f64();
    latencies.sort();
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies.get(index).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    };
    let rate = done.load(Ordering::Relaxed) as f64 / elapsed;
    println!(
        "{writers} writers of {bytes} bytes: {rate:.0} durable entries/s, {:.0} MB/s ({:.0} % of the disk), \
         p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms",
        rate * bytes as f64 / 1e6,
        100.0 * rate * bytes as f64 / bandwidth,
        at(0.5),
        at(0.95),
        at(0.99),
    );
    Ok(())
}

fn writer(log: &Log, bytes: u64, stop: &AtomicBool, done: &AtomicU64) -> Vec<Duration> {
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        if log.append_and_wait(vec![vec![b'x'; bytes as usize]]).is_err() {
            break;
        }
        latencies.push(start.elapsed());
        done.fetch_add(1, Ordering::Relaxed);
    }
    latencies
}
