//! A clip from a y4m file.
//!
//! The clip keeps its own rate whatever the mode's: of a clip that is faster, frames are left out,
//! of one that is slower, frames come again. A frame is read and laid out when it is due, so memory
//! holds one, however long the clip.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::overlay::Overlay;
use super::{
    Adjust, Filled, Frame, FrameSource, Interval, Layout, MOST_SIDE, Native, PlaneMemory,
    SourceError,
};
use crate::device::pixels::{Canvas, Matrix, Model, Picture, Range, letterbox};

/// A clip from a y4m file (8 bits; 4:2:0, 4:2:2, 4:4:4, grey).
pub struct Y4mSource {
    name: PathBuf,
    file: File,
    clip: Clip,
    repeat: bool,
    stamp: bool,
    decoder: Option<Decoder>,
    drawn: Option<Drawn>,
}

struct Decoder {
    frames: y4m::Decoder<Counted<BufReader<File>>>,
    count: Arc<AtomicU64>,
    /// Bytes up to the end of the last frame: an end elsewhere is no clean one.
    whole: u64,
}

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clip {
    width: usize,
    height: usize,
    interval: Interval,
    colorspace: Subsampling,
    model: Model,
}

/// Pixels beside and below each other that share a chroma sample; `None` for grey.
type Subsampling = Option<(usize, usize)>;

struct Drawn {
    layout: Layout,
    interval: Interval,
    adjust: Adjust,
    canvas: Canvas,
    overlay: Option<Overlay>,
    /// The clip's frame on the canvas, before the controls, and which one it is.
    picture: Picture,
    shown: Option<u128>,
}

/// Frames of the clip that are left out at most when it is late: so many can be read in the time
/// of one (640x360: 5 MB). A clip that falls back further goes on from where it was, as after a
/// pause.
const MOST_LEFT_OUT: u128 = 16;

impl Y4mSource {
    /// Opens the file of this name.
    ///
    /// # Errors
    /// As [`Y4mSource::from_file`], and where there is none to read.
    pub fn open(path: &Path, repeat: bool, stamp: bool) -> Result<Self, SourceError> {
        Self::from_file(super::open_file(path)?, path, repeat, stamp)
    }

    /// The clip in an open file. `name` is what messages call it; `stamp` burns each frame's number
    /// and time into it.
    ///
    /// # Errors
    /// [`SourceError::BadY4m`], [`SourceError::TooLarge`], [`SourceError::Unreadable`].
    pub fn from_file(
        mut file: File,
        name: &Path,
        repeat: bool,
        stamp: bool,
    ) -> Result<Self, SourceError> {
        let name = name.to_path_buf();
        let clip = header(&mut file, &name)?;
        let mut source = Self { name, file, clip, repeat, stamp, decoder: None, drawn: None };
        // A clip without a frame, or with a damaged first one, is told before anybody waits for it.
        source.rewind()?;
        if source.next(Wanted::Picture)?.is_none() {
            return Err(bad(&source.name, "it has no frame"));
        }
        source.decoder = None;
        Ok(source)
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        let unreadable = |cause| SourceError::Unreadable { path: self.name.clone(), cause };
        self.file.rewind().map_err(unreadable)?;
        let count = Arc::new(AtomicU64::new(0));
        let file = BufReader::new(self.file.try_clone().map_err(unreadable)?);
        let counted = Counted { inner: file, count: Arc::clone(&count) };
        let frames = y4m::Decoder::new(counted).map_err(|error| self.explain(error))?;
        let whole = count.load(Ordering::Relaxed);
        self.decoder = Some(Decoder { frames, count, whole });
        Ok(())
    }

    /// The next frame of the file, `None` at its end.
    fn next(&mut self, wanted: Wanted) -> Result<Option<Option<Picture>>, SourceError> {
        let Some(decoder) = &mut self.decoder else { return Ok(None) };
        match decoder.frames.read_frame() {
            Ok(frame) => {
                decoder.whole = decoder.count.load(Ordering::Relaxed);
                if wanted == Wanted::LeftOut {
                    return Ok(Some(None));
                }
                let planes = [frame.get_y_plane(), frame.get_u_plane(), frame.get_v_plane()];
                let picture = self.clip.picture(planes);
                let picture =
                    picture.ok_or_else(|| bad(&self.name, "a frame has too few bytes"))?;
                Ok(Some(Some(picture)))
            }
            Err(y4m::Error::EOF) => {
                let clean = decoder.whole == decoder.count.load(Ordering::Relaxed);
                self.decoder = None;
                if clean { Ok(None) } else { Err(bad(&self.name, "it ends inside a frame")) }
            }
            Err(error) => {
                self.decoder = None;
                Err(self.explain(error))
            }
        }
    }

