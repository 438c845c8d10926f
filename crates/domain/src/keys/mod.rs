//! Keys: what is encrypted, tokenised, kept, held and erased. Keys that open doors are in [`crate::people`].

pub mod tokens;
