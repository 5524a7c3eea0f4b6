//! Calls that wait. Each is here from the moment the device has parked it until it is answered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cuse_rs::{Errno, ReadReply, WriteReply};
use vb2::Ticket;

use super::call::Call;
use super::users::Permit;

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

/// A call that waits, and its place among its user's.
type Waiting = (Parked, Permit);

/// All calls of a node that wait. A call is put in and looked up under the device's lock, so that
/// none completes before it is here.
#[derive(Debug, Default)]
pub(super) struct ParkedCalls(Mutex<HashMap<Ticket, Waiting>>);

impl ParkedCalls {
    fn lock(&self) -> MutexGuard<'_, HashMap<Ticket, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, ticket: Ticket, call: Parked, permit: Permit) {
        self.lock().insert(ticket, (call, permit));
    }

    pub(super) fn take(&self, ticket: Ticket) -> Option<Parked> {
        self.lock().remove(&ticket).map(|(call, _)| call)
    }

    pub(super) fn has(&self, ticket: Ticket) -> bool {
        self.lock().contains_key(&ticket)
    }

    pub(super) fn take_all(&self) -> Vec<Parked> {
        self.lock().drain().map(|(_, (call, _))| call).collect()
    }
}
