//! dma-bufs over pages of a memory file (`/dev/udmabuf`).

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// The device.
pub const PATH: &str = "/dev/udmabuf";

/// `struct udmabuf_create` of `<linux/udmabuf.h>`.
#[repr(C)]
struct Create {
    memfd: u32,
    flags: u32,
    offset: u64,
    size: u64,
}

/// `UDMABUF_FLAGS_CLOEXEC`.
const CLOEXEC: u32 = 1;

mod raw {
    nix::ioctl_write_ptr!(udmabuf_create, b'u', 0x42, super::Create);
}

/// Opens the device.
///
/// # Errors
/// `ENOENT` where the kernel has none, `EACCES` where it is not for this user.
pub fn open() -> io::Result<File> {
    File::options().read(true).write(true).open(PATH)
}

/// A dma-buf over `len` bytes of `memfd` from `offset` on, closed on `exec`.
///
/// # Errors
/// `EINVAL` when the file lacks `F_SEAL_SHRINK` or has a write seal, when the range is not made of
/// whole pages of it, or is longer than the module's `size_limit_mb` (64 unless told).
pub fn create(device: &File, memfd: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<OwnedFd> {
    let memfd =
        u32::try_from(memfd.as_raw_fd()).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    let create = Create { memfd, flags: CLOEXEC, offset, size: len };
    // SAFETY: the kernel reads one struct udmabuf_create, which `create` is.
    let fd = unsafe { raw::udmabuf_create(device.as_raw_fd(), &raw const create) }?;
    // SAFETY: the kernel has just returned this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
