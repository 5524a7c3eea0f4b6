//! What is to be done after a call, outside the queue.

use crate::{BufferInfo, Error, Ticket, Transfer};

/// Something the caller has to carry out, in order, once the queue is not locked any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect<M> {
    /// A parked call is over. Each ticket comes out once, or [`crate::Queue::cancel`] took it back.
    Complete {
        /// Which call.
        ticket: Ticket,
        /// What it gives.
        result: Result<Completion<M>, Error>,
    },
    /// Whoever polls the node must look again.
    PollWake,
    /// The queue has let go of a plane of its own memory (`REQBUFS`, `REMOVE_BUFS`, `close`). If
    /// nobody else holds it it goes with this value; otherwise it is an orphan now.
    Orphan(M),
}

/// What a parked call gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion<M> {
    /// `DQBUF`: this buffer is the program's again.
    Dequeued(BufferInfo),
    /// `read` or `write`: this is to be copied, then [`crate::Queue::fileio_done`] to be called.
    Transfer(Transfer<M>),
}
