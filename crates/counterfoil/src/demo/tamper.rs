//! Changing one byte of a package, as a careless or clever hand might.

use std::path::Path;

use domain::Record;
use domain::serving::InferenceCore;
use verify::Package;

use crate::output::Failure;

/// What was changed.
pub struct Tampered {
    /// The segment's directory in the package.
    pub segment: String,
    /// Index of the record in its segment, from 0.
    pub index: usize,
    /// Its inference.
    pub inference: String,
}

/// Writes a copy of the package at `from` to `to` with one byte of one record changed: the last letter of the name of
/// the service that answered.
///
/// # Errors
/// When the package cannot be read or holds no such record.
pub fn tamper(from: &Path, to: &Path) -> Result<Tampered, Failure> {
    let nothing = || Failure::io("the package holds no record to change");
    let mut bytes = std::fs::read(from)?;
    let package = Package::from_bytes(bytes.clone()).map_err(|e| Failure::io(e.to_string()))?;
    let inferences = package.manifest().segments.iter().filter(|segment| segment.dir.starts_with("segments/"));
    let largest = inferences.max_by_key(|s| package.segment_file(s, "core.tlv").map_or(0, <[u8]>::len));
    let segment = largest.ok_or_else(nothing)?;
    let records = package.segment_file(segment, "core.tlv").ok_or_else(nothing)?;
    let (index, record) =
        frames(records).skip(417).enumerate().next().map(|(i, r)| (i + 417, r)).ok_or_else(nothing)?;
    let core = InferenceCore::decode(record).map_err(|e| Failure::io(e.to_string()))?;
    let service = core.service.ok_or_else(nothing)?;
    let in_record = memmem(record, service.as_bytes()).ok_or_else(nothing)? + service.len() - 1;
    let in_file = memmem(&bytes, record).ok_or_else(nothing)?;
    bytes[in_file + in_record] ^= 1;
    std::fs::write(to, &bytes)?;
    Ok(Tampered { segment: segment.dir.clone(), index, inference: core.inference_id })
}

fn frames(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        bytes = rest;
        Some(record)
    })
}

fn memmem(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}
