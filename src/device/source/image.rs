//! A picture from a PNG file.

use super::{Adjust, Filled, Frame, FrameSource, Interval, Layout, PlaneMemory, SourceError};

/// A picture from a PNG file.
#[derive(Debug)]
pub struct ImageSource {}

impl FrameSource for ImageSource {
    fn start(&mut self, _layout: &Layout, _interval: Interval) -> Result<(), SourceError> {
        todo!()
    }

    fn fill(
        &mut self,
        _frame: &Frame,
        _adjust: &Adjust,
        _planes: &[&dyn PlaneMemory],
    ) -> Result<Filled, SourceError> {
        todo!()
    }
}
