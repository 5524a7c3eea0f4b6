//! `shrbuf remove`: one node less.

use clap::Args;

use crate::failure::Outcome;
use crate::shared::Socket;

/// Remove a node from the running daemon (root only).
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    socket: Socket,
    /// Also if programs have it open: they get ENODEV, as from a camera that is unplugged.
    #[arg(long)]
    force: bool,
    /// Its name, as `shrbuf list` shows it, without /dev/.
    node: String,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    arguments.socket.connect()?.remove(arguments.node.clone(), arguments.force)?;
    Ok(0)
}
