//! Colour models, and the affine map from one to another.

use super::{Adjust, Picture};

/// What the three channels of a picture mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Red, green, blue.
    Rgb(Range),
    /// Luma, blue difference, red difference.
    YCbCr(Matrix, Range),
}

/// `enum v4l2_ycbcr_encoding`, as far as it is one matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrix {
    /// Rec. ITU-R BT.601.
    Bt601,
    /// Rec. ITU-R BT.709.
    Bt709,
    /// Rec. ITU-R BT.2020, non-constant luminance.
    Bt2020,
    /// SMPTE 240M.
    Smpte240m,
}

/// `enum v4l2_quantization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// 0 to 255.
    Full,
    /// 16 to 235, differences 16 to 240.
    Limited,
}

impl Model {
    /// What a PNG holds.
    pub const RGB: Self = Self::Rgb(Range::Full);

    /// Black in this model.
    pub fn black(self) -> [u8; 3] {
        Self::RGB.convert([0; 3], self)
    }

    /// A colour of this model in another.
    pub fn convert(self, colour: [u8; 3], to: Self) -> [u8; 3] {
        Affine::between(self, to, &Adjust::default()).apply(colour)
    }

    /// The map from bytes to the values of [`Affine`]'s common ground: Y' from 0 to 1 and Cb, Cr
    /// from -0.5 to 0.5 with the model's own matrix, or R', G', B' from 0 to 1.
    fn to_unit(self) -> Affine {
        let (range, difference) = match self {
            Self::Rgb(range) => (range, false),
            Self::YCbCr(_, range) => (range, true),
        };
        let (low, high) = if range == Range::Limited { (16.0, 235.0) } else { (0.0, 255.0) };
        let span = high - low;
        if difference {
            // The differences have 224 steps, and 128 for none, whatever luma begins with.
            let steps = if range == Range::Limited { 224.0 } else { 255.0 };
            Affine::diagonal(
                [1.0 / span, 1.0 / steps, 1.0 / steps],
                [-low / span, -128.0 / steps, -128.0 / steps],
            )
        } else {
            Affine::diagonal([1.0 / span; 3], [-low / span; 3])
        }
    }

    fn matrix(self) -> Option<Matrix> {
        match self {
            Self::Rgb(_) => None,
            Self::YCbCr(matrix, _) => Some(matrix),
        }
    }
}

impl Matrix {
    /// The shares of red and blue in luma.
    fn shares(self) -> (f64, f64) {
        match self {
            Self::Bt601 => (0.299, 0.114),
            Self::Bt709 => (0.2126, 0.0722),
            Self::Bt2020 => (0.2627, 0.0593),
            Self::Smpte240m => (0.212, 0.087),
        }
    }

    /// Y'CbCr of R'G'B', all in units.
    fn of_rgb(self) -> Affine {
        let (red, blue) = self.shares();
        let green = 1.0 - red - blue;
        let (to_blue, to_red) = (2.0 * (1.0 - blue), 2.0 * (1.0 - red));
        Affine {
            factors: [
                [red, green, blue],
                [-red / to_blue, -green / to_blue, 0.5],
                [0.5, -green / to_red, -blue / to_red],
            ],
            offsets: [0.0; 3],
        }
    }

    /// R'G'B' of Y'CbCr, all in units.
    fn to_rgb(self) -> Affine {
        let (red, blue) = self.shares();
        let green = 1.0 - red - blue;
        let (of_blue, of_red) = (2.0 * (1.0 - blue), 2.0 * (1.0 - red));
        Affine {
            factors: [
                [1.0, 0.0, of_red],
                [1.0, -of_blue * blue / green, -of_red * red / green],
                [1.0, of_blue, 0.0],
            ],
            offsets: [0.0; 3],
        }
    }
}

/// `factors * channels + offsets`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Affine {
    factors: [[f64; 3]; 3],
    offsets: [f64; 3],
}

impl Affine {
    pub(super) fn diagonal(factors: [f64; 3], offsets: [f64; 3]) -> Self {
        let [a, b, c] = factors;
        Self { factors: [[a, 0.0, 0.0], [0.0, b, 0.0], [0.0, 0.0, c]], offsets }
    }

    pub(super) fn new(factors: [[f64; 3]; 3], offsets: [f64; 3]) -> Self {
        Self { factors, offsets }
    }

    /// From the bytes of one model to those of another, with the controls applied on the way.
    pub(super) fn between(from: Model, to: Model, adjust: &Adjust) -> Self {
        // The controls work on luma and differences: of the target's matrix, where it has one.
        let matrix = to.matrix().or(from.matrix()).unwrap_or(Matrix::Bt601);
        let mut map = from.to_unit();
        if from.matrix() != Some(matrix) {
            map = from.matrix().map_or(map, |other| map.then(&other.to_rgb()));
            map = map.then(&matrix.of_rgb());
        }
        map = map.then(&adjust.map());
        if to.matrix().is_none() {
            map = map.then(&matrix.to_rgb());
        }
        map.then(&to.to_unit().inverse_of_diagonal())
    }

