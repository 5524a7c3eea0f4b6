//! The frame's number and time, burnt in for people and for tests.

use std::io;

use super::{Layout, PlaneMemory};

/// The frame number that is burnt into a buffer, `None` where there is none to be read.
///
/// # Errors
/// As [`crate::device::pixels::decode`].
pub fn read_frame_number(layout: &Layout, planes: &[&dyn PlaneMemory]) -> io::Result<Option<u32>> {
    todo!()
}
