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
    /// From the page cache: what a program has written through its mapping, some time ago.
    pub from_cache: bool,
}

impl<'a> Write<'a> {
    pub(crate) fn decode(mut body: Body<'a>) -> Result<Self, Malformed> {
        let raw: abi::fuse_write_in = body.next("fuse_write_in")?;
        Ok(Self {
            fh: raw.fh,
            offset: raw.offset,
            data: body.bytes(raw.size)?,
            flags: raw.flags,
            from_cache: raw.write_flags & abi::FUSE_WRITE_CACHE != 0,
        })
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
