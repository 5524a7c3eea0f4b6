//! From pictures to the bytes of a format, and back.

use std::io;

use super::layout::{CB, CR, Sample, Section, Y, model, same_size, sections};
use super::{Adjust, Layout, LayoutError, Matrix, Model, Picture, Range};
use crate::shrbuf::PlaneMemory;

/// The bytes of `picture` in `layout`, one vector a plane, with the controls of `adjust` applied.
/// The picture has the layout's size (see [`super::letterbox`]).
///
/// # Errors
/// [`LayoutError`] where the layout is none, or has another size.
pub fn encode(
    picture: Picture,
    layout: &Layout,
    adjust: &Adjust,
) -> Result<Vec<Vec<u8>>, LayoutError> {
    let mut planes = Vec::new();
    encode_into(picture, layout, adjust, &mut planes)?;
    Ok(planes)
}

/// [`encode`] into vectors that are there already.
pub(super) fn encode_into(
    picture: Picture,
    layout: &Layout,
    adjust: &Adjust,
    planes: &mut Vec<Vec<u8>>,
) -> Result<(), LayoutError> {
    let sections = sections(layout)?;
    same_size(&picture, layout)?;
    planes.resize_with(layout.planes.len(), Vec::new);
    for (bytes, plane) in planes.iter_mut().zip(&layout.planes) {
        bytes.resize(plane.sizeimage as usize, 0);
    }
    let picture = picture.into_model(model(layout), adjust).flipped(adjust.hflip, adjust.vflip);
    for section in &sections {
        if let Some(bytes) = planes.get_mut(section.plane) {
            put(&picture, section, bytes);
        }
    }
    Ok(())
}

/// The channels one by one, chroma only for every `(across, down)` pixels; the first channel alone
/// for `None`.
pub fn planar(picture: &Picture, chroma: Option<(usize, usize)>) -> Vec<Vec<u8>> {
    let alone = |(across, down), samples| {
        let stride = picture.width.div_ceil(across);
        let section = Section { plane: 0, offset: 0, stride, across, down, group: 1, samples };
        let mut bytes = vec![0; stride * section.lines(picture.height)];
        put(picture, &section, &mut bytes);
        bytes
    };
    let differences = chroma.map(|pixels| [alone(pixels, CB), alone(pixels, CR)]);
    [alone((1, 1), Y)].into_iter().chain(differences.into_iter().flatten()).collect()
}

/// The picture in a buffer's planes, in the layout's own colour model.
///
/// # Errors
/// `InvalidInput` where the layout is none, or a plane is shorter than it says; the memory's own.
pub fn decode(layout: &Layout, planes: &[&dyn PlaneMemory]) -> io::Result<Picture> {
    let sections = sections(layout).map_err(invalid)?;
    let mut bytes = Vec::with_capacity(planes.len());
    read(layout, planes, &mut bytes)?;
    let (width, height) = (layout.width as usize, layout.height as usize);
    // What a format has no samples of (the chroma of grey) is neutral.
    let mut picture = Picture::filled(width, height, model(layout), [128; 3]);
    for section in &sections {
        if let Some(plane) = bytes.get(section.plane) {
            get(&mut picture, section, plane);
        }
    }
    Ok(picture)
}

/// Reads `sizeimage` bytes of each plane into vectors that may be there already.
///
/// # Errors
/// As [`decode`].
pub fn read(
    layout: &Layout,
    planes: &[&dyn PlaneMemory],
    bytes: &mut Vec<Vec<u8>>,
) -> io::Result<()> {
    if planes.len() < layout.planes.len() {
        return Err(invalid("the buffer has fewer planes than its format"));
    }
    bytes.resize_with(layout.planes.len(), Vec::new);
    for ((bytes, plane), memory) in bytes.iter_mut().zip(&layout.planes).zip(planes) {
        bytes.resize(plane.sizeimage as usize, 0);
        memory.read_at(0, bytes)?;
    }
    Ok(())
}

