//! The engine `qemu`: a whole machine, emulated, with the distribution's full kernel.
//!
//! Ten to twenty times slower than this machine, but it has what a user-mode kernel lacks: vivid,
//! udmabuf, FUSE passthrough. Starts are made from a snapshot: one guest is booted as far as the
//! point where its first process waits for [`super::wire::Start`], its state is written into the
//! cache, and every later guest wakes up there.
//!
//! This machine's files reach the guest as 9p exports, `readonly=on` but for the writable ones.
//! When root calls, QEMU is also [confined](super::confine), because it could otherwise make
//! device files in the writable folders.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::geteuid;
use serde_json::{Value, json};

use super::cache::{Cache, Key};
use super::confine::Confinement;
use super::console::Console;
use super::keeper::{GuestCommand, Keeper};
use super::kernel::Kernel;
use super::machine::{Engine, Guest, MachineSpec, await_ready, channel};
use super::qmp::Qmp;
use super::wire::{Module, RootSource};
use super::{Context, Error, initramfs, modules};
use crate::sys::process::number;

/// The emulator.
const PROGRAM: &str = "qemu-system-x86_64";

/// Modules loaded before the snapshot is taken: the way to this machine's files, and `/dev/cuse`.
const EARLY: [&str; 4] = ["9pnet_virtio", "9p", "overlay", "cuse"];

/// Exports for writable folders come in groups of so many, so that few snapshots fit all callers.
const SLOTS: usize = 4;

/// How long writing or reading a snapshot may take: some 150 MiB, on a slow disk.
const SNAPSHOT_DEADLINE: Duration = Duration::from_secs(120);

/// The largest rate at which a snapshot is written, bytes a second: no limit.
const SNAPSHOT_BANDWIDTH: u64 = 1 << 40;

/// QEMU without hardware help.
#[derive(Debug, Default)]
pub struct Qemu;

impl Qemu {
    fn program() -> Result<PathBuf, Error> {
        let folders = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&folders)
            .chain([PathBuf::from("/usr/bin")])
            .map(|folder| folder.join(PROGRAM))
            .find(|path| path.is_file())
            .ok_or_else(|| {
                Error::environment(
                    format!("QEMU ({PROGRAM}) is not installed"),
                    "install it: apt-get install qemu-system-x86",
                )
            })
    }
}

impl Engine for Qemu {
    fn name(&self) -> &'static str {
        "qemu"
    }

    fn available(&self) -> Result<(), Error> {
        if env::consts::ARCH != "x86_64" {
            return Err(Error::environment(
                format!("the engine qemu is for x86_64; this machine is {}", env::consts::ARCH),
                "take the engine uml, or run it on an x86_64 machine",
            ));
        }
        Self::program().map(|_| ())
    }

    fn has_module(&self, _module: &Module) -> bool {
        true // a distribution's full kernel; whether it truly does is seen when it is loaded
    }

    fn boot(&self, spec: &MachineSpec) -> Result<Guest, Error> {
        let cache = Cache::open()?;
        let kernel = Kernel::find(&cache)?;
        let early = early_modules(&kernel.modules)?;
        let initramfs = initramfs::build(&cache, "qemu-initramfs", &spec.agent, &early)?;
        let plan = Plan { program: Self::program()?, kernel, initramfs, spec };
        if !spec.cold {
            match plan.snapshot(&cache) {
                Ok(snapshot) => match plan.wake(&snapshot) {
                    Ok(guest) => return Ok(guest),
                    Err(error) => {
                        eprintln!(
                            "shrbuf sandbox: the snapshot is no good, making a new one next time: {error}"
                        );
                        cache.discard(&snapshot);
                    }
                },
                Err(error) => eprintln!("shrbuf sandbox: no snapshot, starting from cold: {error}"),
            }
        }
        plan.boot_cold()
    }
}

