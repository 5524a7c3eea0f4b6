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
pub use convert::{decode, encode, luma_at};
pub use layout::{FORMATS, Layout, LayoutError, PlaneLayout, fourcc};
pub use picture::Picture;
pub use scale::letterbox;
