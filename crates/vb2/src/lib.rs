//! videobuf2's queue as a pure state machine: `no_std`, no descriptor, no clock, no thread, no lock.
//!
//! A [`Queue`] is what the kernel calls a `vb2_queue`: the buffers of one V4L2 node, who owns them,
//! which of them lie with the program and which with the device. It answers the buffer ioctls
//! (`REQBUFS`, `CREATE_BUFS`, `REMOVE_BUFS`, `QUERYBUF`, `PREPARE_BUF`, `QBUF`, `DQBUF`, `EXPBUF`,
//! `STREAMON`, `STREAMOFF`), `poll`, `read` and `write` as a Linux 6.12 kernel driver would, errno
//! for errno and in the kernel's order of checks.
//!
//! The queue is generic over `M`, the memory of one plane. Cloning an `M` takes a reference,
//! dropping it gives one back, and equality is identity. The queue never looks into it.
//!
//! Three parties talk to it:
//!
//! - the **program**, by the methods named after ioctls. They take a [`FileId`] where ownership
//!   matters, and answer a value or an [`Error`];
//! - the **driver**, by [`QueueOps`] (what the queue asks of it, named as in the kernel's `vb2_ops`)
//!   and by [`Queue::front_active`] and [`Queue::buffer_done`] (what it does by itself);
//! - the **caller of both**, who drains [`Queue::take_effects`] after each call: parked calls that
//!   are complete, pollers to be woken, memory that the queue has let go of.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod allocate;
mod dequeue;
mod driver;
mod effect;
mod enqueue;
mod error;
mod export;
mod fileio;
pub mod flags;
mod info;
mod kind;
mod ops;
mod poll;
mod prepare;
mod queue;
mod request;
mod slot;
mod stream;
#[cfg(test)]
mod tests;

pub use allocate::{Allocated, Create, Created};
pub use dequeue::Dequeue;
pub use driver::{ActiveId, BufferView, Done};
pub use effect::{Completion, Effect};
pub use error::Error;
pub use export::MappedPlane;
pub use fileio::{FileIo, Transfer};
pub use info::{BufferInfo, PlaneHandle, PlaneInfo, Timecode};
pub use kind::{BufType, Direction, FileId, MAX_PLANES, MemoryType, Ticket};
pub use ops::{QueueOps, Setup};
pub use poll::events;
pub use queue::{Config, Queue};
pub use request::{BufferRequest, PlaneRequest, PlaneSource};
pub use slot::{Plane, PlaneBacking, State};
