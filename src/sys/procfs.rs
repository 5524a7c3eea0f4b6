//! What `/proc` says of a thread: which call it sits in, whose it is, what its descriptors are.
//! None of these reads asks a file system, so none of them can be stalled by a client.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;

use super::fdinfo::{FileIdentity, Seen};

/// What a thread does, as `/proc/<tid>/syscall` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It runs (in the kernel or not); nothing more is known at this moment.
    Running,
    /// It waits, but in no system call (a page fault, say).
    Blocked,
    /// It waits in a system call.
    Syscall(Syscall),
    /// It waits in an `ioctl` that a FUSE or CUSE server is to answer. This is all that a kernel
    /// without `/proc/<tid>/syscall` tells (user-mode Linux), by the thread's kernel stack.
    SomeIoctl,
}

/// The system call that a thread waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syscall {
    /// Its number.
    pub number: i64,
    /// Its arguments.
    pub arguments: [u64; 6],
    /// The thread's stack pointer.
    pub stack: u64,
    /// Where the thread goes on: after the instruction that made the call.
    pub instruction: u64,
}

/// What `/proc/<tid>/status` says of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The process that it belongs to.
    pub tgid: u32,
    /// The user who counts for file systems.
    pub fsuid: u32,
    /// The process that traces it, 0 for none.
    pub tracer: u32,
    /// Whether system calls are filtered (seccomp mode 1 or 2).
    pub filtered: bool,
}

/// What `/proc/<tid>/fdinfo/<fd>` says of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// Its `open(2)` flags, `O_CLOEXEC` among them.
    pub flags: u32,
    /// The mount that its file lies on.
    pub mount: u64,
    /// The file's number on that mount.
    pub inode: u64,
    /// Whether it is a dma-buf: only these have a line with the exporter's name.
    pub dmabuf: bool,
}

/// Which call `tid` sits in.
///
/// # Errors
/// `ESRCH` when there is no such thread; `EPERM` when the kernel doesn't tell.
pub fn doing(tid: u32) -> Result<Doing, Errno> {
    match read(&format!("/proc/{tid}/syscall")) {
        Ok(text) => parse_doing(&text).ok_or(Errno::EPROTO),
        Err(Errno::ESRCH) => {
            let text = read(&format!("/proc/{tid}/stack"))?;
            let waits = text.lines().any(|line| line.contains(" fuse_do_ioctl+0x"));
            Ok(if waits { Doing::SomeIoctl } else { Doing::Running })
        }
        Err(error) => Err(error),
    }
}

/// Whose `tid` is.
///
/// # Errors
/// `ESRCH` when there is no such thread.
pub fn status(tid: u32) -> Result<Status, Errno> {
    let text = read(&format!("/proc/{tid}/status"))?;
    parse_status(&text).ok_or(Errno::EPROTO)
}

/// Whether `tid` is gone, or dies as soon as it comes out of the call that it sits in.
#[must_use]
pub fn is_dying(tid: u32) -> bool {
    read(&format!("/proc/{tid}/status")).is_ok_and(|text| is_killed(&text)) || !exists(tid)
}

/// Whether `tid` runs, or would if it had a processor.
#[must_use]
pub fn is_runnable(tid: u32) -> bool {
    read(&format!("/proc/{tid}/status")).is_ok_and(|text| text.contains("\nState:\tR"))
}

fn exists(tid: u32) -> bool {
    fs::symlink_metadata(format!("/proc/{tid}")).is_ok()
}

/// What descriptor `fd` of `tid` is.
///
/// # Errors
/// `EBADF` when the number is not in use; `EPERM` when the kernel doesn't tell.
pub fn descriptor(tid: u32, fd: i32) -> Result<Descriptor, Errno> {
    descriptor_at(&format!("/proc/{tid}/fdinfo/{fd}"))
}

/// What descriptor `fd` of this process is.
///
/// # Errors
/// As [`descriptor`].
pub fn own_descriptor(fd: i32) -> Result<Descriptor, Errno> {
    descriptor_at(&format!("/proc/self/fdinfo/{fd}"))
}

