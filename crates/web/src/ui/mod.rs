//! The parts that pages are made of: the frame around each page, tables with their query, marks, instants, small
//! charts, and links with their query strings. Each part is a value that renders itself; no page writes markup twice.

mod actor;
mod instant;
mod link;
mod mark;
mod place;
mod shell;
mod spark;
mod sql;
mod table;

pub(crate) use actor::Actor;
pub(crate) use instant::{Instant, clock, parse_instant};
pub(crate) use link::Link;
pub(crate) use mark::{Mark, Tone};
pub(crate) use place::Place;
pub(crate) use shell::{Section, Shell};
pub(crate) use spark::{Bar, Spark};
pub(crate) use sql::{literal, pattern, timestamp};
pub(crate) use table::{Cell, Column, Empty, Query, Table, thousands};

use askama::Template;
use axum::response::{Html, IntoResponse, Response};

use crate::failure::{Failure, PageError};

/// A page, ready to be answered.
pub(crate) type Page = Result<Response, PageError>;

/// Renders a page's template.
pub(crate) fn page<T: Template>(template: &T) -> Page {
    match template.render() {
        Ok(html) => Ok(Html(html).into_response()),
        Err(error) => Err(Failure::internal("render a page", &error).into()),
    }
}
