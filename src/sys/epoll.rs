//! What a process has registered with its epoll instances, as `/proc` tells it.
//!
//! A registration is of an open file under a number. It goes with the last reference to the file, so
//! whoever puts another file under that number has to make it anew.

use std::ffi::OsStr;
use std::os::fd::{OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sched::{CloneFlags, unshare};

use super::procfs;

/// One registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration {
    /// The number under which the file was registered. It may be another file's by now.
    pub fd: i32,
    /// What is waited for, and how (`EPOLLET`, `EPOLLONESHOT`, …); `EPOLLERR` and `EPOLLHUP`, which
    /// always are, among them.
    pub events: u32,
    /// What the process is told with an event.
    pub data: u64,
}

/// Size of the kernel's `struct epoll_event` in bytes: packed on some processors.
pub const EVENT: usize = size_of::<libc::epoll_event>();

/// The descriptors of `tid` that are epoll instances. Asks no file.
///
/// # Errors
/// `ESRCH` when there is no such thread; `EPERM` when the kernel doesn't tell.
pub fn instances(tid: u32) -> Result<Vec<i32>, Errno> {
    procfs::descriptors(tid, |link| link.as_os_str() == OsStr::new("anon_inode:[eventpoll]"))
}

/// What is registered with the instance under descriptor `fd` of `tid`. It waits for the instance's
/// lock, which its users hold while a registered file is asked whether it is ready.
///
/// # Errors
/// `EBADF` when the number is not in use; `EPERM` when the kernel doesn't tell.
pub fn registrations(tid: u32, fd: i32) -> Result<Vec<Registration>, Errno> {
    Ok(parse(&procfs::descriptor_text(tid, fd)?))
}

/// Registers `new` with each of the instances, under `number` and as `old` was. An instance knows a file
/// by its number, too, so this is done with a descriptor table that is this function's alone.
///
/// # Errors
/// Those of `epoll_ctl(2)` and `unshare(2)`.
pub fn register_anew(
    old: &OwnedFd,
    new: &OwnedFd,
    number: i32,
    instances: &[(OwnedFd, Vec<Registration>)],
) -> Result<(), Errno> {
    if instances.is_empty() {
        return Ok(());
    }
    let anew = || {
        // Out of the number's way.
        let aside = |fd: &OwnedFd| fcntl(fd, FcntlArg::F_DUPFD(number.saturating_add(1)));
        let (old, new) = (aside(old)?, aside(new)?);
        for (instance, registrations) in instances {
            let instance = aside(instance)?;
            for registration in registrations {
                put(old, number)?;
                control(instance, libc::EPOLL_CTL_DEL, number, &mut registration.event())?;
                put(new, number)?;
                control(instance, libc::EPOLL_CTL_ADD, number, &mut registration.event())?;
            }
        }
        Ok(())
    };
    let job = || {
        unshare(CloneFlags::CLONE_FILES)?;
        let done = anew();
        // Else the table, and all files in it, would go after this thread is known to have ended.
        // SAFETY: of this table nothing is used any more; what owns descriptors has them in the other.
        Errno::result(unsafe { libc::close_range(0, libc::c_uint::MAX, 0) })?;
        done
    };
    std::thread::scope(|scope| scope.spawn(job).join().unwrap_or(Err(Errno::EIO)))
}

fn put(fd: RawFd, number: RawFd) -> Result<(), Errno> {
    // SAFETY: whatever had the number in this thread's own table is nobody's there.
    Errno::result(unsafe { libc::dup2(fd, number) }).map(drop)
}

fn control(instance: RawFd, what: i32, fd: RawFd, event: &mut [u8; EVENT]) -> Result<(), Errno> {
    // SAFETY: the event is as large as the kernel's, which reads it only; plain numbers else.
    Errno::result(unsafe { libc::epoll_ctl(instance, what, fd, event.as_mut_ptr().cast()) })
        .map(drop)
}

