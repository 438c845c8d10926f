//! Encrypted objects: files of any size under a key of their own, written and read as a stream in constant memory.
//!
//! ```text
//! lp(x)   = u32 LE length in bytes ‖ x
//! header  = "CFOBJECT" ‖ u8 version (1) ‖ u8 length of class ‖ class ‖ id(16) ‖ u32 LE chunk size ‖ commitment(32)
//! info    = "cf/obj/v1" ‖ lp(log_id) ‖ lp(class) ‖ id ‖ u32 LE chunk size
//! enc(32) ‖ prefix(7) ‖ commitment(32) = HKDF-SHA-256(salt = id, ikm = object key(32), info, 71 bytes)
//!
//! object  = header ‖ chunk 0 ‖ chunk 1 ‖ …
//! chunk i = AES-256-GCM(key = enc, nonce = prefix ‖ u32 BE i ‖ u8 last, plaintext i), tag appended, no further data
//! ```
//!
//! Every chunk but the last has as many bytes of plaintext as the chunk size says; `last` is 1 in the last and 0 in the
//! others (the STREAM construction). The last chunk is empty only when the whole object is. So chunks cannot be left
//! out, moved, added or taken from another object, and every object has a key of its own, so no nonce comes twice.
//!
//! The commitment binds the key, which AES-GCM alone does not: no other key opens the same bytes to something else.
//! Together with the SHA-256 of the object it is therefore a commitment to the plaintext that can only be confirmed with
//! the key: once that is destroyed, nobody can check a guess.

mod pieces;

use std::io::{self, Read, Write};

pub use pieces::{ObjectPieces, ReadAt, probe_pieces};

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::names::{KeyName, ObjectId, check_name, encode_hex};
use crate::vault::Vault;
use crate::wrap::{SecretKey, push_prefixed, random_bytes};

/// What an encrypted object begins with.
pub const MAGIC: &[u8; 8] = b"CFOBJECT";
/// Bytes of plaintext in each chunk but the last.
pub const CHUNK_BYTES: usize = 64 << 10;
const VERSION: u8 = 1;
const LABEL: &[u8] = b"cf/obj/v1";
const TAG_BYTES: usize = 16;
const PREFIX_BYTES: usize = 7;
/// The largest chunk that is read: a header from elsewhere must not choose how much memory it takes.
const MAX_CHUNK_BYTES: u32 = 1 << 20;

/// Why an object was refused.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The bytes are no encrypted object.
    #[error("this is no encrypted object: it does not begin as one")]
    NotAnObject,
    /// It was written by a later version of this program.
    #[error("the object has format {0}, this program knows {VERSION}; use the newer program")]
    Newer(u8),
    /// Its header makes no sense.
    #[error("the object's header is broken: {0}")]
    Header(&'static str),
    /// It is of another class than the ledger says.
    #[error("wrong class: the object is of class `{found}`, not `{expected}`")]
    WrongClass {
        /// The class asked for.
        expected: String,
        /// The one that it names.
        found: String,
    },
    /// It is another object than the ledger says.
    #[error("wrong object: this is `{found}`, not `{expected}`")]
    WrongObject {
        /// The object asked for.
        expected: ObjectId,
        /// The one that it names.
        found: ObjectId,
    },
    /// The key is not the one that it was encrypted under.
    #[error("wrong key: the object was encrypted under another key, or for another log")]
    WrongKey,
    /// The key cannot be had; it may be destroyed.
    #[error(transparent)]
    Key(#[from] VaultError),
    /// It ends before its last chunk.
    #[error("truncated: the object ends after {chunks} chunks, before its last one")]
    Truncated {
        /// How many there are.
        chunks: u64,
    },
    /// The chunk that it ends in does not open.
    #[error("the object ends in chunk {chunk}, which does not open: it was truncated, or its end was changed")]
    BrokenEnd {
        /// Which chunk, from 0.
        chunk: u64,
    },
    /// Something follows its last chunk.
    #[error("trailing bytes: something follows the last chunk ({chunk}) of the object")]
    Trailing {
        /// Number of the last chunk, from 0.
        chunk: u64,
    },
    /// A chunk does not open.
    #[error("chunk {chunk} of the object does not open: it was changed, or is not in its place")]
    Changed {
        /// Which chunk, from 0.
        chunk: u64,
    },
    /// It has more chunks than can be numbered.
    #[error("the object is too large: it has more than 2^32 chunks")]
    TooLarge,
    /// It cannot be read or written.
    #[error("the object cannot be read or written")]
    Io(#[from] io::Error),
}

impl ObjectError {
    /// A stable word for what is wrong.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::Newer(_) => "newer",
            Self::Header(_) => "header",
            Self::WrongClass { .. } => "wrong_class",
            Self::WrongObject { .. } => "wrong_object",
            Self::WrongKey => "wrong_key",
            Self::Key(error) if error.is_destroyed() => "key_destroyed",
            Self::Key(_) => "key",
            Self::Truncated { .. } => "truncated",
            Self::BrokenEnd { .. } => "broken_end",
            Self::Trailing { .. } => "trailing",
            Self::Changed { .. } => "changed",
            Self::TooLarge => "too_large",
            Self::Io(_) => "io",
        }
    }
}

