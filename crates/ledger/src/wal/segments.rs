//! The files of a write-ahead log: which are live, which one is prepared to come next, which one is spare.
//!
//! A file bears its number only once its header is durable, so a numbered file without a valid header is damage and
//! never a crash. Released files go lowest number first, so that no crash leaves a gap.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::format::{HEADER_BYTES, NOT_STARTED, SegmentHeader};
use super::scan::{Scan, segment_path};
use super::{Current, Prepare, WalError, WalOptions};
use crate::vfs::{Access, Vfs, VfsFile};

/// A released segment kept for the next use.
const SPARE: &str = "spare";
/// How long the disk is left to others after each piece of a segment that is prepared in the background. Without it
/// every sync of the log waits for the zeros of the whole segment.
const PAUSE: Duration = Duration::from_millis(3);
/// A segment while it is being prepared.
const PREPARING: &str = "next.tmp";

pub(super) struct Segments {
    maker: Maker,
    /// Segments in use, the current one last: (number, first batch).
    live: VecDeque<(u64, u64)>,
    next: Option<Prepared>,
    spare: bool,
    preparing: Option<JoinHandle<Result<Prepared, WalError>>>,
    /// The segment during which preparation was last begun in the background; a failed one is retried only on need.
    tried_during: Option<u64>,
}

/// A segment with a durable header that says it is not in use yet.
struct Prepared {
    header: SegmentHeader,
    file: Box<dyn VfsFile>,
}

/// What is needed to prepare a segment on any thread.
#[derive(Clone)]
struct Maker {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    options: WalOptions,
    /// Somebody waits for the segment that is being prepared.
    hurry: Arc<AtomicBool>,
}

impl Segments {
    /// Takes over the files a scan found, and says where writing goes on.
    pub(super) fn adopt(
        vfs: Arc<dyn Vfs>,
        dir: &Path,
        options: &WalOptions,
        found: &Scan,
    ) -> Result<(Self, Current), WalError> {
        let hurry = Arc::new(AtomicBool::new(true));
        let maker = Maker { vfs, dir: dir.to_owned(), options: options.clone(), hurry };
        maker.remove_if_there(PREPARING)?;
        let spare = maker.keep_spare()?;
        let mut live = VecDeque::new();
        let mut next = None;
        for segment in &found.segments {
            match segment.header.first_batch {
                NOT_STARTED => next = maker.renew(segment.header, segment.bytes)?,
                first_batch => live.push_back((segment.header.number, first_batch)),
            }
        }
        let mut segments = Self { maker, live, next, spare, preparing: None, tried_during: None };
        let current = match &found.end {
            Some(end) => {
                let segment = &found.segments[end.current];
                let file = segments.maker.open_segment(segment.header.number)?;
                let path = segment_path(dir, segment.header.number);
                Current { header: segment.header, started: true, path, file, offset: end.offset, bytes: segment.bytes }
            }
            None => segments.take(0)?,
        };
        Ok((segments, current))
    }

    /// The segment after `current`, prepared now if it was not yet. On error nothing has changed.
    pub(super) fn take_next(&mut self, current: &Current) -> Result<Current, WalError> {
        self.take(current.header.number + 1)
    }

    fn take(&mut self, number: u64) -> Result<Current, WalError> {
        self.maker.hurry.store(true, Ordering::Relaxed);
        if let Some(preparing) = self.preparing.take() {
            // A failure there is met again, and reported, by the attempt below.
            self.next = preparing.join().ok().and_then(Result::ok);
        }
        let prepared = match self.next.take() {
            Some(prepared) => prepared,
            None => self.maker.make(number, std::mem::take(&mut self.spare))?,
        };
        let path = segment_path(&self.maker.dir, number);
        let bytes = self.maker.options.segment_bytes;
        Ok(Current { header: prepared.header, started: false, path, file: prepared.file, offset: HEADER_BYTES, bytes })
    }

    /// Begins to prepare the next segment once the current one is three quarters full.
    pub(super) fn prepare_if_due(&mut self, current: &Current) {
        let due = current.offset >= current.bytes / 4 * 3;
        let number = current.header.number;
        let idle = self.next.is_none() && self.preparing.is_none() && self.tried_during != Some(number);
        if !due || !idle || self.maker.options.prepare == Prepare::Inline {
            return;
        }
        self.tried_during = Some(number);
        self.maker.hurry.store(false, Ordering::Relaxed);
        let (maker, spare) = (self.maker.clone(), std::mem::take(&mut self.spare));
        // Without a thread the segment is prepared when it is needed.
        self.preparing =
            std::thread::Builder::new().name("wal-prepare".into()).spawn(move || maker.make(number + 1, spare)).ok();
    }

    /// Notes that a segment received its first batch.
    pub(super) fn started(&mut self, number: u64, first_batch: u64) {
        self.live.push_back((number, first_batch));
    }

