//! From a command and its bytes to the device's method, and back.

use nix::errno::Errno;

use super::table::{self, Part, Row};
use super::uapi::*;
use super::{Answer, Context, DeviceOps, ioctl};

/// Carries out one ioctl on a node.
///
/// `arg` has exactly the size that the number says ([`ioc_size`]): what the caller wrote, or zeros
/// where the number has no write direction. `nested` is the caller's array that
/// [`nested`](super::nested()) named, or empty. Both come back as the caller is to see them; after
/// an errno they are given back only if [`table::gives_back`].
///
/// # Errors
/// `ENOTTY` for an unknown number, a known one with another size or direction, and what a node of
/// this kind doesn't have; `EBUSY` where another file's priority forbids it; `EINVAL` for a type
/// or value that no node takes; else what the device answers.
pub fn dispatch(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    cmd: u32,
    arg: &mut [u8],
    nested: &mut [u8],
) -> Result<Answer, Errno> {
    let row = table::row(cmd).ok_or(Errno::ENOTTY)?;
    admit(device, ctx, row, arg)?;
    if let Some(rest) = arg.get_mut(row.keep..) {
        rest.fill(0);
    }
    route(device, ctx, cmd, arg, nested)
}

/// What is asked before the argument is looked at, in the kernel's order.
fn admit(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    row: &Row,
    arg: &[u8],
) -> Result<(), Errno> {
    let has_part = match row.part {
        Part::Any => true,
        Part::Controls => device.controls().is_some(),
        Part::Events => device.events().is_some(),
        Part::Priority => device.priority().is_some(),
    };
    if !has_part || !row.is_on(device.node()) || arg.len() != ioc_size(row.cmd) {
        return Err(Errno::ENOTTY);
    }
    match device.priority() {
        Some(priority) if row.priority => priority.check(ctx.file),
        _ => Ok(()),
    }
}

/// One line per ioctl.
fn route(
    dev: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    cmd: u32,
    arg: &mut [u8],
    nested: &mut [u8],
) -> Result<Answer, Errno> {
    use ioctl::{buffers, controls, events, formats, frames, inputs, parm, priority, streaming};
    match cmd {
        VIDIOC_QUERYCAP => done(arg, |cap| ioctl::querycap::querycap(dev, ctx, cap)),
        VIDIOC_ENUM_FMT => done(arg, |fmt| formats::enum_fmt(dev, ctx, fmt)),
        VIDIOC_G_FMT => done(arg, |format| formats::g_fmt(dev, ctx, format)),
        VIDIOC_S_FMT => done(arg, |format| formats::s_fmt(dev, ctx, format)),
        VIDIOC_TRY_FMT => done(arg, |format| formats::try_fmt(dev, ctx, format)),
        VIDIOC_REQBUFS => done(arg, |request| buffers::reqbufs(dev, ctx, request)),
        VIDIOC_CREATE_BUFS => done(arg, |create| buffers::create_bufs(dev, ctx, create)),
        VIDIOC_REMOVE_BUFS => done(arg, |remove| buffers::remove_bufs(dev, ctx, remove)),
        VIDIOC_QUERYBUF => buffers::querybuf(dev, ctx, arg, nested),
        VIDIOC_PREPARE_BUF => buffers::prepare_buf(dev, ctx, arg, nested),
        VIDIOC_QBUF => buffers::qbuf(dev, ctx, arg, nested),
        VIDIOC_DQBUF => buffers::dqbuf(dev, ctx, arg, nested),
        VIDIOC_EXPBUF => with(arg, |export| dev.expbuf(ctx, export)),
        VIDIOC_STREAMON => done(arg, |kind| streaming::streamon(dev, ctx, kind)),
        VIDIOC_STREAMOFF => done(arg, |kind| streaming::streamoff(dev, ctx, kind)),
        VIDIOC_G_PARM => done(arg, |parm| parm::g_parm(dev, ctx, parm)),
        VIDIOC_S_PARM => done(arg, |parm| parm::s_parm(dev, ctx, parm)),
        VIDIOC_ENUMINPUT => done(arg, |input| dev.enum_input(ctx, input)),
        VIDIOC_G_INPUT => done(arg, |index| inputs::g_input(dev, ctx, index)),
        VIDIOC_S_INPUT => done(arg, |index| inputs::s_input(dev, ctx, index)),
        VIDIOC_ENUMOUTPUT => done(arg, |output| dev.enum_output(ctx, output)),
        VIDIOC_G_OUTPUT => done(arg, |index| inputs::g_output(dev, ctx, index)),
        VIDIOC_S_OUTPUT => done(arg, |index| inputs::s_output(dev, ctx, index)),
        VIDIOC_ENUM_FRAMESIZES => done(arg, |size| frames::enum_framesizes(dev, ctx, size)),
        VIDIOC_ENUM_FRAMEINTERVALS => done(arg, |i| frames::enum_frameintervals(dev, ctx, i)),
        VIDIOC_QUERYCTRL => done(arg, |query| controls::queryctrl(dev, query)),
        VIDIOC_QUERY_EXT_CTRL => done(arg, |query| controls::query_ext_ctrl(dev, query)),
        VIDIOC_QUERYMENU => done(arg, |menu| controls::querymenu(dev, menu)),
        VIDIOC_G_CTRL => done(arg, |control| controls::g_ctrl(dev, control)),
        VIDIOC_S_CTRL => done(arg, |control| controls::s_ctrl(dev, ctx, control)),
        VIDIOC_G_EXT_CTRLS => controls::g_ext_ctrls(dev, arg, nested),
        VIDIOC_S_EXT_CTRLS => controls::s_ext_ctrls(dev, ctx, arg, nested),
        VIDIOC_TRY_EXT_CTRLS => controls::try_ext_ctrls(dev, arg, nested),
        VIDIOC_DQEVENT => with(arg, |event| events::dqevent(dev, ctx, event)),
        VIDIOC_SUBSCRIBE_EVENT => done(arg, |sub| events::subscribe_event(dev, ctx, sub)),
        VIDIOC_UNSUBSCRIBE_EVENT => done(arg, |sub| events::unsubscribe_event(dev, ctx, sub)),
        VIDIOC_G_PRIORITY => done(arg, |value| priority::g_priority(dev, value)),
        VIDIOC_S_PRIORITY => done(arg, |value| priority::s_priority(dev, ctx, value)),
        VIDIOC_LOG_STATUS => dev.log_status(ctx).map(|()| Answer::Done),
        _ => Err(Errno::ENOTTY),
    }
}

/// Reads the argument, calls, and writes it back, errno or not.
pub(super) fn with<T: Argument, R>(
    arg: &mut [u8],
    call: impl FnOnce(&mut T) -> Result<R, Errno>,
) -> Result<R, Errno> {
    let mut value = T::read_from_bytes(arg).map_err(|_| Errno::ENOTTY)?;
    let result = call(&mut value);
    write(arg, &value);
    result
}

/// Writes a struct into an argument of its size; bytes of another length are left alone.
pub(super) fn write<T: Argument>(arg: &mut [u8], value: &T) {
    if arg.len() == size_of::<T>() {
        arg.copy_from_slice(value.as_bytes());
    }
}

fn done<T: Argument>(
    arg: &mut [u8],
    call: impl FnOnce(&mut T) -> Result<(), Errno>,
) -> Result<Answer, Errno> {
    with(arg, call).map(|()| Answer::Done)
}

#[cfg(test)]
mod tests;