/// The lightness of one pixel of a buffer, from 0 (black) to 255 (white) whatever the range.
///
/// # Errors
/// As [`decode`]; `InvalidInput` also for a pixel outside.
pub fn luma_at(layout: &Layout, planes: &[&dyn PlaneMemory], x: u32, y: u32) -> io::Result<u8> {
    if x >= layout.width || y >= layout.height {
        return Err(invalid("the pixel lies outside"));
    }
    let model = model(layout);
    let mut colour = [128; 3];
    for section in sections(layout).map_err(invalid)? {
        let memory = planes.get(section.plane).ok_or_else(|| invalid("a plane is missing"))?;
        for sample in section.samples {
            let column = x as usize / across(&section, sample);
            let line = y as usize / section.down;
            let place = section.offset + line * section.stride + sample.at + column * sample.step;
            if let Some(value) = colour.get_mut(sample.channel..=sample.channel) {
                memory.read_at(place, value)?;
            }
        }
    }
    let grey = Model::YCbCr(Matrix::Bt601, Range::Full);
    let [luma, ..] = model.convert(colour, grey);
    Ok(luma)
}

fn invalid(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, cause)
}

/// Pixels beside each other that share one of these samples: 1 or 2.
fn across(section: &Section, sample: &Sample) -> usize {
    (section.across * sample.step / section.group).max(1)
}

/// Writes the channels that a section holds; `bytes` is its plane.
pub(super) fn put(picture: &Picture, section: &Section, bytes: &mut [u8]) {
    let width = picture.width.max(1);
    let Some(bytes) = bytes.get_mut(section.offset..) else { return };
    for sample in section.samples {
        let Some(channel) = picture.channels.get(sample.channel) else { continue };
        let lines = channel.chunks(width * section.down);
        for (row, lines) in bytes.chunks_mut(section.stride.max(1)).zip(lines) {
            let (first, second) = lines.split_at(width.min(lines.len()));
            let second = if second.is_empty() { first } else { second };
            let Some(row) = row.get_mut(sample.at..) else { continue };
            if across(section, sample) == 2 {
                put_means(row, sample.step, first, second);
            } else {
                put_line(row, sample.step, first);
            }
        }
    }
}

fn put_line(row: &mut [u8], step: usize, line: &[u8]) {
    if step == 1 {
        row.iter_mut().zip(line).for_each(|(to, from)| *to = *from);
    } else {
        row.iter_mut().step_by(step).zip(line).for_each(|(to, from)| *to = *from);
    }
}

/// One sample for every two pixels of both lines: their mean.
fn put_means(row: &mut [u8], step: usize, first: &[u8], second: &[u8]) {
    let pairs = first.chunks(2).zip(second.chunks(2));
    for (to, (above, below)) in row.iter_mut().step_by(step).zip(pairs) {
        // At the right edge of an odd width a pair is one pixel, which then counts twice.
        let ends = |pair: &[u8]| {
            let end = |value: Option<&u8>| u16::from(value.copied().unwrap_or_default());
            end(pair.first()) + end(pair.last())
        };
        let mean = (ends(above) + ends(below) + 2) / 4;
        *to = u8::try_from(mean).unwrap_or(u8::MAX);
    }
}

/// Reads the channels that a section holds: what [`put`] writes.
fn get(picture: &mut Picture, section: &Section, bytes: &[u8]) {
    let width = picture.width.max(1);
    let Some(bytes) = bytes.get(section.offset..) else { return };
    for sample in section.samples {
        let Some(channel) = picture.channels.get_mut(sample.channel) else { continue };
        let rows = bytes.chunks(section.stride.max(1));
        for (lines, row) in channel.chunks_mut(width * section.down).zip(rows) {
            let values = row.get(sample.at..).unwrap_or_default().iter().step_by(sample.step);
            for line in lines.chunks_mut(width) {
                let pixels = line.chunks_mut(across(section, sample));
                pixels.zip(values.clone()).for_each(|(pixels, value)| pixels.fill(*value));
            }
        }
    }
}
