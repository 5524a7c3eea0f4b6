//! The courier against callers that know nothing of it, one function per test: `courier.rs` runs
//! them on this machine, `sandbox_uml_courier.rs` in a guest.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::node::{Between, Node};
use shrbuf::courier::server::{self, Server};
use shrbuf::courier::{GiveError, Limits, Program, Worker, Workers};

/// Ten times the longest that anything took here under load.
const DEADLINE: Duration = Duration::from_secs(2);

/// Set in a guest.
pub(crate) const INSIDE: &str = "SHRBUF_INSIDE";

/// How often each caller calls, unless `SHRBUF_ROUNDS` says otherwise.
const ROUNDS: &str = "200";

pub(crate) fn rounds() -> String {
    std::env::var("SHRBUF_ROUNDS").unwrap_or_else(|_| ROUNDS.into())
}

fn workers(deadline: Duration) -> Workers {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_shrbuf"));
    let limits = Limits { deadline, ..Limits::default() };
    Workers::start(limits, Program::File(program)).expect("workers")
}

/// A node, or `None` after a line that says why there is none.
pub(crate) fn node(name: &str, between: Option<Between>) -> Option<Node> {
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
pub(crate) fn built(name: &str, compiler: &mut Command) -> PathBuf {
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

/// Builds what a guest will find built.
#[allow(dead_code, reason = "only the lane with a guest needs it")]
pub(crate) fn build() {
    for extra in [&[][..], &["-static"]] {
        caller(extra);
    }
    c("probe", &[]);
    c("swapper", &[]);
    c("swapper", &["-static"]);
    gocaller();
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/courier").join(name)
}

pub(crate) fn c(name: &str, extra: &[&str]) -> PathBuf {
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-mno-red-zone", "-Wall", "-Wextra", "-Werror", "-pthread"]);
    compiler.arg("-I").arg(source("../../../include"));
    compiler.arg(source(&format!("{name}.c"))).args(extra);
    built(&format!("{name}{}", extra.concat()), &mut compiler)
}

pub(crate) fn gocaller() -> Option<PathBuf> {
    let mut compiler = Command::new("go");
    compiler.arg("build").current_dir(source("gocaller")).env("CGO_ENABLED", "0");
    if std::env::var_os("HOME").is_none() {
        compiler.env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go"));
    }
    Command::new("go").arg("version").output().ok()?;
    Some(built("gocaller", &mut compiler))
}

fn caller(extra: &[&str]) -> PathBuf {
    c("caller", extra)
}

pub(crate) fn run(program: &Path, arguments: &[&str]) -> Output {
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

fn a_full_table_gets_emfile_and_nothing_else() {
    for mode in ["full", "full hard"] {
        let name = "a_full_table_gets_emfile_and_nothing_else";
        let Some(reasons) = holds(name, &[], mode) else { return };
        assert!(!reasons.is_empty());
        assert!(reasons.iter().all(|reason| *reason == GiveError::TableFull), "{reasons:?}");
    }
}

fn a_go_program_is_as_good_as_any() {
    let name = "a_go_program_is_as_good_as_any";
    let Some(node) = node(name, None) else { return };
    let Some(program) = gocaller() else {
        println!("SKIP {name}: no Go here");
        return;
    };
    let output = run(&program, &[&node.path.to_string_lossy(), &rounds()]);
    assert!(output.status.success());
    assert_eq!(node.reasons(), []);
}

/// A filter that would kill the caller for what it is made to do is suspended, or the caller is
/// refused.
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

fn a_traced_caller_gets_ebusy() {
    let Some(node) = node("a_traced_caller_gets_ebusy", None) else { return };
    let (caller, path) = (caller(&[]), node.path.to_string_lossy().into_owned());
    let caller = caller.to_string_lossy();
    let output = run(&c("probe", &[]), &[&path, "", "traced", &caller, &path, "busy", "100"]);
    assert!(output.status.success());
    let reasons = node.reasons_of(100);
    assert_eq!(reasons.len(), 100);
    assert!(reasons.iter().all(|reason| matches!(reason, GiveError::Traced(_))), "{reasons:?}");
}

/// Only a kernel for 32-bit programs too has that entry.
fn the_entry_of_32_bit_programs_is_refused() {
    let name = "the_entry_of_32_bit_programs_is_refused";
    if std::fs::metadata("/proc/sys/abi/vsyscall32").is_err() {
        println!("no 32-bit programs here");
        return;
    }
    let Some(node) = node(name, None) else { return };
    let output = run(&c("probe", &[]), &[&node.path.to_string_lossy(), "", "foreign"]);
    assert!(output.status.success(), "{:?}", node.reasons());
    assert_eq!(node.reasons_of(20), vec![GiveError::ForeignCall; 20]);
}

fn a_caller_that_swaps_descriptors_harms_itself_only() {
    let name = "a_caller_that_swaps_descriptors_harms_itself_only";
    let Some(node) = node(name, None) else { return };
    let path = node.path.to_string_lossy().into_owned();
    assert!(run(&c("probe", &[]), &[&path, "", "hostile"]).status.success());
    let reasons = node.reasons();
    println!("{:?}", tally(&reasons));
    let lost = [GiveError::Helper, GiveError::TimedOut];
    assert!(!reasons.iter().any(|reason| lost.contains(reason)));
    assert!(run(&caller(&[]), &[&path, "plain", "50"]).status.success());
}

/// A process that is killed while descriptors of the node that it serves lie in its own socket
/// ends for all that: it lets go of them only after it has let go of `/dev/cuse`.
fn a_daemon_dies_with_its_own_node_in_its_socket() {
    let Some(probing) = node("a_daemon_dies_with_its_own_node_in_its_socket", None) else { return };
    drop(probing);
    let (mut daemon, path) = daemon();
    let socket = format!("{}.socket", std::env::temp_dir().join(daemon.id().to_string()).display());
    let mut client = Command::new(c("probe", &[]))
        .args([&path, &socket, "deposit"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawned");
    let said = BufReader::new(client.stdout.take().expect("a pipe")).lines().next();
    assert_eq!(said.expect("a line").expect("text"), "deposited");
    daemon.kill().expect("killed");
    let deadline = Instant::now() + Duration::from_secs(20);
    while daemon.try_wait().expect("a child").is_none() {
        assert!(Instant::now() < deadline, "the daemon hangs");
        std::thread::sleep(Duration::from_millis(1));
    }
    client.kill().expect("killed");
    client.wait().expect("dead");
    std::fs::remove_file(socket).expect("removed");
    unmount(&path);
}

/// A daemon of its own process, and its node.
pub(crate) fn daemon() -> (std::process::Child, String) {
    let mut daemon = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", SERVING, "--nocapture"])
        .env(SERVE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawned");
    let said = BufReader::new(daemon.stdout.take().expect("a pipe"));
    let path = said.lines().map(|line| line.expect("text"));
    let path = path.filter_map(|line| line.split("NODE ").nth(1).map(str::to_owned)).next();
    (daemon, path.expect("a path"))
}

/// Waits until the process has the file open.
fn until_open(pid: u32, path: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let has = || {
        let listing = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut links = listing.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        links.any(|link| link == Path::new(path))
    };
    while !has() {
        assert!(Instant::now() < deadline, "{path} is not opened");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What a killed daemon leaves behind.
fn unmount(path: &str) {
    if !path.starts_with("/dev") {
        let folder = Path::new(path).parent().expect("a folder");
        nix::mount::umount2(folder, nix::mount::MntFlags::MNT_DETACH).expect("unmounted");
        std::fs::remove_dir(folder).expect("removed");
    }
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

/// Nothing of the daemon's is held up by its helpers.
fn a_helper_holds_its_socket_and_the_transfer_file_only() {
    let workers = workers(DEADLINE);
    let (tell, told) = std::sync::mpsc::channel();
    workers.submit(0, move |worker| {
        let id = worker.and_then(Worker::helper_id);
        tell.send(id.expect("a helper")).expect("told");
    });
    let folder = PathBuf::from(format!("/proc/{}/fd", told.recv().expect("told")));
    let held = || {
        let listed = std::fs::read_dir(&folder).expect("a listing").flatten();
        let links = listed.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        links.map(|link| link.to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while held().len() != 5 {
        assert!(Instant::now() < deadline, "{:?}", held());
        std::thread::sleep(Duration::from_millis(1));
    }
    let kinds = held();
    assert!(kinds.iter().any(|kind| kind.starts_with("socket:")), "{kinds:?}");
    assert!(kinds.iter().any(|kind| kind.contains("shrbuf-transfer")), "{kinds:?}");
}

/// Kills the helper of every third call, after the call was answered and before the caller stops:
/// the caller comes back unharmed.
fn a_killed_helper_leaves_the_caller_unharmed() {
    let count = AtomicU32::new(0);
    let between = move |helper: u32| {
        if count.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
            kill(Pid::from_raw(helper.cast_signed()), Signal::SIGKILL).expect("killed");
        }
    };
    let name = "a_killed_helper_leaves_the_caller_unharmed";
    let Some(node) = node(name, Some(Box::new(between))) else { return };
    let path = node.path.to_string_lossy().into_owned();
    assert!(run(&caller(&[]), &[&path, "either", "90"]).status.success());
    assert_eq!(node.reasons_of(30), vec![GiveError::Helper; 30]);
    assert!(run(&caller(&[]), &[&path, "either signals", "90"]).status.success());
}

/// Callers that die at any moment are forgotten.
fn dying_callers_are_forgotten() {
    let Some(node) = node("dying_callers_are_forgotten", None) else { return };
    let (caller, path) = (caller(&[]), node.path.to_string_lossy().into_owned());
    for round in 0..storms() {
        let mode = if round.is_multiple_of(2) { "plain" } else { "threads" };
        let mut dying =
            Command::new(&caller).args([&path, mode, "100000"]).spawn().expect("spawned");
        std::thread::sleep(Duration::from_micros(u64::from(round * 7919 % 20_000)));
        dying.kill().expect("killed");
        dying.wait().expect("dead");
    }
    println!("{} callers killed: {:?}", storms(), tally(&node.reasons()));
    assert!(run(&caller, &[&path, "plain", "50"]).status.success());
    let reasons = node.reasons();
    assert!(reasons.iter().all(|reason| *reason == GiveError::Gone), "{reasons:?}");
}

/// Callers that are stopped and continued at any moment notice nothing.
fn stopped_callers_go_on() {
    let Some(node) = node("stopped_callers_go_on", None) else { return };
    let (caller, path) = (caller(&[]), node.path.to_string_lossy().into_owned());
    for mode in ["plain", "threads signals"] {
        let mut caller = Command::new(&caller).args([&path, mode, "200"]).spawn().expect("spawned");
        let pid = Pid::from_raw(caller.id().cast_signed());
        let mut stops = 0_u64;
        let status = loop {
            if let Some(status) = caller.try_wait().expect("a child") {
                break status;
            }
            kill(pid, Signal::SIGSTOP).expect("stopped");
            std::thread::sleep(Duration::from_micros(stops * 37 % 1500));
            kill(pid, Signal::SIGCONT).expect("continued");
            std::thread::sleep(Duration::from_micros(stops * 53 % 3000));
            stops += 1;
        };
        println!("{mode}: stopped {stops} times");
        assert!(status.success(), "{:?}", node.reasons());
        assert_eq!(node.reasons(), []);
    }
}

/// A daemon that is killed at any moment leaves the caller with an answer, and no helper.
fn a_killed_daemon_leaves_the_caller_unharmed() {
    let name = "a_killed_daemon_leaves_the_caller_unharmed";
    drop(match node(name, None) {
        Some(node) => node,
        None => return,
    });
    let caller = caller(&[]);
    for round in 0..storms() {
        let (mut daemon, path) = daemon();
        let mode = if round.is_multiple_of(2) { "either" } else { "either signals" };
        let calling = Command::new(&caller).args([&path, mode, "100000"]).spawn().expect("spawned");
        // An open that is under way when the daemon dies fails, and says nothing.
        until_open(calling.id(), &path);
        std::thread::sleep(Duration::from_micros(u64::from(round * 7919 % 20_000)));
        daemon.kill().expect("killed");
        daemon.wait().expect("dead");
        let output = calling.wait_with_output().expect("ended");
        unmount(&path);
        std::fs::remove_file(std::env::temp_dir().join(format!("{}.socket", daemon.id())))
            .expect("removed");
        assert!(output.status.success());
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while orphaned_helpers() > 0 {
        assert!(Instant::now() < deadline, "{} helpers outlive their daemon", orphaned_helpers());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Not a test: the daemon of the one above.
pub(crate) fn serve_if_told() {
    if std::env::var_os(SERVE).is_some() {
        let node = node("serve", None).expect("a node");
        let socket = std::env::temp_dir().join(format!("{}.socket", std::process::id()));
        let listener = server::listen(&socket).expect("a socket");
        let _server = Server::start(listener, node.tickets()).expect("a server");
        println!("NODE {}", node.path.display());
        std::thread::sleep(Duration::from_secs(60));
    }
}

/// Told to a process that is to serve.
const SERVE: &str = "SHRBUF_SERVE";

/// The name under which it does.
const SERVING: &str = "serving";

pub(crate) fn storms() -> u32 {
    rounds().parse::<u32>().expect("a number") / 5
}

pub(crate) fn tally(reasons: &[GiveError]) -> Vec<(GiveError, usize)> {
    let mut all: Vec<(GiveError, usize)> = Vec::new();
    for reason in reasons {
        match all.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += 1,
            None => all.push((*reason, 1)),
        }
    }
    all
}

/// Helpers whose daemon is dead: their parent is process 1.
pub(crate) fn orphaned_helpers() -> usize {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let orphaned = processes.filter(|process| {
        let read = |name| std::fs::read_to_string(process.path().join(name)).unwrap_or_default();
        read("cmdline").starts_with(shrbuf::courier::HELPER_NAME)
            && read("status").contains("PPid:\t1\n")
    });
    orphaned.count()
}

/// All of them, by name.
macro_rules! all {
    ($($name:ident),* $(,)?) => {
        pub(crate) const ALL: &[(&str, fn())] = &[$((stringify!($name), $name)),*];
    };
}

all! {
    a_caller_is_as_before,
    a_static_caller_too,
    signals_at_1_khz_do_not_matter,
    threads_do_not_disturb_each_other,
    threads_and_signals,
    two_free_numbers_are_enough,
    one_free_number_is_enough,
    what_it_costs,
    one_free_number_is_enough_where_the_limit_is_hard,
    a_full_table_gets_emfile_and_nothing_else,
    a_go_program_is_as_good_as_any,
    a_seccomp_filter_never_sees_what_the_caller_is_made_to_do,
    a_traced_caller_gets_ebusy,
    nested_memory_is_read_and_written,
    a_process_is_kept_until_it_ends_or_runs_another_program,
    flags_are_those_of_this_moment,
    only_memory_files_and_dmabufs_are_taken,
    memory_that_never_comes_is_out_of_time,
    a_ticket_brings_a_descriptor_without_ptrace,
    a_killed_helper_leaves_the_caller_unharmed,
    dying_callers_are_forgotten,
    stopped_callers_go_on,
    a_killed_daemon_leaves_the_caller_unharmed,
    the_entry_of_32_bit_programs_is_refused,
    a_caller_that_swaps_descriptors_harms_itself_only,
    a_daemon_dies_with_its_own_node_in_its_socket,
    a_helper_holds_its_socket_and_the_transfer_file_only,
}
