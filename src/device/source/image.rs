//! A picture from a PNG file.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};

use super::overlay::Overlay;
use super::{
    Adjust, Filled, Frame, FrameSource, Interval, Layout, MOST_SIDE, Native, PlaneMemory,
    SourceError,
};
use crate::device::pixels::{Canvas, Model, Picture, letterbox};

/// A picture from a PNG file, read once, laid out once a mode.
#[derive(Debug)]
pub struct ImageSource {
    picture: Picture,
    stamp: bool,
    drawn: Option<Drawn>,
}

#[derive(Debug)]
struct Drawn {
    layout: Layout,
    adjust: Adjust,
    canvas: Canvas,
    overlay: Option<Overlay>,
}

impl ImageSource {
    /// Opens the file of this name.
    ///
    /// # Errors
    /// As [`ImageSource::from_file`], and where there is none to read.
    pub fn open(path: &Path, stamp: bool) -> Result<Self, SourceError> {
        Self::from_file(super::open_file(path)?, path, stamp)
    }

    /// The picture in an open file. `name` is what messages call it; `stamp` burns each frame's
    /// number and time into it.
    ///
    /// # Errors
    /// [`SourceError::BadPng`], [`SourceError::TooLarge`], [`SourceError::Unreadable`].
    pub fn from_file(file: File, name: &Path, stamp: bool) -> Result<Self, SourceError> {
        let picture = read(BufReader::new(file), name)?;
        Ok(Self { picture, stamp, drawn: None })
    }

    fn framed(picture: &Picture, layout: &Layout) -> Picture {
        letterbox(picture.clone(), layout.width as usize, layout.height as usize)
    }
}

impl FrameSource for ImageSource {
    fn native(&self) -> Option<Native> {
        Some(Native {
            width: u32::try_from(self.picture.width()).ok()?,
            height: u32::try_from(self.picture.height()).ok()?,
            interval: None,
        })
    }

    fn start(&mut self, layout: &Layout, _interval: Interval) -> Result<(), SourceError> {
        let adjust = Adjust::default();
        let canvas = Canvas::new(Self::framed(&self.picture, layout), layout, &adjust)?;
        let overlay = if self.stamp { Some(Overlay::new(layout)?) } else { None };
        self.drawn = Some(Drawn { layout: layout.clone(), adjust, canvas, overlay });
        Ok(())
    }

    fn fill(
        &mut self,
        frame: &Frame,
        adjust: &Adjust,
        planes: &[&dyn PlaneMemory],
    ) -> Result<Filled, SourceError> {
        let drawn = self.drawn.as_mut().ok_or(SourceError::NotStarted)?;
        drawn.canvas.clear();
        if drawn.adjust != *adjust {
            drawn.canvas.redraw(Self::framed(&self.picture, &drawn.layout), adjust)?;
            drawn.adjust = *adjust;
        }
        if let Some(overlay) = &drawn.overlay {
            overlay.draw(&mut drawn.canvas, frame);
        }
        drawn.canvas.write(planes).map_err(SourceError::Buffer)?;
        Ok(Filled::Frame)
    }

    fn stop(&mut self) {
        self.drawn = None;
    }
}

/// What of the file's own bytes and chunks the decoder may keep in memory: colour profiles and
/// texts are of no use here.
const MOST_BYTES: usize = 64 << 20;

/// The picture in a PNG of any colour type and depth; transparency shows black.
fn read(file: impl BufRead + Seek, name: &Path) -> Result<Picture, SourceError> {
    let path = || PathBuf::from(name);
    let bad = |cause: png::DecodingError| match cause {
        png::DecodingError::IoError(cause) if cause.kind() != std::io::ErrorKind::UnexpectedEof => {
            SourceError::Unreadable { path: path(), cause }
        }
        cause => SourceError::BadPng { path: path(), cause: cause.to_string() },
    };
    let mut decoder = png::Decoder::new_with_limits(file, png::Limits { bytes: MOST_BYTES });
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(bad)?;
    let (width, height) = reader.info().size();
    if width.max(height) > MOST_SIDE {
        let (width, height) = (u64::from(width), u64::from(height));
        return Err(SourceError::TooLarge { path: path(), width, height, most: MOST_SIDE });
    }
    let damaged = |cause: &str| SourceError::BadPng { path: path(), cause: cause.to_owned() };
    let size = reader.output_buffer_size().ok_or_else(|| damaged("its size overflows"))?;
    let mut bytes = vec![0; size];
    let frame = reader.next_frame(&mut bytes).map_err(bad)?;
    bytes.truncate(frame.buffer_size());
    let channels = split(&bytes, frame.color_type.samples());
    let (width, height) = (frame.width as usize, frame.height as usize);
    Picture::from_channels(width, height, Model::RGB, channels)
        .ok_or_else(|| damaged("it has fewer pixels than it says"))
}

/// Pixels of 1 to 4 samples (grey, grey and alpha, RGB, RGBA) as red, green and blue.
fn split(bytes: &[u8], samples: usize) -> [Vec<u8>; 3] {
    let pixels = bytes.len() / samples.max(1);
    let mut channels = [(); 3].map(|()| Vec::with_capacity(pixels));
    let over_black = |value: u8, alpha: u8| {
        u8::try_from((u16::from(value) * u16::from(alpha) + 127) / 255).unwrap_or(u8::MAX)
    };
    for pixel in bytes.chunks_exact(samples.max(1)) {
        let (colour, alpha) = match *pixel {
            [grey] => ([grey; 3], 255),
            [grey, alpha] => ([grey; 3], alpha),
            [red, green, blue] => ([red, green, blue], 255),
            [red, green, blue, alpha] => ([red, green, blue], alpha),
            _ => continue,
        };
        for (channel, value) in channels.iter_mut().zip(colour) {
            channel.push(if alpha == 255 { value } else { over_black(value, alpha) });
        }
    }
    channels
}
