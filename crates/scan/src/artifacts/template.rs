//! Chat templates: Jinja that loaders run. Honest ones print messages; reaching into Python takes names with underscores at
//! their ends, or filters that fetch attributes by a text that can be put together.

use super::{Scan, rules, shown};

/// Names of Jinja's and of frameworks' surroundings from which Python is reached.
const OBJECTS: [&str; 6] = ["cycler", "joiner", "lipsum", "get_flashed_messages", "url_for", "self"];

/// Attributes that lead from any object to the interpreter.
const ATTRIBUTES: [&str; 13] = [
    "mro",
    "popen",
    "gi_frame",
    "gi_code",
    "cr_frame",
    "ag_frame",
    "f_globals",
    "f_builtins",
    "func_globals",
    "tb_frame",
    "im_func",
    "func_code",
    "subclasses",
];

pub(crate) fn judge(scan: &mut Scan, path: &str, offset: Option<u64>, text: &str) {
    for (at, inside) in blocks(text) {
        if let Some(reason) = wrong(inside) {
            scan.found(&rules::TEMPLATE_CODE, path, offset.map(|offset| offset + at as u64), reason);
        }
    }
}

/// What stands between Jinja's brackets, and where. Comments and what is marked as raw are none of it, whatever they hold.
fn blocks(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut at) = (Vec::new(), 0);
    // Whether it may still be that one has an end: searching to the end is done once.
    let (mut comments, mut raws) = (true, true);
    while let Some(open) = text.get(at..).and_then(|rest| rest.find('{')) {
        let begin = at + open + 2;
        let inside = text.get(begin..).unwrap_or_default();
        let end = match text.as_bytes().get(begin - 1) {
            // A comment without an end is no template; what follows is looked at all the same.
            Some(b'#') => {
                let end = if comments { inside.find("#}") } else { None };
                comments = end.is_some();
                at = begin + end.map_or(0, |end| end + 2);
                continue;
            }
            Some(b'%') if raws && tag(inside, "raw").is_some() => match raw(inside) {
                Some(length) => {
                    at = begin + length;
                    continue;
                }
                None => {
                    raws = false;
                    "%}"
                }
            },
            Some(b'%') => "%}",
            Some(b'{') => "}}",
            _ => {
                at += open + 1;
                continue;
            }
        };
        let length = ends(inside, end);
        found.push((begin, inside.get(..length).unwrap_or(inside)));
        at = begin + length;
    }
    found
}

/// How long `raw` is with all to its end, if it begins here.
fn raw(inside: &str) -> Option<usize> {
    let length = tag(inside, "raw")?;
    let rest = inside.get(length..).unwrap_or_default();
    let end = rest.match_indices("{%").find_map(|(at, _)| Some(at + 2 + tag(rest.get(at + 2..)?, "endraw")?));
    end.map(|end| length + end)
}

/// How long a tag is that is this word and no more.
fn tag(inside: &str, word: &str) -> Option<usize> {
    let rest = inside.strip_prefix(['-', '+']).unwrap_or(inside).trim_start().strip_prefix(word)?.trim_start();
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest).strip_prefix("%}")?;
    Some(inside.len() - rest.len())
}

/// Where a block ends, which is not within quotes nor within brackets.
fn ends(inside: &str, end: &str) -> usize {
    let (mut quote, mut escaped, mut deep) = (None, false, 0_usize);
    for (at, c) in inside.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if deep == 0 && inside.get(at..).is_some_and(|rest| rest.starts_with(end)) => return at,
            None if matches!(c, '(' | '[' | '{') => deep += 1,
            None if matches!(c, ')' | ']' | '}') => deep = deep.saturating_sub(1),
            None => {}
        }
    }
    inside.len()
}

