//! A thread that frees orphans soon after their last holder let go.
//!
//! The kernel tells of a memory file's closing (unmapping and a socket's end included) an instant
//! *before* its counters change, so after an event the thread looks again and again, ever less
//! often. Of a dma-buf it tells nothing: while there are orphans the thread looks once a second.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::registry::Registry;

/// How soon after an event the first look is repeated.
const SOON: Duration = Duration::from_millis(1);

/// How often there is a look while there are orphans.
const TICK: Duration = Duration::from_secs(1);

/// The thread; dropping it ends it and waits for it.
#[derive(Debug)]
pub struct Reaper {
    /// Its end is the end of the thread; a byte is a wake-up.
    bell: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Reaper {
    /// Starts it.
    ///
    /// # Errors
    /// When no thread or socket can be had.
    pub fn start(registry: Arc<Registry>) -> io::Result<Self> {
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        registry.ring_when_orphaned(bell.try_clone()?);
        let work = move || {
            run(&registry, &ear);
            registry.forget_bell();
        };
        let thread = std::thread::Builder::new().name("reaper".into()).spawn(work)?;
        Ok(Self { bell, thread: Some(thread) })
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        let _ = self.bell.shutdown(std::net::Shutdown::Both);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!("the reaper had panicked");
        }
    }
}

/// Wakes the thread; a full socket means that it is awake.
pub(super) fn ring(mut bell: &UnixStream) {
    let _ = bell.write(&[0]);
}

fn run(registry: &Registry, ear: &UnixStream) {
    let mut wait = SOON;
    loop {
        let timeout = if registry.ledger().has_abandoned() {
            PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)
        } else {
            PollTimeout::NONE
        };
        match sleep(registry, ear, timeout) {
            Ok(Woken::End) => return,
            Ok(Woken::Event) => wait = SOON,
            Ok(Woken::Time) => wait = TICK.min(wait * 2),
            Err(errno) => {
                tracing::warn!(%errno, "the reaper can't wait and ends; orphans are freed at allocations");
                return;
            }
        }
        registry.reap();
    }
}

enum Woken {
    Event,
    Time,
    End,
}

fn sleep(registry: &Registry, ear: &UnixStream, timeout: PollTimeout) -> nix::Result<Woken> {
    let mut polled = vec![PollFd::new(ear.as_fd(), PollFlags::POLLIN)];
    polled.extend(registry.closings().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    match poll(&mut polled, timeout) {
        Ok(0) => return Ok(Woken::Time),
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno),
    }
    registry.clear_closings();
    let mut bytes = [0; 64];
    loop {
        match io::Read::read(&mut &*ear, &mut bytes) {
            Ok(0) => return Ok(Woken::End),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Woken::Event),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(Woken::End),
        }
    }
}
