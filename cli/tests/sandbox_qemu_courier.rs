//! The courier against callers that know nothing of it, on CUSE in a QEMU guest: a kernel that tells
//! which call a thread sits in, and suspends filters.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this is test code"
)]

#[path = "courier/callers.rs"]
mod callers;
#[path = "courier/guest.rs"]
mod guest;
#[path = "courier/node.rs"]
mod node;
#[path = "courier/swaps.rs"]
mod swaps;

/// How often each caller calls: the guest is some twenty times slower than this machine.
const ROUNDS: &str = "20";

#[test]
fn the_courier_serves_callers_on_a_full_kernel() {
    let all = callers::ALL.iter().chain(swaps::ALL);
    guest::run("qemu", "the_courier_serves_callers_on_a_full_kernel", ROUNDS, all);
}

/// No test: the process that another test kills.
#[test]
fn serving() {
    callers::serve_if_told();
}
