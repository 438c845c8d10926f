//! The files of a package: each is there, is listed, and is the one that the manifest describes. Every file is hashed
//! once, here.

use std::collections::{BTreeMap, BTreeSet};

use merkle::{Hash, hex};
use sha2::{Digest, Sha256};

use crate::package::{MANIFEST, Package};
use crate::report::{Claim::Integrity, Findings};

/// SHA-256 of the files that are there, by path.
pub(crate) type Digests<'p> = BTreeMap<&'p str, Hash>;

/// Checks the ZIP file's own checksums and the manifest's digests.
pub(crate) fn check<'p>(package: &'p Package, findings: &mut Findings) -> Digests<'p> {
    for fault in package.faults() {
        findings.fail(Integrity, "zip.entry", &fault.path, fault.what);
    }
    let digests: Digests<'p> =
        package.paths().filter_map(|path| Some((path, Sha256::digest(package.file(path)?).into()))).collect();
    for path in package.paths().filter(|path| !package.checksum_fits(path)) {
        findings.fail(Integrity, "zip.checksum", path, "its checksum in the ZIP file is wrong: the file was damaged");
    }
    let files = &package.manifest().files;
    if !files.is_sorted_by(|a, b| a.path < b.path) {
        findings.fail(Integrity, "manifest.order", MANIFEST, "its files are not sorted by path, each once");
    }
    for file in files {
        let same = |digest: &Hash| hex(digest) == file.sha256;
        let len = package.file(&file.path).map(|bytes| bytes.len() as u64);
        match digests.get(file.path.as_str()) {
            None => findings.fail(Integrity, "file.missing", &file.path, "the manifest lists it, the package lacks it"),
            Some(digest) if same(digest) && len == Some(file.len) => {}
            Some(_) => {
                findings.fail(Integrity, "file.digest", &file.path, "it is not the file that the manifest lists")
            }
        }
    }
    let listed: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    for path in digests.keys().filter(|path| **path != MANIFEST && !listed.contains(*path)) {
        findings.fail(Integrity, "file.unlisted", *path, "the package has it, the manifest does not list it");
    }
    findings.summary(Integrity, format!("{} files", digests.len()));
    digests
}
