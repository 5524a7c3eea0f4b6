//! Why a verb fails, and the status it ends with.

use std::io;
use std::process::ExitCode;

use shrbuf::daemon::config::ConfigError;
use shrbuf::daemon::control::client::ClientError;
use shrbuf::daemon::run::RunError;
use shrbuf::daemon::serve::DaemonError;

/// A message for standard error, and a status: 1 failed, 2 usage, 77 the environment cannot.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    error: anyhow::Error,
}

/// What a verb ends with when it does not fail.
pub(crate) type Outcome = Result<u8, Failure>;

impl Failure {
    pub(crate) fn new(status: u8, error: impl Into<anyhow::Error>) -> Self {
        Self { status, error: error.into() }
    }

    /// Says it, and tells the status.
    pub(crate) fn report(&self, verb: &str) -> ExitCode {
        // Whoever reads standard output has had enough: that is no failure worth a word.
        let pipe = self.error.downcast_ref::<io::Error>();
        if pipe.is_none_or(|error| error.kind() != io::ErrorKind::BrokenPipe) {
            eprintln!("shrbuf {verb}: {}", self.error);
        }
        ExitCode::from(self.status)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(1, error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(1, error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(2, error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::new(error.exit_status(), error)
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        Self::new(error.exit_status(), error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::new(error.exit_status(), error)
    }
}
