//! The pool: threads of the daemon, each with a helper, and the bounded queue before them.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;

use super::Worker;

/// How many, how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Threads, each with one helper process.
    pub workers: usize,
    /// Jobs that wait or run, in all.
    pub queue: usize,
    /// Jobs that wait or run, of one user.
    pub per_uid: usize,
    /// How long one operation of a [`Worker`] may take.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        todo!()
    }
}

/// The program that is started under the name [`super::HELPER_NAME`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Program {
    /// The program that runs now (`/proc/self/exe`).
    #[default]
    Own,
    /// Another file, for tests.
    File(PathBuf),
}

/// The pool. Dropping it answers all waiting jobs with `EIO`, lets the running ones end (their
/// deadlines bound that), and ends the helpers.
#[derive(Debug)]
pub struct Workers {}

impl Workers {
    /// Starts the threads and their helpers. Call it early: a helper inherits no descriptor, and
    /// starting one copies the page tables of the process.
    ///
    /// # Errors
    /// When no thread, socket or helper is to be had.
    pub fn start(limits: Limits, program: Program) -> io::Result<Self> {
        let _ = (limits, program);
        todo!()
    }

    /// Has `job` called exactly once: on a worker's thread with the worker, or at once, on this
    /// thread, with the errno that refuses it: `EBUSY` when this user (or everyone together) has
    /// as many jobs here as [`Limits`] allow. A job that still waits when the pool is dropped is
    /// called with `EIO`. Never blocks.
    ///
    /// A job keeps its worker until it returns: it answers its request and ends, and never waits
    /// for anything but the worker's own operations.
    pub fn submit(&self, uid: u32, job: impl FnOnce(Result<&mut Worker, Errno>) + Send + 'static) {
        let _ = (uid, job);
        todo!()
    }
}
