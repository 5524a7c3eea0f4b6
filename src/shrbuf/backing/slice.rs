//! A slice of a memory file that is mapped as a whole.
//!
//! An export is a udmabuf over it: the same pages. There is no file for a slice alone, so an export
//! that is only to be read is such a dma-buf, too, which can be written (a listed difference); the
//! ones that can't be mapped are re-opens of a token.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::buffer::Segment;
use super::super::error::ExportError;
use super::super::export::{Access, ExportFlags};
use super::super::memory::PlaneMemory;
use super::Memory;
use super::token::Token;
use super::udmabuf::{Dmabuf, Udmabufs, duplicate};
use crate::sys::fdinfo::{FdInfo, FileKey};
use crate::sys::kcmp;
use crate::sys::mapping::Mapping;
use crate::sys::memfd::Memfd;

/// See the module.
#[derive(Debug)]
pub(in super::super) struct Slice {
    file: Arc<Memfd>,
    offset: u64,
    mapping: Mapping,
    udmabufs: Udmabufs,
    given: Mutex<Given>,
    token: Token,
}

/// What was given out of it.
#[derive(Debug, Default)]
struct Given {
    dmabuf: Option<Dmabuf>,
    /// Released: nothing is given out any more.
    gone: bool,
}

impl Slice {
    /// `len` bytes of `file` from `offset` on, zero and present.
    pub(in super::super) fn new(
        file: &Arc<Memfd>,
        udmabufs: &Udmabufs,
        offset: u64,
        len: usize,
    ) -> io::Result<Self> {
        let mapping = fresh(file, offset, len)?;
        let (file, udmabufs) = (Arc::clone(file), udmabufs.clone());
        Ok(Self {
            file,
            offset,
            mapping,
            udmabufs,
            given: Mutex::default(),
            token: Token::default(),
        })
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn export_dmabuf(&self, cloexec: bool) -> io::Result<OwnedFd> {
        let mut given = self.given();
        if given.gone {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let dmabuf = match &given.dmabuf {
            Some(dmabuf) => dmabuf,
            None => {
                let len = self.mapping.len() as u64;
                let made = self.udmabufs.create(&self.file, self.offset, len)?;
                given.dmabuf.insert(made)
            }
        };
        duplicate(dmabuf.fd.as_fd(), cloexec)
    }
}

/// A slice that is zero and present, as this process has it.
pub(super) fn fresh(file: &Memfd, offset: u64, len: usize) -> io::Result<Mapping> {
    // What a client has written there, where no buffer was, is to be gone.
    file.punch(offset, len)?;
    file.fill(offset, len)?;
    // Of our own description: see MemoryFile.
    Mapping::slice(file.own(), offset, len, true)
}

impl PlaneMemory for Slice {
    fn len(&self) -> usize {
        self.mapping.len()
    }

    fn write_at(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.mapping.write_at(offset, bytes)
    }

    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        self.mapping.read_at(offset, bytes)
    }
}

impl Memory for Slice {
    fn plane(&self) -> &dyn PlaneMemory {
        self
    }

    fn mapping(&self) -> Option<&Mapping> {
        Some(&self.mapping)
    }

    fn segments(&self) -> Vec<Segment> {
        vec![Segment { offset: self.offset, len: self.mapping.len() as u64 }]
    }

    fn export(&self, flags: ExportFlags) -> Result<OwnedFd, ExportError> {
        Ok(match flags.access {
            Access::ReadOnly | Access::ReadWrite => self.export_dmabuf(flags.cloexec)?,
            Access::WriteOnly | Access::Neither => {
                self.token.export(self.mapping.len(), flags.cloexec)?
            }
        })
    }

    fn held_outside(&self) -> io::Result<bool> {
        let given = self.given();
        if let Some(dmabuf) = &given.dmabuf
            && FdInfo::own(dmabuf.fd.as_fd())?.dmabuf_count != Some(1)
        {
            return Ok(true);
        }
        drop(given);
        Ok(!self.token.alone()?)
    }

    fn is_kept_as(&self, tid: u32, fd: i32) -> Option<bool> {
        let given = self.given();
        kcmp::is_same_file(given.dmabuf.as_ref()?.fd.as_fd(), tid, fd).ok()
    }

    fn files(&self) -> Vec<FileKey> {
        let dmabuf = self.given().dmabuf.as_ref().map(|dmabuf| dmabuf.key);
        dmabuf.into_iter().chain(self.token.key()).collect()
    }

    /// Descriptors of a dma-buf make no event, and the file is everybody's.
    fn watched(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The pages go. Somebody who knows the dma-buf by name alone (`O_PATH`) can pin them still: of a
    /// slice that can't be asked, since the question would forbid writing to the whole file.
    fn release(&self) -> Option<Arc<Memfd>> {
        let mut given = self.given();
        given.gone = true;
        given.dmabuf = None;
        drop(given);
        if let Err(error) = self.file.punch(self.offset, self.mapping.len()) {
            tracing::warn!(%error, "pages of a memory file could not be given back at once");
        }
        None
    }
}
