//! The control socket: who may ask what, how much, and how fast. docs/CONTROL.md is its manual.
//!
//! [`wire`] has the language, `line` bounds length and time, [`rate`] bounds numbers,
//! [`handle`](mod@handle) answers, [`server`] gives each connection a thread, [`client`] is the
//! other side.

pub mod client;
pub mod handle;
pub mod line;
pub mod rate;
pub mod server;
pub mod wire;
