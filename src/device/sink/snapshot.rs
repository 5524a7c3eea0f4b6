//! A PNG of what a buffer shows.

use std::io;

use super::{Layout, PlaneMemory};
use crate::device::pixels::{Adjust, decode, encode};
use crate::v4l2::uapi::V4L2_PIX_FMT_RGB24;

/// The picture in a buffer as a PNG file's bytes, as the display's controls make it look.
///
/// # Errors
/// As [`crate::device::pixels::decode`].
pub fn snapshot(
    layout: &Layout,
    planes: &[&dyn PlaneMemory],
    adjust: &Adjust,
) -> io::Result<Vec<u8>> {
    let picture = decode(layout, planes)?;
    let rgb = if (Adjust { test_pattern: 0, ..*adjust }) == Adjust::default() {
        picture.to_rgb8()
    } else {
        let rgb = Layout::new(V4L2_PIX_FMT_RGB24, layout.width, layout.height);
        let rgb = rgb.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let planes = encode(picture, &rgb, adjust).map_err(io::Error::other)?;
        planes.into_iter().next().unwrap_or_default()
    };
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, layout.width, layout.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    // Somebody waits for it, and a pattern is small anyhow.
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header()?.write_image_data(&rgb)?;
    Ok(file)
}
