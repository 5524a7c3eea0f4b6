//! What can be wrong with a sink.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a sink takes no frame. Each message names the thing and the remedy.
#[derive(Debug, Error)]
pub enum SinkError {
    /// The file can't be made or opened.
    #[error(
        "{path:?}: can't be written ({cause}): name a file in a folder that the daemon may write"
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        cause: io::Error,
    },
    /// No space is left.
    #[error(
        "{path:?}: the disk is full: free some space, and frames are written again; those until then are lost"
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// The other end of a pipe was closed.
    #[error("{path:?}: its reader has gone: start the reader and then the device again")]
    ReaderGone {
        /// The pipe.
        path: PathBuf,
    },
    /// Another failure of writing.
    #[error(
        "{path:?}: a frame can't be written ({cause}): look after its disk, or name another file"
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        cause: io::Error,
    },
    /// The clip has frames of another size already.
    #[error(
        "{path:?}: the clip is {was} already and can't become {mode}: name another file, or set this mode"
    )]
    OtherMode {
        /// The file.
        path: PathBuf,
        /// Its size and rate.
        was: String,
        /// What was to be written.
        mode: String,
    },
    /// The buffer's memory can't be read.
    #[error("a frame can't be read from its buffer: {0}")]
    Buffer(#[source] io::Error),
    /// `show` before `start`.
    #[error("the sink has not been started")]
    NotStarted,
}