    /// The next frame, from the beginning again where the clip repeats.
    fn next_in_loop(&mut self, wanted: Wanted) -> Result<Option<Option<Picture>>, SourceError> {
        if let Some(frame) = self.next(wanted)? {
            return Ok(Some(frame));
        }
        if !self.repeat {
            return Ok(None);
        }
        self.rewind()?;
        self.next(wanted)
    }

    fn explain(&self, error: y4m::Error) -> SourceError {
        match error {
            y4m::Error::IoError(cause) => {
                SourceError::Unreadable { path: self.name.clone(), cause }
            }
            error => bad(&self.name, &error.to_string()),
        }
    }

    /// Brings the frame that is due to the canvas. `false`: the clip has ended.
    fn advance(&mut self, sequence: u32) -> Result<bool, SourceError> {
        let Some(drawn) = &self.drawn else { return Err(SourceError::NotStarted) };
        let due = self.clip.due(sequence, drawn.interval);
        let steps = match drawn.shown {
            None => 1,
            Some(shown) => due.saturating_sub(shown).min(MOST_LEFT_OUT),
        };
        let mut latest = None;
        for left in (0..steps).rev() {
            // Whoever is late must not be made later by pictures that nobody sees.
            let wanted = if left == 0 { Wanted::Picture } else { Wanted::LeftOut };
            match self.next_in_loop(wanted)? {
                Some(frame) => latest = frame,
                None => return Ok(false),
            }
        }
        let Some(drawn) = &mut self.drawn else { return Err(SourceError::NotStarted) };
        drawn.shown = Some(due);
        if let Some(picture) = latest {
            drawn.canvas.redraw(framed(picture.clone(), &drawn.layout), &drawn.adjust)?;
            drawn.picture = picture;
        }
        Ok(true)
    }
}

/// What is to become of a frame of the clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Picture,
    /// It is read over.
    LeftOut,
}

impl FrameSource for Y4mSource {
    fn native(&self) -> Option<Native> {
        Some(Native {
            width: u32::try_from(self.clip.width).ok()?,
            height: u32::try_from(self.clip.height).ok()?,
            interval: Some(self.clip.interval),
        })
    }

    fn start(&mut self, layout: &Layout, interval: Interval) -> Result<(), SourceError> {
        let (model, adjust) = (self.clip.model, Adjust::default());
        let picture = Picture::filled(self.clip.width, self.clip.height, model, model.black());
        let canvas = Canvas::new(framed(picture.clone(), layout), layout, &adjust)?;
        let overlay = if self.stamp { Some(Overlay::new(layout)?) } else { None };
        self.rewind()?;
        let layout = layout.clone();
        self.drawn =
            Some(Drawn { layout, interval, adjust, canvas, overlay, picture, shown: None });
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
        let changed = drawn.adjust != *adjust;
        drawn.adjust = *adjust;
        let before = drawn.shown;
        if !self.advance(frame.sequence)? {
            return Ok(Filled::End);
        }
        let drawn = self.drawn.as_mut().ok_or(SourceError::NotStarted)?;
        if changed && before == drawn.shown {
            let picture = framed(drawn.picture.clone(), &drawn.layout);
            drawn.canvas.redraw(picture, adjust)?;
        }
        if let Some(overlay) = &drawn.overlay {
            overlay.draw(&mut drawn.canvas, frame);
        }
        drawn.canvas.write(planes).map_err(SourceError::Buffer)?;
        Ok(Filled::Frame)
    }

    fn stop(&mut self) {
        self.drawn = None;
        self.decoder = None;
    }
}

impl Clip {
    /// The place in the clip, looped end to end, that is due at a frame of the mode's.
    fn due(&self, sequence: u32, mode: Interval) -> u128 {
        let per = u128::from(mode.numerator) * u128::from(self.interval.denominator);
        let whole = u128::from(mode.denominator) * u128::from(self.interval.numerator);
        u128::from(sequence) * per / whole.max(1)
    }

