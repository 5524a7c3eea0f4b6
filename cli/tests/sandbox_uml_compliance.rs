//! `v4l2-compliance`, the field's own judge, on our nodes in a user-mode Linux: nothing failed, no
//! warning. What streams through a mapping of the node is to come.
#![allow(clippy::expect_used, reason = "this is test code")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Seconds for all reports of one guest.
const GUEST_SECONDS: &str = "300";

/// The suites whose version judges; see docs/CONFORMANCE.md.
const SUITES: [&str; 2] = ["trixie", "sid"];

#[test]
fn single_planar_nodes_are_compliant() {
    compliant("sp", "single_planar_nodes_are_compliant");
}

#[test]
fn multi_planar_nodes_are_compliant() {
    compliant("mp", "multi_planar_nodes_are_compliant");
}

fn compliant(planes: &str, name: &str) {
    for suite in SUITES {
        let got = Command::new("tools/v4l-utils").arg(suite).current_dir(root()).output();
        let got = got.expect("a script runs");
        if !got.status.success() {
            let said = String::from_utf8_lossy(&got.stderr).replace('\n', " ");
            return println!("SKIP {name}: {suite}'s v4l2-compliance is not to be had: {said}");
        }
    }
    let output = Command::new(env!("CARGO_BIN_EXE_shrbuf"))
        .args(["sandbox", "--engine", "uml", "--timeout", GUEST_SECONDS, "--"])
        .arg("cli/tests/nodes/compliance")
        .arg(env!("CARGO_BIN_EXE_shrbuf"))
        .arg(format!("cli/tests/nodes/{planes}.toml"))
        .args(SUITES)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .expect("the command runs");
    let [out, err] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.code() == Some(77) {
        return println!("SKIP {name}: {}", err.replace('\n', " "));
    }
    assert!(output.status.success(), "{out}{err}");
    let totals: Vec<&str> = out.lines().filter(|line| line.starts_with("Total for ")).collect();
    assert_eq!(totals.len(), 2 * SUITES.len(), "a report for each node and suite: {out}{err}");
    for total in totals {
        println!("{planes}: {total}");
        assert!(total.ends_with("Failed: 0, Warnings: 0"), "{out}{err}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
