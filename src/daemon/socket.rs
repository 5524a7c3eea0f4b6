//! Sockets in the file system that belong to one daemon: the control socket, and whatever other
//! one stands beside it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};
use nix::unistd::{Group, geteuid};

use super::links::GROUP;

/// Where the control socket is when nothing else is asked for.
pub const DEFAULT_SOCKET: &str = "/run/shrbuf/control.sock";

/// Mode of a socket: who may write to it may connect.
const SOCKET_MODE: u32 = 0o660;

/// Connections that may wait for the daemon to accept them.
const BACKLOG: i32 = 16;

/// Why a socket could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The lock is held.
    #[error("a daemon{} runs already at {path}\n  use that one (`shrbuf list`), stop it, or give this one another --socket", pid_text(*pid))]
    SecondDaemon {
        /// The socket.
        path: String,
        /// The daemon that has it.
        pid: Option<u32>,
    },
    /// The folder or the lock can't be made.
    #[error(
        "{what}: {source}\n  the daemon runs as root; another user can give a --socket of their own, but can't make nodes in /dev"
    )]
    Forbidden {
        /// What was being done, and to what.
        what: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Something that is no socket has the place.
    #[error("{0} is there already and is no socket\n  take it away, or give another --socket")]
    Foreign(String),
    /// A step failed on a named thing.
    #[error("{what}: {source}\n  give another --socket, in a folder that is there")]
    Io {
        /// What was being done, and to what.
        what: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

fn doing(what: &str, path: &Path) -> impl FnOnce(io::Error) -> SocketError {
    let what = format!("{what} {}", path.display());
    move |source| match source.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            SocketError::Forbidden { what, source }
        }
        _ => SocketError::Io { what, source },
    }
}

/// The right to be the daemon at a socket's place; the kernel gives it back when this process
/// ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock beside `socket` (the same name with `.lock`), and makes its folder where
    /// that is missing.
    ///
    /// # Errors
    /// [`SocketError::SecondDaemon`] while another process has it.
    pub fn take(socket: &Path) -> Result<Self, SocketError> {
        if let Some(folder) = socket.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(doing("make the folder", folder))?;
        }
        let path = lock_path(socket);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644);
        options.custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits());
        let file = options.open(&path).map_err(doing("open", &path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                let pid = std::process::id();
                file.set_len(0)
                    .and_then(|()| writeln!(file, "{pid}"))
                    .map_err(doing("write", &path))?;
                Ok(Self { _file: file })
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut text = String::new();
                let pid =
                    file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                Err(SocketError::SecondDaemon { path: socket.display().to_string(), pid })
            }
            Err((_, error)) => Err(doing("lock", &path)(error.into())),
        }
    }
}

fn lock_path(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Listens at `path`, for root and group `video` (where there is one). What a daemon that was
/// killed left there is replaced: whoever calls this has the [`Lock`].
///
/// Nobody can connect before owner and mode are right: until then the socket has another name and
/// nobody listens.
///
/// # Errors
/// [`SocketError::Foreign`], [`SocketError::Forbidden`], [`SocketError::Io`].
pub fn listen_at(path: &Path) -> Result<UnixListener, SocketError> {
    match path.symlink_metadata() {
        Ok(data) if !data.file_type().is_socket() => {
            return Err(SocketError::Foreign(path.display().to_string()));
        }
        _ => {}
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(doing("remove", &fresh)(error));
        }
        _ => {}
    }
    let failed = |what: &'static str| move |error: Errno| doing(what, path)(error.into());
    let flags = SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)
        .map_err(failed("make the socket"))?;
    let address = UnixAddr::new(fresh.as_os_str().as_bytes()).map_err(failed("name the socket"))?;
    bind(std::os::fd::AsRawFd::as_raw_fd(&fd), &address).map_err(failed("make the socket"))?;
    if geteuid().is_root()
        && let Ok(Some(group)) = Group::from_name(GROUP)
    {
        chown(&fresh, None, Some(group.gid.as_raw()))
            .map_err(doing("give to group video", &fresh))?;
    }
    fs::set_permissions(&fresh, Permissions::from_mode(SOCKET_MODE))
        .map_err(doing("set the mode of", &fresh))?;
    listen(&fd, Backlog::new(BACKLOG).unwrap_or(Backlog::MAXCONN)).map_err(failed("listen at"))?;
    fs::rename(&fresh, path).map_err(doing("make", path))?;
    Ok(UnixListener::from(fd))
}
