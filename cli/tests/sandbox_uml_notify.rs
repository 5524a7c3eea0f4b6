//! `shrbuf run --notify`, in a user-mode Linux: programs that are traced, and the test programs, whose
//! answers are what they are without it. Their filter alone keeps the daemon's own helper from them here:
//! such a guest's kernel can't suspend it.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

mod nodes;
mod support;

use std::path::Path;
use std::process::Command;

use nodes::{Guest, lane};
use support::ran;

const GUEST: Guest = Guest {
    engine: "uml",
    backing: "memfd",
    mapping: "copies",
    courier: "notify",
    programs: &["lifetime", "pipeline", "swap"],
};

const GUEST_SECONDS: &str = "300";

#[test]
fn programs_that_are_told_of_are_answered_as_vivid_does() {
    lane(&GUEST, "sp", "programs_that_are_told_of_are_answered_as_vivid_does");
}

#[test]
fn traced_programs_are_served() {
    let shrbuf = env!("CARGO_BIN_EXE_shrbuf");
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=10", GUEST_SECONDS, shrbuf, "sandbox", "--engine", "uml"])
        .args(["--timeout", GUEST_SECONDS, "--"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notify/in-guest"))
        .arg(shrbuf);
    let ran = ran(command);
    if ran.status == 77 {
        println!("SKIP traced_programs_are_served: {}", ran.err.replace('\n', " "));
        return;
    }
    println!("{}{}", ran.out, ran.err);
    assert_eq!(ran.status, 0, "a traced program is not served as it should be");
    assert_eq!(ran.out.matches("ok ").count(), 6, "all have been tried");
}
