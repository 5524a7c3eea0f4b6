//! Callers that mean harm, one attack after the other, and somebody who stands by: what they get, that
//! the other's calls take no longer for it, and that nothing is left behind. `in-guest` says how that is
//! judged.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::ran;

/// Everything that is tried. The names are those of `hostile.c`, and `links` of `in-guest`.
#[allow(dead_code, reason = "a lane may have its own choice")]
pub(crate) const ALL: &[&str] = &[
    "closes",
    "replaces",
    "blocks",
    "swapped",
    "changes",
    "unmaps",
    "forks",
    "execs",
    "dies",
    "unserved",
    "mapped-mute",
    "withholds-mute",
    "queues-mute",
    "reopens",
    "pages",
    "opens",
    "exports",
    "orphans",
    "crowds",
    "malformed",
    "slow",
    "many",
    "tickets",
    "links",
];

/// How much of it a lane takes.
pub(crate) struct Size {
    /// Frames a second of the bystander's camera.
    pub(crate) rate: &'static str,
    /// How long an attack goes on, and each measurement that it is compared with, in seconds.
    pub(crate) seconds: &'static str,
    pub(crate) attacks: &'static [&'static str],
    pub(crate) guest_seconds: &'static str,
}

/// `SHRBUF_ATTACKS=WORD` takes those that have the word in their name.
pub(crate) fn lane(engine: &str, name: &str, size: &Size) {
    let shrbuf = env!("CARGO_BIN_EXE_shrbuf");
    let only = std::env::var("SHRBUF_ATTACKS").unwrap_or_default();
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=10", size.guest_seconds, shrbuf, "sandbox", "--engine", engine])
        .args(["--timeout", size.guest_seconds, "--"])
        .arg(folder().join("in-guest"))
        .arg(shrbuf)
        .arg(program())
        .args([size.rate, size.seconds])
        .args(size.attacks.iter().filter(|attack| attack.contains(&only)));
    let ran = ran(command);
    if ran.status == 77 {
        println!("SKIP {name}: {}", ran.err.replace('\n', " "));
        return;
    }
    println!("{}{}", ran.out, ran.err);
    assert_eq!(ran.status, 0, "an attack got what it was not to get, or harmed others");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile")
}

fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("hostile");
    let parts = ["hostile", "bystander", "injected", "reached", "exported", "storms", "sockets"];
    let built = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-static", "-pthread", "-o"])
        .arg(&program)
        .args(parts.into_iter().chain(["mute"]).map(|part| folder().join(format!("{part}.c"))))
        .status();
    assert!(built.expect("a compiler").success(), "the program can be built");
    program
}
