//! Frames that are shown to nobody.

use super::{Frame, FrameSink, Interval, Layout, PlaneMemory, Shown, SinkError};

/// Frames that are shown to nobody.
#[derive(Debug)]
pub struct NullSink {}

impl FrameSink for NullSink {
    fn start(&mut self, _layout: &Layout, _interval: Interval) -> Result<(), SinkError> {
        todo!()
    }

    fn show(&mut self, _frame: &Frame, _planes: &[&dyn PlaneMemory]) -> Result<Shown, SinkError> {
        todo!()
    }
}
