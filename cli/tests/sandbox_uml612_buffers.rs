//! The tests of shared buffers on a newer user-mode Linux's kernel.
#![allow(clippy::expect_used, reason = "this is test code")]

#[path = "support/buffers.rs"]
mod buffers;
#[path = "support/uml612.rs"]
mod uml612;

#[test]
fn buffers_live_and_die_on_user_mode_linux() {
    let name = "buffers_live_and_die_on_user_mode_linux";
    if !uml612::is_there(name) {
        return;
    }
    if let Err(reason) = buffers::run("uml") {
        println!("SKIP {name}: {reason}");
    }
}
