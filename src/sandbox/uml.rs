//! The engine `uml`: a kernel that is a process of this machine.
//!
//! Linux's user-mode port boots in a second or two, needs neither root nor QEMU, and computes
//! at native speed on one processor. It has what `/dev/cuse` needs; it has no udmabuf and no vivid.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::cache::Cache;
use super::confine::{self, Confinement};
use super::console::Console;
use super::keeper::{GuestCommand, Keeper};
use super::machine::{Engine, Guest, MachineSpec, await_ready, channel};
use super::wire::{Module, PACE, RootSource};
use super::{Context, Error, initramfs, modules};
use crate::sys::process::number;

/// Names another kernel than the package's.
pub const UML_VARIABLE: &str = "SHRBUF_UML";

/// The package's kernel.
const PACKAGED: &str = "linux.uml";

/// Where the package keeps its modules.
const PACKAGED_MODULES: &str = "/usr/lib/uml/modules";

/// Loaded into the kernel's process; uml_xstate.c, where it comes from, says why.
const PRELOADED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/uml_xstate.so"));

/// Memory file beside the guest's memory itself: UML's own pages and its pid file.
const SCRATCH_EXTRA: u64 = 64 << 20;

/// User-mode Linux.
#[derive(Debug, Default)]
pub struct Uml;

impl Uml {
    fn kernel() -> Result<PathBuf, Error> {
        if let Some(named) = env::var_os(UML_VARIABLE) {
            let path = fs::canonicalize(&named);
            return path.map_err(|error| {
                Error::environment(
                    format!("{UML_VARIABLE} names {}: {error}", Path::new(&named).display()),
                    "name a user-mode Linux kernel, or unset the variable",
                )
            });
        }
        let folders = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&folders)
            .chain([PathBuf::from("/usr/bin")])
            .map(|folder| folder.join(PACKAGED))
            .find(|path| path.is_file())
            .ok_or_else(|| {
                Error::environment(
                    "user-mode Linux (linux.uml) is not installed",
                    "install it: apt-get install user-mode-linux",
                )
            })
    }

    fn modules_dir(kernel: &Path) -> Result<PathBuf, Error> {
        let answer = Command::new(kernel).arg("--version").output();
        let answer = answer.context(|| format!("ask {} for its version", kernel.display()))?;
        let release = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        let beside = kernel.parent().unwrap_or(Path::new("/"));
        let candidates = [
            beside.join("modules"),
            beside.join("../lib/uml/modules"),
            beside.join("lib/modules"),
            PathBuf::from(PACKAGED_MODULES),
        ];
        candidates
            .iter()
            .map(|folder| folder.join(&release))
            .find(|folder| folder.join("modules.dep").is_file())
            .and_then(|folder| fs::canonicalize(folder).ok())
            .ok_or_else(|| {
                Error::environment(
                    format!("no modules of release '{release}' for {}", kernel.display()),
                    "put them beside it, as modules/RELEASE with a modules.dep in it",
                )
            })
    }
}

impl Engine for Uml {
    fn name(&self) -> &'static str {
        "uml"
    }

    fn available(&self) -> Result<(), Error> {
        Self::modules_dir(&Self::kernel()?).map(|_| ())
    }

    fn has_module(&self, module: &Module) -> bool {
        // A file is for the kernel it was built for, and nobody builds for this one by habit.
        !Path::new(&module.name).is_absolute()
            && Self::kernel()
                .and_then(|kernel| Self::modules_dir(&kernel))
                .and_then(|dir| modules::resolve(&dir, &module.name.to_string_lossy()))
                .is_ok()
    }

    fn boot(&self, spec: &MachineSpec) -> Result<Guest, Error> {
        if !spec.trusted {
            confine::available()?;
        }
        let kernel = Self::kernel()?;
        let modules_dir = Self::modules_dir(&kernel)?;
        let early = modules::resolve(&modules_dir, "overlay")?;
        let initramfs = initramfs::build(&Cache::open()?, "uml-initramfs", &spec.agent, &early)?;
        let initramfs: OwnedFd =
            fs::File::open(&initramfs).context(|| format!("open {}", initramfs.display()))?.into();
        let preloaded = preloaded()?;
        let (ours, theirs) = channel()?;
        let (console, output) = std::io::pipe().context(|| "make a pipe".into())?;
        let console = Console::watch(console.into());
        let theirs = OwnedFd::from(theirs);
        let outgoing = theirs.try_clone().context(|| "duplicate the channel".into())?;
        let mut keeper = Keeper::spawn(GuestCommand {
            program: kernel,
            args: arguments(spec.memory, &initramfs, [&theirs, &outgoing]),
            env: vec![("LD_PRELOAD".into(), format!("/proc/self/fd/{}", number(&preloaded)))],
            inherit: vec![initramfs, preloaded, theirs, outgoing],
            output: output.into(),
            confine: (!spec.trusted).then(|| Confinement {
                writable: spec.writable.clone(),
                scratch_bytes: spec.memory + SCRATCH_EXTRA,
            }),
        })?;
        await_ready(&ours, &console).map_err(|error| keeper.explain(error))?;
        let root = RootSource::Hostfs;
        Ok(Guest { stream: ours, pace: Some(PACE), console, keeper, root, modules: modules_dir })
    }
}

/// [`PRELOADED`] as a file that has no path.
fn preloaded() -> Result<OwnedFd, Error> {
    let fd = memfd_create(c"uml_xstate", MFdFlags::MFD_CLOEXEC);
    let mut file = fs::File::from(fd.context(|| "make a memory file".into())?);
    file.write_all(PRELOADED).context(|| "write a memory file".into())?;
    Ok(file.into())
}

/// The kernel's command line. Files are named by descriptor: the kernel joins its arguments with
/// spaces and takes them apart again, so a path with a space in it would not survive.
fn arguments(memory: u64, initramfs: &OwnedFd, channel: [&OwnedFd; 2]) -> Vec<OsString> {
    let [incoming, outgoing] = channel.map(number);
    [
        format!("mem={}M", memory >> 20),
        format!("initrd=/proc/self/fd/{}", number(initramfs)),
        format!("ssl0=fd:{incoming},fd:{outgoing}"),
        "ssl=null".into(),
        "con0=null,fd:1".into(),
        "con=null".into(),
        "console=tty0".into(),
        "loglevel=4".into(),
        "panic=-1".into(),
        "shrbuf.sandbox=uml".into(),
    ]
    .into_iter()
    .map(OsString::from)
    .collect()
}
