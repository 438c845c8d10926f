//! Where bytes come from: a port for whoever has them, and parts and decompressed forms of it. Nothing is read whole, and
//! nothing is allocated because a file says how long it is.

use std::cell::RefCell;
use std::io::{self, Read};

/// Bytes that can be read at any place. Implemented above for files, and here for memory.
pub trait Source {
    /// How many there are.
    fn size(&self) -> u64;

    /// Reads some bytes from `at` on, as `Read::read` does: none at the end.
    ///
    /// # Errors
    /// When reading fails.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
}

impl Source for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(at).ok().and_then(|at| self.get(at..)).unwrap_or_default();
        let count = from.len().min(into.len());
        if let (Some(to), Some(from)) = (into.get_mut(..count), from.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

impl Source for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(at, into)
    }
}

/// What is wrong with a form.
pub(crate) fn bad(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

/// A part of a source.
pub(crate) struct Part<'a> {
    of: &'a dyn Source,
    start: u64,
    size: u64,
}

impl<'a> Part<'a> {
    /// As much of it as there is.
    pub(crate) fn new(of: &'a dyn Source, start: u64, size: u64) -> Self {
        let start = start.min(of.size());
        Self { of, start, size: size.min(of.size() - start) }
    }
}

impl Source for Part<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX).min(into.len());
        match into.get_mut(..left) {
            Some(into) if left > 0 => self.of.read_at(self.start.saturating_add(at), into),
            _ => Ok(0),
        }
    }
}

/// At most `most` bytes from `at` on; fewer when the source ends before.
pub(crate) fn bytes(source: &dyn Source, at: u64, most: usize) -> io::Result<Vec<u8>> {
    let left = usize::try_from(source.size().saturating_sub(at)).unwrap_or(usize::MAX);
    let mut found = vec![0; most.min(left)];
    let mut filled = 0;
    while let Some(rest) = found.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read_at(at + filled as u64, rest)? {
            0 => break,
            count => filled += count,
        }
    }
    found.truncate(filled);
    Ok(found)
}

/// Exactly so many bytes.
pub(crate) fn exact<const N: usize>(source: &dyn Source, at: u64) -> io::Result<[u8; N]> {
    <[u8; N]>::try_from(bytes(source, at, N)?)
        .map_err(|_| bad(format!("it ends before byte {}", at.saturating_add(N as u64))))
}

/// A source as a stream from a place on.
pub(crate) struct Stream<'a> {
    pub(crate) of: &'a dyn Source,
    pub(crate) at: u64,
}

impl Read for Stream<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.of.read_at(self.at, into)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Reads forward byte by byte, with a buffer, and may skip what nobody looks at.
pub(crate) struct Cursor<'a> {
    of: &'a dyn Source,
    buffer: Vec<u8>,
    /// Where the buffer begins in the source.
    start: u64,
    next: usize,
    filled: usize,
}

const BUFFER: usize = 1 << 16;

impl<'a> Cursor<'a> {
    pub(crate) fn new(of: &'a dyn Source, at: u64) -> Self {
        let room = usize::try_from(of.size()).unwrap_or(BUFFER).clamp(8, BUFFER);
        Self { of, buffer: vec![0; room], start: at, next: 0, filled: 0 }
    }

