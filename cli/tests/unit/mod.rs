//! The daemon under its unit (`udev/shrbuf.service`), in a guest in which systemd has been started.
#![allow(clippy::expect_used, reason = "this is test code")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Ran, ran};

/// What one guest may take.
const GUEST_SECONDS: &str = "900";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/unit")
}

fn built(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("unit-{name}"));
    let status = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o"])
        .arg(&program)
        .arg(folder().join(format!("{name}.c")))
        .status();
    assert!(status.expect("a compiler").success(), "{name} can be built");
    program
}

/// What a guest's kernel can do.
pub(crate) struct Kernel {
    pub engine: &'static str,
    /// What a caller with a system call filter gets: `done` where the kernel can suspend the filter.
    pub filtered: &'static str,
    /// The best backing.
    pub exports: &'static str,
    /// How nodes are mapped.
    pub mapping: &'static str,
    /// What a condition may take to come true.
    pub soon_seconds: &'static str,
}

/// All rows, for the test `name`.
pub(crate) fn rows(kernel: &Kernel, name: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shrbuf"));
    command
        .args(["sandbox", "--engine", kernel.engine, "--timeout", GUEST_SECONDS, "--"])
        .arg(folder().join("boot"))
        .arg(env!("CARGO_BIN_EXE_shrbuf"))
        .arg(folder().join("rows"))
        .args([built("probe"), built("exporter")])
        .args([kernel.filtered, kernel.exports, kernel.mapping])
        .env("UNIT_SOON_SECONDS", kernel.soon_seconds);
    let Ran { status, out, err } = ran(command);
    if status == 77 {
        println!("SKIP {name}: {}", err.replace('\n', " "));
        return;
    }
    println!("{out}{}", err.lines().find(|line| line.starts_with("# ")).unwrap_or_default());
    let count = |verdict: &str| out.lines().filter(|line| line.starts_with(verdict)).count();
    assert!(status == 0 && count("FAIL ") == 0, "a row is not as it should be:\n{err}");
    assert!(count("ok ") >= LEAST, "all rows were tried: {}", count("ok "));
}

/// As many rows as there are at least; a guest that ends early has fewer.
const LEAST: usize = 70;
