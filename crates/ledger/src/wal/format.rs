//! The bytes of the write-ahead log: a segment header and batches, and nothing about files.
//!
//! All integers are little-endian.
//! ```text
//! segment header, 4,096 bytes, the rest zero
//!   0  "CFWAL\0\0\0"   8  u32 version = 1   12  u32 zero   16  log id [16]   32  u64 number
//!  40  u64 first batch number (all ones while the segment is only prepared)   48  salt [16]
//!  64  u32 crc32c(bytes 0..64)
//! batch, at a multiple of 8
//!   0  "BTCH"   4  u32 len = the whole batch with its CRC   8  u64 batch number   16  u64 first sequence number
//!  24  u32 n   28  u32 flags = 0   32  u64 milliseconds since 1970   40  n x { u32 len, u8 kind, bytes }
//! len-4  u32 crc32c(salt, then everything above)
//! ```
//! The salt is random for every use of a file, so the old batches in a recycled file are not valid ones.
//! The fields of a header lie in one 512-byte sector: a torn header write leaves the old header or the new one.

/// Bytes before the first batch of a segment.
pub const HEADER_BYTES: u64 = 4096;
/// Bytes a frame takes beside its own.
pub const FRAME_OVERHEAD_BYTES: usize = 5;
/// First batch number of a segment that is prepared and not yet in use.
pub const NOT_STARTED: u64 = u64::MAX;

const SEGMENT_MAGIC: [u8; 8] = *b"CFWAL\0\0\0";
const VERSION: u32 = 1;
const HEADER_FIELDS: usize = 64;
const BATCH_MAGIC: [u8; 4] = *b"BTCH";
const BATCH_FIELDS: usize = 40;
const CRC_BYTES: usize = 4;

/// What a segment's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Which log this belongs to.
    pub log_id: [u8; 16],
    /// Place in the order of segments, also the file's name.
    pub number: u64,
    /// Number of its first batch, or `NOT_STARTED`.
    pub first_batch: u64,
    /// Mixed into the CRC of its batches.
    pub salt: [u8; 16],
}

impl SegmentHeader {
    /// The header's 4,096 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
        bytes.extend_from_slice(&SEGMENT_MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&0_u32.to_le_bytes());
        bytes.extend_from_slice(&self.log_id);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.first_batch.to_le_bytes());
        bytes.extend_from_slice(&self.salt);
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        bytes.resize(HEADER_BYTES as usize, 0);
        bytes
    }

    /// Reads a header; the error says which part is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let fields = bytes.get(..HEADER_FIELDS).ok_or("is shorter than a header")?;
        if fields[..8] != SEGMENT_MAGIC {
            return Err("does not start with the magic bytes of a segment");
        }
        if read_u32(bytes, HEADER_FIELDS) != Some(crc32c::crc32c(fields)) {
            return Err("has a header whose checksum does not match");
        }
        if read_u32(fields, 8) != Some(VERSION) {
            return Err("has a format version this program does not know");
        }
        let parse = || {
            Some(Self {
                log_id: read_array(fields, 16)?,
                number: read_u64(fields, 32)?,
                first_batch: read_u64(fields, 40)?,
                salt: read_array(fields, 48)?,
            })
        };
        parse().ok_or("is shorter than a header")
    }
}

/// One batch as read back, with its frames still in the read buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch<'a> {
    /// Number of the batch; the next batch has the next number.
    pub number: u64,
    /// Sequence number of its first frame, in the caller's counting.
    pub first_seq: u64,
    /// When it was written, in milliseconds since 1970.
    pub ts_ms: u64,
    /// How many frames it has.
    pub count: u32,
    frames: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The frames in order, as (kind, bytes).
    pub fn frames(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let mut rest = self.frames;
        std::iter::from_fn(move || {
            let (kind, frame, after) = split_frame(rest)?;
            rest = after;
            Some((kind, frame))
        })
    }

    /// The batch at the start of `bytes`, with its length, if there is a whole and valid one.
    pub fn decode(bytes: &'a [u8], salt: &[u8; 16]) -> Option<(Self, usize)> {
        let prefix = Prefix::decode(bytes)?;
        let whole = bytes.get(..prefix.len)?;
        let (signed, stored) = whole.split_at_checked(prefix.len - CRC_BYTES)?;
        if read_u32(stored, 0)? != batch_crc(salt, signed) {
            return None;
        }
        let frames = signed.get(BATCH_FIELDS..)?;
        let batch = Batch {
            number: prefix.number,
            first_seq: read_u64(bytes, 16)?,
            count: read_u32(bytes, 24)?,
            ts_ms: read_u64(bytes, 32)?,
            frames,
        };
        let framed: usize = batch.frames().map(|(_, bytes)| FRAME_OVERHEAD_BYTES + bytes.len()).sum();
        let whole = framed == frames.len() && batch.frames().count() == batch.count as usize;
        whole.then_some((batch, prefix.len))
    }
}

/// The part of a batch that can be read before its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The whole length it claims.
    pub len: usize,
    /// The number it claims.
    pub number: u64,
}

impl Prefix {
    /// Reads it if these bytes could start a batch.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.get(..4)? != BATCH_MAGIC || read_u32(bytes, 28)? != 0 {
            return None;
        }
        let len = usize::try_from(read_u32(bytes, 4)?).ok()?;
        let number = read_u64(bytes, 8)?;
        (len >= BATCH_FIELDS + CRC_BYTES).then_some(Self { len, number })
    }
}

/// Bytes a batch of these frames will take, before alignment.
pub fn batch_bytes(frames: &[(u8, &[u8])]) -> usize {
    BATCH_FIELDS + CRC_BYTES + frames.iter().map(|(_, bytes)| FRAME_OVERHEAD_BYTES + bytes.len()).sum::<usize>()
}

/// Encodes a batch into `out`, replacing what it held. `None` when a length does not fit its u32 field.
pub fn encode_batch(
    out: &mut Vec<u8>,
    salt: &[u8; 16],
    (number, first_seq, ts_ms): (u64, u64, u64),
    frames: &[(u8, &[u8])],
) -> Option<()> {
    out.clear();
    let len = batch_bytes(frames);
    out.reserve(len);
    out.extend_from_slice(&BATCH_MAGIC);
    out.extend_from_slice(&u32::try_from(len).ok()?.to_le_bytes());
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&first_seq.to_le_bytes());
    out.extend_from_slice(&u32::try_from(frames.len()).ok()?.to_le_bytes());
    out.extend_from_slice(&0_u32.to_le_bytes());
    out.extend_from_slice(&ts_ms.to_le_bytes());
    for (kind, bytes) in frames {
        out.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_le_bytes());
        out.push(*kind);
        out.extend_from_slice(bytes);
    }
    let crc = batch_crc(salt, out);
    out.extend_from_slice(&crc.to_le_bytes());
    Some(())
}

/// Rounds up to the alignment of batches.
pub fn align(offset: u64) -> u64 {
    offset.next_multiple_of(8)
}

fn batch_crc(salt: &[u8; 16], bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(salt), bytes)
}

/// The kind and bytes of the first frame, and what comes after it.
fn split_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let len = usize::try_from(read_u32(bytes, 0)?).ok()?;
    let kind = *bytes.get(4)?;
    let (frame, rest) = bytes.get(FRAME_OVERHEAD_BYTES..)?.split_at_checked(len)?;
    Some((kind, frame, rest))
}

fn read_array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    read_array(bytes, at).map(u32::from_le_bytes)
}

fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    read_array(bytes, at).map(u64::from_le_bytes)
}
