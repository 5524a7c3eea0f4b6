//! A thread that accepts, and one for each connection.

use std::collections::HashMap;
use std::io::{self, ErrorKind as IoErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;

use super::handle;
use super::line::{LineError, Lines, send};
use super::rate::Shares;
use super::wire::{Answer, ErrorKind, LONGEST_REQUEST, MOST_DESCRIPTORS};
use crate::daemon::supervisor::{Supervisor, Viewer};

/// How patient the server is.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Between two requests of a connection. A person at a prompt of `socat` is quicker.
    pub idle: Duration,
    /// From the first byte of a request to its last, and for a client to take its answer. A
    /// client that is stopped by its debugger loses its connection, and no more.
    pub slow: Duration,
}

impl Default for Patience {
    /// 60 s and 5 s.
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), slow: Duration::from_secs(5) }
    }
}

/// How long a refused connection's answer may take: it fits in an empty socket.
const AT_ONCE: Duration = Duration::from_millis(50);

/// Stack of a connection's thread, in bytes: JSON of 128 levels and a table fit with room.
const STACK: usize = 512 * 1024;

/// Waits before the next try to accept where this process has no descriptor left.
const BREATH: Duration = Duration::from_millis(100);

/// The control socket, served.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    /// Closed to end the acceptor.
    stop: Option<UnixStream>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    supervisor: Arc<Supervisor>,
    patience: Patience,
    shares: Mutex<Shares>,
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    next: u64,
    ending: bool,
    open: HashMap<u64, (UnixStream, Option<JoinHandle<()>>)>,
    ended: Vec<JoinHandle<()>>,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
struct Peer {
    uid: u32,
    pid: i32,
}

impl Peer {
    fn of(stream: &UnixStream) -> io::Result<Self> {
        let credentials = getsockopt(stream, PeerCredentials)?;
        Ok(Self { uid: credentials.uid(), pid: credentials.pid() })
    }

    fn viewer(self) -> Viewer {
        if self.uid == 0 || self.uid == geteuid().as_raw() {
            Viewer::Privileged
        } else {
            Viewer::User(self.uid)
        }
    }
}

impl Server {
    /// Serves `listener` until [`Server::stop`].
    ///
    /// # Errors
    /// When a thread or a socket pair can't be had.
    pub fn start(
        listener: UnixListener,
        supervisor: Arc<Supervisor>,
        patience: Patience,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared {
            supervisor,
            patience,
            shares: Mutex::default(),
            connections: Mutex::default(),
        });
        let (stop, stopped) = UnixStream::pair()?;
        let of_acceptor = Arc::clone(&shared);
        let acceptor = Builder::new()
            .name("control".into())
            .stack_size(STACK)
            .spawn(move || accept_all(&listener, &stopped, &of_acceptor))?;
        Ok(Self { shared, stop: Some(stop), acceptor: Some(acceptor) })
    }

    /// Accepts nothing more, ends every connection, and waits for the answers under way.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(acceptor) = self.acceptor.take() else { return };
        drop(self.stop.take());
        join(acceptor);
        let threads = {
            let mut connections = lock(&self.shared.connections);
            connections.ending = true;
            let mut threads = std::mem::take(&mut connections.ended);
            for (stream, thread) in connections.open.values_mut() {
                // A connection that is gone already is as good.
                let _ = stream.shutdown(std::net::Shutdown::Both);
                threads.extend(thread.take());
            }
            threads
        };
        threads.into_iter().for_each(join);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::warn!("a thread of the control socket has panicked");
    }
}

fn accept_all(listener: &UnixListener, stopped: &UnixStream, shared: &Arc<Shared>) {
    loop {
        let mut both = [
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut both, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return tracing::warn!(%error, "the control socket is closed"),
        }
        if both.get(1).and_then(PollFd::any).unwrap_or(true) {
            return;
        }
        match listener.accept() {
            Ok((stream, _)) => welcome(shared, stream),
            Err(error) if error.kind() == IoErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                std::thread::sleep(BREATH);
            }
        }
    }
}

