//! A session: the handshake, then requests until the connection ends.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use nix::errno::Errno;

use crate::channel::Channel;
use crate::connection::Connection;
use crate::error::Error;
use crate::kind::Kind;
use crate::message::Message;
use crate::notify::Notifier;

#[cfg(test)]
mod any_bytes;
mod cuse;
mod dispatch;
mod fuse;

/// What lies around the data of the largest request: the kernel refuses to fill a smaller buffer
/// than `max_write` and 80 bytes (`fuse_dev_do_read`: `EINVAL`), and sends ioctls of 128 KiB beside
/// 72 bytes. A page is room for both.
const AROUND_DATA: usize = 4096;

/// A character device ([`Cuse`](crate::Cuse)) or a file system ([`Fuse`](crate::Fuse)) that the kernel
/// has accepted. It ends when it is dropped, and with it the last reply that waits to be sent: the node
/// vanishes, and callers get `ECONNABORTED` or `ENOTCONN`.
pub struct Session<K> {
    connection: Arc<Connection>,
    buffer_size: usize,
    agreed: Agreed,
    kind: PhantomData<fn() -> K>,
}

/// What came out of the handshake.
#[derive(Debug, Clone, Copy)]
struct Agreed {
    minor: u32,
    flags: crate::op::init::InitFlags,
    /// Bytes.
    max_write: u32,
}

impl<K: Kind> Session<K> {
    fn new_session(connection: Connection, agreed: Agreed) -> Self {
        let data = agreed.max_write.max(crate::op::cuse_init::MOST_DATA) as usize;
        let buffer_size = data + AROUND_DATA;
        Self { connection: Arc::new(connection), buffer_size, agreed, kind: PhantomData }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// For telling the kernel what it has not asked for.
    #[must_use]
    pub fn notifier(&self) -> Notifier<K> {
        Notifier::new(&self.connection)
    }

    /// For ending the session from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::downgrade(&self.connection))
    }

    /// The minor version of protocol 7 that is spoken.
    #[must_use]
    pub fn minor(&self) -> u32 {
        self.agreed.minor
    }

    /// Reads and hands on requests until the connection ends. Any number of threads may be in here.
    fn run(&self, mut hand_on: impl FnMut(&Message<'_>)) -> Result<(), Error> {
        let mut buffer = vec![0; self.buffer_size];
        loop {
            let length = match self.connection.channel().receive(&mut buffer) {
                Ok(length) => length,
                Err(error) => match after(&error) {
                    After::Again => continue,
                    After::End => return Ok(()),
                    After::Fail => {
                        return Err(Error::Channel { what: "can't read a request", source: error });
                    }
                },
            };
            match Message::parse(buffer.get(..length).unwrap_or_default()) {
                Ok(message) => hand_on(&message),
                // There is no number that could be answered.
                Err(error) => tracing::warn!("a message is skipped: {error}"),
            }
        }
    }
}

impl<K> fmt::Debug for Session<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("agreed", &self.agreed).finish_non_exhaustive()
    }
}

/// Ends a session.
#[derive(Clone)]
pub struct Stopper(Weak<Connection>);

impl Stopper {
    /// All threads in `serve` come back, when they have handed on the request in their hands. Replies
    /// that are parked can still be sent. Requests that nobody has read are refused by the kernel
    /// (`ECONNABORTED`) when the session is dropped.
    pub fn stop(&self) {
        if let Some(connection) = self.0.upgrade() {
            connection.channel().shutdown();
        }
    }
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopper").finish_non_exhaustive()
    }
}

/// What follows from a failed read.
enum After {
    Again,
    End,
    Fail,
}

fn after(error: &io::Error) -> After {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        // A signal; another reader was faster; the request was withdrawn while it was being read.
        Errno::EINTR | Errno::EAGAIN | Errno::ENOENT => After::Again,
        // Unmounted, or stopped; or aborted through sysfs.
        Errno::ENODEV | Errno::ECONNABORTED => After::End,
        _ => After::Fail,
    }
}

/// Reads the first message of a connection.
fn first_message<'a>(channel: &dyn Channel, buffer: &'a mut [u8]) -> Result<Message<'a>, Error> {
    let length = loop {
        match channel.receive(buffer) {
            Ok(length) => break length,
            Err(error) if matches!(after(&error), After::Again) => {}
            Err(source) => {
                return Err(Error::Channel {
                    what: "can't read the kernel's first message",
                    source,
                });
            }
        }
    };
    let bytes = buffer.get(..length).unwrap_or_default();
    Message::parse(bytes).map_err(|error| Error::Handshake(error.to_string()))
}
