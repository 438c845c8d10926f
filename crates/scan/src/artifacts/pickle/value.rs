//! What an interpreter of pickles knows of the values on its stack: what is named, and what is needed to follow names and
//! arrays. Everything else is one value, [`Value::Plain`].

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::allow::{Use, is_word};

/// Something that was named.
#[derive(Debug)]
pub(super) struct Import {
    pub module: String,
    pub name: String,
    pub how: Option<Use>,
}

impl Import {
    pub(super) fn is(&self, module: &str, name: &str) -> bool {
        self.module == module && self.name == name
    }
}

/// A type of array elements.
#[derive(Debug)]
pub(super) struct Dtype {
    /// How many bytes an element has, when that is known.
    pub size: Cell<Option<u64>>,
    /// Whether elements are Python objects, when that is known.
    pub objects: Cell<Option<bool>>,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Plain,
    /// A text that is not kept, and is none that matters.
    Word,
    /// What is not remembered any more: it may be anything.
    Lost,
    None,
    Int(i64),
    Text(Rc<str>),
    Import(Rc<Import>),
    /// What came of making or calling something.
    Made(Rc<Import>),
    Dtype(Rc<Dtype>),
    Tuple(Rc<[Value]>),
    /// The entries under text keys, and whether that is all that is in it.
    Dict(Rc<Dict>),
}

#[derive(Debug, Default)]
pub(super) struct Dict {
    pub entries: RefCell<Vec<(Rc<str>, Value)>>,
    pub partly: Cell<bool>,
    /// Whether a key is not known, or as an attribute would be in the place of a method that Python calls.
    pub strange: Cell<bool>,
    /// Whether nothing more may be set in it, since something was judged by what it holds.
    pub sealed: Cell<bool>,
}

/// Whether Python takes an attribute of this name for what it calls while it reads pickles.
fn is_called(name: &str) -> bool {
    name.starts_with("__") || matches!(name, "append" | "extend" | "add")
}

/// Longest tuple and most entries that are followed.
const MAX_ITEMS: usize = 16;
const MAX_ENTRIES: usize = 64;

impl Dict {
    pub(super) fn set(&self, key: &Value, value: Value) {
        let mut entries = self.entries.borrow_mut();
        if !matches!(key, Value::Word) && !matches!(key, Value::Text(key) if !is_called(key)) {
            self.strange.set(true);
        }
        let Value::Text(key) = key else {
            // It may be the key of any of them.
            entries.clear();
            return self.partly.set(true);
        };
        entries.retain(|(other, _)| other != key);
        // A value that holds this one would never be let go of, and a long chain of them not without a deep stack.
        if entries.len() < MAX_ENTRIES && !value.holds_dict() {
            entries.push((key.clone(), value));
        } else {
            self.partly.set(true);
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Value> {
        self.entries.borrow().iter().find(|(name, _)| &**name == key).map(|(_, value)| value.clone())
    }
}

impl Value {
    /// A tuple, in which tuples of tuples are not followed further.
    pub(super) fn tuple(items: &[Value]) -> Self {
        let flat = |value: &Value| match value {
            Self::Tuple(inner) if inner.iter().any(|one| matches!(one, Self::Tuple(_))) => Self::Plain,
            other => other.clone(),
        };
        match items.len() <= MAX_ITEMS {
            true => Self::Tuple(items.iter().map(flat).collect()),
            false => Self::Plain,
        }
    }

    fn holds_dict(&self) -> bool {
        match self {
            Self::Dict(_) => true,
            Self::Tuple(items) => items.iter().any(|item| match item {
                Self::Tuple(items) => items.iter().any(|item| matches!(item, Self::Dict(_))),
                other => matches!(other, Self::Dict(_)),
            }),
            _ => false,
        }
    }
}

/// Longest text that is kept, and how many different ones.
const MAX_TEXT: usize = 200;
const MAX_TEXTS: usize = 50_000;

/// Texts, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts(HashSet<Rc<str>>);

impl Texts {
    pub(super) fn value(&mut self, text: &str) -> Value {
        if text.len() > MAX_TEXT {
            return Value::Plain;
        }
        if let Some(known) = self.0.get(text) {
            return Value::Text(known.clone());
        }
        // What may be named is followed always, other texts while there is room.
        if self.0.len() >= MAX_TEXTS && !is_word(text) {
            return if is_called(text) { Value::Plain } else { Value::Word };
        }
        let text: Rc<str> = text.into();
        self.0.insert(text.clone());
        Value::Text(text)
    }
}

/// Highest place in the memo. The reader of pickles allocates up to it.
const MAX_MEMO: u64 = 1 << 27;

/// From here on only names are remembered, and then nothing.
const FEWER: usize = 400_000;
const MOST: usize = 1_200_000;

/// A set of numbers, at a bit each.
#[derive(Clone, Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn has(&self, index: u32) -> bool {
        self.0.get(index as usize / 64).is_some_and(|bits| bits & 1 << (index % 64) != 0)
    }

    fn set(&mut self, index: u32, on: bool) {
        let (word, bit) = (index as usize / 64, 1_u64 << (index % 64));
        if on && self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits = if on { *bits | bit } else { *bits & !bit };
        }
    }
}

/// What a pickle remembers by number. Plain values take a bit each.
#[derive(Clone, Debug, Default)]
pub(super) struct Memo {
    values: HashMap<u32, Value>,
    filled: Bits,
    /// Where texts are that are not kept, and where other values.
    words: Bits,
    lost: Bits,
    count: u64,
}

pub(super) enum Full {
    /// The number is out of proportion.
    TooHigh,
    /// There is more to remember than is followed.
    TooMany,
}

impl Memo {
    pub(super) fn memoize(&mut self, value: &Value) -> Result<(), Full> {
        self.put(self.count, value)
    }

    pub(super) fn put(&mut self, at: u64, value: &Value) -> Result<(), Full> {
        let index = u32::try_from(at).ok().filter(|_| at < MAX_MEMO).ok_or(Full::TooHigh)?;
        self.count += u64::from(!self.filled.has(index));
        self.filled.set(index, true);
        let room = self.values.len() < FEWER;
        let keep = match value {
            Value::Plain | Value::Word | Value::Lost | Value::None | Value::Int(_) => false,
            Value::Import(_) | Value::Dtype(_) => true,
            Value::Text(text) => room || is_word(text),
            _ => room,
        };
        let word = matches!(value, Value::Word) || !keep && matches!(value, Value::Text(text) if !is_called(text));
        let plain = matches!(value, Value::Plain | Value::None | Value::Int(_));
        self.words.set(index, word);
        self.lost.set(index, !keep && !word && !plain);
        if !keep {
            self.values.remove(&index);
        } else if self.values.len() >= MOST {
            return Err(Full::TooMany);
        } else {
            self.values.insert(index, value.clone());
        }
        Ok(())
    }

    pub(super) fn get(&self, at: u64) -> Value {
        match u32::try_from(at) {
            Ok(at) if self.words.has(at) => Value::Word,
            Ok(at) if self.lost.has(at) => Value::Lost,
            Ok(at) => self.values.get(&at).cloned().unwrap_or(Value::Plain),
            Err(_) => Value::Plain,
        }
    }
}
