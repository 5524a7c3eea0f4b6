//! `FUSE_LOOKUP`: a name in a folder.

use std::time::Duration;

use crate::abi;
use crate::attr::{Attr, valid};
use crate::error::Malformed;
use crate::message::Body;
use crate::reply::{Delivery, reply};

/// Which node has this name in the folder `header.nodeid`?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup<'a> {
    /// The name, without slashes.
    pub name: &'a [u8],
}

impl<'a> Lookup<'a> {
    pub(crate) fn decode(body: Body<'a>) -> Result<Self, Malformed> {
        Ok(Self { name: body.name()? })
    }
}

/// A node that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The node, which `FORGET` will name; 0 says, for as long as `entry_valid`, that there is none.
    pub nodeid: u64,
    /// Tells nodes apart whose `nodeid` is used again.
    pub generation: u64,
    /// How long the name may be cached.
    pub entry_valid: Duration,
    /// How long `attr` may be cached.
    pub attr_valid: Duration,
    /// What is told of it.
    pub attr: Attr,
}

reply! {
    /// The answer to `LOOKUP`.
    EntryReply
}

impl EntryReply {
    /// It is this one. The kernel holds it until `FORGET`.
    pub fn entry(self, entry: &Entry) -> Delivery {
        let (entry_valid, entry_valid_nsec) = valid(entry.entry_valid);
        let (attr_valid, attr_valid_nsec) = valid(entry.attr_valid);
        self.responder.value(&abi::fuse_entry_out {
            nodeid: entry.nodeid,
            generation: entry.generation,
            entry_valid,
            attr_valid,
            entry_valid_nsec,
            attr_valid_nsec,
            attr: entry.attr.to_wire(),
        })
    }
}
