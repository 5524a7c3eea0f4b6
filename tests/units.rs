//! The rule, the unit and the modules file of `udev/`, judged by the programs that will read them.
#![allow(clippy::unwrap_used, reason = "this is test code")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("udev").join(name)
}

/// `None` where the program is not there.
fn ran(command: &mut Command) -> Option<Output> {
    command.output().ok()
}

#[track_caller]
fn is_clean(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !said.contains("shrbuf.service:"), "{said}");
}

#[test]
fn the_rule_is_one_for_udev() {
    let mut verify = Command::new("udevadm");
    verify.args(["verify", "--resolve-names=never"]).arg(file("70-shrbuf.rules"));
    // `verify` came with systemd 254.
    let known = ran(Command::new("udevadm").arg("--help"))
        .is_some_and(|help| String::from_utf8_lossy(&help.stdout).contains("verify"));
    if !known {
        println!("SKIP the_rule_is_one_for_udev: no udevadm verify (systemd 254 or newer has it)");
        return;
    }
    let output = verify.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The unit runs /usr/bin/shrbuf; what is verified runs a program that is there.
#[test]
fn the_unit_is_one_for_systemd() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("shrbuf.service");
    let text = fs::read_to_string(file("shrbuf.service")).unwrap();
    assert_eq!(text.matches("ExecStart=/usr/bin/shrbuf daemon\n").count(), 1);
    // Manual pages are installed with the program.
    let text = text.replace("/usr/bin/shrbuf daemon", "/bin/true");
    let pages = text.lines().filter(|line| !line.starts_with("Documentation="));
    fs::write(&unit, pages.collect::<Vec<_>>().join("\n")).unwrap();
    match ran(Command::new("systemd-analyze").arg("verify").arg(&unit)) {
        Some(output) => is_clean(&output),
        None => println!("SKIP the_unit_is_one_for_systemd: no systemd-analyze (package systemd)"),
    }
}

/// As systemd-modules-load reads it.
#[test]
fn the_modules_file_has_names_only() {
    let text = fs::read_to_string(file("modules-load.conf")).unwrap();
    let names: Vec<&str> =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(names.contains(&"cuse"));
    let plain = |name: &&str| {
        name.trim_start_matches('-')
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    assert!(names.iter().all(plain), "{names:?}");
}
