//! Outside providers: where they are, how we prove who we are to them, which headers pass. What they say on the wire is
//! the dialect's affair.

pub(crate) mod openai;
pub(crate) mod resolver;
