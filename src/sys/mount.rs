//! Mount trees as descriptors: `open_tree(2)`, `move_mount(2)`, `mount_setattr(2)` (Linux 5.12), and
//! `fsopen(2)`, `fsconfig(2)`, `fsmount(2)` (Linux 5.2).

use std::ffi::CStr;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// A detached copy of the mounts at and below the open folder or file `at`.
///
/// # Errors
/// Those of `open_tree(2)`: `EPERM` without `CAP_SYS_ADMIN` in the mount namespace.
pub fn clone_tree(at: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE
        | libc::OPEN_TREE_CLOEXEC
        | (libc::AT_RECURSIVE | libc::AT_EMPTY_PATH) as libc::c_uint;
    // SAFETY:
    // - the path is a constant that ends in NUL
    // - the kernel reads nothing else and returns a new descriptor or -1
    let fd = unsafe { libc::syscall(libc::SYS_open_tree, at.as_raw_fd(), c"".as_ptr(), flags) };
    owned(fd)
}

/// Puts the detached `tree` on top of the open folder or file `onto`.
///
/// # Errors
/// Those of `move_mount(2)`.
pub fn attach_tree(tree: BorrowedFd<'_>, onto: BorrowedFd<'_>) -> io::Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both paths are constants that end in NUL; nothing is written to our memory.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            onto.as_raw_fd(),
            c"".as_ptr(),
            flags,
        )
    };
    done(answer)
}

/// Makes every mount at and below `path` read-only, without devices and without set-uid.
///
/// # Errors
/// Those of `mount_setattr(2)`: `ENOSYS` before Linux 5.12.
pub fn seal_tree(path: &CStr) -> io::Result<()> {
    let wanted = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY:
    // - `path` ends in NUL by its type
    // - `wanted` lives across the call and its true size is given
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    };
    done(answer)
}

/// Mounts a file system of this kind where no path leads to it: the descriptor of its root is the only
/// way in, and the mount ends with the last descriptor of anything in it.
///
/// # Errors
/// Those of `fsopen(2)` (`EPERM` without `CAP_SYS_ADMIN`, `ENODEV` for a kind the kernel doesn't
/// know), `fsconfig(2)` (`EINVAL` for an option) and `fsmount(2)`.
pub fn detached(kind: &CStr, options: &[(&CStr, Option<&CStr>)]) -> io::Result<OwnedFd> {
    // SAFETY: `kind` ends in NUL by its type; a new descriptor or -1 comes back.
    let context = owned(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC) })?;
    for (key, value) in options {
        let command = if value.is_some() { FSCONFIG_SET_STRING } else { FSCONFIG_SET_FLAG };
        configure(&context, command, Some(key), *value)?;
    }
    configure(&context, FSCONFIG_CMD_CREATE, None, None)?;
    let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    // SAFETY: numbers only; a new descriptor or -1 comes back.
    owned(unsafe {
        libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), FSMOUNT_CLOEXEC, attributes)
    })
}

/// `<linux/mount.h>`
const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;
const FSCONFIG_SET_FLAG: libc::c_uint = 0;
const FSCONFIG_SET_STRING: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;

fn configure(
    context: &OwnedFd,
    command: libc::c_uint,
    key: Option<&CStr>,
    value: Option<&CStr>,
) -> io::Result<()> {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: both texts are NULL or end in NUL, and live across the call, which only reads them.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            command,
            pointer(key),
            pointer(value),
            0,
        )
    };
    done(answer)
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // A descriptor number always fits: the kernel's own type is int.
    let fd = libc::c_int::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just returned this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn done(answer: libc::c_long) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
