//! Programs that map nodes, in great number, for ever, or without regard for others: the memory, the
//! descriptors and the threads are the same before and after, nobody sees another's frames, and who
//! is not concerned goes on.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::ran;

/// How much of it a lane takes.
pub(crate) struct Size {
    /// Rounds of `REQBUFS(4)`, mmap, munmap, `REQBUFS(0)` on one descriptor.
    pub(crate) rounds: &'static str,
    /// Nodes with eight clients each.
    pub(crate) nodes: &'static str,
    /// Daemons killed while programs' descriptors are swapped.
    pub(crate) swaps: &'static str,
    pub(crate) guest_seconds: &'static str,
}

pub(crate) fn lane(engine: &str, name: &str, size: &Size) {
    let shrbuf = env!("CARGO_BIN_EXE_shrbuf");
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=10", size.guest_seconds, shrbuf, "sandbox", "--engine", engine])
        .args(["--timeout", size.guest_seconds, "--"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mappers/in-guest"))
        .arg(shrbuf)
        .arg(program())
        .args([size.rounds, size.nodes, size.swaps]);
    let ran = ran(command);
    if ran.status == 77 {
        println!("SKIP {name}: {}", ran.err.replace('\n', " "));
        return;
    }
    println!("{}{}", ran.out, ran.err);
    assert_eq!(ran.status, 0, "somebody's mapping harmed others, or left something behind");
}

fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mappers");
    let built = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-static", "-pthread", "-o"])
        .arg(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mappers/mappers.c"))
        .status();
    assert!(built.expect("a compiler").success(), "the programs can be built");
    program
}
