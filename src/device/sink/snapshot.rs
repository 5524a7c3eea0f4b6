//! A PNG of what a buffer shows.

use std::io;

use super::{Layout, PlaneMemory};

/// The picture in a buffer as a PNG file's bytes.
///
/// # Errors
/// As [`crate::device::pixels::decode`].
pub fn snapshot(layout: &Layout, planes: &[&dyn PlaneMemory]) -> io::Result<Vec<u8>> {
    todo!()
}
