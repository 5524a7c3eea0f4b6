//! A clip from a y4m file.

use super::{Adjust, Filled, Frame, FrameSource, Interval, Layout, PlaneMemory, SourceError};

/// A clip from a y4m file.
#[derive(Debug)]
pub struct Y4mSource {}

impl FrameSource for Y4mSource {
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
