//! `shrbuf sandbox`: one command in a throw-away Linux.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use shrbuf::sandbox::wire::Module;
use shrbuf::sandbox::{self, EngineName, Options};

/// Run a command in a throw-away Linux on this machine's own files.
///
/// The command runs as the guest's root, in the present folder, with this environment and these
/// standard streams. What it writes is lost, except in the present folder and in the folders
/// named with --writable. The guest has no network.
///
/// Exit status: the command's own; 128+N when signal N ended it; 126 or 127 when it could not be
/// started; 124 out of time; 125 the guest died; 77 this machine can't; 2 usage.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What the guest is: user-mode Linux (fast, has /dev/cuse), QEMU (slow, has a full kernel
    /// with vivid and udmabuf), or the first of them that is installed and has the modules.
    #[arg(long, value_enum, default_value = "auto")]
    engine: Engine,
    /// Load a kernel module before the command starts: a name or the path of a .ko file, then
    /// its parameters. May be given more than once. A list inside a parameter needs no quoting:
    /// a piece without '=' belongs to the parameter before it.
    #[arg(long = "module", value_name = "NAME[,param=…]", value_parser = clap::builder::OsStringValueParser::new())]
    modules: Vec<OsString>,
    /// Memory of the guest: bytes, or a number followed by K, M or G (powers of 1024).
    #[arg(long, default_value = "1G", value_parser = parse_size)]
    memory: u64,
    /// End the guest when the command has not ended after so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    /// Keep what the command writes in this folder. May be given more than once.
    #[arg(long, value_name = "DIR")]
    writable: Vec<PathBuf>,
    /// Run even where the guest can't be confined: its root may then change whatever you may.
    #[arg(long)]
    trust_command: bool,
    /// Boot the guest instead of waking it from its snapshot (engine qemu).
    #[arg(long)]
    cold: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Engine {
    Uml,
    Qemu,
    Auto,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let options = Options {
        engine: match arguments.engine {
            Engine::Uml => Some(EngineName::Uml),
            Engine::Qemu => Some(EngineName::Qemu),
            Engine::Auto => None,
        },
        modules: arguments.modules.iter().map(|text| parse_module(text)).collect(),
        memory: arguments.memory,
        timeout: arguments.timeout.map(Duration::from_secs),
        writable: arguments.writable.clone(),
        trust_command: arguments.trust_command,
        cold: arguments.cold,
        argv: arguments.command.clone(),
    };
    match sandbox::run(&options) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("shrbuf sandbox: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

/// `vivid,n_devs=2,node_types=0x1,0x100` is the module `vivid` with `n_devs=2 node_types=0x1,0x100`.
fn parse_module(text: &OsStr) -> Module {
    let mut pieces = text.as_bytes().split(|byte| *byte == b',');
    let name = OsString::from_vec(pieces.next().unwrap_or_default().to_vec());
    let mut parameters: Vec<u8> = Vec::new();
    for piece in pieces {
        if !parameters.is_empty() {
            parameters.push(if piece.contains(&b'=') { b' ' } else { b',' });
        }
        parameters.extend_from_slice(piece);
    }
    Module { name, parameters: OsString::from_vec(parameters) }
}

fn parse_size(text: &str) -> Result<u64, String> {
    /// A guest with less does not boot.
    const LEAST: u64 = 128 << 20;
    let (number, unit) = match text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()) {
        number if number.len() == text.len() => (number, 0),
        number => match text.get(number.len()..).map(str::to_ascii_uppercase).as_deref() {
            Some("K" | "KIB") => (number, 10),
            Some("M" | "MIB") => (number, 20),
            Some("G" | "GIB") => (number, 30),
            _ => return Err("a number, or a number followed by K, M or G".into()),
        },
    };
    let number: u64 = number.parse().map_err(|_| "a number, or a number followed by K, M or G")?;
    let bytes = number.checked_mul(1 << unit).ok_or("more than any machine has")?;
    if bytes < LEAST { Err("at least 128M".into()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_belongs_to_the_parameter_before_it() {
        let module =
            parse_module(OsStr::new("vivid,n_devs=2,node_types=0x1,0x100,multiplanar=1,1"));
        assert_eq!(module.name, "vivid");
        assert_eq!(module.parameters, "n_devs=2 node_types=0x1,0x100 multiplanar=1,1");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("512M"), Ok(512 << 20));
        assert_eq!(parse_size("2g"), Ok(2 << 30));
        assert_eq!(parse_size("1073741824"), Ok(1 << 30));
        for wrong in ["", "G", "12x", "-1", "1M", "99999999999G"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
