//! What `/proc` says of an open file.
//!
//! `/proc/<tid>/fdinfo/<fd>` may wait: the file itself adds lines to it, and an epoll file takes its
//! own lock for that, which its user holds while a file in it is asked whether it is ready, by
//! whichever file system or daemon serves that. So [`FdInfo`] is for files that are known already,
//! and a stranger's descriptor is looked at by [`Seen`], which asks nobody.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

use super::hurry::Hurry;
use super::maps;

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
    /// Of a descriptor of this process.
    ///
    /// # Errors
    /// `EINVAL` when the kernel tells no inode (before Linux 5.14), `EMFILE` when this process has
    /// no descriptor left to look with.
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

/// A descriptor of somebody else's, seen without asking its file for anything.
#[derive(Debug)]
pub struct Seen {
    /// Which inode.
    pub identity: FileIdentity,
    /// It may be read or written: no `O_PATH`, and not opened with access mode 3.
    pub is_open: bool,
    /// A name of the file: it opens and closes nothing, and adds no lines to its own fdinfo.
    name: File,
}

impl Seen {
    /// Descriptor `fd` in the table of thread `tid`.
    ///
    /// # Errors
    /// `ENOENT` when either is not there, `EACCES` where this process may not look; as
    /// [`FdInfo::own`].
    pub fn of(tid: u32, fd: i32) -> io::Result<Self> {
        let _hurry = Hurry::new();
        let link = format!("/proc/{tid}/fd/{fd}");
        // The link's own mode is the descriptor's.
        let is_open = fs::symlink_metadata(&link)?.mode() & 0o700 != 0;
        let name = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(&link)?;
        let identity = FdInfo::own(name.as_fd())?.identity;
        Ok(Self { identity, is_open, name })
    }

    /// It has the name of a dma-buf. A file can be given that name too.
    #[must_use]
    pub fn looks_like_dmabuf(&self) -> bool {
        let path = fs::read_link(format!("/proc/self/fd/{}", self.name.as_raw_fd()));
        path.is_ok_and(|path| path.as_os_str().as_bytes().starts_with(b"/dmabuf:"))
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

/// The descriptors of process `pid` whose link `named` accepts, and which inode each is. The
/// text of a link proves nothing; it spares a look into most. Empty where nobody may look.
#[must_use]
pub fn descriptors(pid: u32, named: impl Fn(&str) -> bool) -> Vec<(i32, FileIdentity)> {
    let look = |entry: fs::DirEntry| {
        let link = {
            let _hurry = Hurry::new();
            fs::read_link(entry.path()).ok()?
        };
        let wanted = named(&link.to_string_lossy());
        let fd = wanted.then(|| entry.file_name().to_str()?.parse().ok()).flatten()?;
        Some((fd, Seen::of(pid, fd).ok()?.identity))
    };
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(look).collect()
}

/// Whether any process, but for those that are called `but`, has a descriptor of this file, whose name on
/// its mount begins with `name`. A look through all of `/proc`: milliseconds.
#[must_use]
pub fn has_anybody(file: FileIdentity, name: &str, but: &str) -> bool {
    let passed_over = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == but)
    };
    maps::processes().into_iter().filter(|pid| !passed_over(pid)).any(|pid| {
        let is_named = |link: &str| link.rsplit('/').next().is_some_and(|it| it.starts_with(name));
        let theirs = descriptors(pid, is_named);
        theirs.iter().any(|(_, identity)| *identity == file)
    })
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
        let closed = Seen::of(std::process::id(), -1).expect_err("no such descriptor");
        assert_eq!(closed.raw_os_error(), Some(libc::ENOENT));
    }

    #[test]
    fn a_descriptor_is_seen_as_fdinfo_tells_it() {
        let me = std::process::id();
        let file = File::open("/proc/self/exe").expect("a file");
        let seen = Seen::of(me, file.as_raw_fd()).expect("it is there");
        assert_eq!(seen.identity, FdInfo::own(file.as_fd()).expect("fdinfo").identity);
        assert!(seen.is_open && !seen.looks_like_dmabuf());
        let name = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open("/proc/self/exe");
        let name = name.expect("a name");
        assert!(!Seen::of(me, name.as_raw_fd()).expect("it is there").is_open);
    }

    proptest! {
        #[test]
        fn any_bytes_are_fdinfo_or_refused(text in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = FdInfo::parse(&text);
        }
    }

    #[test]
    fn another_process_with_the_file_is_found() {
        let file = crate::sys::memfd::Memfd::new(1).expect("a file");
        let identity = FdInfo::own(file.own()).expect("it").identity;
        assert!(!has_anybody(identity, "memfd:", "helper"), "this process does not count");
        let given = file.own().try_clone_to_owned().expect("another");
        let child = std::process::Command::new("sleep").arg("60").stdin(given).spawn();
        let mut child = child.expect("a child");
        assert!(has_anybody(identity, "memfd:", "helper"));
        assert!(!has_anybody(identity, "other", "helper"));
        assert!(!has_anybody(identity, "memfd:", "sleep"), "it is passed over");
        child.kill().expect("it ends");
        child.wait().expect("its end");
        assert!(!has_anybody(identity, "memfd:", "helper"));
    }
}
