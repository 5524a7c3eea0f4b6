//! The process that stands between the tool and a guest, so that no guest outlives the tool.
//!
//! The tool starts itself once more under the name [`KEEPER_NAME`] and holds one end of a
//! socket, the *lifeline*. The keeper starts the guest's program, and when the lifeline closes,
//! for whatever reason (the tool is done, or was killed with SIGKILL), it kills every process
//! that descends from it, reaps them and ends. With a [`Confinement`] it first makes a world in
//! which the guest's program can change nothing else of this machine; see [`super::confine`].

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufReader, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};
use serde::{Deserialize, Serialize};

use super::confine::{self, Confinement};
use super::wire::Frame;
use super::{Context, Error};
use crate::sys::process::{adopt, die_with_parent, fork_alone, inherit};

/// The name (`argv[0]`) under which the tool starts itself as a keeper.
pub const KEEPER_NAME: &str = "shrbuf-keeper";

/// In front of what a keeper says on the guest's console.
const COMPLAINT: &str = "shrbuf: ";

/// The program that is to be kept.
#[derive(Debug)]
pub struct GuestCommand {
    /// Its file.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its environment, beside what every guest's program gets.
    pub env: Vec<(String, String)>,
    /// Descriptors that stay open in it under their present numbers.
    pub inherit: Vec<OwnedFd>,
    /// Its standard output and error. Standard input is `/dev/null`.
    pub output: OwnedFd,
    /// The world it is confined to, or `None` for no confinement.
    pub confine: Option<Confinement>,
}

/// What the tool tells its keeper over the lifeline.
#[derive(Debug, Serialize, Deserialize)]
struct Orders {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(String, String)>,
    inherit: Vec<RawFd>,
    confine: Option<Confinement>,
}

/// A kept guest. Dropping it ends the guest and everything it started.
#[derive(Debug)]
pub struct Keeper {
    lifeline: Option<UnixStream>,
    process: Child,
}

impl Keeper {
    /// Starts `guest` under a keeper.
    ///
    /// # Errors
    /// [`Error::Io`] when the keeper can't be started. What goes wrong after that (no
    /// confinement to be had, no such program) is written to `guest.output`, and the guest's
    /// stream ends.
    pub fn spawn(guest: GuestCommand) -> Result<Self, Error> {
        let (ours, theirs) = UnixStream::pair().context(|| "make a socket pair".into())?;
        let orders = Orders {
            program: guest.program,
            args: guest.args,
            env: guest.env,
            inherit: guest.inherit.iter().map(AsRawFd::as_raw_fd).collect(),
            confine: guest.confine,
        };
        let orders = serde_json::to_vec(&orders)
            .map_err(io::Error::other)
            .context(|| "write the keeper's orders".into())?;
        let output = guest.output.try_clone().context(|| "duplicate a pipe".into())?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0(KEEPER_NAME).arg(theirs.as_raw_fd().to_string());
        command.env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(output).stderr(guest.output);
        let mut kept = guest.inherit;
        kept.push(theirs.into());
        inherit(&mut command, kept);
        let process = command.spawn().context(|| "start the guest's keeper".into())?;
        let mut keeper = Self { lifeline: Some(ours), process };
        keeper.order(&orders)?;
        Ok(keeper)
    }

    fn order(&mut self, orders: &[u8]) -> Result<(), Error> {
        match &mut self.lifeline {
            Some(lifeline) => Frame::Start(orders.to_vec())
                .write_to(lifeline)
                .context(|| "give the keeper its orders".into()),
            None => Ok(()),
        }
    }

    /// Ends the guest and everything it started; returns when it is gone.
    pub fn kill(&mut self) {
        drop(self.lifeline.take());
        // The keeper ends by itself; an error here means that it has been reaped already.
        let _ = self.process.wait();
    }

