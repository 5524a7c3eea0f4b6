//! What `/proc/<tid>/fdinfo/<fd>` says of an open file. The kernel answers from its own tables:
//! no file system is asked, so the answer never waits for a client.

use std::io;
use std::os::fd::BorrowedFd;

/// Names an inode as long as somebody holds it: mount and inode number, as fdinfo tells them.
/// Numbers of memory files and dma-bufs are 64 bits wide and count up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileIdentity {
    /// `mnt_id:`; for memory files and dma-bufs a mount that only the kernel has.
    pub mnt_id: u64,
    /// `ino:`.
    pub ino: u64,
}

/// One open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FdInfo {
    /// Which inode.
    pub identity: FileIdentity,
    /// `flags:`, those of `open(2)` as they are now.
    pub flags: i32,
    /// `count:` of a dma-buf: references to its file, this table's included. Only a dma-buf has
    /// both this and an exporter's name.
    pub dmabuf_count: Option<u64>,
}

impl FdInfo {
    /// Of descriptor `fd` in the table of thread `tid`.
    ///
    /// # Errors
    /// `ENOENT` when either is not there, `EACCES` where the caller may not look, `EINVAL` when
    /// the kernel tells no inode (before Linux 5.14).
    pub fn of(tid: u32, fd: i32) -> io::Result<Self> {
        let _ = (tid, fd);
        todo!()
    }

    /// Of a descriptor of this thread's.
    ///
    /// # Errors
    /// As [`FdInfo::of`], and `EMFILE` when this process has no descriptor left to look with.
    pub fn own(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let _ = fd;
        todo!()
    }
}
