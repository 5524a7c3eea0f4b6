//! What can go wrong around a session. An errno in an answer is no error of these.

use std::io;

/// Why a session could not be set up, or ended otherwise than it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device node can't be opened. The kind of `source` is kept.
    #[error("can't open {path}: {source}: {remedy}")]
    Open {
        /// The device node.
        path: String,
        /// The system's answer.
        #[source]
        source: io::Error,
        /// What to do about it.
        remedy: String,
    },
    /// The configuration can't be told to the kernel.
    #[error("{0}")]
    Config(String),
    /// The kernel's first message is not what this crate can serve.
    #[error("the kernel's first message can't be served: {0}")]
    Handshake(String),
    /// The kernel took the answer to its first message, and ended the connection.
    #[error(
        "the kernel refused the device '{name}': a node of this name, or of these numbers, may be there already \
         (look in /sys/class/cuse and /proc/devices)"
    )]
    Refused {
        /// The name that was asked for.
        name: String,
    },
    /// Messages can't be read or sent.
    #[error("{what}: {source}")]
    Channel {
        /// What was being done.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

/// A message that is not one of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends before its structure does.
    #[error("{what} needs {needed} bytes, and has {found}")]
    Short {
        /// The structure.
        what: &'static str,
        /// Its size in bytes.
        needed: usize,
        /// How many bytes there were.
        found: usize,
    },
    /// The length in the header is not the message's.
    #[error("the header says {said} bytes, and there are {found}")]
    Length {
        /// In the header.
        said: u32,
        /// In the message.
        found: usize,
    },
    /// A protocol that is not served: 7.31 (Linux 5.4) and newer ones are.
    #[error("protocol {major}.{minor} is not served, but 7.31 (Linux 5.4) and newer ones")]
    Version {
        /// The kernel's major version.
        major: u32,
        /// The kernel's minor version.
        minor: u32,
    },
    /// A name has no end.
    #[error("a name has no NUL at its end")]
    Name,
    /// The data are not as long as their count says.
    #[error("{said} bytes are announced, and there are {found}")]
    Data {
        /// The count.
        said: u32,
        /// In the message.
        found: usize,
    },
}
