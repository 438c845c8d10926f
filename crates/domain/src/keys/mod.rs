//! Keys that data are encrypted under, and what they protect. The keys that applications hold are in
//! [`crate::people::keys`].

pub mod encryption;

pub use encryption::{ClassKey, ClassKeyRotated, Encryption, EncryptionConfigured, RootRatcheted, RotationRequested};
