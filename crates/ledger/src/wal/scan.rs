//! Reading a write-ahead log back: every whole batch in order, where the log ends, and whether that end is honest.
//!
//! A batch is written only after the one before it is durable. So the first invalid batch is the end of the log, a torn
//! tail at most one batch long; a valid batch beyond it, or a later segment in use, means that bytes in the middle were
//! damaged, and the scan refuses.

use std::path::{Path, PathBuf};

use super::WalError;
use super::format::{Batch, HEADER_BYTES, NOT_STARTED, Prefix, SegmentHeader, align};
use crate::vfs::{Access, Vfs, read_exact_at};

/// Largest segment file that is read.
const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// How many times a segment's length may be checksummed in the search for batches beyond its end. Only bytes made to
/// look like batches could ask for more.
const SEARCH_BUDGET: usize = 32;

/// A segment on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What its header says.
    pub header: SegmentHeader,
    /// File length in bytes.
    pub bytes: u64,
}

/// Where the log stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Number of the batch that comes next.
    pub next_batch: u64,
    /// Index in `Scan::segments` of the segment to go on in; the last one in use.
    pub current: usize,
    /// Offset in it of the next batch.
    pub offset: u64,
    /// The unfinished write found there.
    pub torn: Option<Torn>,
}

/// A batch that was being written when the machine stopped, never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment it is in.
    pub path: PathBuf,
    /// Where it starts.
    pub offset: u64,
    /// How many bytes of the segment it may have touched.
    pub bytes: u64,
}

/// A whole log as found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Its segments in order; the last may be prepared and not in use.
    pub segments: Vec<Segment>,
    /// Where it ends; `None` when no segment is in use.
    pub end: Option<End>,
    /// Valid batches.
    pub batches: u64,
    /// Frames in them.
    pub frames: u64,
    /// Sequence number of the first frame kept, if there is any batch.
    pub first_seq: Option<u64>,
}

/// What replay calls for each batch; an error stops it.
pub type Replay<'a> = &'a mut dyn FnMut(&Batch<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// The file of segment `number`.
pub fn segment_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}"))
}

/// Reads the log in `dir`, changing nothing. `log_id`, if given, must be the log's.
pub fn scan(vfs: &dyn Vfs, dir: &Path, log_id: Option<&[u8; 16]>, replay: Replay<'_>) -> Result<Scan, WalError> {
    let mut scan = Scan { segments: read_headers(vfs, dir, log_id)?, ..Scan::default() };
    let in_use = scan.segments.iter().filter(|segment| segment.header.first_batch != NOT_STARTED).count();
    for index in 0..in_use {
        let next = scan.segments.get(index + 1).map(|segment| segment.header.first_batch);
        let next = next.filter(|first_batch| *first_batch != NOT_STARTED);
        scan_segment(vfs, dir, &mut scan, index, next, replay)?;
    }
    Ok(scan)
}

