//! Colour models, and the affine map from one to another.

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
