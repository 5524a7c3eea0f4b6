//! Memory and descriptors of callers: the helper's operations without ptrace.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::Instant;

use nix::errno::Errno;

use super::site;
use super::wire::{Request, TRANSFER};
use crate::sys::procfs::{self, Descriptor};
use crate::sys::{pidfd, process_vm};

/// Which way memory goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To the daemon.
    Read,
    /// From the daemon.
    Write,
}

/// Moves memory between the thread that sits in the request's call and `transfer`.
pub(super) fn caller(
    request: &Request,
    way: Way,
    transfer: &File,
    deadline: Instant,
) -> Result<(), Errno> {
    site::check(request, deadline)?;
    carry(request, way, transfer, |bytes, way| one(request.tid, request.address, bytes, way))
}

/// Moves memory between a process and `transfer`. `memory` is its `/proc/<tgid>/mem`, opened
/// when the address was told: it proves that the address means what it meant then.
pub(super) fn process(
    request: &Request,
    way: Way,
    transfer: &File,
    process: &OwnedFd,
    memory: &File,
) -> Result<(), Errno> {
    if !pidfd::is_alive(process) {
        return Err(Errno::ESRCH);
    }
    let tgid = request.number.cast_unsigned();
    match memory.read_at(&mut [0], request.address) {
        Ok(1..) => {}
        Ok(0) => return Err(Errno::ESRCH), // that address space is gone
        Err(_) => return Err(Errno::EFAULT),
    }
    carry(request, way, transfer, |bytes, way| {
        match one(tgid, request.address, bytes, way) {
            // The first thread of a process can end before the others.
            Err(Errno::ESRCH) => other_threads(tgid, request.address, bytes, way),
            done => done,
        }
    })
}

fn other_threads(tgid: u32, address: u64, bytes: &mut [u8], way: Way) -> Result<(), Errno> {
    for tid in procfs::threads(tgid)? {
        match one(tid, address, bytes, way) {
            Err(Errno::ESRCH) => {}
            done => return done,
        }
    }
    Err(Errno::ESRCH)
}

fn one(tid: u32, address: u64, bytes: &mut [u8], way: Way) -> Result<(), Errno> {
    match way {
        Way::Read => process_vm::read(tid, address, bytes),
        Way::Write => process_vm::write(tid, address, bytes),
    }
}

fn carry(
    request: &Request,
    way: Way,
    transfer: &File,
    with_caller: impl FnOnce(&mut [u8], Way) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let len = usize::try_from(request.len).unwrap_or(usize::MAX);
    if len > TRANSFER {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; len];
    if way == Way::Write {
        transfer.read_exact_at(&mut bytes, 0).map_err(|_| Errno::EIO)?;
    }
    with_caller(&mut bytes, way)?;
    if way == Way::Read {
        transfer.write_all_at(&bytes, 0).map_err(|_| Errno::EIO)?;
    }
    Ok(())
}

/// The process of the thread that sits in the request's call: its number, a pidfd, its memory.
pub(super) fn identify(
    request: &Request,
    deadline: Instant,
) -> Result<(u32, OwnedFd, OwnedFd), Errno> {
    let status = site::check(request, deadline)?.status;
    let process = pidfd::open(status.tgid)?;
    let path = format!("/proc/{}/mem", request.tid);
    let memory = File::options().read(true).open(path);
    let memory = memory.map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) | None => Errno::ESRCH,
        Some(Errno::EACCES) => Errno::EPERM,
        Some(other) => other,
    })?;
    // Was it the same thread all along?
    site::check(request, deadline)?;
    Ok((status.tgid, process, memory.into()))
}

/// The flags of the descriptor on which the request's call was made. Where the kernel doesn't
/// tell which that is, those of the thread's descriptors on the device `request.address`.
pub(super) fn open_flags(request: &Request, deadline: Instant) -> Result<u32, Errno> {
    let flags = |fd| Ok(procfs::descriptor(request.tid, fd)?.flags);
    if let Some(call) = site::check(request, deadline)?.call {
        let [fd, ..] = call.arguments;
        // The kernel takes the lower half of the register.
        return flags(i32::try_from(fd & 0xffff_ffff).map_err(|_| Errno::EBADF)?);
    }
    let all = match request.len {
        0 => procfs::descriptors_on(request.tid, request.address)?,
        ino => procfs::descriptors_of(request.tid, request.address, ino)?,
    };
    let mut all = all.into_iter().map(flags);
    let first = all.next().ok_or(Errno::EBADF)??;
    let other = |flags: Result<u32, Errno>| flags.is_ok_and(|flags| flags != first);
    if all.any(other) { Err(Errno::ENODATA) } else { Ok(first) }
}

/// Takes descriptor `request.number` of the caller, if it is a memory file or a dma-buf.
pub(super) fn take(request: &Request, deadline: Instant) -> Result<OwnedFd, Errno> {
    let status = site::check(request, deadline)?.status;
    let seen = procfs::descriptor(request.tid, request.number).map_err(|error| match error {
        Errno::EBADF => Errno::EINVAL,
        other => other,
    })?;
    if !harmless(&seen)? {
        return Err(Errno::EINVAL);
    }
    let taken = get(request.tid, status.tgid, request.number, &seen)?;
    // Another thread may have put something else there, or the number may mean something else
    // in the first thread's table.
    if same(&procfs::own_descriptor(taken.as_raw_fd())?, &seen) {
        return Ok(taken);
    }
    Err(Errno::EINVAL)
}

/// Duplicates descriptor `fd` of the thread `tid`. Where the kernel can't do that for a thread
/// (before 6.9), it is that of the process's first thread, which nearly always has the same
/// table; `seen` says what to expect there.
fn get(tid: u32, tgid: u32, fd: i32, seen: &Descriptor) -> Result<OwnedFd, Errno> {
    let found = match pidfd::open_thread(tid) {
        Ok(thread) => pidfd::getfd(thread, fd),
        Err(Errno::EINVAL) => {
            if tid != tgid && !same(&procfs::descriptor(tgid, fd)?, seen) {
                return Err(Errno::EINVAL);
            }
            pidfd::getfd(pidfd::open(tgid)?, fd)
        }
        Err(error) => Err(error),
    };
    found.map_err(|error| if error == Errno::EBADF { Errno::EINVAL } else { error })
}

fn same(one: &Descriptor, other: &Descriptor) -> bool {
    (one.mount, one.inode, one.dmabuf) == (other.mount, other.inode, other.dmabuf)
}

/// Memory files lie on the kernel's own mount, which no path leads to and no client can put a
/// file on; a dma-buf is known by its line in `fdinfo`.
fn harmless(seen: &Descriptor) -> Result<bool, Errno> {
    if seen.dmabuf {
        return Ok(true);
    }
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    let ours = nix::sys::memfd::memfd_create(c"probe", flags)?;
    Ok(procfs::own_descriptor(ours.as_raw_fd())?.mount == seen.mount)
}
