//! The ioctls of controls: the values are kept by [`Controls`]; here changes become events.

use nix::errno::Errno;

use crate::v4l2::controls::{Change, Controls};
use crate::v4l2::dispatch::with;
use crate::v4l2::nested::{read_array, write_array};
use crate::v4l2::uapi::*;
use crate::v4l2::{Answer, Context, DeviceOps};

pub(in crate::v4l2) fn queryctrl(
    device: &mut dyn DeviceOps,
    query: &mut v4l2_queryctrl,
) -> Result<(), Errno> {
    controls(device)?.queryctrl(query)
}

pub(in crate::v4l2) fn query_ext_ctrl(
    device: &mut dyn DeviceOps,
    query: &mut v4l2_query_ext_ctrl,
) -> Result<(), Errno> {
    controls(device)?.query_ext_ctrl(query)
}

pub(in crate::v4l2) fn querymenu(
    device: &mut dyn DeviceOps,
    menu: &mut v4l2_querymenu,
) -> Result<(), Errno> {
    controls(device)?.querymenu(menu)
}

pub(in crate::v4l2) fn g_ctrl(
    device: &mut dyn DeviceOps,
    control: &mut v4l2_control,
) -> Result<(), Errno> {
    controls(device)?.g_ctrl(control)
}

pub(in crate::v4l2) fn s_ctrl(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    control: &mut v4l2_control,
) -> Result<(), Errno> {
    let change = controls(device)?.s_ctrl(control)?;
    announce(device, ctx, change);
    Ok(())
}

pub(in crate::v4l2) fn g_ext_ctrls(
    device: &mut dyn DeviceOps,
    arg: &mut [u8],
    nested: &mut [u8],
) -> Result<Answer, Errno> {
    with_array(arg, nested, |head, array| controls(device)?.g_ext_ctrls(head, array))
}

pub(in crate::v4l2) fn s_ext_ctrls(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    arg: &mut [u8],
    nested: &mut [u8],
) -> Result<Answer, Errno> {
    with_array(arg, nested, |head, array| {
        let changes = controls(device)?.s_ext_ctrls(head, array)?;
        announce(device, ctx, changes);
        Ok(())
    })
}

pub(in crate::v4l2) fn try_ext_ctrls(
    device: &mut dyn DeviceOps,
    arg: &mut [u8],
    nested: &mut [u8],
) -> Result<Answer, Errno> {
    with_array(arg, nested, |head, array| controls(device)?.try_ext_ctrls(head, array))
}

fn controls(device: &mut dyn DeviceOps) -> Result<&mut Controls, Errno> {
    device.controls().ok_or(Errno::ENOTTY)
}

/// Tells the subscribers, then the device.
fn announce(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    changes: impl IntoIterator<Item = Change>,
) {
    for change in changes {
        if let Some(events) = device.events() {
            events.control_changed(Some(ctx.file), &change, ctx.now_ns);
        }
        device.control_changed(change.id, change.value);
    }
}

fn with_array(
    arg: &mut [u8],
    nested: &mut [u8],
    call: impl FnOnce(&mut v4l2_ext_controls, &mut [v4l2_ext_control]) -> Result<(), Errno>,
) -> Result<Answer, Errno> {
    let mut array: Vec<v4l2_ext_control> = read_array(nested);
    let result = with(arg, |head: &mut v4l2_ext_controls| {
        head.error_idx = head.count;
        head.reserved = [0];
        array.iter_mut().for_each(|control| control.reserved2 = [0]);
        call(head, &mut array)
    });
    write_array(nested, &array);
    result.map(|()| Answer::Done)
}