fn welcome(shared: &Arc<Shared>, stream: UnixStream) {
    let Ok(peer) = Peer::of(&stream) else { return };
    // Accepted sockets do not inherit O_NONBLOCK on Linux; the time limits need it so.
    let rate = lock(&shared.shares).ask(peer.uid, Instant::now());
    if !rate || !lock(&shared.shares).connect(peer.uid) {
        let why = if rate { "connections" } else { "requests" };
        return refuse(&stream, peer, why);
    }
    let guest = Arc::clone(shared);
    let Ok(for_stop) = stream.try_clone() else {
        return lock(&shared.shares).disconnect(peer.uid);
    };
    // The lock is held until the thread's handle is in its place: the thread, when it ends, finds it.
    let mut connections = lock(&shared.connections);
    let id = connections.next;
    connections.next += 1;
    connections.ended.drain(..).for_each(join);
    let thread = Builder::new().name("control client".into()).stack_size(STACK).spawn(move || {
        serve(&guest, &stream, peer);
        lock(&guest.shares).disconnect(peer.uid);
        let mut connections = lock(&guest.connections);
        if let Some((_, Some(thread))) = connections.open.remove(&id) {
            connections.ended.push(thread);
        }
    });
    match thread {
        Ok(thread) => {
            connections.open.insert(id, (for_stop, Some(thread)));
        }
        Err(error) => {
            tracing::warn!(%error, "no thread for a connection");
            lock(&shared.shares).disconnect(peer.uid);
        }
    }
}

fn refuse(stream: &UnixStream, peer: Peer, why: &str) {
    tracing::info!(uid = peer.uid, pid = peer.pid, "refused: too many {why} of this user");
    let message = format!("too many {why} at a time\n  try again in a second");
    give(stream, &Answer::error(ErrorKind::Busy, message), None, AT_ONCE);
}

fn serve(shared: &Shared, stream: &UnixStream, peer: Peer) {
    let viewer = peer.viewer();
    // Descriptors are of use to those only who may add a node. The others' never get here: closing
    // one could wait for a file system of theirs.
    let most = if viewer == Viewer::Privileged { MOST_DESCRIPTORS } else { 0 };
    let Patience { idle, slow } = shared.patience;
    let mut lines = Lines::new(stream, LONGEST_REQUEST, most);
    loop {
        let (line, descriptors) = match lines.next(idle, slow) {
            Ok(line) => line,
            Err(error) => {
                if let Some(answer) = complaint(&error, most) {
                    tracing::info!(uid = peer.uid, pid = peer.pid, ?error, "refused");
                    give(stream, &answer, None, slow);
                }
                return;
            }
        };
        if !lock(&shared.shares).ask(peer.uid, Instant::now()) {
            return refuse(stream, peer, "requests");
        }
        let (answer, file) = handle::line(&shared.supervisor, viewer, &line, descriptors);
        if !give(stream, &answer, file, slow) || lock(&shared.connections).ending {
            return;
        }
    }
}

fn complaint(error: &LineError, most: usize) -> Option<Answer> {
    let (kind, message) = match error {
        LineError::Closed | LineError::TooSlow { begun: false } | LineError::Io(_) => return None,
        LineError::TooLong => {
            (ErrorKind::TooLong, format!("a request has at most {LONGEST_REQUEST} bytes"))
        }
        LineError::TooSlow { begun: true } => {
            (ErrorKind::TooSlow, "the request did not come to its end (a newline) in time".into())
        }
        LineError::Descriptors if most == 0 => {
            (ErrorKind::Forbidden, "only root may send descriptors".into())
        }
        LineError::Descriptors => {
            (ErrorKind::Malformed, format!("a request has at most {most} descriptors"))
        }
    };
    Some(Answer::error(kind, message))
}

/// Whether the client has taken it.
fn give(stream: &UnixStream, answer: &Answer, file: Option<OwnedFd>, slow: Duration) -> bool {
    let line = serde_json::to_vec(answer).map_err(io::Error::from);
    let borrowed: Vec<_> = file.iter().map(AsFd::as_fd).collect();
    let sent = line.and_then(|line| send(stream, &line, &borrowed, slow));
    if let Err(error) = &sent {
        tracing::debug!(%error, "an answer was not taken");
    }
    sent.is_ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
