//! The courier of a supervised run (`shrbuf run --notify`): for callers that can't be traced, since they
//! are already (gdb, strace), or since they have seccomp filters that can't be suspended.
//!
//! It runs in a process of its own, the parent of the command. The kernel tells it of the three calls that
//! end with a descriptor, before they are carried out (seccomp's user notification). It makes them itself,
//! on a duplicate of the caller's descriptor, as the same user: an export as any client that knows of
//! tickets ([`super::client`]); an allocation so that its own descriptor is swapped, which nobody traces.
//! The kernel then gives the caller what came of it (`SECCOMP_IOCTL_NOTIF_ADDFD`, Linux 5.9), and its call
//! is answered. All other calls, and calls on other drivers' nodes, are the kernel's to carry out.
//!
//! One call is served after the other, for a thread with one swap at a time is all that every kernel can
//! tell apart (see `calling.rs`). A caller whose memory never comes holds up the command's other
//! processes, and nobody else.
//!
//! Like the other way, this needs the right to `ptrace` its callers: to read and write the structs, and to
//! duplicate descriptors. Where that is forbidden altogether (`kernel.yama.ptrace_scope` 3), only a program
//! that knows of tickets can export.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::client::{Client, Plane};
use crate::sys::epoll::{self, Registration};
use crate::sys::scm_rights::ioctl;
use crate::sys::seccomp::{self, AsUser, Told};
use crate::sys::{pidfd, process_vm, procfs};

/// The name (`argv[0]`) under which the program starts itself for this.
pub const NOTIFY_NAME: &str = "shrbuf-notify";

/// `VIDIOC_REQBUFS`, `VIDIOC_EXPBUF`, `VIDIOC_CREATE_BUFS` of `<linux/videodev2.h>`.
pub const COMMANDS: [u32; 3] = [REQBUFS, EXPBUF, CREATE_BUFS];

const REQBUFS: u32 = 0xc014_5608;
const EXPBUF: u32 = 0xc040_5610;
const CREATE_BUFS: u32 = 0xc100_565c;

/// `V4L2_MEMORY_MMAP`.
const MMAP: u32 = 1;

/// `struct v4l2_exportbuffer`.
#[repr(C)]
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
struct ExportBuffer {
    buffer_type: u32,
    index: u32,
    plane: u32,
    flags: u32,
    fd: i32,
    reserved: [u32; 11],
}

/// The courier.
#[derive(Debug)]
pub struct Notify {
    listener: OwnedFd,
    client: Client,
}

/// What becomes of a call: an answer, or `None`: the kernel carries it out.
type Fate = Option<Result<i64, Errno>>;

impl Notify {
    /// Serves the calls that `listener` tells, with the daemon whose courier listens at `socket`.
    #[must_use]
    pub fn new(listener: OwnedFd, socket: PathBuf) -> Self {
        Self { listener, client: Client { socket } }
    }

