//! A throw-away Linux on this machine's own files.
//!
//! [`run`] boots a guest whose root is this machine's, copy-on-write, runs one command in it with
//! the caller's streams, environment and present folder, and tells how the command ended. What
//! the command writes is lost, except in the present folder and in the folders that were named.
//!
//! The parts: an [engine](machine::Engine) ([`uml`], [`qemu`]) starts a guest under a
//! [`keeper`], which lets nothing outlive the tool and, for `uml`, [confines](confine) it; the
//! guest's first process is the [`agent`]; the two sides speak the [`wire`]'s frames, and the
//! [`relay`] carries the caller's streams.

pub mod agent;
pub mod cache;
pub mod confine;
pub mod console;
pub mod error;
pub mod flow;
pub mod folders;
pub mod initramfs;
pub mod keeper;
pub mod kernel;
pub mod machine;
pub mod modules;
pub mod qemu;
mod qmp;
pub mod relay;
pub mod terminal;
pub mod uml;
pub mod wire;

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use error::{Context, Error};
use machine::{Engine, MachineSpec};
use relay::{End, Events};
use terminal::{Caller, RawMode};
use wire::{Module, Outcome, Start};

/// What is to be run, and in what kind of guest.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which engine; `None` takes `uml` where it is installed and has the wanted modules, else
    /// `qemu`.
    pub engine: Option<EngineName>,
    /// Modules to load before the command starts.
    pub modules: Vec<Module>,
    /// Memory of the guest, in bytes.
    pub memory: u64,
    /// Longest time from the start to the command's end.
    pub timeout: Option<Duration>,
    /// Folders that stay writable besides the present one.
    pub writable: Vec<PathBuf>,
    /// Run without confinement where none can be had.
    pub trust_command: bool,
    /// Boot the guest even where it could wake from a snapshot.
    pub cold: bool,
    /// The command and its arguments.
    pub argv: Vec<OsString>,
}

/// An engine by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineName {
    /// User-mode Linux.
    Uml,
    /// QEMU without hardware help.
    Qemu,
}

/// The token on a guest's kernel command line, followed by the engine's name.
const MARK: &str = "shrbuf.sandbox=";

/// The engine of the sandbox in which this process runs, if it does.
#[must_use]
pub fn engine_around() -> Option<String> {
    let line = fs::read_to_string("/proc/cmdline").ok()?;
    line.split_ascii_whitespace().find_map(|word| word.strip_prefix(MARK)).map(str::to_owned)
}

/// Runs the command. The status is the command's own; 128+n when signal n ended it; 126 or 127
/// when it could not be started.
///
/// # Errors
/// See [`Error`]: nothing is wrong with the command then, but with what surrounds it.
pub fn run(options: &Options) -> Result<u8, Error> {
    if let Some(engine) = engine_around() {
        return Err(Error::environment(
            format!("this is a sandbox already (engine {engine}): there is none inside it"),
            "run the command as it is, or start the sandbox outside",
        ));
    }
    let deadline = options.timeout.map(|time| (Instant::now() + time, time.as_secs()));
    let present = env::current_dir().context(|| "look at the present folder".into())?;
    let writable = folders::writable(&present, &options.writable)?;
    let engine = choose(options)?;
    let caller = Caller::look();
    let events = Events::listen(relay::block_signals()?);
    let spec = MachineSpec {
        memory: options.memory,
        writable: writable.clone(),
        agent: env::current_exe().context(|| "find this program's own file".into())?,
        trusted: options.trust_command,
        cold: options.cold,
    };
    let mut guest = engine.boot(&spec)?;
    events.started();
    let start = Start {
        root: guest.root.clone(),
        writable,
        modules_dir: guest.modules.clone(),
        modules: options.modules.clone(),
        cwd: present,
        argv: options.argv.clone(),
        env: env::vars_os().collect(),
        streams: caller.kinds(),
        window: caller.window(),
        hostname: nix::unistd::gethostname().context(|| "read the machine's name".into())?,
        realtime_ns: now_ns(),
        entropy: entropy()?,
    };
    let raw = RawMode::enter(&caller)?;
    let end = relay::run(&guest, &start, &caller, events, deadline);
    drop(raw);
    guest.keeper.kill();
    status_of(end?)
}

fn status_of(end: End) -> Result<u8, Error> {
    let byte = |status: i32| u8::try_from(status & 0xff).unwrap_or(u8::MAX);
    match end {
        End::Command(Outcome::Exited(status)) => Ok(byte(status)),
        End::Command(Outcome::Signaled(signal)) | End::Told(signal) => Ok(signal_status(signal)),
        End::Command(Outcome::NotStarted(status, why)) => {
            eprintln!("shrbuf sandbox: {why}");
            Ok(byte(status))
        }
        End::Command(Outcome::Unfit(why)) => Err(Error::Guest(why)),
    }
}

fn signal_status(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

fn choose(options: &Options) -> Result<Box<dyn Engine>, Error> {
    let (uml, qemu) = (uml::Uml, qemu::Qemu);
    match options.engine {
        Some(EngineName::Uml) => uml.available().map(|()| Box::new(uml) as Box<dyn Engine>),
        Some(EngineName::Qemu) => qemu.available().map(|()| Box::new(qemu) as Box<dyn Engine>),
        None => {
            let missing = match uml.available() {
                Ok(()) if options.modules.iter().all(|module| uml.has_module(module)) => {
                    return Ok(Box::new(uml));
                }
                Ok(()) => None,
                Err(error) => Some(error),
            };
            match qemu.available() {
                Ok(()) => Ok(Box::new(qemu)),
                // The smaller of the two packages is the better advice.
                Err(error) => Err(missing.unwrap_or(error)),
            }
        }
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn entropy() -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0u8; crate::sys::guest::ENTROPY_BYTES];
    let read = File::open("/dev/urandom").and_then(|mut pool| pool.read_exact(&mut bytes));
    read.context(|| "read /dev/urandom".into())?;
    Ok(bytes)
}