    /// This map and then `next`.
    fn then(&self, next: &Self) -> Self {
        let row = |[a, b, c]: [f64; 3]| {
            let [first, second, third] = self.factors;
            let mix = |x: f64, y: f64, z: f64| a * x + b * y + c * z;
            [
                mix(first[0], second[0], third[0]),
                mix(first[1], second[1], third[1]),
                mix(first[2], second[2], third[2]),
            ]
        };
        let offset = |[a, b, c]: [f64; 3], own: f64| {
            let [x, y, z] = self.offsets;
            a * x + b * y + c * z + own
        };
        let ([first, second, third], [x, y, z]) = (next.factors, next.offsets);
        Self {
            factors: [row(first), row(second), row(third)],
            offsets: [offset(first, x), offset(second, y), offset(third, z)],
        }
    }

    fn inverse_of_diagonal(&self) -> Self {
        let [[a, ..], [_, b, _], [.., c]] = self.factors;
        let [x, y, z] = self.offsets;
        Self::diagonal([1.0 / a, 1.0 / b, 1.0 / c], [-x / a, -y / b, -z / c])
    }

    /// The map of one colour.
    pub(super) fn apply(&self, colour: [u8; 3]) -> [u8; 3] {
        Fixed::of(self).apply(colour)
    }

    fn is_identity(&self) -> bool {
        let same = Self::diagonal([1.0; 3], [0.0; 3]);
        let mine = self.factors.iter().flatten().chain(&self.offsets);
        let other = same.factors.iter().flatten().chain(&same.offsets);
        mine.zip(other).all(|(a, b)| (a - b).abs() < 1e-6)
    }
}

/// An [`Affine`] in whole numbers, for many pixels.
struct Fixed {
    factors: [[i32; 3]; 3],
    offsets: [i32; 3],
}

/// Bits behind the point. Factors stay below 8 (contrast and saturation doubled, times the steepest
/// matrix), so a sum of three with their offset stays below 2^31; the rounding error of three
/// factors times 255 stays below a twentieth of a step.
const POINT: u32 = 14;

impl Fixed {
    fn of(map: &Affine) -> Self {
        let scale = f64::from(1 << POINT);
        let half = 0.5;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "float to int saturates, and see POINT"
        )]
        let fix = |value: f64| (value * scale).round() as i32;
        Self {
            factors: map.factors.map(|row| row.map(fix)),
            offsets: map.offsets.map(|offset| fix(offset + half)),
        }
    }

    fn apply(&self, [a, b, c]: [u8; 3]) -> [u8; 3] {
        let (a, b, c) = (i32::from(a), i32::from(b), i32::from(c));
        let ([first, second, third], [x, y, z]) = (self.factors, self.offsets);
        let mix = |[p, q, r]: [i32; 3], own: i32| byte((p * a + q * b + r * c + own) >> POINT);
        [mix(first, x), mix(second, y), mix(third, z)]
    }
}

fn byte(value: i32) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or_default()
}

impl Picture {
    /// The picture in another model, with the colour controls applied (the flips are not).
    #[must_use]
    pub fn into_model(mut self, model: Model, adjust: &Adjust) -> Self {
        let map = Affine::between(self.model, model, adjust);
        if !map.is_identity() {
            let fixed = Fixed::of(&map);
            let [first, second, third] = &mut self.channels;
            for ((a, b), c) in first.iter_mut().zip(second).zip(third) {
                [*a, *b, *c] = fixed.apply([*a, *b, *c]);
            }
        }
        self.model = model;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: [u8; 3] = [255; 3];
    const RED: [u8; 3] = [255, 0, 0];
    const BLUE: [u8; 3] = [0, 0, 255];

    fn in_model(model: Model, colour: [u8; 3]) -> [u8; 3] {
        Affine::between(Model::RGB, model, &Adjust::default()).apply(colour)
    }

    /// The corners of the cube as the recommendations give them.
    #[test]
    fn primaries_have_the_recommendations_values() {
        use Matrix::{Bt601, Bt709};
        use Range::{Full, Limited};
        for (matrix, range, colour, expected) in [
            (Bt601, Limited, WHITE, [235, 128, 128]),
            (Bt601, Limited, [0; 3], [16, 128, 128]),
            (Bt601, Limited, RED, [81, 90, 240]),
            (Bt601, Limited, BLUE, [41, 240, 110]),
            (Bt709, Limited, RED, [63, 102, 240]),
            (Bt709, Limited, BLUE, [32, 240, 118]),
            (Bt601, Full, RED, [76, 85, 255]),
            (Bt601, Full, WHITE, [255, 128, 128]),
        ] {
            let model = Model::YCbCr(matrix, range);
            assert_eq!(in_model(model, colour), expected, "{model:?} of {colour:?}");
        }
    }

    #[test]
    fn there_and_back_is_within_the_rounding() {
        for matrix in [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020, Matrix::Smpte240m] {
            for range in [Range::Full, Range::Limited] {
                let model = Model::YCbCr(matrix, range);
                let back = Affine::between(model, Model::RGB, &Adjust::default());
                for colour in [WHITE, RED, BLUE, [0, 255, 0], [12, 200, 99], [128; 3]] {
                    let again = back.apply(in_model(model, colour));
                    for (a, b) in colour.into_iter().zip(again) {
                        assert!(a.abs_diff(b) <= 3, "{model:?}: {colour:?} became {again:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_same_model_is_the_same_picture() {
        for model in [Model::RGB, Model::YCbCr(Matrix::Bt709, Range::Limited)] {
            assert!(Affine::between(model, model, &Adjust::default()).is_identity());
        }
    }
}
