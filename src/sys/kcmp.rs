//! Is another thread's descriptor the very open file that this process has, too (`kcmp(2)`)?

use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

use super::hurry::Hurry;

/// `KCMP_FILE` of `<linux/kcmp.h>`.
const KCMP_FILE: libc::c_int = 0;

/// Whether descriptor `fd` of thread `tid` is the same open file description as `own`. Neither file
/// is asked for anything; a microsecond.
///
/// # Errors
/// `EBADF` when the number is not in use there, `ESRCH` without such a thread, `EPERM` without the
/// right to look at it, `ENOSYS` where the kernel was made without this call (user-mode Linux).
pub fn is_same_file(own: BorrowedFd<'_>, tid: u32, fd: i32) -> Result<bool, Errno> {
    let tid = libc::pid_t::try_from(tid).map_err(|_| Errno::ESRCH)?;
    // The kernel takes an index without a sign, and knows none so large.
    let fd = libc::c_ulong::try_from(fd).map_err(|_| Errno::EBADF)?;
    let own_fd = libc::c_ulong::try_from(own.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    let me = nix::unistd::getpid().as_raw();
    let _hurry = Hurry::new();
    // SAFETY: kcmp takes five plain numbers and writes nothing; `own` is borrowed, so it is open.
    let answer = unsafe { libc::syscall(libc::SYS_kcmp, me, tid, KCMP_FILE, own_fd, fd) };
    // Above 0 is an order of the two, which says no more than that they differ.
    Ok(Errno::result(answer)? == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    #[test]
    fn a_duplicate_is_the_same_and_another_open_of_the_file_is_not() {
        let me = nix::unistd::gettid().as_raw().cast_unsigned();
        let file = File::open("/proc/self/exe").expect("a file");
        let copy = file.try_clone().expect("a duplicate");
        let again = File::open("/proc/self/exe").expect("a file");
        let same = |other: i32| is_same_file(file.as_fd(), me, other);
        match same(copy.as_raw_fd()) {
            Err(Errno::ENOSYS) => return println!("no kcmp on this kernel"),
            answer => assert_eq!(answer, Ok(true)),
        }
        assert_eq!(same(again.as_raw_fd()), Ok(false));
        assert_eq!(same(-1), Err(Errno::EBADF));
        assert_eq!(same(i32::MAX), Err(Errno::EBADF));
        assert_eq!(is_same_file(file.as_fd(), u32::MAX, 0), Err(Errno::ESRCH));
    }
}