    /// Until nobody is left whose calls are told.
    ///
    /// # Errors
    /// Those of `poll(2)` and `ioctl(2)` on the listener.
    pub fn serve(&self) -> Result<(), Errno> {
        loop {
            let mut fds = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno),
            }
            let [listener] = fds;
            let events = listener.revents().unwrap_or(PollFlags::empty());
            if !events.contains(PollFlags::POLLIN) {
                return Ok(()); // POLLHUP
            }
            match seccomp::next(&self.listener) {
                Ok(told) => {
                    let fate = self.fate(&told);
                    // It fails when the caller was ended, which is the end of its call, too.
                    let _ = seccomp::answer(&self.listener, &told, fate);
                }
                Err(Errno::ENOENT | Errno::EINTR | Errno::EAGAIN) => {}
                Err(errno) => return Err(errno),
            }
        }
    }

    fn fate(&self, told: &Told) -> Fate {
        let [fd, cmd, address, ..] = told.arguments;
        // The kernel takes the lower half of the registers.
        let fd = i32::try_from(fd & 0xffff_ffff).ok()?;
        let cmd = u32::try_from(cmd & 0xffff_ffff).ok()?;
        match cmd {
            EXPBUF => self.export(told, fd, address),
            REQBUFS | CREATE_BUFS => self.allocate(told, fd, cmd, address),
            _ => None,
        }
    }

    /// `VIDIOC_EXPBUF`.
    fn export(&self, told: &Told, fd: i32, address: u64) -> Fate {
        if !is_node(told.tid, fd) && !is_mapped(told.tid, fd) {
            return None;
        }
        let node = self.take(told, fd)?;
        let mut export = ExportBuffer::new_zeroed();
        if process_vm::read(told.tid, address, export.as_mut_bytes()).is_err() {
            return Some(Err(Errno::EFAULT));
        }
        let ExportBuffer { buffer_type, index, plane, flags, .. } = export;
        let plane = Plane { buffer_type, index, plane };
        let exported = match self.client.export(node.as_fd(), plane, flags) {
            Ok(exported) => exported,
            Err(error) => {
                let errno = errno(&error);
                // Another driver's node.
                return if errno == Errno::ENOTTY { None } else { Some(Err(errno)) };
            }
        };
        let cloexec = flags & libc::O_CLOEXEC.cast_unsigned() != 0;
        Some(seccomp::add(&self.listener, told, &exported, None, cloexec).and_then(|number| {
            // Where it can't be written to, the kernel's own call leaves the descriptor, too.
            let export = ExportBuffer { fd: number, reserved: [0; 11], ..export };
            let written = process_vm::write(told.tid, address, export.as_bytes());
            written.map(|()| 0).map_err(|_| Errno::EFAULT)
        }))
    }

    /// `VIDIOC_REQBUFS` and `VIDIOC_CREATE_BUFS`, by which a node's descriptor may be swapped.
    fn allocate(&self, told: &Told, fd: i32, cmd: u32, address: u64) -> Fate {
        if !is_node(told.tid, fd) {
            return None;
        }
        let mut argument = vec![0; (cmd >> 16 & 0x3fff) as usize]; // _IOC_SIZE
        if process_vm::read(told.tid, address, &mut argument).is_err() {
            return Some(Err(Errno::EFAULT));
        }
        let word = |at: usize| {
            argument.get(at..).and_then(|bytes| u32::read_from_prefix(bytes).ok()).map(|(it, _)| it)
        };
        // `struct v4l2_requestbuffers`; `struct v4l2_create_buffers`, whose format begins with the type.
        let (count, buffer_type) =
            if cmd == REQBUFS { (word(0)?, word(4)?) } else { (word(4)?, word(16)?) };
        if word(8)? != MMAP || count == 0 {
            return None;
        }
        let node = self.take(told, fd)?;
        let old = node.try_clone().ok()?;
        let user = procfs::status(told.tid).ok()?.fsuid;
        let called = {
            let _user = AsUser::new(user);
            ioctl(&node, cmd, &mut argument)
        };
        if let Err(errno) = called {
            return Some(Err(errno));
        }
        if let Err(errno) = self.hand_over(told, fd, &old, &node) {
            // The caller keeps its old descriptor, and has no buffers.
            let mut none = [0, buffer_type, MMAP, 0, 0];
            let _ = ioctl(&node, REQBUFS, none.as_mut_bytes());
            return Some(Err(errno));
        }
        let written = process_vm::write(told.tid, address, &argument);
        Some(written.map(|()| 0).map_err(|_| Errno::EFAULT))
    }

    /// Gives the caller what its descriptor has become, if it has become anything else.
    fn hand_over(&self, told: &Told, fd: i32, old: &OwnedFd, new: &OwnedFd) -> Result<(), Errno> {
        let file = |fd: BorrowedFd<'_>| {
            procfs::own_descriptor(fd.as_raw_fd()).map(|it| (it.mount, it.inode))
        };
        if file(old.as_fd())? == file(new.as_fd())? {
            return Ok(());
        }
        let flags = procfs::descriptor(told.tid, fd)?.flags;
        epoll::register_anew(old, new, fd, &self.registrations(told, fd)?)?;
        let cloexec = flags & libc::O_CLOEXEC.cast_unsigned() != 0;
        let number = u32::try_from(fd).map_err(|_| Errno::EBADF)?;
        seccomp::add(&self.listener, told, new, Some(number), cloexec).map(drop)
    }

    /// Which of the caller's epoll instances wait for its descriptor, and for what.
    fn registrations(
        &self,
        told: &Told,
        fd: i32,
    ) -> Result<Vec<(OwnedFd, Vec<Registration>)>, Errno> {
        let mut all = Vec::new();
        for instance in epoll::instances(told.tid)? {
            let mut its = epoll::registrations(told.tid, instance)?;
            its.retain(|registration| registration.fd == fd);
            if !its.is_empty() {
                all.push((self.take(told, instance).ok_or(Errno::EBADF)?, its));
            }
        }
        Ok(all)
    }

    /// A duplicate of the caller's descriptor.
    fn take(&self, told: &Told, fd: i32) -> Option<OwnedFd> {
        let taken = match pidfd::open_thread(told.tid) {
            Ok(thread) => pidfd::getfd(thread, fd),
            // Before Linux 6.9 it is that of the first thread, which nearly always has the same table.
            Err(_) => pidfd::open(procfs::status(told.tid).ok()?.tgid)
                .and_then(|process| pidfd::getfd(process, fd)),
        };
        // Was it the caller's own? Numbers of threads are used again.
        taken.ok().filter(|_| seccomp::waits(&self.listener, told))
    }
}

/// A device of CUSE's; whether it is one of ours, it says itself.
fn is_node(tid: u32, fd: i32) -> bool {
    let device = procfs::character_device(tid, fd);
    matches!(device, Ok(Some(device)) if procfs::is_cuse(device))
}

/// A file that can be mapped, as far as its name goes: no path leads to it.
fn is_mapped(tid: u32, fd: i32) -> bool {
    let link = std::fs::read_link(format!("/proc/{tid}/fd/{fd}"));
    link.is_ok_and(|link| link.to_string_lossy().starts_with("/shrbuf-"))
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
