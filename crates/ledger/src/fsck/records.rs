//! The files of sealed records against what the ledger says of them. A payload file that was written anew, or is gone, is
//! so by an entry; one that is gone without is named.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use domain::keys::retention::PayloadCompacted;
use domain::serving::{SegmentFile, SegmentSealed};
use domain::{Entry, Event};
use merkle::hex;
use sha2::{Digest, Sha256};

use super::{Fault, Outcome};
use crate::vfs::{Access, Vfs};

const READ_BYTES: usize = 1 << 20;

/// What the entries say of files.
#[derive(Default)]
pub(super) struct Named {
    cores: Vec<SegmentFile>,
    /// The payload file that stands for each segment; none where no payload was left.
    payloads: BTreeMap<(String, u64, u64), Option<SegmentFile>>,
    /// Payload files that were written anew under another name, or are to be gone.
    replaced: BTreeSet<String>,
    /// Rows that entries say were taken out.
    rows_removed: u64,
    days_disposed: u64,
    /// Paths of files of records that entries say are gone.
    gone: BTreeSet<String>,
    unreadable: u64,
}

impl Named {
    pub fn take(&mut self, entry: &[u8]) {
        let Ok(entry) = Entry::decode(entry) else {
            self.unreadable += 1;
            return;
        };
        match entry.event {
            Event::SegmentSealed(body) => self.sealed(body),
            Event::AccessesSealed(body) => self.cores.push(body.core),
            Event::PayloadCompacted(body) => self.compacted(body),
            Event::RetentionDisposed(_) => self.days_disposed += 1,
            Event::SegmentsDisposed(body) => {
                self.gone.extend(body.segments.into_iter().map(|segment| segment.core.path));
            }
            _ => {}
        }
    }

    fn sealed(&mut self, body: SegmentSealed) {
        self.cores.push(body.core);
        self.payloads.insert((body.node, body.incarnation, body.number), body.payload);
    }

    fn compacted(&mut self, body: PayloadCompacted) {
        self.rows_removed += body.rows_removed;
        self.replaced.insert(body.old.path);
        self.payloads.insert((body.node, body.incarnation, body.number), body.new);
    }

    /// Compares the files below `records` with what is said of them.
    pub fn check(&self, vfs: &dyn Vfs, records: &Path) -> (Outcome, String) {
        let standing = self.payloads.values().flatten();
        let mut files = 0_u64;
        let cores = self.cores.iter().filter(|core| !self.gone.contains(&core.path));
        for file in cores.chain(standing) {
            if let Err((fault, what)) = compare(vfs, records, file) {
                return (Outcome::Failed(fault), what);
            }
            files += 1;
        }
        let kept = self.replaced.iter().map(|path| records.join(path)).find(|path| vfs.exists(path).unwrap_or(true));
        if let Some(path) = kept {
            let what = format!(
                "`{}` is still there, though an entry says that its rows were taken out: a server that starts removes the \
                 newest such file by itself, an older one was put back",
                path.display()
            );
            return (Outcome::Failed(Fault::Integrity), what);
        }
        if self.unreadable > 0 {
            return (Outcome::NotChecked, format!("{} entries could not be read", self.unreadable));
        }
        let gone = self.payloads.values().filter(|file| file.is_none()).count();
        let detail = format!(
            "{files} files; {} payloads were taken out, {gone} payload files and {} files of records are gone, as entries say, \
             {} by retention",
            self.rows_removed,
            self.gone.len(),
            match self.days_disposed {
                1 => "one disposal".to_owned(),
                days => format!("{days} disposals"),
            }
        );
        (Outcome::Passed, detail)
    }
}

fn compare(vfs: &dyn Vfs, records: &Path, file: &SegmentFile) -> Result<(), (Fault, String)> {
    let path = records.join(&file.path);
    let shown = path.display();
    let opened = vfs.open(&path, Access::Read).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => (Fault::Completeness, format!("`{shown}` is missing, and no entry says why")),
        _ => (Fault::Io, format!("could not open `{shown}`: {error}")),
    })?;
    let (mut hash, mut len, mut buffer) = (Sha256::new(), 0_u64, vec![0; READ_BYTES]);
    loop {
        match opened.read_at(&mut buffer, len) {
            Ok(0) => break,
            Ok(n) => {
                hash.update(&buffer[..n]);
                len += n as u64;
            }
            Err(error) => return Err((Fault::Io, format!("could not read `{shown}`: {error}"))),
        }
    }
    match hex(&hash.finalize()) == file.sha256 {
        true => Ok(()),
        false => Err((Fault::Integrity, format!("`{shown}` is not the file that the ledger names"))),
    }
}
