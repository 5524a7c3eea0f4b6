//! `shrbuf snapshot`: a node's last frame as a picture.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::failure::Outcome;
use crate::shared::Socket;

/// Write a node's last frame to a PNG file.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    socket: Socket,
    /// Its name, as `shrbuf list` shows it, without /dev/.
    node: String,
    /// The file; - is standard output.
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut picture = arguments.socket.connect()?.snapshot(arguments.node.clone())?;
    // Opened only now: where there is no picture the old file stays as it was.
    if arguments.file == Path::new("-") {
        io::copy(&mut picture, &mut io::stdout().lock())?;
    } else {
        let name = arguments.file.display();
        let mut file = File::create(&arguments.file).with_context(|| format!("create {name}"))?;
        io::copy(&mut picture, &mut file).with_context(|| format!("write {name}"))?;
    }
    Ok(0)
}
