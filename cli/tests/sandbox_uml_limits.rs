//! Limits of nodes and of users, in a user-mode Linux: whoever walks over one gets its errno and is told
//! of in the log, `shrbuf buffers --limits` shows it, and another user goes on.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

mod support;

use std::path::Path;
use std::process::Command;

use support::ran;

const GUEST_SECONDS: &str = "400";

#[test]
fn each_limit_stops_one_user_and_no_other() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/limits");
    let walker = Path::new(env!("CARGO_TARGET_TMPDIR")).join("walker");
    let built = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"])
        .args(["-static", "-pthread", "-o"])
        .arg(&walker)
        .arg(tests.join("walker.c"))
        .status();
    assert!(built.expect("a compiler").success(), "the program can be built");
    let shrbuf = env!("CARGO_BIN_EXE_shrbuf");
    let mut command = Command::new(shrbuf);
    command
        .args(["sandbox", "--engine", "uml", "--timeout", GUEST_SECONDS, "--"])
        .arg(tests.join("in-guest"))
        .arg(shrbuf)
        .arg(walker);
    let ran = ran(command);
    if ran.status == 77 {
        println!("SKIP each_limit_stops_one_user_and_no_other: {}", ran.err.replace('\n', " "));
        return;
    }
    println!("{}{}", ran.out, ran.err);
    assert_eq!(ran.status, 0, "a limit is not as it should be");
    assert_eq!(
        ran.out.lines().filter(|line| line.starts_with("ok ")).count(),
        4,
        "all were walked"
    );
}
