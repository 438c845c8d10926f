//! Encryption keys and what hangs on them: retention, holds, and forgetting.

pub mod holds;
