//! What `/proc/<tid>/fdinfo/<fd>` says of an open file. The kernel answers from its own tables:
//! no file system is asked, so the answer never waits for a client.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd};

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

/// Bytes that are read: the lines that count come first, and those of a dma-buf are short.
const MOST: usize = 1024;

impl FdInfo {
    /// Of descriptor `fd` in the table of thread `tid`.
    ///
    /// # Errors
    /// `ENOENT` when either is not there, `EACCES` where this process may not look, `EINVAL` when
    /// the kernel tells no inode (before Linux 5.14).
    pub fn of(tid: u32, fd: i32) -> io::Result<Self> {
        Self::read(&format!("/proc/{tid}/fdinfo/{fd}"))
    }

    /// Of a descriptor of this process.
    ///
    /// # Errors
    /// As [`FdInfo::of`], and `EMFILE` when this process has no descriptor left to look with.
    pub fn own(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Self::read(&format!("/proc/self/fdinfo/{}", fd.as_raw_fd()))
    }

    fn read(path: &str) -> io::Result<Self> {
        let mut bytes = [0; MOST];
        let mut file = File::open(path)?;
        let count = file.read(&mut bytes)?;
        let text = bytes.get(..count).unwrap_or_default();
        Self::parse(text).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))
    }

    /// Of the text. Of lines with the same key the first counts: what a user may name comes last.
    fn parse(text: &[u8]) -> Option<Self> {
        let value = |key: &str| {
            let lines = text.split(|byte| *byte == b'\n');
            let mut values = lines.filter_map(|line| line.strip_prefix(key.as_bytes()));
            std::str::from_utf8(values.next()?).ok().map(str::trim)
        };
        let number = |key| value(key)?.parse::<u64>().ok();
        let identity = FileIdentity { mnt_id: number("mnt_id:")?, ino: number("ino:")? };
        let flags = i32::from_str_radix(value("flags:")?, 8).ok()?;
        let dmabuf_count = value("exp_name:").and_then(|_| number("count:"));
        Some(Self { identity, flags, dmabuf_count })
    }

    /// Opened with `O_PATH`: a name of the file, not the file.
    #[must_use]
    pub fn is_path(&self) -> bool {
        self.flags & libc::O_PATH != 0
    }
}

/// Everything by which `/proc` tells a file: [`FileIdentity`] for descriptors, the device number
/// for mappings (`maps` names no mount).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileKey {
    /// Which inode.
    pub identity: FileIdentity,
    /// `st_dev`.
    pub dev: u64,
}

impl FileKey {
    /// Of an open file that asks no stranger's file system: a memory file or a dma-buf.
    ///
    /// # Errors
    /// As [`FdInfo::own`].
    pub fn own(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let dev = nix::sys::stat::fstat(fd)?.st_dev;
        Ok(Self { identity: FdInfo::own(fd)?.identity, dev })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_memory_file_has_identity_and_flags() {
        let text = b"pos:\t0\nflags:\t02100002\nmnt_id:\t9\nino:\t192\n";
        let info = FdInfo::parse(text).expect("complete");
        assert_eq!(info.identity, FileIdentity { mnt_id: 9, ino: 192 });
        assert_eq!(info.flags, 0o2_100_002);
        assert_eq!(info.dmabuf_count, None);
        assert!(!info.is_path());
    }

    #[test]
    fn a_dmabuf_has_a_count_that_its_name_can_not_forge() {
        let text = b"pos:\t0\nflags:\t02\nmnt_id:\t9\nino:\t5\nsize:\t4096\ncount:\t2\nexp_name:\tudmabuf\nname:\tx\ncount:\t77\n";
        assert_eq!(FdInfo::parse(text).expect("complete").dmabuf_count, Some(2));
    }

    #[test]
    fn text_without_an_inode_is_refused() {
        assert_eq!(FdInfo::parse(b"pos:\t0\nflags:\t02\nmnt_id:\t9\n"), None);
        assert_eq!(FdInfo::parse(b""), None);
    }

    #[test]
    fn two_files_differ_and_two_descriptions_of_one_do_not() {
        let file = File::open("/proc/self/exe").expect("a file");
        let again = File::open("/proc/self/exe").expect("a file");
        let other = File::open("/proc/self/status").expect("a file");
        let identity = |file: &File| FdInfo::own(file.as_fd()).expect("fdinfo").identity;
        assert_eq!(identity(&file), identity(&again));
        assert_ne!(identity(&file), identity(&other));
        let closed = FdInfo::of(std::process::id(), -1).expect_err("no such descriptor");
        assert_eq!(closed.raw_os_error(), Some(libc::ENOENT));
    }

    proptest! {
        #[test]
        fn any_bytes_are_fdinfo_or_refused(text in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = FdInfo::parse(&text);
        }
    }
}
