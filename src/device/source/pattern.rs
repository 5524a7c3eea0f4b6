//! A test pattern.

use super::{Adjust, Filled, Frame, FrameSource, Interval, Layout, PlaneMemory, SourceError};

/// A test pattern.
#[derive(Debug)]
pub struct PatternSource {}

impl FrameSource for PatternSource {
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

/// The patterns by name, in the order of the control `V4L2_CID_TEST_PATTERN`'s menu.
pub const PATTERNS: [&str; 6] = ["smpte", "ramp", "checkerboard", "grid", "white", "black"];
