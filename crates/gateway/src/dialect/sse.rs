//! Server-sent events: cutting a byte stream into frames, however it arrives in pieces.
//!
//! A frame is everything up to and including a blank line (WHATWG HTML, section 9.2.5). Lines end in LF, CRLF or CR.
//! Frames keep their bytes: putting them together again gives the stream, so they can be forwarded as they came.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// Cuts a stream of bytes into frames. Bytes of a frame that arrived in one piece are not copied.
#[derive(Debug, Default)]
pub struct Frames {
    /// The begun frame, from earlier pieces.
    begun: BytesMut,
    /// The newest piece, without the frames already cut from it.
    piece: Bytes,
    /// Whether the current line has any character.
    line_has_text: bool,
    /// Whether the last byte was a CR, which ends a line alone or together with a following LF.
    after_cr: bool,
}

impl Frames {
    /// Adds the next piece of the stream. Call [`Self::next_frame`] until it gives nothing before adding another.
    pub fn push(&mut self, piece: Bytes) {
        if self.piece.is_empty() {
            self.piece = piece;
        } else {
            self.begun.extend_from_slice(&std::mem::replace(&mut self.piece, piece));
        }
    }

    /// The next whole frame, with the blank line that ends it.
    ///
    /// A CR at the end of what has arrived does not end a frame before the next byte shows whether an LF belongs to it.
    pub fn next_frame(&mut self) -> Option<Bytes> {
        match self.boundary() {
            Some(end) => {
                let last = self.piece.split_to(end);
                if self.begun.is_empty() {
                    return Some(last);
                }
                self.begun.extend_from_slice(&last);
                Some(self.begun.split().freeze())
            }
            None => {
                self.begun.extend_from_slice(&std::mem::take(&mut self.piece));
                None
            }
        }
    }

    /// How many bytes have arrived that are in no frame yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.begun.len() + self.piece.len()
    }

    /// What is left when the stream has ended: a frame without the blank line, or nothing.
    #[must_use]
    pub fn rest(&mut self) -> Bytes {
        self.begun.extend_from_slice(&std::mem::take(&mut self.piece));
        self.begun.split().freeze()
    }

    /// Where the current frame ends in the newest piece, if it does.
    fn boundary(&mut self) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.after_cr {
                let next = *self.piece.get(at)?;
                self.after_cr = false;
                at += usize::from(next == b'\n');
                if !std::mem::take(&mut self.line_has_text) {
                    return Some(at);
                }
                continue;
            }
            let rest = self.piece.get(at..)?;
            let Some(text) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.line_has_text |= !rest.is_empty();
                return None;
            };
            self.line_has_text |= text > 0;
            at += text + 1;
            if rest.get(text) == Some(&b'\r') {
                self.after_cr = true;
            } else if !std::mem::take(&mut self.line_has_text) {
                return Some(at);
            }
        }
    }
}

/// A frame as an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// The value of the last `event` field; empty when there is none.
    pub name: &'a [u8],
    /// The values of the `data` fields, with LF between them.
    pub data: Cow<'a, [u8]>,
}

/// Reads a frame as an event. Comments and other fields are passed over.
#[must_use]
pub fn event(frame: &[u8]) -> Event<'_> {
    let mut event = Event::default();
    let mut has_data = false;
    for line in frame.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &line[line.len()..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => event.name = value,
            b"data" if !has_data => (event.data, has_data) = (Cow::Borrowed(value), true),
            b"data" => {
                let data = event.data.to_mut();
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            _ => {}
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut frames = Frames::default();
        let mut whole = Vec::new();
        for piece in pieces {
            frames.push(Bytes::copy_from_slice(piece));
            while let Some(frame) = frames.next_frame() {
                whole.push(frame.to_vec());
            }
        }
        (whole, frames.rest().to_vec())
    }

    #[track_caller]
    fn check(stream: &str, want: &[&str], rest: &str) {
        let want: Vec<Vec<u8>> = want.iter().map(|frame| frame.as_bytes().to_vec()).collect();
        assert_eq!(cut(&[stream.as_bytes()]), (want, rest.as_bytes().to_vec()));
    }

    #[test]
    fn frames_end_at_blank_lines_of_any_kind() {
        check("data: a\n\ndata: b\n\n", &["data: a\n\n", "data: b\n\n"], "");
        check("data: a\r\n\r\ndata: b\r\n\r\nda", &["data: a\r\n\r\n", "data: b\r\n\r\n"], "da");
        check("data: a\r\rdata: b", &["data: a\r\r"], "data: b");
        check(": ping\n\n\ndata: a\ndata: b\n\n", &[": ping\n\n", "\n", "data: a\ndata: b\n\n"], "");
        check("data: a\n\r\nx", &["data: a\n\r\n"], "x");
    }

    #[test]
    fn a_crlf_split_between_pieces_stays_in_its_frame() {
        let (frames, rest) = cut(&[b"data: a\r\n\r", b"\ndata: b\r", b"\n\r\n"]);
        assert_eq!(frames, [b"data: a\r\n\r\n".to_vec(), b"data: b\r\n\r\n".to_vec()]);
        assert_eq!(rest, b"");
    }

    #[test]
    fn a_frame_in_one_piece_is_not_copied() {
        let piece = Bytes::from_static(b"data: a\n\ndata: b\n\n");
        let mut frames = Frames::default();
        frames.push(piece.clone());
        let first = frames.next_frame().expect("there is a frame");
        assert_eq!(first.as_ptr(), piece.as_ptr());
    }

    #[test]
    fn events_join_data_and_pass_over_the_rest() {
        let seen = event(b": c\nid: 7\nevent: error\ndata: a\ndata:b\n\n");
        assert_eq!(seen, Event { name: b"error", data: Cow::Borrowed(b"a\nb") });
        assert_eq!(event(b"data: [DONE]\r\n\r\n").data.as_ref(), b"[DONE]");
        assert_eq!(event(b"data\n\n"), Event::default());
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(
            stream in "[a:\\r\\n ]{0,60}",
            cuts in proptest::collection::vec(0_usize..60, 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(stream.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for at in cuts.into_iter().chain([stream.len()]) {
                pieces.push(&stream.as_bytes()[from..at]);
                from = at;
            }
            let (frames, rest) = cut(&pieces);
            prop_assert_eq!(frames.concat().len() + rest.len(), stream.len());
            prop_assert_eq!(cut(&[stream.as_bytes()]), (frames, rest));
        }

        #[test]
        fn events_of_any_bytes_do_not_panic(frame in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(event(&frame).data.len() <= frame.len());
        }
    }
}
