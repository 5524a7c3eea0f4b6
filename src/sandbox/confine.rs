//! The world that a guest's program is confined to.
//!
//! The root of a user-mode guest can mount `hostfs` anywhere, and can load code into its kernel,
//! which is a process of this machine: so the guest's process itself must be unable to change
//! anything. It gets mount, process, network and IPC namespaces of its own (for a caller who is
//! not root: inside a user namespace), in which every mount is read-only and without devices,
//! except the folders that were named as writable; no capability that could undo this; and no
//! other process in sight.
//!
//! Landlock alone would not do: it does not cover `chmod`, `chown`, `utimensat` and `setxattr`.
//!
//! Inside a user namespace, files of other users show as those of user 65534 (nobody).

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{getegid, geteuid};
use serde::{Deserialize, Serialize};

use super::{Context, Error};
use crate::sys::mount::{attach_tree, clone_tree, seal_tree};
use crate::sys::process::limit_capabilities;

/// The guest program's folder for temporary files: memory, gone with the namespace.
pub const SCRATCH: &str = "/dev/shm";

/// What a confined guest may do.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Confinement {
    /// Folders it may change: absolute, without symbolic links.
    pub writable: Vec<PathBuf>,
    /// Bytes of memory file that it may make in [`SCRATCH`].
    pub scratch_bytes: u64,
}

/// Device files that the guest's program itself needs; none of them leads to hardware.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// Capabilities that let the guest's program work on any user's files in the *writable* folders
/// when the caller is root: `CHOWN`, `DAC_OVERRIDE`, `FOWNER`, `FSETID`. Not
/// `DAC_READ_SEARCH`: `open_by_handle_at(2)` would reach past the bind mount.
const KEPT_CAPABILITIES: [u32; 4] = [0, 1, 3, 4];

/// Whether this machine lets this caller have a confined guest.
///
/// # Errors
/// [`Error::Environment`] with the reason and what helps.
pub fn available() -> Result<(), Error> {
    if geteuid().is_root() {
        return Ok(()); // tried for real when the guest starts
    }
    match fs::read_to_string("/proc/sys/user/max_user_namespaces") {
        Ok(text) if text.trim() == "0" => Err(refusal("user namespaces are switched off")),
        _ => Ok(()),
    }
}

fn refusal(what: &str) -> Error {
    Error::environment(
        format!("the guest can't be confined: {what}"),
        "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, \
         kernel.apparmor_restrict_unprivileged_userns=0), or use --engine qemu, or say \
         --trust-command if the command may change this machine's files",
    )
}

/// Step 1, in the keeper: new namespaces. The next child is the first process in them.
///
/// # Errors
/// [`Error::Environment`] when the kernel refuses.
pub fn leave_namespaces() -> Result<(), Error> {
    let spaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    let (uid, gid) = (geteuid(), getegid());
    if uid.is_root() {
        match unshare(spaces) {
            Ok(()) => return Ok(()),
            // A container's root without CAP_SYS_ADMIN: try as anybody else would.
            Err(Errno::EPERM) => {}
            Err(errno) => return Err(refusal(&format!("unshare: {}", errno.desc()))),
        }
    }
    unshare(spaces | CloneFlags::CLONE_NEWUSER)
        .map_err(|errno| refusal(&format!("no user namespace: {}", errno.desc())))?;
    let write = |name: &str, text: String| {
        let path = format!("/proc/self/{name}");
        fs::write(&path, text).map_err(|error| refusal(&format!("{path}: {error}")))
    };
    write("setgroups", "deny".into())?;
    write("uid_map", format!("{uid} {uid} 1"))?;
    write("gid_map", format!("{gid} {gid} 1"))
}

/// Step 2, in the first process of the namespaces: everything is made read-only, then what is
/// needed is put back, then the means to undo it are given away.
///
/// # Errors
/// [`Error::Io`] naming the step.
pub fn close_the_doors(confinement: &Confinement) -> Result<(), Error> {
    let quiet = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, quiet, None::<&str>)
        .context(|| "make the mounts private".into())?;
    let writable = confinement.writable.iter().map(|path| kept_tree(path));
    let writable = writable.collect::<Result<Vec<_>, _>>()?;
    let devices = DEVICES.iter().map(|path| kept_tree(Path::new(path)));
    let devices = devices.collect::<Result<Vec<_>, _>>()?;
    seal_tree(c"/").context(|| "make every mount read-only".into())?;
    private_dev(&devices, confinement.scratch_bytes)?;
    // Sockets of this machine's services live here; the guest has a /run of its own anyway.
    memory_folder("/run", "mode=755,size=1m")?;
    private_proc()?;
    for (path, tree) in confinement.writable.iter().zip(&writable) {
        put_back(path, tree)?;
    }
    give_up_rights()
}

/// A copy of the mounts at `path`, taken before everything becomes read-only.
fn kept_tree(path: &Path) -> Result<OwnedFd, Error> {
    let place = open_place(path)?;
    clone_tree(place.as_fd()).context(|| format!("keep {} as it is", path.display()))
}

fn put_back(path: &Path, tree: &OwnedFd) -> Result<(), Error> {
    if path.starts_with("/run") || path.starts_with("/dev") {
        fs::create_dir_all(path).context(|| format!("make the folder {}", path.display()))?;
    }
    let place = open_place(path)?;
    attach_tree(tree.as_fd(), place.as_fd()).context(|| format!("keep {} writable", path.display()))
}

/// Opens without following any symbolic link: one that was put there since the caller's path was
/// looked at must not lead anywhere.
fn open_place(path: &Path) -> Result<OwnedFd, Error> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    openat2(nix::fcntl::AT_FDCWD, path, how)
        .context(|| format!("open {} without following symbolic links", path.display()))
}

fn private_dev(devices: &[OwnedFd], scratch_bytes: u64) -> Result<(), Error> {
    memory_folder("/dev", "mode=755,size=1m")?;
    for (path, tree) in DEVICES.iter().zip(devices) {
        File::create(path).context(|| format!("make {path}"))?;
        let place = open_place(Path::new(path))?;
        attach_tree(tree.as_fd(), place.as_fd()).context(|| format!("put {path} in place"))?;
    }
    fs::create_dir(SCRATCH).context(|| format!("make {SCRATCH}"))?;
    memory_folder(SCRATCH, &format!("mode=700,size={scratch_bytes}"))?;
    // UML looks for its memory folder in the list of mounts and in these links.
    for (target, link) in [("/proc/self/fd", "/dev/fd"), ("/proc/self/fd/0", "/dev/stdin")] {
        std::os::unix::fs::symlink(target, link).context(|| format!("make {link}"))?;
    }
    Ok(())
}

fn memory_folder(path: &str, options: &str) -> Result<(), Error> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("shrbuf"), path, Some("tmpfs"), flags, Some(options))
        .context(|| format!("put a private folder over {path}"))
}

/// A `/proc` that shows only the guest's processes. Where the kernel refuses one (a container
/// with parts of `/proc` covered), the old one stays: read-only, like everything.
fn private_proc() -> Result<(), Error> {
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match mount(Some("shrbuf"), "/proc", Some("proc"), flags, None::<&str>) {
        Ok(()) | Err(Errno::EPERM) => Ok(()),
        Err(errno) => Err(errno).context(|| "mount /proc".into()),
    }
}

fn give_up_rights() -> Result<(), Error> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0).context(|| "switch core dumps off".into())?;
    limit_capabilities(&KEPT_CAPABILITIES).context(|| "drop capabilities".into())?;
    nix::sys::prctl::set_no_new_privs().context(|| "renounce new privileges".into())
}
