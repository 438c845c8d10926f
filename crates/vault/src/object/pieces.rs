//! Any part of an encrypted object, read without what is before it.
//!
//! The last chunk is opened first: it says that it is the last, so its place proves how long the object is. Each chunk is
//! authenticated when it is read.

use std::io;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::{Cipher, ObjectError, ObjectHeader, TAG_BYTES};
use crate::names::{KeyName, ObjectId};
use crate::vault::Vault;
use crate::wrap::SecretKey;

/// The longest header: magic, version, class, identifier, chunk size, commitment.
const HEADER_MAX_BYTES: u64 = 8 + 2 + 255 + 16 + 4 + 32;

/// What can be read at any place.
pub trait ReadAt: Send + Sync {
    /// Fills `buf` with what is at `offset`.
    ///
    /// # Errors
    /// When it ends before that or cannot be read.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for std::fs::File {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buf, offset)
    }
}

impl ReadAt for Vec<u8> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|at| self.get(at..)?.get(..buf.len()));
        buf.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A chunk that was opened last, so that small reads side by side open it once.
type Opened = Option<(u32, Zeroizing<Vec<u8>>)>;

/// Reads any part of an object.
pub struct ObjectPieces<R> {
    cipher: Cipher,
    header: ObjectHeader,
    from: R,
    /// Bytes of the header.
    start: u64,
    /// Bytes of what follows it.
    sealed: u64,
    chunks: u32,
    opened: Mutex<Opened>,
}

impl<R> std::fmt::Debug for ObjectPieces<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectPieces").field("header", &self.header).field("chunks", &self.chunks).finish()
    }
}

impl<R: ReadAt> ObjectPieces<R> {
    fn new(key: &SecretKey, log_id: &str, header: ObjectHeader, from: R, len: u64) -> Result<Self, ObjectError> {
        let cipher = Cipher::derive(key, log_id, &header.class, &header.id, header.chunk_bytes);
        if cipher.commitment != header.commitment {
            return Err(ObjectError::WrongKey);
        }
        let start = header.encode().len() as u64;
        let sealed = len.saturating_sub(start);
        let each = u64::from(header.chunk_bytes) + TAG_BYTES as u64;
        let chunks = u32::try_from(sealed.div_ceil(each)).map_err(|_| ObjectError::TooLarge)?;
        let Some(last) = chunks.checked_sub(1) else { return Err(ObjectError::Truncated { chunks: 0 }) };
        let rest = sealed - u64::from(last) * each;
        if rest < TAG_BYTES as u64 {
            return Err(ObjectError::Truncated { chunks: u64::from(last) });
        }
        if rest == TAG_BYTES as u64 && last > 0 {
            return Err(ObjectError::Header("an empty chunk follows the last one"));
        }
        let pieces = Self { cipher, header, from, start, sealed, chunks, opened: Mutex::default() };
        let opened = pieces.open_chunk(last, Zeroizing::default())?;
        *pieces.opened.lock().unwrap_or_else(PoisonError::into_inner) = Some((last, opened));
        Ok(pieces)
    }

    /// What the object says of itself.
    #[must_use]
    pub fn header(&self) -> &ObjectHeader {
        &self.header
    }

    /// Bytes of plaintext.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sealed - u64::from(self.chunks) * TAG_BYTES as u64
    }

    /// Fills `buf` with the plaintext at `offset`.
    ///
    /// # Errors
    /// With kind `UnexpectedEof` when it ends before that; else what is wrong with the object.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.len() as u64).filter(|end| *end <= self.bytes());
        if end.is_none() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let each = u64::from(self.header.chunk_bytes);
        let mut filled = 0;
        while filled < buf.len() {
            let at = offset + filled as u64;
            // Both fit: there are fewer than 2^32 chunks, of 1 MiB at most.
            let number = u32::try_from(at / each).map_err(|_| ObjectError::TooLarge)?;
            let within = usize::try_from(at % each).map_err(|_| ObjectError::TooLarge)?;
            filled += self.copy_chunk(number, within, &mut buf[filled..])?;
        }
        Ok(())
    }

    /// Copies what follows `within` in a chunk, as much as there is or fits.
    fn copy_chunk(&self, number: u32, within: usize, to: &mut [u8]) -> Result<usize, ObjectError> {
        let held = self.opened.lock().unwrap_or_else(PoisonError::into_inner).take();
        let opened = match held {
            Some((same, opened)) if same == number => opened,
            Some((_, before)) => self.open_chunk(number, before)?,
            None => self.open_chunk(number, Zeroizing::default())?,
        };
        let rest = opened.get(within..).unwrap_or_default();
        let taken = rest.len().min(to.len());
        to[..taken].copy_from_slice(&rest[..taken]);
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Some((number, opened));
        Ok(taken)
    }

    /// Opens a chunk into `buffer`, over what it held before, so that it is wiped once and not for each chunk.
    fn open_chunk(&self, number: u32, mut buffer: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, ObjectError> {
        let each = u64::from(self.header.chunk_bytes) + TAG_BYTES as u64;
        let at = u64::from(number) * each;
        let length = usize::try_from(each.min(self.sealed - at)).map_err(|_| ObjectError::TooLarge)?;
        if buffer.capacity() < length {
            // Not grown: that would leave what it holds in memory that is free.
            buffer = Zeroizing::new(Vec::with_capacity(length));
        }
        buffer.resize(length, 0);
        self.from.read_exact_at(&mut buffer, self.start + at)?;
        let (last, chunk) = (number + 1 == self.chunks, u64::from(number));
        match self.cipher.opens(number, last, &mut buffer) {
            true => Ok(buffer),
            false if last => Err(ObjectError::BrokenEnd { chunk }),
            false => Err(ObjectError::Changed { chunk }),
        }
    }
}

impl Vault {
    /// Opens the object `id` of `class`, which has `len` bytes as it is stored, to read any part of it.
    ///
    /// # Errors
    /// [`ObjectError`]: by its name, why it cannot be opened.
    pub fn object_pieces<R: ReadAt>(
        &self,
        class: &str,
        id: &ObjectId,
        from: R,
        len: u64,
    ) -> Result<ObjectPieces<R>, ObjectError> {
        let mut head = vec![0; usize::try_from(len.min(HEADER_MAX_BYTES)).unwrap_or_default()];
        from.read_exact_at(&mut head, 0)?;
        let header = ObjectHeader::read_as(class, id, &mut head.as_slice())?;
        let key = self.ring.existing(&KeyName::object(&header.class, &header.id))?.key;
        ObjectPieces::new(&key, self.ring.log_id(), header, from, len)
    }
}

/// For fuzzing: as [`super::probe`], by parts of `part` bytes from the end to the beginning.
///
/// # Errors
/// As reading does.
pub fn probe_pieces(bytes: &[u8], part: usize) -> Result<Vec<u8>, ObjectError> {
    let header = ObjectHeader::read(&mut { bytes })?;
    let key = SecretKey::from_bytes(&[7; 32]);
    let pieces = ObjectPieces::new(&key, "fuzz", header, bytes.to_vec(), bytes.len() as u64)?;
    let mut plain = vec![0; usize::try_from(pieces.bytes()).map_err(|_| ObjectError::TooLarge)?];
    let mut end = plain.len();
    while end > 0 {
        let from = end.saturating_sub(part.max(1));
        pieces.read_at(from as u64, &mut plain[from..end])?;
        end = from;
    }
    Ok(plain)
}
