//! Memory that others map too.
//!
//! Rules of this module, on which every `unsafe` block in it rests:
//! - No reference to mapped bytes is ever made, only raw pointers for the time of one copy: others
//!   may change the bytes at any moment, and the copy then has some of each; it is bytes anyway.
//! - Ranges are checked against the length before a pointer is computed.
//! - The address stays here.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;

/// A shared mapping of a file's first bytes; unmapped when dropped.
pub struct Mapping {
    start: NonNull<u8>,
    len: usize,
    writable: bool,
}

// SAFETY: the mapping is owned by this value alone and belongs to the process, not to a thread.
unsafe impl Send for Mapping {}
// SAFETY: threads that copy at the same time race as the other processes do that map the file;
// by the rules above no reference can observe it.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `len` bytes of `file`, present from the start where the file allows it.
    ///
    /// # Errors
    /// Those of `mmap(2)`: `EACCES` when the descriptor lacks a right, `EINVAL` for 0 bytes.
    pub fn new(file: BorrowedFd<'_>, len: usize, writable: bool) -> io::Result<Self> {
        Self::slice(file, 0, len, writable)
    }

    /// The same of `len` bytes from `offset` on, a multiple of the page size.
    ///
    /// # Errors
    /// As [`Mapping::new`]; `EINVAL` for another offset.
    pub fn slice(
        file: BorrowedFd<'_>,
        offset: u64,
        len: usize,
        writable: bool,
    ) -> io::Result<Self> {
        let offset = libc::off_t::try_from(offset).map_err(|_| error(libc::EOVERFLOW))?;
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        // SAFETY: the kernel chooses an address that nothing else uses.
        let start = unsafe {
            libc::mmap(std::ptr::null_mut(), len, protection, flags, file.as_raw_fd(), offset)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| error(libc::ENOMEM))?;
        Ok(Self { start, len, writable })
    }

    /// Bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a mapping has at least one byte")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Copies `bytes` to `offset`. The file must be one that can't be cut and whose pages are
    /// present (a sealed memory file): touching it is then no fault.
    ///
    /// # Errors
    /// `EINVAL` beyond the end, `EACCES` for a mapping that is not writable.
    pub fn write_at(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let place = self.place(offset, bytes.len(), true)?;
        // SAFETY:
        // - `place` has room for `bytes.len()` bytes (checked by `place`) and is writable
        // - the two can't overlap: no reference into the mapping exists
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        Ok(())
    }

    /// Copies from `offset` into `bytes`; the file as for [`Mapping::write_at`].
    ///
    /// # Errors
    /// `EINVAL` beyond the end.
    pub fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        let place = self.place(offset, bytes.len(), false)?;
        // SAFETY: as in `write_at`, the other way.
        unsafe { std::ptr::copy_nonoverlapping(place, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    /// Copies `len` bytes from `offset` to the start of `file`. The kernel touches the mapping,
    /// so that a fault is an error here and not a signal.
    ///
    /// # Errors
    /// `EFAULT` for memory that is not there, `EINVAL` beyond the end, those of `write(2)`.
    pub fn save(&self, offset: usize, len: usize, file: BorrowedFd<'_>) -> io::Result<()> {
        let place = self.place(offset, len, false)?;
        all(len, |done, at| {
            let from = place.wrapping_add(done).cast();
            // SAFETY:
            // - the kernel reads `len - done` bytes from `done` on, which lie inside (`place`)
            // - where they can't be read it answers EFAULT
            unsafe { libc::pwrite(file.as_raw_fd(), from, len - done, at) }
        })
    }

    /// Copies `len` bytes from the start of `file` to `offset`; a fault is an error.
    ///
    /// # Errors
    /// As [`Mapping::save`]; `EACCES` for a mapping that is not writable.
    pub fn load(&self, offset: usize, len: usize, file: BorrowedFd<'_>) -> io::Result<()> {
        let place = self.place(offset, len, true)?;
        all(len, |done, at| {
            let to = place.wrapping_add(done).cast();
            // SAFETY: as in `save`, the other way.
            unsafe { libc::pread(file.as_raw_fd(), to, len - done, at) }
        })
    }

    /// Whether `len` bytes from `offset` on may be read, or also written.
    ///
    /// # Errors
    /// `EACCES` to write in a mapping that is not writable, `EINVAL` beyond the end.
    pub fn check(&self, offset: usize, len: usize, write: bool) -> io::Result<()> {
        if write && !self.writable {
            return Err(error(libc::EACCES));
        }
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(error(libc::EINVAL));
        }
        Ok(())
    }

    fn place(&self, offset: usize, len: usize, write: bool) -> io::Result<*mut u8> {
        self.check(offset, len, write)?;
        // SAFETY: `offset` is not beyond the mapping's end (checked above).
        Ok(unsafe { self.start.as_ptr().add(offset) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: start and length are those of the mmap call, and no pointer into it is left.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the address: logs are read by others.
        out.debug_struct("Mapping").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Calls `step` with how much is done until all `len` bytes are.
fn all(len: usize, mut step: impl FnMut(usize, libc::off_t) -> libc::ssize_t) -> io::Result<()> {
    let mut done = 0;
    while done < len {
        let at = libc::off_t::try_from(done).map_err(|_| error(libc::EINVAL))?;
        match usize::try_from(step(done, at)) {
            Ok(0) => return Err(error(libc::EFAULT)),
            Ok(count) => done += count,
            Err(_) => {
                let failed = io::Error::last_os_error();
                if failed.kind() != io::ErrorKind::Interrupted {
                    return Err(failed);
                }
            }
        }
    }
    Ok(())
}

fn error(errno: i32) -> io::Error {
    io::Error::from_raw_os_error(errno)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memfd::{Memfd, page_size};
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use nix::unistd::ftruncate;
    use std::os::fd::AsFd;

    #[test]
    fn copies_go_in_and_out_and_not_beyond() {
        let file = Memfd::new(1).expect("a file");
        let mapping = Mapping::new(file.own(), file.len(), true).expect("a mapping");
        mapping.write_at(file.len() - 2, &[1, 2]).expect("inside");
        let mut bytes = [0; 2];
        mapping.read_at(file.len() - 2, &mut bytes).expect("inside");
        assert_eq!(bytes, [1, 2]);
        for (offset, len) in [(file.len() - 1, 2), (file.len() + 1, 0), (usize::MAX, 2)] {
            let mut bytes = vec![0; len];
            let errors = [
                mapping.write_at(offset, &bytes).expect_err("beyond"),
                mapping.read_at(offset, &mut bytes).expect_err("beyond"),
                mapping.save(offset, len, file.own()).expect_err("beyond"),
                mapping.load(offset, len, file.own()).expect_err("beyond"),
            ];
            for error in errors {
                assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{offset} {len}");
            }
        }
    }

    #[test]
    fn a_read_only_mapping_takes_no_bytes() {
        let file = Memfd::new(1).expect("a file");
        let export = file.reopen(libc::O_RDONLY).expect("a description");
        let mapping = Mapping::new(export.as_fd(), file.len(), false).expect("a mapping");
        let refused = mapping.write_at(0, &[1]).expect_err("not writable");
        assert_eq!(refused.raw_os_error(), Some(libc::EACCES));
        let writable = Mapping::new(export.as_fd(), file.len(), true).expect_err("not writable");
        assert_eq!(writable.raw_os_error(), Some(libc::EACCES));
    }

    /// Our own mapping is made from our own description, so it is no holder.
    #[test]
    fn our_own_mapping_is_no_other_holder() {
        let file = Memfd::new(1).expect("a file");
        let mapping = Mapping::new(file.own(), file.len(), true).expect("a mapping");
        assert!(file.alone().expect("leases"));
        drop(mapping);
        let export = file.reopen(libc::O_RDONLY).expect("a description");
        let _mapping = Mapping::new(export.as_fd(), file.len(), false).expect("a mapping");
        drop(export);
        assert!(!file.alone().expect("leases"), "the mapping of an export is one");
    }

    /// An unsealed file that was cut stands for a dma-buf whose memory went away.
    #[test]
    fn memory_that_is_gone_is_efault_and_no_signal() {
        let file = memfd_create(c"cut", MFdFlags::MFD_CLOEXEC).expect("a file");
        let page = page_size();
        let cut = |pages: usize| ftruncate(&file, (page * pages) as libc::off_t);
        cut(2).expect("room");
        let mapping = Mapping::new(file.as_fd(), page * 2, true).expect("a mapping");
        let scratch = Memfd::new(page * 2).expect("a file");
        cut(1).expect("cut");
        mapping.save(0, page, scratch.own()).expect("still there");
        mapping.load(0, page, scratch.own()).expect("still there");
        for offset in [page, page - 1] {
            let saved = mapping.save(offset, page, scratch.own()).expect_err("gone");
            assert_eq!(saved.raw_os_error(), Some(libc::EFAULT), "{offset}");
            let loaded = mapping.load(offset, page, scratch.own()).expect_err("gone");
            assert_eq!(loaded.raw_os_error(), Some(libc::EFAULT), "{offset}");
        }
    }
}
