//! Somebody else's dma-buf. Its memory can fault at any time and a device may be using it, so
//! it is touched by the kernel only, in pieces through a memory file.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};

use super::backing::Memory;
use super::buffer::Segment;
use super::error::{ExportError, ImportError};
use super::export::ExportFlags;
use super::memory::PlaneMemory;
use crate::sys::dmabuf::{CpuAccess, Direction, size};
use crate::sys::fdinfo::{FdInfo, FileKey};
use crate::sys::kcmp;
use crate::sys::mapping::Mapping;
use crate::sys::memfd::Memfd;

/// Bytes copied at a time: small enough to stay in the processor's cache between the two copies,
/// large enough that the system call does not count.
const PIECE: usize = 256 << 10;

/// How long a copy waits for a device that uses the memory. A device's own limit is seconds; a
/// fence that anybody can attach has none, and a frame later than this is of no use.
const PATIENCE: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug)]
pub(super) struct Foreign {
    dmabuf: OwnedFd,
    key: FileKey,
    mapping: Mapping,
    /// Made at the first copy: an import that is only passed on needs none.
    scratch: Mutex<Option<Scratch>>,
}

#[derive(Debug)]
struct Scratch {
    file: Memfd,
    mapping: Mapping,
}

impl Foreign {
    /// `dmabuf` is one, and `info` its own.
    pub(super) fn new(dmabuf: OwnedFd, info: FdInfo) -> Result<Self, ImportError> {
        // Close-on-exec is the descriptor's own; the rest of a dma-buf is shared with others.
        fcntl(&dmabuf, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))
            .map_err(io::Error::from)?;
        let len = size(dmabuf.as_fd())?;
        let writable = info.flags & libc::O_ACCMODE == libc::O_RDWR;
        let mapping =
            Mapping::new(dmabuf.as_fd(), len, writable).map_err(ImportError::NotMappable)?;
        let key = FileKey::own(dmabuf.as_fd())?;
        Ok(Self { dmabuf, key, mapping, scratch: Mutex::new(None) })
    }

    fn with_scratch(&self, work: impl FnOnce(&mut Scratch) -> io::Result<()>) -> io::Result<()> {
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        match scratch.as_mut() {
            Some(scratch) => work(scratch),
            None => work(scratch.insert(Scratch::new()?)),
        }
    }
}

impl Scratch {
    fn new() -> io::Result<Self> {
        let file = Memfd::new(PIECE)?;
        let mapping = Mapping::new(file.own(), file.len(), true)?;
        Ok(Self { file, mapping })
    }
}

impl PlaneMemory for Foreign {
    fn len(&self) -> usize {
        self.mapping.len()
    }

    fn write_at(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.mapping.check(offset, bytes.len(), true)?;
        self.with_scratch(|scratch| {
            let _access = CpuAccess::begin(&self.dmabuf, Direction::Write, PATIENCE)?;
            let mut place = offset;
            for piece in bytes.chunks(PIECE) {
                scratch.mapping.write_at(0, piece)?;
                self.mapping.load(place, piece.len(), scratch.file.own())?;
                place += piece.len();
            }
            Ok(())
        })
    }

    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        self.mapping.check(offset, bytes.len(), false)?;
        self.with_scratch(|scratch| {
            let _access = CpuAccess::begin(&self.dmabuf, Direction::Read, PATIENCE)?;
            let mut place = offset;
            for piece in bytes.chunks_mut(PIECE) {
                self.mapping.save(place, piece.len(), scratch.file.own())?;
                scratch.mapping.read_at(0, piece)?;
                place += piece.len();
            }
            Ok(())
        })
    }
}

impl Memory for Foreign {
    fn plane(&self) -> &dyn PlaneMemory {
        self
    }

    fn mapping(&self) -> Option<&Mapping> {
        None
    }

    fn segments(&self) -> Vec<Segment> {
        vec![Segment { offset: 0, len: self.mapping.len() as u64 }]
    }

    fn export(&self, _flags: ExportFlags) -> Result<OwnedFd, ExportError> {
        Err(ExportError::Imported)
    }

    /// More references than our descriptor and our mapping are.
    fn held_outside(&self) -> io::Result<bool> {
        let count = FdInfo::own(self.dmabuf.as_fd())?.dmabuf_count;
        Ok(count.is_none_or(|count| count > 2))
    }

    fn is_kept_as(&self, tid: u32, fd: i32) -> Option<bool> {
        kcmp::is_same_file(self.dmabuf.as_fd(), tid, fd).ok()
    }

    fn files(&self) -> Vec<FileKey> {
        vec![self.key]
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
