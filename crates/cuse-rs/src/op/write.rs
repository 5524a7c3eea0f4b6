//! `FUSE_WRITE`: bytes come.

use crate::abi;
use crate::error::Malformed;
use crate::message::Body;
use crate::reply::{Delivery, reply};

/// Bytes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write<'a> {
    /// The open file.
    pub fh: u64,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// The bytes.
    pub data: &'a [u8],
    /// The flags of `open(2)`, as changed by `fcntl(2)`.
    pub flags: u32,
    /// A program's own `write(2)` past the page cache, as always in a character device.
    pub direct: bool,
    /// From the page cache: what a program has changed through its mapping, some time ago. Nobody
    /// waits for it, and the header doesn't tell who it was.
    ///
    /// Neither of the two is a `write(2)` that changes the page cache, too: of a file that is not
    /// opened for direct I/O, or the rest of a direct one that was taken in part.
    pub from_cache: bool,
}

impl<'a> Write<'a> {
    pub(crate) fn decode(mut body: Body<'a>) -> Result<Self, Malformed> {
        let raw: abi::fuse_write_in = body.next("fuse_write_in")?;
        let has = |flag| raw.write_flags & flag != 0;
        let (direct, from_cache) = (has(abi::FUSE_WRITE_LOCKOWNER), has(abi::FUSE_WRITE_CACHE));
        let (data, abi::fuse_write_in { fh, offset, flags, .. }) = (body.bytes(raw.size)?, raw);
        Ok(Self { fh, offset, data, flags, direct, from_cache })
    }
}

reply! {
    /// The answer to `WRITE`.
    WriteReply { size: u32 }
}

impl WriteReply {
    /// So many bytes were taken. More than came is a mistake, and answers `EIO`.
    pub fn written(self, size: u32) -> Delivery {
        if size > self.size {
            let came = self.size;
            return self.responder.mistake(format_args!("{size} bytes taken, and {came} came"));
        }
        self.responder.value(&abi::fuse_write_out { size, padding: 0 })
    }
}
