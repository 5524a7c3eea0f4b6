//! A program queues the same few descriptors again and again. Which buffer each was is remembered
//! here as a guess; that it still is, the kernel has to say each time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::buffer::BufferId;

/// Guesses that are kept, some 24 bytes each: sixteen programs with all the buffers a queue can have.
const MOST: usize = 1024;

/// What a thread's descriptor was when it was last looked at. It keeps nothing alive.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<HashMap<(u32, i32), BufferId>>);

impl Guesses {
    fn lock(&self) -> MutexGuard<'_, HashMap<(u32, i32), BufferId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn of(&self, tid: u32, fd: i32) -> Option<BufferId> {
        self.lock().get(&(tid, fd)).copied()
    }

    /// Threads come and go and nobody says so: when there is no more room, all begin anew.
    pub(super) fn add(&self, tid: u32, fd: i32, id: BufferId) {
        let mut guesses = self.lock();
        if guesses.len() >= MOST {
            guesses.clear();
        }
        guesses.insert((tid, fd), id);
    }

    pub(super) fn forget(&self, tid: u32, fd: i32) {
        self.lock().remove(&(tid, fd));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_more_than_so_many() {
        let guesses = Guesses::default();
        for fd in 0..3000 {
            guesses.add(1, fd, BufferId(7));
            assert_eq!(guesses.of(1, fd), Some(BufferId(7)));
            assert!(guesses.lock().len() <= MOST);
        }
        guesses.forget(1, 2999);
        assert_eq!(guesses.of(1, 2999), None);
    }
}
