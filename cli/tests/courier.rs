//! The courier against callers that know nothing of it. Needs root and a node to call (FUSE will
//! do); in the user-mode Linux lane `sandbox_uml_courier.rs` runs the same on CUSE.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "this is test code")]

#[path = "courier/node.rs"]
mod node;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use node::{Between, Node};
use shrbuf::courier::server::{self, Server};
use shrbuf::courier::{GiveError, Limits, Program, Workers};

/// Ten times the longest that anything took here under load.
const DEADLINE: Duration = Duration::from_secs(2);

/// Set in a guest.
pub(crate) const INSIDE: &str = "SHRBUF_INSIDE";

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
    match Node::start(workers(DEADLINE), between) {
        Ok(node) => Some(node),
        Err(error) => {
            println!("SKIP {name}: {error}");
            None
        }
    }
}

/// Where the callers lie. In a guest they have been built before it started.
fn built(name: &str, compiler: &mut Command) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.join(format!("courier-{name}"));
    if std::env::var_os(INSIDE).is_none() {
        // Tests run side by side: each builds, and the last one stays.
        let fresh = folder.join(format!("{name}-{:?}", std::thread::current().id()));
        let status = compiler.arg("-o").arg(&fresh).status().expect("a compiler");
        assert!(status.success(), "{compiler:?}");
        std::fs::rename(fresh, &program).expect("renamed");
    }
    program
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/courier").join(name)
}

fn c(name: &str, extra: &[&str]) -> PathBuf {
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-mno-red-zone", "-Wall", "-Wextra", "-Werror", "-pthread"]);
    compiler.arg("-I").arg(source("../../../include"));
    compiler.arg(source(&format!("{name}.c"))).args(extra);
    built(&format!("{name}{}", extra.concat()), &mut compiler)
}

fn caller(extra: &[&str]) -> PathBuf {
    c("caller", extra)
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

#[test]
fn a_go_program_is_as_good_as_any() {
    let name = "a_go_program_is_as_good_as_any";
    let Some(node) = node(name, None) else { return };
    if Command::new("go").arg("version").output().is_err() {
        println!("SKIP {name}: no Go here");
        return;
    }
    let mut compiler = Command::new("go");
    compiler.arg("build").current_dir(source("gocaller")).env("CGO_ENABLED", "0");
    if std::env::var_os("HOME").is_none() {
        compiler.env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"));
    }
    let program = built("gocaller", &mut compiler);
    let output = run(&program, &[&node.path.to_string_lossy(), &rounds()]);
    assert!(output.status.success());
    assert_eq!(node.reasons(), []);
}

/// A filter that would kill the caller for what it is made to do is suspended, or the caller is
/// refused.
#[test]
fn a_seccomp_filter_never_sees_what_the_caller_is_made_to_do() {
    let name = "a_seccomp_filter_never_sees_what_the_caller_is_made_to_do";
    let Some(node) = node(name, None) else { return };
    let (caller, path) = (caller(&[]), node.path.to_string_lossy().into_owned());
    let given = run(&caller, &[&path, "filtered", "100"]);
    if given.status.success() {
        return;
    }
    println!("not suspended here");
    let reasons = node.reasons();
    assert!(reasons.iter().all(|reason| *reason == GiveError::Filtered), "{reasons:?}");
    assert!(run(&caller, &[&path, "filtered refused", "100"]).status.success());
}

#[test]
fn a_traced_caller_gets_ebusy() {
    let Some(node) = node("a_traced_caller_gets_ebusy", None) else { return };
    let (caller, path) = (caller(&[]), node.path.to_string_lossy().into_owned());
    let caller = caller.to_string_lossy();
    let output = run(&c("probe", &[]), &[&path, "", "traced", &caller, &path, "busy", "100"]);
    assert!(output.status.success());
    let reasons = node.reasons();
    assert_eq!(reasons.len(), 100);
    assert!(reasons.iter().all(|reason| matches!(reason, GiveError::Traced(_))), "{reasons:?}");
}

/// Runs a probe; all its checks must hold.
fn probe(name: &str, mode: &str) {
    let Some(node) = node(name, None) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("socket");
    let listener = server::listen(&socket).expect("a socket");
    let _server = Server::start(listener, node.tickets()).expect("a server");
    let arguments = [&*node.path.to_string_lossy(), &*socket.to_string_lossy(), mode];
    assert!(run(&c("probe", &[]), &arguments).status.success());
}

macro_rules! probes {
    ($($name:ident $mode:expr;)*) => {$(
        #[test]
        fn $name() {
            probe(stringify!($name), $mode);
        }
    )*};
}

probes! {
    nested_memory_is_read_and_written "memory";
    a_process_is_kept_until_it_ends_or_runs_another_program "kept";
    flags_are_those_of_this_moment "flags";
    only_memory_files_and_dmabufs_are_taken "take";
    memory_that_never_comes_is_out_of_time "stall";
    a_ticket_brings_a_descriptor_without_ptrace "ticket";
}
