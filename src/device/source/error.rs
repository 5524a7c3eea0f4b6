//! What can be wrong with a source.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::device::pixels::LayoutError;

/// Why a source gives no frames. Each message names the thing and the remedy.
#[derive(Debug, Error)]
pub enum SourceError {
    /// No pattern of this name.
    #[error("there is no test pattern {name:?}: use one of {known}")]
    NoSuchPattern {
        /// As it was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The file isn't there.
    #[error("{path:?}: no such file: correct `source` in the configuration, or put the file there")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file can't be opened or read.
    #[error("{path:?}: can't be read ({cause}): make it a file that the daemon may read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        cause: io::Error,
    },
    /// No PNG, or a damaged one.
    #[error("{path:?}: no sound PNG ({cause}): convert or fetch it anew (`pngcheck` says more)")]
    BadPng {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        cause: String,
    },
    /// No y4m clip, or a damaged one.
    #[error(
        "{path:?}: no sound y4m clip ({cause}): make one with `ffmpeg -i CLIP -pix_fmt yuv420p {path}`"
    )]
    BadY4m {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        cause: String,
    },
    /// Raw frames of another size.
    #[error(
        "{path:?}: {have} bytes are no whole number of frames of {frame} bytes ({mode}): set `modes` to what the file holds"
    )]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// In bytes.
        have: u64,
        /// In bytes.
        frame: u64,
        /// The mode, as the configuration spells it.
        mode: String,
    },
    /// The stream of raw frames ended inside one.
    #[error(
        "{path:?}: ended after {have} of the {frame} bytes of a frame: its writer must write whole frames of the mode's size"
    )]
    PartialFrame {
        /// The file.
        path: PathBuf,
        /// In bytes.
        have: u64,
        /// In bytes.
        frame: u64,
    },
    /// A size the source has no memory for.
    #[error("{path:?}: {width}x{height} is larger than {most}x{most}: scale it down")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// In pixels.
        width: u64,
        /// In lines.
        height: u64,
        /// The longest side there may be.
        most: u32,
    },
    /// The mode's format.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The buffer's memory refused the frame.
    #[error("a frame can't be written into its buffer: {0}")]
    Buffer(#[source] io::Error),
    /// `fill` before `start`.
    #[error("the source has not been started")]
    NotStarted,
}
