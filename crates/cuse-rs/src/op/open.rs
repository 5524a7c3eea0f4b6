//! `FUSE_OPEN`: a file is opened.

use crate::abi;
use crate::backing::BackingId;
use crate::error::Malformed;
use crate::flags::flags;
use crate::message::Body;
use crate::reply::{Delivery, reply};

/// A file is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// The flags of `open(2)`, without `O_CREAT`, `O_EXCL` and `O_NOCTTY`.
    pub flags: u32,
}

impl Open {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_open_in = body.next("fuse_open_in")?;
        Ok(Self { flags: raw.flags })
    }
}

flags! {
    /// How an open file is to be treated.
    OpenFlags: u32 {
        /// `read` and `write` come here as they are, past the page cache.
        DIRECT_IO = abi::FOPEN_DIRECT_IO;
        /// What is cached from before stays valid.
        KEEP_CACHE = abi::FOPEN_KEEP_CACHE;
        /// `lseek` answers `ESPIPE`.
        NONSEEKABLE = abi::FOPEN_NONSEEKABLE;
        /// The folder's entries may be cached.
        CACHE_DIR = abi::FOPEN_CACHE_DIR;
        /// There is no file position at all.
        STREAM = abi::FOPEN_STREAM;
        /// No `FLUSH` at `close`.
        NOFLUSH = abi::FOPEN_NOFLUSH;
        /// Direct writes may come in parallel.
        PARALLEL_DIRECT_WRITES = abi::FOPEN_PARALLEL_DIRECT_WRITES;
        /// The kernel goes to the backing file by itself: set by [`OpenReply::passthrough`].
        PASSTHROUGH = abi::FOPEN_PASSTHROUGH;
    }
}

reply! {
    /// The answer to `OPEN` and `OPENDIR`.
    OpenReply
}

impl OpenReply {
    /// It is open; further requests name it by `fh`.
    pub fn opened(self, fh: u64, flags: OpenFlags) -> Delivery {
        self.responder.value(&abi::fuse_open_out { fh, open_flags: flags.bits(), backing_id: 0 })
    }

    /// It is open, and what `flags` leave to the kernel goes to `backing` without a request: with
    /// [`DIRECT_IO`](OpenFlags::DIRECT_IO) mappings only. Keep `backing` until `RELEASE`.
    pub fn passthrough(self, fh: u64, backing: &BackingId, flags: OpenFlags) -> Delivery {
        let open_flags = (flags | OpenFlags::PASSTHROUGH).bits();
        self.responder.value(&abi::fuse_open_out { fh, open_flags, backing_id: backing.id() })
    }
}
