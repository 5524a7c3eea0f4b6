//! The daemon from its start to its end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sd_notify::NotifyState;

use super::config::{Config, ConfigError};
use super::control::server::{Patience, Server};
use super::links::Links;
use super::nodes::{NodeFactory, StartError};
use super::numbers::Numbers;
use super::socket::{Lock, SocketError, listen_at};
use super::supervisor::{NodeError, Supervisor};
use crate::courier;
use crate::device::spec::{MemorySpec, SharedLimits};

/// What the daemon is told when it starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the control socket is to be.
    pub socket: PathBuf,
    /// The configuration; `None` is the built-in one.
    pub config: Option<PathBuf>,
    /// How patient the control socket is.
    pub patience: Patience,
    /// `/dev` and its names.
    pub links: Links,
    /// The numbers of video devices.
    pub numbers: Numbers,
}

/// Why the daemon does not run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// See there.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// See there.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// See there.
    #[error(transparent)]
    Start(#[from] StartError),
    /// See there.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A step failed on a named thing.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and to what.
        what: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl DaemonError {
    /// 2 for a configuration that is wrong, 77 where this machine can't, otherwise 1.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Config(_) => 2,
            Self::Start(StartError::Environment { .. })
            | Self::Socket(SocketError::Forbidden { .. }) => 77,
            Self::Node(error) if error.is_environment() => 77,
            _ => 1,
        }
    }
}

/// Makes the nodes' factory, once the limits are known.
pub type MakeFactory<'a> =
    &'a dyn Fn(SharedLimits, MemorySpec) -> Result<Box<dyn NodeFactory>, StartError>;

/// A daemon that runs: every node of its configuration is there, and the control socket answers.
#[derive(Debug)]
pub struct Daemon {
    supervisor: Arc<Supervisor>,
    server: Option<Server>,
    courier: Option<courier::server::Server>,
    socket: PathBuf,
    /// Given back last.
    _lock: Lock,
}

impl Daemon {
    /// Starts everything, and tells the service manager (`READY=1`) if there is one.
    ///
    /// # Errors
    /// See [`DaemonError`]; nothing is left then.
    pub fn start(options: &Options, factory: MakeFactory<'_>) -> Result<Self, DaemonError> {
        let lock = Lock::take(&options.socket)?;
        fault!("start.locked");
        // Whoever has the lock knows that what is left here is nobody's.
        options.links.clear_stale();
        fault!("start.cleared");
        let config = match &options.config {
            Some(path) => Config::load(path, &|number| options.numbers.owner(number))?,
            None => Config::built_in()?,
        };
        let factory = factory(config.limits, config.memory)?;
        fault!("start.factory");
        let supervisor =
            Arc::new(Supervisor::new(factory, options.links.clone(), options.numbers.clone()));
        let socket = options.socket.clone();
        let mut daemon = Self { supervisor, server: None, courier: None, socket, _lock: lock };
        // From here on dropping the daemon ends what has been started.
        for device in &config.devices {
            daemon.supervisor.add(device)?;
        }
        fault!("start.nodes");
        daemon.courier = daemon.start_courier()?;
        fault!("start.courier");
        let listener = listen_at(&options.socket)?;
        fault!("start.listens");
        let server = Server::start(listener, Arc::clone(&daemon.supervisor), options.patience);
        daemon.server = Some(server.map_err(|source| DaemonError::Io {
            what: format!("serve {}", options.socket.display()),
            source,
        })?);
        fault!("start.serves");
        let nodes = daemon.supervisor.list().len();
        notify(&[NotifyState::Ready, NotifyState::Status(&format!("{nodes} nodes"))]);
        tracing::info!(nodes, socket = %options.socket.display(), "ready");
        Ok(daemon)
    }

    fn start_courier(&self) -> Result<Option<courier::server::Server>, DaemonError> {
        let Some(tickets) = self.supervisor.tickets() else { return Ok(None) };
        let path = courier_socket(&self.socket);
        let started = courier::server::listen(&path)
            .and_then(|listener| courier::server::Server::start(listener, tickets));
        let what = || format!("serve {}", path.display());
        started.map(Some).map_err(|source| DaemonError::Io { what: what(), source })
    }

    /// The nodes.
    #[must_use]
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Ends everything in order: the control socket, then the nodes with their names, the last
    /// one first.
    pub fn stop(self) {
        fault!("shutdown.begins");
        notify(&[NotifyState::Stopping]);
        drop(self);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
            remove(&self.socket);
        }
        fault!("shutdown.deaf");
        if self.courier.take().is_some() {
            remove(&courier_socket(&self.socket));
        }
        fault!("shutdown.courier");
        self.supervisor.end();
        fault!("shutdown.ended");
    }
}

/// The courier's socket is a neighbour of the control socket.
pub(super) fn courier_socket(control: &Path) -> PathBuf {
    control.with_file_name("courier.sock")
}

fn remove(socket: &Path) {
    if let Err(error) = std::fs::remove_file(socket) {
        tracing::warn!(socket = %socket.display(), %error, "a socket stays");
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
