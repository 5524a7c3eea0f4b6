//! `VIDIOC_ENUM_FRAMESIZES`, `ENUM_FRAMEINTERVALS`.

use nix::errno::Errno;

use crate::v4l2::uapi::*;
use crate::v4l2::{Context, DeviceOps};

pub(in crate::v4l2) fn enum_framesizes(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    size: &mut v4l2_frmsizeenum,
) -> Result<(), Errno> {
    device.enum_framesizes(ctx, size)
}

pub(in crate::v4l2) fn enum_frameintervals(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    interval: &mut v4l2_frmivalenum,
) -> Result<(), Errno> {
    device.enum_frameintervals(ctx, interval)
}
