//! The courier's socket: where tickets are redeemed.
//!
//! A `SOCK_SEQPACKET` Unix socket. One connection redeems one ticket: the client sends its 16
//! bytes, the server answers with one message, the errno as a native `int32` (0: the descriptor
//! comes with it as `SCM_RIGHTS`), and closes. Who asks is known by the socket's credentials
//! (`SO_PEERCRED`). A client that sends nothing for a second is hung up on; one that sends
//! anything else gets `EINVAL`; descriptors that it sends are never received: nothing here may
//! ever hold a client's files.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect, getsockopt,
    listen as start_listening, recv, socket, sockopt,
};

use super::ticket::{Ticket, Tickets};
use crate::sys::scm_rights;

/// Connections at once. A client has one for microseconds; the next ones wait in the backlog.
const MOST: usize = 64;

/// Of these, those of one user.
const PER_UID: usize = 16;

/// How long a client may take to send its ticket.
const PATIENCE: Duration = Duration::from_secs(1);

/// The server, one thread. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    /// Its closing is the end.
    end: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves on `listener`, a listening `SOCK_SEQPACKET` Unix socket (see [`listen`]).
    ///
    /// # Errors
    /// When no thread is to be had.
    pub fn start(listener: OwnedFd, tickets: Tickets) -> io::Result<Self> {
        let (end, ended) = scm_rights::pair()?;
        let counter = Counter { listener, ended, tickets, clients: Vec::new() };
        let thread = std::thread::Builder::new().name("courier".into());
        let thread = Some(thread.spawn(move || counter.serve())?);
        Ok(Self { end: Some(end), thread })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The serving thread.
struct Counter {
    listener: OwnedFd,
    ended: OwnedFd,
    tickets: Tickets,
    clients: Vec<Client>,
}

/// One connection whose ticket has not come yet.
struct Client {
    socket: OwnedFd,
    uid: u32,
    /// Its user has too many connections already.
    refused: bool,
    until: Instant,
}

impl Counter {
    fn serve(mut self) {
        while let Some(ready) = self.wait() {
            let mut ready = ready.into_iter();
            let knocking = ready.next().unwrap_or(false);
            let clients = std::mem::take(&mut self.clients);
            for (client, ready) in clients.into_iter().zip(ready) {
                if ready {
                    client.answer(&self.tickets);
                } else if client.until > Instant::now() {
                    self.clients.push(client);
                }
            }
            if knocking {
                self.accept();
            }
            self.tickets.expire();
        }
    }

    /// Waits for an event, at most a second. Says who has one: the listener, then the clients in
    /// their order; `None` is the end.
    fn wait(&self) -> Option<Vec<bool>> {
        let event = |fd| PollFd::new(fd, PollFlags::POLLIN);
        // A full house does not look at the door.
        let door = if self.clients.len() < MOST { PollFlags::POLLIN } else { PollFlags::empty() };
        let mut fds = vec![event(self.ended.as_fd()), PollFd::new(self.listener.as_fd(), door)];
        fds.extend(self.clients.iter().map(|client| event(client.socket.as_fd())));
        match poll(&mut fds, PollTimeout::from(1000_u16)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                tracing::warn!("the courier's socket is lost: {error}");
                return None;
            }
        }
        let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
        if ready.next().unwrap_or(true) { None } else { Some(ready.collect()) }
    }

    fn accept(&mut self) {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        // It fails when the client is gone again, or the daemon's table is full.
        let Ok(socket) = scm_rights::accept(&self.listener, flags) else { return };
        let Ok(peer) = getsockopt(&socket, sockopt::PeerCredentials) else { return };
        let uid = peer.uid();
        let others = self.clients.iter().filter(|client| client.uid == uid).count();
        // Refused ones are heard, too: a socket that is closed with a ticket unread gives the client
        // ECONNRESET in place of the answer. Who makes a flood of them has to live with that.
        if others < 2 * PER_UID {
            let refused = others >= PER_UID;
            self.clients.push(Client { socket, uid, refused, until: Instant::now() + PATIENCE });
        } else {
            say(&socket, Err(Errno::EBUSY));
        }
    }
}

impl Client {
    fn answer(self, tickets: &Tickets) {
        let mut bytes = [0; size_of::<Ticket>() + 1];
        // Without room for control messages the kernel drops descriptors before we have them.
        let got = recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT);
        if self.refused {
            return say(&self.socket, Err(Errno::EBUSY));
        }
        let ticket = match (got, bytes.first_chunk()) {
            (Ok(len), Some(ticket)) if len == size_of::<Ticket>() => ticket,
            (Ok(0) | Err(_), _) => return,
            _ => return say(&self.socket, Err(Errno::EINVAL)),
        };
        say(&self.socket, tickets.redeem(self.uid, ticket));
    }
}

fn say(socket: &OwnedFd, answer: Result<OwnedFd, Errno>) {
    // It fails when the client is gone, and then nobody misses it.
    let _ = match answer {
        Ok(descriptor) => scm_rights::send(socket, &0_i32.to_ne_bytes(), &[descriptor.as_fd()]),
        Err(errno) => scm_rights::send(socket, &(errno as i32).to_ne_bytes(), &[]),
    };
}

