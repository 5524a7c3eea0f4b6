//! `FUSE_READ`: bytes are wanted.

use std::io::IoSlice;

use crate::abi;
use crate::error::Malformed;
use crate::message::Body;
use crate::reply::{Delivery, reply};

/// Bytes are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// The open file.
    pub fh: u64,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// At most so many bytes. A longer read of the caller's goes on until a short answer.
    pub size: u32,
    /// The flags of `open(2)`, as changed by `fcntl(2)`: `O_NONBLOCK` is true to the moment.
    pub flags: u32,
    /// A program's own `read(2)`, as always in a character device. Otherwise the page cache is to
    /// be filled, for a mapping, a read ahead, or a `read(2)` of a file that is not opened for direct
    /// I/O: the answer is whole pages then, and a shorter one changes the file's length.
    pub direct: bool,
}

impl Read {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_read_in = body.next("fuse_read_in")?;
        // The kernel names the lock owner of a program's read; a page has none.
        let direct = raw.read_flags & abi::FUSE_READ_LOCKOWNER != 0;
        let abi::fuse_read_in { fh, offset, size, flags, .. } = raw;
        Ok(Self { fh, offset, size, flags, direct })
    }
}

reply! {
    /// The answer to `READ`.
    ReadReply { size: u32 }
}

impl ReadReply {
    /// The bytes; fewer than were asked for (none at all at the end) end the caller's `read`.
    /// More than were asked for is a mistake, and answers `EIO`.
    pub fn data(self, bytes: &[u8]) -> Delivery {
        self.parts(&[IoSlice::new(bytes)])
    }

    /// As [`data`](Self::data), from several places.
    pub fn parts(self, parts: &[IoSlice<'_>]) -> Delivery {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length > self.size as usize {
            let size = self.size;
            return self
                .responder
                .mistake(format_args!("{length} bytes, and {size} were asked for"));
        }
        self.responder.parts(parts)
    }
}
