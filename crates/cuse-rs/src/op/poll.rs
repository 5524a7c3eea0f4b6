//! `FUSE_POLL`: is it ready, and if not, who wants to know.

use crate::abi;
use crate::error::Malformed;
use crate::message::Body;
use crate::notify::Waker;
use crate::reply::{Delivery, reply};

/// Is the open file ready?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Poll {
    /// The open file.
    pub fh: u64,
    /// What [`Notifier::poll_wakeup`](crate::Notifier::poll_wakeup) names. One per open file: the
    /// newest counts.
    pub kh: u64,
    /// Somebody waits, and `kh` is to be woken when there is news; otherwise `kh` means nothing.
    pub notify: bool,
    /// What is asked about, as bits of `poll(2)`.
    pub events: u32,
}

impl Poll {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_poll_in = body.next("fuse_poll_in")?;
        Ok(Self {
            fh: raw.fh,
            kh: raw.kh,
            notify: raw.flags & abi::FUSE_POLL_SCHEDULE_NOTIFY != 0,
            events: raw.events,
        })
    }
}

reply! {
    /// The answer to `POLL`.
    PollReply { kh: Option<u64> }
}

impl PollReply {
    /// Who is to be woken when there is news, if somebody waits: in place of the one before, if the
    /// file was asked about before.
    #[must_use]
    pub fn waker(&self) -> Option<Waker> {
        self.kh.map(|kh| self.responder.waker(kh))
    }

    /// What it is ready for, as bits of `poll(2)`.
    pub fn events(self, revents: u32) -> Delivery {
        self.responder.value(&abi::fuse_poll_out { revents, padding: 0 })
    }
}
