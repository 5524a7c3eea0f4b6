//! The thread that opens the mount's files.
//!
//! `open(2)` waits for the daemon's own answer, and once the kernel has handed the request over no
//! signal ends that wait. So it is done where only the mount itself and a socket are open.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::files;
use crate::sys::{own_table, scm_rights};

/// What is to be opened.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Question {
    nodeid: u64,
    flags: i32,
    padding: u32,
}

/// What came of it. The descriptor comes beside it.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Answer {
    dev: u64,
    ino: u64,
    /// 0, or why there is no descriptor.
    errno: i32,
    padding: u32,
}

/// Comes after the answer, once this thread has its own descriptor closed: whoever gets the file is to
/// be the only one who has it.
const END: [u8; 1] = [0];

/// An open file.
pub(super) struct Opened {
    pub(super) fd: OwnedFd,
    pub(super) identity: (u64, u64),
}

/// The thread, which ends when this is dropped.
pub(super) struct Opener {
    /// One question at a time.
    socket: Mutex<OwnedFd>,
    _thread: JoinHandle<()>,
}

impl Opener {
    pub(super) fn start(root: OwnedFd) -> std::io::Result<Self> {
        let (ours, theirs) = scm_rights::pair()?;
        let thread = own_table::spawn("mapped-open", [root, theirs], |[root, socket]| {
            if let Err(errno) = run(&root, &socket) {
                tracing::warn!("the private mount's files can't be opened any more: {errno}");
            }
        })?;
        Ok(Self { socket: Mutex::new(ours), _thread: thread })
    }

    pub(super) fn open(&self, nodeid: u64, flags: u32, cached: bool) -> Result<Opened, Errno> {
        let wanted = OFlag::from_bits_truncate(flags.cast_signed());
        let mut flags = wanted & (OFlag::O_ACCMODE | OFlag::O_NONBLOCK) | OFlag::O_CLOEXEC;
        if cached {
            // Past the page cache, so that read(2) and write(2) come to us; mappings are of the cache.
            flags |= OFlag::O_DIRECT;
        }
        let question = Question { nodeid, flags: flags.bits(), padding: 0 };
        let mut answer = Answer::default();
        let mut fds = Vec::new();
        {
            let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
            scm_rights::send(&*socket, question.as_bytes(), &[]).map_err(|_| Errno::ENODEV)?;
            let answered = received(&socket, answer.as_mut_bytes(), &mut fds);
            // Whatever came of it: the next question's answer must not be this one's end.
            let closed = received(&socket, &mut [0; END.len()], &mut Vec::new());
            match answered.and_then(|there| Ok(there && closed?)) {
                Ok(true) => {}
                Ok(false) => return Err(Errno::ENODEV),
                // The answer had a descriptor, and there is no number free for it.
                Err(Errno::EMSGSIZE) => return Err(Errno::EMFILE),
                Err(errno) => return Err(errno),
            }
        }
        match (fds.pop(), answer.errno) {
            (Some(fd), 0) => Ok(Opened { fd, identity: (answer.dev, answer.ino) }),
            (_, 0) => Err(Errno::EIO),
            (_, errno) => Err(Errno::from_raw(errno)),
        }
    }
}

/// Answers questions until nobody can ask any more.
fn run(root: &OwnedFd, socket: &OwnedFd) -> Result<(), Errno> {
    let mut question = Question { nodeid: 0, flags: 0, padding: 0 };
    while received(socket, question.as_mut_bytes(), &mut Vec::new())? {
        let sent = match open(root, &question) {
            Ok((fd, answer)) => scm_rights::send(socket, answer.as_bytes(), &[fd.as_fd()]),
            Err(errno) => {
                let answer = Answer { errno: errno as i32, ..Answer::default() };
                scm_rights::send(socket, answer.as_bytes(), &[])
            }
        };
        match sent.and_then(|()| scm_rights::send(socket, &END, &[])) {
            Ok(()) => {}
            Err(Errno::EPIPE | Errno::ECONNRESET) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn open(root: &OwnedFd, question: &Question) -> Result<(OwnedFd, Answer), Errno> {
    let flags = OFlag::from_bits_retain(question.flags);
    let name = files::name(question.nodeid);
    let fd = openat(root, name.as_str(), flags, Mode::empty())?;
    // No request: the answer to the look-up holds for ever.
    let stat = fstat(&fd)?;
    Ok((fd, Answer { dev: stat.st_dev, ino: stat.st_ino, ..Answer::default() }))
}

fn received(socket: &OwnedFd, bytes: &mut [u8], fds: &mut Vec<OwnedFd>) -> Result<bool, Errno> {
    loop {
        match scm_rights::receive(socket, bytes, fds) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}
