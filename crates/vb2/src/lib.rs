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
//!
//! # A camera
//!
//! ```
//! use std::rc::Rc;
//! use vb2::{BufType, BufferRequest, Completion, Config, Dequeue, Done, Effect, Error, FileId};
//! use vb2::{MemoryType, Plane, PlaneRequest, PlaneSource, Queue, QueueOps, Setup, Ticket, Timecode};
//!
//! const SIZEIMAGE: u32 = 640 * 480 * 2;
//!
//! struct Camera;
//!
//! impl QueueOps<Rc<[u8]>> for Camera {
//!     fn queue_setup(&mut self, setup: &mut Setup) -> Result<(), Error> {
//!         if setup.sizes.is_empty() {
//!             setup.sizes.push(SIZEIMAGE);
//!         }
//!         if setup.sizes == [SIZEIMAGE] { Ok(()) } else { Err(Error::WrongSizes) }
//!     }
//!     fn alloc(&mut self, _index: u32, _plane: usize, size: u32) -> Result<Rc<[u8]>, Error> {
//!         Ok(vec![0; size as usize].into())
//!     }
//!     fn memory_size(&self, memory: &Rc<[u8]>) -> u64 {
//!         memory.len() as u64
//!     }
//!     fn in_use_elsewhere(&self, memory: &Rc<[u8]>) -> bool {
//!         Rc::strong_count(memory) > 1
//!     }
//!     fn buf_prepare(&mut self, _: u32, planes: &mut [Plane<Rc<[u8]>>]) -> Result<(), Error> {
//!         planes.iter_mut().for_each(|plane| plane.set_bytesused(SIZEIMAGE));
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Error> {
//! let (mut queue, mut camera) = (Queue::new(Config::new(BufType::VideoCapture)), Camera);
//! let (file, kind, mmap) = (FileId(1), BufType::VideoCapture.raw(), MemoryType::Mmap.raw());
//!
//! // The program: VIDIOC_REQBUFS, VIDIOC_QBUF, VIDIOC_STREAMON, and a VIDIOC_DQBUF that waits.
//! assert_eq!(queue.reqbufs(file, kind, mmap, 1, &mut camera)?.count, 2);
//! let plane = PlaneRequest { bytesused: 0, data_offset: 0, length: 0, source: PlaneSource::Mmap };
//! let request = BufferRequest {
//!     buf_type: kind,
//!     index: 0,
//!     memory: mmap,
//!     flags: 0,
//!     field: 0,
//!     timestamp_ns: 0,
//!     timecode: Timecode::default(),
//!     planes: &[plane],
//! };
//! queue.qbuf(file, &request, &mut camera)?;
//! queue.streamon(file, kind, &mut camera)?;
//! assert_eq!(queue.dqbuf(file, Ticket(7), kind, 0, false, &camera)?, Dequeue::Wait);
//!
//! // The driver: a frame is due.
//! let next = queue.front_active().and_then(|view| view.active()).ok_or(Error::NotReady)?;
//! let done = Done { sequence: 3, timestamp_ns: 100_000_000, ..Done::default() };
//! queue.buffer_done(next, &done, &camera)?;
//!
//! // What is to be done outside: pollers are woken, and the parked call is answered.
//! let effects = queue.take_effects();
//! assert_eq!(effects[0], Effect::PollWake);
//! let Effect::Complete { ticket: Ticket(7), result: Ok(Completion::Dequeued(info)) } = &effects[1]
//! else {
//!     panic!("the call completes");
//! };
//! assert_eq!((info.index, info.sequence, info.planes[0].bytesused), (0, 3, SIZEIMAGE));
//! # Ok(())
//! # }
//! ```
//!
//! # A display
//!
//! The same with `BufType::VideoOutput`; `buf_prepare` looks whether each plane's
//! [`Plane::bytesused`] is a frame, and the driver shows [`Queue::front_active`]. It finishes only
//! what [`Queue::front_followed`] gives, so that the last frame stays until another comes.
//!
//! # Where it differs from the kernel
//!
//! - An import that is too short for its length (`EFAULT`) leaks nothing.
//! - After a refused import the index has the length it was made with, where the kernel has 0.
//! - A single-planar dma-buf shorter than `bytesused` is refused (`EINVAL`); the kernel compares
//!   with the buffer queued there before.
//! - `write` queues what was written (the kernel, 6.12, forgets it, so that vivid answers `EINVAL`),
//!   and `read` gives all of a picture behind a `data_offset`.
//! - `poll` by another file takes no queue over whose owner has removed all buffers, and
//!   `REMOVE_BUFS` doesn't work on the buffers of file I/O (`EBUSY`).
//! - The end of a stream forgets that its last buffer was dequeued, by `close` too.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(any(test, feature = "fuzzing"))]
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
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
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
pub use ops::{QueueOps, Setup, cookie};
pub use poll::events;
pub use queue::{Config, Queue};
pub use request::{BufferRequest, PlaneRequest, PlaneSource};
pub use slot::{Plane, PlaneBacking, State};