impl From<ObjectError> for io::Error {
    fn from(error: ObjectError) -> io::Error {
        match error {
            ObjectError::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        }
    }
}

/// What an object says of itself, before any key is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectHeader {
    /// Data class, which chooses the keys above its own.
    pub class: String,
    /// Which object it is.
    pub id: ObjectId,
    /// Bytes of plaintext in each chunk but the last.
    pub chunk_bytes: u32,
    /// Commitment to the key.
    pub commitment: [u8; 32],
}

impl ObjectHeader {
    /// Reads a header; what follows are the chunks.
    ///
    /// # Errors
    /// [`ObjectError::NotAnObject`], [`ObjectError::Newer`], [`ObjectError::Header`], [`ObjectError::Io`].
    pub fn read(from: &mut impl Read) -> Result<ObjectHeader, ObjectError> {
        let magic: [u8; 8] = read_array(from).map_err(|error| match error {
            ObjectError::Header(_) => ObjectError::NotAnObject,
            other => other,
        })?;
        if magic != *MAGIC {
            return Err(ObjectError::NotAnObject);
        }
        let [version, class_bytes] = read_array(from)?;
        if version != VERSION {
            return Err(ObjectError::Newer(version));
        }
        let mut class = vec![0; usize::from(class_bytes)];
        read_all(from, &mut class)?;
        let class = String::from_utf8(class).map_err(|_| ObjectError::Header("its class is no text"))?;
        check_name("class", &class).map_err(|_| ObjectError::Header("its class is no name"))?;
        let id = ObjectId(read_array(from)?);
        let chunk_bytes = u32::from_le_bytes(read_array(from)?);
        if !(1..=MAX_CHUNK_BYTES).contains(&chunk_bytes) {
            return Err(ObjectError::Header("its chunks are empty or above 1 MiB"));
        }
        Ok(ObjectHeader { class, id, chunk_bytes, commitment: read_array(from)? })
    }

    /// Reads a header, which must be that of the object `id` of `class`.
    fn read_as(class: &str, id: &ObjectId, from: &mut impl Read) -> Result<ObjectHeader, ObjectError> {
        let header = Self::read(from)?;
        if header.class != class {
            return Err(ObjectError::WrongClass { expected: class.to_owned(), found: header.class });
        }
        if header.id != *id {
            return Err(ObjectError::WrongObject { expected: *id, found: header.id });
        }
        Ok(header)
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(VERSION);
        // Names have 64 bytes at most.
        bytes.push(u8::try_from(self.class.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(self.class.as_bytes());
        bytes.extend_from_slice(&self.id.0);
        bytes.extend_from_slice(&self.chunk_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.commitment);
        bytes
    }
}

fn read_array<const N: usize>(from: &mut impl Read) -> Result<[u8; N], ObjectError> {
    let mut bytes = [0; N];
    read_all(from, &mut bytes)?;
    Ok(bytes)
}

fn read_all(from: &mut impl Read, bytes: &mut [u8]) -> Result<(), ObjectError> {
    from.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => ObjectError::Header("it ends too early"),
        _ => ObjectError::Io(error),
    })
}

