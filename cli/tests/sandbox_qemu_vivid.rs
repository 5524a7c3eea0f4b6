//! Our nodes beside vivid's, on a kernel with udmabuf: vivid captures into exports of ours, our
//! camera into vivid's, and our display shows vivid's, in unmodified programs. And vivid's display
//! shows our camera's frames, in a program that maps no node.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Seconds for all of it; under emulation on a busy machine.
const GUEST_SECONDS: &str = "1500";

const NAME: &str = "buffers_cross_between_our_nodes_and_vivids";

#[test]
fn buffers_cross_between_our_nodes_and_vivids() {
    let programs = root().join("target/programs");
    made(Command::new("make").args(["-s", "programs"]));
    let fetched = Command::new("tools/v4l-utils").arg("trixie").current_dir(root()).status();
    if fetched.expect("a script runs").code() == Some(77) {
        return println!("SKIP {NAME}: Debian 13's v4l2-ctl is not to be had");
    }
    if let Some((out, err)) = in_guest(NAME, "beside-vivid", "beside-vivid.toml", &programs) {
        judge(&out, &err);
    }
}

#[test]
fn the_cameras_exports_go_out_at_vivids_output() {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("out-at-vivid");
    made(
        Command::new("cc")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-static", "-o"])
            .arg(&program)
            .arg("cli/tests/nodes/out-at-vivid.c"),
    );
    let name = "the_cameras_exports_go_out_at_vivids_output";
    let Some((out, err)) = in_guest(name, "out-at-vivid", "pal.toml", &program) else { return };
    println!("{out}{err}");
    let seen: Vec<&str> = out.lines().filter_map(|line| line.split([':', ' ']).nth(1)).collect();
    assert_eq!(seen, ["format", "frames", "holding", "frames", "afterwards", "0"], "{out}{err}");
}

/// What `script` said in a guest with vivid, by `config` and `built`; `None` where there is no guest.
fn in_guest(name: &str, script: &str, config: &str, built: &Path) -> Option<(String, String)> {
    let vivid = Command::new("bash")
        .args(["-c", ". tests/oracle/vivid.sh && vivid_two 1"])
        .current_dir(root())
        .output()
        .expect("a shell runs");
    let vivid = String::from_utf8_lossy(&vivid.stdout).trim().to_owned();
    let nodes = Path::new("cli/tests/nodes");
    let output = Command::new(env!("CARGO_BIN_EXE_shrbuf"))
        .args(["sandbox", "--engine", "qemu", "--timeout", GUEST_SECONDS, "--module", &vivid, "--"])
        .arg(nodes.join(script))
        .arg(env!("CARGO_BIN_EXE_shrbuf"))
        .arg(nodes.join(config))
        .arg(built)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .expect("the command runs");
    let [out, err] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.code() == Some(77) {
        println!("SKIP {name}: {}", err.replace('\n', " "));
        return None;
    }
    assert!(output.status.success(), "{out}{err}");
    Some((out, err))
}

/// Every listed check was run and came out well, and no other was run.
fn judge(out: &str, err: &str) {
    let listed = std::fs::read_to_string(root().join("cli/tests/nodes/beside-vivid.txt"));
    let listed = listed.expect("the list");
    let rows = listed.lines().filter(|line| !line.starts_with('#'));
    let mut expected: BTreeSet<String> = rows.map(str::to_owned).collect();
    let (mut here, mut wrong) = (Vec::<(String, bool, String)>::new(), Vec::new());
    for line in out.lines() {
        if let Some(end) = line.strip_prefix("== ") {
            let set = end.split(' ').next().unwrap_or_default();
            for (check, ok, line) in std::mem::take(&mut here) {
                if !expected.remove(&format!("{set} {check}")) || !ok {
                    wrong.push(format!("{set}: {line}"));
                }
            }
        } else if let Some((verdict, rest)) = line.split_once(char::is_whitespace)
            && matches!(verdict, "ok" | "FAIL")
            && let Some((check, _)) = rest.trim_start().split_once(':')
        {
            here.push((check.to_owned(), verdict == "ok", line.to_owned()));
        }
    }
    assert!(
        wrong.is_empty() && expected.is_empty(),
        "not as listed: {wrong:#?}\nnot run: {expected:?}\n{err}"
    );
}

fn made(command: &mut Command) {
    let status = command.current_dir(root()).stdin(Stdio::null()).status().expect("it runs");
    assert!(status.success(), "{command:?}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
