//! A clip in a y4m file.
//!
//! Its subsampling is that of the format (4:2:0, 4:2:2, grey; 4:4:4 for RGB), so a Y'CbCr frame in
//! Rec. 601 gets into the file as it is. The file format doesn't say which matrix it has: Rec. 601,
//! as ffmpeg takes it too.

use std::fs::File;
use std::path::Path;

use y4m::{Colorspace, Ratio, VendorExtensionString};

use super::output::Output;
use super::{Frame, FrameSink, Interval, Layout, PlaneMemory, Shown, SinkError};
use crate::device::pixels::{Adjust, Matrix, Model, Range, decode, letters, model, planar};
use crate::v4l2::uapi::*;

/// A clip in a y4m file or pipe. What is streamed later, in the same mode, follows what was before.
#[derive(Debug)]
pub struct Y4mSink {
    output: Output,
    /// The header of the clip, once there is one, and what it says for people.
    clip: Option<(Vec<u8>, String)>,
    started: Option<(Layout, Shape)>,
}

/// How a layout's frames lie in the clip.
#[derive(Clone, Copy, Debug)]
struct Shape {
    colorspace: Colorspace,
    /// Pixels beside and below each other that share a chroma sample; `None` for grey.
    chroma: Option<(usize, usize)>,
    range: Range,
}

impl Y4mSink {
    /// Makes the file anew, or uses the named pipe that is there.
    ///
    /// # Errors
    /// [`SinkError::Unwritable`].
    pub fn open(path: &Path) -> Result<Self, SinkError> {
        Ok(Self { output: Output::open(path)?, clip: None, started: None })
    }

    /// Into an open file or pipe, from its beginning. `name` is what messages call it. A pipe is
    /// made non-blocking.
    ///
    /// # Errors
    /// [`SinkError::Unwritable`].
    pub fn from_file(file: File, name: &Path) -> Result<Self, SinkError> {
        Ok(Self { output: Output::from_file(file, name)?, clip: None, started: None })
    }
}

impl FrameSink for Y4mSink {
    fn start(&mut self, layout: &Layout, interval: Interval) -> Result<(), SinkError> {
        let shape = Shape::of(layout);
        let header = shape.header(layout, interval);
        let mode = format!(
            "{}:{}x{}@{}/{}",
            letters(layout.fourcc),
            layout.width,
            layout.height,
            interval.denominator,
            interval.numerator
        );
        match &self.clip {
            Some((known, was)) if *known != header => {
                let (path, was) = (self.output.path().to_path_buf(), was.clone());
                return Err(SinkError::OtherMode { path, was, mode });
            }
            _ => self.clip = Some((header, mode)),
        }
        self.started = Some((layout.clone(), shape));
        Ok(())
    }

    fn show(&mut self, _frame: &Frame, planes: &[&dyn PlaneMemory]) -> Result<Shown, SinkError> {
        let (Some((layout, shape)), Some((header, _))) = (&self.started, &self.clip) else {
            return Err(SinkError::NotStarted);
        };
        if !self.output.has_room() {
            return Ok(Shown::Dropped);
        }
        let picture = decode(layout, planes).map_err(SinkError::Buffer)?;
        let model = Model::YCbCr(Matrix::Bt601, shape.range);
        let channels = planar(&picture.into_model(model, &Adjust::default()), shape.chroma);
        let mut parts: Vec<&[u8]> = vec![b"FRAME\n"];
        parts.extend(channels.iter().map(Vec::as_slice));
        self.output.put(header, &parts)
    }

    fn stop(&mut self) -> Result<(), SinkError> {
        self.started = None;
        Ok(())
    }
}

impl Shape {
    fn of(layout: &Layout) -> Self {
        let (colorspace, chroma) = match (model(layout), layout.fourcc) {
            (Model::Rgb(_), _) => (Colorspace::C444, Some((1, 1))),
            (_, V4L2_PIX_FMT_GREY) => (Colorspace::Cmono, None),
            (_, V4L2_PIX_FMT_YUYV | V4L2_PIX_FMT_UYVY) => (Colorspace::C422, Some((2, 1))),
            _ => (Colorspace::C420jpeg, Some((2, 2))),
        };
        let range = match model(layout) {
            Model::YCbCr(_, range) => range,
            Model::Rgb(_) => Range::Limited,
        };
        Self { colorspace, chroma, range }
    }

    fn header(&self, layout: &Layout, interval: Interval) -> Vec<u8> {
        let rate = Ratio::new(interval.denominator as usize, interval.numerator as usize);
        let (width, height) = (layout.width as usize, layout.height as usize);
        let mut clip = y4m::encode(width, height, rate).with_colorspace(self.colorspace);
        if self.range == Range::Full
            && let Ok(range) = VendorExtensionString::new(b"COLORRANGE=FULL".to_vec())
        {
            clip = clip.append_vendor_extension(range);
        }
        let mut header = Vec::new();
        // A vector takes all that is written.
        let _ = clip.write_header(&mut header);
        header
    }
}
