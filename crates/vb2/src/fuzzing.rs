//! For the fuzz target `queue` only: the tests' model beside the queue.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "this is test code, and not all of it"
)]

#[path = "tests/bytes.rs"]
mod bytes;
#[path = "tests/invariants.rs"]
mod invariants;
#[path = "tests/model.rs"]
mod model;
#[path = "tests/pair.rs"]
mod pair;
#[path = "tests/rig.rs"]
mod rig;

/// Where a fuzzer begins: names, and what they do.
pub const SEEDS: &[(&str, &[u8])] = &bytes::SEEDS;

/// Does with the queue what `bytes` say, and with the model.
///
/// # Panics
/// Where the two differ, or an invariant of the queue is broken.
pub fn queue(bytes: &[u8]) {
    bytes::run(bytes);
}
