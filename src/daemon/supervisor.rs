//! The nodes that run: started, named, listed, stopped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::links::{LinkError, Links};
use super::nodes::{BufferRow, Node, NodeFactory, NodeStatus, SnapshotError, StartError, Usage};
use super::numbers::Numbers;
use crate::courier::ticket::Tickets;
use crate::device::spec::{NodeSpec, Role};

/// How many free numbers are tried when another program takes one at the same moment.
const TRIES: usize = 16;

/// What can't be done with a node, and why.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Two devices of one name.
    #[error("there is a node '{0}' already\n  take another name, or remove that node first")]
    NameInUse(String),
    /// A name that no node has.
    #[error("there is no node '{0}'\n  `shrbuf list` shows those that are there")]
    NoSuchNode(String),
    /// A number that was asked for.
    #[error("{0}\n  take another number, or none for the first free one from 256 up")]
    NumberInUse(String),
    /// Programs have it open.
    #[error(
        "'{name}' is open in {opens} places\n  end those programs, or remove it with --force: they get ENODEV then"
    )]
    Open {
        /// The node.
        name: String,
        /// Open files.
        opens: u32,
    },
    /// A loopback takes its frames from it.
    #[error("'{name}' is the source of '{by}'\n  remove '{by}' first")]
    Followed {
        /// The output node.
        name: String,
        /// The capture node.
        by: String,
    },
    /// A loopback's output node is not there.
    #[error("there is no output node '{0}' to take frames from\n  add it first")]
    NothingToFollow(String),
    /// It ends.
    #[error("the daemon is ending")]
    Ending,
    /// No number from 256 up.
    #[error("every free number was taken by others\n  choose one with number")]
    NoNumber,
    /// See there.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// See there.
    #[error("{name}: {source}")]
    Start {
        /// The node.
        name: String,
        /// Why it did not start.
        source: StartError,
    },
    /// See there.
    #[error("{name}: {source}")]
    Snapshot {
        /// The node.
        name: String,
        /// Why there is no picture.
        source: SnapshotError,
    },
}

impl NodeError {
    /// Whether this machine can't do it at all (exit status 77).
    #[must_use]
    pub fn is_environment(&self) -> bool {
        matches!(self, Self::Start { source: StartError::Environment { .. }, .. })
            || matches!(self, Self::Link(LinkError::NoNode(_)))
    }
}

/// Owns the nodes.
pub struct Supervisor {
    factory: Box<dyn NodeFactory>,
    links: Links,
    numbers: Numbers,
    /// In the order in which they were started.
    nodes: Mutex<Vec<Arc<Running>>>,
    /// Held while a node comes or goes; `true` once the daemon ends.
    change: Mutex<bool>,
}

struct Running {
    spec: NodeSpec,
    number: u32,
    /// `None` once it is stopped. Readers are those who ask it something.
    node: RwLock<Option<Box<dyn Node>>>,
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> =
            self.running().iter().map(|running| running.spec.name.clone()).collect();
        f.debug_struct("Supervisor").field("nodes", &names).finish_non_exhaustive()
    }
}

impl Supervisor {
    /// Without nodes.
    #[must_use]
    pub fn new(factory: Box<dyn NodeFactory>, links: Links, numbers: Numbers) -> Self {
        Self { factory, links, numbers, nodes: Mutex::new(Vec::new()), change: Mutex::new(false) }
    }

    /// Starts a node and gives it its name.
    ///
    /// # Errors
    /// See [`NodeError`]; nothing of the node is left then.
    pub fn add(&self, spec: &NodeSpec) -> Result<NodeStatus, NodeError> {
        let ending = lock(&self.change);
        if *ending {
            return Err(NodeError::Ending);
        }
        self.check(spec)?;
        let mut taken: Vec<u32> = self.running().iter().map(|running| running.number).collect();
        for _ in 0..TRIES {
            let free = || self.numbers.first_free(&taken);
            let number = spec.number.or_else(free).ok_or(NodeError::NoNumber)?;
            match self.start(spec, number) {
                Err(NodeError::Start { source: StartError::NumberTaken(_), .. })
                    if spec.number.is_none() =>
                {
                    taken.push(number);
                }
                other => return other,
            }
        }
        Err(NodeError::NoNumber)
    }

    fn check(&self, spec: &NodeSpec) -> Result<(), NodeError> {
        let running = self.running();
        let named = |name: &str| running.iter().find(|running| running.spec.name == name);
        if named(&spec.name).is_some() {
            return Err(NodeError::NameInUse(spec.name.clone()));
        }
        if let Some(output) = spec.follows()
            && named(output).is_none_or(|running| running.spec.role() != Role::Output)
        {
            return Err(NodeError::NothingToFollow(output.to_owned()));
        }
        match spec.number.and_then(|number| self.numbers.owner(number)) {
            Some(owner) => Err(NodeError::NumberInUse(owner)),
            None => Ok(()),
        }
    }

