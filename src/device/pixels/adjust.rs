//! The picture controls that truly act on the picture.

/// The values of the user controls, with the kernel's ids, ranges and neutral defaults of vivid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjust {
    /// `V4L2_CID_BRIGHTNESS`, 0 to 255, neutral 128.
    pub brightness: i32,
    /// `V4L2_CID_CONTRAST`, 0 to 255, neutral 128.
    pub contrast: i32,
    /// `V4L2_CID_SATURATION`, 0 to 255, neutral 128.
    pub saturation: i32,
    /// `V4L2_CID_HUE`, -128 to 128 (half a turn each way), neutral 0.
    pub hue: i32,
    /// `V4L2_CID_HFLIP`.
    pub hflip: bool,
    /// `V4L2_CID_VFLIP`.
    pub vflip: bool,
    /// `V4L2_CID_TEST_PATTERN`: a place in [`crate::device::source::PATTERNS`]. Sources that are no
    /// pattern don't look at it.
    pub test_pattern: u32,
}

impl Default for Adjust {
    fn default() -> Self {
        Self {
            brightness: 128,
            contrast: 128,
            saturation: 128,
            hue: 0,
            hflip: false,
            vflip: false,
            test_pattern: 0,
        }
    }
}
