//! An evidence package: the manifest, and what lies where in the ZIP file. Opening one says nothing about whether it is
//! true; [`crate::verify_package`] does. The layout is specified in `docs/format.md`, section "Packages".

use std::path::Path;

use bytes::Bytes;
use domain::Record;
use merkle::{TILE_WIDTH, TileKind, TilePath, decode_bundle, hex};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::archive::{Archive, ArchiveError, Fault};

/// Path of the manifest.
pub const MANIFEST: &str = "manifest.json";

/// Path of the note by which the log's key signs the manifest.
pub const MANIFEST_NOTE: &str = "manifest.note";

/// First line of that note.
pub const PACKAGE_STATEMENT: &str = "counterfoil/package@v1";

/// Path of the checkpoint, a signed note.
pub const CHECKPOINT: &str = "checkpoint";

/// What a package says it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the layout: 1.
    pub v: u32,
    /// UUIDv7 of the package.
    pub package: String,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: i64,
    /// Origin of the log.
    pub origin: String,
    /// The log's verifier key.
    pub log_vkey: String,
    /// Start of the window, in milliseconds since the epoch, inclusive.
    pub from: i64,
    /// End of the window, exclusive.
    pub to: i64,
    /// Ledger size: the package holds the entries from 0 up to it.
    pub size: u64,
    /// Root of the ledger at that size, hexadecimal.
    pub root: String,
    /// Whether sealed payloads are included.
    pub payloads: bool,
    /// Name and version of the program that made it.
    pub program: String,
    /// Every other entry of the ZIP file but [`MANIFEST_NOTE`], sorted by path.
    pub files: Vec<PackageFile>,
    /// The segments that overlap the window.
    pub segments: Vec<PackageSegment>,
}

impl Manifest {
    /// What the log signs of a manifest with these `bytes`, by name and value. That the window is among it serves those
    /// who read the note; the digest binds all of it.
    #[must_use]
    pub fn stated(&self, bytes: &[u8]) -> [(&'static str, String); 4] {
        [
            ("package", self.package.clone()),
            ("from", self.from.to_string()),
            ("to", self.to.to_string()),
            ("manifest", hex(&Sha256::digest(bytes))),
        ]
    }
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFile {
    /// Its path.
    pub path: String,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub len: u64,
}

/// A segment of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageSegment {
    /// The node that wrote it.
    pub node: String,
    /// The node's incarnation.
    pub incarnation: u64,
    /// The segment's number in the incarnation.
    pub number: u64,
    /// Sequence number of the event that sealed it, which tells its kind of records.
    pub event: u64,
    /// Where its files are: `segments/<node>-<incarnation>-<number>`; `accesses/…` for accesses.
    pub dir: String,
}

impl PackageSegment {
    /// The directory that the files of a segment of the kind `schema` must be in.
    #[must_use]
    pub fn expected_dir(&self, schema: u32) -> String {
        let folder = if schema == domain::people::AccessCore::SCHEMA { "accesses" } else { "segments" };
        format!("{folder}/{}-{}-{}", self.node, self.incarnation, self.number)
    }
}

/// Why a file is not a package.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The file could not be read.
    #[error("could not read `{path}`: {source}")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Not a ZIP file.
    #[error("the package cannot be opened: {0}")]
    Zip(#[from] ArchiveError),
    /// No `manifest.json`.
    #[error("the package has no readable `{MANIFEST}`")]
    NoManifest,
    /// A manifest that cannot be understood.
    #[error("the package's `{MANIFEST}` is damaged or of a newer version: {0}")]
    Manifest(serde_json::Error),
    /// A newer layout.
    #[error("the package has version {0}; this program reads version 1")]
    Version(u32),
    /// A bundle of entries that is missing or damaged.
    #[error("the ledger in the package is not whole: `{path}`: {what}")]
    Entries {
        /// Which file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
}

/// An opened package.
#[derive(Debug)]
pub struct Package {
    archive: Archive,
    manifest: Manifest,
}

impl Package {
    /// Opens the package in a file.
    ///
    /// # Errors
    /// [`PackageError`] when the file cannot be read, or nothing can be known of it.
    pub fn open(path: &Path) -> Result<Self, PackageError> {
        let io = |source| PackageError::Io { path: path.display().to_string(), source };
        Self::from_bytes(std::fs::read(path).map_err(io)?)
    }

    /// Opens the package in memory.
    ///
    /// # Errors
    /// [`PackageError`] when nothing can be known of it.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Result<Self, PackageError> {
        let archive = Archive::open(bytes.into())?;
        let manifest = archive.file(MANIFEST).ok_or(PackageError::NoManifest)?;
        let manifest: Manifest = serde_json::from_slice(manifest).map_err(PackageError::Manifest)?;
        match manifest.v {
            1 => Ok(Self { archive, manifest }),
            other => Err(PackageError::Version(other)),
        }
    }

    /// What it says it holds.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What is wrong with entries of the ZIP file. Those that are named here are not readable.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        self.archive.faults()
    }

