//! Filters and paths as words, signs and literals.

use serde_json::Value;

use crate::{Error, MAX_FILTER_BYTES};

/// A piece of a filter or path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A name or a word: letters, digits and `_-.:$`.
    Word(String),
    /// Text in quotes, or a number; words such as `true` are words.
    Literal(Value),
    /// One of `()[]`.
    Sign(char),
}

/// Cuts a filter or path into pieces.
pub(crate) fn tokens(text: &str, error: fn(String) -> Error) -> Result<Vec<Token>, Error> {
    if text.len() > MAX_FILTER_BYTES {
        return Err(error(format!("it has {} bytes, the limit is {MAX_FILTER_BYTES}", text.len())));
    }
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        match first {
            ' ' => rest = &rest[1..],
            '(' | ')' | '[' | ']' => {
                tokens.push(Token::Sign(first));
                rest = &rest[1..];
            }
            '"' => {
                let end = closing_quote(rest).ok_or_else(|| error("a quoted text does not end".into()))?;
                let (quoted, after) = rest.split_at(end);
                let value = serde_json::from_str(quoted);
                let value = value.map_err(|_| error("a quoted text is not written as JSON writes it".into()))?;
                tokens.push(Token::Literal(value));
                rest = after;
            }
            c if is_word(c) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                let number = first.is_ascii_digit() || first == '-';
                tokens.push(match serde_json::from_str::<serde_json::Number>(word) {
                    Ok(number_given) if number => Token::Literal(Value::Number(number_given)),
                    _ if number => return Err(error(format!("`{word}` is neither a name nor a number"))),
                    _ => Token::Word(word.to_owned()),
                });
                rest = after;
            }
            other => return Err(error(format!("`{}` has no meaning here", other.escape_default()))),
        }
    }
    Ok(tokens)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '$' | '+')
}

/// Where a text that begins with a quote ends, its last quote included.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}
