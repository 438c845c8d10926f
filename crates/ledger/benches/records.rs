//! Records a second with 64 writers and 4 KiB payloads, on the disk of the current directory.
//!
//! `cargo bench -p ledger --bench records -- [records] [writers] [payload bytes]`. Each writer waits for its record to
//! be durable before it hands in the next. Segments are sealed beside it, as a node does. Beginnings are left out. First
//! the disk alone is measured.

mod disk;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use disk::Disk;
use domain::serving::InferenceCore;
use ledger::records::{Payload, RecordLog, RecordOptions, Resume};
use ledger::vfs::RealVfs;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

fn core(number: u64) -> InferenceCore {
    let text = |text: &str| Some(text.to_owned());
    InferenceCore {
        inference_id: format!("0198c0de-0000-7000-8000-{number:012x}"),
        ts_start: now_us(),
        ts_end: now_us(),
        door: "openai.chat.completions".into(),
        service: text("credit-scoring"),
        key: text("ak_7Jq2mZ"),
        route: text("gpt"),
        model: text("openai/gpt-5"),
        version: text("as-served"),
        deployment: text("dep-1"),
        provider: text("openai"),
        region: text("au"),
        purpose: text("credit-scoring"),
        classification: "internal".into(),
        status: "ok".into(),
        http_status: Some(200),
        tokens_in: Some(512),
        tokens_out: Some(128),
        upstream_us: Some(350_000),
        policies: text("allow-services,deny-unapproved"),
        day: "2026-11-22".into(),
        r: number.to_le_bytes().repeat(3),
        ct_sha256: vec![3; 32],
        c_root: vec![4; 32],
        ..InferenceCore::default()
    }
}

fn main() {
    // Cargo adds flags of its own, such as `--bench`.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (total, writers) = (numbers.next().unwrap_or(200_000), numbers.next().unwrap_or(64));
    let bytes = usize::try_from(numbers.next().unwrap_or(4096)).expect("a payload fits in memory");
    let dir = tempfile::tempdir_in(".").expect("a directory for the bench");
    let disk = Disk::measure(dir.path()).expect("a disk that can be written");
    disk.print();
    let options = RecordOptions::new(dir.path().join("records"), "bench/log", "bench");
    let (log, _) =
        RecordLog::<InferenceCore>::open(Arc::new(RealVfs), options, Resume::default(), now_us()).expect("a fresh log");
    log.start_incarnation(1).expect("nothing is unsealed");

    let (next, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let started = Instant::now();
    let (mut waits, sealed) = std::thread::scope(|scope| {
        let sealer = scope.spawn(|| seal_until(&log, &done));
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(|| write(&log, &next, total, bytes))).collect();
        let waits: Vec<Duration> = threads.into_iter().flat_map(|thread| thread.join().expect("a writer")).collect();
        let took = started.elapsed();
        done.store(true, Ordering::Relaxed);
        let rate = total as f64 / took.as_secs_f64();
        let share = 100.0 * rate * bytes as f64 / disk.bandwidth;
        println!(
            "{total} records of {bytes} bytes by {writers} writers in {took:.2?}: {rate:.0}/s, {:.0} MB/s of payload \
             ({share:.0} % of the disk, which carries each payload twice: log and segment)",
            rate * bytes as f64 / 1e6,
        );
        (waits, sealer.join().expect("the sealer"))
    });
    waits.sort_unstable();
    let at = |share: usize| waits[(waits.len() - 1) * share / 1000];
    let stats = log.stats();
    println!("durable after p50 {:.2?}, p99 {:.2?}, max {:.2?}", at(500), at(990), at(1000));
    println!(
        "{:.1} records a sync; {sealed} segments sealed, all after {:.2?}",
        total as f64 / stats.batches as f64,
        started.elapsed()
    );
}

fn write(log: &RecordLog, next: &AtomicU64, total: u64, bytes: usize) -> Vec<Duration> {
    let mut waits = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= total {
            return waits;
        }
        let from = Instant::now();
        let payload = Payload { ct: vec![number as u8; bytes], subject_ref: [1; 16] };
        block_on(log.append(core(number), payload)).expect("a durable record");
        waits.push(from.elapsed());
    }
}

fn seal_until(log: &RecordLog, done: &AtomicBool) -> u64 {
    let mut sealed = 0;
    loop {
        let last = done.load(Ordering::Relaxed);
        match log.seal(last, now_us()).expect("a sealed segment") {
            Some(segment) => {
                log.confirm_sealed(segment.number);
                sealed += 1;
            }
            None if last => return sealed,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
