//! dma-bufs of others.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::statfs::{FsType, fstatfs};
use nix::unistd::{Whence, lseek};

use super::fdinfo::FdInfo;

/// `DMA_BUF_MAGIC` of `<linux/magic.h>`.
const DMA_BUF_MAGIC: FsType = FsType(0x444d_4142);

/// The mount of the kernel's own file system that has dma-bufs only is what makes one, no name.
///
/// fdinfo, which asks no file system, goes first: a descriptor that belongs to a hostile file
/// system is told apart before that could be asked anything.
///
/// # Errors
/// Those of reading `/proc`: `EMFILE`.
pub fn is_dmabuf(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let info = FdInfo::own(fd)?;
    if info.dmabuf_count.is_none() || info.is_path() {
        return Ok(false);
    }
    Ok(fstatfs(fd)?.filesystem_type() == DMA_BUF_MAGIC)
}

/// Bytes.
///
/// # Errors
/// `EOVERFLOW` when it has more than there are addresses; those of `lseek(2)`.
pub fn size(dmabuf: BorrowedFd<'_>) -> io::Result<usize> {
    let end = lseek(dmabuf, 0, Whence::SeekEnd)?;
    Ok(usize::try_from(end).map_err(|_| Errno::EOVERFLOW)?)
}

/// What the processor is about to do with the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Look.
    Read,
    /// Change.
    Write,
}

/// Lets the processor at the memory until dropped (`DMA_BUF_IOCTL_SYNC`).
#[derive(Debug)]
pub struct CpuAccess<'a> {
    dmabuf: BorrowedFd<'a>,
    direction: Direction,
}

impl<'a> CpuAccess<'a> {
    /// Waits up to `patience` until no device uses the memory any more: a fence can be anybody's,
    /// and the ioctl alone would wait for it without end.
    ///
    /// # Errors
    /// `ETIMEDOUT`; those of the ioctl.
    pub fn begin(
        dmabuf: &'a impl AsFd,
        direction: Direction,
        patience: Duration,
    ) -> io::Result<Self> {
        let dmabuf = dmabuf.as_fd();
        wait(dmabuf, direction, patience)?;
        sync(dmabuf, START | flag(direction))?;
        Ok(Self { dmabuf, direction })
    }
}

impl Drop for CpuAccess<'_> {
    fn drop(&mut self) {
        if let Err(error) = sync(self.dmabuf, END | flag(self.direction)) {
            tracing::debug!(%error, "a dma-buf refused the end of an access");
        }
    }
}

/// Readable: no device writes. Writable: no device reads or writes.
fn wait(dmabuf: BorrowedFd<'_>, direction: Direction, patience: Duration) -> io::Result<()> {
    let wanted = match direction {
        Direction::Read => PollFlags::POLLIN,
        Direction::Write => PollFlags::POLLOUT,
    };
    let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    let mut polled = [PollFd::new(dmabuf, wanted)];
    loop {
        match poll(&mut polled, patience) {
            Ok(0) => return Err(Errno::ETIMEDOUT.into()),
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// `DMA_BUF_SYNC_START`, `DMA_BUF_SYNC_END`, `DMA_BUF_SYNC_READ`, `DMA_BUF_SYNC_WRITE`.
const START: u64 = 0;
const END: u64 = 4;

fn flag(direction: Direction) -> u64 {
    match direction {
        Direction::Read => 1,
        Direction::Write => 2,
    }
}

/// `struct dma_buf_sync`.
#[repr(C)]
struct Sync {
    flags: u64,
}

mod raw {
    nix::ioctl_write_ptr!(dma_buf_sync, b'b', 0, super::Sync);
}

fn sync(dmabuf: BorrowedFd<'_>, flags: u64) -> io::Result<()> {
    let argument = Sync { flags };
    loop {
        // SAFETY: the kernel reads one struct dma_buf_sync, which `argument` is.
        match unsafe { raw::dma_buf_sync(dmabuf.as_raw_fd(), &raw const argument) } {
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memfd::Memfd;

    #[test]
    fn what_is_no_dmabuf_is_none() {
        let memory = Memfd::new(1).expect("a file");
        let file = tempfile::tempfile().expect("a file");
        let (reader, _writer) = io::pipe().expect("a pipe");
        let fds = [memory.own(), file.as_fd(), reader.as_fd()];
        for (row, fd) in fds.into_iter().enumerate() {
            assert!(!is_dmabuf(fd).expect("fdinfo"), "row {row}");
        }
    }
}
