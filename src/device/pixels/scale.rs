//! A picture of one size in a frame of another.

use super::Picture;

/// The picture as large as it fits `width` x `height` without distortion, centred on black.
pub fn letterbox(picture: &Picture, width: usize, height: usize) -> Picture {
    todo!()
}
