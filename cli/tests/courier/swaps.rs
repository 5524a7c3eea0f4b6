//! Swaps of descriptors, by callers that know nothing of it: one function per test, as in
//! `callers.rs`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::callers::{c, daemon, gocaller, node, orphaned_helpers, rounds, run, storms, tally};
use super::node::{Between, Node};
use shrbuf::courier::GiveError;

/// A node that is a character device, as only such are swapped.
fn device(name: &str, between: Option<Between>) -> Option<Node> {
    let node = node(name, between)?;
    if node.path.starts_with("/dev") {
        return Some(node);
    }
    println!("SKIP {name}: no /dev/cuse");
    None
}

/// Runs a caller in a mode; all its checks must hold. Why swaps failed.
fn swaps(node: &Node, extra: &[&str], mode: &str, rounds: &str) -> Vec<GiveError> {
    let output = run(&c("swapper", extra), &[&node.path.to_string_lossy(), mode, rounds]);
    assert!(output.status.success(), "{mode}: {:?}", tally(&node.reasons()));
    node.reasons()
}

macro_rules! good {
    ($($name:ident $extra:expr, $($mode:expr),*;)*) => {$(
        fn $name() {
            let Some(node) = device(stringify!($name), None) else { return };
            for mode in [$($mode),*] {
                assert_eq!(swaps(&node, &$extra, mode, &rounds()), [], "{mode}");
            }
        }
    )*};
}

fn the_calling_descriptor_is_known() {
    let Some(node) = device("the_calling_descriptor_is_known", None) else { return };
    let output = run(&c("probe", &[]), &[&node.path.to_string_lossy(), "", "file"]);
    assert!(output.status.success());
}

good! {
    a_swapped_caller_is_as_before [], "plain", "signals", "threads";
    a_static_swapped_caller_too ["-static"], "plain", "threads signals";
    a_swap_needs_no_free_number [], "one", "full", "lowered";
    what_epoll_was_told_of_a_file_holds_for_the_next [], "epoll", "epoll signals";
    what_a_swap_costs [], "timed";
    a_close_that_takes_its_time_is_waited_for [], "slow";
}

fn a_swap_that_fails_leaves_all_as_it_was() {
    let name = "a_swap_that_fails_leaves_all_as_it_was";
    let Some(node) = device(name, None) else { return };
    let call = GiveError::Call;
    for (mode, reason) in [
        ("other device", GiveError::OtherFile),
        ("unpollable", call(nix::errno::Errno::EPERM)),
        ("no memory", call(nix::errno::Errno::ENOMEM)),
    ] {
        assert_eq!(swaps(&node, &[], mode, "50"), vec![reason; 50], "{mode}");
    }
    assert_eq!(swaps(&node, &[], "too many epolls", "1"), [GiveError::Registered]);
}

/// Also where nodes are no character devices, which are then never swapped.
fn a_file_of_another_device_is_not_swapped() {
    let Some(node) = node("a_file_of_another_device_is_not_swapped", None) else { return };
    swaps(&node, &[], "other device", "20");
}

fn a_swap_needs_no_free_number_where_the_limit_is_hard() {
    let name = "a_swap_needs_no_free_number_where_the_limit_is_hard";
    let Some(node) = device(name, None) else { return };
    for mode in ["one hard", "full hard"] {
        assert_eq!(swaps(&node, &[], mode, &rounds()), [], "{mode}");
    }
}

fn a_go_program_is_swapped_as_any() {
    let name = "a_go_program_is_swapped_as_any";
    let Some(node) = device(name, None) else { return };
    let Some(program) = gocaller() else {
        println!("SKIP {name}: no Go here");
        return;
    };
    let output = run(&program, &[&node.path.to_string_lossy(), &rounds(), "swap"]);
    assert!(output.status.success(), "{:?}", tally(&node.reasons()));
    assert_eq!(node.reasons(), []);
}

fn a_seccomp_filter_never_sees_a_swap() {
    let Some(node) = device("a_seccomp_filter_never_sees_a_swap", None) else { return };
    let (program, path) = (c("swapper", &[]), node.path.to_string_lossy().into_owned());
    if run(&program, &[&path, "filtered", "50"]).status.success() {
        return;
    }
    println!("not suspended here");
    assert!(node.reasons().iter().all(|reason| *reason == GiveError::Filtered));
    swaps(&node, &[], "filtered refused", "50");
}

fn a_traced_caller_is_not_swapped() {
    let Some(node) = device("a_traced_caller_is_not_swapped", None) else { return };
    let (program, path) = (c("swapper", &[]), node.path.to_string_lossy().into_owned());
    let program = program.to_string_lossy();
    let output = run(&c("probe", &[]), &[&path, "", "traced", &program, &path, "busy", "50"]);
    assert!(output.status.success());
    let reasons = node.reasons_of(50);
    assert!(reasons.iter().all(|reason| matches!(reason, GiveError::Traced(_))), "{reasons:?}");
}

