//! Real dma-bufs, for those who want to read and write: other drivers take them too, and
//! `read(2)` and `write(2)` on them fail as they do on a driver's export.
//!
//! One that can only be read is not to be had here (a udmabuf is always `O_RDWR`); such exports
//! are re-opens of the memory file below.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

use super::super::buffer::Segment;
use super::super::error::ExportError;
use super::super::export::{Access, ExportFlags};
use super::super::memory::PlaneMemory;
use super::memfd::MemoryFile;
use super::{Backing, Memory};
use crate::sys::fdinfo::{FdInfo, FileKey};
use crate::sys::mapping::Mapping;
use crate::sys::udmabuf;

/// Memory files with a dma-buf over each that is asked for.
#[derive(Debug, Clone)]
pub struct Udmabufs {
    device: Arc<File>,
}

impl Udmabufs {
    /// Opens `/dev/udmabuf` and tries whether the two counts that decide about lifetimes are
    /// exact here: the dma-buf leaves the memory file alone, and counts its own references.
    ///
    /// # Errors
    /// `ENOENT` without the device, `EACCES` where it is not for this user, `EOPNOTSUPP` where a
    /// count is not exact.
    pub fn probe() -> io::Result<Self> {
        let device = Arc::new(udmabuf::open()?);
        let trial = UdmabufMemory::new(1, Arc::clone(&device))?;
        let flags = ExportFlags { access: Access::ReadWrite, cloexec: true };
        let export = trial.dmabuf(flags)?;
        let while_held = trial.held_outside()?;
        drop(export);
        if while_held && !trial.held_outside()? {
            Ok(Self { device })
        } else {
            Err(Errno::EOPNOTSUPP.into())
        }
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
    dmabuf: Mutex<Option<Dmabuf>>,
}

#[derive(Debug)]
struct Dmabuf {
    fd: OwnedFd,
    key: FileKey,
}

impl UdmabufMemory {
    fn new(len: usize, device: Arc<File>) -> io::Result<Self> {
        Ok(Self { file: MemoryFile::new(len)?, device, dmabuf: Mutex::new(None) })
    }

    fn dmabuf(&self, flags: ExportFlags) -> io::Result<OwnedFd> {
        let mut dmabuf = self.dmabuf.lock().unwrap_or_else(PoisonError::into_inner);
        match dmabuf.as_ref() {
            Some(dmabuf) => duplicate(dmabuf.fd.as_fd(), flags.cloexec),
            None => {
                let len = self.file.file().len() as u64;
                let fd = udmabuf::create(&self.device, self.file.file().own(), 0, len)?;
                let key = FileKey::own(fd.as_fd())?;
                duplicate(dmabuf.insert(Dmabuf { fd, key }).fd.as_fd(), flags.cloexec)
            }
        }
    }
}

fn duplicate(fd: BorrowedFd<'_>, cloexec: bool) -> io::Result<OwnedFd> {
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
        if flags.access != Access::ReadWrite {
            return self.file.export(flags);
        }
        match self.dmabuf(flags) {
            // Longer than the module's limit, or the module is gone: what the file can do is
            // better than nothing.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                tracing::info!(len = self.file.file().len(), %error, "no udmabuf so long (size_limit_mb of the module); exporting the memory file");
                self.file.export(flags)
            }
            other => Ok(other?),
        }
    }

    /// The dma-buf's count is ours plus one for each descriptor, mapping and importer; it pins
    /// the file's pages, not the file.
    fn held_outside(&self) -> io::Result<bool> {
        let dmabuf = self.dmabuf.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dmabuf) = dmabuf.as_ref() {
            let count = FdInfo::own(dmabuf.fd.as_fd())?.dmabuf_count;
            if count != Some(1) {
                return Ok(true);
            }
        }
        self.file.held_outside()
    }

    fn files(&self) -> Vec<FileKey> {
        let dmabuf = self.dmabuf.lock().unwrap_or_else(PoisonError::into_inner);
        let mut files = self.file.files();
        files.extend(dmabuf.as_ref().map(|dmabuf| dmabuf.key));
        files
    }

    /// Descriptors of a dma-buf make no event; those of the file do.
    fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.file.watched()
    }

    fn release(&self) {
        *self.dmabuf.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.file.release();
    }
}