    pub(crate) fn source(&self) -> &'a dyn Source {
        self.of
    }

    pub(crate) fn at(&self) -> u64 {
        self.start + self.next as u64
    }

    pub(crate) fn left(&self) -> u64 {
        self.of.size().saturating_sub(self.at())
    }

    /// The next byte, if there is one.
    #[inline]
    pub(crate) fn byte(&mut self) -> io::Result<Option<u8>> {
        if self.next == self.filled {
            self.start = self.at();
            (self.next, self.filled) = (0, self.of.read_at(self.start, &mut self.buffer)?);
            if self.filled == 0 {
                return Ok(None);
            }
        }
        let byte = self.buffer.get(self.next).copied();
        self.next += 1;
        Ok(byte)
    }

    /// The next bytes, without going on; zeroes behind the end.
    pub(crate) fn head(&mut self) -> io::Result<[u8; 4]> {
        if self.next + 4 > self.filled {
            self.start = self.at();
            (self.next, self.filled) = (0, 0);
            while let Some(room) = self.buffer.get_mut(self.filled..).filter(|_| self.filled < 4) {
                match self.of.read_at(self.start + self.filled as u64, room)? {
                    0 => break,
                    count => self.filled += count,
                }
            }
        }
        let ready = self.buffer.get(self.next..self.filled).unwrap_or_default();
        let mut head = [0; 4];
        head.iter_mut().zip(ready).for_each(|(to, from)| *to = *from);
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut array = [0; N];
        if let Some(ready) = self.buffer.get(self.next..self.filled).and_then(|ready| ready.get(..N)) {
            array.copy_from_slice(ready);
            self.next += N;
            return Ok(array);
        }
        for to in &mut array {
            *to = self.byte()?.ok_or_else(|| bad("it ends early"))?;
        }
        Ok(array)
    }

    /// Goes on by so many bytes, which must be there.
    pub(crate) fn skip(&mut self, count: u64) -> io::Result<()> {
        if count > self.left() {
            return Err(bad(format!("it ends early: {count} bytes are announced and {} are left", self.left())));
        }
        self.seek(self.at() + count);
        Ok(())
    }

    pub(crate) fn seek(&mut self, at: u64) {
        match at.checked_sub(self.start).and_then(|next| usize::try_from(next).ok()) {
            Some(next) if next <= self.filled => self.next = next,
            _ => (self.start, self.next, self.filled) = (at, 0, 0),
        }
    }

    /// The next bytes up to and without the end of a line, `None` when there is no end within `most` bytes.
    pub(crate) fn line(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        while line.len() < most {
            match self.byte()? {
                Some(b'\n') => return Ok(Some(line)),
                Some(byte) => line.push(byte),
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// The next bytes, which must be there and are held in memory.
    pub(crate) fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        if count as u64 > self.left() {
            return Err(bad(format!("it ends early: {count} bytes are announced and {} are left", self.left())));
        }
        if let Some(ready) = self.buffer.get(self.next..self.filled).and_then(|ready| ready.get(..count)) {
            let taken = ready.to_vec();
            self.next += count;
            return Ok(taken);
        }
        // What is in the buffer, and then what follows it, so that nothing is read back.
        let mut taken = self.buffer.get(self.next..self.filled).unwrap_or_default().to_vec();
        taken.truncate(count);
        let at = self.at() + taken.len() as u64;
        taken.extend(bytes(self.of, at, count - taken.len())?);
        if taken.len() < count {
            return Err(bad("it ends early"));
        }
        self.seek(self.at() + count as u64);
        Ok(taken)
    }
}

/// How something was made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// DEFLATE, as in archives.
    Raw,
    Zlib,
    Gzip,
    Zstd,
}

/// More memory than this is refused to a frame of Zstandard.
const ZSTD_WINDOW_LOG: u32 = 25;

/// A decompressed form. Reading forward decompresses; reading back begins again, which `left` bounds.
pub(crate) struct Unpacked<'a> {
    of: &'a dyn Source,
    packing: Packing,
    size: u64,
    state: RefCell<State<'a>>,
}

struct State<'a> {
    stream: Box<dyn Read + 'a>,
    at: u64,
    /// How many bytes may still be decompressed.
    left: u64,
    /// What came last, up to `at`.
    recent: Vec<u8>,
}

/// What is held in memory when it is not longer.
const HELD: u64 = 32 << 20;

/// How much of what came last is held of something longer.
const RECENT: usize = 4 << 20;

/// How many times over something longer is decompressed at most.
const TIMES: u64 = 6;

/// What came out of decompressing something.
pub(crate) struct Opened<'a> {
    pub(crate) source: Box<dyn Source + 'a>,
    /// Why not all of it came out.
    pub(crate) broken: Option<String>,
    pub(crate) crc: u32,
}

