//! The kernel's structs, constants and ioctl numbers, with the kernel's spelling.
//!
//! They are those of 64-bit machines, little-endian or not. Where C leaves a hole, a field named
//! `_pad…` fills it, and where C has a union, the field is an integer or a run of bytes of its
//! size, with methods for the views. `tests/uapi_layout.rs` compares every size, offset and
//! number with the newest `<linux/videodev2.h>`. What the fields mean stands in the kernel's
//! documentation, userspace-api/media/v4l.

#![expect(missing_docs, reason = "names and meaning are the kernel's")]

mod buffer;
mod control;
mod device;
mod event;
mod format;
mod frame;
mod numbers;

pub use buffer::*;
pub use control::*;
pub use device::*;
pub use event::*;
pub use format::*;
pub use frame::*;
pub use numbers::*;

/// A struct that travels as the bytes of an ioctl's argument.
pub trait Argument:
    zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::Immutable + zerocopy::KnownLayout
{
}

impl<T> Argument for T where
    T: zerocopy::FromBytes + zerocopy::IntoBytes + zerocopy::Immutable + zerocopy::KnownLayout
{
}

/// Copies a text into a field of fixed length, cut so that a zero byte ends it.
pub fn put_text(field: &mut [u8], text: &str) {
    field.fill(0);
    let length = text.len().min(field.len().saturating_sub(1));
    if let (Some(place), Some(bytes)) = (field.get_mut(..length), text.as_bytes().get(..length)) {
        place.copy_from_slice(bytes);
    }
}
