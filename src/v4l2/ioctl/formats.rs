//! `VIDIOC_ENUM_FMT`, `G_FMT`, `S_FMT`, `TRY_FMT`.

use nix::errno::Errno;

use super::check_type;
use crate::v4l2::uapi::*;
use crate::v4l2::{Context, DeviceOps, Node, formats};

pub(in crate::v4l2) fn enum_fmt(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    fmt: &mut v4l2_fmtdesc,
) -> Result<(), Errno> {
    check_type(device, fmt.type_)?;
    device.enum_fmt(ctx, fmt)?;
    if let Some(format) = formats::find(fmt.pixelformat) {
        put_text(&mut fmt.description, format.description);
    }
    Ok(())
}

pub(in crate::v4l2) fn g_fmt(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    format: &mut v4l2_format,
) -> Result<(), Errno> {
    check_type(device, format.type_)?;
    let result = device.g_fmt(ctx, format);
    mark_extended(device.node(), format);
    result
}

pub(in crate::v4l2) fn s_fmt(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    format: &mut v4l2_format,
) -> Result<(), Errno> {
    check_type(device, format.type_)?;
    sanitize(device.node(), format);
    let result = device.s_fmt(ctx, format);
    mark_extended(device.node(), format);
    result
}

pub(in crate::v4l2) fn try_fmt(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    format: &mut v4l2_format,
) -> Result<(), Errno> {
    check_type(device, format.type_)?;
    sanitize(device.node(), format);
    let result = device.try_fmt(ctx, format);
    mark_extended(device.node(), format);
    result
}

/// Takes out what is not the caller's word: the fields behind `priv` where the caller doesn't
/// know them, more planes than there can be, and all that is reserved.
pub(in crate::v4l2) fn sanitize(node: Node, format: &mut v4l2_format) {
    if node.mplane {
        let mut pix = format.pix_mp();
        pix.num_planes = pix.num_planes.min(VIDEO_MAX_PLANES as u8);
        pix.reserved = [0; 7];
        for plane in &mut pix.plane_fmt {
            plane.reserved = [0; 6];
        }
        format.set_pix_mp(&pix);
    } else {
        let mut pix = format.pix();
        if pix.priv_ != V4L2_PIX_FMT_PRIV_MAGIC {
            pix.priv_ = V4L2_PIX_FMT_PRIV_MAGIC;
            pix.flags = 0;
            pix.ycbcr_enc = 0;
            pix.quantization = 0;
            pix.xfer_func = 0;
        }
        format.set_pix(&pix);
    }
}

/// Says that the fields behind `priv` are valid.
pub(in crate::v4l2) fn mark_extended(node: Node, format: &mut v4l2_format) {
    if !node.mplane {
        let mut pix = format.pix();
        pix.priv_ = V4L2_PIX_FMT_PRIV_MAGIC;
        format.set_pix(&pix);
    }
}