    /// A frame's planes as a picture with chroma for every pixel.
    fn picture(&self, [luma, blue, red]: [&[u8]; 3]) -> Option<Picture> {
        let chroma = |plane| match self.colorspace {
            None => vec![128; luma.len()],
            Some(shared) => spread(plane, self.width, self.height, shared),
        };
        let channels = [luma.to_vec(), chroma(blue), chroma(red)];
        Picture::from_channels(self.width, self.height, self.model, channels)
    }
}

fn framed(picture: Picture, layout: &Layout) -> Picture {
    letterbox(picture, layout.width as usize, layout.height as usize)
}

/// A plane of shared samples with each as often as pixels share it.
fn spread(plane: &[u8], width: usize, height: usize, (across, down): (usize, usize)) -> Vec<u8> {
    let mut full = Vec::with_capacity(width * height);
    for (row, samples) in plane.chunks_exact(width.div_ceil(across).max(1)).enumerate() {
        for _ in row * down..((row + 1) * down).min(height) {
            let pixels = samples.iter().flat_map(|sample| (0..across).map(move |_| *sample));
            full.extend(pixels.take(width));
        }
    }
    full
}

/// Longest header that is read: the y4m crate's own limit.
const LONGEST_HEADER: u64 = 1024;

/// Reads the header. The crate's decoder multiplies the sizes it finds there unseen, so they are
/// looked at before it gets the file.
fn header(file: &mut File, name: &Path) -> Result<Clip, SourceError> {
    let unreadable = |cause| SourceError::Unreadable { path: name.to_path_buf(), cause };
    let mut bytes = Vec::new();
    file.rewind().map_err(unreadable)?;
    file.take(LONGEST_HEADER).read_to_end(&mut bytes).map_err(unreadable)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let Some(fields) = line.strip_prefix("YUV4MPEG2 ") else {
        return Err(bad(name, "it doesn't begin with YUV4MPEG2"));
    };
    parse(fields, name)
}

fn parse(fields: &str, name: &Path) -> Result<Clip, SourceError> {
    let (mut width, mut height, mut rate) = (0, 0, (25, 1));
    let (mut colorspace, mut range) = (Some((2, 2)), Range::Limited);
    let number =
        |text: &str| text.parse::<u64>().map_err(|_| bad(name, &format!("{text:?} is no number")));
    for field in fields.split(' ') {
        if let Some(text) = field.strip_prefix('W') {
            width = number(text)?;
        } else if let Some(text) = field.strip_prefix('H') {
            height = number(text)?;
        } else if let Some(text) = field.strip_prefix('F') {
            let halves = text.split_once(':').ok_or_else(|| bad(name, "its rate is no ratio"))?;
            rate = (number(halves.0)?, number(halves.1)?);
        } else if let Some(text) = field.strip_prefix('C') {
            colorspace = subsampling(text, name)?;
        } else if field == "XCOLORRANGE=FULL" {
            range = Range::Full;
        }
        // The last of two fields of a kind counts, for the crate too, and none may be too large.
        if width.max(height) > u64::from(MOST_SIDE) {
            let path = name.to_path_buf();
            return Err(SourceError::TooLarge { path, width, height, most: MOST_SIDE });
        }
    }
    let (Ok(denominator), Ok(numerator)) = (u32::try_from(rate.0), u32::try_from(rate.1)) else {
        return Err(bad(name, "its rate is too fine"));
    };
    if numerator == 0 || denominator == 0 || width == 0 || height == 0 {
        return Err(bad(name, "its size or rate is 0"));
    }
    // The format doesn't say which matrix: Rec. 601, as ffmpeg takes it too.
    let model = Model::YCbCr(Matrix::Bt601, range);
    let side = |side| usize::try_from(side).unwrap_or_default();
    let interval = Interval { numerator, denominator };
    Ok(Clip { width: side(width), height: side(height), interval, colorspace, model })
}

fn subsampling(name_of_it: &str, name: &Path) -> Result<Subsampling, SourceError> {
    match name_of_it {
        "mono" => Ok(None),
        "420" | "420jpeg" | "420paldv" | "420mpeg2" => Ok(Some((2, 2))),
        "422" => Ok(Some((2, 1))),
        "444" => Ok(Some((1, 1))),
        other => Err(bad(name, &format!("its colour space {other:?} is not one of 8 bits in use"))),
    }
}

fn bad(path: &Path, cause: &str) -> SourceError {
    SourceError::BadY4m { path: path.to_path_buf(), cause: cause.to_owned() }
}

/// Counts the bytes that were read.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
