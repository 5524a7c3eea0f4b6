//! Where frames come from.
//!
//! A [`FrameSource`] knows no device: it is given a [`Layout`] when streaming starts and the planes
//! of one buffer for each frame. [`open`] makes one of a [`SourceConfig`]. Adding a source is one
//! file here and one line in [`open`].

mod error;
mod image;
mod overlay;
mod pattern;
mod pipe;
mod raw;
#[cfg(test)]
mod tests;
mod y4m;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub use error::SourceError;
pub use image::ImageSource;
pub use overlay::read_frame_number;
pub use pattern::{PATTERNS, PatternSource};
pub use raw::RawSource;
pub use y4m::Y4mSource;

use super::pixels::letters;
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
    /// There will be no more frames (`V4L2_EVENT_EOS`): a file without `repeat` is at its end, or the
    /// writer of a pipe has gone. For a named pipe it is said once, then [`Filled::NotYet`] until
    /// another writer comes.
    End,
}

/// Where a capture device's frames come from.
pub trait FrameSource: Send {
    /// Its own size and rate, where it has any.
    fn native(&self) -> Option<Native> {
        None
    }

    /// The menu value that `V4L2_CID_TEST_PATTERN` begins with, where that control acts on the
    /// source.
    fn test_pattern(&self) -> Option<u32> {
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

/// The longest side of a picture or clip, in pixels: four bytes for each of 8192 x 8192 are 256 MB,
/// and no video mode is larger.
const MOST_SIDE: u32 = 8192;

/// Opens a source.
///
/// # Errors
/// What is wrong with it, by name, and what to do.
pub fn open(config: &SourceConfig) -> Result<Box<dyn FrameSource>, SourceError> {
    Ok(match config {
        SourceConfig::Pattern(name) => Box::new(PatternSource::new(name)?),
        SourceConfig::File { path, repeat, stamp } => match ending(path).as_str() {
            "png" => Box::new(ImageSource::open(path, *stamp)?),
            "y4m" => Box::new(Y4mSource::open(path, *repeat, *stamp)?),
            _ => Box::new(RawSource::open(path, *repeat)?),
        },
    })
}

/// What follows the last dot of a file's name, in small letters.
pub(super) fn ending(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// Opens a file to read. A pipe without a writer is opened too, and doesn't block.
fn open_file(path: &Path) -> Result<File, SourceError> {
    let unreadable = |cause| SourceError::Unreadable { path: path.to_path_buf(), cause };
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound => SourceError::Missing { path: path.to_path_buf() },
        _ => unreadable(cause),
    })?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(io::ErrorKind::IsADirectory.into()));
    }
    Ok(file)
}
