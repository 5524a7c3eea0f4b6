//! What several verbs share: where the daemon is, where output goes, what is logged.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use shrbuf::daemon::control::client::{Client, ClientError};
use shrbuf::daemon::control::server::Patience;
use shrbuf::daemon::links::Links;
use shrbuf::daemon::numbers::Numbers;
use shrbuf::daemon::run::SOCKET_VARIABLE;
use shrbuf::daemon::serve::Options;
use shrbuf::daemon::{config, socket};
use tracing_subscriber::EnvFilter;

/// Which daemon is asked.
#[derive(Debug, Args)]
pub(crate) struct Socket {
    /// The daemon's control socket; left out: $SHRBUF_SOCKET, or /run/shrbuf/control.sock.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl Socket {
    pub(crate) fn path(&self) -> PathBuf {
        let named = self.socket.clone();
        named
            .or_else(|| env::var_os(SOCKET_VARIABLE).map(PathBuf::from))
            .unwrap_or_else(|| socket::DEFAULT_SOCKET.into())
    }

    pub(crate) fn connect(&self) -> Result<Client, ClientError> {
        Client::connect(&self.path())
    }
}

/// What a daemon is started with.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The nodes, as TOML; left out: /etc/shrbuf/shrbuf.toml where it is there, else video-sim
    /// with a test pattern, and display-sim.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the control socket is to be; left out: /run/shrbuf/control.sock.
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
}

impl Start {
    pub(crate) fn options(&self) -> Options {
        let usual = PathBuf::from(config::DEFAULT_FILE);
        let root = std::path::Path::new("/");
        Options {
            socket: self.socket.clone().unwrap_or_else(|| socket::DEFAULT_SOCKET.into()),
            config: self.config.clone().or_else(|| usual.exists().then_some(usual)),
            patience: Patience::default(),
            links: Links::below(root),
            numbers: Numbers::below(root),
        }
    }
}

/// Sends the log to standard error: what `RUST_LOG` says, else `level`.
pub(crate) fn log(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // The journal has a time of its own.
    if env::var_os("JOURNAL_STREAM").is_some() {
        builder.without_time().init();
    } else {
        builder.init();
    }
}

/// Writes to standard output; a reader who has gone is an error, not a panic.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Columns as wide as they need to be, two spaces apart.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let all = || std::iter::once(&head).chain(rows);
    let width = |column: usize| {
        let cells = all().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let mut text = String::new();
    for row in all() {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str(&format!("{cell:<width$}  ", width = width(column)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![vec!["video-sim".into(), "1".into()], vec!["ü".into(), "22".into()]];
        assert_eq!(table(&["NAME", "N"], &rows), "NAME       N\nvideo-sim  1\nü          22\n");
    }
}