/// The numbers of the descriptors of `tid` that are open on the character device `device`
/// (`st_rdev`), or with 0 on any CUSE device.
///
/// # Errors
/// `ESRCH` when there is no such thread; `EPERM` when the kernel doesn't tell.
pub fn descriptors_on(tid: u32, device: u64) -> Result<Vec<i32>, Errno> {
    let fits = |found: u64| if device == 0 { is_cuse(found) } else { found == device };
    // A file with a name; sockets, pipes and the kernel's own have none.
    let named = descriptors(tid, Path::is_absolute)?;
    let on_device = |fd: &i32| matches!(character_device(tid, *fd), Ok(Some(found)) if fits(found));
    Ok(named.into_iter().filter(on_device).collect())
}

/// The numbers of the descriptors of `tid` whose link reads as `fits` says. Such a link is text
/// that the kernel makes; nothing is asked of the file.
///
/// # Errors
/// As [`descriptors_on`].
pub fn descriptors(tid: u32, fits: impl Fn(&Path) -> bool) -> Result<Vec<i32>, Errno> {
    let listed = list_descriptors(tid)?.flatten();
    let found = listed.filter(|entry| fs::read_link(entry.path()).is_ok_and(|link| fits(&link)));
    Ok(found.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// How many descriptors `tid` has.
///
/// # Errors
/// As [`descriptors_on`].
pub fn count_descriptors(tid: u32) -> Result<u64, Errno> {
    Ok(list_descriptors(tid)?.flatten().map(|_| 1_u64).sum())
}

fn list_descriptors(tid: u32) -> Result<fs::ReadDir, Errno> {
    fs::read_dir(format!("/proc/{tid}/fd")).map_err(|error| match errno(error) {
        Errno::ENOENT => Errno::ESRCH,
        Errno::EACCES => Errno::EPERM,
        other => other,
    })
}

/// The character device (`st_rdev`) that descriptor `fd` of `tid` is open on, `None` for any other
/// kind of file. It is what the kernel knows of the file by itself, whatever name it has and
/// wherever that lies: no file system is asked whether it is still so.
///
/// # Errors
/// `EBADF` when the number is not in use; `EPERM` when the kernel doesn't tell.
pub fn character_device(tid: u32, fd: i32) -> Result<Option<u64>, Errno> {
    // A name of the file: it opens and closes nothing.
    let path = format!("/proc/{tid}/fd/{fd}");
    let name = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path);
    let name = name.map_err(|error| match errno(error) {
        Errno::ENOENT | Errno::ESRCH => Errno::EBADF,
        Errno::EACCES => Errno::EPERM,
        other => other,
    })?;
    let mut found = std::mem::MaybeUninit::<libc::statx>::zeroed();
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC | libc::AT_NO_AUTOMOUNT;
    // SAFETY: the descriptor is open, the path is empty and ends with zero, `found` is ours.
    let answer = unsafe {
        let (empty, into) = (c"".as_ptr(), found.as_mut_ptr());
        libc::statx(name.as_raw_fd(), empty, flags, libc::STATX_TYPE, into)
    };
    Errno::result(answer)?;
    // SAFETY: all fields are plain numbers, and all bytes were zero before the kernel wrote.
    let found = unsafe { found.assume_init() };
    let is_character = u32::from(found.stx_mode) & libc::S_IFMT == libc::S_IFCHR;
    Ok(is_character.then(|| libc::makedev(found.stx_rdev_major, found.stx_rdev_minor)))
}

/// The numbers of the descriptors of `tid` that are open on the inode `ino` of the mount `mnt_id`.
/// It asks no file system.
///
/// # Errors
/// As [`descriptors_on`].
pub fn descriptors_of(tid: u32, mnt_id: u64, ino: u64) -> Result<Vec<i32>, Errno> {
    let wanted = FileIdentity { mnt_id, ino };
    let listed = fs::read_dir(format!("/proc/{tid}/fd")).map_err(errno)?;
    let all = listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(all.filter(|fd| Seen::of(tid, *fd).is_ok_and(|seen| seen.identity == wanted)).collect())
}

/// Whether the character device (`st_rdev`) is a daemon's, by CUSE.
#[must_use]
pub fn is_cuse(device: u64) -> bool {
    let (major, minor) = (libc::major(device), libc::minor(device));
    let class = fs::read_link(format!("/sys/dev/char/{major}:{minor}/subsystem"));
    class.is_ok_and(|path| path.ends_with("cuse"))
}

/// The threads of the process `tgid`.
///
/// # Errors
/// `ESRCH` when there is no such process.
pub fn threads(tgid: u32) -> Result<Vec<u32>, Errno> {
    let listed = fs::read_dir(format!("/proc/{tgid}/task")).map_err(errno)?;
    let names = listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(names.collect())
}

/// The lines that the file of descriptor `fd` of `tid` adds to what the kernel says of it. Unlike all
/// else here this may wait: see [`super::fdinfo`].
///
/// # Errors
/// As [`descriptor`].
pub fn descriptor_text(tid: u32, fd: i32) -> Result<String, Errno> {
    read(&format!("/proc/{tid}/fdinfo/{fd}"))
        .map_err(|error| if error == Errno::ESRCH { Errno::EBADF } else { error })
}

fn descriptor_at(path: &str) -> Result<Descriptor, Errno> {
    let text =
        read(path).map_err(|error| if error == Errno::ESRCH { Errno::EBADF } else { error })?;
    parse_descriptor(&text).ok_or(Errno::EPROTO)
}

/// A file of `/proc`, in as few reads as can be: they are most of what a check costs.
fn read(path: &str) -> Result<String, Errno> {
    let whole = |path: &str| {
        let (mut file, mut bytes, mut piece) = (File::open(path)?, Vec::new(), [0; 4096]);
        loop {
            let len = file.read(&mut piece)?;
            bytes.extend_from_slice(piece.get(..len).unwrap_or_default());
            // These files are made at the read: what doesn't fill the room is the end.
            if len < piece.len() {
                return Ok(bytes);
            }
        }
    };
    let bytes = whole(path).map_err(|error| match errno(error) {
        Errno::ENOENT => Errno::ESRCH,
        Errno::EACCES => Errno::EPERM,
        other => other,
    })?;
    // Names are as their owners chose them.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn errno(error: io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn parse_doing(text: &str) -> Option<Doing> {
    let text = text.trim_end();
    if text == "running" {
        return Some(Doing::Running);
    }
    let mut words = text.split(' ');
    let number: i64 = words.next()?.parse().ok()?;
    if number == -1 {
        return Some(Doing::Blocked);
    }
    let mut hex = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    let arguments = [hex()?, hex()?, hex()?, hex()?, hex()?, hex()?];
    let (stack, instruction) = (hex()?, hex()?);
    Some(Doing::Syscall(Syscall { number, arguments, stack, instruction }))
}

fn parse_status(text: &str) -> Option<Status> {
    let field = |name: &str, place: usize| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().nth(place)?.parse::<u32>().ok()
    };
    Some(Status {
        tgid: field("Tgid:", 0)?,
        fsuid: field("Uid:", 3)?, // real, effective, saved, file system
        tracer: field("TracerPid:", 0)?,
        // A kernel without seccomp has no such line.
        filtered: field("Seccomp:", 0).unwrap_or(0) != 0,
    })
}

