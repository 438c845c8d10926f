//! Filters (RFC 7644, section 3.4.2.2): `userName eq "zoe" and not (emails[type eq "work"] or title pr)`.
//!
//! A filter is read against the schemas, so an attribute that does not exist, or a comparison that makes no sense for its
//! type, is refused before anything is looked at. Length, depth and the number of comparisons are bounded.

use std::fmt;

use serde_json::{Map, Value};

use crate::lexer::{Token, tokens};
use crate::resolve::{Attr, Named, resolve};
use crate::schema::{Attribute, Kind, RESOURCE_TYPES, ResourceType};
use crate::{Error, MAX_DEPTH, MAX_TERMS};

/// A condition on a resource.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Any of them.
    Or(Vec<Filter>),
    /// All of them.
    And(Vec<Filter>),
    /// Not that.
    Not(Box<Filter>),
    /// A value compares so with the given one.
    Compare(Attr, Op, Value),
    /// There is a value.
    Present(Attr),
    /// One value of a multi-valued attribute meets a condition on its parts.
    Has(Attr, Box<Filter>),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater, or later.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less, or earlier.
    Lt,
    /// Less or equal.
    Le,
}

impl Op {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Eq, "eq"),
        (Self::Ne, "ne"),
        (Self::Co, "co"),
        (Self::Sw, "sw"),
        (Self::Ew, "ew"),
        (Self::Gt, "gt"),
        (Self::Ge, "ge"),
        (Self::Lt, "lt"),
        (Self::Le, "le"),
    ];

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name)| name.eq_ignore_ascii_case(word)).map(|(op, _)| *op)
    }

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(op, _)| *op == self).map_or("eq", |(_, name)| name)
    }
}

impl Filter {
    /// Reads a filter on resources of a type.
    ///
    /// # Errors
    /// `invalidFilter`, with what cannot be understood.
    pub fn parse(kind: &'static ResourceType, text: &str) -> Result<Self, Error> {
        Self::read(kind, &[], text)
    }

    /// Reads a filter that is asked of all types at once, as it is meant for resources of `kind`. An attribute that only
    /// another type has is one without a value there (RFC 7644, section 3.4.2.1).
    ///
    /// # Errors
    /// `invalidFilter`, with what cannot be understood.
    pub fn parse_of_all(kind: &'static ResourceType, text: &str) -> Result<Self, Error> {
        Self::read(kind, &RESOURCE_TYPES, text)
    }

