//! What the core does around each ioctl: one file per group.
//!
//! These functions look at what is right or wrong with an argument whatever the device, and leave
//! the rest to its method.

pub(super) mod buffers;
pub(super) mod controls;
pub(super) mod events;
pub(super) mod formats;
pub(super) mod frames;
pub(super) mod inputs;
pub(super) mod parm;
pub(super) mod priority;
pub(super) mod querycap;
pub(super) mod streaming;

use nix::errno::Errno;

use super::DeviceOps;

/// The buffer type must be the node's own. `EINVAL`.
fn check_type(device: &dyn DeviceOps, buf_type: u32) -> Result<(), Errno> {
    if buf_type == device.node().buf_type() { Ok(()) } else { Err(Errno::EINVAL) }
}
