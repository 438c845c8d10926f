//! What the tests stand on.

pub mod attacker;
pub mod bucket;
pub mod custodians;
pub mod data;
pub mod http;
mod incoming;
pub mod memory;
pub mod people;
pub mod pki;
pub mod receiver;
pub mod talk;
pub mod tools;
pub mod trace;
pub mod upstream;
pub mod world;

pub use http::Response;
pub use world::{Run, World};

use std::time::{Duration, Instant};

/// Waits until something is so, looking again and again. Panics when it does not come true for a minute: the machine
/// may be slow, but not that slow.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("this did not come true: {what}");
}
