//! What is told of a node.

use std::time::Duration;

use crate::abi;

/// What `stat(2)` tells of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attr {
    /// Its number.
    pub ino: u64,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last read, since the epoch.
    pub atime: Duration,
    /// When it was last written, since the epoch.
    pub mtime: Duration,
    /// When what is told of it last changed, since the epoch.
    pub ctime: Duration,
    /// Its type and permissions.
    pub mode: u32,
    /// How many names it has.
    pub nlink: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its device number, in the kernel's 32-bit form.
    pub rdev: u32,
}

impl Attr {
    pub(crate) fn to_wire(self) -> abi::fuse_attr {
        abi::fuse_attr {
            ino: self.ino,
            size: self.size,
            blocks: self.size.div_ceil(512), // stat(2) counts in these
            atime: self.atime.as_secs(),
            mtime: self.mtime.as_secs(),
            ctime: self.ctime.as_secs(),
            atimensec: self.atime.subsec_nanos(),
            mtimensec: self.mtime.subsec_nanos(),
            ctimensec: self.ctime.subsec_nanos(),
            mode: self.mode,
            nlink: self.nlink,
            uid: self.uid,
            gid: self.gid,
            rdev: self.rdev,
            blksize: 0, // the kernel's own: a page
            flags: 0,
        }
    }
}

/// How long something may be cached, as the wire has it.
pub(crate) fn valid(duration: Duration) -> (u64, u32) {
    (duration.as_secs(), duration.subsec_nanos())
}