    fn read(kind: &'static ResourceType, others: &'static [&'static ResourceType], text: &str) -> Result<Self, Error> {
        let tokens = tokens(text, |why| Error::filter(format!("the filter cannot be read: {why}")))?;
        let mut parser = Parser { kind, others, parts_of: None, tokens, at: 0, depth: 0, terms: 0 };
        let filter = parser.or()?;
        match parser.peek() {
            None => Ok(filter),
            Some(_) => Err(Error::filter("the filter goes on after its end: `and` or `or` is missing")),
        }
    }

    /// Whether a resource in canonical form meets the condition.
    #[must_use]
    pub fn matches(&self, resource: &Map<String, Value>) -> bool {
        match self {
            Self::Or(any) => any.iter().any(|filter| filter.matches(resource)),
            Self::And(all) => all.iter().all(|filter| filter.matches(resource)),
            Self::Not(filter) => !filter.matches(resource),
            Self::Present(attr) => attr.values(resource).into_iter().any(|value| !is_nothing(value)),
            Self::Compare(attr, op, Value::Null) => attr.values(resource).is_empty() == (*op == Op::Eq),
            Self::Compare(attr, Op::Ne, wanted) => !compares(*attr, Op::Eq, wanted, resource),
            Self::Compare(attr, op, wanted) => compares(*attr, *op, wanted, resource),
            Self::Has(attr, filter) => {
                let whole = Attr { part: None, ..*attr };
                elements(whole, resource).any(|element| filter.matches(element))
            }
        }
    }

    /// The text that an attribute must equal, when the filter asks for nothing else: such filters need no search.
    #[must_use]
    pub fn wanted(&self, attribute: &str) -> Option<&str> {
        match self {
            Self::Compare(Attr { extension: None, attribute: found, part: None }, Op::Eq, Value::String(text)) => {
                (found.name == attribute).then_some(text.as_str())
            }
            _ => None,
        }
    }

    /// The parts that a value must equal to meet this condition, when that is all that it says.
    pub(crate) fn equalities(&self) -> Option<Vec<(&'static str, Value)>> {
        match self {
            Self::Compare(attr, Op::Eq, value) if attr.part.is_none() => {
                Some(vec![(attr.attribute.name, value.clone())])
            }
            Self::And(all) => all.iter().map(Self::equalities).collect::<Option<Vec<_>>>().map(|all| all.concat()),
            _ => None,
        }
    }
}

/// The values of a multi-valued complex attribute, as objects.
pub(crate) fn elements(attr: Attr, resource: &Map<String, Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let holder = match attr.extension {
        Some(extension) => resource.get(extension.id).and_then(Value::as_object),
        None => Some(resource),
    };
    let value = holder.and_then(|holder| holder.get(attr.attribute.name));
    let each = match value {
        Some(Value::Array(values)) => values.as_slice(),
        Some(single) => std::slice::from_ref(single),
        None => &[],
    };
    each.iter().filter_map(Value::as_object)
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(parts) => parts.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn compares(attr: Attr, op: Op, wanted: &Value, resource: &Map<String, Value>) -> bool {
    let leaf = match attr.part {
        None => attr.attribute.part("value").unwrap_or(attr.attribute),
        Some(part) => part,
    };
    attr.values(resource).into_iter().any(|value| match (value, wanted) {
        (Value::String(value), Value::String(wanted)) => texts(leaf, op, value, wanted),
        (Value::Bool(value), Value::Bool(wanted)) => op == Op::Eq && value == wanted,
        _ => false,
    })
}

fn texts(leaf: &Attribute, op: Op, value: &str, wanted: &str) -> bool {
    let form = |text: &str| match leaf.kind {
        // Moments are kept in UTC, so text without its `Z` is in order of time, with parts of a second or without.
        Kind::DateTime => text.trim_end_matches(['Z', 'z']).to_owned(),
        _ if leaf.exact => text.to_owned(),
        _ => text.to_lowercase(),
    };
    let (value, wanted) = (form(value), form(wanted));
    match op {
        Op::Eq => value == wanted,
        Op::Ne => value != wanted,
        Op::Co => value.contains(&wanted),
        Op::Sw => value.starts_with(&wanted),
        Op::Ew => value.ends_with(&wanted),
        Op::Gt => value > wanted,
        Op::Ge => value >= wanted,
        Op::Lt => value < wanted,
        Op::Le => value <= wanted,
    }
}

/// Reads tokens by the grammar; each level of precedence is a function.
pub(crate) struct Parser {
    pub kind: &'static ResourceType,
    /// Types whose attributes may be named too.
    pub others: &'static [&'static ResourceType],
    /// Inside brackets: the attribute whose parts names mean.
    pub parts_of: Option<&'static Attribute>,
    pub tokens: Vec<Token>,
    pub at: usize,
    pub depth: usize,
    pub terms: usize,
}

impl Parser {
    pub fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    pub fn take(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(given)) if given.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    pub fn takes_sign(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn deeper<R>(&mut self, read: impl FnOnce(&mut Self) -> Result<R, Error>) -> Result<R, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::filter(format!("the filter is nested more than {MAX_DEPTH} deep")));
        }
        let result = read(self);
        self.depth -= 1;
        result
    }

    pub fn or(&mut self) -> Result<Filter, Error> {
        let mut any = vec![self.and()?];
        while self.takes_word("or") {
            any.push(self.and()?);
        }
        Ok(if any.len() == 1 { any.remove(0) } else { Filter::Or(any) })
    }

    fn and(&mut self) -> Result<Filter, Error> {
        let mut all = vec![self.term()?];
        while self.takes_word("and") {
            all.push(self.term()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Filter::And(all) })
    }

    fn term(&mut self) -> Result<Filter, Error> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(Error::filter(format!("the filter has more than {MAX_TERMS} comparisons")));
        }
        // An attribute may be called `not` nowhere in our schemas, so the word decides.
        if self.takes_word("not") {
            if self.peek() != Some(&Token::Sign('(')) {
                return Err(Error::filter("`not` is followed by a filter in parentheses"));
            }
            return Ok(Filter::Not(Box::new(self.deeper(Self::term)?)));
        }
        if self.takes_sign('(') {
            let inside = self.deeper(Self::or)?;
            return match self.takes_sign(')') {
                true => Ok(inside),
                false => Err(Error::filter("a parenthesis is not closed")),
            };
        }
        let attr = self.attr()?;
        if self.takes_sign('[') {
            return self.has(attr);
        }
        self.comparison(attr)
    }

    fn attr(&mut self) -> Result<Attr, Error> {
        let Some(Token::Word(name)) = self.take() else {
            return Err(Error::filter("the name of an attribute is missing"));
        };
        let unknown = || Error::filter(format!("there is no attribute `{name}` here"));
        match self.parts_of {
            Some(of) => {
                let attribute = of.part(&name).ok_or_else(unknown)?;
                Ok(Attr { extension: None, attribute, part: None })
            }
            None => {
                let mut kinds = std::iter::once(self.kind).chain(self.others.iter().copied());
                let found = kinds.find_map(|kind| match resolve(kind, &name) {
                    Some(Named::Attr(attr)) => Some(attr),
                    _ => None,
                });
                found.ok_or_else(unknown)
            }
        }
    }

    /// What stands in brackets, and the comparison of a part that may follow them (Entra ID asks so).
    fn has(&mut self, attr: Attr) -> Result<Filter, Error> {
        let filter = self.brackets(attr)?;
        let part = match self.peek() {
            Some(Token::Word(word)) => word.strip_prefix('.').and_then(|name| attr.attribute.part(name)),
            _ => None,
        };
        let Some(part) = part else { return Ok(Filter::Has(attr, Box::new(filter))) };
        self.at += 1;
        let compared = self.comparison(Attr { extension: None, attribute: part, part: None })?;
        Ok(Filter::Has(attr, Box::new(Filter::And(vec![filter, compared]))))
    }

    /// A filter on the parts of an attribute, its opening bracket taken, its closing one too.
    pub fn brackets(&mut self, attr: Attr) -> Result<Filter, Error> {
        if !attr.attribute.many || attr.part.is_some() || self.parts_of.is_some() {
            return Err(Error::filter(format!("`{attr}` does not have several values to choose from")));
        }
        self.parts_of = Some(attr.attribute);
        let filter = self.deeper(Self::or);
        self.parts_of = None;
        let filter = filter?;
        match self.takes_sign(']') {
            true => Ok(filter),
            false => Err(Error::filter("a bracket is not closed")),
        }
    }

    fn comparison(&mut self, attr: Attr) -> Result<Filter, Error> {
        if self.takes_word("pr") {
            return Ok(Filter::Present(attr));
        }
        let op = match self.take() {
            Some(Token::Word(word)) => Op::parse(&word),
            _ => None,
        };
        let op =
            op.ok_or_else(|| Error::filter(format!("`{attr}` is followed by `pr` or a comparison such as `eq`")))?;
        let value = match self.take() {
            Some(Token::Literal(value)) => value,
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") => Value::Bool(true),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("false") => Value::Bool(false),
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("null") => Value::Null,
            _ => {
                return Err(Error::filter(format!(
                    "`{attr} {}` is followed by a value as JSON writes it",
                    op.as_str()
                )));
            }
        };
        fits(attr, op, value)
    }
}

