//! Memory files: an export is a re-open of the plane's own file.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::super::buffer::Segment;
use super::super::error::ExportError;
use super::super::export::{Access, ExportFlags};
use super::super::memory::PlaneMemory;
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
        Ok(Box::new(MemoryFile::new(len)?))
    }
}

/// One plane.
#[derive(Debug)]
pub(super) struct MemoryFile {
    file: Memfd,
    key: FileKey,
    mapping: Mapping,
}

impl MemoryFile {
    pub(super) fn new(len: usize) -> io::Result<Self> {
        let file = Memfd::new(len)?;
        let key = FileKey::own(file.own())?;
        // Of our own description: a mapping of any other would count as a holder for ever.
        let mapping = Mapping::new(file.own(), file.len(), true)?;
        Ok(Self { file, key, mapping })
    }

    pub(super) fn file(&self) -> &Memfd {
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

    /// Access mode 3 is opened for writing only: that can't be mapped either, but a lease sees
    /// it, while it would not see a file opened with 3.
    fn export(&self, flags: ExportFlags) -> Result<OwnedFd, ExportError> {
        let access = match flags.access {
            Access::Neither => Access::WriteOnly,
            other => other,
        };
        Ok(self.file.reopen(ExportFlags { access, ..flags }.open_flags())?)
    }

    fn held_outside(&self) -> io::Result<bool> {
        self.file.alone().map(|alone| !alone)
    }

    fn files(&self) -> Vec<FileKey> {
        vec![self.key]
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.own())
    }

    fn release(&self) {
        if let Err(error) = self.file.empty() {
            tracing::warn!(%error, "pages of a memory file could not be given back at once");
        }
    }
}
