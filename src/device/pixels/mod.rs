//! Pictures and the bytes they have in each pixel format.
//!
//! A [`Picture`] has three full channels. [`encode`] makes a format's bytes of it, [`decode`] makes
//! a picture of a format's bytes; between two colour models, and with an [`Adjust`] on the way,
//! lies one affine map a pixel (`colour`).

mod adjust;
mod canvas;
mod colour;
mod convert;
mod layout;
mod picture;
mod scale;

pub use adjust::Adjust;
pub use canvas::{Canvas, Patch};
pub use colour::{Matrix, Model, Range};
pub use convert::{decode, encode, luma_at, planar, read};
pub use layout::{Layout, LayoutError, PlaneLayout, letters, model};
pub use picture::Picture;
pub(super) use scale::even;
pub use scale::letterbox;

#[cfg(test)]
pub(crate) use layout::tests::{FORMATS, laid_out};
#[cfg(test)]
mod tests;
