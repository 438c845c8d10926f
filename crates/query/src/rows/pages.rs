//! What Parquet claims, read before any reader takes memory for it: a page is unpacked in one piece, a dictionary has room for as
//! many values as it says, and lists of the footer for as many elements. Headers and footer are structures of Thrift's
//! compact protocol, of which few fields are of interest.

use super::read::malformed;
use super::{RangeRead, RowsError};

/// The longest page when it is unpacked.
const MAX_PAGE_BYTES: i64 = 256 << 20;

/// The longest header of a page.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// What is nested in a header, at most.
const MAX_DEPTH: u8 = 16;

/// How long a page is.
#[derive(Debug, PartialEq, Eq)]
struct PageHeader {
    /// Bytes of the header.
    length: usize,
    unpacked: i64,
    packed: i64,
    /// How many values a dictionary says that it has.
    values: Option<i64>,
}

/// Whether the lists of a footer are as long as they say, and no element of the schema has more children than there are
/// elements.
pub(super) fn footer_is_bounded(footer: &[u8]) -> bool {
    Compact { rest: footer }.footer().is_some()
}

/// Looks at the headers of the pages between `from` and `to`, which are one column of a row group: `place` says which.
pub(super) fn are_bounded(bytes: &dyn RangeRead, from: u64, to: u64, place: &str) -> Result<(), RowsError> {
    let mut at = from;
    while at < to {
        let header = header_at(bytes, at, to)?;
        let Some(PageHeader { length, unpacked, packed, values }) = header else {
            return malformed(format!(
                "{place}: at byte {at} there is no page, where its metadata says that there is one"
            ));
        };
        if unpacked > MAX_PAGE_BYTES {
            return malformed(format!(
                "{place}: the page at byte {at} claims to be {unpacked} bytes long, and {MAX_PAGE_BYTES} is the most"
            ));
        }
        // A value of a dictionary takes a byte at least.
        if values.is_some_and(|values| !(0..=unpacked).contains(&values)) {
            return malformed(format!("{place}: the dictionary at byte {at} claims more values than it has bytes"));
        }
        let next = u64::try_from(packed).ok().and_then(|packed| at.checked_add(length as u64)?.checked_add(packed));
        match next.filter(|next| *next <= to && unpacked >= 0) {
            Some(next) => at = next,
            None => return malformed(format!("{place}: the page at byte {at} claims to end behind its column")),
        }
    }
    Ok(())
}

