//! Calls that wait. Each is here from the moment the device has parked it until it is answered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cuse_rs::{Errno, ReadReply, WriteReply};
use vb2::Ticket;

use super::call::Call;

/// The reply that is owed.
#[derive(Debug)]
pub(super) enum Parked {
    Ioctl(Call),
    Read(ReadReply),
    Write(WriteReply),
}

impl Parked {
    pub(super) fn fail(self, errno: Errno) {
        match self {
            Self::Ioctl(call) => call.fail(errno),
            Self::Read(reply) => drop(reply.error(errno)),
            Self::Write(reply) => drop(reply.error(errno)),
        }
    }

    /// A signal has come. The kernel takes no `-ERESTARTSYS` for `read` and `write`
    /// (`fuse_dev_do_write()`): they give `EINTR` under `SA_RESTART` too.
    pub(super) fn interrupted(self) {
        match self {
            Self::Ioctl(call) => call.interrupted(),
            Self::Read(reply) => drop(reply.error(Errno::EINTR)),
            Self::Write(reply) => drop(reply.error(Errno::EINTR)),
        }
    }
}

/// All calls of a node that wait. A call is put in and looked up under the device's lock, so that
/// none completes before it is here.
#[derive(Debug, Default)]
pub(super) struct ParkedCalls(Mutex<HashMap<Ticket, Parked>>);

impl ParkedCalls {
    fn lock(&self) -> MutexGuard<'_, HashMap<Ticket, Parked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, ticket: Ticket, call: Parked) {
        self.lock().insert(ticket, call);
    }

    pub(super) fn take(&self, ticket: Ticket) -> Option<Parked> {
        self.lock().remove(&ticket)
    }

    pub(super) fn has(&self, ticket: Ticket) -> bool {
        self.lock().contains_key(&ticket)
    }

    pub(super) fn take_all(&self) -> Vec<Parked> {
        self.lock().drain().map(|(_, call)| call).collect()
    }
}
