//! The guest's first process: makes the world ready, runs the command, tells how it ended.
//!
//! It is this same program, put into the guest's initial file system as `/init`. The steps:
//! load the modules that came along, open the channel, say [`Frame::Ready`] and wait (here a
//! snapshot is taken and restored), then, told by [`Start`], set the clock, build the root out
//! of this machine's files (`world`), and run the command (`command`).

mod command;
mod world;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

use super::wire::{Frame, Outcome, Start};
use super::{Context, Error};

/// The name (`argv[0]`) of the first process in the initial file system.
pub const AGENT_NAME: &str = "/init";

/// How long a device of the channel may take to appear, from the kernel's first process on.
/// Under emulation the slowest seen was well below a second.
const CHANNEL_DEADLINE: Duration = Duration::from_secs(30);

/// The sending side of the channel, shared by the threads of the agent.
#[derive(Debug, Clone)]
pub(crate) struct Sender(Arc<Mutex<File>>);

impl Sender {
    pub(crate) fn send(&self, frame: &Frame) -> io::Result<()> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        frame.write_to(&mut *file)
    }
}

/// The receiving side of the channel; tells what it has read where the channel is paced.
#[derive(Debug)]
pub(crate) struct Paced {
    channel: File,
    report: Option<Sender>,
}

impl Read for Paced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.channel.read(buffer)?;
        if let (Some(sender), Ok(count)) = (&self.report, u32::try_from(count)) {
            sender.send(&Frame::Taken(count))?;
        }
        Ok(count)
    }
}

/// Call this first thing when the program is process 1 under the name [`AGENT_NAME`].
/// It does not return: at its end the guest is switched off.
pub fn agent_main() -> ! {
    if let Err(error) = live() {
        // The console is what the tool shows when the guest dies.
        let _ = writeln!(io::stderr(), "shrbuf: first process: {error}");
    }
    nix::unistd::sync();
    loop {
        let _ = reboot(RebootMode::RB_POWER_OFF);
        let _ = reboot(RebootMode::RB_AUTOBOOT); // a guest without power management
    }
}

fn live() -> Result<(), Error> {
    world::first_mounts()?;
    load_early_modules()?;
    let channel = open_channel()?;
    let receiver = channel.try_clone().context(|| "duplicate the channel".into())?;
    let sender = Sender(Arc::new(Mutex::new(channel)));
    sender.send(&Frame::Ready).context(|| "say that the guest is ready".into())?;
    let paced = world::engine() == "uml";
    let receiver = Paced { channel: receiver, report: paced.then(|| sender.clone()) };
    let mut receiver = BufReader::with_capacity(64 * 1024, receiver);
    let Some(Frame::Start(json)) =
        Frame::read_from(&mut receiver).context(|| "wait for the command".into())?
    else {
        return Err(Error::Usage("the tool said something else than what to start".into()));
    };
    let start: Start = serde_json::from_slice(&json)
        .map_err(io::Error::other)
        .context(|| "read what to start".into())?;
    let outcome = match world::build(&start) {
        Ok(()) => command::run(&start, receiver, &sender),
        Err(error) => Outcome::Unfit(error.to_string()),
    };
    nix::unistd::sync();
    let json = serde_json::to_vec(&outcome)
        .map_err(io::Error::other)
        .context(|| "write how the command ended".into())?;
    sender.send(&Frame::Done(json)).context(|| "say how the command ended".into())?;
    // The tool ends the guest now; should it not, switching off is as good.
    std::thread::sleep(CHANNEL_DEADLINE);
    Ok(())
}

fn load_early_modules() -> Result<(), Error> {
    let Ok(listed) = fs::read_dir("/modules") else { return Ok(()) };
    let mut files: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    files.sort(); // their names begin with their number
    files.iter().try_for_each(|file| world::load_file(file, ""))
}

/// Opens the stream to the tool: a serial line in user-mode Linux, a virtio port in QEMU.
fn open_channel() -> Result<File, Error> {
    let deadline = Instant::now() + CHANNEL_DEADLINE;
    let path = loop {
        match find_channel() {
            Some(path) => break path,
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
            None => return Err(Error::Usage("the guest has no channel to the tool".into())),
        }
    };
    let open = OpenOptions::new().read(true).write(true).open(&path);
    let channel = open.context(|| format!("open {}", path.display()))?;
    if let Ok(mut line) = tcgetattr(&channel) {
        cfmakeraw(&mut line);
        tcsetattr(&channel, SetArg::TCSANOW, &line)
            .context(|| format!("make {} raw", path.display()))?;
    }
    Ok(channel)
}

fn find_channel() -> Option<PathBuf> {
    if world::engine() == "uml" {
        return Some(PathBuf::from("/dev/ttyS0"));
    }
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    let named = |port: &fs::DirEntry| {
        fs::read_to_string(port.path().join("name")).is_ok_and(|name| name.trim() == "shrbuf")
    };
    let port = ports.flatten().find(named)?;
    Some(Path::new("/dev").join(port.file_name()))
}
