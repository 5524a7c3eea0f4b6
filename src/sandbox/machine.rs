//! What an engine is asked for and what it gives back.

use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::console::Console;
use super::keeper::Keeper;
use super::wire::{Frame, Module, RootSource};
use super::{Context, Error};

/// The guest that is wanted. The same for every engine.
#[derive(Debug, Clone)]
pub struct MachineSpec {
    /// Memory of the guest, in bytes.
    pub memory: u64,
    /// Folders that stay writable: absolute, free of symbolic links, none inside another.
    pub writable: Vec<PathBuf>,
    /// The program that is the guest's first process (`shrbuf` itself).
    pub agent: PathBuf,
    /// Run without confinement around the guest (`--trust-command`).
    pub trusted: bool,
    /// Start from cold even where a snapshot could be taken (`--cold`).
    pub cold: bool,
}

/// A guest whose first process has been started and waits for [`super::wire::Start`].
#[derive(Debug)]
pub struct Guest {
    /// The byte stream to the guest's first process. End of file means that the guest is gone.
    pub stream: UnixStream,
    /// How many bytes may be under way to the guest at most; it answers with
    /// [`Frame::Taken`]. `None` where the channel takes care of that itself.
    pub pace: Option<usize>,
    /// What the guest's kernel prints (and the engine's own complaints).
    pub console: Console,
    /// Owns the guest's processes; dropping it ends and reaps them all.
    pub keeper: Keeper,
    /// How the guest's first process reaches this machine's files.
    pub root: RootSource,
    /// Where the modules of the guest's kernel lie on this machine (the folder `lib/modules/RELEASE`).
    pub modules: PathBuf,
}

/// One way to have a guest.
pub trait Engine {
    /// `uml` or `qemu`, as typed after `--engine`.
    fn name(&self) -> &'static str;

    /// Whether this machine has what the engine needs.
    ///
    /// # Errors
    /// [`Error::Environment`] naming the missing package and the command that installs it.
    fn available(&self) -> Result<(), Error>;

    /// Whether the engine's kernel has this module, as far as can be told without fetching a
    /// kernel.
    fn has_module(&self, module: &Module) -> bool;

    /// Starts a guest.
    ///
    /// # Errors
    /// [`Error::Environment`] when something is missing, [`Error::Io`] when a step failed.
    fn boot(&self, spec: &MachineSpec) -> Result<Guest, Error>;
}

/// How long a guest may take from its start to [`Frame::Ready`]. Under emulation on a busy
/// machine 13 s were seen.
pub const BOOT_DEADLINE: Duration = Duration::from_secs(120);

/// Waits until the guest's first process says [`Frame::Ready`].
///
/// # Errors
/// [`Error::GuestDied`] when the stream ends, says something else, or [`BOOT_DEADLINE`] passes.
pub fn await_ready(stream: &UnixStream, console: &Console) -> Result<(), Error> {
    let died = |what: &str| Error::GuestDied { what: what.into(), console: console.last_lines() };
    stream
        .set_read_timeout(Some(BOOT_DEADLINE))
        .context(|| "limit the wait for the guest".into())?;
    // Read without a buffer: what follows Ready belongs to the relay.
    let mut reader = stream;
    let answer = Frame::read_from(&mut reader);
    stream.set_read_timeout(None).context(|| "lift the limit of the wait".into())?;
    match answer {
        Ok(Some(Frame::Ready)) => Ok(()),
        Ok(None) => Err(died("the guest died while it started")),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Err(died("the guest did not start in time"))
        }
        Err(error) if error.kind() != ErrorKind::InvalidData => {
            Err(died(&format!("the guest died while it started ({error})")))
        }
        Ok(Some(_)) | Err(_) => Err(died("the guest's first process speaks another language")),
    }
}

/// A connected pair of stream sockets: the tool's end and the guest's.
///
/// # Errors
/// Those of `socketpair(2)`.
pub fn channel() -> Result<(UnixStream, UnixStream), Error> {
    let pair: io::Result<_> = UnixStream::pair();
    pair.context(|| "make a socket pair".into())
}
