//! The interpreter: every instruction of protocols 0 to 5 does to the stack what it does in Python, but for running
//! anything. What is named, called and built is judged as it comes up, before whatever breaks the pickle later.

use std::io;
use std::rc::Rc;

use super::allow;
use super::value::{Dict, Full, Import, Memo, Texts, Value};
use super::{joblib, judge, nested};
use crate::artifacts::rules::{self, Rule};
use crate::artifacts::shown;
use crate::artifacts::source::{Cursor, Source, bad};

/// Most values on the stack.
const MAX_STACK: usize = 2_000_000;

/// Most findings of one pickle that are kept.
const MAX_FOUND: usize = 200;

/// How a pickle is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// Most instructions that are read.
    pub most: u64,
    /// How deep in other pickles this one lies.
    pub depth: usize,
    /// Whether names of TorchScript are its own, as in its archives.
    pub torchscript: bool,
}

/// What came of interpreting one pickle.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub found: Vec<(&'static Rule, u64, String)>,
    /// Why it breaks, and where.
    pub broke: Option<(u64, String)>,
    /// Where it ended.
    pub end: u64,
    pub imports: usize,
    /// Whether it named what joblib reads arrays by.
    pub arrays: bool,
    /// Whether it made, called or built something that it named.
    pub ran: bool,
    /// Whether instructions were left when as many were read as may be.
    pub more: bool,
    /// What it leaves out for PyTorch to supply: keys, types, lengths.
    pub storages: Vec<(String, String, u64)>,
}

/// What an instruction works on. A copy of it is another reader's view from here on.
#[derive(Clone, Default)]
pub(super) struct State {
    pub stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Memo,
    pub texts: Texts,
}

pub(super) struct Vm<'a> {
    pub cursor: Cursor<'a>,
    pub state: State,
    pub how: How,
    pub out: Outcome,
    /// How many more copies of the state may be made.
    pub forks: usize,
    /// How many more texts and strings of bytes may be looked at as pickles.
    pub tries: usize,
}

/// Interprets the pickle that begins at `at`.
pub(super) fn run(source: &dyn Source, at: u64, how: How) -> Outcome {
    let mut vm = Vm {
        cursor: Cursor::new(source, at),
        state: State::default(),
        how,
        out: Outcome::default(),
        forks: 8,
        tries: 20_000,
    };
    vm.go();
    vm.out
}

/// What Python takes for white space around numbers.
fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || matches!(c, '\u{b}' | '\u{1c}'..='\u{1f}')
}

