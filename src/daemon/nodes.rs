//! The seam below the daemon: what it asks of nodes, whatever carries them.

use crate::courier::ticket::Tickets;
use crate::device::spec::NodeSpec;
pub use crate::device::status::{
    BufferRow, BufferState, Hold, Holder, NodeStatus, NodeUse, SnapshotError, StartError, Usage,
    Used, UserUse,
};

/// Starts nodes. One for the whole daemon; called from several threads.
pub trait NodeFactory: Send + Sync {
    /// Starts a node and returns once programs can open it. `spec.number` is `Some`.
    ///
    /// A capture node whose source is an output node finds that one by its name: the daemon
    /// started it before and does not stop it while it is followed.
    ///
    /// # Errors
    /// See [`StartError`]; nothing of the node is left then.
    fn start(&self, spec: &NodeSpec) -> Result<Box<dyn Node>, StartError>;

    /// The exports that wait for cooperating clients; the daemon serves them on a socket of their
    /// own, beside the control socket. `None` where there are none.
    fn tickets(&self) -> Option<Tickets> {
        None
    }

    /// What nodes and users have of what is limited.
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Buffers that are out of every queue and not yet free, of stopped nodes too.
    fn orphans(&self) -> Vec<BufferRow> {
        Vec::new()
    }
}

/// A running node. Every method may be called from any thread and answers within a second,
/// whatever the node's clients do.
pub trait Node: Send + Sync {
    /// What is to be said of it.
    fn status(&self) -> NodeStatus;

    /// The buffers of its queues. Names of holders are looked up only here.
    fn buffers(&self) -> Vec<BufferRow>;

    /// The last frame, as PNG.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    fn snapshot(&self) -> Result<Vec<u8>, SnapshotError>;

    /// Ends the node: parked calls are completed, open files answer `ENODEV` from now on, the
    /// device is gone when this returns.
    fn stop(self: Box<Self>);
}
