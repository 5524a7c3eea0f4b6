//! V4L2 as the kernel's core speaks it, without the kernel.
//!
//! [`dispatch`] takes one ioctl as bytes, looks it up in the [`table`], checks what `v4l2-ioctl.c`
//! checks before it asks a driver, and calls the method of [`DeviceOps`] that bears the ioctl's
//! name. What a device is made of lies beside it: [`formats`] and [`modes`], [`controls`],
//! [`events`], [`priority`], and [`buffer`], which turns the queue's words into `v4l2_buffer`.
//!
//! Nothing here waits, reads a clock or touches the caller's memory. Who carries requests asks
//! [`nested()`](nested::nested) and [`needs()`](nested::needs) first, fetches what they name, and
//! carries out the [`Answer`].

pub mod buffer;
pub mod controls;
mod dispatch;
pub mod events;
pub mod formats;
mod ioctl;
pub mod modes;
pub mod nested;
mod ops;
pub mod priority;
pub mod table;
pub mod uapi;

pub use dispatch::dispatch;
pub use nested::{Needs, Nested, PlaneNeed, needs, nested};
pub use ops::{Answer, Context, DeviceOps, Direction, Node, UserPlane};

use crate::shrbuf::Buffer;
use vb2::{FileId, Ticket};
