//! `process_vm_readv(2)`, `process_vm_writev(2)`: another process's memory, as its own accesses
//! would find it. They can wait for ever on a page that a client never delivers.

use std::io::{IoSlice, IoSliceMut};

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;

/// Fills `bytes` from `address` of the process that `tid` is a thread of.
///
/// # Errors
/// `EFAULT` when not all of it can be read; `ESRCH`; `EPERM`.
pub fn read(tid: u32, address: u64, bytes: &mut [u8]) -> Result<(), Errno> {
    let len = bytes.len();
    let mut local = [IoSliceMut::new(bytes)];
    whole(len, process_vm_readv(pid(tid)?, &mut local, &[remote(address, len)?]))
}

/// Writes `bytes` to `address` of the process that `tid` is a thread of.
///
/// # Errors
/// `EFAULT` when not all of it can be written (some of it may have been); `ESRCH`; `EPERM`.
pub fn write(tid: u32, address: u64, bytes: &[u8]) -> Result<(), Errno> {
    let len = bytes.len();
    whole(len, process_vm_writev(pid(tid)?, &[IoSlice::new(bytes)], &[remote(address, len)?]))
}

fn pid(tid: u32) -> Result<Pid, Errno> {
    match i32::try_from(tid) {
        Ok(number) if number > 0 => Ok(Pid::from_raw(number)),
        _ => Err(Errno::ESRCH),
    }
}

fn remote(address: u64, len: usize) -> Result<RemoteIoVec, Errno> {
    let base = usize::try_from(address).map_err(|_| Errno::EFAULT)?;
    base.checked_add(len).ok_or(Errno::EFAULT)?;
    Ok(RemoteIoVec { base, len })
}

fn whole(len: usize, moved: Result<usize, Errno>) -> Result<(), Errno> {
    match moved {
        Ok(moved) if moved == len => Ok(()),
        Ok(_) => Err(Errno::EFAULT),
        Err(error) => Err(error),
    }
}
