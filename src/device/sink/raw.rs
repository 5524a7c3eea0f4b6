//! Raw frames into a file or pipe.

use super::{Frame, FrameSink, Interval, Layout, PlaneMemory, Shown, SinkError};

/// Raw frames into a file or pipe.
#[derive(Debug)]
pub struct RawSink {}

impl FrameSink for RawSink {
    fn start(&mut self, _layout: &Layout, _interval: Interval) -> Result<(), SinkError> {
        todo!()
    }

    fn show(&mut self, _frame: &Frame, _planes: &[&dyn PlaneMemory]) -> Result<Shown, SinkError> {
        todo!()
    }
}
