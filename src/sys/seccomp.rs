//! Calls that a program makes, told to another before the kernel carries them out: seccomp's user
//! notification (`seccomp(2)`, `seccomp_unotify(2)`; the numbers are those of `<linux/seccomp.h>`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::scm_rights::{self, ioctl};

const SET_MODE_FILTER: libc::c_uint = 1;
const FILTER_FLAG_NEW_LISTENER: libc::c_ulong = 1 << 3;
/// Linux 5.19: only a signal that ends the caller ends a call that was told.
const FILTER_FLAG_WAIT_KILLABLE_RECV: libc::c_ulong = 1 << 5;
const RET_USER_NOTIF: u32 = 0x7fc0_0000;
const RET_ALLOW: u32 = 0x7fff_0000;
const USER_NOTIF_FLAG_CONTINUE: u32 = 1;
const ADDFD_FLAG_SETFD: u32 = 1;

const NOTIF_RECV: u32 = 0xc050_2100;
const NOTIF_SEND: u32 = 0xc018_2101;
const NOTIF_ID_VALID: u32 = 0x4008_2102;
const NOTIF_ADDFD: u32 = 0x4018_2103;

/// Of `struct seccomp_data`, where a filter finds things.
const AT_NUMBER: u32 = 0;
const AT_ARCH: u32 = 4;
/// The lower half of the second argument; the kernel takes no more of an ioctl's command.
const AT_COMMAND: u32 = if cfg!(target_endian = "little") { 24 } else { 28 };

/// `AUDIT_ARCH_…` of this processor's own entry (`<linux/audit.h>`); 0 where it is not known here.
const ARCH: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else if cfg!(target_arch = "aarch64") {
    0xc000_00b7
} else {
    0
};

/// A call that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Which one.
    pub id: u64,
    /// Who makes it; 0 for somebody of whom this process can't see the number.
    pub tid: u32,
    /// Its arguments.
    pub arguments: [u64; 6],
}

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
struct Notification {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    arch: u32,
    instruction: u64,
    arguments: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
#[derive(Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// `struct seccomp_notif_addfd`.
#[repr(C)]
#[derive(Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
struct AddFd {
    id: u64,
    flags: u32,
    from: u32,
    number: u32,
    new_flags: u32,
}

/// Whether this processor's calls are known here.
pub const SUPPORTED: bool = ARCH != 0;

/// Has the started program, and all that it starts, tell each `ioctl` of one of these commands. The
/// listener comes through the socket that is returned, once the program has been started; to be called
/// by a process that has one thread. Without `CAP_SYS_ADMIN` the program can gain no privileges any
/// more (`no_new_privs`): that is the kernel's condition.
///
/// # Errors
/// Those of `socketpair(2)`; of the start then, `EINVAL` where the kernel has no filters, `EBUSY` where
/// somebody else is told of this process's calls already.
pub fn tell(command: &mut Command, commands: &[u32]) -> io::Result<OwnedFd> {
    let (ours, theirs) = scm_rights::pair()?;
    let filter = filter(commands);
    let install = move || {
        let listener = match listen(&filter) {
            Err(Errno::EACCES) => {
                nix::sys::prctl::set_no_new_privs()?;
                listen(&filter)?
            }
            other => other?,
        };
        scm_rights::send(&theirs, &[0], &[listener])?;
        Ok(())
    };
    // SAFETY: the closure makes system calls only, and allocates no more than a message's few bytes,
    // which is sound after a fork of a process with one thread.
    unsafe { command.pre_exec(install) };
    Ok(ours)
}

/// Takes the listener that was sent.
///
/// # Errors
/// `EPROTO` when none came.
pub fn listener(socket: &OwnedFd) -> Result<OwnedFd, Errno> {
    let mut fds = Vec::new();
    scm_rights::receive(socket, &mut [0], &mut fds)?;
    fds.into_iter().next().ok_or(Errno::EPROTO)
}

/// Installs the filter for this process. The descriptor is closed on `exec`.
fn listen(filter: &[libc::sock_filter]) -> Result<BorrowedFd<'static>, Errno> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::EINVAL)?,
        filter: filter.as_ptr().cast_mut(),
    };
    let set = |flags: libc::c_ulong| {
        // SAFETY: the program lies where the struct says, is as long, and is only read.
        Errno::result(unsafe {
            libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const program)
        })
    };
    let number = match set(FILTER_FLAG_NEW_LISTENER | FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(Errno::EINVAL) => set(FILTER_FLAG_NEW_LISTENER)?,
        other => other?,
    };
    let number = RawFd::try_from(number).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made it; it stays open until this process runs another program.
    Ok(unsafe { BorrowedFd::borrow_raw(number) })
}

/// Tells `ioctl` of these commands by the native entry, and lets all else pass.
fn filter(commands: &[u32]) -> Vec<libc::sock_filter> {
    let (load, is, end) = (
        libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        libc::BPF_RET | libc::BPF_K,
    );
    let line = |code: u32, k, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let ioctl = u32::try_from(libc::SYS_ioctl).unwrap_or(u32::MAX);
    let count = u8::try_from(commands.len()).unwrap_or(0);
    let mut lines = vec![
        line(load, AT_ARCH, 0, 0),
        line(is, ARCH, 0, count + 3),
        line(load, AT_NUMBER, 0, 0),
        line(is, ioctl, 0, count + 1),
        line(load, AT_COMMAND, 0, 0),
    ];
    for (after, command) in (0..count).rev().zip(commands) {
        lines.push(line(is, *command, after + 1, 0));
    }
    lines.push(line(end, RET_ALLOW, 0, 0));
    lines.push(line(end, RET_USER_NOTIF, 0, 0));
    lines
}

