//! The other side of the control socket, for the command's verbs.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind as IoErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;

use super::line::{LineError, Lines, send};
use super::wire::{Answer, ErrorKind, LONGEST_ANSWER, Request};
use crate::daemon::config::raw::RawDevice;
use crate::daemon::nodes::{BufferRow, NodeStatus, Usage};

/// How long an answer may take: starting a node waits for udev.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no answer, or an answer that is an error.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "no daemon listens at {0}\n  start one (`systemctl start shrbuf`, or `shrbuf daemon`), or name its socket with --socket"
    )]
    NoDaemon(String),
    /// The socket may not be used.
    #[error(
        "{0} may not be used by you\n  it is for root and group video: `usermod -a -G video USER`, and log in again"
    )]
    Forbidden(String),
    /// The daemon's own words.
    #[error("{message}")]
    Refused {
        /// What kind of error.
        kind: ErrorKind,
        /// What, and the remedy.
        message: String,
    },
    /// A file that was named can't be opened.
    #[error("{name}: {source}")]
    File {
        /// As typed.
        name: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The daemon speaks another language.
    #[error(
        "the daemon's answer is not understood ({0})\n  restart the daemon: it may be older than this command"
    )]
    Language(String),
    /// The connection fails.
    #[error("the connection to the daemon: {0}")]
    Io(#[from] io::Error),
}

impl ClientError {
    /// 1, or 77 where the environment can't.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Refused { kind: ErrorKind::Environment, .. } => 77,
            _ => 1,
        }
    }
}

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
}

impl Client {
    /// Connects to the daemon at `path`.
    ///
    /// # Errors
    /// [`ClientError::NoDaemon`], [`ClientError::Forbidden`], [`ClientError::Io`].
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let shown = path.display().to_string();
        match UnixStream::connect(path) {
            Ok(stream) => Ok(Self { stream }),
            Err(error) => Err(match error.kind() {
                IoErrorKind::NotFound | IoErrorKind::ConnectionRefused => {
                    ClientError::NoDaemon(shown)
                }
                IoErrorKind::PermissionDenied => ClientError::Forbidden(shown),
                _ => error.into(),
            }),
        }
    }

    /// The nodes.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn list(&self) -> Result<Vec<NodeStatus>, ClientError> {
        match self.ask(&Request::List {}, &[])? {
            (Answer::Nodes { nodes }, _) => Ok(nodes),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// The buffers of one node, or of all.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn buffers(&self, node: Option<String>) -> Result<Vec<BufferRow>, ClientError> {
        match self.ask(&Request::Buffers { node }, &[])? {
            (Answer::Buffers { buffers }, _) => Ok(buffers),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// What is limited, and how much of it is used.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn usage(&self) -> Result<Usage, ClientError> {
        match self.ask(&Request::Usage {}, &[])? {
            (Answer::Usage(usage), _) => Ok(usage),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// A node's last frame: a file with a PNG, at its beginning.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn snapshot(&self, node: String) -> Result<File, ClientError> {
        match self.ask(&Request::Snapshot { node }, &[])? {
            (Answer::Snapshot { .. }, Some(file)) => Ok(file.into()),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Starts a node. The files that it names are opened here, by this process's own rights and
    /// relative to its own folder.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn add(&self, device: RawDevice) -> Result<NodeStatus, ClientError> {
        let mut files = Vec::new();
        if let Some(name) = device.source.as_ref().and_then(|source| source.file.as_deref()) {
            files.push(open(name, OpenOptions::new().read(true))?);
        }
        if let Some(sink) = &device.sink {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(true).mode(0o644);
            files.push(open(&sink.file, &mut options)?);
        }
        let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        match self.ask(&Request::Add { device: Box::new(device) }, &borrowed)? {
            (Answer::Added { node }, _) => Ok(node),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// Stops a node.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn remove(&self, node: String, force: bool) -> Result<(), ClientError> {
        match self.ask(&Request::Remove { node, force }, &[])? {
            (Answer::Removed { .. }, _) => Ok(()),
            (other, _) => Err(unexpected(&other)),
        }
    }

    /// One request, one answer, with what came along.
    ///
    /// # Errors
    /// See [`ClientError`]; an [`Answer::Error`] is one, too.
    pub fn ask(
        &self,
        request: &Request,
        files: &[std::os::fd::BorrowedFd<'_>],
    ) -> Result<(Answer, Option<OwnedFd>), ClientError> {
        let line = serde_json::to_vec(request).map_err(io::Error::from)?;
        // A daemon that refuses a connection answers and closes before it has read anything.
        let sent = send(&self.stream, &line, files, PATIENCE);
        let mut lines = Lines::new(&self.stream, LONGEST_ANSWER, 1);
        let (line, mut with_it) = match (lines.next(PATIENCE, PATIENCE), sent) {
            (Ok(answer), _) => answer,
            (Err(_), Err(error)) => return Err(error.into()),
            (Err(LineError::Io(error)), _) => return Err(error.into()),
            (Err(LineError::Closed), _) => {
                return Err(io::Error::from(IoErrorKind::UnexpectedEof).into());
            }
            (Err(LineError::TooSlow { .. }), _) => {
                return Err(io::Error::from(IoErrorKind::TimedOut).into());
            }
            (Err(other), _) => return Err(ClientError::Language(format!("{other:?}"))),
        };
        match serde_json::from_slice(&line) {
            Ok(Answer::Error { kind, message }) => Err(ClientError::Refused { kind, message }),
            Ok(answer) => Ok((answer, with_it.pop())),
            Err(error) => Err(ClientError::Language(error.to_string())),
        }
    }
}

fn open(name: &str, options: &mut OpenOptions) -> Result<File, ClientError> {
    options.custom_flags(OFlag::O_NONBLOCK.bits() | OFlag::O_NOCTTY.bits());
    options.open(name).map_err(|source| ClientError::File { name: name.into(), source })
}

fn unexpected(answer: &Answer) -> ClientError {
    ClientError::Language(format!("{answer:?}"))
}
