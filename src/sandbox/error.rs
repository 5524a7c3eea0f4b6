//! What can go wrong around a sandbox, and the exit status each case has.

use std::io;

/// Why a sandbox did not run its command to the end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller asked for something that makes no sense (exit status 2).
    #[error("{0}")]
    Usage(String),
    /// This machine can't do it; `remedy` is a sentence or a command that helps (exit status 77).
    #[error("{what}\n  {remedy}")]
    Environment {
        /// What is missing or forbidden.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// The guest ended before the command did (exit status 125).
    #[error("{what}; the end of its console:\n{console}")]
    GuestDied {
        /// What was seen.
        what: String,
        /// The last lines of the guest's console.
        console: String,
    },
    /// The guest could not be made ready for the command (exit status 125).
    #[error("the guest is not fit for the command: {0}")]
    Guest(String),
    /// The time given with `--timeout` ran out (exit status 124).
    #[error("the command did not end within {0} s; the guest was stopped")]
    TimedOut(u64),
    /// A system call failed on a named thing (exit status 125).
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and to what.
        what: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// The status with which the command line tool ends: 2, 77, 124 or 125.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Environment { .. } => 77,
            Self::TimedOut(_) => 124,
            Self::GuestDied { .. } | Self::Guest(_) | Self::Io { .. } => 125,
        }
    }

    /// An environment that can't, with the sentence or command that helps.
    pub fn environment(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Environment { what: what.into(), remedy: remedy.into() }
    }
}

/// Adds to a system error what was being done, and to what.
pub trait Context<T> {
    /// `what` reads like "open /dev/fuse".
    ///
    /// # Errors
    /// [`Error::Io`] with the error that was there.
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { what: what(), source: source.into() })
    }
}
