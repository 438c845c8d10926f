//! JSON as the readers of models take it: names that stand twice are kept twice, and Python's `NaN` and `Infinity` are read.
//! Long lists of numbers are not kept.

/// Deepest nesting, and most values that are kept.
const MAX_DEPTH: usize = 200;
const MAX_VALUES: usize = 1_500_000;

/// Most numbers of one list that are kept.
const MAX_NUMBERS: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    /// `null`, `true`, `false`, and numbers that are not whole or not small.
    Plain,
    Whole(u64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => entries.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn whole(&self) -> Option<u64> {
        if let Self::Whole(number) = self { Some(*number) } else { None }
    }

    pub(crate) fn entries(&self) -> &[(String, Self)] {
        if let Self::Object(entries) = self { entries } else { &[] }
    }

    pub(crate) fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// Every object in it, itself included.
    pub(crate) fn objects<'a>(&'a self, each: &mut dyn FnMut(&'a Self)) {
        match self {
            Self::Object(entries) => {
                each(self);
                entries.iter().for_each(|(_, value)| value.objects(each));
            }
            Self::List(items) => items.iter().for_each(|item| item.objects(each)),
            _ => {}
        }
    }
}

/// Why something is no JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    pub at: usize,
    pub why: &'static str,
    /// Whether more bytes could make it JSON.
    pub cut: bool,
}

/// Longest number that is read: Python reads whole ones of so many digits.
const MAX_NUMBER: usize = 4300;

/// Reads one value, and says where it ends. Texts that are not UTF-8 are read all the same.
pub(crate) fn parse(text: &[u8]) -> Result<(Json, usize), Bad> {
    read(text, true)
}

fn read(text: &[u8], lossy: bool) -> Result<(Json, usize), Bad> {
    let mut reader = Reader { text, at: 0, values: 0, lossy };
    let value = reader.value(0)?;
    Ok((value, reader.at))
}

/// Whether an object begins here with a name and a colon, whatever follows.
pub(crate) fn begins_object(text: &[u8]) -> bool {
    let mut reader = Reader { text, at: 1, values: 0, lossy: false };
    text.starts_with(b"{") && reader.next() == Ok(b'"') && reader.string().is_ok() && reader.next() == Ok(b':')
}

/// Reads one value with nothing behind it.
pub(crate) fn whole(text: &[u8]) -> Result<Json, Bad> {
    let (value, end) = read(text, false)?;
    match text.get(end..).unwrap_or_default().iter().position(|byte| !byte.is_ascii_whitespace()) {
        None => Ok(value),
        Some(more) => Err(Bad { at: end + more, why: "something follows it", cut: false }),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    values: usize,
    /// Whether texts need not be UTF-8.
    lossy: bool,
}

impl Reader<'_> {
    fn bad<T>(&self, why: &'static str) -> Result<T, Bad> {
        Err(Bad { at: self.at, why, cut: self.at >= self.text.len() })
    }

    /// The next byte that is not white space.
    fn next(&mut self) -> Result<u8, Bad> {
        while let Some(byte) = self.text.get(self.at) {
            if !byte.is_ascii_whitespace() {
                return Ok(*byte);
            }
            self.at += 1;
        }
        self.bad("it ends early")
    }

    fn value(&mut self, depth: usize) -> Result<Json, Bad> {
        if depth > MAX_DEPTH {
            return self.bad("it lies too deep");
        }
        self.values += 1;
        if self.values > MAX_VALUES {
            return self.bad("it has more values than are read");
        }
        match self.next()? {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => Ok(Json::Text(self.string()?)),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, Bad> {
        self.at += 1;
        let mut entries = Vec::new();
        if self.next()? == b'}' {
            self.at += 1;
            return Ok(Json::Object(entries));
        }
        loop {
            if self.next()? != b'"' {
                return self.bad("a name should stand here");
            }
            let name = self.string()?;
            if self.next()? != b':' {
                return self.bad("a colon should stand here");
            }
            self.at += 1;
            entries.push((name, self.value(depth + 1)?));
            match self.next()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(Json::Object(entries));
                }
                _ => return self.bad("a comma should stand here"),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, Bad> {
        self.at += 1;
        let (mut items, mut numbers) = (Vec::new(), 0);
        if self.next()? == b']' {
            self.at += 1;
            return Ok(Json::List(items));
        }
        loop {
            let item = self.value(depth + 1)?;
            let number = matches!(item, Json::Plain | Json::Whole(_));
            numbers += usize::from(number);
            if number && numbers > MAX_NUMBERS {
                self.values -= 1;
            } else {
                items.push(item);
            }
            match self.next()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(Json::List(items));
                }
                _ => return self.bad("a comma should stand here"),
            }
        }
    }

    /// A number, or one of the words.
    fn word(&mut self) -> Result<Json, Bad> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
        let word = std::str::from_utf8(rest.get(..length).unwrap_or_default()).unwrap_or_default();
        let known = matches!(word, "null" | "true" | "false" | "NaN" | "Infinity" | "-Infinity");
        if !known && (length == 0 || length > MAX_NUMBER || word.parse::<f64>().is_err()) {
            return Err(Bad { at: self.at, why: "a value should stand here", cut: length == rest.len() });
        }
        self.at += length;
        Ok(word.parse().map_or(Json::Plain, Json::Whole))
    }

    fn string(&mut self) -> Result<String, Bad> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.iter().take_while(|byte| **byte != b'"' && **byte != b'\\').count();
            text.extend_from_slice(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.text.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return match String::from_utf8(text) {
                        Ok(text) => Ok(text),
                        Err(text) if self.lossy => Ok(String::from_utf8_lossy(text.as_bytes()).into_owned()),
                        Err(_) => self.bad("a text is not UTF-8"),
                    };
                }
                Some(_) => {
                    let c = self.escape()?;
                    text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                None => return self.bad("a text has no end"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Bad> {
        let Some(letter) = self.text.get(self.at + 1).copied() else {
            self.at = self.text.len();
            return self.bad("a text has no end");
        };
        self.at += 2;
        Ok(match letter {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'"' | b'\\' | b'/' => char::from(letter),
            b'u' => {
                let high = self.four()?;
                let next = self.text.get(self.at..self.at + 2);
                if (0xd800..0xdc00).contains(&high) && next == Some(b"\\u".as_slice()) {
                    self.at += 2;
                    let low = self.four()?;
                    let both = 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
                    return Ok(char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return self.bad("an escape is unknown"),
        })
    }

    fn four(&mut self) -> Result<u32, Bad> {
        let digits = self.text.get(self.at..self.at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(number) => {
                self.at += 4;
                Ok(number)
            }
            None => self.bad("an escape is unknown"),
        }
    }
}
