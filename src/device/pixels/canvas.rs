//! A frame's bytes in the making: a base that stays, and patches that each frame has elsewhere.

use std::io;

use super::convert::{encode_into, put};
use super::layout::{Section, model, sections};
use super::{Adjust, Layout, LayoutError, Picture};
use crate::shrbuf::PlaneMemory;

/// The bytes of a frame, in a format. What a patch covers is kept aside, so a base is made once and
/// serves every frame.
#[derive(Debug)]
pub struct Canvas {
    layout: Layout,
    sections: Vec<Section>,
    planes: Vec<Vec<u8>>,
    covered: Vec<Covered>,
    /// What lies under the patches: the bytes of all of `covered`, one after the other.
    beneath: Vec<u8>,
}

/// A piece of a line that a patch has covered.
#[derive(Debug)]
struct Covered {
    plane: usize,
    offset: usize,
    len: usize,
}

/// A small picture in a format's bytes, to be put on a [`Canvas`] of the same format.
#[derive(Clone, Debug)]
pub struct Patch {
    width: usize,
    height: usize,
    /// Its bytes for each section of the format, line by line without a gap.
    sections: Vec<Vec<u8>>,
}

impl Patch {
    /// The patch of a picture; its sides are best even.
    ///
    /// # Errors
    /// [`LayoutError`] where the layout is none.
    pub fn new(picture: Picture, layout: &Layout) -> Result<Self, LayoutError> {
        let (width, height) = (picture.width(), picture.height());
        let picture = picture.into_model(model(layout), &Adjust::default());
        let alone = |section: Section| {
            let section = Section { offset: 0, stride: section.line(width), ..section };
            let mut bytes = vec![0; section.stride * section.lines(height)];
            put(&picture, &section, &mut bytes);
            bytes
        };
        Ok(Self { width, height, sections: sections(layout)?.into_iter().map(alone).collect() })
    }

    /// In pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// In lines.
    pub fn height(&self) -> usize {
        self.height
    }
}

impl Canvas {
    /// A canvas with a picture of the layout's size as its base.
    ///
    /// # Errors
    /// [`LayoutError`] where the layout is none, or has another size.
    pub fn new(picture: Picture, layout: &Layout, adjust: &Adjust) -> Result<Self, LayoutError> {
        let mut canvas = Self {
            layout: layout.clone(),
            sections: sections(layout)?,
            planes: Vec::new(),
            covered: Vec::new(),
            beneath: Vec::new(),
        };
        canvas.redraw(picture, adjust)?;
        Ok(canvas)
    }

    /// Another base, without patches.
    ///
    /// # Errors
    /// As [`Canvas::new`].
    pub fn redraw(&mut self, picture: Picture, adjust: &Adjust) -> Result<(), LayoutError> {
        self.covered.clear();
        self.beneath.clear();
        encode_into(picture, &self.layout, adjust, &mut self.planes)
    }

    /// Puts a patch at an even place; what lies outside is cut off.
    pub fn put(&mut self, patch: &Patch, x: usize, y: usize) {
        let width = patch.width.min((self.layout.width as usize).saturating_sub(x));
        let height = patch.height.min((self.layout.height as usize).saturating_sub(y));
        if width == 0 || height == 0 {
            return;
        }
        for (section, bytes) in self.sections.iter().zip(&patch.sections) {
            let Some(plane) = self.planes.get_mut(section.plane) else { continue };
            let len = section.line(width);
            let left = x / section.across * section.group;
            let rows = bytes.chunks_exact(section.line(patch.width).max(1));
            for (line, row) in rows.take(section.lines(height)).enumerate() {
                let offset = section.offset + (y / section.down + line) * section.stride + left;
                let (Some(place), Some(row)) =
                    (plane.get_mut(offset..offset + len), row.get(..len))
                else {
                    continue;
                };
                self.covered.push(Covered { plane: section.plane, offset, len });
                self.beneath.extend_from_slice(place);
                place.copy_from_slice(row);
            }
        }
    }

    /// Takes all patches off again: what remains is the base.
    pub fn clear(&mut self) {
        // Last on, first off: patches may lie on each other.
        while let Some(Covered { plane, offset, len }) = self.covered.pop() {
            let start = self.beneath.len().saturating_sub(len);
            let place =
                self.planes.get_mut(plane).and_then(|plane| plane.get_mut(offset..offset + len));
            if let (Some(place), Some(bytes)) = (place, self.beneath.get(start..)) {
                place.copy_from_slice(bytes);
            }
            self.beneath.truncate(start);
        }
    }

    /// Writes the frame: each plane in one go.
    ///
    /// # Errors
    /// `InvalidInput` for too few planes; the memory's own, for one that is too small too.
    pub fn write(&self, planes: &[&dyn PlaneMemory]) -> io::Result<()> {
        if planes.len() < self.planes.len() {
            let text = "the buffer has fewer planes than its format";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.planes.iter().zip(planes).try_for_each(|(bytes, plane)| plane.write_at(0, bytes))
    }
}
