//! SCIM 2.0 (RFC 7643, RFC 7644) as pure functions over JSON: schemas, filters, paths, patches and projections.
//!
//! A resource is a JSON object in canonical form: attributes as the schemas spell them, of the types that they say. What
//! comes from outside gets that form from [`accept`], whatever its spelling ([`patch`] does the same with each value), so
//! the rest need not ask. Directories differ: truth values come as text, operations capitalised, attributes dotted. All
//! that is accepted here and told apart nowhere else. Nothing here knows who asks, or what a user is to Counterfoil.

mod accept;
mod error;
pub mod filter;
mod lexer;
pub mod patch;
pub mod path;
mod project;
mod resolve;
pub mod schema;

pub use accept::accept;
pub use error::Error;
pub use filter::Filter;
pub use project::project;

/// The most values that a multi-valued attribute can have, members of a group apart.
pub const MAX_VALUES: usize = 64;

/// The most members of a group that one request can name.
pub const MAX_MEMBERS: usize = 2_000;

/// The longest text of one value, in bytes.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// The longest filter or path, in bytes.
pub const MAX_FILTER_BYTES: usize = 2_048;

/// How deep filters may be nested.
pub const MAX_DEPTH: usize = 12;

/// The most comparisons in a filter.
pub const MAX_TERMS: usize = 64;

/// The most operations in a patch.
pub const MAX_OPERATIONS: usize = 1_000;
