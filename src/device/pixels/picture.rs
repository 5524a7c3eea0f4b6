//! A picture in memory: three channels, each with a byte for every pixel.

use super::Model;

/// A picture. Its channels are [`Model`]'s, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    model: Model,
    channels: [Vec<u8>; 3],
}

impl Picture {
    /// A picture of one colour.
    pub fn filled(width: usize, height: usize, model: Model, colour: [u8; 3]) -> Self {
        todo!()
    }

    /// In pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// In lines.
    pub fn height(&self) -> usize {
        self.height
    }

    /// What the channels mean.
    pub fn model(&self) -> Model {
        self.model
    }

    /// The colour of a pixel, `None` outside.
    pub fn at(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        todo!()
    }

    /// Fills a rectangle, as far as it lies inside.
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: [u8; 3]) {
        todo!()
    }

    /// Red, green, blue of every pixel, full range: what a PNG holds.
    pub fn to_rgb8(&self) -> Vec<u8> {
        todo!()
    }
}
