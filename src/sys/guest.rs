//! What the first process of a guest does once: clock, random pool, loopback network.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// Most random bytes that [`add_entropy`] takes at once.
pub const ENTROPY_BYTES: usize = 64;

/// `struct rand_pool_info` of `<linux/random.h>` with room for [`ENTROPY_BYTES`].
#[repr(C)]
struct RandPoolInfo {
    entropy_count: libc::c_int,
    buf_size: libc::c_int,
    buf: [u8; ENTROPY_BYTES],
}

mod raw {
    /// `RNDADDENTROPY` is `_IOW('R', 0x03, int[2])`; the struct behind it is longer than the number says.
    const RNDADDENTROPY: libc::c_ulong = nix::request_code_write!(b'R', 0x03, 8);
    /// `RNDRESEEDCRNG` is `_IO('R', 0x07)`.
    const RNDRESEEDCRNG: libc::c_ulong = nix::request_code_none!(b'R', 0x07);
    nix::ioctl_write_ptr_bad!(add_entropy, RNDADDENTROPY, super::RandPoolInfo);
    nix::ioctl_none_bad!(reseed, RNDRESEEDCRNG);
    nix::ioctl_readwrite_bad!(interface_flags, libc::SIOCGIFFLAGS, libc::ifreq);
    nix::ioctl_write_ptr_bad!(set_interface_flags, libc::SIOCSIFFLAGS, libc::ifreq);
}

/// Feeds the kernel's random pool and has it used at once. At most [`ENTROPY_BYTES`] are taken.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`.
pub fn add_entropy(bytes: &[u8]) -> io::Result<()> {
    let mut info = RandPoolInfo { entropy_count: 0, buf_size: 0, buf: [0; ENTROPY_BYTES] };
    let mut taken: libc::c_int = 0;
    for (place, byte) in info.buf.iter_mut().zip(bytes) {
        *place = *byte;
        taken += 1;
    }
    info.entropy_count = taken * 8;
    info.buf_size = taken;
    let pool = File::options().write(true).open("/dev/urandom")?;
    // SAFETY: the kernel reads the header and then `buf_size` bytes, which `buf` holds.
    unsafe { raw::add_entropy(pool.as_raw_fd(), &raw const info) }?;
    // SAFETY: the call takes no argument.
    unsafe { raw::reseed(pool.as_raw_fd()) }?;
    Ok(())
}

/// Sets the network interface `lo` up.
///
/// # Errors
/// Those of the socket and of `SIOCSIFFLAGS`.
pub fn loopback_up() -> io::Result<()> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: struct ifreq is plain numbers and a union of such; all zero is a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *place = *byte as libc::c_char;
    }
    // SAFETY: the kernel reads and writes one struct ifreq, which `request` is.
    unsafe { raw::interface_flags(socket.as_raw_fd(), &raw mut request) }?;
    // SAFETY: SIOCGIFFLAGS has just filled this member of the union.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags | libc::IFF_UP as libc::c_short;
    // SAFETY: the kernel reads one struct ifreq, which `request` is.
    unsafe { raw::set_interface_flags(socket.as_raw_fd(), &raw const request) }?;
    Ok(())
}