/// Makes the listening socket at `path` (mode 0666: a ticket is the key). A stale socket there,
/// one that nobody listens on, is replaced; anything else is not.
///
/// # Errors
/// `EADDRINUSE` when somebody listens there or it is no socket; those of `bind(2)`.
pub fn listen(path: &Path) -> io::Result<OwnedFd> {
    let listener = new_socket(SockFlag::SOCK_NONBLOCK)?;
    let address = UnixAddr::new(path)?;
    match bind(listener.as_raw_fd(), &address) {
        Err(Errno::EADDRINUSE) if is_stale(path, &address)? => {
            std::fs::remove_file(path)?;
            bind(listener.as_raw_fd(), &address)?;
        }
        bound => bound?,
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    start_listening(&listener, Backlog::MAXALLOWABLE)?;
    Ok(listener)
}

fn is_stale(path: &Path, address: &UnixAddr) -> io::Result<bool> {
    if !std::fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    let probe = new_socket(SockFlag::SOCK_NONBLOCK)?;
    Ok(connect(probe.as_raw_fd(), address) == Err(Errno::ECONNREFUSED))
}

/// Connects to whoever listens at `path`.
///
/// # Errors
/// Those of `connect(2)`.
pub(super) fn connect_to(path: &Path) -> io::Result<OwnedFd> {
    let ours = new_socket(SockFlag::empty())?;
    connect(ours.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(ours)
}

pub(super) fn new_socket(more: SockFlag) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | more;
    Ok(socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::courier::client::redeem;
    use std::fs::File;

    struct Stand {
        folder: tempfile::TempDir,
        tickets: Tickets,
        _server: Server,
    }

    impl Stand {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let tickets = Tickets::new();
            let listener = listen(&folder.path().join("socket")).expect("a socket");
            let server = Server::start(listener, tickets.clone()).expect("a server");
            Self { folder, tickets, _server: server }
        }

        fn path(&self) -> std::path::PathBuf {
            self.folder.path().join("socket")
        }

        fn connected(&self) -> OwnedFd {
            let socket = new_socket(SockFlag::empty()).expect("a socket");
            let address = UnixAddr::new(&self.path()).expect("an address");
            connect(socket.as_raw_fd(), &address).expect("connected");
            socket
        }

        fn ticket(&self) -> Ticket {
            let file = File::open("/dev/null").expect("a file");
            let uid = nix::unistd::geteuid().as_raw();
            self.tickets.issue(uid, file.into()).expect("a ticket")
        }
    }

    fn answer(socket: &OwnedFd) -> (i32, usize) {
        let (mut bytes, mut fds) = ([0; 4], Vec::new());
        assert_eq!(scm_rights::receive(socket, &mut bytes, &mut fds), Ok(true));
        (i32::from_ne_bytes(bytes), fds.len())
    }

    #[test]
    fn a_ticket_is_redeemed_once() {
        let stand = Stand::new();
        let ticket = stand.ticket();
        assert!(redeem(&stand.path(), &ticket).is_ok());
        let again = redeem(&stand.path(), &ticket).map(drop);
        let errno = again.map_err(|error| error.raw_os_error());
        assert_eq!(errno, Err(Some(libc::EACCES)));
    }

    #[test]
    fn those_who_say_nothing_hold_up_nobody() {
        let stand = Stand::new();
        let _silent: Vec<_> = (0..PER_UID - 1).map(|_| stand.connected()).collect();
        assert!(redeem(&stand.path(), &stand.ticket()).is_ok());
        let _one_more = stand.connected();
        let errno = redeem(&stand.path(), &stand.ticket()).map(drop).map_err(|e| e.raw_os_error());
        assert_eq!(errno, Err(Some(libc::EBUSY)));
    }

    #[test]
    fn nonsense_is_einval_and_descriptors_are_not_received() {
        let stand = Stand::new();
        for len in [1, 15, 17, 1000] {
            let socket = stand.connected();
            scm_rights::send(&socket, &vec![0; len], &[socket.as_fd()]).expect("sent");
            assert_eq!(answer(&socket), (libc::EINVAL, 0), "{len} bytes");
        }
        let socket = stand.connected();
        scm_rights::send(&socket, &stand.ticket(), &[socket.as_fd()]).expect("sent");
        assert_eq!(answer(&socket), (0, 1));
    }

    #[test]
    fn only_a_stale_socket_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let in_use = || listen(&path).map(drop).map_err(|error| error.raw_os_error());
        let first = listen(&path).expect("a socket");
        assert_eq!(in_use(), Err(Some(libc::EADDRINUSE)));
        drop(first);
        drop(listen(&path).expect("the stale one is replaced"));
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, "mine").expect("written");
        assert_eq!(in_use(), Err(Some(libc::EADDRINUSE)));
        assert_eq!(std::fs::read(&path).expect("a file"), b"mine");
    }
}
