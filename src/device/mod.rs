//! The two devices: a camera and a display.

pub mod pixels;
pub mod sink;
pub mod source;
pub mod spec;
pub mod status;
