//! Raw frames from a file or pipe: the planes of a frame one after the other, `sizeimage` bytes
//! each, and the next frame right behind.

use std::fs::File;
use std::os::unix::fs::{FileExt, FileTypeExt};
use std::path::{Path, PathBuf};

use super::pipe::{Given, Pipe};
use super::{
    Adjust, Filled, Frame, FrameSource, Interval, Layout, PlaneMemory, SourceError, letters,
};

/// Raw frames from a file or pipe. The picture controls don't act on them.
#[derive(Debug)]
pub struct RawSource {
    name: PathBuf,
    feed: Feed,
    layout: Option<Layout>,
}

#[derive(Debug)]
enum Feed {
    /// Read in place.
    File { file: File, repeat: bool, frames: u64, next: u64, bytes: Vec<u8> },
    /// Read ahead by a thread of its own. It lives on between streams: it may be inside a frame.
    Pipe { file: File, fifo: bool, pipe: Option<Pipe> },
}

impl RawSource {
    /// Opens the file or named pipe of this name.
    ///
    /// # Errors
    /// As [`RawSource::from_file`], and where there is none to read.
    pub fn open(path: &Path, repeat: bool) -> Result<Self, SourceError> {
        let file = super::open_file(path)?;
        let mut source = Self::from_file(file, path, repeat)?;
        if let Feed::Pipe { file, fifo, .. } = &mut source.feed {
            *fifo = file.metadata().is_ok_and(|about| about.file_type().is_fifo());
        }
        Ok(source)
    }

    /// Frames from an open file or pipe. `name` is what messages call it. `repeat` begins a regular
    /// file again at its end; a pipe has none to begin at.
    ///
    /// # Errors
    /// [`SourceError::Unreadable`].
    pub fn from_file(file: File, name: &Path, repeat: bool) -> Result<Self, SourceError> {
        let about = file
            .metadata()
            .map_err(|cause| SourceError::Unreadable { path: name.to_path_buf(), cause })?;
        let feed = if about.is_file() {
            Feed::File { file, repeat, frames: 0, next: 0, bytes: Vec::new() }
        } else {
            Feed::Pipe { file, fifo: false, pipe: None }
        };
        Ok(Self { name: name.to_path_buf(), feed, layout: None })
    }
}

impl FrameSource for RawSource {
    fn start(&mut self, layout: &Layout, _interval: Interval) -> Result<(), SourceError> {
        let size = layout.sizeimage();
        let unreadable = |cause| SourceError::Unreadable { path: self.name.clone(), cause };
        match &mut self.feed {
            Feed::File { file, frames, next, .. } => {
                let have = file.metadata().map_err(unreadable)?.len();
                if size == 0 || have == 0 || have % size != 0 {
                    let mode =
                        format!("{}:{}x{}", letters(layout.fourcc), layout.width, layout.height);
                    let path = self.name.clone();
                    return Err(SourceError::WrongSize { path, have, frame: size, mode });
                }
                (*frames, *next) = (have / size, 0);
            }
            Feed::Pipe { file, fifo, pipe } => {
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                if pipe.as_ref().is_none_or(|pipe| pipe.frame_size() != size) {
                    // The old thread ends before the new one reads: bytes go to one of them only.
                    *pipe = None;
                    let file = file.try_clone().map_err(unreadable)?;
                    let again = fifo.then(|| self.name.clone());
                    *pipe = Some(Pipe::start(file, again, size).map_err(unreadable)?);
                }
            }
        }
        self.layout = Some(layout.clone());
        Ok(())
    }

    fn fill(
        &mut self,
        _frame: &Frame,
        _adjust: &Adjust,
        planes: &[&dyn PlaneMemory],
    ) -> Result<Filled, SourceError> {
        let layout = self.layout.as_ref().ok_or(SourceError::NotStarted)?;
        let size = layout.sizeimage();
        let partial =
            |have| SourceError::PartialFrame { path: self.name.clone(), have, frame: size };
        match &mut self.feed {
            Feed::File { next, frames, repeat: false, .. } if *next >= *frames => Ok(Filled::End),
            Feed::File { file, frames, next, bytes, .. } => {
                bytes.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
                let offset = *next % (*frames).max(1) * size;
                *next += 1;
                file.read_exact_at(bytes, offset).map_err(|cause| match cause.kind() {
                    std::io::ErrorKind::UnexpectedEof => partial(0),
                    _ => SourceError::Unreadable { path: self.name.clone(), cause },
                })?;
                write(layout, bytes, planes)
            }
            Feed::Pipe { pipe, .. } => match pipe.as_mut().and_then(Pipe::take) {
                None => Ok(Filled::NotYet),
                Some(Given::Frame(bytes)) => {
                    let filled = write(layout, &bytes, planes);
                    if let Some(pipe) = pipe {
                        pipe.give_back(bytes);
                    }
                    filled
                }
                Some(Given::End) => Ok(Filled::End),
                Some(Given::Partial(have)) => Err(partial(have as u64)),
                Some(Given::Failed(cause)) => {
                    Err(SourceError::Unreadable { path: self.name.clone(), cause })
                }
            },
        }
    }

    fn stop(&mut self) {
        self.layout = None;
        if let Feed::File { bytes, .. } = &mut self.feed {
            *bytes = Vec::new();
        }
    }
}

/// Each plane's share of a frame's bytes into its plane.
fn write(
    layout: &Layout,
    bytes: &[u8],
    planes: &[&dyn PlaneMemory],
) -> Result<Filled, SourceError> {
    let mut rest = bytes;
    for (place, plane) in layout.planes.iter().enumerate() {
        let part = rest.split_at_checked(plane.sizeimage as usize);
        let (Some((part, others)), Some(memory)) = (part, planes.get(place)) else {
            let text = "the buffer has fewer planes than its format";
            return Err(SourceError::Buffer(std::io::Error::other(text)));
        };
        memory.write_at(0, part).map_err(SourceError::Buffer)?;
        rest = others;
    }
    Ok(Filled::Frame)
}
