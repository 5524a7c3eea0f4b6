//! Size of a terminal.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

mod raw {
    nix::ioctl_read_bad!(tiocgwinsz, libc::TIOCGWINSZ, libc::winsize);
    nix::ioctl_write_ptr_bad!(tiocswinsz, libc::TIOCSWINSZ, libc::winsize);
}

/// Rows and columns, in characters.
///
/// # Errors
/// `ENOTTY` when `terminal` is none.
pub fn size(terminal: impl AsFd) -> io::Result<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel writes one struct winsize, which `size` is.
    unsafe { raw::tiocgwinsz(terminal.as_fd().as_raw_fd(), &raw mut size) }?;
    Ok((size.ws_row, size.ws_col))
}

/// Sets rows and columns; the kernel tells the foreground process group with SIGWINCH.
///
/// # Errors
/// `ENOTTY` when `terminal` is none.
pub fn set_size(terminal: impl AsFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel reads one struct winsize, which `size` is.
    unsafe { raw::tiocswinsz(terminal.as_fd().as_raw_fd(), &raw const size) }?;
    Ok(())
}
