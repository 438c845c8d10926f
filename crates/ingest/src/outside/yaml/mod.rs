//! A strict part of YAML 1.2, as contracts are written in it: mappings, sequences, plain and quoted values, and blocks of
//! text. What would make a file mean more than it shows is refused with its line: anchors, aliases, tags, merges, directives,
//! several documents, keys that are there twice. So are tabs before a line, and quoted values over several lines.

#[cfg(test)]
mod tests;

use serde_json::{Map, Number, Value};

/// How deep a file goes.
const MAX_DEPTH: usize = 32;

/// The most values of a file.
const MAX_VALUES: usize = 50_000;

/// Reads a file.
///
/// # Errors
/// The line and what is wrong there.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader { lines: text.lines().collect(), at: 0, inline: None, values: 0 };
    reader.head()?;
    let value = reader.block(0, 0)?;
    match reader.peek()? {
        None => Ok(value),
        Some(_) => reader.wrong("this belongs to nothing above: look at how far it is indented"),
    }
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
    /// What is left of the present line, and at which column it begins, after a dash.
    inline: Option<(usize, &'a str)>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn wrong<T>(&self, why: &str) -> Result<T, String> {
        Err(format!("line {}: {why}", self.at + 1))
    }

    /// Goes past a mark of the beginning.
    fn head(&mut self) -> Result<(), String> {
        if let Some(first) = self.lines.first_mut() {
            *first = first.strip_prefix('\u{feff}').unwrap_or(first);
        }
        if self.peek()?.is_some_and(|(indent, line)| indent == 0 && without_comment(line) == "---") {
            self.at += 1;
        }
        Ok(())
    }

    /// The next line that says something: how far it is indented, and what it says.
    fn peek(&mut self) -> Result<Option<(usize, &'a str)>, String> {
        if self.inline.is_some() {
            return Ok(self.inline);
        }
        while let Some(line) = self.lines.get(self.at).copied() {
            let said = line.trim_start_matches(' ');
            if said.trim().is_empty() || said.starts_with('#') {
                self.at += 1;
                continue;
            }
            if said.starts_with('\t') {
                return self.wrong("a tab is no indentation: write spaces");
            }
            let indent = line.len() - said.len();
            if indent == 0 && (said.starts_with('%') || ["---", "..."].iter().any(|mark| said.starts_with(mark))) {
                // The mark at the beginning is gone past, and read here once.
                let first = self.lines.iter().take(self.at).all(|line| line.trim().is_empty() || line.starts_with('#'));
                if !(first && without_comment(said) == "---") {
                    return self.wrong("one document without directives is read");
                }
            }
            return Ok(Some((indent, said.trim_end())));
        }
        Ok(None)
    }

    fn advance(&mut self) {
        self.inline = None;
        self.at += 1;
    }

    /// What is indented by `least` or more; nothing when nothing is.
    fn block(&mut self, least: usize, depth: usize) -> Result<Value, String> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return self.wrong("the file goes deeper or has more values than a contract has");
        }
        match self.peek()? {
            Some((indent, line)) if indent >= least => {
                if is_item(line) {
                    self.sequence(indent, depth)
                } else if self.key(line)?.is_some() {
                    self.mapping(indent, depth)
                } else {
                    self.value(line, least.saturating_sub(1), depth)
                }
            }
            _ => Ok(Value::Null),
        }
    }

    fn sequence(&mut self, indent: usize, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        while let Some((at, line)) = self.peek()? {
            if at < indent || (at == indent && !is_item(line)) {
                break;
            }
            if at > indent {
                return self.wrong("this is indented by more than the list that it is in");
            }
            let rest = line.strip_prefix('-').unwrap_or(line);
            let item = rest.trim_start_matches(' ');
            if item.is_empty() || item.starts_with('#') {
                self.advance();
            } else {
                self.inline = Some((indent + 1 + rest.len() - item.len(), item));
            }
            items.push(self.block(indent + 1, depth + 1)?);
        }
        Ok(Value::Array(items))
    }

    fn mapping(&mut self, indent: usize, depth: usize) -> Result<Value, String> {
        let mut members = Map::new();
        while let Some((at, line)) = self.peek()? {
            if at < indent {
                break;
            }
            if at > indent {
                return self.wrong("this is indented by more than the member above it");
            }
            let Some((key, rest)) = self.key(line)? else {
                return self.wrong("a member is written `name: value`");
            };
            if key == "<<" {
                return self.wrong("merges are not read: write the members out");
            }
            if members.contains_key(&key) {
                return self.wrong("a member of this name is there already");
            }
            let value = match without_comment(rest) {
                "" => {
                    self.advance();
                    match self.peek()? {
                        // A list may stand below its name without being indented by more.
                        Some((at, line)) if at == indent && is_item(line) => self.sequence(indent, depth + 1)?,
                        _ => self.block(indent + 1, depth + 1)?,
                    }
                }
                _ => self.value(rest, indent, depth + 1)?,
            };
            members.insert(key, value);
        }
        Ok(Value::Object(members))
    }

    /// The name of a member and what follows it; `None` when a line is none.
    fn key(&self, line: &'a str) -> Result<Option<(String, &'a str)>, String> {
        if line.starts_with(['[', '{', '|', '>']) {
            return Ok(None);
        }
        if line.starts_with(['"', '\'']) {
            let (key, rest) = self.quoted(line)?;
            let rest = rest.trim_start_matches(' ');
            return Ok(rest.strip_prefix(':').filter(|rest| begins_value(rest)).map(|rest| (key, rest.trim_start())));
        }
        if line.starts_with("? ") {
            return self.wrong("a name is plain text");
        }
        let plain = without_comment(line);
        let end = plain.match_indices(':').map(|(at, _)| at).find(|at| plain.get(at + 1..).is_some_and(begins_value));
        let Some(end) = end else { return Ok(None) };
        let (key, rest) = (plain.get(..end).unwrap_or_default().trim_end(), line.get(end + 1..).unwrap_or_default());
        if key.is_empty() || key.starts_with(['&', '*', '!', '@', '`', '%']) {
            return self.wrong("a name has no anchor, alias or tag");
        }
        Ok(Some((key.to_owned(), rest.trim_start())))
    }

    /// A value that begins on this line, below something that is indented by `indent`.
    fn value(&mut self, said: &'a str, indent: usize, depth: usize) -> Result<Value, String> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return self.wrong("the file goes deeper or has more values than a contract has");
        }
        match said.chars().next() {
            Some('&' | '*' | '!') => self.wrong("anchors, aliases and tags are not read: write the value out"),
            Some('@' | '`' | '%') => self.wrong("a value does not begin so: put it into quotes"),
            Some('|' | '>') => self.text(said, indent),
            Some('[' | '{') => self.flow(said, depth),
            Some('"' | '\'') => {
                let (text, rest) = self.quoted(said)?;
                if !without_comment(rest).is_empty() {
                    return self.wrong("something follows what is in quotes");
                }
                self.advance();
                Ok(Value::String(text))
            }
            _ => self.plain(said, indent),
        }
    }

    /// A plain value, which may go on in lines that are indented by more.
    fn plain(&mut self, said: &'a str, indent: usize) -> Result<Value, String> {
        let first = without_comment(said);
        let commented = first.len() < said.trim_end().len();
        if self.key(first)?.is_some() {
            return self.wrong("a value with `: ` in it stands in quotes");
        }
        self.advance();
        let mut text = first.to_owned();
        let mut lines = 1;
        loop {
            let next = self.at;
            // After a comment it does not go on.
            let Some((_, line)) = self.peek()?.filter(|(at, _)| !commented && *at > indent) else { break };
            if self.at > next {
                return self
                    .wrong("a value over several lines has no empty line and no comment in it: write it below `|`");
            }
            let more = without_comment(line);
            if is_item(line) || self.key(more)?.is_some() {
                return self.wrong("this belongs to nothing above: look at how far it is indented");
            }
            text.push(' ');
            text.push_str(more);
            lines += 1;
            self.advance();
        }
        Ok(if lines == 1 { plain(&text) } else { Value::String(text) })
    }

    /// A block of text, as `|` keeps its lines or `>` joins them.
    fn text(&mut self, said: &str, indent: usize) -> Result<Value, String> {
        let head = without_comment(said);
        let (folds, ends) = match head {
            "|" | ">" => (head == ">", "\n"),
            "|-" | ">-" => (head == ">-", ""),
            _ => return self.wrong("a block of text begins with `|`, `|-`, `>` or `>-`"),
        };
        self.advance();
        let (mut inside, mut lines) = (None, Vec::new());
        while let Some(line) = self.lines.get(self.at).copied() {
            let said = line.trim_start_matches(' ');
            let at = line.len() - said.len();
            if said.trim().is_empty() {
                lines.push("");
            } else if at <= indent {
                break;
            } else {
                let inside = *inside.get_or_insert(at);
                let Some(text) = line.get(inside..).filter(|_| at >= inside) else {
                    return self.wrong("this is indented by less than the text that it is in");
                };
                lines.push(text.trim_end_matches('\r'));
            }
            self.at += 1;
        }
        while lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        let text = match folds {
            false => lines.join("\n"),
            true => lines.iter().fold(String::new(), |mut text, line| {
                if line.is_empty() {
                    text.push('\n');
                } else if !text.is_empty() && !text.ends_with('\n') {
                    text.push(' ');
                }
                text.push_str(line);
                text
            }),
        };
        Ok(Value::String(if text.is_empty() { text } else { text + ends }))
    }

    /// What is in quotes at the beginning, and what follows.
    fn quoted(&self, said: &'a str) -> Result<(String, &'a str), String> {
        quoted(said).map_err(|why| format!("line {}: {why}", self.at + 1))
    }

    /// A list or a mapping in brackets, over as many lines as it takes.
    fn flow(&mut self, said: &'a str, depth: usize) -> Result<Value, String> {
        let begun = self.at;
        let mut text = String::new();
        let mut open = Open::default();
        let mut line = said;
        loop {
            let end = open.follow(line);
            text += line.get(..end).unwrap_or(line);
            text.push(' ');
            if open.depth == 0 {
                break;
            }
            self.advance();
            match self.lines.get(self.at).copied() {
                Some(next) => line = next,
                None => {
                    self.at = begun;
                    return self.wrong("a bracket is not closed");
                }
            }
        }
        self.advance();
        let wrong = |why: String| format!("line {}: {why}", begun + 1);
        let mut flow = Flow { rest: text.trim(), values: &mut self.values };
        let value = flow.value(depth).map_err(wrong)?;
        if flow.rest.trim().is_empty() { Ok(value) } else { Err(wrong("something follows the bracket".to_owned())) }
    }
}

