//! What a worker and its helper say to each other: messages of fixed size over a
//! `SOCK_SEQPACKET` socket, descriptors beside them. The two are one program, so the numbers are
//! in native order and there is no version.

use nix::errno::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::FileOn;

/// What the helper is to do. The fields that an operation has no use for are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct Request {
    /// An [`Operation`].
    pub operation: u32,
    /// The thread.
    pub tid: u32,
    /// The user that the thread belongs to.
    pub uid: u32,
    /// The call that it sits in.
    pub cmd: u32,
    /// The call's argument.
    pub arg: u64,
    /// Where in the caller.
    pub address: u64,
    /// How much.
    pub len: u64,
    /// A descriptor of the caller's, or 1 for close-on-exec, or a process's number, or a count.
    pub number: i32,
    /// How long the helper may take, in milliseconds.
    pub deadline: u32,
}

/// The operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Operation {
    /// Caller's memory → transfer file.
    Read = 1,
    /// Transfer file → caller's memory.
    Write = 2,
    /// → pidfd, `mem`, and the tgid as value.
    Process = 3,
    /// (pidfd, `mem`) Process's memory → transfer file.
    ReadProcess = 4,
    /// (pidfd, `mem`) Transfer file → process's memory.
    WriteProcess = 5,
    /// → flags of the calling descriptor as value.
    OpenFlags = 6,
    /// → the descriptor.
    Take = 7,
    /// (descriptor) → `SEIZED`, then the caller's number as value.
    Give = 8,
    /// → number and flags of the calling descriptor, on the device `address`, as
    /// [`super::FileOn::to_value`].
    FileOn = 9,
    /// (descriptor) As [`Operation::Give`], in place of the calling descriptor, on the device
    /// `address`; the call's argument has `len` bytes.
    Swap = 10,
    /// `number` numbers of processes in the transfer file → so many ranges there, as value, of the
    /// inode `arg` on the device `address`.
    Maps = 11,
    /// (transfer file) The first request of a helper that has only its socket → its pidfd, and its
    /// number as value.
    Hello = 12,
}

impl Operation {
    pub(super) const ALL: [Self; 12] = [
        Self::Read,
        Self::Write,
        Self::Process,
        Self::ReadProcess,
        Self::WriteProcess,
        Self::OpenFlags,
        Self::Take,
        Self::Give,
        Self::FileOn,
        Self::Swap,
        Self::Maps,
        Self::Hello,
    ];

    pub(super) fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| *operation as u32 == number)
    }
}

/// What the helper answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct Reply {
    /// [`DONE`], [`SEIZED`] or [`REFUSED`].
    pub stage: u32,
    /// 0, or why not.
    pub errno: i32,
    /// Result of an operation, or more on the reason.
    pub value: i64,
    /// A reason of [`super::GiveError`], 0 for none.
    pub reason: u32,
    /// Zero.
    pub padding: u32,
}

/// The operation is over.
pub(super) const DONE: u32 = 1;
/// [`Operation::Give`], [`Operation::Swap`]: the thread is held; the daemon is to answer its call.
pub(super) const SEIZED: u32 = 2;

impl FileOn {
    /// As the helper answers it: the number in the lower half, the flags of `fdinfo` in the upper.
    pub(super) fn to_value(self) -> i64 {
        let cloexec = if self.cloexec { libc::O_CLOEXEC.cast_unsigned() } else { 0 };
        let flags = u64::from(self.flags | cloexec) << 32;
        (flags | u64::from(self.fd.cast_unsigned())).cast_signed()
    }

    pub(super) fn of_value(value: i64) -> Result<Self, Errno> {
        let value = value.cast_unsigned();
        let fd = i32::try_from(value & 0xffff_ffff).map_err(|_| Errno::EIO)?;
        let flags = u32::try_from(value >> 32).map_err(|_| Errno::EIO)?;
        Ok(Self::new(fd, flags))
    }

    /// With the flags as `fdinfo` has them.
    pub(super) fn new(fd: i32, flags: u32) -> Self {
        let cloexec = libc::O_CLOEXEC.cast_unsigned();
        Self { fd, flags: flags & !cloexec, cloexec: flags & cloexec != 0 }
    }
}

impl Reply {
    pub(super) fn value(value: i64) -> Self {
        Self { stage: DONE, errno: 0, value, reason: 0, padding: 0 }
    }

    pub(super) fn error(errno: Errno) -> Self {
        Self { stage: DONE, errno: errno as i32, value: 0, reason: 0, padding: 0 }
    }

    pub(super) fn seized() -> Self {
        Self { stage: SEIZED, errno: 0, value: 0, reason: 0, padding: 0 }
    }
}

/// Size of the file through which memory crosses, in bytes: one piece of a larger transfer.
/// Larger pieces cost resident memory in each worker, smaller ones a round trip (20 µs) each.
pub(super) const TRANSFER: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_crosses_whole() {
        let flags = (libc::O_RDWR | libc::O_NONBLOCK).cast_unsigned();
        for (fd, flags, cloexec) in [(0, 0, false), (7, flags, true), (i32::MAX, 1 << 31, false)] {
            let file = FileOn { fd, flags, cloexec };
            assert_eq!(FileOn::of_value(file.to_value()), Ok(file));
        }
        assert_eq!(FileOn::of_value(0xffff_ffff), Err(Errno::EIO));
    }

    #[test]
    fn operations_have_their_own_numbers() {
        for operation in Operation::ALL {
            assert_eq!(Operation::from_number(operation as u32), Some(operation));
        }
        assert_eq!(Operation::from_number(0), None);
    }
}
