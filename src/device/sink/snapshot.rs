//! A PNG of what a buffer shows.

use std::io;

use super::{Layout, PlaneMemory};
use crate::device::pixels::decode;

/// The picture in a buffer as a PNG file's bytes.
///
/// # Errors
/// As [`crate::device::pixels::decode`].
pub fn snapshot(layout: &Layout, planes: &[&dyn PlaneMemory]) -> io::Result<Vec<u8>> {
    let rgb = decode(layout, planes)?.to_rgb8();
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
