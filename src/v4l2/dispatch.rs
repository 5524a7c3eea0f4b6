//! From a command and its bytes to the device's method, and back.

use nix::errno::Errno;

use super::{Answer, Context, DeviceOps};

/// Carries out one ioctl on a node.
///
/// `arg` has exactly the size that the number says ([`ioc_size`](super::uapi::ioc_size)): what the
/// caller wrote, or zeros where the number has no write direction. `nested` is the caller's array
/// that [`nested`](super::nested()) named, or empty. Both come back as the caller is to see them;
/// after an errno they are given back only if [`table::gives_back`](super::table::gives_back).
///
/// # Errors
/// `ENOTTY` for an unknown number, a known one with another size or direction, and what a node of
/// this kind doesn't have; `EBUSY` where another file's priority forbids it; `EINVAL` for a type
/// or value that no node takes; else what the device answers.
pub fn dispatch(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    cmd: u32,
    arg: &mut [u8],
    nested: &mut Vec<u8>,
) -> Result<Answer, Errno> {
    let _ = (device, ctx, cmd, arg, nested);
    todo!()
}