    /// What the keeper itself complained of, when that is why there is no guest.
    #[must_use]
    pub fn explain(&mut self, error: Error) -> Error {
        let Error::GuestDied { console, .. } = &error else { return error };
        drop(self.lifeline.take());
        let status = self.process.wait().ok().and_then(|status| status.code());
        let unfit = Error::environment("", "").exit_status();
        match console.rsplit_once(COMPLAINT) {
            Some((_, said)) if status == Some(i32::from(unfit)) => {
                let (what, remedy) = said.split_once("\n  ").unwrap_or((said, ""));
                Error::environment(what, remedy)
            }
            _ => error,
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The keeper's own life: call it first thing when the program was started as [`KEEPER_NAME`].
/// Returns its exit status.
#[must_use]
pub fn keeper_main() -> u8 {
    match keep() {
        Ok(()) => 0,
        Err(error) => {
            // Standard error is the guest's console; the tool prints its end when the guest dies.
            let _ = writeln!(io::stderr(), "{COMPLAINT}{error}");
            error.exit_status()
        }
    }
}

fn keep() -> Result<(), Error> {
    let number = std::env::args().nth(1).and_then(|text| text.parse::<RawFd>().ok());
    let number = number.ok_or_else(|| Error::Usage("the keeper is started by the tool".into()))?;
    let lifeline = open_lifeline(number)?;
    // A session of its own: the terminal's Ctrl-C is for the tool, which passes it on.
    nix::unistd::setsid().context(|| "start a session".into())?;
    let frame = Frame::read_from(&mut BufReader::with_capacity(1, &lifeline))
        .context(|| "read the keeper's orders".into())?;
    let Some(Frame::Start(orders)) = frame else {
        return Ok(()); // the tool died before it said anything
    };
    let orders: Orders = serde_json::from_slice(&orders)
        .map_err(io::Error::other)
        .context(|| "read the keeper's orders".into())?;
    match &orders.confine {
        None => keep_unconfined(&orders, &lifeline),
        Some(confinement) => keep_confined(&orders, confinement, &lifeline),
    }
}

fn open_lifeline(number: RawFd) -> Result<UnixStream, Error> {
    let proc = PathBuf::from(format!("/proc/self/fd/{number}"));
    let kind = fs::read_link(&proc).context(|| format!("look at {}", proc.display()))?;
    if number < 3 || !kind.to_string_lossy().starts_with("socket:") {
        return Err(Error::Usage("the keeper is started by the tool".into()));
    }
    Ok(adopt(number).context(|| format!("take descriptor {number}"))?.into())
}

fn keep_unconfined(orders: &Orders, lifeline: &UnixStream) -> Result<(), Error> {
    nix::sys::prctl::set_child_subreaper(true).context(|| "become a reaper".into())?;
    let scratch = Scratch::new()?;
    run_guest(orders, lifeline, &scratch.0)
}

fn keep_confined(
    orders: &Orders,
    confinement: &Confinement,
    lifeline: &UnixStream,
) -> Result<(), Error> {
    confine::leave_namespaces()?;
    match fork_alone().context(|| "fork".into())? {
        ForkResult::Parent { child } => {
            // The child is the first process of its process namespace: with it, all end.
            match waitpid(child, None).context(|| "wait for the guest".into())? {
                // The child has said why.
                WaitStatus::Exited(_, status) if status != 0 => std::process::exit(status),
                _ => Ok(()),
            }
        }
        ForkResult::Child => {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
                .context(|| "be ended with the keeper".into())?;
            confine::close_the_doors(confinement)?;
            run_guest(orders, lifeline, Path::new(confine::SCRATCH))
        }
    }
}

/// A folder for the guest program's temporary files, removed with all that is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Error> {
        // UML's memory file: /dev/shm is the one place that is always memory and never noexec.
        let base = if Path::new("/dev/shm").is_dir() { "/dev/shm" } else { "/tmp" };
        let template = format!("{base}/shrbuf-XXXXXX");
        let made = nix::unistd::mkdtemp(template.as_str());
        Ok(Self(made.context(|| format!("make the folder {template}"))?))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the guest's program until it ends or the lifeline closes, then leaves nothing running.
fn run_guest(orders: &Orders, lifeline: &UnixStream, scratch: &Path) -> Result<(), Error> {
    let mut watched = SigSet::empty();
    watched.add(Signal::SIGCHLD);
    watched.thread_block().context(|| "block SIGCHLD".into())?;
    let children = SignalFd::with_flags(&watched, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .context(|| "watch for children".into())?;
    let mut command = Command::new(&orders.program);
    command.args(&orders.args).env_clear().current_dir("/");
    command
        .env("HOME", scratch)
        .env("TMPDIR", scratch)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .envs(orders.env.iter().map(|(name, value)| (name, value)));
    let passed = orders.inherit.iter().map(|number| adopt(*number)).collect::<io::Result<_>>();
    inherit(&mut command, passed.context(|| "take the guest's descriptors".into())?);
    die_with_parent(&mut command);
    let child = command.spawn().context(|| format!("start {}", orders.program.display()));
    // The descriptors for the guest went into the closure of `inherit`: drop our copies, or the
    // tool would never see the end of the stream.
    drop(command);
    let guest = child.map(|child| Pid::from_raw(child.id().cast_signed()));
    if let Ok(guest) = &guest {
        wait_for_end(lifeline, &children, *guest);
    }
    end_descendants();
    guest.map(|_| ())
}

fn wait_for_end(lifeline: &UnixStream, children: &SignalFd, guest: Pid) {
    loop {
        let mut fds = [
            PollFd::new(lifeline.as_fd(), PollFlags::POLLIN),
            PollFd::new(children.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(_) => return,
        }
        let [line, _] = &fds;
        // The tool says nothing more after its orders, so any event there is its end.
        if line.any().unwrap_or(true) {
            return;
        }
        let _ = children.read_signal();
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            match status.pid() {
                Some(pid) if pid == guest => return,
                Some(_) => {}
                None => break,
            }
        }
    }
}

/// Kills and reaps until there is no child left (orphans of the guest are ours, too).
fn end_descendants() {
    loop {
        for pid in children_of_this_process() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        match waitpid(None, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

fn children_of_this_process() -> Vec<Pid> {
    let me = std::process::id().to_string();
    let listed = fs::read_to_string(format!("/proc/self/task/{me}/children"));
    listed
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|text| text.parse().ok())
        .map(Pid::from_raw)
        .collect()
}
