//! Real dma-bufs, for those who want to read and write: other drivers take them too, and
//! `read(2)` and `write(2)` on them fail as they do on a driver's export.
//!
//! One that can only be read is not to be had here (a udmabuf is always `O_RDWR`); such exports
//! are re-opens of the memory file below.
//!
//! A dma-buf pins the file's pages as long as anybody has so much as a name of it (`O_PATH`, which
//! its count does not show). So a buffer that had one is free only when its pages are not pinned
//! any more. To be asked that, the file's seals stay open: nobody else has it open for writing.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use super::super::buffer::Segment;
use super::super::error::ExportError;
use super::super::export::{Access, ExportFlags};
use super::super::memory::PlaneMemory;
use super::memfd::MemoryFile;
use super::{Backing, Memory};
use crate::sys::fdinfo::{FdInfo, FileKey};
use crate::sys::kcmp;
use crate::sys::mapping::Mapping;
use crate::sys::memfd::{Memfd, page_size};
use crate::sys::udmabuf;

/// Memory files with a dma-buf over each that is asked for.
#[derive(Debug, Clone)]
pub struct Udmabufs {
    device: Arc<File>,
}

impl Udmabufs {
    /// Opens `/dev/udmabuf` and tries whether the two counts that decide about lifetimes are
    /// exact here: the dma-buf leaves the memory file alone, counts its own references, and lets
    /// go of the pages when it ends.
    ///
    /// # Errors
    /// `ENOENT` without the device, `EACCES` where it is not for this user, `EOPNOTSUPP` where a
    /// count is not exact.
    pub fn probe() -> io::Result<Self> {
        let device = Arc::new(udmabuf::open()?);
        let trial = UdmabufMemory::new(1, Arc::clone(&device))?;
        let flags = ExportFlags { access: Access::ReadWrite, cloexec: true };
        let export = trial.export_for_writing(flags)?;
        let while_held = trial.held_outside()?;
        drop(export);
        let exact = while_held && !trial.held_outside()?;
        let left = trial.release();
        drop(trial);
        // Without a dma-buf there is nothing left to be asked; pinned for good is no better.
        if exact && left.is_some_and(|file| file.unpinned().unwrap_or(false)) {
            Ok(Self { device })
        } else {
            Err(Errno::EOPNOTSUPP.into())
        }
    }
}

impl Udmabufs {
    /// Opens `/dev/udmabuf`, which was tried before.
    ///
    /// # Errors
    /// As [`Udmabufs::probe`].
    pub fn open() -> io::Result<Self> {
        Ok(Self { device: Arc::new(udmabuf::open()?) })
    }

    /// A dma-buf over part of a file.
    pub(super) fn create(&self, file: &Memfd, offset: u64, len: u64) -> io::Result<Dmabuf> {
        create(&self.device, file, offset, len)
    }
}

impl Backing for Udmabufs {
    fn name(&self) -> &'static str {
        "udmabuf"
    }

    fn allocate(&self, len: usize) -> io::Result<Box<dyn Memory>> {
        Ok(Box::new(UdmabufMemory::new(len, Arc::clone(&self.device))?))
    }
}

/// One plane.
#[derive(Debug)]
struct UdmabufMemory {
    file: MemoryFile,
    device: Arc<File>,
    /// Made at the first export that wants one; the same file is given out every time.
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Nobody asked for one.
    Plain,
    /// There is one.
    Dmabuf(Dmabuf),
    /// There was one, and this process has let it go.
    Gone,
    /// There can't be one; the file is exported for writing.
    Never,
}

#[derive(Debug)]
pub(super) struct Dmabuf {
    pub(super) fd: OwnedFd,
    pub(super) key: FileKey,
}

impl UdmabufMemory {
    fn new(len: usize, device: Arc<File>) -> io::Result<Self> {
        let file = MemoryFile::new(Memfd::with_open_seals(len)?)?;
        Ok(Self { file, device, state: Mutex::new(State::Plain) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn export_for_writing(&self, flags: ExportFlags) -> io::Result<OwnedFd> {
        let file = self.file.file();
        let mut state = self.state();
        match &*state {
            State::Dmabuf(dmabuf) => return duplicate(dmabuf.fd.as_fd(), flags.cloexec),
            State::Never => return file.reopen(flags.open_flags()),
            State::Gone => return Err(Errno::EINVAL.into()),
            State::Plain => {}
        }
        match self.create() {
            Ok(dmabuf) => {
                let export = duplicate(dmabuf.fd.as_fd(), flags.cloexec);
                *state = State::Dmabuf(dmabuf);
                export
            }
            // Longer than the module allows: what the file can do is better than nothing.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                let len = file.len();
                tracing::info!(len, %error, "no udmabuf so long (size_limit_mb of the module): the export is a memory file");
                file.forbid_seals()?;
                *state = State::Never;
                file.reopen(flags.open_flags())
            }
            Err(error) => Err(error),
        }
    }

    fn create(&self) -> io::Result<Dmabuf> {
        let file = self.file.file();
        create(&self.device, file, 0, file.len() as u64)
    }
}

fn create(device: &File, file: &Memfd, offset: u64, len: u64) -> io::Result<Dmabuf> {
    let fd = udmabuf::create(device, file.own(), offset, len)?;
    let key = FileKey::own(fd.as_fd())?;
    Ok(Dmabuf { fd, key })
}

pub(super) fn duplicate(fd: BorrowedFd<'_>, cloexec: bool) -> io::Result<OwnedFd> {
    let copy = fd.try_clone_to_owned()?; // with close-on-exec
    if !cloexec {
        fcntl(&copy, FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()))?;
    }
    Ok(copy)
}

impl Memory for UdmabufMemory {
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
        match flags.access {
            Access::ReadWrite => Ok(self.export_for_writing(flags)?),
            Access::ReadOnly | Access::WriteOnly | Access::Neither => self.file.export(flags),
        }
    }

    /// The dma-buf's count is ours plus one for each descriptor, mapping and importer; it pins
    /// the file's pages, not the file.
    fn held_outside(&self) -> io::Result<bool> {
        if let State::Dmabuf(dmabuf) = &*self.state() {
            let count = FdInfo::own(dmabuf.fd.as_fd())?.dmabuf_count;
            if count != Some(1) {
                return Ok(true);
            }
        }
        self.file.held_outside()
    }

    fn is_kept_as(&self, tid: u32, fd: i32) -> Option<bool> {
        match &*self.state() {
            State::Dmabuf(dmabuf) => kcmp::is_same_file(dmabuf.fd.as_fd(), tid, fd).ok(),
            State::Plain | State::Gone | State::Never => None,
        }
    }

    fn files(&self) -> Vec<FileKey> {
        let mut files = self.file.files();
        if let State::Dmabuf(dmabuf) = &*self.state() {
            files.push(dmabuf.key);
        }
        files
    }

    /// Descriptors of a dma-buf make no event; those of the file do.
    fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.file.watched()
    }

    /// The pages go but for one, which tells by its pin whether the dma-buf is gone, too.
    fn release(&self) -> Option<Arc<Memfd>> {
        let before = std::mem::replace(&mut *self.state(), State::Gone);
        if !matches!(before, State::Dmabuf(_)) {
            return self.file.release();
        }
        drop(before);
        let file = self.file.file();
        if let Err(error) = file.empty(page_size()) {
            tracing::warn!(%error, "pages of a memory file could not be given back at once");
        }
        Some(Arc::clone(file))
    }
}
