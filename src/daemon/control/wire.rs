//! The language of the control socket: a line of JSON each way. docs/CONTROL.md has examples, and a
//! test reads them.

use serde::{Deserialize, Serialize};

use crate::daemon::config::raw::RawDevice;
use crate::daemon::nodes::{BufferRow, NodeStatus, Usage};

/// Told by `hello`; a change that a client could stumble over raises it.
pub const PROTOCOL: u32 = 1;

/// Longest request, in bytes with its newline: a device with all its 256 modes has less than 8 KiB.
pub const LONGEST_REQUEST: usize = 64 * 1024;

/// Longest answer that a client takes, in bytes: some 100 000 rows of the buffer table.
pub const LONGEST_ANSWER: usize = 32 * 1024 * 1024;

/// Most descriptors with one request: a source or a sink.
pub const MOST_DESCRIPTORS: usize = 2;

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Who is there?
    Hello {},
    /// Which nodes are there?
    List {},
    /// Who holds which buffer?
    Buffers {
        /// Of one node only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<String>,
    },
    /// What is limited, and how much of it is used?
    Usage {},
    /// The last frame, as PNG.
    Snapshot {
        /// Of this node.
        node: String,
    },
    /// Start a node. Files that it names come as descriptors with the request.
    Add {
        /// By the keys of the configuration.
        device: Box<RawDevice>,
    },
    /// Stop a node.
    Remove {
        /// This one.
        node: String,
        /// Also if programs have it open.
        #[serde(default)]
        force: bool,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// To `hello`.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// The daemon's version.
        version: String,
        /// The daemon.
        pid: u32,
    },
    /// To `list`.
    Nodes {
        /// In the order in which they were started.
        nodes: Vec<NodeStatus>,
    },
    /// To `buffers`.
    Buffers {
        /// One row a plane.
        buffers: Vec<BufferRow>,
    },
    /// To `usage`.
    Usage(Usage),
    /// To `snapshot`. The picture is in the memory file whose descriptor comes with the answer.
    Snapshot {
        /// How long it is.
        bytes: u64,
    },
    /// To `add`.
    Added {
        /// The node.
        node: NodeStatus,
    },
    /// To `remove`.
    Removed {
        /// Its name.
        node: String,
    },
    /// It can't be done.
    Error {
        /// For programs.
        kind: ErrorKind,
        /// For people: what, and in a second line the remedy.
        message: String,
    },
}

/// What kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The line is no request.
    Malformed,
    /// The line is longer than [`LONGEST_REQUEST`]; the connection ends.
    TooLong,
    /// The line did not come to its end in time; the connection ends.
    TooSlow,
    /// Too many connections or requests; the connection ends.
    Busy,
    /// For root only.
    Forbidden,
    /// There is no such node.
    NoSuchNode,
    /// The node can't be what is asked for.
    Unfit,
    /// The node is in use.
    InUse,
    /// This machine can't.
    Environment,
    /// Anything else.
    Failed,
}

impl Answer {
    /// An error.
    pub fn error(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::Error { kind, message: message.into() }
    }
}
