//! Where frames go.
//!
//! A [`FrameSink`] is shown every frame of an output device while the buffer is the device's, and
//! keeps no reference to it. [`open`] makes one of a [`SinkConfig`]; [`snapshot`] makes a PNG of any
//! buffer at any time.

mod error;
mod null;
mod output;
mod pipe;
mod raw;
mod snapshot;
#[cfg(test)]
mod tests;
mod y4m;

use std::path::PathBuf;

pub use error::SinkError;
pub use null::NullSink;
pub use raw::RawSink;
pub use snapshot::snapshot;
pub use y4m::Y4mSink;

pub use super::pixels::{Layout, PlaneLayout};
use super::source::ending;
pub use super::source::{Frame, Interval};
pub use crate::shrbuf::PlaneMemory;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Shown {
    /// The sink has it all.
    Whole,
    /// The sink has none of it: a reader that is too slow or away, a disk that is still full. Said
    /// as an error once, where it is one.
    Dropped,
}

/// Where an output device's frames go.
pub trait FrameSink: Send {
    /// Streaming starts, in this layout, with a frame each `interval`.
    ///
    /// # Errors
    /// Where the sink can't take frames in this layout. `VIDIOC_STREAMON` answers `EIO`.
    fn start(&mut self, layout: &Layout, interval: Interval) -> Result<(), SinkError>;

    /// Takes one frame. Never waits for a slow reader.
    ///
    /// # Errors
    /// The frame is lost to the sink; the device goes on, and the next call may succeed.
    fn show(&mut self, frame: &Frame, planes: &[&dyn PlaneMemory]) -> Result<Shown, SinkError>;

    /// Streaming has ended: what is held back is written.
    ///
    /// # Errors
    /// As [`FrameSink::show`].
    fn stop(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A sink as the configuration names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SinkConfig {
    /// Frames are shown to nobody.
    #[default]
    Null,
    /// A file or pipe. A name that ends in `.y4m` becomes a clip; all else gets raw frames.
    File {
        /// Where it lies, or will.
        path: PathBuf,
    },
}

/// Opens a sink.
///
/// # Errors
/// What is wrong with it, by name, and what to do.
pub fn open(config: &SinkConfig) -> Result<Box<dyn FrameSink>, SinkError> {
    Ok(match config {
        SinkConfig::Null => Box::new(NullSink),
        SinkConfig::File { path } if ending(path) == "y4m" => Box::new(Y4mSink::open(path)?),
        SinkConfig::File { path } => Box::new(RawSink::open(path)?),
    })
}
