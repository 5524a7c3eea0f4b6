//! The two devices: a camera and a display.
//!
//! A [`Device`] is a queue, formats, controls and events behind one lock, and never waits. Its
//! pacing thread (in [`crate::transport`]) asks it for a [`Job`] when a frame is due. Where frames
//! come from and go to is behind [`source::FrameSource`] and [`sink::FrameSink`].

mod build;
pub mod clock;
mod driver;
mod effect;
mod frame;
mod io;
mod node;
mod ops;
pub mod pace;
pub mod pixels;
mod place;
pub mod sink;
pub mod source;
pub mod spec;
pub mod status;
#[cfg(test)]
mod tests;
mod view;

pub use effect::{CopyOut, Effect, Outcome};
pub use frame::{Job, Step};
pub use io::{Io, Piece};
pub use node::{Counts, DISPLAY_PATTERNS, Device, Frames, Parts};
pub use place::Place;
pub use view::{Picture, SlotView};
