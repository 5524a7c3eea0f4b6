//! `FUSE_STATFS`: how full a file system is.

use crate::abi;
use crate::reply::{Delivery, reply};

/// How full a file system is, as `statvfs(3)` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statfs {
    /// Size in pieces of `frsize` bytes.
    pub blocks: u64,
    /// Free pieces.
    pub bfree: u64,
    /// Free pieces for who is not root.
    pub bavail: u64,
    /// Nodes.
    pub files: u64,
    /// Free nodes.
    pub ffree: u64,
    /// The size of a transfer that suits, in bytes.
    pub bsize: u32,
    /// The longest name in bytes.
    pub namelen: u32,
    /// The size of a piece in bytes.
    pub frsize: u32,
}

/// An empty file system with names as long as Linux has them.
impl Default for Statfs {
    fn default() -> Self {
        Self {
            blocks: 0,
            bfree: 0,
            bavail: 0,
            files: 0,
            ffree: 0,
            bsize: 4096,
            namelen: 255,
            frsize: 4096,
        }
    }
}

reply! {
    /// The answer to `STATFS`.
    StatfsReply
}

impl StatfsReply {
    /// This full.
    pub fn statfs(self, statfs: &Statfs) -> Delivery {
        let st = abi::fuse_kstatfs {
            blocks: statfs.blocks,
            bfree: statfs.bfree,
            bavail: statfs.bavail,
            files: statfs.files,
            ffree: statfs.ffree,
            bsize: statfs.bsize,
            namelen: statfs.namelen,
            frsize: statfs.frsize,
            ..Default::default()
        };
        self.responder.value(&abi::fuse_statfs_out { st })
    }
}
