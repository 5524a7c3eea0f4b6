//! Raw frames into a file or pipe: the planes of a frame one after the other, `sizeimage` bytes
//! each.

use std::fs::File;
use std::path::Path;

use super::output::Output;
use super::{Frame, FrameSink, Interval, Layout, PlaneMemory, Shown, SinkError};
use crate::device::pixels::read;

/// Raw frames into a file or pipe. What is streamed later follows what was before.
#[derive(Debug)]
pub struct RawSink {
    output: Output,
    layout: Option<Layout>,
    bytes: Vec<Vec<u8>>,
}

impl RawSink {
    /// Makes the file anew, or uses the named pipe that is there.
    ///
    /// # Errors
    /// [`SinkError::Unwritable`].
    pub fn open(path: &Path) -> Result<Self, SinkError> {
        Ok(Self { output: Output::open(path)?, layout: None, bytes: Vec::new() })
    }

    /// Into an open file or pipe, from its beginning. `name` is what messages call it. A pipe is
    /// made non-blocking.
    ///
    /// # Errors
    /// [`SinkError::Unwritable`].
    pub fn from_file(file: File, name: &Path) -> Result<Self, SinkError> {
        Ok(Self { output: Output::from_file(file, name)?, layout: None, bytes: Vec::new() })
    }
}

impl FrameSink for RawSink {
    fn start(&mut self, layout: &Layout, _interval: Interval) -> Result<(), SinkError> {
        self.layout = Some(layout.clone());
        Ok(())
    }

    fn show(&mut self, _frame: &Frame, planes: &[&dyn PlaneMemory]) -> Result<Shown, SinkError> {
        let layout = self.layout.as_ref().ok_or(SinkError::NotStarted)?;
        if !self.output.has_room() {
            return Ok(Shown::Dropped);
        }
        read(layout, planes, &mut self.bytes).map_err(SinkError::Buffer)?;
        let parts: Vec<&[u8]> = self.bytes.iter().map(Vec::as_slice).collect();
        self.output.put(&[], &parts)
    }

    fn stop(&mut self) -> Result<(), SinkError> {
        self.layout = None;
        self.bytes = Vec::new();
        Ok(())
    }
}
