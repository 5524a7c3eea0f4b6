//! `shrbuf run` over nodes that are a double: the command's status, its signals, and what is left.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code")]

mod double;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use double::{Machine, options};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use shrbuf::daemon::nodes::StartError;
use shrbuf::daemon::run::{Reach, RunError, run};
use shrbuf::daemon::serve::Options;

fn status(machine: &Machine, words: &[&str]) -> Result<u8, RunError> {
    let argv: Vec<OsString> = words.iter().map(OsString::from).collect();
    run(&machine.options(), &|_, _| Ok(Box::new(machine.double.clone())), Reach::Ptrace, &argv)
}

#[test]
fn the_status_is_the_commands_own() {
    let machine = Machine::new();
    for (script, wanted) in
        [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
    {
        assert_eq!(status(&machine, &["sh", "-c", script]).unwrap(), wanted, "{script}");
        assert_eq!(machine.left(), Vec::<String>::new(), "{script}");
    }
}

#[test]
fn a_command_that_can_t_be_started_is_126_or_127() {
    let machine = Machine::new();
    let error = status(&machine, &["/none/such"]).unwrap_err();
    assert_eq!((error.exit_status(), error.to_string().contains("/none/such")), (127, true));
    let folder = machine.at("dev");
    let error = status(&machine, &[folder.to_str().unwrap()]).unwrap_err();
    assert_eq!(error.exit_status(), 126);
    assert_eq!(machine.left(), Vec::<String>::new());
}

/// The command finds the nodes and the socket.
#[test]
fn the_nodes_are_there_while_the_command_runs() {
    let machine = Machine::new();
    let dev = machine.at("dev");
    let script = format!(
        "test -L {0}/video-sim && test -L {0}/display-sim && test -S \"$SHRBUF_SOCKET\" && test \"$SHRBUF_SOCKET\" = {1}",
        dev.display(),
        machine.options().socket.display()
    );
    assert_eq!(status(&machine, &["sh", "-c", &script]).unwrap(), 0);
    assert_eq!(machine.calls().len(), 4, "two started, two stopped");
}

#[test]
fn without_nodes_the_command_is_not_run() {
    let machine = Machine::new();
    let mark = machine.at("mark");
    let touch = ["touch", mark.to_str().unwrap()];
    let what = || StartError::Environment { what: "/dev/cuse".into(), remedy: "modprobe".into() };
    machine.double.script.lock().unwrap().fail = Some(what());
    assert_eq!(status(&machine, &touch).unwrap_err().exit_status(), 77);
    let wrong = Options { config: Some(machine.at("none.toml")), ..machine.options() };
    let argv: Vec<OsString> = touch.iter().map(OsString::from).collect();
    let error = run(&wrong, &|_, _| Ok(Box::new(machine.double.clone())), Reach::Ptrace, &argv)
        .unwrap_err();
    assert_eq!(error.exit_status(), 2);
    assert!(!mark.exists());
    assert_eq!(machine.left(), Vec::<String>::new());
}

/// Names the folder of the process that `a_signal_is_handed_on` starts.
const FOLDER: &str = "SHRBUF_TEST_FOLDER";

/// Plays `shrbuf run`, in a process of its own: signals are the process's.
#[test]
fn the_process_of_a_signal_is_handed_on() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let machine = Machine::in_folder(Path::new(&folder));
    // Every other thread has them blocked from the start, by whoever started this process.
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.add(Signal::SIGINT);
    set.thread_unblock().unwrap();
    let script = "trap 'echo INT' INT; trap 'echo TERM; exit 9' TERM; echo ready; while :; do read line; done";
    let argv: Vec<OsString> = ["sh", "-c", script].iter().map(OsString::from).collect();
    let root = Path::new(&folder);
    let end =
        run(&options(root), &|_, _| Ok(Box::new(machine.double.clone())), Reach::Ptrace, &argv);
    println!("status {}", end.unwrap());
}

#[test]
fn a_signal_is_handed_on() {
    let machine = Machine::new();
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", "the_process_of_a_signal_is_handed_on", "--nocapture"])
        .env(FOLDER, machine.folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut blocked = SigSet::empty();
    blocked.add(Signal::SIGTERM);
    blocked.add(Signal::SIGINT);
    shrbuf::sys::process::with_signal_mask(&mut command, blocked);
    let mut child = command.spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut wait = |word: &str| assert!(lines.any(|line| line.ends_with(word)), "no {word}");
    wait("ready");
    kill(pid, Signal::SIGINT).unwrap();
    // The shell looks at its traps between two lines.
    std::io::Write::write_all(&mut input, b"\n").unwrap();
    wait("INT");
    kill(pid, Signal::SIGTERM).unwrap();
    std::io::Write::write_all(&mut input, b"\n").unwrap();
    wait("TERM");
    wait("status 9");
    assert!(child.wait().unwrap().success());
    assert_eq!(machine.left(), Vec::<String>::new());
    assert!(!fs::exists(machine.options().socket).unwrap());
}
