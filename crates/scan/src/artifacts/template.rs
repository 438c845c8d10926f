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

/// What stands between Jinja's brackets, and where.
fn blocks(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(begin) = text.get(at..).and_then(|rest| rest.find("{{").into_iter().chain(rest.find("{%")).min()) {
        let begin = at + begin + 2;
        let end = if text.as_bytes().get(begin - 1) == Some(&b'%') { "%}" } else { "}}" };
        let inside = text.get(begin..).unwrap_or_default();
        let length = ends(inside, end);
        found.push((begin, inside.get(..length).unwrap_or(inside)));
        at = begin + length;
    }
    found
}

/// Where a block ends, which is not within quotes.
fn ends(inside: &str, end: &str) -> usize {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in inside.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if inside.get(at..).is_some_and(|rest| rest.starts_with(end)) => return at,
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
            Token::Text(text)
                if text.contains("__") || text.contains("\\x") || text.contains("\\u005") || text.contains("\\137") =>
            {
                format!("it has a text that names what belongs to Python: `{}`", shown(text))
            }
            // `obj['_' ~ '_class_' ~ '_']`: pieces of a name with underscores.
            Token::Text(text)
                if text.len() < 40 && (text.starts_with('_') || text.ends_with('_')) && joined(&tokens, at) =>
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
    (mark(at.checked_sub(1)) || mark(Some(at + 1)))
        && tokens.iter().any(|token| matches!(token, Token::Mark('[' | '|')))
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
