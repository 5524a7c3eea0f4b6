//! A test pattern, with a box that moves and the frame's number and time.

use super::overlay::Overlay;
use super::{Adjust, Filled, Frame, FrameSource, Interval, Layout, PlaneMemory, SourceError};
use crate::device::pixels::{Canvas, LayoutError, Model, Patch, Picture, even};

/// The patterns by name, in the order of the control `V4L2_CID_TEST_PATTERN`'s menu.
pub const PATTERNS: [&str; 6] = ["smpte", "ramp", "checkerboard", "grid", "white", "black"];

/// The name of bars on which nothing moves: see [`FrameSource::fills_once`].
const STATIC: &str = "static";

/// A test pattern.
#[derive(Debug)]
pub struct PatternSource {
    chosen: u32,
    still: bool,
    drawn: Option<Drawn>,
}

#[derive(Debug)]
struct Drawn {
    layout: Layout,
    adjust: Adjust,
    canvas: Canvas,
    moving: Option<(Mover, Overlay)>,
}

impl PatternSource {
    /// The pattern of a name of [`PATTERNS`], or `static`.
    ///
    /// # Errors
    /// [`SourceError::NoSuchPattern`].
    pub fn new(name: &str) -> Result<Self, SourceError> {
        let still = name == STATIC;
        let place = PATTERNS.iter().position(|known| *known == name || still);
        let place = place.ok_or_else(|| SourceError::NoSuchPattern {
            name: name.to_owned(),
            known: format!("{}, {STATIC}", PATTERNS.join(", ")),
        })?;
        Ok(Self { chosen: u32::try_from(place).unwrap_or_default(), still, drawn: None })
    }
}

impl FrameSource for PatternSource {
    fn test_pattern(&self) -> Option<u32> {
        (!self.still).then_some(self.chosen)
    }

    fn start(&mut self, layout: &Layout, _interval: Interval) -> Result<(), SourceError> {
        let adjust = Adjust { test_pattern: self.chosen, ..Adjust::default() };
        let canvas = Canvas::new(picture(layout, &adjust), layout, &adjust)?;
        let moving =
            if self.still { None } else { Some((Mover::new(layout)?, Overlay::new(layout)?)) };
        self.drawn = Some(Drawn { layout: layout.clone(), adjust, canvas, moving });
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
            drawn.canvas.redraw(picture(&drawn.layout, adjust), adjust)?;
            drawn.adjust = *adjust;
        }
        if let Some((mover, overlay)) = &drawn.moving {
            mover.draw(&mut drawn.canvas, frame);
            overlay.draw(&mut drawn.canvas, frame);
        }
        drawn.canvas.write(planes).map_err(SourceError::Buffer)?;
        Ok(Filled::Frame)
    }

    fn stop(&mut self) {
        self.drawn = None;
    }

    fn fills_once(&self) -> bool {
        self.still
    }
}

/// The box that goes to and fro at half the height, so that a frame that is missing or comes twice
/// shows.
#[derive(Debug)]
struct Mover {
    patch: Patch,
    y: usize,
    /// Steps from the left edge to the right one, and their length in pixels.
    steps: usize,
    step: usize,
}

impl Mover {
    fn new(layout: &Layout) -> Result<Self, LayoutError> {
        let (width, height) = (layout.width as usize, layout.height as usize);
        let side = even(height / 10).clamp(2, even(width).max(2));
        let edge = even(side / 8).max(2);
        let mut picture = Picture::filled(side, side, Model::RGB, [0; 3]);
        let inner = side.saturating_sub(2 * edge);
        picture.fill(edge, edge, inner, inner, [255; 3]);
        // Across in about five seconds at 30 frames a second.
        let step = even(width / 160).max(2);
        let steps = width.saturating_sub(side) / step;
        Ok(Self { patch: Patch::new(picture, layout)?, y: even(height / 2), steps, step })
    }

    fn draw(&self, canvas: &mut Canvas, frame: &Frame) {
        let phase = frame.sequence as usize % (2 * self.steps).max(1);
        let place = phase.min(2 * self.steps - phase);
        canvas.put(&self.patch, place * self.step, self.y);
    }
}

