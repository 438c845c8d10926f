//! What archives have in common: names that lead outside, and compressed forms.

use std::io;

use super::source::{Packing, Part, Source, unpack, zlib_size};
use super::{Scan, rules, within};

/// How many times its size something may expand to before that is told; DEFLATE reaches 1,032.
const MOST_RATIO: u64 = 1_000;

/// What is told of as a bomb from this size on: zeroes expand as far, and small ones are no harm.
const BOMB: u64 = 256 << 20;

/// What is wrong with the name of a member, if anything is.
pub(crate) fn leads_outside(name: &str) -> Option<&'static str> {
    let drive = name.as_bytes().get(1) == Some(&b':');
    if name.starts_with('/') || name.starts_with('\\') || drive {
        return Some("its path is absolute");
    }
    if name.split(['/', '\\']).any(|part| part == "..") {
        return Some("its path leads upwards");
    }
    name.contains('\0').then_some("its path has a zero byte in it")
}

/// Whether so much out of so little is told as a bomb.
pub(crate) fn is_bomb(packed: u64, unpacked: u64) -> bool {
    unpacked >= BOMB && unpacked / packed.max(1) >= MOST_RATIO
}

/// Opens something compressed and looks at what is in it.
pub(crate) fn packed(
    scan: &mut Scan,
    path: &str,
    depth: usize,
    source: &dyn Source,
    packing: Packing,
) -> io::Result<()> {
    let opened = unpack(source, packing, &mut scan.expanded);
    let inside = within(path, "content");
    if is_bomb(source.size(), opened.source.size()) {
        let reason = format!("{} bytes expand to {}", source.size(), opened.source.size());
        scan.found(&rules::ARCHIVE_BOMB, path, None, reason);
    }
    if let Some(why) = opened.broken {
        scan.unread(path, why);
    } else if packing == Packing::Zlib {
        // Only this form does not say itself that something follows it.
        let end = zlib_size(source).unwrap_or(source.size());
        if end < source.size() {
            scan.look(&within(path, "after"), depth + 1, &Part::new(source, end, source.size()));
        }
    }
    scan.look(&inside, depth + 1, &*opened.source);
    Ok(())
}
