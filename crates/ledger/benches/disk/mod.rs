//! What the disk can do by itself, measured in the same run as what is built on it.

use std::path::Path;
use std::time::{Duration, Instant};

use ledger::vfs::{RealVfs, Vfs};

/// Synced writes into a preallocated file.
pub struct Disk {
    /// How long 4 KiB and a sync take: half of the writes at most this, and all but one in a hundred.
    pub sync: (Duration, Duration),
    /// Bytes a second in writes of 1 MiB, each with a sync.
    pub bandwidth: f64,
}

impl Disk {
    /// Measures the disk that `dir` is on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn measure(dir: &Path) -> std::io::Result<Self> {
        let path = dir.join("probe");
        let file = RealVfs.preallocate(&path, 128 << 20, &|| {})?;
        let timed = |count: u64, bytes: usize| -> std::io::Result<Vec<Duration>> {
            let content = vec![1; bytes];
            let write = |at: u64| {
                let start = Instant::now();
                file.write_at(&content, at * bytes as u64)?;
                file.sync_data()?;
                Ok(start.elapsed())
            };
            (0..count).map(write).collect()
        };
        let mut small = timed(500, 4096)?;
        let large = timed(128, 1 << 20)?;
        std::fs::remove_file(&path)?;
        small.sort_unstable();
        let bandwidth = large.len() as f64 * f64::from(1_u32 << 20) / large.iter().sum::<Duration>().as_secs_f64();
        Ok(Self { sync: (small[small.len() / 2], small[small.len() * 99 / 100]), bandwidth })
    }

    /// Says what was measured.
    pub fn print(&self) {
        let (p50, p99) = self.sync;
        let bandwidth = self.bandwidth / 1e6;
        println!(
            "disk: p50 {p50:.2?}, p99 {p99:.2?} for 4 KiB and a sync, {bandwidth:.0} MB/s in synced writes of 1 MiB"
        );
    }
}
