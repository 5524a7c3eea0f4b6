//! The descriptor on which a call is made. Runs in the helper.

use std::time::Instant;

use nix::errno::Errno;

use super::FileOn;
use super::site;
use super::wire::Request;
use crate::sys::procfs::{self, Syscall};

/// Its number, if it is open on the character device `device`. Where the kernel doesn't tell the
/// `call`, it is that of the thread's descriptors which is.
///
/// # Errors
/// `EBADF` when it is on something else (another thread replaced or closed it meanwhile); `ENODATA`
/// where the kernel doesn't tell and there are several.
pub(super) fn descriptor(tid: u32, call: Option<&Syscall>, device: u64) -> Result<i32, Errno> {
    if let Some(Syscall { arguments: [fd, ..], .. }) = call {
        // The kernel takes the lower half of the register.
        let fd = i32::try_from(fd & 0xffff_ffff).map_err(|_| Errno::EBADF)?;
        return is_on(tid, fd, device).map(|()| fd);
    }
    match procfs::descriptors_on(tid, device)?.as_slice() {
        [] => Err(Errno::EBADF),
        [one] => Ok(*one),
        _ => Err(Errno::ENODATA),
    }
}

fn is_on(tid: u32, fd: i32, device: u64) -> Result<(), Errno> {
    let is = procfs::character_device(tid, fd)? == Some(device);
    if is { Ok(()) } else { Err(Errno::EBADF) }
}

/// What is open under `fd`, if that is `device`.
///
/// # Errors
/// `EBADF` when it is something else.
pub(super) fn file(tid: u32, fd: i32, device: u64) -> Result<FileOn, Errno> {
    // First, since only of a known kind of file can more be asked without waiting.
    is_on(tid, fd, device)?;
    Ok(FileOn::new(fd, procfs::descriptor(tid, fd)?.flags))
}

/// [`super::wire::Operation::FileOn`].
pub(super) fn file_on(request: &Request, deadline: Instant) -> Result<FileOn, Errno> {
    let call = site::check(request, deadline)?.call;
    let fd = descriptor(request.tid, call.as_ref(), request.address)?;
    file(request.tid, fd, request.address)
}
