//! `FUSE_INTERRUPT`: a signal came to who waits for another request's answer.
//!
//! Only a request whose handler asked for it is told. `ENOSYS` would stop the kernel from sending any
//! more of these, and leave callers that can't be killed; it is never answered here.

use nix::errno::Errno;

use crate::abi;
use crate::connection::{Connection, Interrupted};
use crate::error::Malformed;
use crate::message::{Body, Header};

/// A signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interrupt {
    /// The request whose caller it came to.
    pub(crate) target: u64,
}

impl Interrupt {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_interrupt_in = body.next("fuse_interrupt_in")?;
        Ok(Self { target: raw.unique })
    }

    /// Tells the request. One that is not known may be in another reader's hands and not yet in the
    /// table: `EAGAIN` makes the kernel send the interrupt again. If it is answered by now instead, the
    /// kernel takes no notice.
    pub(crate) fn deliver(self, connection: &Connection, header: &Header) {
        if connection.interrupt(self.target) == Interrupted::Known {
            return;
        }
        tracing::debug!(target = self.target, "an interrupt has overtaken its request");
        if let Err(error) = connection.send(header.unique, -(Errno::EAGAIN as i32), &[]) {
            tracing::debug!(target = self.target, "its request is answered by now: {error}");
        }
        // The reader with the request in its hands goes first.
        std::thread::yield_now();
    }
}