/// What encrypts and decrypts the chunks of one object.
struct Cipher {
    gcm: Aes256Gcm,
    prefix: [u8; PREFIX_BYTES],
    commitment: [u8; 32],
}

impl Cipher {
    fn derive(key: &SecretKey, log_id: &str, class: &str, id: &ObjectId, chunk_bytes: u32) -> Cipher {
        let mut info = LABEL.to_vec();
        push_prefixed(&mut info, log_id);
        push_prefixed(&mut info, class);
        info.extend_from_slice(&id.0);
        info.extend_from_slice(&chunk_bytes.to_le_bytes());
        let mut okm = Zeroizing::new([0; 71]);
        let expander = Hkdf::<Sha256>::new(Some(&id.0), key.expose());
        expander.expand(&info, &mut *okm).expect("71 bytes are less than 255 blocks");
        let mut enc = Zeroizing::new([0; 32]);
        let (mut prefix, mut commitment) = ([0; PREFIX_BYTES], [0; 32]);
        enc.copy_from_slice(&okm[..32]);
        prefix.copy_from_slice(&okm[32..39]);
        commitment.copy_from_slice(&okm[39..]);
        Cipher { gcm: Aes256Gcm::new(&(*enc).into()), prefix, commitment }
    }

    fn nonce(&self, chunk: u32, last: bool) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[..PREFIX_BYTES].copy_from_slice(&self.prefix);
        nonce[PREFIX_BYTES..11].copy_from_slice(&chunk.to_be_bytes());
        nonce[11] = u8::from(last);
        nonce
    }

    fn seal(&self, chunk: u32, last: bool, buffer: &mut Vec<u8>) {
        let sealed = self.gcm.encrypt_in_place(&Nonce::from(self.nonce(chunk, last)), b"", buffer);
        sealed.expect("chunks are far below the 64 GiB limit of GCM");
    }

    /// Whether a chunk opens. GCM looks at the tag first: what does not open is left as it was.
    fn opens(&self, chunk: u32, last: bool, buffer: &mut Vec<u8>) -> bool {
        self.gcm.decrypt_in_place(&Nonce::from(self.nonce(chunk, last)), b"", buffer).is_ok()
    }
}

/// What was written of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes of plaintext.
    pub bytes: u64,
    /// Chunks.
    pub chunks: u64,
    /// Commitment to the key, as in the header.
    pub commitment: [u8; 32],
}

/// Encrypts what is written to it. An object is whole only after [`ObjectWriter::finish`].
pub struct ObjectWriter<W> {
    cipher: Cipher,
    to: W,
    /// Plaintext that waits for its chunk to be full, with room for the tag.
    buffer: Zeroizing<Vec<u8>>,
    chunk: u32,
    bytes: u64,
}

