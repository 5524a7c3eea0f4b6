//! Answers: sent once, or not at all, and then as `EIO`.

use std::io::IoSlice;
use std::sync::{Arc, Weak};

use nix::errno::Errno;
use zerocopy::{Immutable, IntoBytes};

use crate::connection::Connection;
use crate::message::Header;
use crate::notify::Waker;

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The kernel has it.
    Sent,
    /// Nobody gets it: the caller died, or the connection is over.
    Lost,
}

impl Delivery {
    /// Whether the kernel has the answer.
    #[must_use]
    pub fn is_sent(self) -> bool {
        self == Self::Sent
    }
}

/// The right to answer one request, once. Typed answers are made of it.
pub(crate) struct Responder {
    connection: Arc<Connection>,
    id: u64,
    unique: u64,
    opcode: u32,
    answered: bool,
}

impl Responder {
    /// Must be called before the request is handed on: from here on it can be interrupted.
    pub(crate) fn new(connection: &Arc<Connection>, header: &Header) -> Self {
        connection.begin(header.unique);
        Self {
            connection: Arc::clone(connection),
            id: header.id,
            unique: header.unique,
            opcode: header.opcode,
            answered: false,
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Who wants to be told that there is news, under this name.
    pub(crate) fn waker(&self, kh: u64) -> Waker {
        Waker::new(&self.connection, kh)
    }

    pub(crate) fn opcode_name(&self) -> &'static str {
        crate::abi::opcode_name(self.opcode)
    }

    pub(crate) fn interrupts(&self) -> Interrupts {
        Interrupts { connection: Arc::downgrade(&self.connection), unique: self.unique }
    }

    pub(crate) fn error(mut self, errno: Errno) -> Delivery {
        self.answered = true;
        // Errno's name for a number it doesn't know is 0, which would be no refusal.
        let errno = if errno == Errno::UnknownErrno { Errno::EIO } else { errno };
        self.connection.answer(self.unique, self.opcode, errno as i32, &[])
    }

    pub(crate) fn empty(self) -> Delivery {
        self.parts(&[])
    }

    pub(crate) fn value<T: IntoBytes + Immutable>(self, value: &T) -> Delivery {
        self.parts(&[IoSlice::new(value.as_bytes())])
    }

    pub(crate) fn parts(mut self, parts: &[IoSlice<'_>]) -> Delivery {
        self.answered = true;
        self.connection.answer(self.unique, self.opcode, 0, parts)
    }

    /// The handler's own mistake: the answer can't be said on the wire. The caller gets `EIO`.
    pub(crate) fn mistake(self, why: std::fmt::Arguments<'_>) -> Delivery {
        tracing::warn!(unique = self.unique, "{} is answered with EIO: {why}", self.opcode_name());
        self.error(Errno::EIO)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if !self.answered {
            let opcode = self.opcode_name();
            tracing::warn!(unique = self.unique, "{opcode} was dropped without an answer: EIO");
            self.connection.answer(self.unique, self.opcode, Errno::EIO as i32, &[]);
        }
    }
}

/// Listens for signals to the caller of one request, apart from its reply.
#[derive(Clone)]
pub struct Interrupts {
    connection: Weak<Connection>,
    unique: u64,
}

impl Interrupts {
    /// As `on_interrupt` of the reply. When the answer is sent already, the callback is dropped.
    pub fn on_interrupt(&self, callback: Box<dyn FnOnce() + Send>) {
        if let Some(connection) = self.connection.upgrade() {
            connection.on_interrupt(self.unique, callback);
        }
    }
}

impl std::fmt::Debug for Interrupts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupts").field("unique", &self.unique).finish_non_exhaustive()
    }
}

/// Declares the answer to an opcode, with what all answers can do.
macro_rules! reply {
    ($(#[$meta:meta])* $name:ident { $($field:ident: $type:ty),* }) => {
        $(#[$meta])*
        ///
        /// Dropped unsent, it answers `EIO` and logs a warning.
        #[must_use = "the caller waits for it"]
        pub struct $name {
            pub(crate) responder: $crate::reply::Responder,
            $(pub(crate) $field: $type,)*
        }

        impl $name {
            /// [`Header::id`](crate::Header::id) of the request that this answers.
            #[must_use]
            pub fn id(&self) -> u64 {
                self.responder.id()
            }

            /// `callback` is called, once and on a reader thread, when a signal comes to the caller: here
            /// and now if it has come already. A later callback takes the place of an earlier one.
            /// Without one, signals are ignored: the caller waits on.
            ///
            /// The callback can't hold the reply; it names it, and completes it where it is parked.
            /// Since it may be called here and now, park first and listen then, by
            /// [`interrupts`](Self::interrupts). It is not called if the answer was sent before the
            /// signal came. If both happen at once in two threads, it may be called a moment too
            /// late: let it do nothing then.
            pub fn on_interrupt(&self, callback: Box<dyn FnOnce() + Send>) {
                self.interrupts().on_interrupt(callback);
            }

            /// What listens for signals when this reply is parked elsewhere.
            #[must_use]
            pub fn interrupts(&self) -> $crate::reply::Interrupts {
                self.responder.interrupts()
            }

            /// Refuses the request.
            pub fn error(self, errno: nix::errno::Errno) -> $crate::reply::Delivery {
                self.responder.error(errno)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).field("id", &self.id()).finish_non_exhaustive()
            }
        }
    };
    ($(#[$meta:meta])* $name:ident) => { reply! { $(#[$meta])* $name {} } };
}
pub(crate) use reply;

reply! {
    /// Says that it is done: the answer to `RELEASE`, `FLUSH`, `FSYNC` and `RELEASEDIR`.
    EmptyReply
}

impl EmptyReply {
    /// It is done.
    pub fn ok(self) -> Delivery {
        self.responder.empty()
    }
}
