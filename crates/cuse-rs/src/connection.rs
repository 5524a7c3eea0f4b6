//! What all threads of a session share: the channel, and the requests that wait for an answer.

use std::collections::HashMap;
use std::io::IoSlice;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use zerocopy::IntoBytes;

use crate::abi;
use crate::channel::Channel;
use crate::reply::Delivery;

type Callback = Box<dyn FnOnce() + Send>;

/// What an interrupt finds.
enum Waiting {
    /// A request whose handler has not asked for interrupts (yet).
    Deaf,
    /// One that was interrupted before its handler asked.
    Interrupted,
    /// One whose handler wants to know.
    Listening(Callback),
}

/// Where an interrupt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupted {
    /// To the request, which may ignore it.
    Known,
    /// Nowhere: its request has not been read yet, or is answered.
    Unknown,
}

pub(crate) struct Connection {
    channel: Box<dyn Channel>,
    waiting: Mutex<HashMap<u64, Waiting>>,
}

impl Connection {
    pub(crate) fn new(channel: Box<dyn Channel>) -> Self {
        Self { channel, waiting: Mutex::default() }
    }

    pub(crate) fn channel(&self) -> &dyn Channel {
        self.channel.as_ref()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request was read.
    pub(crate) fn begin(&self, unique: u64) {
        self.waiting().insert(unique, Waiting::Deaf);
    }

    /// The handler of `unique` wants to know of an interrupt. The callback may run here, without any lock.
    pub(crate) fn on_interrupt(&self, unique: u64, callback: Callback) {
        let replaced;
        {
            let mut waiting = self.waiting();
            let Some(state) = waiting.get_mut(&unique) else { return };
            if let Waiting::Interrupted = state {
                drop(waiting);
                return callback();
            }
            replaced = std::mem::replace(state, Waiting::Listening(callback));
        }
        // Outside the lock: a callback may own anything.
        drop(replaced);
    }

    /// An interrupt for `unique` was read. The callback runs here, without any lock.
    pub(crate) fn interrupt(&self, unique: u64) -> Interrupted {
        let before = {
            let mut waiting = self.waiting();
            let Some(state) = waiting.get_mut(&unique) else { return Interrupted::Unknown };
            std::mem::replace(state, Waiting::Interrupted)
        };
        if let Waiting::Listening(callback) = before {
            callback();
        }
        Interrupted::Known
    }

    /// Answers `unique` with `parts`, or with a positive errno. The request is forgotten first, so that no interrupt finds it afterwards.
    pub(crate) fn answer(
        &self,
        unique: u64,
        opcode: u32,
        errno: i32,
        parts: &[IoSlice<'_>],
    ) -> Delivery {
        // The callback is dropped outside the lock: it may own anything.
        let forgotten = self.waiting().remove(&unique);
        drop(forgotten);
        let name = abi::opcode_name(opcode);
        match self.send(unique, -errno, parts) {
            Ok(()) => return Delivery::Sent,
            Err(error) => match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
                Errno::ENOENT | Errno::ENODEV => {
                    tracing::debug!(unique, "nobody waits for the answer to {name}: {error}");
                }
                _ => {
                    // The kernel kept the request, or has answered it with EIO already (then ENOENT).
                    tracing::warn!(unique, "the answer to {name} can't be sent: {error}");
                    if let Err(error) = self.send(unique, -libc::EIO, &[]) {
                        tracing::debug!(unique, "nor can EIO: {error}");
                    }
                }
            },
        }
        Delivery::Lost
    }

    /// Sends a message with the header `fuse_out_header` before `parts`.
    pub(crate) fn send(
        &self,
        unique: u64,
        error: i32,
        parts: &[IoSlice<'_>],
    ) -> std::io::Result<()> {
        let length =
            size_of::<abi::fuse_out_header>() + parts.iter().map(|part| part.len()).sum::<usize>();
        let Ok(len) = u32::try_from(length) else {
            return Err(std::io::Error::from_raw_os_error(libc::E2BIG));
        };
        let header = abi::fuse_out_header { len, error, unique };
        let mut all = Vec::with_capacity(parts.len() + 1);
        all.push(IoSlice::new(header.as_bytes()));
        all.extend_from_slice(parts);
        self.channel.send(&all)
    }
}
