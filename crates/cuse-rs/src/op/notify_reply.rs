//! `FUSE_NOTIFY_REPLY`: bytes of the page cache that [`Notifier::retrieve`](crate::Notifier::retrieve) asked for.
//! It has no answer.

use crate::abi;
use crate::error::Malformed;
use crate::message::{Body, Header};

/// Bytes that the kernel had in its page cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retrieved<'a> {
    /// The number that [`Notifier::retrieve`](crate::Notifier::retrieve) gave it.
    pub notify_unique: u64,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// The bytes: fewer than asked for where the cache had no more in one piece.
    pub data: &'a [u8],
}

impl<'a> Retrieved<'a> {
    pub(crate) fn decode(header: &Header, mut body: Body<'a>) -> Result<Self, Malformed> {
        let raw: abi::fuse_notify_retrieve_in = body.next("fuse_notify_retrieve_in")?;
        Ok(Self { notify_unique: header.unique, offset: raw.offset, data: body.bytes(raw.size)? })
    }
}