/// How many brackets are open.
#[derive(Default)]
struct Open {
    depth: usize,
    quote: Option<char>,
}

impl Open {
    /// Follows a line; returns where its comment begins, or its end.
    fn follow(&mut self, line: &str) -> usize {
        let mut escaped = false;
        let mut before = ' ';
        for (at, c) in line.char_indices() {
            match (self.quote, c) {
                (Some('"'), '\\') if !escaped => {
                    escaped = true;
                    continue;
                }
                (Some(quote), _) if c == quote && !escaped => self.quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') if matches!(before, ' ' | ',' | '[' | '{' | ':') => self.quote = Some(c),
                (None, '[' | '{') => self.depth += 1,
                (None, ']' | '}') => self.depth = self.depth.saturating_sub(1),
                (None, '#') if before == ' ' => return at,
                (None, _) => {}
            }
            (escaped, before) = (false, c);
        }
        line.len()
    }
}

/// A list or a mapping in brackets.
struct Flow<'a, 'b> {
    rest: &'a str,
    values: &'b mut usize,
}

impl Flow<'_, '_> {
    fn take(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        *self.values += 1;
        if depth > MAX_DEPTH || *self.values > MAX_VALUES {
            return Err("the file goes deeper or has more values than a contract has".to_owned());
        }
        if self.take('[') {
            let mut items = Vec::new();
            while !self.take(']') {
                items.push(self.value(depth + 1)?);
                if !self.take(',') && !self.rest.trim_start().starts_with(']') {
                    return Err("values in brackets have commas between them".to_owned());
                }
            }
            return Ok(Value::Array(items));
        }
        if self.take('{') {
            let mut members = Map::new();
            while !self.take('}') {
                let Value::String(key) = self.scalar(true)? else {
                    return Err("a name in brackets is text".to_owned());
                };
                let value = if self.take(':') { self.value(depth + 1)? } else { Value::Null };
                if members.insert(key, value).is_some() {
                    return Err("a member of one name is there twice".to_owned());
                }
                if !self.take(',') && !self.rest.trim_start().starts_with('}') {
                    return Err("members in brackets have commas between them".to_owned());
                }
            }
            return Ok(Value::Object(members));
        }
        self.scalar(false)
    }

    fn scalar(&mut self, is_key: bool) -> Result<Value, String> {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with(['"', '\'']) {
            let (text, rest) = quoted(self.rest)?;
            self.rest = rest;
            return Ok(Value::String(text));
        }
        if self.rest.starts_with(['&', '*', '!', '@', '`', '%', '|', '>', '?']) {
            return Err("a value in brackets is plain or in quotes".to_owned());
        }
        let ends = |(at, c): &(usize, char)| match c {
            ',' | '[' | ']' | '{' | '}' => true,
            ':' => self.rest.get(at + 1..).is_none_or(|rest| rest.starts_with([' ', ',', ']', '}']) || rest.is_empty()),
            _ => false,
        };
        let end = self.rest.char_indices().find(ends).map_or(self.rest.len(), |(at, _)| at);
        let (text, rest) = self.rest.split_at(end);
        let text = text.trim();
        if text.is_empty() && (is_key || !rest.starts_with(':')) {
            return Err("a value is missing in brackets".to_owned());
        }
        self.rest = rest;
        Ok(if is_key { Value::String(text.to_owned()) } else { plain(text) })
    }
}

fn is_item(line: &str) -> bool {
    line == "-" || line.starts_with("- ")
}

fn begins_value(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(' ')
}

/// A line up to its comment. What is in quotes is not looked at: a comment has a space before it.
fn without_comment(line: &str) -> &str {
    if line.starts_with('#') {
        return "";
    }
    line.find(" #").map_or(line, |at| line.get(..at).unwrap_or(line)).trim_end()
}

/// What is in quotes at the beginning, and what follows.
fn quoted(said: &str) -> Result<(String, &str), String> {
    let unclosed = || "a quoted value ends on its line".to_owned();
    let mut chars = said.char_indices();
    let quote = chars.next().map(|(_, c)| c).ok_or_else(unclosed)?;
    let mut text = String::new();
    while let Some((at, c)) = chars.next() {
        let rest = said.get(at + c.len_utf8()..).unwrap_or_default();
        match c {
            '\'' if quote == '\'' && rest.starts_with('\'') => {
                text.push('\'');
                chars.next();
            }
            c if c == quote => return Ok((text, rest)),
            '\\' if quote == '"' => {
                let (_, escape) = chars.next().ok_or_else(unclosed)?;
                let digits = match escape {
                    'x' => 2,
                    'u' => 4,
                    'U' => 8,
                    _ => 0,
                };
                if digits > 0 {
                    let code: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
                    let code = u32::from_str_radix(&code, 16).ok().filter(|_| code.len() == digits);
                    text.push(code.and_then(char::from_u32).ok_or("there is no such character")?);
                } else {
                    text.push(match escape {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        '0' => '\0',
                        '"' | '\\' | '/' | ' ' => escape,
                        _ => return Err("there is no such escape in quotes".to_owned()),
                    });
                }
            }
            c => text.push(c),
        }
    }
    Err(unclosed())
}

/// What a plain value is.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let begins = digits.starts_with(|c: char| c.is_ascii_digit())
        || (digits.starts_with('.')
            && digits.get(1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())));
    let numeric = begins && digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if numeric {
        if let Ok(number) = text.parse::<i64>() {
            return Value::Number(number.into());
        }
        // A date has dashes in it, and is no number.
        let number = text.parse::<f64>().ok().and_then(Number::from_f64);
        if let Some(number) = number {
            return Value::Number(number);
        }
    }
    Value::String(text.to_owned())
}
