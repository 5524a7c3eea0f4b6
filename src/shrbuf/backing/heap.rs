//! A double: memory on the heap, whose holders and failures a test commands.

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::super::buffer::Segment;
use super::super::error::ExportError;
use super::super::export::ExportFlags;
use super::super::memory::PlaneMemory;
use super::{Backing, Memory};
use crate::sys::fdinfo::FileKey;
use crate::sys::mapping::Mapping;
use crate::sys::memfd::Memfd;

/// Memory on the heap. An export is `/dev/null`, and whether somebody holds one is what the test
/// says; nothing comes back by identity.
#[derive(Debug, Default)]
pub struct Heap {
    commands: Arc<Commands>,
}

#[derive(Debug, Default)]
struct Commands {
    fail: AtomicBool,
    held: AtomicBool,
    released: AtomicUsize,
}

impl Heap {
    /// From now on allocations and exports fail with `ENOMEM`, or no longer.
    pub fn fail(&self, fail: bool) {
        self.commands.fail.store(fail, Ordering::SeqCst);
    }

    /// From now on somebody holds every buffer that was exported, or nobody any.
    pub fn hold(&self, held: bool) {
        self.commands.held.store(held, Ordering::SeqCst);
    }

    /// How many buffers have been released.
    #[must_use]
    pub fn released(&self) -> usize {
        self.commands.released.load(Ordering::SeqCst)
    }
}

impl Commands {
    fn check(&self) -> io::Result<()> {
        if self.fail.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        Ok(())
    }
}

impl Backing for Heap {
    fn name(&self) -> &'static str {
        "heap"
    }

    fn allocate(&self, len: usize) -> io::Result<Box<dyn Memory>> {
        self.commands.check()?;
        let commands = Arc::clone(&self.commands);
        Ok(Box::new(HeapMemory { bytes: Mutex::new(vec![0; len]), commands }))
    }
}

#[derive(Debug)]
struct HeapMemory {
    bytes: Mutex<Vec<u8>>,
    commands: Arc<Commands>,
}

impl Memory for HeapMemory {
    fn plane(&self) -> &dyn PlaneMemory {
        &self.bytes
    }

    fn mapping(&self) -> Option<&Mapping> {
        None
    }

    fn segments(&self) -> Vec<Segment> {
        vec![Segment { offset: 0, len: self.len() as u64 }]
    }

    fn export(&self, _flags: ExportFlags) -> Result<OwnedFd, ExportError> {
        self.commands.check()?;
        Ok(File::open("/dev/null")?.into())
    }

    fn held_outside(&self) -> io::Result<bool> {
        Ok(self.commands.held.load(Ordering::SeqCst))
    }

    fn files(&self) -> Vec<FileKey> {
        Vec::new()
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn release(&self) -> Option<Arc<Memfd>> {
        self.commands.released.fetch_add(1, Ordering::SeqCst);
        None
    }
}
