//! The calls that nix doesn't offer: the only unsafe code of this crate.

#![expect(unsafe_code, reason = "ioctls of the device go by number and address")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::abi;

mod ioctl {
    use crate::abi;
    nix::ioctl_write_ptr_bad!(backing_open, abi::FUSE_DEV_IOC_BACKING_OPEN, abi::fuse_backing_map);
    nix::ioctl_write_ptr_bad!(backing_close, abi::FUSE_DEV_IOC_BACKING_CLOSE, u32);
}

/// `FUSE_DEV_IOC_BACKING_OPEN`: registers `file` with the connection of `device`, and returns its id.
///
/// # Errors
/// As in [`Channel::backing_open`](super::Channel::backing_open).
pub(super) fn backing_open(device: BorrowedFd<'_>, file: BorrowedFd<'_>) -> io::Result<i32> {
    let map = abi::fuse_backing_map { fd: file.as_raw_fd(), flags: 0, padding: 0 };
    // SAFETY:
    // - `map` is the structure that this command reads, and lives across the call
    // - both descriptors are open, as they are borrowed
    let id = unsafe { ioctl::backing_open(device.as_raw_fd(), &raw const map) }?;
    Ok(id)
}

/// `FUSE_DEV_IOC_BACKING_CLOSE`: takes an id back.
///
/// # Errors
/// As in [`Channel::backing_close`](super::Channel::backing_close).
pub(super) fn backing_close(device: BorrowedFd<'_>, id: i32) -> io::Result<()> {
    let id = id.cast_unsigned();
    // SAFETY:
    // - `id` is the number that this command reads, and lives across the call
    // - the descriptor is open, as it is borrowed
    unsafe { ioctl::backing_close(device.as_raw_fd(), &raw const id) }?;
    Ok(())
}
