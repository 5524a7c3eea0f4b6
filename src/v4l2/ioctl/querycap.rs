//! `VIDIOC_QUERYCAP`.

use nix::errno::Errno;

use crate::v4l2::uapi::*;
use crate::v4l2::{Context, DeviceOps};

pub(in crate::v4l2) fn querycap(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    cap: &mut v4l2_capability,
) -> Result<(), Errno> {
    let caps = device.node().device_caps();
    cap.device_caps = caps;
    cap.capabilities = caps | V4L2_CAP_DEVICE_CAPS;
    device.querycap(ctx, cap)
}