fn early_modules(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for name in EARLY {
        for file in modules::resolve(dir, name)? {
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

/// Everything that decides what machine it is.
struct Plan<'a> {
    program: PathBuf,
    kernel: Kernel,
    initramfs: PathBuf,
    spec: &'a MachineSpec,
}

/// A QEMU that has been started, and our ends of its sockets.
struct Running {
    stream: UnixStream,
    monitor: UnixStream,
    console: Console,
    keeper: Keeper,
}

impl Plan<'_> {
    fn boot_cold(&self) -> Result<Guest, Error> {
        let mut running = self.start(None)?;
        await_ready(&running.stream, &running.console)
            .map_err(|error| running.keeper.explain(error))?;
        Ok(self.guest(running))
    }

    /// The state of a guest that waits for its command, in the cache.
    fn snapshot(&self, cache: &Cache) -> Result<PathBuf, Error> {
        let key = Key::new()
            .with(env!("CARGO_PKG_VERSION"))
            .with(arguments_of_machine(self.spec.memory))
            .with(self.slots())
            .with_file(&self.program)?
            .with_file(&self.kernel.image)?
            .with(&self.initramfs); // its name has the hash of what is in it
        cache.entry("qemu-snapshot", &key, |path| self.save(path))
    }

    fn save(&self, path: &Path) -> Result<(), Error> {
        let file = File::create(path).context(|| format!("create {}", path.display()))?;
        let mut running = self.start(None)?;
        await_ready(&running.stream, &running.console)
            .map_err(|error| running.keeper.explain(error))?;
        let mut qmp = Qmp::greet(running.monitor, SNAPSHOT_DEADLINE)?;
        qmp.command("stop", &json!({}))?;
        qmp.command("migrate-set-parameters", &json!({ "max-bandwidth": SNAPSHOT_BANDWIDTH }))?;
        qmp.give("snapshot", file.as_fd())?;
        qmp.command("migrate", &json!({ "uri": "fd:snapshot" }))?;
        qmp.until("query-migrate", |answer| match text(answer, "status") {
            "completed" => Ok(true),
            "failed" | "cancelled" => {
                Err(Error::Guest(format!("QEMU can't write the snapshot: {answer}")))
            }
            _ => Ok(false),
        })
    }

    /// A guest from the snapshot.
    fn wake(&self, snapshot: &Path) -> Result<Guest, Error> {
        let file = File::open(snapshot).context(|| format!("open {}", snapshot.display()))?;
        let mut running = self.start(Some(file.into()))?;
        let monitor = running.monitor.try_clone().context(|| "duplicate a socket".into())?;
        let awake = Qmp::greet(monitor, SNAPSHOT_DEADLINE).and_then(|mut qmp| {
            qmp.until("query-status", |answer| match text(answer, "status") {
                "paused" => Ok(true),
                "inmigrate" => Ok(false),
                _ => Err(Error::Guest(format!("QEMU is in the state {answer}"))),
            })?;
            // It was stopped when it was saved, and stays so until it is told otherwise.
            qmp.command("cont", &json!({}))
        });
        if let Err(error) = awake {
            running.keeper.kill();
            let said = running.console.last_lines();
            return Err(Error::Guest(format!("{error}\n{said}")));
        }
        Ok(self.guest(running))
    }

    fn guest(&self, running: Running) -> Guest {
        let tags = (0..self.spec.writable.len()).map(slot_tag).collect();
        Guest {
            stream: running.stream,
            pace: None,
            console: running.console,
            keeper: running.keeper,
            root: RootSource::NineP { root: ROOT_TAG.into(), writable: tags },
            modules: self.kernel.modules.clone(),
        }
    }

    fn slots(&self) -> usize {
        self.spec.writable.len().max(1).next_multiple_of(SLOTS)
    }

    fn start(&self, incoming: Option<OwnedFd>) -> Result<Running, Error> {
        let (stream, theirs) = channel()?;
        let (monitor, their_monitor) = channel()?;
        let (theirs, their_monitor) = (OwnedFd::from(theirs), OwnedFd::from(their_monitor));
        let (console, output) = std::io::pipe().context(|| "make a pipe".into())?;
        let console = Console::watch(console.into());
        let mut args = arguments_of_machine(self.spec.memory);
        // By descriptor: what is in the cache may be replaced meanwhile.
        let mut inherit = Vec::new();
        for (option, path) in [("-kernel", &self.kernel.image), ("-initrd", &self.initramfs)] {
            let file = File::open(path).context(|| format!("open {}", path.display()))?;
            let file = OwnedFd::from(file);
            args.extend([option.into(), format!("/proc/self/fd/{}", number(&file)).into()]);
            inherit.push(file);
        }
        args.extend(socket_arguments(&theirs, &their_monitor));
        args.extend(self.exports());
        inherit.extend([theirs, their_monitor]);
        if let Some(file) = incoming {
            args.extend(["-incoming".into(), format!("fd:{}", number(&file)).into()]);
            inherit.push(file);
        }
        let keeper = Keeper::spawn(GuestCommand {
            program: self.program.clone(),
            args,
            env: Vec::new(),
            inherit,
            output: output.into(),
            confine: (!self.spec.trusted && geteuid().is_root()).then(|| Confinement {
                writable: self.spec.writable.clone(),
                scratch_bytes: SCRATCH_BYTES,
            }),
        })?;
        Ok(Running { stream, monitor, console, keeper })
    }

    /// The 9p exports: `/` read-only, then the writable folders, then what is left of the slots,
    /// which a guest can't tell from a folder that is not there.
    fn exports(&self) -> Vec<OsString> {
        let mut args = export(ROOT_TAG, Path::new("/"), true);
        for slot in 0..self.slots() {
            let (path, read_only) = match self.spec.writable.get(slot) {
                Some(path) => (path.as_path(), false),
                None => (Path::new("/"), true),
            };
            args.extend(export(&slot_tag(slot), path, read_only));
        }
        args
    }
}

/// Temporary files of QEMU itself: none were seen.
const SCRATCH_BYTES: u64 = 16 << 20;

/// Tag of the export of `/`.
const ROOT_TAG: &str = "root";

fn slot_tag(slot: usize) -> String {
    format!("w{slot}")
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The machine itself, without anything that differs from call to call.
fn arguments_of_machine(memory: u64) -> Vec<OsString> {
    let memory = format!("{}M", memory >> 20);
    let words = [
        "-nodefaults",
        "-no-user-config",
        "-M",
        "q35",
        "-accel",
        "tcg",
        // `rep movs` is slow to emulate, and more processors than one made guests panic.
        "-cpu",
        "max,-erms,-fsrm",
        "-smp",
        "1",
        "-m",
        &memory,
        "-display",
        "none",
        "-no-reboot",
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        "-chardev",
        "stdio,id=console,signal=off",
        "-serial",
        "chardev:console",
        "-append",
        "console=ttyS0 loglevel=4 panic=-1 shrbuf.sandbox=qemu",
    ];
    words.iter().map(OsString::from).collect()
}

fn socket_arguments(stream: &OwnedFd, monitor: &OwnedFd) -> Vec<OsString> {
    [
        "-chardev".into(),
        format!("socket,id=monitor,fd={}", number(monitor)),
        "-mon".into(),
        "chardev=monitor,mode=control".into(),
        "-device".into(),
        "virtio-serial-pci,max_ports=2".into(),
        "-chardev".into(),
        format!("socket,id=channel,fd={}", number(stream)),
        "-device".into(),
        "virtserialport,chardev=channel,nr=1,name=shrbuf".into(),
    ]
    .into_iter()
    .map(OsString::from)
    .collect()
}

fn export(tag: &str, path: &Path, read_only: bool) -> Vec<OsString> {
    let mut backend =
        OsString::from(format!("local,id={tag},security_model=none,multidevs=remap,path="));
    backend.push(escaped(path));
    if read_only {
        backend.push(",readonly=on");
    }
    let device = format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}");
    ["-fsdev".into(), backend, "-device".into(), device.into()].into()
}

/// In QEMU's options a comma ends a value; two stand for one.
fn escaped(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::new();
    for byte in path.as_os_str().as_bytes() {
        bytes.push(*byte);
        if *byte == b',' {
            bytes.push(b',');
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_a_folder_stays_one() {
        assert_eq!(escaped(Path::new("/a,b/c")), "/a,,b/c");
    }

    #[test]
    fn only_what_is_not_writable_is_read_only() {
        let shown = |read_only| format!("{:?}", export("w0", Path::new("/x"), read_only));
        assert!(shown(true).contains("readonly=on"));
        assert!(!shown(false).contains("readonly"));
    }
}
