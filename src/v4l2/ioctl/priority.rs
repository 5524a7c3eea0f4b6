//! `VIDIOC_G_PRIORITY`, `S_PRIORITY`.

use nix::errno::Errno;

use crate::v4l2::{Context, DeviceOps};

pub(in crate::v4l2) fn g_priority(
    device: &mut dyn DeviceOps,
    value: &mut u32,
) -> Result<(), Errno> {
    *value = device.priority().ok_or(Errno::ENOTTY)?.max();
    Ok(())
}

pub(in crate::v4l2) fn s_priority(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    value: &mut u32,
) -> Result<(), Errno> {
    device.priority().ok_or(Errno::ENOTTY)?.change(ctx.file, *value)
}
