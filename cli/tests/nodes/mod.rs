//! The test programs on our own nodes: they must say what they said on vivid
//! (`tests/oracle/PROGRAM-{sp,mp}.txt`), but for the differences that `tests/oracle/differences.toml`
//! explains.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]
#![allow(dead_code, reason = "each lane uses its own part of this")]

#[path = "answers.rs"]
mod answers;
#[path = "judge.rs"]
mod judge;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Ran, ran};
use answers::Answers;
use judge::{Differences, Verdict, judge};

/// A kind of guest, and what is asked of its nodes.
pub(crate) struct Guest {
    pub engine: &'static str,
    /// The backing of exports there.
    pub backing: &'static str,
    /// How its nodes are mapped, as in the configuration.
    pub mapping: &'static str,
    /// How descriptors reach the programs, as in `nodes/in-guest`.
    pub courier: &'static str,
    pub programs: &'static [&'static str],
}

/// One program; the longest takes two minutes on a busy machine.
const PROGRAM_SECONDS: &str = "400";
/// One guest with all programs.
const GUEST_SECONDS: &str = "900";

const DIFFERENCES: &str = "tests/oracle/differences.toml";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folder with the programs, made once.
fn programs() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = Command::new("make").args(["-s", "programs"]).current_dir(root()).status();
        assert!(made.expect("make runs").success(), "the programs can be built");
        root().join("target/programs")
    })
}

/// The guest's half of a lane: a script below `cli/tests`, or two, the first of which gets the program
/// and runs the second.
pub(crate) type Script = [&'static str];

const IN_GUEST: &Script = &["nodes/in-guest"];

/// Runs them in a guest; `None` where there can be none.
fn run(guest: &Guest, script: &Script, lane: &str, programs_there: &[&str]) -> Option<Ran> {
    let shrbuf = env!("CARGO_BIN_EXE_shrbuf");
    let tests = root().join("cli/tests");
    let (first, rest) = script.split_first().expect("a script");
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=10", GUEST_SECONDS, shrbuf, "sandbox", "--engine", guest.engine])
        .args(["--timeout", GUEST_SECONDS, "--"])
        .arg(tests.join(first))
        .arg(shrbuf)
        .args(rest.iter().map(|name| tests.join(name)))
        .arg(tests.join(format!("nodes/{lane}.toml")))
        .args([guest.backing, guest.mapping, guest.courier])
        .arg(programs())
        .arg(PROGRAM_SECONDS)
        .args(programs_there);
    let ran = ran(command);
    (ran.status != 77).then_some(ran)
}

/// All of a lane, `sp` or `mp`, for the test `name`.
pub(crate) fn lane(guest: &Guest, lane: &str, name: &str) {
    lane_of(IN_GUEST, guest, lane, name);
}

/// As [`lane`], with another script in the guest.
pub(crate) fn lane_of(script: &Script, guest: &Guest, lane: &str, name: &str) {
    let there: Vec<&str> = guest
        .programs
        .iter()
        .copied()
        .filter(|program| {
            let there = programs().join(program).exists();
            if !there {
                println!("SKIP {program}: there is no {program}, it wants a Go compiler");
            }
            there
        })
        .collect();
    let Some(ran) = run(guest, script, lane, &there) else {
        println!("SKIP {name}: no guest of {} starts here", guest.engine);
        return;
    };
    let ours = Answers::of_guest(&ran.out);
    let mut vivids = Answers::default();
    for program in &there {
        vivids.add(&read(&format!("tests/oracle/{program}-{lane}.txt")));
    }
    let differences = Differences::read(&read(DIFFERENCES), lane, guest.backing, &there);
    let verdict = judge(&vivids, &ours, &differences);
    say(lane, &ours, &verdict);
    for (program, status) in &ours.ended {
        assert!(matches!(status.as_str(), "0" | "1"), "{program} ended with {status}: {}", ran.err);
    }
    assert_eq!(ours.ended.len(), there.len() + 1, "all have run: {}{}", ran.out, ran.err);
    let problems = verdict.problems.join("\n");
    assert!(
        problems.is_empty(),
        "{} problems in {lane}:\n{problems}\n{}",
        verdict.problems.len(),
        ran.err
    );
    assert_eq!(ran.status, 0, "{}", ran.err);
}

/// What the summary shows.
fn say(lane: &str, ours: &Answers, verdict: &Verdict) {
    println!(
        "{lane}: {} rows as on vivid, {} with a listed difference",
        verdict.same, verdict.differ
    );
    for (program, status, seconds) in ours.times() {
        println!("  {program}: status {status}, {seconds} s");
    }
}
