//! Tickets: how a cooperating client says which descriptor is to be sent to it.
//!
//! The client asks its open node, by an ioctl of ours, for a ticket to an exported buffer, and
//! presents it on the courier's socket. So the proof of what may be exported is the open file
//! itself, as with `VIDIOC_EXPBUF`, and yet no descriptor of a node ever reaches the daemon: a
//! daemon that is killed while one lies in its socket would wait for itself for ever.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `_IOWR('s', 0x52, struct shrbuf_export)`: the only command of ours that a node knows.
pub const SHRBUF_IOC_EXPORT: u32 = 0xc030_7352;

/// `struct shrbuf_export`: the argument of [`SHRBUF_IOC_EXPORT`], 48 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct ExportRequest {
    /// As `v4l2_exportbuffer.type`.
    pub buffer_type: u32,
    /// As there.
    pub index: u32,
    /// As there.
    pub plane: u32,
    /// As there.
    pub flags: u32,
    /// Answer: the ticket, good for one descriptor, for five seconds, for this user.
    pub ticket: [u8; 16],
    /// Zero; comes back zeroed.
    pub reserved: [u32; 4],
}

/// The tickets that wait to be redeemed. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Tickets {
    #[expect(dead_code, reason = "to come")]
    inner: Arc<()>,
}

impl Tickets {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps `descriptor` for the user until the ticket is redeemed or five seconds are over.
    /// This is what the transport calls for [`SHRBUF_IOC_EXPORT`] where for `VIDIOC_EXPBUF` it
    /// would call [`super::Worker::give`]; the answer goes into [`ExportRequest::ticket`].
    ///
    /// # Errors
    /// `EMFILE` when this user has 32 tickets that nobody redeemed, `ENFILE` when all have 256.
    pub fn issue(&self, uid: u32, descriptor: OwnedFd) -> Result<[u8; 16], Errno> {
        let _ = (uid, descriptor);
        todo!()
    }
}