/// Decompresses something once to see how long it is and whether it is whole; `budget` bounds that and is what is left.
pub(crate) fn unpack<'a>(of: &'a dyn Source, packing: Packing, budget: &mut u64) -> Opened<'a> {
    let mut stream = match stream(of, packing) {
        Ok(stream) => stream,
        Err(error) => return Opened { source: Box::new(Vec::<u8>::new()), broken: Some(error.to_string()), crc: 0 },
    };
    let (mut held, mut size, mut piece, mut crc) = (Vec::new(), 0_u64, vec![0; BUFFER], crc32fast::Hasher::new());
    let broken = loop {
        match stream.read(&mut piece) {
            Ok(0) => break None,
            Ok(count) if count as u64 > *budget => {
                *budget = 0;
                break Some("it holds more than is decompressed of one artifact".to_owned());
            }
            Ok(count) => {
                *budget -= count as u64;
                size += count as u64;
                let got = piece.get(..count).unwrap_or_default();
                crc.update(got);
                if size <= HELD {
                    held.extend_from_slice(got);
                }
            }
            Err(error) => break Some(format!("it cannot be decompressed after {size} bytes: {error}")),
        }
    };
    let crc = crc.finalize();
    if size <= HELD {
        return Opened { source: Box::new(held), broken, crc };
    }
    drop((held, stream));
    let left = size.saturating_mul(TIMES);
    match again(of, packing, left) {
        Ok(state) => {
            let source = Unpacked { of, packing, size, state: RefCell::new(state) };
            Opened { source: Box::new(source), broken, crc }
        }
        Err(error) => Opened { source: Box::new(Vec::<u8>::new()), broken: Some(error.to_string()), crc },
    }
}

fn again(of: &dyn Source, packing: Packing, left: u64) -> io::Result<State<'_>> {
    Ok(State { stream: stream(of, packing)?, at: 0, left, recent: Vec::new() })
}

fn stream<'a>(of: &'a dyn Source, packing: Packing) -> io::Result<Box<dyn Read + 'a>> {
    let from = io::BufReader::with_capacity(BUFFER, Stream { of, at: 0 });
    Ok(match packing {
        Packing::Raw => Box::new(flate2::bufread::DeflateDecoder::new(from)),
        Packing::Zlib => Box::new(flate2::bufread::ZlibDecoder::new(from)),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(from)),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(from)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            Box::new(decoder)
        }
    })
}

impl Source for Unpacked<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        if at >= self.size {
            return Ok(0);
        }
        let mut state = self.state.borrow_mut();
        let back = usize::try_from(state.at.saturating_sub(at)).unwrap_or(usize::MAX);
        let recent = state.recent.len().checked_sub(back).and_then(|start| state.recent.get(start..));
        if let Some(recent) = recent.filter(|recent| !recent.is_empty() && at < state.at) {
            let count = recent.len().min(into.len());
            into.iter_mut().zip(recent).for_each(|(to, from)| *to = *from);
            return Ok(count);
        }
        if at < state.at {
            let left = state.left;
            *state = again(self.of, self.packing, left)?;
        }
        let mut scratch = vec![0; BUFFER];
        while state.at < at {
            let step = usize::try_from((at - state.at).min(BUFFER as u64)).unwrap_or(BUFFER);
            if forward(&mut state, scratch.get_mut(..step).unwrap_or_default())? == 0 {
                return Ok(0);
            }
        }
        forward(&mut state, into)
    }
}

fn forward(state: &mut State<'_>, into: &mut [u8]) -> io::Result<usize> {
    let count = state.stream.read(into)?;
    state.at += count as u64;
    if state.recent.len() + count > RECENT {
        let kept = state.recent.split_off(state.recent.len() / 2);
        state.recent = kept;
    }
    state.recent.extend_from_slice(into.get(..count).unwrap_or_default());
    state.left =
        state.left.checked_sub(count as u64).ok_or_else(|| bad("it would have to be decompressed too often"))?;
    Ok(count)
}

/// How many bytes of a zlib stream belong to it, when it ends properly.
pub(crate) fn zlib_size(of: &dyn Source) -> Option<u64> {
    let mut decoder = flate2::bufread::ZlibDecoder::new(io::BufReader::with_capacity(BUFFER, Stream { of, at: 0 }));
    io::copy(&mut decoder, &mut io::sink()).ok()?;
    Some(decoder.total_in())
}