fn wrong(inside: &str) -> Option<String> {
    let tokens = tokens(inside);
    let word = |at: usize| match tokens.get(at) {
        Some(Token::Word(word)) => Some(*word),
        _ => None,
    };
    if let Some(tag @ ("include" | "import" | "from" | "extends")) = word(0) {
        return Some(format!("it loads another template with `{tag}`"));
    }
    // A name that is put together is fetched in brackets or by a filter.
    let fetches = tokens.iter().any(|token| matches!(token, Token::Mark('[' | '|')));
    if let Some(text) = computed(&tokens) {
        return Some(format!("it puts together what it fetches, from `{}` among others", shown(text)));
    }
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| tokens.get(before));
        let reason = match token {
            Token::Word(word) if word.starts_with("__") => format!("it names `{}`", shown(word)),
            Token::Word("attr") if matches!(before, Some(Token::Mark('|'))) => {
                "it fetches an attribute by a text".to_owned()
            }
            Token::Word(word) if matches!(before, Some(Token::Mark('.'))) && ATTRIBUTES.contains(word) => {
                format!("it fetches `{}`", shown(word))
            }
            Token::Word(word)
                if !matches!(before, Some(Token::Mark('.'))) && OBJECTS.contains(word) && reaches(&tokens, at) =>
            {
                format!("it reaches into `{}`", shown(word))
            }
            Token::Text(text) if text.contains("__") => {
                format!("it has a text that names what belongs to Python: `{}`", shown(text))
            }
            Token::Text(text) if escapes(text) => {
                format!("it has a text that spells letters by their numbers or names: `{}`", shown(text))
            }
            Token::Text("attr") if fetches => "it names the filter that fetches an attribute by a text".to_owned(),
            // `obj['_' ~ '_class_' ~ '_']`: pieces of a name with underscores.
            Token::Text(text)
                if text.len() < 40
                    && (text.starts_with('_') || text.ends_with('_'))
                    && fetches
                    && joined(&tokens, at) =>
            {
                format!("it puts a name together from `{}`", shown(text))
            }
            _ => continue,
        };
        return Some(reason);
    }
    None
}

/// Whether something is fetched from the word at a place.
fn reaches(tokens: &[Token], at: usize) -> bool {
    matches!(tokens.get(at + 1), Some(Token::Mark('.' | '[' | '(' | '|')))
}

/// Whether the text at a place is put together with another.
fn joined(tokens: &[Token], at: usize) -> bool {
    let mark = |at: Option<usize>| {
        at.and_then(|at| tokens.get(at)).is_some_and(|token| matches!(token, Token::Mark('~' | '+' | '%' | '*')))
    };
    mark(at.checked_sub(1)) || mark(Some(at + 1))
}

/// Whether a text has a backslash before anything but the few letters that chat templates need.
fn escapes(text: &str) -> bool {
    let mut letters = text.chars();
    while let Some(c) = letters.next() {
        if c == '\\' && !matches!(letters.next(), Some('n' | 't' | 'r' | '\\' | '\'' | '"')) {
            return true;
        }
    }
    false
}

/// Words after which a bracket begins a list, and fetches nothing.
const BEFORE_LISTS: [&str; 8] = ["in", "not", "and", "or", "if", "elif", "else", "is"];

/// A bracket that is open: whether it fetches something, and what stands in it.
struct Open<'a> {
    fetches: bool,
    joins: bool,
    text: Option<&'a str>,
}

/// A text of which a name may be made in brackets that fetch something and put texts together.
fn computed<'a>(tokens: &[Token<'a>]) -> Option<&'a str> {
    let mut open: Vec<Open> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark('[') => {
                let fetches = match at.checked_sub(1).and_then(|before| tokens.get(before)) {
                    Some(Token::Word(word)) => !BEFORE_LISTS.contains(word),
                    Some(Token::Text(_) | Token::Mark(')' | ']' | '}')) => true,
                    _ => false,
                };
                open.push(Open { fetches, joins: false, text: None });
            }
            Token::Mark(']') => {
                let Some(closed) = open.pop() else { continue };
                if closed.fetches && closed.joins && closed.text.is_some() {
                    return closed.text;
                }
                if let Some(around) = open.last_mut() {
                    around.joins |= closed.joins;
                    around.text = around.text.or(closed.text);
                }
            }
            Token::Mark('|' | '~' | '+' | '%') => {
                if let Some(one) = open.last_mut() {
                    one.joins = true;
                }
            }
            Token::Text(text) if text.contains('_') || text.contains("%c") => {
                if let Some(one) = open.last_mut() {
                    one.text = Some(*text);
                }
            }
            _ => {}
        }
    }
    None
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Text(&'a str),
    Mark(char),
}

fn tokens(inside: &str) -> Vec<Token<'_>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(c) = inside.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = inside.get(at..).unwrap_or_default();
        let length = match c {
            '"' | '\'' => {
                let body = rest.get(1..).unwrap_or_default();
                let mut escaped = false;
                let end = body.find(|letter: char| {
                    let ends = letter == c && !escaped;
                    escaped = letter == '\\' && !escaped;
                    ends
                });
                let end = end.unwrap_or(body.len());
                found.push(Token::Text(body.get(..end).unwrap_or_default()));
                end + 2
            }
            c if c.is_alphanumeric() || c == '_' => {
                let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                found.push(Token::Word(rest.get(..length).unwrap_or_default()));
                length
            }
            c => {
                if !c.is_whitespace() && c != '-' {
                    found.push(Token::Mark(c));
                }
                c.len_utf8()
            }
        };
        at += length;
    }
    found
}
