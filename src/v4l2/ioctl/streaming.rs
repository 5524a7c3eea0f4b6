//! `VIDIOC_STREAMON`, `STREAMOFF`. The type is the device's to check: another owner's `EBUSY`
//! comes before a wrong type's `EINVAL`.

use nix::errno::Errno;

use crate::v4l2::{Context, DeviceOps};

pub(in crate::v4l2) fn streamon(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    buf_type: &mut u32,
) -> Result<(), Errno> {
    device.streamon(ctx, *buf_type)
}

pub(in crate::v4l2) fn streamoff(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    buf_type: &mut u32,
) -> Result<(), Errno> {
    device.streamoff(ctx, *buf_type)
}