impl State {
    fn fence(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    pub(super) fn push(&mut self, value: Value) -> io::Result<()> {
        if self.stack.len() >= MAX_STACK {
            return Err(bad(format!("there are more than {MAX_STACK} values on its stack")));
        }
        self.stack.push(value);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> io::Result<Value> {
        match self.stack.len() > self.fence() {
            true => Ok(self.stack.pop().unwrap_or(Value::Plain)),
            false => Err(bad("it takes a value from an empty stack")),
        }
    }

    fn top(&self) -> io::Result<&Value> {
        let top = self.stack.last().filter(|_| self.stack.len() > self.fence());
        top.ok_or_else(|| bad("it uses the top of an empty stack"))
    }

    /// All above the last mark.
    fn pop_mark(&mut self) -> io::Result<Vec<Value>> {
        let mark = self.marks.pop().ok_or_else(|| bad("it goes back to a mark that is not there"))?;
        Ok(self.stack.split_off(mark))
    }
}

impl Vm<'_> {
    pub(super) fn go(&mut self) {
        let mut read = 0_u64;
        loop {
            let at = self.cursor.at();
            if read >= self.how.most {
                self.out.more = true;
                self.out.end = at;
                return;
            }
            read += 1;
            match self.step(at) {
                Ok(true) => {}
                Ok(false) => {
                    self.out.end = self.cursor.at();
                    return;
                }
                Err(error) => {
                    self.out.broke = Some((at, error.to_string()));
                    self.out.end = at;
                    return;
                }
            }
        }
    }

    pub(super) fn found(&mut self, rule: &'static Rule, at: u64, reason: String) {
        let known = self.out.found.iter().any(|(other, _, said)| std::ptr::eq(*other, rule) && *said == reason);
        if !known && self.out.found.len() < MAX_FOUND {
            self.out.found.push((rule, at, reason));
        }
    }

    /// Carries out an instruction; `false` at the end.
    fn step(&mut self, at: u64) -> io::Result<bool> {
        let code = self.cursor.byte()?.ok_or_else(|| bad("it ends without an end"))?;
        match code {
            b'.' => {
                self.state.pop()?;
                return Ok(false);
            }
            b'(' => {
                if self.state.marks.len() >= MAX_STACK {
                    return Err(bad("there are too many marks on its stack"));
                }
                self.state.marks.push(self.state.stack.len());
            }
            b'0' => {
                if self.state.stack.len() > self.state.fence() {
                    self.state.stack.pop();
                } else {
                    self.state.pop_mark()?;
                }
            }
            b'1' => drop(self.state.pop_mark()?),
            b'2' => self.state.push(self.state.top()?.clone())?,
            b'K' => self.number::<1>()?,
            b'M' => self.number::<2>()?,
            b'J' => {
                let number = i32::from_le_bytes(self.cursor.array()?);
                self.state.push(Value::Int(number.into()))?;
            }
            b'G' => self.plain(8)?,
            b'N' => self.state.push(Value::None)?,
            0x88 => self.state.push(Value::Int(1))?,
            0x89 => self.state.push(Value::Int(0))?,
            b']' | 0x8f | 0x97 => self.state.push(Value::Plain)?,
            b'}' => self.state.push(Value::Dict(Rc::new(Dict::default())))?,
            b')' => self.state.push(Value::tuple(&[]))?,
            b'a' => {
                self.state.pop()?;
                let object = self.state.top()?.clone();
                judge::add(self, &object, at);
            }
            b'e' | 0x90 => {
                self.state.pop_mark()?;
                let object = self.state.top()?.clone();
                judge::add(self, &object, at);
            }
            b's' => {
                let (value, key) = (self.state.pop()?, self.state.pop()?);
                self.set_items(&[key, value], at)?;
            }
            b'u' => {
                let items = self.state.pop_mark()?;
                self.set_items(&items, at)?;
            }
            b'd' => {
                let items = self.state.pop_mark()?;
                let dict = Dict::default();
                items.chunks_exact(2).for_each(|pair| {
                    if let [key, value] = pair {
                        dict.set(key, value.clone());
                    }
                });
                self.state.push(Value::Dict(Rc::new(dict)))?;
            }
            b'l' | 0x91 => {
                self.state.pop_mark()?;
                self.state.push(Value::Plain)?;
            }
            b't' => {
                let items = self.state.pop_mark()?;
                self.state.push(Value::tuple(&items))?;
            }
            0x85..=0x87 => self.short_tuple(usize::from(code - 0x84))?,
            0x98 => {
                self.state.top()?;
            }
            0x80 => match self.cursor.array::<1>()? {
                [0..=5] => {}
                [version] => return Err(bad(format!("there is no protocol {version}"))),
            },
            0x95 => {
                self.cursor.array::<8>()?;
            }
            _ => return self.step_more(code, at),
        }
        Ok(true)
    }

    /// The instructions that carry data, remember, or name and make things.
    fn step_more(&mut self, code: u8, at: u64) -> io::Result<bool> {
        match code {
            b'I' | b'F' | b'L' => self.written_number(code)?,
            b'S' | b'V' => nested::line(self, code, at)?,
            0x8c | b'U' => nested::text::<1>(self, at)?,
            b'X' | b'T' => nested::text::<4>(self, at)?,
            0x8d => nested::text::<8>(self, at)?,
            b'C' => nested::bytes::<1>(self, at)?,
            b'B' => nested::bytes::<4>(self, at)?,
            0x8e | 0x96 => nested::bytes::<8>(self, at)?,
            0x8a => {
                let [length] = self.cursor.array()?;
                self.long(length.into())?;
            }
            0x8b => {
                let length = i32::from_le_bytes(self.cursor.array()?);
                self.long(u64::try_from(length).map_err(|_| bad("a number has a negative length"))?)?;
            }
            b'p' => {
                let at = self.decimal()?;
                self.put(at)?;
            }
            b'q' => {
                let [at] = self.cursor.array()?;
                self.put(at.into())?;
            }
            b'r' => {
                let at = u32::from_le_bytes(self.cursor.array()?);
                self.put(at.into())?;
            }
            0x94 => {
                let top = self.state.top()?.clone();
                let put = self.state.memo.memoize(&top);
                self.remembered(put)?;
            }
            b'g' => {
                let at = self.decimal()?;
                self.state.push(self.state.memo.get(at))?;
            }
            b'h' => {
                let [at] = self.cursor.array()?;
                self.state.push(self.state.memo.get(at.into()))?;
            }
            b'j' => {
                let at = u32::from_le_bytes(self.cursor.array()?);
                self.state.push(self.state.memo.get(at.into()))?;
            }
            _ => self.step_names(code, at)?,
        }
        Ok(true)
    }

    fn step_names(&mut self, code: u8, at: u64) -> io::Result<()> {
        match code {
            b'c' => {
                let import = self.two_lines(at)?;
                self.state.push(import)
            }
            0x93 => {
                let (name, module) = (self.state.pop()?, self.state.pop()?);
                let import = match (module, name) {
                    (Value::Text(module), Value::Text(name)) => self.import(&module, &name, at),
                    _ => {
                        let reason = "it names something by what is not a text in it".to_owned();
                        self.found(&rules::PICKLE_COMPUTED, at, reason);
                        self.out.imports += 1;
                        Value::Plain
                    }
                };
                self.state.push(import)
            }
            0x82..=0x84 => {
                let length = [1, 2, 4].get(usize::from(code - 0x82)).copied().unwrap_or(4);
                self.cursor.take(length)?;
                let reason = "what it names is in the register of the machine that reads it".to_owned();
                self.found(&rules::PICKLE_EXTENSION, at, reason);
                self.state.push(Value::Plain)
            }
            b'R' => {
                let (arguments, function) = (self.state.pop()?, self.state.pop()?);
                let made = judge::call(self, &function, &arguments, at);
                self.state.push(made)
            }
            0x81 => {
                let (arguments, class) = (self.state.pop()?, self.state.pop()?);
                let made = judge::new(self, &class, &arguments, at);
                self.state.push(made)
            }
            0x92 => {
                let (_, arguments, class) = (self.state.pop()?, self.state.pop()?, self.state.pop()?);
                let made = judge::new(self, &class, &arguments, at);
                self.state.push(made)
            }
            b'i' => {
                let class = self.two_lines(at)?;
                let arguments = Value::tuple(&self.state.pop_mark()?);
                let made = judge::call(self, &class, &arguments, at);
                self.state.push(made)
            }
            b'o' => {
                let items = self.state.pop_mark()?;
                let (class, arguments) = items.split_first().ok_or_else(|| bad("it makes an object of no class"))?;
                let made = judge::call(self, class, &Value::tuple(arguments), at);
                self.state.push(made)
            }
            b'b' => {
                let state = self.state.pop()?;
                let object = self.state.top()?.clone();
                judge::build(self, &object, &state, at);
                joblib::after_build(self, &object, &state)
            }
            b'P' => {
                self.cursor.line(1 << 16)?.ok_or_else(|| bad("a line has no end"))?;
                self.persistent(&Value::Plain, at)
            }
            b'Q' => {
                let id = self.state.pop()?;
                self.persistent(&id, at)
            }
            other => Err(bad(format!("there is no instruction {other:#04x}"))),
        }
    }

    fn persistent(&mut self, id: &Value, at: u64) -> io::Result<()> {
        let storage = judge::storage(id);
        if storage.is_none() {
            let reason = "it leaves objects to whoever reads it".to_owned();
            self.found(&rules::PICKLE_PERSISTENT, at, reason);
        }
        self.out.storages.extend(storage.filter(|_| self.out.storages.len() < 100_000));
        self.state.push(Value::Plain)
    }

    /// What is named, and what is thought of that.
    pub(super) fn import(&mut self, module: &str, name: &str, at: u64) -> Value {
        self.out.imports += 1;
        let torchscript = self.how.torchscript && (module == "__torch__" || module.starts_with("__torch__."));
        let how = allow::how(module, name).or(torchscript.then_some(allow::Use::Class));
        if how.is_none() {
            let rule = if allow::runs_code(module, name) { &rules::PICKLE_CODE } else { &rules::PICKLE_IMPORT };
            self.found(rule, at, format!("it names `{}.{}`", shown(module), shown(name)));
        }
        let import = Import { module: module.to_owned(), name: name.to_owned(), how };
        self.out.arrays |= joblib::is_wrapper(&import);
        Value::Import(Rc::new(import))
    }

    fn two_lines(&mut self, at: u64) -> io::Result<Value> {
        let mut line = || {
            let line = self.cursor.line(4096)?.ok_or_else(|| bad("a name has no end"))?;
            String::from_utf8(line).map_err(|_| bad("a name is not text"))
        };
        let (module, name) = (line()?, line()?);
        Ok(self.import(&module, &name, at))
    }

    fn plain(&mut self, length: u64) -> io::Result<()> {
        self.cursor.skip(length)?;
        self.state.push(Value::Plain)
    }

    fn number<const N: usize>(&mut self) -> io::Result<()> {
        let bytes = self.cursor.array::<N>()?;
        let number = bytes.iter().rev().fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
        self.state.push(Value::Int(number))
    }

    /// A number in so many bytes; one of more than eight is a number all the same.
    fn long(&mut self, length: u64) -> io::Result<()> {
        if length > 8 {
            return self.plain(length);
        }
        let bytes = self.cursor.take(usize::try_from(length).unwrap_or(8))?;
        let sign = if bytes.last().is_some_and(|last| last & 0x80 != 0) { -1 } else { 0 };
        let number = bytes.iter().rev().fold(sign, |number: i64, byte| number << 8 | i64::from(*byte));
        self.state.push(Value::Int(number))
    }

    fn written_number(&mut self, code: u8) -> io::Result<()> {
        let line = self.cursor.line(1 << 20)?.ok_or_else(|| bad("a number has no end"))?;
        let text = std::str::from_utf8(&line).map_err(|_| bad("a number is not written in digits"))?;
        let digits = text.trim_matches(is_space).trim_end_matches('L');
        let unsigned = digits.trim_start_matches(['-', '+']);
        let plain = |c: char| c.is_ascii_digit() || "+-_".contains(c);
        let value = match digits.parse::<i64>() {
            // Python reads numbers to other bases here, too: `010` is eight.
            _ if code != b'F' && unsigned.starts_with('0') && !matches!(unsigned, "0" | "00" | "01") => Value::Plain,
            Ok(number) if code != b'F' => Value::Int(number),
            _ if code == b'F' && digits.replace('_', "").parse::<f64>().is_ok() => Value::Plain,
            _ if code != b'F' && !digits.is_empty() && digits.chars().all(plain) => Value::Plain,
            _ => return Err(bad("a number is not written in digits")),
        };
        self.state.push(value)
    }

    /// A number of the memo, in all the ways in which Python reads one.
    fn decimal(&mut self) -> io::Result<u64> {
        let line = self.cursor.line(1 << 20)?.ok_or_else(|| bad("a number has no end"))?;
        let text = std::str::from_utf8(&line).unwrap_or_default().trim_matches(is_space);
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let number = digits.split('_').try_fold(0_u64, |number, group| {
            let digits = (!group.is_empty()).then_some(group)?;
            digits.chars().try_fold(number, |number, c| number.checked_mul(10)?.checked_add(c.to_digit(10)?.into()))
        });
        let number = number.filter(|number| *number == 0 || !text.starts_with('-'));
        number.ok_or_else(|| bad("a number is not written in digits"))
    }

    fn put(&mut self, at: u64) -> io::Result<()> {
        let top = self.state.top()?.clone();
        let put = self.state.memo.put(at, &top);
        self.remembered(put)
    }

    fn remembered(&mut self, put: Result<(), Full>) -> io::Result<()> {
        match put {
            Ok(()) => Ok(()),
            Err(Full::TooMany) => Err(bad("it remembers more than is followed")),
            Err(Full::TooHigh) => {
                let reason = "it remembers something under a number that takes gigabytes of memory".to_owned();
                self.found(&rules::PICKLE_BOMB, self.cursor.at(), reason);
                Err(bad("a number of its memo is out of proportion"))
            }
        }
    }

    fn short_tuple(&mut self, length: usize) -> io::Result<()> {
        let mut items = (0..length).map(|_| self.state.pop()).collect::<io::Result<Vec<_>>>()?;
        items.reverse();
        self.state.push(Value::tuple(&items))
    }

    fn set_items(&mut self, items: &[Value], at: u64) -> io::Result<()> {
        let object = self.state.top()?.clone();
        let Value::Dict(dict) = &object else {
            judge::enter(self, &object, at);
            return Ok(());
        };
        if dict.sealed.get() {
            let reason = "it changes the arguments of a call that it prepared".to_owned();
            self.found(&rules::PICKLE_CALL, at, reason);
        }
        for pair in items.chunks_exact(2) {
            if let [key, value] = pair {
                dict.set(key, value.clone());
            }
        }
        Ok(())
    }
}
