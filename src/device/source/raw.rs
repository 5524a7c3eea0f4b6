//! Raw frames from a file or pipe.

use super::{Adjust, Filled, Frame, FrameSource, Interval, Layout, PlaneMemory, SourceError};

/// Raw frames from a file or pipe.
#[derive(Debug)]
pub struct RawSource {}

impl FrameSource for RawSource {
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
