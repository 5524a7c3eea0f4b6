//! What a hostile caller could send: one module per fuzz target. Each has `run`, which does with
//! the bytes what they say and panics where an answer can't be right, and `seeds`, where a fuzzer
//! begins. `tests/fuzz.rs` runs the seeds, and what was found, with the ordinary tests.
//!
//! The target `queue` is not here: its model is a part of the crate `vb2`.

mod bytes;
mod call;
pub mod config;
pub mod control;
pub mod device;
pub mod dispatch;
mod errnos;
pub mod seeds;
pub mod source;
pub mod wire;

/// One fuzz target.
pub struct Target {
    /// As in `fuzz/targets/NAME.rs`.
    pub name: &'static str,
    /// Does with the bytes what they say.
    pub run: fn(&[u8]),
    /// Where a fuzzer begins.
    pub seeds: fn() -> seeds::Seeds,
}

/// All of them but `queue`.
pub const TARGETS: [Target; 6] = [
    Target { name: "wire", run: wire::run, seeds: wire::seeds },
    Target { name: "dispatch", run: dispatch::run, seeds: dispatch::seeds },
    Target { name: "device", run: device::run, seeds: device::seeds },
    Target { name: "config", run: config::run, seeds: config::seeds },
    Target { name: "control", run: control::run, seeds: control::seeds },
    Target { name: "source", run: source::run, seeds: source::seeds },
];
