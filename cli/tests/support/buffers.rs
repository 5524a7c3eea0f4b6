//! The library's own tests of shared buffers, run by a guest's kernel: the same program that
//! `cargo test` starts here. What a buffer's lifetime rests on (leases, pins, counts) is the
//! kernel's, so every kernel is asked.

use std::process::{Command, Stdio};

/// Tests of the rooms that touch the kernel for buffers.
const TESTS: [&str; 7] = [
    "shrbuf::",
    "sys::memfd::",
    "sys::mapping::",
    "sys::lease::",
    "sys::fdinfo::",
    "sys::dmabuf::",
    "sys::kcmp::",
];

/// Runs them in a guest of `engine`. What they said, or why there is no such guest.
pub(crate) fn run(engine: &str) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_shrbuf"))
        .args(["sandbox", "--engine", engine, "--"])
        .arg(library_tests())
        .args(TESTS)
        .arg("--show-output")
        .stdin(Stdio::null())
        .output()
        .expect("the command runs");
    let [out, err] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.code() == Some(77) {
        return Err(err.replace('\n', " "));
    }
    assert!(output.status.success() && out.contains("test result: ok"), "{out}{err}");
    assert!(!out.contains("result: ok. 0 passed"), "no test ran: {out}");
    Ok(out)
}

/// The program of the library's unit tests, made if need be.
fn library_tests() -> String {
    let answer = Command::new(env!("CARGO"))
        .args(["test", "--workspace", "--lib", "--no-run", "--message-format", "json"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stderr(Stdio::null())
        .output()
        .expect("cargo runs");
    let text = String::from_utf8_lossy(&answer.stdout);
    let made = text.lines().filter(|line| line.contains("\"name\":\"shrbuf\""));
    let mut programs =
        made.filter_map(|line| line.split("\"executable\":\"").nth(1)?.split('"').next());
    programs.next_back().expect("the library has tests").to_owned()
}