impl<W: Write> ObjectWriter<W> {
    fn new(key: &SecretKey, log_id: &str, class: &str, id: &ObjectId, mut to: W) -> Result<Self, ObjectError> {
        let chunk_bytes = u32::try_from(CHUNK_BYTES).unwrap_or(MAX_CHUNK_BYTES);
        let cipher = Cipher::derive(key, log_id, class, id, chunk_bytes);
        let (class, commitment) = (class.to_owned(), cipher.commitment);
        to.write_all(&ObjectHeader { class, id: *id, chunk_bytes, commitment }.encode())?;
        let buffer = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES + TAG_BYTES));
        Ok(ObjectWriter { cipher, to, buffer, chunk: 0, bytes: 0 })
    }

    /// Writes the last chunk; returns where it was written to, with what was written.
    ///
    /// # Errors
    /// [`ObjectError::Io`].
    pub fn finish(mut self) -> Result<(W, Written), ObjectError> {
        self.flush_chunk(true)?;
        let written =
            Written { bytes: self.bytes, chunks: u64::from(self.chunk) + 1, commitment: self.cipher.commitment };
        Ok((self.to, written))
    }

    fn flush_chunk(&mut self, last: bool) -> Result<(), ObjectError> {
        self.bytes += self.buffer.len() as u64;
        self.cipher.seal(self.chunk, last, &mut self.buffer);
        self.to.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

impl<W: Write> Write for ObjectWriter<W> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        if from.is_empty() {
            return Ok(0);
        }
        if self.buffer.len() == CHUNK_BYTES {
            // More comes, so this chunk is not the last.
            let next = self.chunk.checked_add(1).ok_or(ObjectError::TooLarge)?;
            self.flush_chunk(false)?;
            self.chunk = next;
        }
        let taken = from.len().min(CHUNK_BYTES - self.buffer.len());
        self.buffer.extend_from_slice(&from[..taken]);
        Ok(taken)
    }

    /// Writes on what is encrypted already; a chunk that is not full waits.
    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Decrypts an object as it is read. What was read is authentic; that it is whole is known at its end.
pub struct ObjectReader<R> {
    cipher: Cipher,
    header: ObjectHeader,
    from: R,
    /// The chunk at hand: ciphertext, then plaintext.
    buffer: Zeroizing<Vec<u8>>,
    given: usize,
    /// The first byte of the next chunk, read to know that there is one.
    ahead: Option<u8>,
    /// Number of the next chunk; `None` after the last.
    chunk: Option<u32>,
}

impl<R: Read> ObjectReader<R> {
    fn new(key: &SecretKey, log_id: &str, header: ObjectHeader, from: R) -> Result<Self, ObjectError> {
        let cipher = Cipher::derive(key, log_id, &header.class, &header.id, header.chunk_bytes);
        if cipher.commitment != header.commitment {
            return Err(ObjectError::WrongKey);
        }
        let room = header.chunk_bytes as usize + TAG_BYTES + 1;
        let buffer = Zeroizing::new(Vec::with_capacity(room));
        Ok(ObjectReader { cipher, header, from, buffer, given: 0, ahead: None, chunk: Some(0) })
    }

    /// What the object says of itself.
    #[must_use]
    pub fn header(&self) -> &ObjectHeader {
        &self.header
    }

    /// The next chunk of plaintext; `None` after the last.
    ///
    /// # Errors
    /// [`ObjectError`]: by its name, what is wrong with the object. After an error there is nothing more to be had.
    pub fn next_chunk(&mut self) -> Result<Option<&[u8]>, ObjectError> {
        let Some(number) = self.chunk.take() else { return Ok(None) };
        let sealed_bytes = self.header.chunk_bytes as usize + TAG_BYTES;
        self.given = 0;
        self.fill(sealed_bytes + 1)?;
        let last = self.buffer.len() <= sealed_bytes;
        if !last {
            self.ahead = self.buffer.pop();
        }
        let chunk = u64::from(number);
        if self.buffer.len() < TAG_BYTES {
            self.buffer.clear();
            return Err(ObjectError::Truncated { chunks: chunk });
        }
        let empty = self.buffer.len() == TAG_BYTES;
        if !self.cipher.opens(number, last, &mut self.buffer) {
            let otherwise = self.cipher.opens(number, !last, &mut self.buffer);
            self.buffer.clear();
            return Err(match (otherwise, last) {
                (true, true) => ObjectError::Truncated { chunks: chunk + 1 },
                (true, false) => ObjectError::Trailing { chunk },
                (false, true) => ObjectError::BrokenEnd { chunk },
                (false, false) => ObjectError::Changed { chunk },
            });
        }
        if last && empty && number > 0 {
            self.buffer.clear();
            return Err(ObjectError::Header("an empty chunk follows the last one"));
        }
        if !last {
            self.chunk = Some(number.checked_add(1).ok_or(ObjectError::TooLarge)?);
        }
        Ok(Some(&self.buffer))
    }

