//! A clip in a y4m file.

use super::{Frame, FrameSink, Interval, Layout, PlaneMemory, Shown, SinkError};

/// A clip in a y4m file.
#[derive(Debug)]
pub struct Y4mSink {}

impl FrameSink for Y4mSink {
    fn start(&mut self, _layout: &Layout, _interval: Interval) -> Result<(), SinkError> {
        todo!()
    }

    fn show(&mut self, _frame: &Frame, _planes: &[&dyn PlaneMemory]) -> Result<Shown, SinkError> {
        todo!()
    }
}
