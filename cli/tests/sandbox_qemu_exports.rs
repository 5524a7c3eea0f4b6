//! What an export is good for by what it is, on a kernel that has all three kinds: an ordinary user's
//! program tries it, once for each. What it must say is the table here.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this is test code"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Seconds for all of it; under emulation on a busy machine.
const GUEST_SECONDS: &str = "900";

const NAME: &str = "an_export_is_good_for_what_its_backing_is";

/// What was tried (tests/exports/rows.c), and what an export by each backing makes of it.
const TABLE: &[(&str, [&str; 3])] = &[
    // A driver takes a real dma-buf only.
    ("other-driver", ["works", "EINVAL", "EINVAL"]),
    ("our-display", ["works"; 3]),
    ("read", ["EINVAL", "EINVAL", "works"]),
    ("write", ["EINVAL", "EINVAL", "works"]),
    // A file with a position has pread, too.
    ("pread", ["ESPIPE", "EINVAL", "works"]),
    ("seek-data", ["EINVAL", "EINVAL", "works"]),
    ("ftruncate", ["EINVAL", "EINVAL", "EPERM"]),
    ("fallocate", ["ENODEV", "ENODEV", "works"]),
    ("fsync", ["EINVAL", "EINVAL", "works"]),
    ("chmod", ["EPERM"; 3]),
    // A udmabuf's and a memory file's inode is the daemon's, who is root.
    ("reopen", ["EACCES", "ENXIO", "EACCES"]),
    ("reopen-writable", ["EACCES", "ENXIO", "EACCES"]),
    ("sync", ["works", "works", "ENOTTY"]),
    ("sync-end", ["works", "works", "ENOTTY"]),
    ("sync-none", ["EINVAL", "EINVAL", "ENOTTY"]),
    ("sync-wrong", ["EINVAL", "EINVAL", "ENOTTY"]),
    ("sync-nowhere", ["EFAULT", "EFAULT", "ENOTTY"]),
    ("name", ["works", "works", "ENOTTY"]),
    // A udmabuf is always open for both.
    ("readonly-mapped-writable", ["works", "EACCES", "EACCES"]),
    ("readonly-made-writable", ["works", "EACCES", "EACCES"]),
    // As what the node's own mmap shows.
    ("same-pages", ["yes", "no", "no"]),
    ("holders", ["exact"; 3]),
    ("holders-readonly", ["exact"; 3]),
    ("holders-again", ["exact"; 3]),
    ("close-tells", ["at-once"; 3]),
    // Written through the node's mapping, and seen in it, whatever is copied for that.
    ("shown-frame", ["there"; 3]),
    ("mapped-late", ["there"; 3]),
    ("frame", ["there"; 3]),
    ("status", ["0"; 3]),
    // In `shrbuf buffers`: who has a descriptor of one, and maps another.
    ("shown", ["descriptor mapping"; 3]),
    ("left", ["0"; 3]),
];

/// The backings as they are tried, each with its column: exports don't depend on how the nodes are
/// mapped. Without /dev/udmabuf handles are preferred.
const BACKINGS: [(&str, usize); 5] =
    [("udmabuf", 0), ("handle", 1), ("memfd", 2), ("memfd-copies", 2), ("preferred", 1)];

#[test]
fn an_export_is_good_for_what_its_backing_is() {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("export-rows");
    let built = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o"])
        .arg(&program)
        .arg("cli/tests/exports/rows.c")
        .current_dir(root())
        .status();
    assert!(built.expect("a compiler").success(), "the program can be built");
    let Some((out, err)) = in_guest(&program) else { return };
    println!("{out}{err}");
    let wrong = deviations(&out);
    assert!(wrong.is_empty(), "not as the table says: {wrong:#?}\n{err}");
}

fn in_guest(program: &Path) -> Option<(String, String)> {
    let vivid = Command::new("bash")
        .args(["-c", ". tests/oracle/vivid.sh && vivid_two 1"])
        .current_dir(root())
        .output()
        .expect("a shell runs");
    let vivid = String::from_utf8_lossy(&vivid.stdout).trim().to_owned();
    let output = Command::new(env!("CARGO_BIN_EXE_shrbuf"))
        .args(["sandbox", "--engine", "qemu", "--timeout", GUEST_SECONDS, "--module", &vivid, "--"])
        .args(["cli/tests/exports/in-guest", env!("CARGO_BIN_EXE_shrbuf")])
        .arg("cli/tests/exports/nodes.toml")
        .arg(program)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .expect("the command runs");
    let [out, err] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.code() == Some(77) {
        println!("SKIP {NAME}: {}", err.replace('\n', " "));
        return None;
    }
    assert!(output.status.success(), "{out}{err}");
    Some((out, err))
}

/// Where the answers are others than the table's, missing ones and ones too many included.
fn deviations(out: &str) -> Vec<String> {
    let mut answers: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut backing = "no backing";
    let mut wrong = Vec::new();
    for line in out.lines() {
        match line.split_once(' ') {
            Some(("backing", name)) => backing = name,
            Some((row, answer)) if answers.insert((backing, row), answer).is_none() => {}
            _ => wrong.push(format!("{backing}: {line}")),
        }
    }
    for (backing, column) in BACKINGS {
        for (row, expected) in TABLE {
            let answer = answers.remove(&(backing, row));
            let expected = expected.get(column).copied();
            if answer != expected {
                wrong.push(format!("{backing} {row}: {answer:?}, expected {expected:?}"));
            }
        }
    }
    wrong.extend(answers.iter().map(|(row, answer)| format!("{row:?} {answer}: not in the table")));
    wrong
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn a_deviation_is_seen() {
    let whole: String = BACKINGS
        .iter()
        .map(|(backing, column)| {
            let rows = TABLE.iter().map(|(row, answers)| format!("{row} {}\n", answers[*column]));
            format!("backing {backing}\n{}", rows.collect::<String>())
        })
        .collect();
    assert_eq!(deviations(&whole), Vec::<String>::new());
    for (from, to) in
        [("read EINVAL", "read works"), ("\nframe there\n", "\n"), ("left 0", "left 0\nnew 1")]
    {
        assert_eq!(deviations(&whole.replacen(from, to, 1)).len(), 1, "{from}");
    }
}
