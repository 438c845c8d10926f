//! Paths of patches (RFC 7644, section 3.5.2): `emails[type eq "work"].value`, `urn:…:User:department`.

use std::fmt;

use crate::Error;
use crate::filter::{Filter, Parser};
use crate::lexer::{Token, tokens};
use crate::resolve::{Attr, Named, resolve};
use crate::schema::{ResourceType, Schema};

/// Where in a resource a change goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Path {
    /// All of an extension.
    Extension(&'static Schema),
    /// An attribute, or a part of it.
    Attr(Attr),
    /// The values of a multi-valued attribute that meet a condition, or a part of them.
    Chosen(Attr, Filter),
}

impl Path {
    /// Reads a path in resources of a type.
    ///
    /// # Errors
    /// `invalidPath`, with what cannot be understood.
    pub fn parse(kind: &'static ResourceType, text: &str) -> Result<Self, Error> {
        let tokens = tokens(text, |why| Error::path(format!("the path cannot be read: {why}")))?;
        let mut parser = Parser { kind, others: &[], parts_of: None, tokens, at: 0, depth: 0, terms: 0 };
        let Some(Token::Word(name)) = parser.take() else {
            return Err(Error::path("a path begins with the name of an attribute"));
        };
        let named = resolve(kind, &name).ok_or_else(|| Error::path(format!("there is no attribute `{name}` here")))?;
        let attr = match named {
            Named::Extension(extension) if parser.peek().is_none() => return Ok(Self::Extension(extension)),
            Named::Extension(_) => return Err(Error::path("an extension's name is followed by an attribute's")),
            Named::Attr(attr) if parser.peek().is_none() => return Ok(Self::Attr(attr)),
            Named::Attr(attr) => attr,
        };
        if !parser.takes_sign('[') {
            return Err(Error::path(format!("`{attr}` is followed by something that is no condition in brackets")));
        }
        let filter = parser.brackets(attr).map_err(|error| Error::path(error.detail))?;
        let part = match parser.take() {
            None => None,
            Some(Token::Word(word)) => {
                let part = word.strip_prefix('.').and_then(|name| attr.attribute.part(name));
                Some(part.ok_or_else(|| Error::path(format!("`{}` has no part `{word}`", attr.attribute.name)))?)
            }
            Some(_) => return Err(Error::path("a closing bracket is followed by nothing, or by a dot and a name")),
        };
        match parser.peek() {
            None => Ok(Self::Chosen(Attr { part, ..attr }, filter)),
            Some(_) => Err(Error::path("the path goes on after its end")),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extension(extension) => f.write_str(extension.id),
            Self::Attr(attr) => write!(f, "{attr}"),
            Self::Chosen(attr, filter) => {
                write!(f, "{}[{filter}]", Attr { part: None, ..*attr })?;
                attr.part.map_or(Ok(()), |part| write!(f, ".{}", part.name))
            }
        }
    }
}