/// Lines `tfd: N events: X data: Y …`; all others are left out.
fn parse(text: &str) -> Vec<Registration> {
    let line = |line: &str| {
        let mut words = line.strip_prefix("tfd:")?.split_ascii_whitespace();
        let fd = words.next()?.parse().ok()?;
        let mut hex = |name| {
            (words.next()? == name).then_some(())?;
            u64::from_str_radix(words.next()?, 16).ok()
        };
        let events = u32::try_from(hex("events:")?).ok()?;
        Some(Registration { fd, events, data: hex("data:")? })
    };
    text.lines().filter_map(line).collect()
}

impl Registration {
    /// `struct epoll_event`, as it lies in memory.
    #[must_use]
    pub fn event(&self) -> [u8; EVENT] {
        let mut bytes = [0; EVENT];
        if let Some(events) = bytes.first_chunk_mut() {
            *events = self.events.to_ne_bytes();
        }
        if let Some(data) = bytes.last_chunk_mut() {
            *data = self.data.to_ne_bytes();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
    use proptest::prelude::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn lines_are_read_and_others_left_out() {
        let text = "pos:\t0\nflags:\t02\nmnt_id:\t15\nino:\t7\n\
                    tfd:        5 events: 4000001d data: ffffffffffffffff  pos:0 ino:33 sdev:6\n\
                    tfd: 12 events:       19 data:               a\n\
                    tfd: x events: 19 data: a\ntfd: 1 data: a\ntfd:\n";
        let expected = [
            Registration { fd: 5, events: 0x4000_001d, data: u64::MAX },
            Registration { fd: 12, events: 0x19, data: 10 },
        ];
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn the_struct_is_the_kernels() {
        let bytes =
            Registration { fd: 0, events: 0x0102_0304, data: 0x1122_3344_5566_7788 }.event();
        let at = std::mem::offset_of!(libc::epoll_event, u64);
        assert_eq!(bytes[..4], 0x0102_0304_u32.to_ne_bytes());
        assert_eq!(bytes[at..at + 8], 0x1122_3344_5566_7788_u64.to_ne_bytes());
        assert_eq!(at + 8, EVENT);
    }

    #[test]
    fn what_was_registered_is_told() {
        let me = std::process::id();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an instance");
        let (socket, _other) = super::super::scm_rights::pair().expect("a pair");
        let flags = EpollFlags::EPOLLPRI | EpollFlags::EPOLLONESHOT;
        epoll.add(&socket, EpollEvent::new(flags, 77)).expect("registered");
        let fd = epoll.0.as_raw_fd();
        assert!(instances(me).expect("a list").contains(&fd));
        let events = (flags | EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP).bits().cast_unsigned();
        let expected = Registration { fd: socket.as_raw_fd(), events, data: 77 };
        assert_eq!(registrations(me, fd), Ok(vec![expected]));
        assert_eq!(registrations(me, -1), Err(Errno::EBADF));
    }

    #[test]
    fn another_file_is_waited_for_under_the_number() {
        use super::super::scm_rights::send;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an instance");
        let (old, old_end) = super::super::scm_rights::pair().expect("a pair");
        let (new, new_end) = super::super::scm_rights::pair().expect("a pair");
        epoll.add(&old, EpollEvent::new(EpollFlags::EPOLLIN, 77)).expect("registered");
        let (me, fd, instance) = (std::process::id(), old.as_raw_fd(), epoll.0.as_raw_fd());
        let before = registrations(me, instance).expect("one");
        let instances = [(epoll.0.try_clone().expect("a duplicate"), before.clone())];
        register_anew(&old, &new, fd, &instances).expect("done");
        assert_eq!(registrations(me, instance), Ok(before));
        let waits = || {
            let mut events = [EpollEvent::empty()];
            let count = epoll.wait(&mut events, nix::poll::PollTimeout::ZERO).expect("asked");
            (count, events[0].data())
        };
        send(&old_end, &[1], &[]).expect("sent");
        assert_eq!(waits(), (0, 0), "the old one is not waited for");
        send(&new_end, &[1], &[]).expect("sent");
        assert_eq!(waits(), (1, 77));
    }

    proptest! {
        #[test]
        fn any_bytes_are_registrations_or_left_out(text in "(tfd:|events:|data:|[0-9a-f]| |\n|.){0,64}") {
            let _ = parse(&text);
        }
    }
}
