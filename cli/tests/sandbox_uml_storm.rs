//! Storms in a user-mode Linux: clients killed at random points, daemons killed with clients in
//! every state, many exports with signals at 1 kHz. Before and after, the same memory, files and
//! descriptors; nobody hangs; the next start works.
//!
//! `SHRBUF_STORM=CLIENTS,DAEMONS,EXPORTS` says how many; `make test` takes [`FULL`], and
//! `SHRBUF_STORM=short` [`SHORT`], for a quick look.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::ran;

const SHORT: &str = "40,4,1000";
const FULL: &str = "200,50,10000";
/// The full storms take some five minutes.
const GUEST_SECONDS: &str = "1200";

/// The program of the clients.
fn clients() -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("storm");
    let built = Command::new("cc")
        .args([
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wno-unused-parameter",
            "-static",
            "-pthread",
        ])
        .arg("-o")
        .arg(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nodes/storm.c"))
        .status();
    assert!(built.expect("a compiler").success(), "the clients can be built");
    program
}

#[test]
fn storms_leave_nothing_behind() {
    let size = std::env::var("SHRBUF_STORM").unwrap_or_default();
    let size = match size.as_str() {
        "" | "full" => FULL,
        "short" => SHORT,
        other => other,
    };
    let numbers: Vec<&str> = size.split(',').collect();
    assert_eq!(
        numbers.len(),
        3,
        "SHRBUF_STORM=CLIENTS,DAEMONS,EXPORTS or full or short, not {size}"
    );
    let shrbuf = env!("CARGO_BIN_EXE_shrbuf");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nodes");
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=10", GUEST_SECONDS, shrbuf, "sandbox", "--engine", "uml"])
        .args(["--timeout", GUEST_SECONDS, "--"])
        .arg(folder.join("storm-in-guest"))
        .arg(shrbuf)
        .arg(folder.join("sp.toml"))
        .arg(clients())
        .args(numbers);
    let ran = ran(command);
    if ran.status == 77 {
        println!("SKIP storms_leave_nothing_behind: {}", ran.err.replace('\n', " "));
        return;
    }
    println!("{}{}", ran.out, ran.err);
    assert_eq!(ran.status, 0, "a storm left something behind");
}
