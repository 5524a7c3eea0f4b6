//! The doctor, on folders that play machines.
#![allow(clippy::unwrap_used, reason = "this is test code")]

use std::fs;
use std::path::Path;

use shrbuf::daemon::doctor::{Finding, Machine, Verdict};
use tempfile::TempDir;

const GID: u32 = 44;

/// Files, and what is in them.
fn machine(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn named(root: &Path, release: &str, groups: &[u32], name: &str) -> Option<Finding> {
    let findings = Machine::at(root, release, groups, false).examine();
    findings.into_iter().find(|finding| finding.name == name)
}

/// What is there (path, content), the line asked about, its verdict, and words that it must have.
type Case =
    (&'static [(&'static str, &'static str)], &'static str, Verdict, &'static [&'static str]);

const CASES: &[Case] = &[
    (&[("dev/cuse", "")], "cuse", Verdict::Fine, &["can be opened"]),
    (
        &[("lib/modules/6.1.0/kernel/fs/fuse/cuse.ko", "")],
        "cuse",
        Verdict::Missing,
        &["`modprobe cuse`", "modules-load", "shrbuf run"],
    ),
    (
        &[("lib/modules/6.1.0/kernel/fs/fuse/cuse.ko.xz", "")],
        "cuse",
        Verdict::Missing,
        &["`modprobe cuse`"],
    ),
    (
        &[("lib/modules/6.1.0/modules.builtin", "kernel/fs/fuse/cuse.ko\n")],
        "cuse",
        Verdict::Missing,
        &["`modprobe cuse`"],
    ),
    (
        &[],
        "cuse",
        Verdict::Missing,
        &["no module", "linux-image-amd64", "CONFIG_CUSE", "shrbuf run"],
    ),
    (&[(".dockerenv", "")], "cuse", Verdict::Missing, &["--device /dev/cuse"]),
    (&[("dev/fuse", "")], "fuse", Verdict::Fine, &[]),
    (&[], "fuse", Verdict::Limited, &["modprobe fuse"]),
    (&[("dev/udmabuf", "")], "udmabuf", Verdict::Fine, &["real dma-bufs"]),
    (&[], "udmabuf", Verdict::Limited, &["sealed memory files", "CONFIG_UDMABUF"]),
    (&[], "passthrough", Verdict::Limited, &["kernel 6.1.0 has no FUSE passthrough", "6.9"]),
    (&[], "export", Verdict::Fine, &["no Yama"]),
    (&[("proc/sys/kernel/yama/ptrace_scope", "1\n")], "export", Verdict::Fine, &["is 1"]),
    (
        &[("proc/sys/kernel/yama/ptrace_scope", "3\n")],
        "export",
        Verdict::Limited,
        &["include/shrbuf.h", "restart"],
    ),
    (
        &[("etc/group", "root:x:0:\nvideo:x:44:\n")],
        "group",
        Verdict::Limited,
        &["not in group video", "usermod"],
    ),
    (&[("etc/group", "root:x:0:\n")], "group", Verdict::Limited, &["groupadd"]),
    (&[], "udev", Verdict::Fine, &["makes the links itself"]),
    (
        &[("run/udev/control", "")],
        "udev",
        Verdict::Limited,
        &["70-shrbuf.rules", "/etc/udev/rules.d"],
    ),
    (
        &[("run/udev/control", ""), ("etc/udev/rules.d/70-shrbuf.rules", "")],
        "udev",
        Verdict::Fine,
        &["/etc/udev/rules.d/70-shrbuf.rules"],
    ),
    (
        &[("run/shrbuf/nodes/video7", ""), ("run/shrbuf/nodes/video256", "")],
        "numbers",
        Verdict::Limited,
        &["/dev/video7 of ours", "webcam"],
    ),
];

#[test]
fn what_is_missing_is_told_with_how_to_get_it() {
    for (files, name, verdict, words) in CASES {
        let root = machine(files);
        let finding = named(root.path(), "6.1.0", &[], name).unwrap();
        assert_eq!(finding.verdict, *verdict, "{files:?}: {finding:?}");
        assert_eq!(finding.remedy.is_some(), *verdict != Verdict::Fine, "{finding:?}");
        let text = format!("{} {}", finding.what, finding.remedy.unwrap_or_default());
        for word in *words {
            assert!(text.contains(word), "{files:?}: no '{word}' in {text}");
        }
    }
}

#[test]
fn a_kernel_is_judged_by_its_version() {
    let root = machine(&[]);
    for (release, fine) in [
        ("6.8.12", false),
        ("6.9", true),
        ("6.12.3+deb13-amd64", true),
        ("7.0-rc1", true),
        ("5.10.0", false),
        ("x", false),
    ] {
        let finding = named(root.path(), release, &[], "passthrough").unwrap();
        assert_eq!(finding.verdict == Verdict::Fine, fine, "{release}");
    }
}

#[test]
fn what_exports_are_instead_of_dmabufs_is_told() {
    for (files, release, word) in [
        (&[("dev/fuse", "")][..], "6.12.0", "exports are handles"),
        (&[], "6.12.0", "exports are sealed memory files"),
        (&[("dev/fuse", "")], "6.8.12", "exports are sealed memory files"),
    ] {
        let root = machine(files);
        let finding = named(root.path(), release, &[], "udmabuf").unwrap();
        assert_eq!(finding.verdict, Verdict::Limited);
        assert!(finding.what.contains(word), "{release}: {}", finding.what);
    }
}

#[test]
fn who_is_in_the_group_is_told_so() {
    let root = machine(&[("etc/group", "video:x:44:\n")]);
    assert_eq!(named(root.path(), "6.1.0", &[GID], "group").unwrap().verdict, Verdict::Fine);
}

#[test]
fn high_numbers_are_no_finding() {
    let root = machine(&[("run/shrbuf/nodes/video256", "")]);
    assert_eq!(named(root.path(), "6.1.0", &[], "numbers"), None);
}
