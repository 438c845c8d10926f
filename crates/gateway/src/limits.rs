//! Limits: how much of everything the gateway takes on, so that no client and no provider can exhaust it.

use std::time::Duration;

/// Limits of the gateway. Each provider's own time limits are part of its declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body in bytes; a larger one is refused with 413. 16 MiB.
    pub request_bytes: usize,
    /// How long a request body may take to arrive. 60 seconds.
    pub request_time: Duration,
    /// Bytes kept in the record of a request that showed no valid key, so that strangers cannot fill the disk. 4 KiB.
    pub stranger_bytes: usize,
    /// Bytes of such a request that are read before it is refused, so that its client sees the refusal instead of a
    /// connection that breaks while it is sending. 1 MiB.
    pub stranger_read_bytes: usize,
    /// How long such a request is read before it is refused, so that strangers cannot hold places. 2 seconds.
    pub stranger_time: Duration,
    /// Largest answer in bytes. A larger one is stopped with an error, because what cannot be recorded whole is not
    /// handed out. 16 MiB.
    pub response_bytes: usize,
    /// How long one answer may take in all. 30 minutes.
    pub answer_time: Duration,
    /// How long a client may take to ask for more of a stream before it counts as gone. 60 seconds.
    pub client_stall: Duration,
    /// How long an answer is still read for the record after its client has gone. 60 seconds.
    pub drain_time: Duration,
    /// Requests served at once; more are refused with 503. 1024.
    pub concurrent: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 16 << 20,
            request_time: Duration::from_secs(60),
            stranger_bytes: 4 << 10,
            stranger_read_bytes: 1 << 20,
            stranger_time: Duration::from_secs(2),
            response_bytes: 16 << 20,
            answer_time: Duration::from_secs(30 * 60),
            client_stall: Duration::from_secs(60),
            drain_time: Duration::from_secs(60),
            concurrent: 1024,
        }
    }
}
