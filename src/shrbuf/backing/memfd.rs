//! Memory files: an export is a re-open of the plane's own file.
//!
//! Exports that can't be mapped (write-only, or access mode 3) are good for passing on and for
//! importing only. They are re-opens of a *token*, a file without memory: so they can't be used to
//! write either, and nobody but this process ever has the plane's file open for writing unless it
//! was exported so.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::super::buffer::Segment;
use super::super::error::ExportError;
use super::super::export::{Access, ExportFlags};
use super::super::memory::PlaneMemory;
use super::token::Token;
use super::{Backing, Memory};
use crate::sys::fdinfo::FileKey;
use crate::sys::mapping::Mapping;
use crate::sys::memfd::Memfd;

/// One memory file for each plane.
#[derive(Debug, Default, Clone, Copy)]
pub struct MemoryFiles;

impl MemoryFiles {
    /// Whether this machine has them, and leases that tell who holds one.
    ///
    /// # Errors
    /// What is missing: `EINVAL` where leases are off.
    pub fn probe() -> io::Result<Self> {
        let file = Memfd::new(1)?;
        file.alone()?;
        Ok(Self)
    }
}

impl Backing for MemoryFiles {
    fn name(&self) -> &'static str {
        "memfd"
    }

    fn allocate(&self, len: usize) -> io::Result<Box<dyn Memory>> {
        Ok(Box::new(MemoryFile::new(Memfd::new(len)?)?))
    }
}

/// One plane.
#[derive(Debug)]
pub(super) struct MemoryFile {
    file: Arc<Memfd>,
    key: FileKey,
    mapping: Mapping,
    token: Token,
}

impl MemoryFile {
    pub(super) fn new(file: Memfd) -> io::Result<Self> {
        let file = Arc::new(file);
        let key = FileKey::own(file.own())?;
        // Of our own description: a mapping of any other would count as a holder for ever.
        let mapping = Mapping::new(file.own(), file.len(), true)?;
        Ok(Self { file, key, mapping, token: Token::default() })
    }

    pub(super) fn file(&self) -> &Arc<Memfd> {
        &self.file
    }
}

impl PlaneMemory for MemoryFile {
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

impl Memory for MemoryFile {
    fn plane(&self) -> &dyn PlaneMemory {
        self
    }

    fn mapping(&self) -> Option<&Mapping> {
        Some(&self.mapping)
    }

    fn segments(&self) -> Vec<Segment> {
        vec![Segment { offset: 0, len: self.mapping.len() as u64 }]
    }

    fn export(&self, flags: ExportFlags) -> Result<OwnedFd, ExportError> {
        Ok(match flags.access {
            Access::ReadOnly | Access::ReadWrite => self.file.reopen(flags.open_flags())?,
            Access::WriteOnly | Access::Neither => {
                self.token.export(self.file.len(), flags.cloexec)?
            }
        })
    }

    fn held_outside(&self) -> io::Result<bool> {
        Ok(!self.token.alone()? || !self.file.alone()?)
    }

    fn files(&self) -> Vec<FileKey> {
        std::iter::once(self.key).chain(self.token.key()).collect()
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.own())
    }

    fn release(&self) -> Option<Arc<Memfd>> {
        if let Err(error) = self.file.empty(0) {
            tracing::warn!(%error, "pages of a memory file could not be given back at once");
        }
        None
    }
}