    /// The contents of a file, as they are.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.archive.file(path)
    }

    /// Paths of all files, in order of their bytes.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.archive.paths()
    }

    /// Whether a file has the checksum that the ZIP file gives for it.
    #[must_use]
    pub fn checksum_fits(&self, path: &str) -> bool {
        self.archive.checksum_fits(path)
    }

    /// The ledger's entries, from 0 up to the package's size.
    ///
    /// # Errors
    /// [`PackageError::Entries`] when a bundle is missing or damaged: nothing may be computed over a part of a ledger.
    pub fn entries(&self) -> Result<Vec<&[u8]>, PackageError> {
        let mut damage = None;
        let entries = self.read_entries(&mut |path, what| {
            damage.get_or_insert_with(|| PackageError::Entries { path, what: what.to_owned() });
        });
        match damage {
            None => Ok(entries.into_iter().flatten().collect()),
            Some(damage) => Err(damage),
        }
    }

    /// All entries, with `None` for those that cannot be read; `missing` is told each file that is not as it should be.
    ///
    /// The result is as long as the package's size, but for a size that the package cannot hold: then it is as long
    /// as its bundles could make it.
    pub(crate) fn read_entries(&self, missing: &mut dyn FnMut(String, &str)) -> Vec<Option<&[u8]>> {
        let bundles = self.archive.paths().filter(|path| path.starts_with("tile/entries/")).count() as u64;
        let size = self.manifest.size.min((bundles + 1) * TILE_WIDTH);
        if size < self.manifest.size {
            let says = "the manifest claims more entries than the package has files for";
            missing(MANIFEST.to_owned(), says);
        }
        let mut entries = Vec::new();
        for index in 0..size.div_ceil(TILE_WIDTH) {
            let width = (size - index * TILE_WIDTH).min(TILE_WIDTH);
            let path = TilePath { kind: TileKind::Entries, index, width: width as u16 }.to_string();
            let read = match self.archive.file(&path).map(decode_bundle) {
                None => Err("the file is missing"),
                Some(Ok(read)) if read.len() as u64 == width => Ok(read),
                Some(Ok(_)) => Err("the bundle holds another number of entries than it should"),
                Some(Err(_)) => Err("the file is damaged: it does not hold whole entries"),
            };
            match read {
                Ok(read) => entries.extend(read.into_iter().map(Some)),
                Err(what) => {
                    missing(path, what);
                    entries.extend((0..width).map(|_| None));
                }
            }
        }
        entries
    }

    /// A file of a segment: `core.tlv`, `leaves`, `core.parquet` or `payload.bin`.
    #[must_use]
    pub fn segment_file(&self, segment: &PackageSegment, name: &str) -> Option<&[u8]> {
        self.archive.file(&format!("{}/{name}", segment.dir))
    }

    /// A segment's core records as Parquet, byte for byte the file that was sealed.
    #[must_use]
    pub fn segment_core_parquet(&self, segment: &PackageSegment) -> Option<Bytes> {
        self.archive.shared(&format!("{}/core.parquet", segment.dir))
    }
}
