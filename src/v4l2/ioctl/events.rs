//! `VIDIOC_SUBSCRIBE_EVENT`, `UNSUBSCRIBE_EVENT`, `DQEVENT`.

use nix::errno::Errno;

use crate::v4l2::uapi::*;
use crate::v4l2::{Answer, Context, DeviceOps};

pub(in crate::v4l2) fn subscribe_event(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    sub: &mut v4l2_event_subscription,
) -> Result<(), Errno> {
    let initial = match sub.type_ {
        V4L2_EVENT_ALL => return Err(Errno::EINVAL),
        V4L2_EVENT_CTRL => device.controls().ok_or(Errno::EINVAL)?.initial_event(sub.id)?,
        other if device.can_subscribe(other, sub.id) => None,
        _ => return Err(Errno::EINVAL),
    };
    let events = device.events().ok_or(Errno::ENOTTY)?;
    events.subscribe(ctx.file, sub, initial, ctx.now_ns)
}

pub(in crate::v4l2) fn unsubscribe_event(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    sub: &mut v4l2_event_subscription,
) -> Result<(), Errno> {
    device.events().ok_or(Errno::ENOTTY)?.unsubscribe(ctx.file, sub.type_, sub.id);
    Ok(())
}

pub(in crate::v4l2) fn dqevent(
    device: &mut dyn DeviceOps,
    ctx: &Context<'_>,
    event: &mut v4l2_event,
) -> Result<Answer, Errno> {
    let events = device.events().ok_or(Errno::ENOTTY)?;
    if let Some(pending) = events.dequeue(ctx.file) {
        *event = pending;
        return Ok(Answer::Done);
    }
    if !ctx.may_park {
        return Err(Errno::ENOENT);
    }
    events.park(ctx.file, ctx.ticket);
    Ok(Answer::Park)
}
