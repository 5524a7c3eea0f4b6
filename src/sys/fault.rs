//! Faults on demand: at a named step the daemon, its helpers or their client are killed. Only in
//! builds with the feature `faults`, which the tests make for themselves.
//!
//! The environment variable `SHRBUF_FAULTS` names a file. While it is there, it says `STEP NTH WHO
//! CLIENT ROUND`: when a process of ours comes to `STEP` for the `NTH` time since the file was written,
//! it kills `WHO`: `daemon`, `helper`, `client` (the process `CLIENT`) or `both` (daemon and helpers).
//! That it did so is told by a file beside it with the ending `.seen-ROUND`, as long as which there is
//! no further fault. Steps are named where they are ([`crate::fault!`]); `cli/tests/faults/steps` is the
//! list of all of them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid, getppid};

/// Names the file.
const VARIABLE: &str = "SHRBUF_FAULTS";

/// How long one that was killed may take to end: a client may wait for the very call that is at this
/// step.
const DEATH: Duration = Duration::from_secs(1);

/// As [`DEATH`], of a client.
const CLIENTS_DEATH: Duration = Duration::from_millis(2);

/// The helpers that this process has started.
static HELPERS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Which file this process has seen, and how often it has come to the step since.
static COUNT: Mutex<(u64, u32)> = Mutex::new((0, 0));

/// The helper that is to be started minds the same file.
pub fn pass_on(command: &mut Command) {
    if let Some(file) = std::env::var_os(VARIABLE) {
        command.env(VARIABLE, file);
    }
}

/// A helper was started.
pub fn helper(id: u32) {
    let id = Pid::from_raw(i32::try_from(id).unwrap_or_default());
    HELPERS.lock().unwrap_or_else(PoisonError::into_inner).push(id);
}

/// This process has come to `step`.
pub fn point(step: &str) {
    let Some(file) = std::env::var_os(VARIABLE).map(PathBuf::from) else { return };
    // One file gives both, and its number to no other while it is open.
    let Ok(opened) = File::open(&file) else { return };
    let (Ok(armed), Ok(text)) = (opened.metadata(), io::read_to_string(&opened)) else { return };
    let armed = armed.ino();
    let mut words = text.split_ascii_whitespace();
    if words.next() != Some(step) {
        return;
    }
    let nth = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
    let who = words.next().unwrap_or_default();
    let client = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let seen = file.with_extension(format!("seen-{}", words.next().unwrap_or_default()));
    // One process of several that come to it, and none that comes to it when the round is over.
    if count(armed) != nth || File::create_new(&seen).is_err() || !is_still(&file, armed) {
        return;
    }
    let helper = std::env::args_os().next().is_some_and(|name| name == "shrbuf-helper");
    let daemon = if helper { getppid() } else { getpid() };
    let helpers = if helper { vec![getpid()] } else { helpers() };
    let (mut victims, patience) = match who {
        "daemon" => (vec![daemon], DEATH),
        "helper" => (helpers, DEATH),
        "client" => (vec![Pid::from_raw(client)], CLIENTS_DEATH),
        "both" => ([vec![daemon], helpers].concat(), DEATH),
        _ => return,
    };
    // Oneself last.
    victims.sort_by_key(|victim| *victim == getpid());
    for victim in &victims {
        if victim.as_raw() > 1 {
            let _ = kill(*victim, Signal::SIGKILL);
        }
    }
    let until = Instant::now() + patience;
    while victims.iter().any(|victim| is_alive(*victim)) && Instant::now() < until {
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Whether it is this file at present.
fn is_still(file: &Path, inode: u64) -> bool {
    fs::metadata(file).is_ok_and(|now| now.ino() == inode)
}

/// How often the step was come to, with this time, since `file` is there.
fn count(file: u64) -> u32 {
    let mut count = COUNT.lock().unwrap_or_else(PoisonError::into_inner);
    *count = if count.0 == file { (file, count.1 + 1) } else { (file, 1) };
    count.1
}

fn helpers() -> Vec<Pid> {
    let mut helpers = HELPERS.lock().unwrap_or_else(PoisonError::into_inner);
    helpers.retain(|helper| stat(*helper).is_some_and(|(_, parent)| parent == getpid().as_raw()));
    helpers.clone()
}

fn is_alive(process: Pid) -> bool {
    stat(process).is_some_and(|(state, _)| state != "Z" && state != "X")
}

/// State and parent of a process.
fn stat(process: Pid) -> Option<(String, i32)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut words = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}