    fn start(&self, spec: &NodeSpec, number: u32) -> Result<NodeStatus, NodeError> {
        let spec = NodeSpec { number: Some(number), ..spec.clone() };
        let name = spec.name.clone();
        let undo = |error| {
            self.links.withdraw(&name, number);
            error
        };
        self.links.announce(&name, number, spec.role()).map_err(|error| undo(error.into()))?;
        fault!("start.announced");
        let node = self
            .factory
            .start(&spec)
            .map_err(|source| undo(NodeError::Start { name: name.clone(), source }))?;
        fault!("start.made");
        if let Err(error) = self.links.publish(&name, number) {
            node.stop();
            return Err(undo(error.into()));
        }
        fault!("start.published");
        let status = node.status();
        tracing::info!(name, number, role = %spec.role(), "node started");
        lock(&self.nodes).push(Arc::new(Running { spec, number, node: RwLock::new(Some(node)) }));
        Ok(status)
    }

    /// Stops a node. With `force` also one that programs have open.
    ///
    /// # Errors
    /// [`NodeError::NoSuchNode`], [`NodeError::Open`], [`NodeError::Followed`].
    pub fn remove(&self, name: &str, force: bool) -> Result<(), NodeError> {
        let _change = lock(&self.change);
        let running = self.find(name)?;
        let follows = |other: &&Arc<Running>| other.spec.follows() == Some(name);
        if let Some(by) = self.running().iter().find(follows) {
            return Err(NodeError::Followed { name: name.into(), by: by.spec.name.clone() });
        }
        let opens = running.ask(|node| node.status().opens).unwrap_or_default();
        if opens > 0 && !force {
            return Err(NodeError::Open { name: name.into(), opens });
        }
        self.stop(&running);
        Ok(())
    }

    /// Stops every node, the last one first, and lets no other start.
    pub fn end(&self) {
        *lock(&self.change) = true;
        while let Some(running) = self.running().last() {
            self.stop(running);
        }
    }

    fn stop(&self, running: &Arc<Running>) {
        let name = &running.spec.name;
        // First the name, so that nobody finds a node that is going.
        self.links.withdraw(name, running.number);
        fault!("shutdown.withdrawn");
        let node = running.node.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(node) = node {
            node.stop();
        }
        fault!("shutdown.stopped");
        lock(&self.nodes).retain(|other| !Arc::ptr_eq(other, running));
        tracing::info!(name, number = running.number, "node stopped");
    }

    /// The nodes, in the order in which they were started.
    #[must_use]
    pub fn list(&self) -> Vec<NodeStatus> {
        self.running().iter().filter_map(|running| running.ask(|node| node.status())).collect()
    }

    /// The buffers of `node`, or of all nodes with those that have none. Who is not privileged sees
    /// the ones that are charged to `viewer` or held by processes of theirs, and no other holders.
    ///
    /// # Errors
    /// [`NodeError::NoSuchNode`].
    pub fn buffers(&self, node: Option<&str>, viewer: Viewer) -> Result<Vec<BufferRow>, NodeError> {
        let running = match node {
            Some(name) => vec![self.find(name)?],
            None => self.running(),
        };
        let mut rows: Vec<BufferRow> = running
            .iter()
            .filter_map(|running| running.ask(|node| node.buffers()))
            .flatten()
            .collect();
        let orphans = self.factory.orphans().into_iter();
        rows.extend(orphans.filter(|row| node.is_none_or(|name| name == row.node)));
        if let Viewer::User(uid) = viewer {
            for row in &mut rows {
                row.holders.retain(|holder| holder.uid == uid);
            }
            rows.retain(|row| row.uid == uid || !row.holders.is_empty());
        }
        Ok(rows)
    }

    /// What nodes and users have of what is limited. Who is not privileged sees `viewer` alone.
    #[must_use]
    pub fn usage(&self, viewer: Viewer) -> Usage {
        let mut usage = self.factory.usage();
        if let Viewer::User(uid) = viewer {
            usage.users.retain(|user| user.uid == uid);
        }
        usage
    }

    /// See [`NodeFactory::tickets`].
    #[must_use]
    pub fn tickets(&self) -> Option<Tickets> {
        self.factory.tickets()
    }

    /// A node's last frame as PNG.
    ///
    /// # Errors
    /// [`NodeError::NoSuchNode`], [`NodeError::Snapshot`].
    pub fn snapshot(&self, name: &str) -> Result<Vec<u8>, NodeError> {
        let gone = || NodeError::NoSuchNode(name.into());
        let picture = self.find(name)?.ask(|node| node.snapshot()).ok_or_else(gone)?;
        picture.map_err(|source| NodeError::Snapshot { name: name.into(), source })
    }

    fn find(&self, name: &str) -> Result<Arc<Running>, NodeError> {
        let found = self.running().into_iter().find(|running| running.spec.name == name);
        found.ok_or_else(|| NodeError::NoSuchNode(name.into()))
    }

    fn running(&self) -> Vec<Arc<Running>> {
        lock(&self.nodes).clone()
    }
}

/// Who looks at the buffer table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// Root, or the user that the daemon runs as.
    Privileged,
    /// Anybody else.
    User(u32),
}

impl Running {
    fn ask<T>(&self, question: impl FnOnce(&dyn Node) -> T) -> Option<T> {
        let node = self.node.read().unwrap_or_else(PoisonError::into_inner);
        node.as_deref().map(question)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
