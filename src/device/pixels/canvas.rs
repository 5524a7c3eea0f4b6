//! A frame's bytes in the making: a base that stays, and patches that each frame has elsewhere.

use std::io;

use super::{Layout, LayoutError, Picture};
use crate::shrbuf::PlaneMemory;

/// The bytes of a frame, in a format. What a patch covers is kept aside, so a base is made once and
/// serves every frame.
#[derive(Debug)]
pub struct Canvas {
    layout: Layout,
    planes: Vec<Vec<u8>>,
}

/// A small picture in a format's bytes, to be put on a [`Canvas`] of the same format.
#[derive(Clone, Debug)]
pub struct Patch {
    width: usize,
    height: usize,
}

impl Patch {
    /// The patch of a picture whose sides are even.
    ///
    /// # Errors
    /// [`LayoutError`] where the layout is none.
    pub fn new(picture: &Picture, layout: &Layout) -> Result<Self, LayoutError> {
        todo!()
    }
}

impl Canvas {
    /// A canvas whose base is `planes`, as [`super::encode`] has made them.
    pub fn new(layout: Layout, planes: Vec<Vec<u8>>) -> Self {
        todo!()
    }

    /// Puts a patch at an even place; what lies outside is cut off.
    pub fn put(&mut self, patch: &Patch, x: usize, y: usize) {
        todo!()
    }

    /// Takes all patches off again: what remains is the base.
    pub fn clear(&mut self) {
        todo!()
    }

    /// Writes the frame: each plane in one go.
    ///
    /// # Errors
    /// `InvalidInput` for planes that are too few or too small; the memory's own.
    pub fn write(&self, planes: &[&dyn PlaneMemory]) -> io::Result<()> {
        todo!()
    }
}
