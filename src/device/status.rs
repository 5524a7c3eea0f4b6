//! What a running node tells of itself, and why it could not be started: plain data that
//! `transport` fills in and the daemon shows.

use serde::{Deserialize, Serialize};

use super::spec::Role;

/// One node, at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Which way frames go.
    pub role: Role,
    /// `videoN`.
    pub number: u32,
    /// The `card` of `VIDIOC_QUERYCAP`.
    pub card: String,
    /// The mode that is set, as typed: `YUYV:640x480@30/1`.
    pub mode: String,
    /// `cuse`, later `fuse`.
    pub transport: String,
    /// Open files.
    pub opens: u32,
    /// Between `STREAMON` and `STREAMOFF`.
    pub streaming: bool,
    /// Frames captured or shown since the node was started.
    pub frames: u64,
    /// Frames for which no buffer was queued.
    pub dropped: u64,
    /// Why the node serves no longer; `None` while it does.
    pub ended: Option<String>,
}

/// The state of a queue's slot, or what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BufferState {
    /// The program has it.
    Dequeued,
    /// By `VIDIOC_PREPARE_BUF`, or on the way to it.
    Preparing,
    /// By `VIDIOC_QBUF`.
    Queued,
    /// The device fills or shows it.
    Active,
    /// Ready for `VIDIOC_DQBUF`.
    Done,
    /// Ready for `VIDIOC_DQBUF`, with `V4L2_BUF_FLAG_ERROR`.
    Error,
    /// Out of its queue, and still held by someone.
    Orphaned,
}

/// How a process holds a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hold {
    /// By an open descriptor.
    Descriptor,
    /// By a mapping.
    Mapping,
}

/// A process that holds a buffer. For people: what decides is the exact holder check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Its name (`/proc/PID/comm`).
    pub name: String,
    /// How.
    pub hold: Hold,
    /// How many times.
    pub count: u32,
}

/// One plane's memory in the buffer table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferRow {
    /// The buffer's number, never used twice while the daemon runs.
    pub id: u64,
    /// The node that allocated it.
    pub node: String,
    /// The queue's slot (`v4l2_buffer.index`); `None` for an orphan.
    pub slot: Option<u32>,
    /// The plane in the slot.
    pub plane: u32,
    /// The slot's state.
    pub state: BufferState,
    /// Bytes.
    pub len: u64,
    /// The user it is charged to.
    pub uid: u32,
    /// Whether anybody but the daemon has it, by the exact check.
    pub held: bool,
    /// Nodes on whose queue it lies as an import.
    pub imported_by: Vec<String>,
    /// Who holds it, as far as `/proc` tells.
    pub holders: Vec<Holder>,
}

/// How much of something there is, and how much there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// At present.
    pub now: u64,
    /// At most.
    pub limit: u64,
}

/// What one user has of what is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserUse {
    /// The user.
    pub uid: u32,
    /// Open files of nodes.
    pub opens: Used,
    /// Buffers, orphans included.
    pub buffers: Used,
    /// Their bytes.
    pub bytes: Used,
    /// Bytes of orphans.
    pub orphaned_bytes: Used,
    /// Calls that wait for a frame or an event.
    pub waiting_calls: Used,
    /// Calls for which the daemon reaches into the caller.
    pub reaching_calls: Used,
}

/// What one node has of what is limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeUse {
    /// Its name.
    pub node: String,
    /// Open files.
    pub opens: Used,
    /// Bytes of its queue's buffers.
    pub bytes: Used,
}

/// What is limited, of nodes and users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Every node.
    pub nodes: Vec<NodeUse>,
    /// Users who have anything.
    pub users: Vec<UserUse>,
}

/// Why a node was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// This machine can't: exit status 77. `remedy` is a sentence or a command that helps.
    #[error("{what}\n  {remedy}")]
    Environment {
        /// What is missing or forbidden, by its path.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// `videoN` is another device's by now; the daemon takes the next one where none was asked
    /// for.
    #[error("number {0} is in use: /dev/video{0} is another device's")]
    NumberTaken(u32),
    /// The source or sink can't be used: what is wrong with which file, and what to do.
    #[error("{0}")]
    Unfit(String),
    /// A step failed on a named thing.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and to what.
        what: String,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Nothing has been shown or captured yet.
    #[error("it has no frame yet: start streaming on it first")]
    NoFrame,
    /// The frame's format can't be turned into a picture.
    #[error("no picture can be made of {0}")]
    Format(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}
