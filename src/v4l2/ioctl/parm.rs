//! `VIDIOC_G_PARM`, `S_PARM`.

use nix::errno::Errno;

use super::check_type;
use crate::v4l2::uapi::*;
use crate::v4l2::{Context, DeviceOps};

pub(in crate::v4l2) fn g_parm(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    parm: &mut v4l2_streamparm,
) -> Result<(), Errno> {
    check_type(device, parm.type_)?;
    device.g_parm(ctx, parm)
}

pub(in crate::v4l2) fn s_parm(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    parm: &mut v4l2_streamparm,
) -> Result<(), Errno> {
    check_type(device, parm.type_)?;
    device.s_parm(ctx, parm)
}
