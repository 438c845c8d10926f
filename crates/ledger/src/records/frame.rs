//! A record and the beginning of one, as frames of the log.
//!
//! All integers are little-endian.
//! ```text
//!   0  u32 length of the ciphertext   4  u64 incarnation   12  u64 segment   20  subject_ref [16]
//!  36  the ciphertext, then the core's byte form
//! ```
//! In a beginning the segment and the core's `node_seq` are 0.
//!
//! The core comes last because the writer thread appends its last field, `node_seq`, when it knows the number.

use domain::Record;
use domain::record::append_node_seq;

use super::Payload;

const HEADER: usize = 36;
/// More than the bytes of nearly every core.
const CORE: usize = 1024;
const SEGMENT: std::ops::Range<usize> = 12..20;

/// A frame read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub incarnation: u64,
    pub segment: u64,
    pub subject_ref: [u8; 16],
    pub ct: &'a [u8],
    pub core: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads a frame; `None` when it is too short.
    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (ct_len, rest) = bytes.split_first_chunk::<4>()?;
        let (incarnation, rest) = rest.split_first_chunk::<8>()?;
        let (segment, rest) = rest.split_first_chunk::<8>()?;
        let (subject_ref, rest) = rest.split_first_chunk::<16>()?;
        let (ct, core) = rest.split_at_checked(u32::from_le_bytes(*ct_len) as usize)?;
        Some(Self {
            incarnation: u64::from_le_bytes(*incarnation),
            segment: u64::from_le_bytes(*segment),
            subject_ref: *subject_ref,
            ct,
            core,
        })
    }

    /// The record's id, the first field of its core, without reading the others.
    pub fn id(&self) -> Option<&'a str> {
        let (id, rest) = self.core.split_first_chunk::<2>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let text = rest.get(..u32::from_le_bytes(*len) as usize)?;
        if u16::from_le_bytes(*id) == 1 { core::str::from_utf8(text).ok() } else { None }
    }
}

/// A frame of ours. It is complete once [`Building::number`] has put in what only the writer thread knows.
#[derive(Clone, Debug)]
pub(super) struct Building {
    bytes: Vec<u8>,
    /// Where it begins: what is before is its owner's.
    at: usize,
    core_at: usize,
}

impl Building {
    /// `None` when the ciphertext has 4 GiB or more.
    pub fn new(core: &impl Record, subject_ref: &[u8; 16], ct: &[u8], incarnation: u64) -> Option<Self> {
        Self::after(0, core, subject_ref, ct, incarnation)
    }

    /// A frame that comes after `room` zeros.
    fn after(room: usize, core: &impl Record, subject_ref: &[u8; 16], ct: &[u8], incarnation: u64) -> Option<Self> {
        let mut bytes = Vec::with_capacity(room + HEADER + ct.len() + CORE);
        bytes.resize(room, 0);
        bytes.extend_from_slice(&u32::try_from(ct.len()).ok()?.to_le_bytes());
        bytes.extend_from_slice(&incarnation.to_le_bytes());
        bytes.extend_from_slice(&0_u64.to_le_bytes());
        bytes.extend_from_slice(subject_ref);
        bytes.extend_from_slice(ct);
        let core_at = bytes.len();
        core.encode_unnumbered(&mut bytes);
        Some(Self { bytes, at: room, core_at })
    }

    /// Gives the record its place. Once only.
    pub fn number(&mut self, segment: u64, node_seq: u64) {
        let place = self.at + SEGMENT.start..self.at + SEGMENT.end;
        self.bytes[place].copy_from_slice(&segment.to_le_bytes());
        append_node_seq(&mut self.bytes, node_seq);
    }

    /// The frame.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// The core's byte form; the preimage of the leaf once the record is numbered.
    pub fn core(&self) -> &[u8] {
        &self.bytes[self.core_at..]
    }
}

/// The frame of a beginning, after `room` zeros.
pub(super) fn begin(room: usize, core: &impl Record, payload: &Payload, incarnation: u64) -> Option<Vec<u8>> {
    let mut frame = Building::after(room, core, &payload.subject_ref, &payload.ct, incarnation)?;
    frame.number(0, 0);
    Some(frame.bytes)
}
