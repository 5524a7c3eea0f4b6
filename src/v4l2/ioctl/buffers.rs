//! `VIDIOC_REQBUFS`, `CREATE_BUFS`, `REMOVE_BUFS`, `QUERYBUF`, `PREPARE_BUF`, `QBUF`, `DQBUF`.
//! (`EXPBUF` goes straight to the device, as its type is looked at last.)

use nix::errno::Errno;

use super::{check_type, formats};
use crate::v4l2::buffer::CAPABILITIES;
use crate::v4l2::dispatch::with;
use crate::v4l2::nested::{read_array, write_array};
use crate::v4l2::uapi::*;
use crate::v4l2::{Answer, Context, DeviceOps};

pub(in crate::v4l2) fn reqbufs(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    request: &mut v4l2_requestbuffers,
) -> Result<(), Errno> {
    check_type(device, request.type_)?;
    request.capabilities = CAPABILITIES;
    device.reqbufs(ctx, request)
}

pub(in crate::v4l2) fn create_bufs(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    create: &mut v4l2_create_buffers,
) -> Result<(), Errno> {
    check_type(device, create.format.type_)?;
    create.capabilities = CAPABILITIES | V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS;
    formats::sanitize(device.node(), &mut create.format);
    let result = device.create_bufs(ctx, create);
    formats::mark_extended(device.node(), &mut create.format);
    result
}

pub(in crate::v4l2) fn remove_bufs(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    remove: &mut v4l2_remove_buffers,
) -> Result<(), Errno> {
    check_type(device, remove.type_)?;
    device.remove_bufs(ctx, remove)
}

pub(in crate::v4l2) fn querybuf(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    arg: &mut [u8],
    nested: &mut [u8],
) -> Result<Answer, Errno> {
    with_planes(arg, nested, |buffer, planes| {
        check_type(device, buffer.type_)?;
        device.querybuf(ctx, buffer, planes).map(|()| Answer::Done)
    })
}

pub(in crate::v4l2) fn prepare_buf(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    arg: &mut [u8],
    nested: &mut [u8],
) -> Result<Answer, Errno> {
    with_planes(arg, nested, |buffer, planes| {
        check_type(device, buffer.type_)?;
        device.prepare_buf(ctx, buffer, planes).map(|()| Answer::Done)
    })
}

pub(in crate::v4l2) fn qbuf(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    arg: &mut [u8],
    nested: &mut [u8],
) -> Result<Answer, Errno> {
    with_planes(arg, nested, |buffer, planes| {
        check_type(device, buffer.type_)?;
        device.qbuf(ctx, buffer, planes).map(|()| Answer::Done)
    })
}

pub(in crate::v4l2) fn dqbuf(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    arg: &mut [u8],
    nested: &mut [u8],
) -> Result<Answer, Errno> {
    with_planes(arg, nested, |buffer, planes| {
        check_type(device, buffer.type_)?;
        device.dqbuf(ctx, buffer, planes)
    })
}

/// The buffer and its array of planes, empty for the single-planar API.
fn with_planes<R>(
    arg: &mut [u8],
    nested: &mut [u8],
    call: impl FnOnce(&mut v4l2_buffer, &mut [v4l2_plane]) -> Result<R, Errno>,
) -> Result<R, Errno> {
    let mut planes: Vec<v4l2_plane> = read_array(nested);
    let result = with(arg, |buffer| call(buffer, &mut planes));
    write_array(nested, &planes);
    result
}
