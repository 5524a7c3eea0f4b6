//! Memory that others map too.
//!
//! Rules of this module, on which every `unsafe` block in it rests:
//! - No reference to mapped bytes is ever made, only raw pointers for the time of one copy: others
//!   may change the bytes at any moment.
//! - Ranges are checked against the length before a pointer is computed.
//! - The address stays here.

use std::io;
use std::os::fd::BorrowedFd;

/// A shared mapping of a file's first bytes; unmapped when dropped.
#[derive(Debug)]
pub struct Mapping {}

impl Mapping {
    /// Maps the first `len` bytes of `file`, present from the start.
    ///
    /// # Errors
    /// Those of `mmap(2)`: `EACCES` when the descriptor lacks a right, `EINVAL` for 0 bytes.
    pub fn new(file: BorrowedFd<'_>, len: usize, writable: bool) -> io::Result<Self> {
        let _ = (file, len, writable);
        todo!()
    }

    /// Bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a mapping has at least one byte")]
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Errors
    /// `EINVAL` beyond the end, `EACCES` for a mapping that is not writable.
    pub fn write_at(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let _ = (offset, bytes);
        todo!()
    }

    /// Copies from `offset` into `bytes`.
    ///
    /// # Errors
    /// `EINVAL` beyond the end.
    pub fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        let _ = (offset, bytes);
        todo!()
    }
}
