//! Who polls, and how the kernel wants them to be called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cuse_rs::{Cuse, Notifier};
use vb2::FileId;

use super::doors::Door;
use super::fuse::LastingMount;

/// The files of a node that somebody polls.
#[derive(Debug)]
pub(super) struct Pollers {
    waiting: Mutex<HashMap<(FileId, Door), u64>>,
    cuse: Notifier<Cuse>,
    fuse: Option<Arc<LastingMount>>,
}

/// One who is to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wake {
    door: Door,
    kh: u64,
}

impl Pollers {
    pub(super) fn new(cuse: Notifier<Cuse>, fuse: Option<Arc<LastingMount>>) -> Self {
        Self { waiting: Mutex::default(), cuse, fuse }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(FileId, Door), u64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, file: FileId, door: Door, kh: u64) {
        self.lock().insert((file, door), kh);
    }

    pub(super) fn remove(&self, file: FileId, door: Door) {
        self.lock().remove(&(file, door));
    }

    /// Takes out those who poll `file`: they ask again when they want to wait on.
    ///
    /// A thread that was in `poll(2)` while its descriptor was swapped sleeps on the old file still,
    /// and asks again by the descriptor's number, so the new one. So the old file is woken on and on.
    pub(super) fn take(&self, file: FileId, swapped: bool, wakes: &mut Vec<Wake>) {
        let mut waiting = self.lock();
        for door in [Door::Cuse, Door::Fuse] {
            let key = (file, door);
            let kh = match door {
                Door::Cuse if swapped => waiting.get(&key).copied(),
                Door::Cuse | Door::Fuse => waiting.remove(&key),
            };
            wakes.extend(kh.map(|kh| Wake { door, kh }));
        }
    }

    pub(super) fn wake(&self, wakes: &[Wake]) {
        for Wake { door, kh } in wakes {
            let woken = match (door, &self.fuse) {
                (Door::Cuse, _) => self.cuse.poll_wakeup(*kh),
                (Door::Fuse, Some(mount)) => mount.wake(*kh),
                (Door::Fuse, None) => Ok(()),
            };
            if let Err(error) = woken {
                tracing::debug!("no poller was woken: {error}");
            }
        }
    }
}
