//! What the disk itself takes for one small durable write, measured beside the server's data and in the same run.

use std::path::Path;
use std::time::Instant;

use ledger::vfs::{RealVfs, Vfs};

use crate::Failure;
use crate::load::Sample;

/// Bytes of a write: about what one record takes.
const BYTES: usize = 4096;

/// Times `writes` writes into a preallocated file, each with its `fdatasync`.
pub fn syncs(dir: &Path, writes: u64) -> Result<Sample, Failure> {
    let path = dir.join("probe");
    let file = RealVfs.preallocate(&path, writes * BYTES as u64, &|| {})?;
    let start = Instant::now();
    let mut latencies = Vec::new();
    for number in 0..writes {
        let begin = Instant::now();
        file.write_at(&[1; BYTES], number * BYTES as u64)?;
        file.sync_data()?;
        latencies.push(begin.elapsed());
    }
    let took = start.elapsed();
    std::fs::remove_file(&path)?;
    Ok(Sample { latencies, took })
}
