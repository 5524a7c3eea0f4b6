//! `shrbuf man`: the manual pages.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};

use crate::failure::Outcome;

/// Write the manual pages, shrbuf.1 and one for each verb.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder for them, for instance /usr/local/share/man/man1; made where it is not there.
    folder: PathBuf,
}

pub(crate) fn run(arguments: &Arguments, command: Command) -> Outcome {
    let folder = &arguments.folder;
    let name = folder.display();
    fs::create_dir_all(folder).with_context(|| format!("make the folder {name}"))?;
    clap_mangen::generate_to(command, folder).with_context(|| format!("write into {name}"))?;
    Ok(0)
}
