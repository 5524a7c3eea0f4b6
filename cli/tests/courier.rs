//! The courier against callers that know nothing of it. Needs root and a node to call (FUSE will
//! do); in the user-mode Linux lane `sandbox_uml_courier.rs` runs the same on CUSE.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "this is test code")]

#[path = "courier/node.rs"]
mod node;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use node::{Between, Node};
use shrbuf::courier::{GiveError, Limits, Program, Workers};

/// How often each caller calls, unless `SHRBUF_ROUNDS` says otherwise.
const ROUNDS: &str = "200";

fn rounds() -> String {
    std::env::var("SHRBUF_ROUNDS").unwrap_or_else(|_| ROUNDS.into())
}

fn workers(deadline: Duration) -> Workers {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_shrbuf"));
    let limits = Limits { deadline, ..Limits::default() };
    Workers::start(limits, Program::File(program)).expect("workers")
}

/// A node, or `None` after a line that says why there is none.
fn node(name: &str, between: Option<Between>) -> Option<Node> {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIP {name}: not root");
        return None;
    }
    match Node::start(workers(Duration::from_secs(5)), between) {
        Ok(node) => Some(node),
        Err(error) => {
            println!("SKIP {name}: {error}");
            None
        }
    }
}

/// Compiles the caller once per way; `None` where that way is not to be had.
fn caller(extra: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.join(format!("courier-caller{}", extra.concat()));
    let fresh =
        folder.join(format!("courier-caller{}-{:?}", extra.concat(), std::thread::current().id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/courier/caller.c");
    if std::env::var_os("SHRBUF_INSIDE").is_none() {
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-mno-red-zone", "-Wall", "-Wextra", "-Werror", "-o"]);
        compiler.arg(&fresh).arg(source).arg("-pthread").args(extra);
        assert!(compiler.status().expect("a compiler").success());
        std::fs::rename(fresh, &program).expect("renamed");
    }
    program
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the caller starts");
    println!(
        "{} {}: {}{}",
        program.file_name().expect("a name").to_string_lossy(),
        arguments[1..].join(" "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Runs a caller in a mode; all its checks must hold.
fn holds(name: &str, extra: &[&str], mode: &str) -> Option<Vec<GiveError>> {
    let node = node(name, None)?;
    let output = run(&caller(extra), &[&node.path.to_string_lossy(), mode, &rounds()]);
    assert!(output.status.success(), "{:?}", node.reasons());
    Some(node.reasons())
}

macro_rules! good {
    ($($name:ident $extra:expr, $mode:expr;)*) => {$(
        #[test]
        fn $name() {
            if let Some(reasons) = holds(stringify!($name), &$extra, $mode) {
                assert_eq!(reasons, []);
            }
        }
    )*};
}

good! {
    a_caller_is_as_before [], "plain";
    a_static_caller_too ["-static"], "plain";
    signals_at_1_khz_do_not_matter [], "signals";
    threads_do_not_disturb_each_other [], "threads";
    threads_and_signals ["-static"], "threads signals";
    two_free_numbers_are_enough [], "two hard";
    one_free_number_is_enough [], "one";
    what_it_costs [], "timed";
}

/// Linux's `CAP_SYS_RESOURCE`.
const CAP_SYS_RESOURCE: u32 = 24;

fn capable(capability: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("capabilities");
    let set = u64::from_str_radix(line.trim(), 16).expect("hexadecimal");
    set >> capability & 1 == 1
}

#[test]
fn one_free_number_is_enough_where_the_limit_is_hard() {
    let name = "one_free_number_is_enough_where_the_limit_is_hard";
    if !capable(CAP_SYS_RESOURCE) {
        println!("SKIP {name}: no CAP_SYS_RESOURCE");
        return;
    }
    if let Some(reasons) = holds(name, &[], "one hard") {
        assert_eq!(reasons, []);
    }
}

#[test]
fn a_full_table_gets_emfile_and_nothing_else() {
    for mode in ["full", "full hard"] {
        let name = "a_full_table_gets_emfile_and_nothing_else";
        let Some(reasons) = holds(name, &[], mode) else { return };
        assert!(!reasons.is_empty());
        assert!(reasons.iter().all(|reason| *reason == GiveError::TableFull), "{reasons:?}");
    }
}
