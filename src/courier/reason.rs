//! Why a caller did not get its descriptor, or another file under it: one errno and one line for the
//! log per cause.

use nix::errno::Errno;
use thiserror::Error;

use super::wire::{DONE, Reply};

/// Why a caller did not get its descriptor ([`super::Worker::give`]), or another file under it
/// ([`super::Worker::swap`]). The text says what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GiveError {
    /// It died, or its call ended otherwise: there is nobody to tell. (`ESRCH`)
    #[error("the caller is gone")]
    Gone,
    /// Another process traces it. (`EBUSY`)
    #[error(
        "the caller is traced by process {0} (a debugger or strace?): end that, or, to export, \
         let the program use shrbuf's own client, which needs no ptrace"
    )]
    Traced(u32),
    /// The kernel lets nobody trace it. (`EPERM`)
    #[error(
        "the kernel forbids ptrace on the caller (kernel.yama.ptrace_scope = 3, a security \
         module, or a daemon without CAP_SYS_PTRACE): nothing can be mapped here, and only \
         programs with shrbuf's own client can export"
    )]
    Forbidden,
    /// Its system calls are filtered and the filter can't be suspended. (`EPERM`)
    #[error(
        "the caller has a seccomp filter, and this kernel (no CONFIG_CHECKPOINT_RESTORE), or a \
         daemon without CAP_SYS_ADMIN or with a filter of its own, can't suspend it: run the \
         program without its sandbox, or, to export, with shrbuf's own client"
    )]
    Filtered,
    /// It made the call in another way than this processor's programs do: through the 32-bit or
    /// the x32 entry. (`EOPNOTSUPP`)
    #[error("the caller made its call through another system call interface than the native one")]
    ForeignCall,
    /// This processor's registers are not known. (`EOPNOTSUPP`)
    #[error("descriptors can't be given on this processor yet: to export, use shrbuf's own client")]
    Processor,
    /// Its descriptor table is full. (`EMFILE`)
    #[error("the caller's descriptor table is full (RLIMIT_NOFILE)")]
    TableFull,
    /// Its argument can't be read or written. (`EFAULT`)
    #[error("the caller's struct can't be read and written")]
    Fault,
    /// It did not stop in time, or an operation in it did not end. (`EIO`)
    #[error("the caller did not stop within the deadline: is its memory or machine stalled?")]
    TimedOut,
    /// It stopped elsewhere than it must. (`EIO`)
    #[error("the caller stopped in an unexpected place; nothing was changed in it")]
    Unexpected,
    /// A system call that it was to make failed. (That errno.)
    #[error("a system call on the caller's behalf failed with {0}")]
    Call(Errno),
    /// The helper process died or could not be started. (`EIO`)
    #[error("the helper process was lost")]
    Helper,
    /// The number on which the call was made is no descriptor of the node any more. (`EBADF`)
    #[error(
        "the descriptor on which the caller made its call is not open on the node: another thread \
         closed or replaced it meanwhile"
    )]
    OtherFile,
    /// More epoll instances than can be told of the new file. (`ENOSPC`)
    #[error("the caller's descriptor is registered with too many epoll instances")]
    Registered,
}

impl GiveError {
    /// What the caller's `ioctl` fails with.
    #[must_use]
    pub fn errno(self) -> Errno {
        match self {
            Self::Gone => Errno::ESRCH,
            Self::Traced(_) => Errno::EBUSY,
            Self::Forbidden | Self::Filtered => Errno::EPERM,
            Self::ForeignCall | Self::Processor => Errno::EOPNOTSUPP,
            Self::TableFull => Errno::EMFILE,
            Self::Fault => Errno::EFAULT,
            Self::TimedOut | Self::Unexpected | Self::Helper => Errno::EIO,
            Self::Call(errno) => errno,
            Self::OtherFile => Errno::EBADF,
            Self::Registered => Errno::ENOSPC,
        }
    }

    /// As the helper writes it: the reason's number, and more on it.
    fn parts(self) -> (u32, i64) {
        match self {
            Self::Gone => (1, 0),
            Self::Traced(tracer) => (2, tracer.into()),
            Self::Forbidden => (3, 0),
            Self::Filtered => (4, 0),
            Self::ForeignCall => (5, 0),
            Self::Processor => (6, 0),
            Self::TableFull => (7, 0),
            Self::Fault => (8, 0),
            Self::TimedOut => (9, 0),
            Self::Unexpected => (10, 0),
            Self::Call(errno) => (11, (errno as i32).into()),
            Self::Helper => (12, 0),
            Self::OtherFile => (13, 0),
            Self::Registered => (14, 0),
        }
    }

    pub(super) fn reply(self) -> Reply {
        let (reason, value) = self.parts();
        Reply { stage: DONE, errno: self.errno() as i32, value, reason, padding: 0 }
    }

    /// What a helper's reply says.
    pub(super) fn of_reply(reply: &Reply) -> Self {
        let more = i32::try_from(reply.value).unwrap_or_default();
        match reply.reason {
            1 => Self::Gone,
            2 => Self::Traced(more.cast_unsigned()),
            3 => Self::Forbidden,
            4 => Self::Filtered,
            5 => Self::ForeignCall,
            6 => Self::Processor,
            7 => Self::TableFull,
            8 => Self::Fault,
            9 => Self::TimedOut,
            10 => Self::Unexpected,
            11 => Self::Call(Errno::from_raw(more)),
            13 => Self::OtherFile,
            14 => Self::Registered,
            _ => Self::Helper,
        }
    }
}

/// What a failed look at, or write to, the caller means.
impl From<Errno> for GiveError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ESRCH | Errno::ECHILD => Self::Gone,
            Errno::EPERM => Self::Forbidden,
            Errno::EFAULT => Self::Fault,
            Errno::EOPNOTSUPP => Self::ForeignCall,
            other => Self::Call(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_crosses_whole() {
        use GiveError as E;
        let all = [E::Gone, E::Traced(77), E::Forbidden, E::Filtered, E::ForeignCall, E::Processor];
        let more = [E::TableFull, E::Fault, E::TimedOut, E::Unexpected, E::Call(Errno::ENFILE)];
        for reason in all.into_iter().chain(more).chain([E::Helper, E::OtherFile, E::Registered]) {
            assert_eq!(GiveError::of_reply(&reason.reply()), reason);
            assert_eq!(reason.reply().errno, reason.errno() as i32);
        }
    }
}