fn who_swaps_while_being_swapped_harms_itself_only() {
    let name = "who_swaps_while_being_swapped_harms_itself_only";
    let Some(node) = device(name, None) else { return };
    let reasons = swaps(&node, &[], "hostile", "1");
    println!("{:?}", tally(&reasons));
    let lost = [GiveError::Helper, GiveError::TimedOut];
    assert!(!reasons.iter().any(|reason| lost.contains(reason)));
    node.reasons();
    assert_eq!(swaps(&node, &[], "plain", "20"), []);
}

/// Kills the helper of every third call, after the call was answered and before the caller stops:
/// the caller comes back unharmed.
fn a_helper_killed_in_a_swap_leaves_the_caller_unharmed() {
    let count = AtomicU32::new(0);
    let between = move |helper: u32| {
        if count.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
            kill(Pid::from_raw(helper.cast_signed()), Signal::SIGKILL).expect("killed");
        }
    };
    let name = "a_helper_killed_in_a_swap_leaves_the_caller_unharmed";
    let Some(node) = device(name, Some(Box::new(between))) else { return };
    assert_eq!(swaps(&node, &[], "either", "60"), vec![GiveError::Helper; 20]);
    swaps(&node, &[], "either signals", "60");
}

/// Callers that die at any moment are forgotten.
fn callers_that_die_in_a_swap_are_forgotten() {
    let name = "callers_that_die_in_a_swap_are_forgotten";
    let Some(node) = device(name, None) else { return };
    let (program, path) = (c("swapper", &[]), node.path.to_string_lossy().into_owned());
    for round in 0..storms() {
        let mode = match round % 3 {
            0 => "plain",
            1 => "threads",
            _ => "epoll",
        };
        let mut dying =
            Command::new(&program).args([&path, mode, "100000"]).spawn().expect("spawned");
        std::thread::sleep(Duration::from_micros(u64::from(round * 7919 % 20_000)));
        dying.kill().expect("killed");
        dying.wait().expect("dead");
    }
    let reasons = node.reasons();
    println!("{} callers killed: {:?}", storms(), tally(&reasons));
    assert_eq!(swaps(&node, &[], "plain", "20"), []);
}

/// Callers that are stopped and continued at any moment notice nothing.
fn callers_stopped_in_a_swap_go_on() {
    let Some(node) = device("callers_stopped_in_a_swap_go_on", None) else { return };
    let (program, path) = (c("swapper", &[]), node.path.to_string_lossy().into_owned());
    for mode in ["plain", "threads signals", "epoll"] {
        let mut caller =
            Command::new(&program).args([&path, mode, "100"]).spawn().expect("spawned");
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
fn a_daemon_killed_in_a_swap_leaves_the_caller_unharmed() {
    let name = "a_daemon_killed_in_a_swap_leaves_the_caller_unharmed";
    drop(match device(name, None) {
        Some(node) => node,
        None => return,
    });
    let program = c("swapper", &[]);
    for round in 0..storms() {
        let (mut daemon, path) = daemon();
        let mode = if round.is_multiple_of(2) { "either" } else { "either signals" };
        let mut calling = Command::new(&program)
            .args([&path, mode, "100000"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("spawned");
        let mut said = BufReader::new(calling.stdout.take().expect("a pipe")).lines();
        assert_eq!(said.next().expect("a line").expect("text"), "begun");
        std::thread::sleep(Duration::from_micros(u64::from(round * 7919 % 20_000)));
        daemon.kill().expect("killed");
        daemon.wait().expect("dead");
        println!("{}", said.next().expect("a line").expect("text"));
        let output = calling.wait_with_output().expect("ended");
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

/// All of them, by name.
macro_rules! all {
    ($($name:ident),* $(,)?) => {
        pub(crate) const ALL: &[(&str, fn())] = &[$((stringify!($name), $name)),*];
    };
}

all! {
    the_calling_descriptor_is_known,
    a_swapped_caller_is_as_before,
    a_static_swapped_caller_too,
    a_swap_needs_no_free_number,
    a_swap_needs_no_free_number_where_the_limit_is_hard,
    what_epoll_was_told_of_a_file_holds_for_the_next,
    what_a_swap_costs,
    a_close_that_takes_its_time_is_waited_for,
    a_swap_that_fails_leaves_all_as_it_was,
    a_file_of_another_device_is_not_swapped,
    a_go_program_is_swapped_as_any,
    a_seccomp_filter_never_sees_a_swap,
    a_traced_caller_is_not_swapped,
    who_swaps_while_being_swapped_harms_itself_only,
    a_helper_killed_in_a_swap_leaves_the_caller_unharmed,
    callers_that_die_in_a_swap_are_forgotten,
    callers_stopped_in_a_swap_go_on,
    a_daemon_killed_in_a_swap_leaves_the_caller_unharmed,
}
