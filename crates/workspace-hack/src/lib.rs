//! Nothing but features.
//!
//! Cargo unites the features of shared dependencies over the packages it is asked to build, so building one crate
//! alone would compile the SQL engine once more, with other features. The crate `query`, and with it everything above
//! it, depends on this one, which names the union: every build of the workspace shares one set of dependencies.
//! `xtask` has a test that the sets agree.