fn read_headers(vfs: &dyn Vfs, dir: &Path, log_id: Option<&[u8; 16]>) -> Result<Vec<Segment>, WalError> {
    let names = vfs.list(dir).map_err(|source| WalError::io("list", dir, source))?;
    let numbers = names.iter().filter(|entry| !entry.is_dir && entry.name.len() == 10);
    let mut segments: Vec<Segment> = Vec::new();
    for number in numbers.filter_map(|entry| entry.name.parse::<u64>().ok()) {
        let path = segment_path(dir, number);
        let segment = read_header(vfs, &path)?;
        let header = &segment.header;
        if log_id.is_some_and(|id| *id != header.log_id) {
            return Err(WalError::OtherLog { path });
        }
        if header.number != number {
            return Err(WalError::corrupt(&path, 0, format!("the header belongs to segment {}", header.number)));
        }
        if let Some(last) = segments.last() {
            if last.header.number + 1 != number {
                let missing = segment_path(dir, last.header.number + 1);
                return Err(WalError::corrupt(&missing, 0, "this segment is missing between two others".into()));
            }
            if last.header.first_batch == NOT_STARTED {
                let what = format!("segment {number} follows, but this one was never in use");
                return Err(WalError::corrupt(&segment_path(dir, last.header.number), 0, what));
            }
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn read_header(vfs: &dyn Vfs, path: &Path) -> Result<Segment, WalError> {
    let io = |source| WalError::io("read", path, source);
    let file = vfs.open(path, Access::Read).map_err(io)?;
    let bytes = file.size().map_err(io)?;
    let mut header = [0; HEADER_BYTES as usize];
    if !(HEADER_BYTES..=MAX_SEGMENT_BYTES).contains(&bytes) {
        return Err(WalError::corrupt(path, 0, format!("{bytes} bytes is no length of a segment")));
    }
    read_exact_at(&*file, &mut header, 0).map_err(io)?;
    let header = SegmentHeader::decode(&header).map_err(|what| WalError::corrupt(path, 0, what.into()))?;
    Ok(Segment { header, bytes })
}

/// Replays one segment. `next` is the first batch number of the segment after it, if that is in use.
fn scan_segment(
    vfs: &dyn Vfs,
    dir: &Path,
    scan: &mut Scan,
    index: usize,
    next: Option<u64>,
    replay: Replay<'_>,
) -> Result<(), WalError> {
    let Segment { header, bytes } = scan.segments[index].clone();
    let path = segment_path(dir, header.number);
    let content = read_segment(vfs, &path, bytes)?;
    let mut expected = header.first_batch;
    if let Some(end) = &scan.end
        && end.next_batch != expected
    {
        let what = format!("the segment starts with batch {expected}, but batch {} comes next", end.next_batch);
        return Err(WalError::corrupt(&path, 0, what));
    }
    let mut at = HEADER_BYTES as usize;
    while let Some((batch, len)) = content.get(at..).and_then(|rest| Batch::decode(rest, &header.salt)) {
        if batch.number != expected {
            break;
        }
        replay(&batch).map_err(|source| WalError::Replay { path: path.clone(), offset: at as u64, source })?;
        scan.first_seq.get_or_insert(batch.first_seq);
        scan.batches += 1;
        scan.frames += u64::from(batch.count);
        expected += 1;
        at = align((at + len) as u64) as usize;
    }
    let later = match next {
        Some(first_batch) if first_batch == expected => None,
        Some(first_batch) => Some(format!("the next segment starts with batch {first_batch}")),
        None => find_later_batch(&content, at, &header.salt, expected)
            .map(|(number, offset)| format!("batch {number} at offset {offset} is whole")),
    };
    if let Some(later) = later {
        return Err(WalError::corrupt(&path, at as u64, format!("batch {expected} is damaged, yet {later}")));
    }
    let torn = if next.is_none() { find_torn(&content, at, expected, &path) } else { None };
    scan.end = Some(End { next_batch: expected, current: index, offset: at as u64, torn });
    Ok(())
}

fn read_segment(vfs: &dyn Vfs, path: &Path, bytes: u64) -> Result<Vec<u8>, WalError> {
    let io = |source| WalError::io("read", path, source);
    let file = vfs.open(path, Access::Read).map_err(io)?;
    let mut content = vec![0; usize::try_from(bytes).map_err(|error| io(std::io::Error::other(error)))?];
    read_exact_at(&*file, &mut content, 0).map_err(io)?;
    Ok(content)
}

/// A valid batch of this use of the file at or after `from`; its number is at least `expected`, because all lower ones
/// were read.
fn find_later_batch(content: &[u8], from: usize, salt: &[u8; 16], expected: u64) -> Option<(u64, usize)> {
    let mut budget = content.len().saturating_mul(SEARCH_BUDGET);
    for at in (from..content.len()).step_by(8) {
        let rest = &content[at..];
        let Some(prefix) = Prefix::decode(rest) else { continue };
        if prefix.number < expected || prefix.len > rest.len() {
            continue;
        }
        budget = budget.checked_sub(prefix.len)?;
        if let Some((batch, _)) = Batch::decode(rest, salt) {
            return Some((batch.number, at));
        }
    }
    None
}

/// The remains of the batch that was being written, if its first sector arrived.
fn find_torn(content: &[u8], at: usize, expected: u64, path: &Path) -> Option<Torn> {
    let rest = content.get(at..)?;
    let prefix = Prefix::decode(rest).filter(|prefix| prefix.number == expected)?;
    let bytes = prefix.len.min(rest.len()) as u64;
    Some(Torn { path: path.to_owned(), offset: at as u64, bytes })
}