fn header_at(bytes: &dyn RangeRead, at: u64, to: u64) -> Result<Option<PageHeader>, RowsError> {
    let most = (to - at).min(MAX_HEADER_BYTES);
    for length in [512, MAX_HEADER_BYTES] {
        let mut head = vec![0; usize::try_from(length.min(most)).unwrap_or_default()];
        bytes.read_at(at, &mut head)?;
        let found = Compact { rest: &head }.page_header(head.len());
        if found.is_some() || length >= most {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Thrift's compact protocol. `None` for what ends too early or is none.
struct Compact<'a> {
    rest: &'a [u8],
}

impl Compact<'_> {
    fn page_header(mut self, whole: usize) -> Option<PageHeader> {
        let (mut field, mut unpacked, mut packed, mut values) = (0, None, None, None);
        loop {
            let (kind, id) = self.field(field)?;
            if kind == 0 {
                break;
            }
            field = id;
            match (id, kind) {
                (2, 5) => unpacked = Some(self.zigzag()?),
                (3, 5) => packed = Some(self.zigzag()?),
                (7, 12) => values = self.number_in(1)?,
                _ => self.skip(kind, MAX_DEPTH)?,
            }
        }
        Some(PageHeader { length: whole - self.rest.len(), unpacked: unpacked?, packed: packed?, values })
    }

    /// Reads a footer to its end.
    fn footer(&mut self) -> Option<()> {
        let mut field = 0;
        loop {
            let (kind, id) = self.field(field)?;
            if kind == 0 {
                return Some(());
            }
            field = id;
            if (id, kind) != (2, 9) {
                self.skip(kind, MAX_DEPTH)?;
                continue;
            }
            let (of, elements) = self.list()?;
            for _ in 0..elements {
                let children = if of == 12 { self.number_in(5)? } else { return None };
                if children.is_some_and(|children| u64::try_from(children).is_ok_and(|children| children > elements)) {
                    return None;
                }
            }
        }
    }

    /// Reads a structure; the number that is its field `wanted`, if it has that.
    fn number_in(&mut self, wanted: i64) -> Option<Option<i64>> {
        let (mut field, mut number) = (0, None);
        loop {
            let (kind, id) = self.field(field)?;
            if kind == 0 {
                return Some(number);
            }
            field = id;
            match (id, kind) {
                (id, 5) if id == wanted => number = Some(self.zigzag()?),
                _ => self.skip(kind, MAX_DEPTH)?,
            }
        }
    }

    /// The beginning of a list: the type of its elements, and how many there are.
    fn list(&mut self) -> Option<(u8, u64)> {
        let head = self.byte()?;
        let (of, short) = (head & 0x0f, head >> 4);
        Some((of, if short == 15 { self.varint()? } else { u64::from(short) }))
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, length: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(length).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// Type and number of the next field; type 0 at the end.
    fn field(&mut self, before: i64) -> Option<(u8, i64)> {
        let head = self.byte()?;
        let kind = head & 0x0f;
        match (kind, head >> 4) {
            (0, _) => Some((0, before)),
            (_, 0) => Some((kind, self.zigzag()?)),
            (_, delta) => Some((kind, before.checked_add(i64::from(delta))?)),
        }
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1 | 2 => Some(()),
            3 => self.take(1),
            4..=6 => self.varint().map(drop),
            7 => self.take(8),
            8 => {
                let length = self.varint()?;
                self.take(length)
            }
            9 | 10 => {
                let (of, count) = self.list()?;
                // A truth value in a list takes a byte, in a structure none.
                (0..count).try_for_each(|_| if of <= 2 { self.take(1) } else { self.skip(of, depth) })
            }
            12 => loop {
                let (kind, _) = self.field(0)?;
                if kind == 0 {
                    return Some(());
                }
                self.skip(kind, depth)?;
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of a data page as writers make it: type 0, so many bytes unpacked and packed, and a structure.
    fn header(unpacked: &[u8], packed: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x15, 0x00, 0x15];
        bytes.extend_from_slice(unpacked);
        bytes.push(0x15);
        bytes.extend_from_slice(packed);
        bytes.extend_from_slice(&[
            0x2c, 0x15, 0x06, 0x15, 0x00, 0x15, 0x06, 0x15, 0x06, 0x1c, 0x18, 0x01, b'x', 0, 0, 0,
        ]);
        bytes
    }

    #[test]
    fn given_pages_when_looked_at_then_one_that_claims_too_much_is_named() {
        let page = |unpacked: &[u8], packed: &[u8]| [header(unpacked, packed), vec![0; 5]].concat();
        let check = |bytes: Vec<u8>| {
            let to = bytes.len() as u64;
            are_bounded(&bytes, 0, to, "row group 1, column 1").map_err(|error| error.to_string())
        };
        // 5 and 10 bytes, as varints of twice that.
        let good = page(&[20], &[10]);
        assert_eq!(check([good.clone(), good.clone()].concat()), Ok(()));
        let huge = page(&[0xfe, 0xff, 0xff, 0xff, 0x0f], &[10]);
        let why = check([good.clone(), huge].concat()).expect_err("refused");
        assert!(why.starts_with("row group 1, column 1: the page at byte 27 claims to be 2147483647 bytes"), "{why}");
        let beyond = check(page(&[20], &[12])).expect_err("refused");
        assert!(beyond.contains("claims to end behind"), "{beyond}");
        assert!(check(good[..6].to_vec()).expect_err("refused").contains("there is no page"));
        assert!(check(vec![0xff; 300]).is_err());
        // A dictionary of 10 bytes: a structure whose first field is how many values it has, 10 and then 11.
        let dictionary =
            |values: u8| [&[0x15, 0x04, 0x15, 20, 0x15, 10, 0x4c, 0x15, values, 0, 0][..], &[0; 5]].concat();
        assert_eq!(check(dictionary(20)), Ok(()));
        assert!(check(dictionary(22)).expect_err("refused").contains("the dictionary at byte 0 claims"));
    }

    #[test]
    fn given_a_footer_when_its_lists_claim_more_than_there_is_then_it_is_refused() {
        // A version, and a schema of one element, which says how many children it has.
        let footer = |children: u8| [0x15, 0x02, 0x19, 0x1c, 0x55, children, 0x00, 0x00];
        assert!(footer_is_bounded(&footer(2)), "one");
        assert!(!footer_is_bounded(&footer(4)), "two, of one element");
        // Row groups: a list of 2^31 - 1 structures.
        assert!(!footer_is_bounded(&[0x15, 0x02, 0x39, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0x00, 0x00]));
        assert!(!footer_is_bounded(&[]));
    }
}
