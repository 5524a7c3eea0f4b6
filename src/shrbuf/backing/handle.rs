//! Exports that are files of somebody else's making over the plane's memory file: `read(2)` and
//! `write(2)` on them fail, and the dma-buf ioctls are answered. Other drivers don't take them.
//!
//! Who makes such files is not known here ([`HandleMaker`]); nor is a descriptor of one kept, which
//! would be a holder for ever. What tells of holders is the memory file, which each of them has open
//! once more, until it is closed and unmapped.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::super::buffer::Segment;
use super::super::error::ExportError;
use super::super::export::{Access, ExportFlags};
use super::super::memory::PlaneMemory;
use super::memfd::MemoryFile;
use super::{Backing, Memory};
use crate::sys::fdinfo::FileKey;
use crate::sys::mapping::Mapping;
use crate::sys::memfd::Memfd;

/// Makes files that show a memory file.
pub trait HandleMaker: Debug + Send + Sync {
    /// A new file, with an inode of its own whose number is never used again, which shows the `len`
    /// bytes of `memory`.
    ///
    /// `memory` is this process's own description, which counts as no holder: the maker may keep it
    /// for a while. What the file itself has open is to be another one, of the same access, which
    /// ends when the file is closed and nobody maps it any more: by that the file is known to be held.
    ///
    /// `released` is called at most once, from any thread, when nobody has the file open any more.
    ///
    /// # Errors
    /// Those of `open(2)`; `ENODEV` when no file can be made any more.
    fn open(
        &self,
        memory: BorrowedFd<'_>,
        len: u64,
        access: Access,
        released: Released,
    ) -> io::Result<Handle>;
}

/// What is called when a file is closed. It never waits.
pub type Released = Box<dyn FnOnce() + Send>;

/// A file that was made.
#[derive(Debug)]
pub struct Handle {
    /// The only descriptor, with close-on-exec.
    pub fd: OwnedFd,
    /// How the file is known again.
    pub key: FileKey,
}

/// Handles of a buffer that were closed last and are remembered, in case somebody maps them still: it
/// is for people only, and must not grow with every export.
const CLOSED: usize = 64;

/// How long the trial waits to be nobody's: a process that this one is just starting has all
/// descriptors until its `exec`.
const PATIENCE: Duration = Duration::from_secs(1);

/// Memory files, each export of which is a handle.
#[derive(Debug, Clone)]
pub struct Handles {
    maker: Arc<dyn HandleMaker>,
}

impl Handles {
    /// Tries whether what is known of holders is exact.
    ///
    /// # Errors
    /// What the maker says; `EINVAL` where leases are off; `EOPNOTSUPP` where a lease doesn't tell
    /// of a handle, or still does when it is closed.
    pub fn probe(maker: Arc<dyn HandleMaker>) -> io::Result<Self> {
        let trial = HandleMemory::new(1, Arc::clone(&maker))?;
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let export = trial.open(ExportFlags { access, cloexec: true })?;
            let while_held = trial.held_outside()?;
            drop(export);
            if !while_held || !trial.let_go_within(PATIENCE)? {
                return Err(Errno::EOPNOTSUPP.into());
            }
        }
        Ok(Self::unproved(maker))
    }

    /// Without trying.
    pub(in super::super) fn unproved(maker: Arc<dyn HandleMaker>) -> Self {
        Self { maker }
    }
}

impl Backing for Handles {
    fn name(&self) -> &'static str {
        "handle"
    }

    fn allocate(&self, len: usize) -> io::Result<Box<dyn Memory>> {
        Ok(Box::new(HandleMemory::new(len, Arc::clone(&self.maker))?))
    }
}

/// One plane.
#[derive(Debug)]
struct HandleMemory {
    file: MemoryFile,
    maker: Arc<dyn HandleMaker>,
    open: Arc<OpenHandles>,
}

/// The handles that somebody has open.
#[derive(Debug, Default)]
struct OpenHandles(Mutex<Keys>);

#[derive(Debug, Default)]
struct Keys {
    last: u64,
    /// Each under a number: it may be released before its key is known.
    keys: Vec<(u64, Option<FileKey>)>,
    /// Of closed ones, the newest last.
    closed: VecDeque<FileKey>,
}

impl OpenHandles {
    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self) -> u64 {
        let mut open = self.lock();
        open.last += 1;
        let number = open.last;
        open.keys.push((number, None));
        number
    }

    fn opened(&self, number: u64, key: FileKey) {
        if let Some((_, known)) = self.lock().keys.iter_mut().find(|(one, _)| *one == number) {
            *known = Some(key);
        }
    }

    fn closed(&self, number: u64) {
        let mut open = self.lock();
        let Some(place) = open.keys.iter().position(|(one, _)| *one == number) else { return };
        let (_, key) = open.keys.swap_remove(place);
        open.closed.extend(key);
        if open.closed.len() > CLOSED {
            open.closed.pop_front();
        }
    }

    /// Nobody maps what is closed.
    fn unmapped(&self) {
        self.lock().closed.clear();
    }

    fn keys(&self) -> Vec<FileKey> {
        self.lock().keys.iter().filter_map(|(_, key)| *key).collect()
    }

    fn closed_keys(&self) -> Vec<FileKey> {
        self.lock().closed.iter().copied().collect()
    }
}

impl HandleMemory {
    fn new(len: usize, maker: Arc<dyn HandleMaker>) -> io::Result<Self> {
        Ok(Self { file: MemoryFile::new(Memfd::new(len)?)?, maker, open: Arc::default() })
    }

    fn let_go_within(&self, patience: Duration) -> io::Result<bool> {
        let until = Instant::now() + patience;
        while self.held_outside()? {
            if Instant::now() > until {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(true)
    }

    /// Access mode 3 is opened for writing only, as of a memory file: a lease would not see 3.
    fn open(&self, flags: ExportFlags) -> io::Result<OwnedFd> {
        let access = match flags.access {
            Access::Neither => Access::WriteOnly,
            access => access,
        };
        let memory = self.file.file();
        let number = self.open.expect();
        let open = Arc::clone(&self.open);
        let released = Box::new(move || open.closed(number));
        let made = self.maker.open(memory.own(), memory.len() as u64, access, released);
        let handle = made.inspect_err(|_| self.open.closed(number))?;
        self.open.opened(number, handle.key);
        if !flags.cloexec {
            fcntl(&handle.fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        Ok(handle.fd)
    }
}

impl Memory for HandleMemory {
    fn plane(&self) -> &dyn PlaneMemory {
        self.file.plane()
    }

    fn mapping(&self) -> Option<&Mapping> {
        self.file.mapping()
    }

    fn segments(&self) -> Vec<Segment> {
        self.file.segments()
    }

    fn export(&self, flags: ExportFlags) -> Result<OwnedFd, ExportError> {
        Ok(self.open(flags)?)
    }

    fn held_outside(&self) -> io::Result<bool> {
        let held = self.file.held_outside()?;
        if !held {
            self.open.unmapped();
        }
        Ok(held)
    }

    /// The memory file among them, of which nobody has a descriptor.
    fn files(&self) -> Vec<FileKey> {
        let mut files = self.file.files();
        files.extend(self.open.keys());
        files
    }

    fn shown_as(&self) -> Vec<FileKey> {
        let mut files = self.files();
        files.extend(self.open.closed_keys());
        files
    }

    /// What a handle has open is closed with it, or with its last mapping.
    fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.file.watched()
    }

    fn release(&self) -> Option<Arc<Memfd>> {
        self.file.release()
    }
}