    /// Reads up to `most` bytes into the buffer: the one read ahead, then what follows.
    fn fill(&mut self, most: usize) -> Result<(), ObjectError> {
        self.buffer.clear();
        self.buffer.resize(most, 0);
        let mut read = 0;
        if let Some(first) = self.ahead.take() {
            (self.buffer[0], read) = (first, 1);
        }
        while read < most {
            match self.from.read(&mut self.buffer[read..]) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.buffer.clear();
                    return Err(error.into());
                }
            }
        }
        self.buffer.truncate(read);
        Ok(())
    }
}

impl<R: Read> Read for ObjectReader<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.given == self.buffer.len() {
            if self.next_chunk()?.is_none() {
                return Ok(0);
            }
            if self.buffer.is_empty() {
                return Ok(0);
            }
        }
        let rest = &self.buffer[self.given..];
        let taken = rest.len().min(to.len());
        to[..taken].copy_from_slice(&rest[..taken]);
        self.given += taken;
        Ok(taken)
    }
}

impl Vault {
    /// Begins a new object of `class` under a fresh key; what is written to the writer is encrypted into `to`.
    ///
    /// # Errors
    /// [`ObjectError::Key`] for a bad class or when no key can be made; [`ObjectError::Io`].
    pub fn object_writer<W: Write>(
        &self,
        class: &str,
        to: W,
        now_ms: u64,
    ) -> Result<(ObjectId, ObjectWriter<W>), ObjectError> {
        check_name("class", class)?;
        let id = ObjectId(random_bytes()?);
        let key = self.ring.obtain(&KeyName::object(class, &id), now_ms)?.key;
        Ok((id, ObjectWriter::new(&key, self.ring.log_id(), class, &id, to)?))
    }

    /// Opens the object `id` of `class`.
    ///
    /// # Errors
    /// [`ObjectError`]: by its name, why it cannot be opened.
    pub fn object_reader<R: Read>(
        &self,
        class: &str,
        id: &ObjectId,
        mut from: R,
    ) -> Result<ObjectReader<R>, ObjectError> {
        let header = ObjectHeader::read_as(class, id, &mut from)?;
        self.open_object(header, from)
    }

    /// Opens an object as what its header says it is; `from` is what follows the header.
    ///
    /// # Errors
    /// [`ObjectError`]: by its name, why it cannot be opened.
    pub fn open_object<R: Read>(&self, header: ObjectHeader, from: R) -> Result<ObjectReader<R>, ObjectError> {
        let key = self.ring.existing(&KeyName::object(&header.class, &header.id))?.key;
        ObjectReader::new(&key, self.ring.log_id(), header, from)
    }
}

impl Written {
    /// The commitment in hexadecimal.
    #[must_use]
    pub fn commitment_hex(&self) -> String {
        encode_hex(&self.commitment)
    }
}

/// For fuzzing: reads bytes as an object under a fixed key, whatever class and id they name; gives the plaintext.
///
/// # Errors
/// As reading does.
pub fn probe(bytes: &[u8]) -> Result<Vec<u8>, ObjectError> {
    let mut from = bytes;
    let header = ObjectHeader::read(&mut from)?;
    let mut reader = ObjectReader::new(&SecretKey::from_bytes(&[7; 32]), "fuzz", header, from)?;
    let mut plain = Vec::new();
    reader.read_to_end(&mut plain)?;
    Ok(plain)
}

/// For fuzzing: bytes that [`probe`] accepts.
///
/// # Errors
/// None in practice.
pub fn sample(plain: &[u8]) -> Result<Vec<u8>, ObjectError> {
    let (key, id) = (SecretKey::from_bytes(&[7; 32]), ObjectId([9; 16]));
    let mut writer = ObjectWriter::new(&key, "fuzz", "internal", &id, Vec::new())?;
    writer.write_all(plain)?;
    Ok(writer.finish()?.0)
}

#[cfg(test)]
mod tests;
