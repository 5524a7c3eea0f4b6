//! The courier against callers that know nothing of it, on CUSE in a user-mode Linux of a newer kernel.
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
#[path = "support/uml612.rs"]
mod uml612;

/// How often each caller calls: the lane uml does so more often.
const ROUNDS: &str = "20";

#[test]
fn the_courier_serves_callers_on_cuse() {
    let name = "the_courier_serves_callers_on_cuse";
    if uml612::is_there(name) {
        let all = callers::ALL.iter().chain(swaps::ALL);
        guest::run("uml", name, ROUNDS, all);
    }
}

/// No test: the process that another test kills.
#[test]
fn serving() {
    callers::serve_if_told();
}
