//! Why a buffer could not be made, exported or imported, and the errno that a client gets.

use std::io;

use nix::errno::Errno;

use super::limits::Limit;

/// Why there is no new buffer.
#[derive(Debug, thiserror::Error)]
pub enum AllocError {
    /// A bound of [`super::Limits`].
    #[error("{wanted} bytes more are over the limit: {limit}")]
    Limit {
        /// Which one.
        limit: Limit,
        /// Bytes asked for, page rounded.
        wanted: u64,
    },
    /// A buffer of no bytes, or of more than there are addresses.
    #[error("a buffer can't have {0} bytes")]
    Length(u64),
    /// The kernel gave no memory or no descriptor.
    #[error("no memory for a buffer of {wanted} bytes")]
    System {
        /// Bytes asked for.
        wanted: u64,
        /// What the kernel said.
        source: io::Error,
    },
}

impl AllocError {
    /// `EINVAL` for a length that can't be; for all else `ENOMEM`, the only thing that `REQBUFS`
    /// says of memory (a full descriptor table of the daemon included).
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::Length(_) => Errno::EINVAL,
            Self::Limit { .. } | Self::System { .. } => Errno::ENOMEM,
        }
    }
}

/// Why there is no descriptor.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// An imported dma-buf belongs to its exporter; V4L2 exports only what a queue allocated.
    #[error("an imported buffer can't be exported again")]
    Imported,
    /// The kernel refused.
    #[error("no descriptor for the buffer")]
    System(#[from] io::Error),
}

impl ExportError {
    /// `EINVAL` for an import; else the kernel's own, and `ENOMEM` where the kernel gave none or
    /// where the *daemon* has no descriptor left (`EMFILE` would speak of the caller's table).
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::Imported => Errno::EINVAL,
            Self::System(error) => match error.raw_os_error().map(Errno::from_raw) {
                None | Some(Errno::EMFILE | Errno::ENFILE) => Errno::ENOMEM,
                Some(errno) => errno,
            },
        }
    }
}

/// Why a descriptor is no buffer. All of them are `EINVAL`, as the kernel answers a queue that
/// is given a wrong descriptor.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is something else: a plain file, a pipe, a foreign memory file.
    #[error("the descriptor is no dma-buf")]
    NotDmabuf,
    /// A dma-buf that this process can't map: its exporter has no `mmap`, or the descriptor is
    /// opened for writing only.
    #[error("the dma-buf can't be mapped")]
    NotMappable(#[source] io::Error),
    /// The kernel refused something else.
    #[error("the descriptor could not be examined")]
    System(#[from] io::Error),
}

impl ImportError {
    /// What the queue answers.
    #[must_use]
    pub fn errno(&self) -> Errno {
        match self {
            Self::NotDmabuf | Self::NotMappable(_) | Self::System(_) => Errno::EINVAL,
        }
    }
}
