//! The tests of shared buffers on user-mode Linux's kernel.
#![allow(clippy::expect_used, reason = "this is test code")]

#[path = "support/buffers.rs"]
mod buffers;

#[test]
fn buffers_live_and_die_on_user_mode_linux() {
    if let Err(reason) = buffers::run("uml") {
        println!("SKIP buffers_live_and_die_on_user_mode_linux: {reason}");
    }
}
