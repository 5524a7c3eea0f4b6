//! `poll`: what is reported, and that it may start file I/O.

use crate::{FileId, Queue, QueueOps};

/// Events of `poll`, with the numbers of `<poll.h>` (`asm-generic`).
pub mod events {
    /// `POLLIN`
    pub const IN: u32 = 0x0001;
    /// `POLLPRI`: not the queue's business.
    pub const PRI: u32 = 0x0002;
    /// `POLLOUT`
    pub const OUT: u32 = 0x0004;
    /// `POLLERR`
    pub const ERR: u32 = 0x0008;
    /// `POLLRDNORM`
    pub const RDNORM: u32 = 0x0040;
    /// `POLLWRNORM`
    pub const WRNORM: u32 = 0x0100;
}

impl<M: Clone + PartialEq> Queue<M> {
    /// What the queue adds to `poll`'s answer, for any opener: [`events::IN`]`|RDNORM` or
    /// [`events::OUT`]`|WRNORM` if a buffer is ready, [`events::ERR`] if there's nothing to wait
    /// for, 0 to wait for [`crate::Effect::PollWake`]. Only if an event of the queue's direction
    /// is `requested`.
    ///
    /// Without buffers it starts file I/O (if [`crate::Config::file_io`]), and `file` owns the
    /// queue then.
    pub fn poll(&mut self, file: FileId, requested: u32, ops: &mut dyn QueueOps<M>) -> u32 {
        let ready = if self.is_output() {
            events::OUT | events::WRNORM
        } else {
            events::IN | events::RDNORM
        };
        if requested & ready == 0 {
            return 0;
        }
        if self.config.file_io && self.num_buffers() == 0 && self.file_io.is_none() {
            // An owner may have removed all his buffers. The kernel gives his queue to whoever
            // polls then; here it stays his.
            if self.check_owner(file).is_err() || self.start_fileio(file, ops).is_err() {
                return events::ERR;
            }
            if self.is_output() {
                return ready;
            }
        }
        self.poll_buffers(ready)
    }

    fn poll_buffers(&self, ready: u32) -> u32 {
        if !self.streaming || self.failed || (self.waiting_for_buffers && !self.is_output()) {
            return events::ERR;
        }
        let may_write =
            self.is_output() && self.file_io.is_some() && self.queued_count() < self.num_buffers();
        let may_dequeue = !self.done.is_empty() || self.last_dequeued;
        if may_write || may_dequeue { ready } else { 0 }
    }
}
