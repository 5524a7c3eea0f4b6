//! A picture in memory: three channels, each with a byte for every pixel.

use super::{Adjust, Model};

/// A picture. Its channels are [`Model`]'s, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) model: Model,
    /// Each of `width * height` bytes, line by line.
    pub(super) channels: [Vec<u8>; 3],
}

impl Picture {
    /// A picture of one colour.
    pub fn filled(width: usize, height: usize, model: Model, colour: [u8; 3]) -> Self {
        let size = width.saturating_mul(height);
        Self { width, height, model, channels: colour.map(|value| vec![value; size]) }
    }

    /// A picture of three channels, `None` where one hasn't a byte for every pixel.
    pub fn from_channels(
        width: usize,
        height: usize,
        model: Model,
        channels: [Vec<u8>; 3],
    ) -> Option<Self> {
        let size = width.checked_mul(height)?;
        let fits = channels.iter().all(|channel| channel.len() == size);
        fits.then_some(Self { width, height, model, channels })
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
        if x >= self.width {
            return None;
        }
        let place = y.checked_mul(self.width)?.checked_add(x)?;
        let [a, b, c] = &self.channels;
        Some([*a.get(place)?, *b.get(place)?, *c.get(place)?])
    }

    /// Fills a rectangle, as far as it lies inside.
    pub fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: [u8; 3]) {
        let lines = y.min(self.height)..y.saturating_add(height).min(self.height);
        let columns = x.min(self.width)..x.saturating_add(width).min(self.width);
        for (channel, value) in self.channels.iter_mut().zip(colour) {
            for line in lines.clone() {
                let start = line * self.width;
                if let Some(part) = channel.get_mut(start + columns.start..start + columns.end) {
                    part.fill(value);
                }
            }
        }
    }

    /// Mirrors the picture as the controls say.
    #[must_use]
    pub fn flipped(mut self, hflip: bool, vflip: bool) -> Self {
        let width = self.width.max(1);
        for channel in &mut self.channels {
            // Turned by half, lines are upside down and mirrored; mirroring them mends that.
            if vflip {
                channel.reverse();
            }
            if hflip != vflip {
                channel.chunks_exact_mut(width).for_each(<[u8]>::reverse);
            }
        }
        self
    }

    /// Red, green, blue of every pixel, full range: what a PNG holds.
    pub fn to_rgb8(&self) -> Vec<u8> {
        let [red, green, blue] = self.clone().into_model(Model::RGB, &Adjust::default()).channels;
        let pixels = red.into_iter().zip(green).zip(blue);
        pixels.flat_map(|((red, green), blue)| [red, green, blue]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flips_mirror_lines_and_columns() {
        let [a, b] = [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]].map(|line| line.to_vec());
        let picture = Picture::from_channels(3, 2, Model::RGB, [a.clone(), b, a]).unwrap();
        for (hflip, vflip, expected) in [
            (false, false, [1, 2, 3, 4, 5, 6]),
            (true, false, [3, 2, 1, 6, 5, 4]),
            (false, true, [4, 5, 6, 1, 2, 3]),
            (true, true, [6, 5, 4, 3, 2, 1]),
        ] {
            let [channel, ..] = picture.clone().flipped(hflip, vflip).channels;
            assert_eq!(channel, expected, "hflip {hflip}, vflip {vflip}");
        }
    }

    #[test]
    fn filling_stays_inside() {
        let mut picture = Picture::filled(4, 4, Model::RGB, [0; 3]);
        picture.fill(2, 3, 100, 100, [9; 3]);
        picture.fill(7, usize::MAX, 1, 1, [8; 3]);
        assert_eq!(picture.at(3, 3), Some([9; 3]));
        assert_eq!(picture.at(1, 3), Some([0; 3]));
        assert_eq!(picture.at(4, 0), None);
    }
}
