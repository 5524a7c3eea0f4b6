//! `VIDIOC_G_INPUT`, `S_INPUT`, `G_OUTPUT`, `S_OUTPUT`. (`ENUMINPUT` and `ENUMOUTPUT` go straight
//! to the device.)

use nix::errno::Errno;

use crate::v4l2::{Context, DeviceOps};

pub(in crate::v4l2) fn g_input(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    index: &mut u32,
) -> Result<(), Errno> {
    *index = device.g_input(ctx)?;
    Ok(())
}

pub(in crate::v4l2) fn s_input(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    index: &mut u32,
) -> Result<(), Errno> {
    device.s_input(ctx, *index)
}

pub(in crate::v4l2) fn g_output(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    index: &mut u32,
) -> Result<(), Errno> {
    *index = device.g_output(ctx)?;
    Ok(())
}

pub(in crate::v4l2) fn s_output(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    index: &mut u32,
) -> Result<(), Errno> {
    device.s_output(ctx, *index)
}
