//! Starts a guest that runs the very test that calls this inside, where it runs `tests`.

use std::process::{Command, Stdio};

use super::callers;

pub(crate) fn run<'a>(
    engine: &str,
    name: &str,
    rounds: &str,
    tests: impl Iterator<Item = &'a (&'a str, fn())>,
) {
    if std::env::var_os(callers::INSIDE).is_some() {
        for (name, test) in tests {
            println!("{name}");
            test();
        }
        return;
    }
    callers::build();
    let output = Command::new(env!("CARGO_BIN_EXE_shrbuf"))
        .args(["sandbox", "--engine", engine, "--", "env"])
        .args([format!("{}=1", callers::INSIDE), format!("SHRBUF_ROUNDS={rounds}")])
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
