//! Starts a guest that runs the very test that calls this inside, where it runs `tests`: with
//! `SHRBUF_ONLY=WORD` those that have the word in their name.

use std::process::{Command, Stdio};

use super::callers;

/// Which tests, for whoever looks into one.
const ONLY: &str = "SHRBUF_ONLY";

pub(crate) fn run<'a>(
    engine: &str,
    name: &str,
    rounds: &str,
    tests: impl Iterator<Item = &'a (&'a str, fn())>,
) {
    let only = std::env::var(ONLY).unwrap_or_default();
    if std::env::var_os(callers::INSIDE).is_some() {
        for (name, test) in tests.filter(|(name, _)| name.contains(&only)) {
            println!("{name}");
            test();
        }
        return;
    }
    callers::build();
    let output = Command::new(env!("CARGO_BIN_EXE_shrbuf"))
        .args(["sandbox", "--engine", engine, "--", "env"])
        .args([format!("{}=1", callers::INSIDE), format!("SHRBUF_ROUNDS={rounds}")])
        .arg(format!("{ONLY}={only}"))
        .arg(std::env::current_exe().expect("a path"))
        .args(["--exact", name, "--nocapture"])
        .stdin(Stdio::null())
        .output()
        .expect("the sandbox starts");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) {
        println!("SKIP {name}: {}", err.trim().replace('\n', " "));
        return;
    }
    println!("{out}{err}");
    assert!(output.status.success());
}
