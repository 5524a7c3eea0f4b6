//! Somebody is killed at every step of what a daemon and its helpers do: the caller sees success or an
//! errno, and nothing else about it has changed; the next call or the next daemon is as good as any.
//! `faults.c` does it, in a guest, with a binary that is built for it.
//!
//! `SHRBUF_FAULTS=ROUNDS[,WORD]` says how often, and which rows of the list; `full` is [`FULL`].
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]
#![allow(dead_code, reason = "each lane uses its own part of this")]

#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::ran;

/// Says how often, and which rows.
const SAID: &str = "SHRBUF_FAULTS";
/// What `make faults` takes.
const FULL: &str = "20";
/// All of them once take some minutes, and on a busy machine a multiple of that.
const GUEST_SECONDS: &str = "1500";
/// 20 times, an hour and more.
const FULL_SECONDS: &str = "20000";

/// Without position independence there is nothing to be relocated, and each start takes a third of the
/// time.
const FLAGS: (&str, &str) =
    ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-C relocation-model=static");
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// A binary with the feature `faults`, in a target folder of its own.
pub(crate) fn shrbuf() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--quiet", "--package", "shrbuf-cli", "--bin", "shrbuf"])
        .args(["--features", "faults", "--target", TARGET, "--target-dir"])
        .arg(&folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env(FLAGS.0, FLAGS.1)
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_PROFILE_DEV_STRIP", "symbols")
        .env_remove("RUSTFLAGS")
        .status();
    assert!(status.expect("cargo runs").success(), "the binary can be built");
    folder.join(TARGET).join("debug/shrbuf")
}

fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults-clients");
    let built = Command::new("cc")
        .args(["-O1", "-mno-red-zone", "-Wall", "-Wextra", "-Werror", "-static", "-pthread", "-o"])
        .arg(&program)
        .arg(tests().join("faults/faults.c"))
        .status();
    assert!(built.expect("a compiler").success(), "the program can be built");
    program
}

/// How much of it a lane takes.
pub(crate) struct Size {
    /// The list: a file of `tests/faults`.
    pub(crate) steps: &'static str,
    /// Rounds where `SHRBUF_FAULTS` doesn't say.
    pub(crate) rounds: &'static str,
    /// Only rows that have this word.
    pub(crate) word: &'static str,
}

/// Runs rows of a list, on an engine with nodes as `config` of `tests/nodes` says.
pub(crate) fn lane(name: &str, engine: &[&str], config: &str, size: &Size) {
    let said = std::env::var(SAID).unwrap_or_default();
    let (rounds, word) = said.split_once(',').unwrap_or((said.as_str(), size.word));
    let rounds = match rounds {
        "" => size.rounds,
        "full" => FULL,
        other => other,
    };
    let seconds = if rounds == "1" { GUEST_SECONDS } else { FULL_SECONDS };
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=10", seconds, env!("CARGO_BIN_EXE_shrbuf"), "sandbox"])
        .args(engine)
        .args(["--timeout", seconds, "--", "env", "RUST_LOG=off"])
        .arg(tests().join("faults/in-guest"))
        .args([shrbuf(), program(), tests().join("nodes").join(config)])
        .arg(tests().join("faults").join(size.steps))
        .args([rounds, word]);
    let ran = ran(command);
    if ran.status == 77 {
        println!("SKIP {name}: {}", ran.err.replace('\n', " "));
        return;
    }
    println!("{}{}", ran.out, ran.err);
    assert_eq!(ran.status, 0, "somebody's death has harmed others");
}
