//! The frame's number and time, burnt in for people and for tests.
//!
//! At the top lies a strip of [`CELLS`] cells, white for 1 and black for 0: `10`, the 32 bits of
//! `sequence` from the highest on, the exclusive or of its eight nibbles, `01`. Below stand the
//! number in decimal and the time as hours, minutes, seconds and thousandths.

use std::io;

use super::{Frame, Layout, PlaneMemory};
use crate::device::pixels::{Canvas, LayoutError, Model, Patch, Picture, even, luma_at};

/// Two to begin, 32 of the number, 4 of parity, two to end. The usual widths are multiples of it.
const CELLS: usize = 40;

/// A glyph's dots with the gaps to the right and below.
const GLYPH: (usize, usize) = (6, 8);

/// Dots of a line of text that a frame is wide: "00:00:00.000" fills half of it.
const DOTS_ACROSS: usize = 144;

const WHITE: [u8; 3] = [255; 3];
const BLACK: [u8; 3] = [0; 3];

/// What [`Overlay::draw`] puts on a canvas, in one format's bytes.
#[derive(Debug)]
pub(super) struct Overlay {
    cells: Option<[Patch; 2]>,
    /// In the order of [`FONT`].
    glyphs: Vec<Patch>,
    /// Of the number; that of the time is a glyph lower.
    text_y: usize,
    text_x: usize,
}

impl Overlay {
    pub(super) fn new(layout: &Layout) -> Result<Self, LayoutError> {
        let cell = |colour| {
            let (width, height) = cell_size(layout)?;
            Some(Patch::new(Picture::filled(width, height, Model::RGB, colour), layout))
        };
        let cells = match (cell(BLACK), cell(WHITE)) {
            (Some(black), Some(white)) => Some([black?, white?]),
            _ => None,
        };
        // A dot is even on both sides, so that no chroma is shared with what is around.
        let dot = even(layout.width as usize / DOTS_ACROSS).max(2);
        let glyphs = FONT.iter().map(|(_, rows)| Patch::new(glyph(rows, dot), layout));
        let below = cell_size(layout).map_or(0, |(_, height)| height);
        Ok(Self {
            cells,
            glyphs: glyphs.collect::<Result<_, _>>()?,
            text_y: below + 2 * dot,
            text_x: 2 * dot,
        })
    }

    /// Puts the frame's number and time on a canvas of the overlay's own layout.
    pub(super) fn draw(&self, canvas: &mut Canvas, frame: &Frame) {
        if let Some([black, white]) = &self.cells {
            for (place, one) in cells(frame.sequence).into_iter().enumerate() {
                let cell = if one { white } else { black };
                canvas.put(cell, place * cell.width(), 0);
            }
        }
        let milliseconds = frame.timestamp_ns / 1_000_000;
        let (seconds, thousandths) = (milliseconds / 1000, milliseconds % 1000);
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        let time = format!("{hours:02}:{minutes:02}:{:02}.{thousandths:03}", seconds % 60);
        let line = self.glyphs.first().map_or(0, Patch::height);
        self.write(canvas, &format!("{:06}", frame.sequence), self.text_y);
        self.write(canvas, &time, self.text_y + line);
    }

    fn write(&self, canvas: &mut Canvas, text: &str, y: usize) {
        let mut x = self.text_x;
        for letter in text.chars() {
            let place = FONT.iter().position(|(known, _)| *known == letter);
            if let Some(glyph) = place.and_then(|place| self.glyphs.get(place)) {
                canvas.put(glyph, x, y);
                x += glyph.width();
            }
        }
    }
}

/// The frame number that is burnt into a buffer, `None` where there is none to be read.
///
/// # Errors
/// As [`crate::device::pixels::decode`].
pub fn read_frame_number(layout: &Layout, planes: &[&dyn PlaneMemory]) -> io::Result<Option<u32>> {
    let Some((width, height)) = cell_size(layout) else { return Ok(None) };
    let mut read = [false; CELLS];
    for (place, cell) in (0_u32..).zip(&mut read) {
        let middle = |side: usize| u32::try_from(side / 2).unwrap_or_default();
        let x = place * 2 * middle(width) + middle(width);
        *cell = luma_at(layout, planes, x, middle(height))? >= 128;
    }
    let bits = read.iter().skip(2).take(32);
    let number = bits.fold(0, |number: u32, bit| number << 1 | u32::from(*bit));
    Ok((cells(number) == read).then_some(number))
}

fn cells(number: u32) -> [bool; CELLS] {
    let parity = (0..8).fold(0, |parity, nibble| parity ^ (number >> (4 * nibble) & 0xf));
    let all = 0b10 << 38 | u64::from(number) << 6 | u64::from(parity) << 2 | 0b01;
    let mut places = 0..CELLS;
    [(); CELLS].map(|()| places.next().is_some_and(|place| all >> (CELLS - 1 - place) & 1 == 1))
}

/// A cell's width and height, both even; `None` where a frame is too small for the strip.
fn cell_size(layout: &Layout) -> Option<(usize, usize)> {
    let width = even(layout.width as usize / CELLS);
    let height = even(layout.height as usize / 32).max(4);
    (width >= 2 && height <= layout.height as usize).then_some((width, height))
}

fn glyph(rows: &[u8; 7], dot: usize) -> Picture {
    let mut picture = Picture::filled(GLYPH.0 * dot, GLYPH.1 * dot, Model::RGB, BLACK);
    for (y, row) in rows.iter().enumerate() {
        for x in (0..5).filter(|x| row >> (4 - x) & 1 == 1) {
            picture.fill(x * dot, y * dot, dot, dot, WHITE);
        }
    }
    picture
}

/// Five dots a row, seven rows.
#[rustfmt::skip]
const FONT: [(char, [u8; 7]); 12] = [
    ('0', [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110]),
    ('1', [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110]),
    ('2', [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111]),
    ('3', [0b01110, 0b10001, 0b00001, 0b00110, 0b00001, 0b10001, 0b01110]),
    ('4', [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010]),
    ('5', [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110]),
    ('6', [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110]),
    ('7', [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000]),
    ('8', [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110]),
    ('9', [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100]),
    (':', [0b00000, 0b00100, 0b00100, 0b00000, 0b00100, 0b00100, 0b00000]),
    ('.', [0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b00110, 0b00110]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_cells_and_each_flipped_cell_is_noticed() {
        for number in [0, 1, 299, 0x8000_0001, u32::MAX] {
            let cells = cells(number);
            assert_eq!(&cells[..2], [true, false]);
            assert_eq!(&cells[38..], [false, true]);
            let read = |cells: &[bool]| {
                cells[2..34].iter().fold(0, |number: u32, bit| number << 1 | u32::from(*bit))
            };
            assert_eq!(read(&cells), number);
            for place in 0..CELLS {
                let mut damaged = cells;
                damaged[place] ^= true;
                assert_ne!(super::cells(read(&damaged)), damaged, "cell {place} of {number}");
            }
        }
    }
}
