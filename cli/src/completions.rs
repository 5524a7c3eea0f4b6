//! `shrbuf completions`: for a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::failure::Outcome;
use crate::shared::print;

/// Print the completions for a shell.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, mut command: Command) -> Outcome {
    let name = command.get_name().to_owned();
    let mut bytes = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut bytes);
    print(&String::from_utf8_lossy(&bytes))?;
    Ok(0)
}
