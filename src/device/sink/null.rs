//! Frames that are shown to nobody.

use super::{Frame, FrameSink, Interval, Layout, PlaneMemory, Shown, SinkError};

/// Takes every frame and looks at none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullSink;

impl FrameSink for NullSink {
    fn start(&mut self, _layout: &Layout, _interval: Interval) -> Result<(), SinkError> {
        Ok(())
    }

    fn show(&mut self, _frame: &Frame, _planes: &[&dyn PlaneMemory]) -> Result<Shown, SinkError> {
        Ok(Shown::Whole)
    }
}
