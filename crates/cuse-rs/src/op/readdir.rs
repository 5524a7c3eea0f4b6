//! `FUSE_READDIR`: the entries of a folder, from some place on.

use zerocopy::IntoBytes;

use crate::abi;
use crate::error::Malformed;
use crate::message::Body;
use crate::reply::{Delivery, reply};

/// The entries of an open folder are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readdir {
    /// The open folder.
    pub fh: u64,
    /// Go on after the entry that had this place; 0 at the start.
    pub offset: u64,
    /// At most so many bytes.
    pub size: u32,
}

impl Readdir {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_read_in = body.next("fuse_read_in")?;
        Ok(Self { fh: raw.fh, offset: raw.offset, size: raw.size })
    }
}

reply! {
    /// The answer to `READDIR`. Add entries until [`add`](Self::add) says that it is full, then
    /// [`send`](Self::send); an answer without entries is the folder's end.
    DirectoryReply { size: u32, entries: Vec<u8> }
}

impl DirectoryReply {
    /// Adds an entry, and says whether it found room. `place` is what [`Readdir::offset`] will name to go on
    /// after it; `kind` is the file type of `stat(2)` (`S_IFCHR`, …).
    pub fn add(&mut self, ino: u64, place: u64, kind: u32, name: &[u8]) -> bool {
        let Ok(namelen) = u32::try_from(name.len()) else { return false };
        let head = abi::fuse_dirent { ino, off: place, namelen, r#type: (kind & 0o170_000) >> 12 };
        let length = (size_of::<abi::fuse_dirent>() + name.len()).next_multiple_of(8);
        if self.entries.len() + length > self.size as usize {
            return false;
        }
        let end = self.entries.len() + length;
        self.entries.extend_from_slice(head.as_bytes());
        self.entries.extend_from_slice(name);
        self.entries.resize(end, 0);
        true
    }

    /// Sends what was added.
    pub fn send(self) -> Delivery {
        self.responder.parts(&[std::io::IoSlice::new(&self.entries)])
    }
}
