//! What sealing, opening, erasing and rotating take with many subjects in the key store.
//!
//! `cargo bench -p store --bench keys -- [subjects] [repeats]` (1,000,000 and 100,000 by default; 10000 1000 is a quick
//! look). The key store is filled in memory, where that is possible, and then copied to a file in the current directory:
//! to fill it takes a write to the disk for each subject, and is not what is measured.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use store::SqliteKeys;
use vault::memory::MemoryCustodian;
use vault::{SecretKey, SubjectRef, Vault};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const CLASS: &str = "personal";
const DAY: &str = "2026-11-22";
const NOW_MS: u64 = 1_795_000_000_000;
const MEMORY: &str = "/dev/shm";

fn main() -> Result<(), Failure> {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let number = |at: usize, usual: u64| numbers.get(at).copied().unwrap_or(usual);
    let (subjects, repeats) = (number(0, 1_000_000), number(1, 100_000));
    // In the current directory, not in /tmp, which may be no disk at all.
    let dir = tempfile::tempdir_in(".")?;
    let path = dir.path().join("keys.db");
    fill(&path, subjects)?;
    let vault = open(&path)?;
    seal_and_open(&vault, repeats)?;
    erase(&vault, subjects)?;
    rotate(&vault, subjects)?;
    ratchet(&vault)
}

fn open(path: &Path) -> Result<Vault, Failure> {
    let root = Arc::new(MemoryCustodian::new(SecretKey::from_bytes(&[7; 32])));
    Ok(Vault::open("bench.example/log", Arc::new(SqliteKeys::open(path)?), root, NOW_MS)?)
}

/// The references are as good as random: the finaliser of SplitMix64, twice.
fn subject(number: u64) -> SubjectRef {
    let mix = |mut z: u64| {
        z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let bytes = (u128::from(mix(number)) << 64) | u128::from(mix(number ^ 0x5555_5555_5555_5555));
    SubjectRef(bytes.to_be_bytes())
}

fn fill(path: &Path, subjects: u64) -> Result<(), Failure> {
    let start = Instant::now();
    let memory = Path::new(MEMORY).is_dir().then(|| tempfile::tempdir_in(MEMORY)).transpose()?;
    let filled = memory.as_ref().map_or_else(|| path.to_owned(), |dir| dir.path().join("keys.db"));
    let vault = open(&filled)?;
    for number in 0..subjects {
        vault.seal(CLASS, DAY, &subject(number), &[], NOW_MS)?;
    }
    drop(vault);
    if filled != path {
        // The last connection has copied the write-ahead file back when it was closed.
        std::fs::copy(&filled, path)?;
    }
    let (seconds, size) = (start.elapsed().as_secs_f64(), std::fs::metadata(path)?.len());
    println!("{subjects} subjects: key store of {} MB, filled in {seconds:.0} s", size / 1_000_000);
    Ok(())
}

fn seal_and_open(vault: &Vault, repeats: u64) -> Result<(), Failure> {
    let words = ["the ", "applicant ", "asked ", "for ", "credit ", "of ", "12,400 ", "and ", "pays ", "monthly "];
    let mut text = String::new();
    let mut at = 1_u64;
    while text.len() < 4096 {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        text += words[(at >> 33) as usize % words.len()];
    }
    let fields = [(1, text.as_bytes().get(..4096).unwrap_or_default())];
    let one = subject(0);
    let sealed = vault.seal(CLASS, DAY, &one, &fields, NOW_MS)?;
    let micros = |start: Instant| start.elapsed().as_secs_f64() * 1e6 / repeats as f64;
    let start = Instant::now();
    for _ in 0..repeats {
        black_box(vault.seal(CLASS, DAY, &one, black_box(&fields), NOW_MS)?);
    }
    let sealing = micros(start);
    let start = Instant::now();
    for _ in 0..repeats {
        black_box(vault.open_sealed(CLASS, DAY, &one, black_box(&sealed.as_ref()))?);
    }
    println!("a record of 4 KiB: sealed in {sealing:.1} us, opened in {:.1} us (wanted: 15 each)", micros(start));
    Ok(())
}

fn erase(vault: &Vault, subjects: u64) -> Result<(), Failure> {
    let mut took = Vec::new();
    for number in 1..6.min(subjects) {
        let start = Instant::now();
        vault.destroy_subject(&subject(number), NOW_MS)?;
        took.push(start.elapsed());
    }
    took.sort();
    let ms = |took: Option<&Duration>| took.map_or(0.0, |took| took.as_secs_f64() * 1e3);
    println!(
        "one of {subjects} subjects erased in {:.0} ms (median), {:.0} ms at most (wanted: 2000)",
        ms(took.get(took.len() / 2)),
        ms(took.last())
    );
    Ok(())
}

fn rotate(vault: &Vault, subjects: u64) -> Result<(), Failure> {
    let stop = AtomicBool::new(false);
    let (turned, seconds, traffic) = std::thread::scope(|scope| {
        let known =
            scope.spawn(|| traffic(vault, &stop, |round| subject(10 + round % subjects.saturating_sub(10).max(1))));
        let fresh = scope.spawn(|| traffic(vault, &stop, |round| subject(subjects + round)));
        let start = Instant::now();
        let turned = vault.rotate_class(CLASS, NOW_MS);
        let seconds = start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        (turned, seconds, [known.join(), fresh.join()])
    });
    let turned = turned?;
    println!(
        "class key over {subjects} subjects rotated in {seconds:.1} s with traffic running (wanted: 60): version {}, {} bucket \
         keys, {} keys wrapped anew",
        turned.version, turned.buckets, turned.rewrapped
    );
    for (who, traffic) in ["known", "new"].iter().zip(traffic) {
        let (records, longest) = traffic.map_err(|_| "a thread of the traffic ended in a panic")??;
        let rate = records as f64 / seconds;
        println!(
            "  meanwhile, {who} subjects: {rate:.0} records sealed and opened a second, the longest wait {:.0} ms",
            longest.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

/// Seals and opens a record of one subject after the other; how many, and the longest that one took.
fn traffic(vault: &Vault, stop: &AtomicBool, who: impl Fn(u64) -> SubjectRef) -> Result<(u64, Duration), Failure> {
    let (mut records, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let (subject, start) = (who(records), Instant::now());
        let sealed = vault.seal(CLASS, DAY, &subject, &[(1, b"a question")], NOW_MS)?;
        let opened = vault.open_sealed(CLASS, DAY, &subject, &sealed.as_ref())?;
        if opened != [(1, b"a question".to_vec())] {
            return Err("what was sealed does not open as it was".into());
        }
        longest = longest.max(start.elapsed());
        records += 1;
    }
    Ok((records, longest))
}

fn ratchet(vault: &Vault) -> Result<(), Failure> {
    let start = Instant::now();
    let done = vault.ratchet()?;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    println!("root ratcheted in {ms:.0} ms: {} keys wrapped anew", done.rewrapped);
    Ok(())
}
