//! From pictures to the bytes of a format, and back.

use std::io;

use super::{Adjust, Layout, LayoutError, Picture};
use crate::shrbuf::PlaneMemory;

/// The bytes of `picture` in `layout`, one vector a plane, with the controls of `adjust` applied.
/// The picture has the layout's size (see [`super::letterbox`]).
///
/// # Errors
/// [`LayoutError`] where the layout is none, or has another size.
pub fn encode(
    picture: &Picture,
    layout: &Layout,
    adjust: &Adjust,
) -> Result<Vec<Vec<u8>>, LayoutError> {
    todo!()
}

/// The picture in a buffer's planes, in the layout's own colour model.
///
/// # Errors
/// `InvalidInput` where the layout is none, or a plane is shorter than it says; the memory's own.
pub fn decode(layout: &Layout, planes: &[&dyn PlaneMemory]) -> io::Result<Picture> {
    todo!()
}

/// The lightness of one pixel of a buffer, from 0 (black) to 255 (white) whatever the range.
///
/// # Errors
/// As [`decode`]; `InvalidInput` also for a pixel outside.
pub fn luma_at(layout: &Layout, planes: &[&dyn PlaneMemory], x: u32, y: u32) -> io::Result<u8> {
    todo!()
}
