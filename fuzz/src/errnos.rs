//! Which errno an ioctl may have: those of its page in the kernel's documentation, and no other.

use nix::errno::Errno;
use shrbuf::v4l2::table::row;
use shrbuf::v4l2::uapi::*;

/// # Panics
/// For an errno that says nothing to a caller.
pub fn check(cmd: u32, errno: Errno) {
    let Some(row) = row(cmd) else {
        assert_eq!(errno, Errno::ENOTTY, "an unknown number {cmd:#x}");
        return;
    };
    let allowed = match errno {
        Errno::ENOTTY => true,
        Errno::EINVAL => cmd != VIDIOC_QUERYCAP && cmd != VIDIOC_LOG_STATUS,
        Errno::EBUSY if row.priority => true,
        _ => own(cmd).contains(&errno),
    };
    assert!(allowed, "{} answers {errno}", row.name);
}

/// Besides `ENOTTY`, `EINVAL`, and `EBUSY` for a lower priority.
fn own(cmd: u32) -> &'static [Errno] {
    use Errno::{
        EACCES, EAGAIN, EBADR, EBUSY, EFAULT, EIO, ENOBUFS, ENOENT, ENOMEM, ENOSPC, EPIPE, ERANGE,
    };
    match cmd {
        VIDIOC_REQBUFS => &[ENOMEM],
        VIDIOC_CREATE_BUFS => &[ENOMEM, ENOBUFS],
        VIDIOC_QBUF => &[EBADR, EBUSY, EFAULT, EIO, ENOMEM],
        VIDIOC_PREPARE_BUF => &[EBUSY, EFAULT, EIO, ENOMEM],
        VIDIOC_DQBUF => &[EAGAIN, EBUSY, EIO, EPIPE],
        VIDIOC_EXPBUF => &[EBUSY],
        VIDIOC_STREAMON => &[EIO],
        VIDIOC_G_CTRL => &[EACCES],
        VIDIOC_S_CTRL => &[EACCES, ERANGE],
        VIDIOC_G_EXT_CTRLS | VIDIOC_S_EXT_CTRLS | VIDIOC_TRY_EXT_CTRLS => {
            &[EACCES, EFAULT, ENOSPC, ERANGE]
        }
        VIDIOC_DQEVENT => &[ENOENT],
        VIDIOC_SUBSCRIBE_EVENT => &[ENOMEM],
        _ => &[],
    }
}
