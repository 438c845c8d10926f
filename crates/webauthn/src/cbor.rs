//! As much of CBOR (RFC 8949) as authenticators use: definite lengths, no tags, and bounds on everything.

/// The most entries of a map or an array.
const MAX_ITEMS: u64 = 64;

/// How deep maps and arrays lie in each other.
const MAX_DEPTH: usize = 8;

/// A data item. What no rule here looks at is read and not kept.
#[derive(Debug, PartialEq)]
pub(crate) enum Item<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Map(Vec<(Item<'a>, Item<'a>)>),
    Other,
}

impl<'a> Item<'a> {
    /// The value of a map's key.
    pub fn get(&self, key: &Item<'_>) -> Option<&Item<'a>> {
        match self {
            Self::Map(entries) => entries.iter().find(|entry| entry.0 == *key).map(|entry| &entry.1),
            _ => None,
        }
    }

    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(*bytes),
            _ => None,
        }
    }
}

/// Reads items off the front of bytes.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next item.
    pub fn item(&mut self) -> Option<Item<'a>> {
        self.item_at(0)
    }

    fn item_at(&mut self, depth: usize) -> Option<Item<'a>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let (major, value) = self.head()?;
        match major {
            0 => i64::try_from(value).ok().map(Item::Int),
            1 => i64::try_from(value).ok().map(|value| Item::Int(-1 - value)),
            2 => self.take(value).map(Item::Bytes),
            3 => std::str::from_utf8(self.take(value)?).ok().map(Item::Text),
            4 => {
                for _ in 0..bounded(value)? {
                    self.item_at(depth + 1)?;
                }
                Some(Item::Other)
            }
            5 => self.map(bounded(value)?, depth),
            7 => Some(Item::Other),
            _ => None,
        }
    }

    fn map(&mut self, length: u64, depth: usize) -> Option<Item<'a>> {
        let mut entries: Vec<(Item<'a>, Item<'a>)> = Vec::new();
        for _ in 0..length {
            let key = self.item_at(depth + 1)?;
            let value = self.item_at(depth + 1)?;
            if entries.iter().any(|entry| entry.0 == key) {
                return None;
            }
            entries.push((key, value));
        }
        Some(Item::Map(entries))
    }

    /// The major type of the next item, and its value or length.
    fn head(&mut self) -> Option<(u8, u64)> {
        let (first, rest) = self.0.split_first()?;
        let (value, rest) = match first & 31 {
            small @ 0..=23 => (u64::from(small), rest),
            24 => rest.split_first_chunk().map(|(bytes, rest)| (u64::from(u8::from_be_bytes(*bytes)), rest))?,
            25 => rest.split_first_chunk().map(|(bytes, rest)| (u64::from(u16::from_be_bytes(*bytes)), rest))?,
            26 => rest.split_first_chunk().map(|(bytes, rest)| (u64::from(u32::from_be_bytes(*bytes)), rest))?,
            27 => rest.split_first_chunk().map(|(bytes, rest)| (u64::from_be_bytes(*bytes), rest))?,
            // Reserved, or of a length that is told at the end.
            _ => return None,
        };
        self.0 = rest;
        Some((first >> 5, value))
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}

fn bounded(items: u64) -> Option<u64> {
    (items <= MAX_ITEMS).then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<Item<'_>> {
        let mut reader = Reader::new(bytes);
        reader.item().filter(|_| reader.rest().is_empty())
    }

    #[test]
    fn the_examples_of_the_specification_read_as_it_says() {
        // RFC 8949, appendix A.
        assert_eq!(read(b"\x17"), Some(Item::Int(23)));
        assert_eq!(read(b"\x18\x18"), Some(Item::Int(24)));
        assert_eq!(read(b"\x1b\x00\x00\x00\xe8\xd4\xa5\x10\x00"), Some(Item::Int(1_000_000_000_000)));
        assert_eq!(read(b"\x39\x03\xe7"), Some(Item::Int(-1000)));
        assert_eq!(read(b"\x44\x01\x02\x03\x04"), Some(Item::Bytes(&[1, 2, 3, 4])));
        assert_eq!(read(b"\x62\xc3\xbc"), Some(Item::Text("ü")));
        let entries = vec![(Item::Int(1), Item::Int(2)), (Item::Int(3), Item::Int(4))];
        assert_eq!(read(b"\xa2\x01\x02\x03\x04"), Some(Item::Map(entries)));
        assert_eq!(read(b"\x83\x01\x82\x02\x03\x82\x04\x05"), Some(Item::Other));
        assert_eq!(read(b"\xf5"), Some(Item::Other));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        let deep = [&[0x81_u8; MAX_DEPTH + 2][..], &[0]].concat();
        let cases: [&[u8]; 11] = [
            b"",
            b"\x62\xc3",
            b"\x18",
            b"\x1c",
            b"\x5f\x41\x00\xff",
            b"\xc0\x00",
            b"\x44\x01",
            b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xbb\x00\x00\x00\x00\xff\xff\xff\xff",
            b"\xa2\x01\x02\x01\x03",
            &deep,
        ];
        for bytes in cases {
            assert_eq!(read(bytes), None, "{bytes:x?}");
        }
    }
}
