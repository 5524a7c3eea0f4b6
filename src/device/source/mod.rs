//! Where frames come from.
//!
//! A [`FrameSource`] knows no device: it is given a [`Layout`] when streaming starts and the planes
//! of one buffer for each frame. [`open`] makes one of a [`SourceConfig`]. Adding a source is one
//! file here and one line in [`open`].

mod error;
mod image;
mod overlay;
mod pattern;
mod raw;
mod y4m;

use std::path::PathBuf;

pub use error::SourceError;
pub use image::ImageSource;
pub use overlay::read_frame_number;
pub use pattern::{PATTERNS, PatternSource};
pub use raw::RawSource;
pub use y4m::Y4mSource;

pub use super::pixels::{Adjust, Layout, PlaneLayout};
pub use crate::shrbuf::PlaneMemory;

/// The time from one frame to the next, in seconds: `v4l2_captureparm.timeperframe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Seconds.
    pub numerator: u32,
    /// By this many.
    pub denominator: u32,
}

/// Which frame is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Since streaming started, dropped frames counted: `v4l2_buffer.sequence`.
    pub sequence: u32,
    /// `CLOCK_MONOTONIC`, in nanoseconds: `v4l2_buffer.timestamp`.
    pub timestamp_ns: u64,
}

/// What a source was born with, and its device should offer first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Native {
    /// In pixels.
    pub width: u32,
    /// In lines.
    pub height: u32,
    /// `None` where nothing moves.
    pub interval: Option<Interval>,
}

/// What became of a buffer that was to be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Filled {
    /// It holds the frame, `sizeimage` bytes a plane.
    Frame,
    /// There is no frame yet (a slow pipe): the buffer stays queued, the frame counts as dropped.
    NotYet,
    /// There will be no more frames: a file without `repeat` is at its end (`V4L2_EVENT_EOS`). A
    /// pipe that finds another writer goes on nevertheless.
    End,
}

/// Where a capture device's frames come from.
pub trait FrameSource: Send {
    /// Its own size and rate, where it has any.
    fn native(&self) -> Option<Native> {
        None
    }

    /// Streaming starts, in this layout, with a frame each `interval`; sequence 0 comes next.
    ///
    /// # Errors
    /// Where the source can't give frames in this layout. `VIDIOC_STREAMON` answers `EIO`.
    fn start(&mut self, layout: &Layout, interval: Interval) -> Result<(), SourceError>;

    /// Writes one frame into the planes of a buffer: each byte once. Never waits for anyone.
    ///
    /// # Errors
    /// The frame is lost (`V4L2_BUF_FLAG_ERROR`); the next call may succeed.
    fn fill(
        &mut self,
        frame: &Frame,
        adjust: &Adjust,
        planes: &[&dyn PlaneMemory],
    ) -> Result<Filled, SourceError>;

    /// Streaming has ended: memory that is of use to frames only may go.
    fn stop(&mut self) {}

    /// Whether a buffer that this source has filled since `start` needs no filling again: a
    /// benchmark's source, which takes no part in the cost of a frame. (A client that scribbles
    /// over the buffer gets its scribble back.)
    fn fills_once(&self) -> bool {
        false
    }
}

/// A source as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceConfig {
    /// A test pattern: a name of [`PATTERNS`], or `static` (bars without anything that changes,
    /// see [`FrameSource::fills_once`]).
    Pattern(String),
    /// A file or pipe. A name that ends in `.png` is a picture, in `.y4m` a clip; all else holds
    /// raw frames.
    File {
        /// Where it lies.
        path: PathBuf,
        /// Begin again at the end (clips and raw frames in regular files).
        repeat: bool,
        /// Burn the frame's number and time into it too.
        stamp: bool,
    },
}

/// Opens a source.
///
/// # Errors
/// What is wrong with it, by name, and what to do.
pub fn open(config: &SourceConfig) -> Result<Box<dyn FrameSource>, SourceError> {
    todo!()
}
