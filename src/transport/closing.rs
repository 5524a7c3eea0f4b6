//! Calls that found the queue to be the file of somebody who may be about to be gone, and wait for that:
//! they are made once more when it is closed, or refused if it is open still.
//!
//! No thread waits with them: the lookout asks after them now and then, and whenever such a file is
//! closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cuse_rs::Errno;
use vb2::FileId;

use super::node::NodeShared;
use super::users::{Kind, Permit};
use crate::courier::Worker;

/// How long a call waits until the kernel tells of the close of a file that is in its way. It does so
/// after `close(2)` on the mount has returned, so a program that opens the node again may be faster;
/// before that it writes out what was written through a mapping, which takes its time on a busy machine.
const CLOSING: Duration = Duration::from_secs(5);

/// How long from then on it waits for the last mapping to go, which the kernel undoes later still.
const UNMAPPING: Duration = Duration::from_secs(1);

/// What the call does then: on a worker, or, with an errno, on whichever thread finds that there is none.
type Then = Box<dyn FnOnce(Result<&mut Worker, Errno>) + Send>;

/// One call that waits.
pub(super) struct Closing {
    node: Arc<NodeShared>,
    uid: u32,
    /// What is in its way.
    other: FileId,
    until: Instant,
    /// The kernel has told of the close of its descriptors.
    told: bool,
    /// A signal has come: it is to have its answer now.
    interrupted: Arc<AtomicBool>,
    then: Then,
    /// It counts as one of its user's calls that wait.
    _permit: Permit,
}

/// Does something on a worker when `other` is closed, or turns out to be open still, or when
/// `interrupted` is set; never on this thread, unless no worker is to be had.
pub(super) fn when_closed(
    node: &Arc<NodeShared>,
    uid: u32,
    other: FileId,
    interrupted: Arc<AtomicBool>,
    then: impl FnOnce(Result<&mut Worker, Errno>) + Send + 'static,
) {
    node.see_off();
    let on = Arc::clone(node);
    node.services.workers.submit(uid, move |worker| {
        let worker = match worker {
            Ok(worker) => worker,
            Err(errno) => return then(Err(errno)),
        };
        if on.files.mapped(other).is_some_and(|mapped| mapped.is_open_anywhere()) {
            return then(Ok(worker));
        }
        let Ok(permit) = on.services.users.permit(uid, Kind::Waiting) else {
            return then(Ok(worker));
        };
        let watch = on.services.lookout.watch().clone();
        watch.closing(Closing {
            node: on,
            uid,
            other,
            until: Instant::now() + CLOSING,
            told: false,
            interrupted,
            then: Box::new(then),
            _permit: permit,
        });
    });
}

impl Closing {
    /// Whether it has waited long enough. A few system calls; closes what can be closed.
    pub(super) fn is_over(&mut self) -> bool {
        self.node.see_off();
        let files = &self.node.files;
        // Nobody tells when a swap that is being made is over, nor when the last of some mappings is
        // undone.
        if files.is_closed(self.other)
            || self.node.is_open(self.other)
            || self.node.is_stopping()
            || self.interrupted.load(Ordering::Acquire)
        {
            return true;
        }
        if !self.told && files.lingers(self.other) {
            self.told = true;
            self.until = Instant::now() + UNMAPPING;
        }
        Instant::now() >= self.until
    }

    /// Goes on with the call. Never waits.
    pub(super) fn go_on(self) {
        if self.node.is_stopping() {
            return (self.then)(Err(Errno::ENODEV));
        }
        self.node.services.workers.submit(self.uid, self.then);
    }
}
