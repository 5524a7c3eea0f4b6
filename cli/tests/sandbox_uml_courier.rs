//! The courier against callers that know nothing of it, on CUSE in a user-mode Linux.
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

#[test]
fn the_courier_serves_callers_on_cuse() {
    let all = callers::ALL.iter().chain(swaps::ALL);
    guest::run("uml", "the_courier_serves_callers_on_cuse", &callers::rounds(), all);
}

/// No test: the process that another test kills.
#[test]
fn serving() {
    callers::serve_if_told();
}
