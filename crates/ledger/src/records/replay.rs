//! Reading payloads back from the write-ahead log while it is being written.
//!
//! Only batches that are known to be durable are asked for, and nothing after the last of them is looked at, so the
//! writer's unfinished work is never seen. Files with batches that are still needed are never used again.

use std::path::{Path, PathBuf};

use super::error::RecordError;
use crate::vfs::{Access, Vfs, VfsFile, read_exact_at};
use crate::wal::format::{Batch, HEADER_BYTES, NOT_STARTED, Prefix, SegmentHeader, align};
use crate::wal::scan::segment_path;

/// Enough of a batch to know its length and number.
const PREFIX_BYTES: usize = 40;

/// Calls `each` with the batches `first..=last` in order.
pub(super) fn read_batches(
    vfs: &dyn Vfs,
    dir: &Path,
    (first, last): (u64, u64),
    mut each: impl FnMut(&Batch<'_>) -> Result<(), RecordError>,
) -> Result<(), RecordError> {
    let mut expected = first;
    for file in in_use(vfs, dir)? {
        if file.header.first_batch > last || expected > last {
            break;
        }
        file.read(&mut expected, last, &mut each)?;
    }
    if expected <= last {
        return Err(RecordError::Inconsistent { what: format!("batch {expected} of the log of records is missing") });
    }
    Ok(())
}

struct WalFile {
    path: PathBuf,
    file: Box<dyn VfsFile>,
    bytes: u64,
    header: SegmentHeader,
}

/// The files that hold batches, oldest first.
fn in_use(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<WalFile>, RecordError> {
    let names = vfs.list(dir).map_err(RecordError::io("list", dir))?;
    let numbers = names.iter().filter(|entry| entry.name.len() == 10).filter_map(|entry| entry.name.parse().ok());
    let mut files = Vec::new();
    for path in numbers.map(|number| segment_path(dir, number)) {
        let io = |source| RecordError::io("read", &path)(source);
        let file = vfs.open(&path, Access::Read).map_err(io)?;
        let bytes = file.size().map_err(io)?;
        let mut header = [0; HEADER_BYTES as usize];
        read_exact_at(&*file, &mut header, 0).map_err(io)?;
        let header = SegmentHeader::decode(&header)
            .map_err(|what| RecordError::Inconsistent { what: format!("`{}` {what}", path.display()) })?;
        if header.first_batch != NOT_STARTED {
            files.push(WalFile { path, file, bytes, header });
        }
    }
    Ok(files)
}

impl WalFile {
    fn read(
        &self,
        expected: &mut u64,
        last: u64,
        each: &mut impl FnMut(&Batch<'_>) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        let mut number = self.header.first_batch;
        let mut at = HEADER_BYTES;
        let mut bytes = Vec::new();
        while number <= last {
            let Some(prefix) = self.prefix(at)?.filter(|prefix| prefix.number == number) else { break };
            if number >= *expected {
                bytes.resize(prefix.len, 0);
                read_exact_at(&*self.file, &mut bytes, at).map_err(RecordError::io("read", &self.path))?;
                let Some((batch, _)) = Batch::decode(&bytes, &self.header.salt) else { break };
                each(&batch)?;
                *expected = number + 1;
            }
            number += 1;
            at = align(at + prefix.len as u64);
        }
        Ok(())
    }

    fn prefix(&self, at: u64) -> Result<Option<Prefix>, RecordError> {
        if at + PREFIX_BYTES as u64 > self.bytes {
            return Ok(None);
        }
        let mut bytes = [0; PREFIX_BYTES];
        read_exact_at(&*self.file, &mut bytes, at).map_err(RecordError::io("read", &self.path))?;
        Ok(Prefix::decode(&bytes).filter(|prefix| prefix.len as u64 <= self.bytes - at))
    }
}
