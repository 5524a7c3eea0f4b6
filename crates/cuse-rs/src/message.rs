//! One message from the kernel: its header, and a reader for what follows.

use std::sync::atomic::{AtomicU64, Ordering};

use zerocopy::{FromBytes, Immutable, KnownLayout};

use crate::abi;
use crate::error::Malformed;

/// The next [`Header::id`].
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Who asks, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// A number that no other request of this process has, of whatever session: what requests are
    /// to be told apart by. The reply has it too.
    pub id: u64,
    /// The request's number on the wire. The kernel uses each one once in a connection, and the
    /// same ones in every connection.
    pub unique: u64,
    /// The file system's node; 0 in a character device.
    pub nodeid: u64,
    /// The caller's file system user id.
    pub uid: u32,
    /// The caller's file system group id.
    pub gid: u32,
    /// The calling *thread* in the pid namespace of who opened the device; 0 where it can't be seen
    /// from there.
    pub pid: u32,
    /// What is asked for, as in [`crate::abi`].
    pub opcode: u32,
}

impl Header {
    /// The kernel's name of the opcode.
    #[must_use]
    pub fn opcode_name(&self) -> &'static str {
        abi::opcode_name(self.opcode)
    }
}

/// A message whose header has been read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) header: Header,
    pub(crate) body: Body<'a>,
}

impl<'a> Message<'a> {
    /// # Errors
    /// The message is shorter than a header, or not of the length its header says.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut body = Body(bytes);
        let raw: abi::fuse_in_header = body.next("fuse_in_header")?;
        if raw.len as usize != bytes.len() {
            return Err(Malformed::Length { said: raw.len, found: bytes.len() });
        }
        // Extensions (supplementary groups, security contexts) lie at the end. None is asked for.
        let extensions = usize::from(raw.total_extlen) * 8;
        let without = body.0.len().checked_sub(extensions).and_then(|length| body.0.get(..length));
        let Some(without) = without else {
            return Err(Malformed::Short {
                what: "extensions",
                needed: extensions,
                found: body.0.len(),
            });
        };
        let header = Header {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            unique: raw.unique,
            nodeid: raw.nodeid,
            uid: raw.uid,
            gid: raw.gid,
            pid: raw.pid,
            opcode: raw.opcode,
        };
        Ok(Self { header, body: Body(without) })
    }
}

/// What of a message has not been read yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<'a>(pub(crate) &'a [u8]);

impl<'a> Body<'a> {
    /// The next structure, copied: a message need not be aligned.
    pub(crate) fn next<T: FromBytes + KnownLayout + Immutable>(
        &mut self,
        what: &'static str,
    ) -> Result<T, Malformed> {
        let Ok((value, rest)) = T::read_from_prefix(self.0) else {
            return Err(Malformed::Short { what, needed: size_of::<T>(), found: self.0.len() });
        };
        self.0 = rest;
        Ok(value)
    }

    /// Exactly `count` bytes, which must be there; more may follow.
    pub(crate) fn bytes(self, count: u32) -> Result<&'a [u8], Malformed> {
        let wrong = Malformed::Data { said: count, found: self.0.len() };
        self.0.get(..count as usize).ok_or(wrong)
    }

    /// A name that ends in NUL, without it.
    pub(crate) fn name(self) -> Result<&'a [u8], Malformed> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Malformed::Name)?;
        self.0.get(..end).ok_or(Malformed::Name)
    }
}
