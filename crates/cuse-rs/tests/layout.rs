//! The structures and numbers of `abi` beside those of the newest `<linux/fuse.h>`, by compiled C.
//!
//! The header lies below `$HEADERS` or, without it, where `make headers` unpacks it.
#![allow(clippy::expect_used, reason = "this is test code")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cuse_rs::abi::{self, CONSTANTS, STRUCTS};

const NAME: &str = "structures_and_numbers_are_the_kernels";

fn headers() -> PathBuf {
    if let Some(given) = std::env::var_os("HEADERS").filter(|given| !given.is_empty()) {
        return PathBuf::from(given);
    }
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|given| !given.is_empty());
    cache.map_or_else(home, PathBuf::from).join("shrbuf/suites/sid/linux-libc-dev/usr/include")
}

/// One line a thing: its name, and what is to be compared. A keyword of Rust is written `r#type` there.
fn ours() -> Vec<String> {
    let mut lines = Vec::new();
    for it in STRUCTS {
        lines.push(format!("struct {} {}", it.name, it.size));
        for (field, offset, size) in it.fields {
            let field = field.trim_start_matches("r#");
            lines.push(format!("{}.{field} {offset} {size}", it.name));
        }
    }
    lines.extend(CONSTANTS.iter().map(|(name, value)| format!("{name} {value}")));
    lines
}

/// The same lines, printed by a program that has the kernel's header.
fn program() -> String {
    let mut lines = String::new();
    for it in STRUCTS {
        let name = it.name;
        writeln!(lines, "printf(\"struct {name} %zu\\n\", sizeof(struct {name}));").expect("text");
        for (field, ..) in it.fields {
            let field = field.trim_start_matches("r#");
            writeln!(
                lines,
                "printf(\"{name}.{field} %zu %zu\\n\", offsetof(struct {name}, {field}), \
                 sizeof(((struct {name} *)0)->{field}));"
            )
            .expect("text");
        }
    }
    for (name, _) in CONSTANTS {
        writeln!(lines, "printf(\"{name} %llu\\n\", (unsigned long long)({name}));").expect("text");
    }
    format!(
        "#include <stddef.h>\n#include <stdio.h>\n#include <linux/fuse.h>\n#include <linux/ioctl.h>\n\
         int main(void)\n{{\n{lines}printf(\"minor %u\\n\", FUSE_KERNEL_MINOR_VERSION);\nreturn 0;\n}}\n"
    )
}

fn run(headers: &Path) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, binary) = (folder.path().join("layout.c"), folder.path().join("layout"));
    fs::write(&source, program()).expect("a file");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut build = cc::Build::new();
    build.opt_level(0).target(&target).host(&target).cargo_metadata(false);
    let mut compiler = build.get_compiler().to_command();
    let machine = headers.join(format!("{}-linux-gnu", std::env::consts::ARCH));
    compiler.arg("-isystem").arg(headers).arg("-isystem").arg(machine);
    let compiled = compiler.arg("-o").arg(&binary).arg(&source).output().expect("a C compiler");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let answer = Command::new(&binary).output().expect("it runs");
    String::from_utf8(answer.stdout).expect("text")
}

#[test]
fn structures_and_numbers_are_the_kernels() {
    let headers = headers();
    if !headers.join("linux/fuse.h").exists() {
        println!("SKIP {NAME}: no {}/linux/fuse.h; make headers gets it", headers.display());
        return;
    }
    let answer = run(&headers);
    let (theirs, minor) = answer.trim_end().rsplit_once('\n').expect("lines");
    let minor: u32 = minor.trim_start_matches("minor ").parse().expect("a number");
    assert!(abi::NEWEST_MINOR <= minor, "7.{} is not in {}", abi::NEWEST_MINOR, headers.display());
    let ours = ours();
    assert!(ours.len() > 300, "{} lines", ours.len());
    let different: Vec<_> = ours.iter().zip(theirs.lines()).filter(|(a, b)| a != b).collect();
    assert!(different.is_empty(), "ours, the kernel's: {different:#?}");
    assert_eq!(ours.len(), theirs.lines().count());
}
