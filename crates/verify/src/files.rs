//! The files of a package: each is there, is listed, and is the one that the manifest describes. Every file is hashed
//! once, here.

use std::collections::{BTreeMap, BTreeSet};

use merkle::{Hash, Note, VerifierKey, hex, statement};
use sha2::{Digest, Sha256};

use crate::package::{MANIFEST, MANIFEST_NOTE, PACKAGE_STATEMENT, Package};
use crate::report::{Claim::Integrity, Findings, instant};

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
    let beside = [MANIFEST, MANIFEST_NOTE];
    for path in digests.keys().filter(|path| !beside.contains(path) && !listed.contains(*path)) {
        findings.fail(Integrity, "file.unlisted", *path, "the package has it, the manifest does not list it");
    }
    findings.summary(Integrity, format!("{} files", digests.len()));
    digests
}

/// Checks that the log's key signed the manifest: what only that says of the package, such as its window, anybody could
/// have changed otherwise.
pub(crate) fn check_note(package: &Package, key: &VerifierKey, findings: &mut Findings) {
    let Some(note) = package.file(MANIFEST_NOTE) else {
        let message = "it is not signed, as in packages of older versions, or its signature was removed: nothing shows that its \
                       window, and what else only it says, is what was exported; export it again";
        return findings.unknown(Integrity, "manifest.unsigned", MANIFEST, message);
    };
    let note = Note::parse(note).and_then(|note| key.verify(&note).map(|_| note));
    let note = match note {
        Ok(note) => note,
        Err(error) => return findings.fail(Integrity, "manifest.signature", MANIFEST_NOTE, error.to_string()),
    };
    let manifest = package.manifest();
    let stated = manifest.stated(package.file(MANIFEST).unwrap_or_default());
    if note.text == statement(PACKAGE_STATEMENT, key.name(), &stated) {
        return findings.summary(Integrity, "a signed manifest");
    }
    let signed = |name: &str| -> Option<i64> {
        note.text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    };
    let message = match (signed("from"), signed("to")) {
        (Some(from), Some(to)) if (from, to) != (manifest.from, manifest.to) => {
            let [from, to, now_from, now_to] = [from, to, manifest.from, manifest.to].map(instant);
            format!("its window was changed: the log signed {from} to {to}, it says {now_from} to {now_to}")
        }
        _ => "it is not the manifest that the log signed: what it says of the package was changed".to_owned(),
    };
    findings.fail(Integrity, "manifest.altered", MANIFEST, message);
}