/// A comparison that makes sense for the attribute's type.
fn fits(attr: Attr, op: Op, value: Value) -> Result<Filter, Error> {
    let leaf = match (attr.part, attr.attribute.part("value")) {
        (None, Some(value)) => value,
        _ => attr.leaf(),
    };
    let equality = matches!(op, Op::Eq | Op::Ne);
    let value = match (leaf.kind, value) {
        // Directories write truth values as text here too.
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => Value::Bool(true),
        (Kind::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => Value::Bool(false),
        (_, value) => value,
    };
    let sense = match (leaf.kind, &value) {
        (Kind::Complex, _) => false,
        (_, Value::Null) | (Kind::Boolean, Value::Bool(_)) => equality,
        (Kind::Boolean, _) => false,
        (_, Value::String(_)) => true,
        _ => false,
    };
    match sense {
        true => Ok(Filter::Compare(attr, op, value)),
        false => Err(Error::filter(format!("`{attr}` cannot be compared by `{}` with that value", op.as_str()))),
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, all: &[Filter], word: &str| {
            for (i, filter) in all.iter().enumerate() {
                if i > 0 {
                    write!(f, " {word} ")?;
                }
                match filter {
                    Self::Or(_) | Self::And(_) => write!(f, "({filter})")?,
                    plain => write!(f, "{plain}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::Or(any) => joined(f, any, "or"),
            Self::And(all) => joined(f, all, "and"),
            Self::Not(filter) => write!(f, "not ({filter})"),
            Self::Compare(attr, op, value) => write!(f, "{attr} {} {value}", op.as_str()),
            Self::Present(attr) => write!(f, "{attr} pr"),
            Self::Has(attr, filter) => write!(f, "{attr}[{filter}]"),
        }
    }
}

#[cfg(test)]
mod tests;