    pub(super) fn release(&mut self, batch: u64, current: u64) -> Result<(), WalError> {
        let mut changed = false;
        while let (Some(&(number, _)), Some(&(_, next_first))) = (self.live.front(), self.live.get(1)) {
            if number == current || next_first > batch.saturating_add(1) {
                break;
            }
            let path = segment_path(&self.maker.dir, number);
            let keep = !self.spare && self.preparing.is_none();
            if keep {
                let spare = self.maker.dir.join(SPARE);
                self.maker.vfs.rename(&path, &spare).map_err(|source| WalError::io("rename", &path, source))?;
            } else {
                self.maker.vfs.remove(&path).map_err(|source| WalError::io("remove", &path, source))?;
            }
            self.spare |= keep;
            self.live.pop_front();
            changed = true;
        }
        if changed { self.maker.sync_dir() } else { Ok(()) }
    }

    /// Files other than the current segment.
    pub(super) fn count(&self) -> usize {
        let waiting = usize::from(self.next.is_some() || self.preparing.is_some());
        self.live.len().saturating_sub(1) + waiting + usize::from(self.spare)
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        self.maker.hurry.store(true, Ordering::Relaxed);
        if let Some(preparing) = self.preparing.take() {
            // Waits so that nothing writes here after the owner let go of the directory; its result is not needed.
            let _ = preparing.join();
        }
    }
}

impl Maker {
    /// Prepares segment `number` from the spare file or a new one.
    fn make(&self, number: u64, spare: bool) -> Result<Prepared, WalError> {
        let temporary = self.dir.join(PREPARING);
        let file = if spare {
            self.rename(&self.dir.join(SPARE), &temporary)?;
            // Its old name must be gone for good before its content changes.
            self.sync_dir()?;
            self.vfs.open(&temporary, Access::ReadWrite)
        } else {
            self.vfs.preallocate(&temporary, self.options.segment_bytes, &|| self.pause())
        };
        let file = file.map_err(|source| self.no_room("preallocate", &temporary, source))?;
        let header =
            SegmentHeader { log_id: self.options.log_id, number, first_batch: NOT_STARTED, salt: fresh_salt()? };
        self.write_header(&*file, &header, &temporary)?;
        self.rename(&temporary, &segment_path(&self.dir, number))?;
        self.sync_dir()?;
        Ok(Prepared { header, file })
    }

    fn pause(&self) {
        if !self.hurry.load(Ordering::Relaxed) {
            std::thread::sleep(PAUSE);
        }
    }

    /// A prepared segment found at the start gets a new salt: a crash may have left in it a first batch whose header
    /// was lost, and that batch must not come back. One of another length is given up.
    fn renew(&self, header: SegmentHeader, bytes: u64) -> Result<Option<Prepared>, WalError> {
        let path = segment_path(&self.dir, header.number);
        if bytes != self.options.segment_bytes {
            self.vfs.remove(&path).map_err(|source| WalError::io("remove", &path, source))?;
            self.sync_dir()?;
            return Ok(None);
        }
        let header = SegmentHeader { salt: fresh_salt()?, ..header };
        let file = self.open_segment(header.number)?;
        self.write_header(&*file, &header, &path)?;
        Ok(Some(Prepared { header, file }))
    }

    fn keep_spare(&self) -> Result<bool, WalError> {
        let path = self.dir.join(SPARE);
        let size = match self.vfs.open(&path, Access::Read) {
            Ok(file) => file.size().map_err(|source| WalError::io("read", &path, source))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(WalError::io("open", &path, source)),
        };
        if size != self.options.segment_bytes {
            self.remove_if_there(SPARE)?;
            return Ok(false);
        }
        // A crash may have brought the name back; from here on it stays.
        self.sync_dir().map(|()| true)
    }

    fn remove_if_there(&self, name: &str) -> Result<(), WalError> {
        let path = self.dir.join(name);
        match self.vfs.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(WalError::io("remove", &path, error)),
            _ => Ok(()),
        }
    }

    fn open_segment(&self, number: u64) -> Result<Box<dyn VfsFile>, WalError> {
        let path = segment_path(&self.dir, number);
        self.vfs.open(&path, Access::ReadWrite).map_err(|source| WalError::io("open", &path, source))
    }

    fn write_header(&self, file: &dyn VfsFile, header: &SegmentHeader, path: &Path) -> Result<(), WalError> {
        file.write_at(&header.encode(), 0)
            .and_then(|()| file.sync_data())
            .map_err(|source| self.no_room("write the header of", path, source))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), WalError> {
        self.vfs.rename(from, to).map_err(|source| WalError::io("rename", from, source))
    }

    fn sync_dir(&self) -> Result<(), WalError> {
        self.vfs.sync_dir(&self.dir).map_err(|source| WalError::io("sync", &self.dir, source))
    }

    fn no_room(&self, action: &'static str, path: &Path, source: io::Error) -> WalError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => WalError::Full { dir: self.dir.clone() },
            _ => WalError::io(action, path, source),
        }
    }
}

fn fresh_salt() -> Result<[u8; 16], WalError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| WalError::Random(error.to_string()))?;
    Ok(salt)
}