/// `SIGKILL` is told to each thread that is to die: by a signal to the process, and by an `exec`.
fn is_killed(text: &str) -> bool {
    let pending = text.lines().find_map(|line| line.strip_prefix("SigPnd:"));
    let pending = pending.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    pending.is_some_and(|set| set >> (libc::SIGKILL - 1) & 1 == 1)
}

fn parse_descriptor(text: &str) -> Option<Descriptor> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    Some(Descriptor {
        flags: u32::from_str_radix(field("flags:")?, 8).ok()?,
        mount: field("mnt_id:")?.parse().ok()?,
        inode: field("ino:")?.parse().ok()?,
        dmabuf: field("exp_name:").is_some() && field("count:").is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_kinds_of_doing() {
        assert_eq!(parse_doing("running\n"), Some(Doing::Running));
        assert_eq!(parse_doing("-1 0x7ffc0 0x7f00\n"), Some(Doing::Blocked));
        let line = "16 0x3 0xc0405610 0x7ffe10 0x0 0x1 0x2 0x7ffe00 0x7f7b\n";
        let Some(Doing::Syscall(call)) = parse_doing(line) else { panic!("a call") };
        assert_eq!((call.number, call.stack, call.instruction), (16, 0x7ffe00, 0x7f7b));
        assert_eq!(call.arguments, [3, 0xc040_5610, 0x7ffe10, 0, 1, 2]);
        assert_eq!(parse_doing("16 0x3\n"), None);
        assert_eq!(parse_doing(""), None);
    }

    #[test]
    fn who_dies_is_known_by_the_pending_signal() {
        assert!(is_killed("Tgid:\t7\nSigPnd:\t0000000000000100\nShdPnd:\t0\n"));
        assert!(!is_killed("SigPnd:\t0000000000004200\nShdPnd:\t0000000000000100\n"));
        assert!(!is_killed("SigPnd:\tnonsense\n") && !is_killed(""));
        assert!(!is_dying(std::process::id()) && is_dying(0));
    }

    #[test]
    fn who_runs_is_runnable_and_who_waits_is_not() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let waits = std::thread::spawn(move || {
            tell.send(nix::unistd::gettid().as_raw().cast_unsigned()).expect("told");
            ended.recv().expect_err("the end");
        });
        let tid = told.recv().expect("told");
        assert!(is_runnable(nix::unistd::gettid().as_raw().cast_unsigned()) && !is_runnable(0));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while is_runnable(tid) {
            assert!(std::time::Instant::now() < deadline, "it waits by now");
        }
        drop(end);
        waits.join().expect("its end");
    }

    #[test]
    fn this_thread_is_known() {
        let tid = nix::unistd::gettid().as_raw().cast_unsigned();
        let status = status(tid).expect("a status");
        assert_eq!(status.tgid, std::process::id());
        assert_eq!(status.fsuid, nix::unistd::geteuid().as_raw());
        assert!(threads(status.tgid).expect("threads").contains(&tid));
        assert_eq!(super::status(0), Err(Errno::ESRCH));
    }

    #[test]
    fn descriptors_are_told_apart() {
        let text = "pos:\t0\nflags:\t0100002\nmnt_id:\t16\nino:\t7\n";
        let plain = Descriptor { flags: 0o100_002, mount: 16, inode: 7, dmabuf: false };
        assert_eq!(parse_descriptor(text), Some(plain));
        let text = format!("{text}size:\t4096\ncount:\t2\nexp_name:\tudmabuf\n");
        assert!(parse_descriptor(&text).expect("a descriptor").dmabuf);
        assert_eq!(own_descriptor(-1), Err(Errno::EBADF));
    }

    #[test]
    fn a_character_device_is_known_by_its_number() {
        let me = std::process::id();
        let null = File::open("/dev/null").expect("a device");
        let number = null.as_raw_fd();
        assert_eq!(character_device(me, number), Ok(Some(libc::makedev(1, 3))));
        assert!(descriptors_on(me, libc::makedev(1, 3)).expect("a list").contains(&number));
        let file = File::open("/proc/self/exe").expect("a file");
        assert_eq!(character_device(me, file.as_raw_fd()), Ok(None));
        let (socket, _other) = super::super::scm_rights::pair().expect("a pair");
        assert_eq!(character_device(me, socket.as_raw_fd()), Ok(None));
        assert_eq!(character_device(me, -1), Err(Errno::EBADF));
        assert_eq!(descriptors_on(0, 0), Err(Errno::ESRCH));
        assert!(count_descriptors(me).expect("a number") >= 4);
    }
}
