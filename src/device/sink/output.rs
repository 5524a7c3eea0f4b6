//! The file or pipe that frames are written to: a frame gets there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::pipe::Pipe;
use super::{Shown, SinkError};

/// Where a sink's bytes go.
#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    way: Way,
}

#[derive(Debug)]
enum Way {
    File(Growing),
    /// `again`: a named pipe, whose next reader gets a beginning of its own.
    Pipe {
        again: bool,
        pipe: Option<Pipe>,
    },
}

/// A file, and how much of it is whole frames.
#[derive(Debug)]
struct Growing {
    file: File,
    end: u64,
    /// The last frame failed for want of space, and that was said.
    full: bool,
}

impl Output {
    /// Makes the file anew, or uses the pipe that is there.
    pub(super) fn open(path: &Path) -> Result<Self, SinkError> {
        let unwritable = |cause| SinkError::Unwritable { path: path.to_path_buf(), cause };
        if path.metadata().is_ok_and(|about| about.file_type().is_fifo()) {
            let way = Way::Pipe { again: true, pipe: None };
            return Ok(Self { path: path.to_path_buf(), way });
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).custom_flags(libc::O_NONBLOCK);
        Self::from_file(options.open(path).map_err(unwritable)?, path)
    }

    pub(super) fn from_file(file: File, path: &Path) -> Result<Self, SinkError> {
        let unwritable = |cause| SinkError::Unwritable { path: path.to_path_buf(), cause };
        let kind = file.metadata().map_err(unwritable)?.file_type();
        let way = if kind.is_fifo() || kind.is_socket() {
            Way::Pipe { again: false, pipe: Some(Pipe::start(file).map_err(unwritable)?) }
        } else {
            Way::File(Growing { file, end: 0, full: false })
        };
        Ok(Self { path: path.to_path_buf(), way })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a frame would be taken: if not, nobody need read one from its buffer.
    pub(super) fn has_room(&mut self) -> bool {
        match &mut self.way {
            Way::File(_) => true,
            Way::Pipe { again, pipe } => {
                if *again && pipe.as_ref().is_none_or(Pipe::is_broken) {
                    *pipe = reader_of(&self.path);
                }
                // A broken pipe that can't be mended is told by `put`.
                pipe.as_ref().is_some_and(|pipe| pipe.has_room() || pipe.is_broken())
            }
        }
    }

    /// Writes a frame of several parts; before the first one goes `beginning`.
    pub(super) fn put(&mut self, beginning: &[u8], parts: &[&[u8]]) -> Result<Shown, SinkError> {
        if !self.has_room() {
            return Ok(Shown::Dropped);
        }
        let explain = |cause| explain(cause, &self.path);
        match &mut self.way {
            Way::File(growing) => growing.put(beginning, parts).map_err(explain),
            Way::Pipe { pipe: Some(pipe), .. } => pipe.put(beginning, parts).map_err(explain),
            Way::Pipe { pipe: None, .. } => Ok(Shown::Dropped),
        }
    }
}

impl Growing {
    fn put(&mut self, beginning: &[u8], parts: &[&[u8]]) -> io::Result<Shown> {
        match self.write(beginning, parts) {
            Ok(()) => {
                self.full = false;
                Ok(Shown::Whole)
            }
            Err(cause) => {
                // What is left of the frame would put all later ones out of step. A device has no
                // length; then there is nothing to mend.
                let _ = self.file.set_len(self.end).and_then(|()| self.rewind());
                let told = self.full;
                self.full = is_full(&cause);
                if told && self.full { Ok(Shown::Dropped) } else { Err(cause) }
            }
        }
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.file.seek(io::SeekFrom::Start(self.end)).map(drop)
    }

    fn write(&mut self, beginning: &[u8], parts: &[&[u8]]) -> io::Result<()> {
        let beginning = if self.end == 0 { beginning } else { &[] };
        let mut end = self.end;
        for part in [beginning].iter().chain(parts) {
            self.file.write_all(part)?;
            end += part.len() as u64;
        }
        self.end = end;
        Ok(())
    }
}

/// The named pipe with whoever reads it now, if anybody does.
fn reader_of(path: &Path) -> Option<Pipe> {
    let opened = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path);
    opened.and_then(Pipe::start).ok()
}

fn errno(error: &io::Error) -> Option<Errno> {
    error.raw_os_error().map(Errno::from_raw)
}

fn is_full(error: &io::Error) -> bool {
    matches!(errno(error), Some(Errno::ENOSPC | Errno::EDQUOT))
}

fn explain(cause: io::Error, path: &Path) -> SinkError {
    let path = path.to_path_buf();
    match errno(&cause) {
        Some(Errno::ENOSPC | Errno::EDQUOT) => SinkError::DiskFull { path },
        Some(Errno::EPIPE) => SinkError::ReaderGone { path },
        _ => SinkError::Write { path, cause },
    }
}