/// The next call that waits.
///
/// # Errors
/// `ENOENT` when its caller was ended meanwhile; `EINTR`.
pub fn next(listener: &OwnedFd) -> Result<Told, Errno> {
    let mut told = Notification::new_zeroed();
    ioctl(listener, NOTIF_RECV, told.as_mut_bytes())?;
    Ok(Told { id: told.id, tid: told.pid, arguments: told.arguments })
}

/// Whether the call waits still: only then is a thread of that number its caller.
#[must_use]
pub fn waits(listener: &OwnedFd, told: &Told) -> bool {
    ioctl(listener, NOTIF_ID_VALID, &mut told.id.to_ne_bytes()).is_ok()
}

/// Answers the call, or, with `None`, has the kernel carry it out.
///
/// # Errors
/// `ENOENT` when the call does not wait any more.
pub fn answer(
    listener: &OwnedFd,
    told: &Told,
    result: Option<Result<i64, Errno>>,
) -> Result<(), Errno> {
    let mut response = Response { id: told.id, value: 0, error: 0, flags: 0 };
    match result {
        None => response.flags = USER_NOTIF_FLAG_CONTINUE,
        Some(Ok(value)) => response.value = value,
        Some(Err(errno)) => response.error = -(errno as i32),
    }
    ioctl(listener, NOTIF_SEND, response.as_mut_bytes())
}

/// Gives the caller `fd`, in place of its own descriptor `number` or under its lowest free one. Returns
/// the number.
///
/// # Errors
/// `ENOENT` when the call does not wait any more; `EMFILE`.
pub fn add(
    listener: &OwnedFd,
    told: &Told,
    fd: &OwnedFd,
    number: Option<u32>,
    cloexec: bool,
) -> Result<i32, Errno> {
    let add = AddFd {
        id: told.id,
        flags: if number.is_some() { ADDFD_FLAG_SETFD } else { 0 },
        from: fd.as_raw_fd().cast_unsigned(),
        number: number.unwrap_or(0),
        new_flags: if cloexec { libc::O_CLOEXEC.cast_unsigned() } else { 0 },
    };
    // SAFETY: the struct is as large as the command says, and is only read.
    Errno::result(unsafe { libc::ioctl(listener.as_raw_fd(), NOTIF_ADDFD.into(), &raw const add) })
}

/// Makes this thread's file system calls as `user`, until the value is dropped. It has an effect only
/// for root.
#[must_use]
#[derive(Debug)]
pub struct AsUser(u32);

impl AsUser {
    /// From now on.
    pub fn new(user: u32) -> Self {
        // SAFETY: setfsuid takes a plain number, and concerns this thread alone.
        Self(unsafe { libc::setfsuid(user) }.cast_unsigned())
    }
}

impl Drop for AsUser {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { libc::setfsuid(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs::File;
    use std::io::Write;
    use std::process::Stdio;

    /// `TCGETS` and `TCGETS2`, by which a shell asks whether something is a terminal.
    const COMMANDS: [u32; 2] = [0x5401, 0x802c_542a];

    #[test]
    fn a_jump_leads_to_one_of_the_two_ends() {
        let filter = filter(&COMMANDS);
        assert_eq!(filter.len(), 9);
        for (at, line) in filter.iter().enumerate().filter(|(_, line)| line.code & 7 == 5) {
            let to = |jump: u8| at + 1 + usize::from(jump);
            assert!(to(line.jt) <= 8 && to(line.jf) <= 8, "{at}");
            if COMMANDS.contains(&line.k) {
                assert_eq!(to(line.jt), 8, "told");
            } else {
                assert_eq!(to(line.jf), 7, "passes");
            }
        }
    }

    /// What a shell says when its question is answered by `answer`.
    fn status(script: &str, by: impl Fn(&OwnedFd, &Told) -> Option<Result<i64, Errno>>) -> i32 {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        let socket = tell(&mut command, &COMMANDS).expect("a socket");
        let mut shell = command.spawn().expect("a shell");
        let listener = listener(&socket).expect("a listener");
        let told = next(&listener).expect("its question");
        assert_eq!((told.tid, told.arguments[0]), (shell.id(), 0));
        assert!(waits(&listener, &told));
        answer(&listener, &told, by(&listener, &told)).expect("it waits");
        assert!(!waits(&listener, &told));
        shell.wait().expect("its end").code().expect("a status")
    }

    #[test]
    fn a_told_call_is_answered_or_carried_out() {
        assert_eq!(status("test -t 0", |_, _| Some(Ok(0))), 0, "/dev/null is a terminal");
        assert_eq!(status("test -t 0", |_, _| Some(Err(Errno::EIO))), 1);
        assert_eq!(status("test -t 0", |_, _| None), 1, "the kernel's own answer");
    }

    #[test]
    fn a_caller_gets_a_descriptor_under_any_number() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        file.as_file().write_all(b"given\n").expect("written");
        let file = || OwnedFd::from(File::open(file.path()).expect("the file"));
        let at_7 = |listener: &OwnedFd, told: &Told| {
            assert_eq!(add(listener, told, &file(), Some(7), false), Ok(7));
            Some(Ok(0))
        };
        assert_eq!(status("test -t 0 && read word <&7 && test $word = given", at_7), 0);
        let lowest = |listener: &OwnedFd, told: &Told| {
            assert_eq!(add(listener, told, &file(), None, false), Ok(3));
            Some(Ok(0))
        };
        assert_eq!(status("test -t 0 && read word <&3 && test $word = given", lowest), 0);
    }
}