/// The pattern that the control has chosen; the first for a place that the menu hasn't.
fn picture(layout: &Layout, adjust: &Adjust) -> Picture {
    let (width, height) = (layout.width as usize, layout.height as usize);
    let mut picture = Picture::filled(width, height, Model::RGB, [0; 3]);
    let name = PATTERNS.get(adjust.test_pattern as usize).copied().unwrap_or_default();
    match name {
        "ramp" => ramp(&mut picture),
        "checkerboard" => checkerboard(&mut picture),
        "grid" => grid(&mut picture),
        "white" => picture.fill(0, 0, width, height, [255; 3]),
        "black" => {}
        _ => smpte(&mut picture),
    }
    picture
}

/// Columns of equal width from `y` on.
fn columns(picture: &mut Picture, y: usize, height: usize, colours: &[[u8; 3]]) {
    let width = picture.width();
    let edge = |place: usize| place * width / colours.len().max(1);
    for (place, colour) in colours.iter().enumerate() {
        picture.fill(edge(place), y, edge(place + 1) - edge(place), height, *colour);
    }
}

/// The bars of SMPTE EG 1: bars at 75 %, the same blue-only, and below -I, white, +Q, black and
/// the three blacks of PLUGE.
fn smpte(picture: &mut Picture) {
    const ON: u8 = 191;
    const GREY: [u8; 3] = [ON; 3];
    const YELLOW: [u8; 3] = [ON, ON, 0];
    const CYAN: [u8; 3] = [0, ON, ON];
    const GREEN: [u8; 3] = [0, ON, 0];
    const MAGENTA: [u8; 3] = [ON, 0, ON];
    const RED: [u8; 3] = [ON, 0, 0];
    const BLUE: [u8; 3] = [0, 0, ON];
    const BLACK: [u8; 3] = [0; 3];
    const MINUS_I: [u8; 3] = [0, 33, 76];
    const PLUS_Q: [u8; 3] = [50, 0, 106];
    // A little below and above: limited range has no blacker black, so the first is black too.
    const PLUGE: [[u8; 3]; 3] = [BLACK, BLACK, [10; 3]];

    let (height, width) = (picture.height(), picture.width());
    let (middle, lower) = (even(height * 2 / 3), even(height * 3 / 4));
    columns(picture, 0, middle, &[GREY, YELLOW, CYAN, GREEN, MAGENTA, RED, BLUE]);
    let blues = [BLUE, BLACK, MAGENTA, BLACK, CYAN, BLACK, GREY];
    columns(picture, middle, lower - middle, &blues);
    let rest = height - lower;
    columns(picture, lower, rest, &[MINUS_I, [255; 3], PLUS_Q, BLACK, BLACK, BLACK]);
    let pluge = width * 5 / 7;
    let third = (width * 6 / 7 - pluge) / 3;
    for (place, colour) in PLUGE.into_iter().enumerate() {
        picture.fill(pluge + place * third, lower, third, rest, colour);
    }
}

/// Four ramps from dark to light: grey, red, green, blue.
fn ramp(picture: &mut Picture) {
    let (width, quarter) = (picture.width(), picture.height().div_ceil(4));
    for x in 0..width {
        let value = u8::try_from(x * 255 / (width - 1).max(1)).unwrap_or(u8::MAX);
        let colours = [[value; 3], [value, 0, 0], [0, value, 0], [0, 0, value]];
        for (row, colour) in colours.into_iter().enumerate() {
            picture.fill(x, row * quarter, 1, quarter, colour);
        }
    }
}

/// Sixteen squares across, grey and white.
fn checkerboard(picture: &mut Picture) {
    let (width, height) = (picture.width(), picture.height());
    let side = (width / 16).max(1);
    for (row, y) in (0..height).step_by(side).enumerate() {
        for (column, x) in (0..width).step_by(side).enumerate() {
            let value = if (row + column) % 2 == 0 { 235 } else { 64 };
            picture.fill(x, y, side, side, [value; 3]);
        }
    }
}

/// White lines on grey: edges, squareness, and one pixel's sharpness.
fn grid(picture: &mut Picture) {
    let (width, height) = (picture.width(), picture.height());
    picture.fill(0, 0, width, height, [64; 3]);
    let side = (width / 16).max(2);
    for x in (0..width).step_by(side).chain([width.saturating_sub(1)]) {
        picture.fill(x, 0, 1, height, [255; 3]);
    }
    for y in (0..height).step_by(side).chain([height.saturating_sub(1)]) {
        picture.fill(0, y, width, 1, [255; 3]);
    }
}
