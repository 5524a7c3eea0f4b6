//! The picture controls that truly act on the picture.

use std::f64::consts::PI;

use super::colour::Affine;

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

impl Adjust {
    /// The controls of colour as a map of Y'CbCr in units: brightness and contrast about black as
    /// vivid has them, hue a turn of the differences, saturation their length.
    pub(super) fn map(&self) -> Affine {
        let about = |value: i32| f64::from(value.clamp(0, 255)) / 128.0;
        let turn = f64::from(self.hue.clamp(-128, 128)) / 128.0 * PI;
        let (sin, cos) = turn.sin_cos();
        let saturation = about(self.saturation);
        Affine::new(
            [
                [about(self.contrast), 0.0, 0.0],
                [0.0, saturation * cos, -saturation * sin],
                [0.0, saturation * sin, saturation * cos],
            ],
            [f64::from(self.brightness.clamp(0, 255) - 128) / 255.0, 0.0, 0.0],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Model, Picture};
    use super::*;

    fn changed(adjust: Adjust) -> [u8; 3] {
        let picture = Picture::filled(1, 1, Model::RGB, [200, 100, 50]);
        picture.into_model(Model::RGB, &adjust).at(0, 0).unwrap()
    }

    #[test]
    fn each_control_acts_on_the_picture() {
        let neutral = Adjust::default();
        assert_eq!(changed(neutral), [200, 100, 50]);
        assert_eq!(changed(Adjust { brightness: 138, ..neutral }), [210, 110, 60]);
        assert_eq!(changed(Adjust { contrast: 64, saturation: 64, ..neutral }), [100, 50, 25]);
        let grey = changed(Adjust { saturation: 0, ..neutral });
        assert!(grey.iter().all(|value| value.abs_diff(124) <= 1), "{grey:?}");
        let opposite = changed(Adjust { hue: 128, ..neutral });
        assert_eq!(opposite, changed(Adjust { hue: -128, ..neutral }));
        assert!(opposite[2] > opposite[0], "half a turn makes orange blue: {opposite:?}");
    }

    /// A control's value comes from a client.
    #[test]
    fn values_out_of_range_are_clamped() {
        let wild = Adjust { brightness: i32::MAX, contrast: i32::MIN, ..Adjust::default() };
        let most = Adjust { brightness: 255, contrast: 0, ..Adjust::default() };
        assert_eq!(changed(wild), changed(most));
        changed(Adjust { hue: i32::MIN, saturation: i32::MAX, ..Adjust::default() });
    }
}
