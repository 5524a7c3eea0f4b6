//! Opening what a device names: paths of the configuration, descriptors that came with a request.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::check::{Fault, Key};

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Frames are read from it.
    Source,
    /// Frames are written to it.
    Sink,
}

/// How a device gets the files that it names.
pub trait Files {
    /// The file of this name; `key` is where it was named.
    ///
    /// # Errors
    /// What is wrong with it.
    fn open(&mut self, key: &Key, name: &str, for_use: Use) -> Result<File, Fault>;
}

/// Files by path, relative to the folder of the configuration.
#[derive(Debug)]
pub struct Paths {
    folder: PathBuf,
    sinks: Vec<(Key, File)>,
}

impl Paths {
    /// Names are relative to `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), sinks: Vec::new() }
    }

    /// Empties the files that sinks will write.
    pub(super) fn empty_sinks(self) -> Result<(), Fault> {
        for (key, file) in self.sinks {
            let empty = file.set_len(0);
            empty.map_err(|error| {
                key.fault(format!("it can't be emptied: {error}"), "take another file")
            })?;
        }
        Ok(())
    }
}

impl Files for Paths {
    fn open(&mut self, key: &Key, name: &str, for_use: Use) -> Result<File, Fault> {
        let path = self.folder.join(name);
        let shown = path.display();
        let fifo = std::fs::metadata(&path).is_ok_and(|data| data.file_type().is_fifo());
        let mut options = OpenOptions::new();
        // Without O_NONBLOCK a FIFO would be waited for; open for both directions it needs no reader.
        options.custom_flags(OFlag::O_NONBLOCK.bits() | OFlag::O_NOCTTY.bits()).mode(0o600);
        match for_use {
            Use::Source => options.read(true),
            Use::Sink if fifo => options.read(true).write(true),
            Use::Sink => options.write(true).create(true).truncate(false),
        };
        let file = options.open(&path).map_err(|error| {
            let remedy = match (error.kind(), for_use) {
                (ErrorKind::NotFound, Use::Source) => {
                    "a name is relative to the folder of the configuration: write it so, or in full"
                }
                (ErrorKind::NotFound, Use::Sink) => "make the folder first",
                (ErrorKind::PermissionDenied, _) => {
                    "let the user that the daemon runs as (root) have it: mind read-only mounts, and root squashing on network file systems"
                }
                _ => "take another file",
            };
            key.fault(format!("can't open {shown}: {error}"), remedy)
        })?;
        check(&file, key, name)?;
        if for_use == Use::Sink && file.metadata().is_ok_and(|data| data.is_file()) {
            let again = file.try_clone();
            let file = again.map_err(|error| key.fault(error.to_string(), "take another file"))?;
            self.sinks.push((key.clone(), file));
        }
        Ok(file)
    }
}

/// Descriptors that came with a request, in the order of its files.
#[derive(Debug, Default)]
pub struct Passed(VecDeque<OwnedFd>);

impl Passed {
    /// In the order in which they came.
    #[must_use]
    pub fn new(fds: Vec<OwnedFd>) -> Self {
        Self(fds.into())
    }

    /// How many no device has taken.
    #[must_use]
    pub fn left(&self) -> usize {
        self.0.len()
    }
}

impl Files for Passed {
    fn open(&mut self, key: &Key, name: &str, for_use: Use) -> Result<File, Fault> {
        let fd = self.0.pop_front().ok_or_else(|| {
            key.fault(
                format!("no open descriptor came for '{name}'"),
                "open the file and send its descriptor with the request (SCM_RIGHTS): the daemon opens no path that a request names",
            )
        })?;
        let problem = |error: nix::Error| key.fault(error.to_string(), "send another file");
        let flags = fcntl(&fd, FcntlArg::F_GETFL).map_err(problem)?;
        let flags = OFlag::from_bits_truncate(flags);
        let access = flags & OFlag::O_ACCMODE;
        let fits = match for_use {
            Use::Source => access != OFlag::O_WRONLY,
            Use::Sink => access != OFlag::O_RDONLY,
        } && !flags.contains(OFlag::O_PATH);
        if !fits {
            let wanted = if for_use == Use::Source { "reading" } else { "writing" };
            return Err(key.fault(
                format!("the descriptor for '{name}' is not open for {wanted}"),
                format!("open the file for {wanted}"),
            ));
        }
        let file = File::from(fd);
        check(&file, key, name)?;
        fcntl(&file, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map_err(problem)?;
        Ok(file)
    }
}

/// Major number of `/dev/zero`, `/dev/full` and their kind.
const MEMORY_DEVICES: u64 = 1;

/// Frames can lie in files, FIFOs, sockets and the memory devices. Every other device is refused,
/// most of all a node of ours: a daemon that has its own node open can't be killed.
fn check(file: &File, key: &Key, name: &str) -> Result<(), Fault> {
    let data = file.metadata().map_err(|error| {
        key.fault(format!("'{name}' can't be looked at: {error}"), "take another file")
    })?;
    let kind = data.file_type();
    let memory = kind.is_char_device() && nix::sys::stat::major(data.rdev()) == MEMORY_DEVICES;
    if kind.is_file() || kind.is_fifo() || kind.is_socket() || memory {
        return Ok(());
    }
    let what = if kind.is_dir() { "a folder" } else { "a device" };
    Err(key.fault(
        format!("'{name}' is {what}: no frames can be read from or written to it"),
        "take a file or a FIFO; for frames of another video node, let a program capture them into a FIFO",
    ))
}
