//! The root of the guest, built out of this machine's files.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};

use crate::sandbox::modules;
use crate::sandbox::wire::{Module, RootSource, Start};
use crate::sandbox::{Context, Error};
use crate::sys::guest::{add_entropy, loopback_up};

/// Where the new root is put together inside the initial file system.
const NEW_ROOT: &str = "/newroot";

/// Options of every 9p mount. `msize` is the largest that QEMU's transport takes at once.
const NINE_P: &str = "trans=virtio,version=9p2000.L,msize=512000";

/// `uml` or `qemu`, from the kernel's command line; empty outside a sandbox.
pub(crate) fn engine() -> String {
    crate::sandbox::engine_around().unwrap_or_default()
}

/// `/proc`, `/sys` and `/dev`, as the first process needs them.
pub(super) fn first_mounts() -> Result<(), Error> {
    for (kind, place) in [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev")] {
        fs::create_dir_all(place).context(|| format!("make {place}"))?;
        attach(kind, place, kind, MsFlags::empty(), "")?;
    }
    Ok(())
}

/// Makes everything ready for the command, up to the folder it starts in.
pub(super) fn build(start: &Start) -> Result<(), Error> {
    set_clock_and_pool(start)?;
    nix::unistd::sethostname(&start.hostname).context(|| "set the machine's name".into())?;
    loopback_up().context(|| "set the loopback interface up".into())?;
    lower_and_upper(start)?;
    writable_folders(start)?;
    system_folders()?;
    switch_root()?;
    let modules_dir = place_modules(&start.modules_dir)?;
    for name in ["fuse", "cuse"] {
        load(&modules_dir, Path::new(name), "")?;
    }
    // What udev's own rule gives it; /dev/cuse stays root's.
    let _ = fs::set_permissions("/dev/fuse", fs::Permissions::from_mode(0o666));
    start.modules.iter().try_for_each(|module| load_wanted(&modules_dir, module))?;
    std::env::set_current_dir(&start.cwd)
        .context(|| format!("go to the folder {}", start.cwd.display()))
}

fn set_clock_and_pool(start: &Start) -> Result<(), Error> {
    let now = TimeSpec::from_duration(Duration::from_nanos(start.realtime_ns));
    clock_settime(ClockId::CLOCK_REALTIME, now).context(|| "set the clock".into())?;
    add_entropy(&start.entropy).context(|| "feed the random pool".into())
}

/// This machine's files below, memory above: what is written is lost.
fn lower_and_upper(start: &Start) -> Result<(), Error> {
    for folder in ["/lower", "/upper", "/rw", NEW_ROOT] {
        fs::create_dir_all(folder).context(|| format!("make {folder}"))?;
    }
    match &start.root {
        RootSource::Hostfs => attach("none", "/lower", "hostfs", MsFlags::MS_RDONLY, "/")?,
        RootSource::NineP { root, .. } => {
            attach(root, "/lower", "9p", MsFlags::MS_RDONLY, &format!("{NINE_P},cache=loose"))?;
        }
    }
    // For a caller who is not root, user-mode Linux shows root's files as those of nobody. Set-uid
    // programs (mount, su) would then take rights away instead of giving some.
    let owner = fs::metadata("/lower").context(|| "look at /lower".into())?.uid();
    let flags = if owner == 0 { MsFlags::empty() } else { MsFlags::MS_NOSUID };
    attach("tmpfs", "/upper", "tmpfs", MsFlags::empty(), "mode=755")?;
    for folder in ["/upper/upper", "/upper/work"] {
        fs::create_dir(folder).context(|| format!("make {folder}"))?;
    }
    let layers = "lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work";
    attach("overlay", NEW_ROOT, "overlay", flags, layers)
}

/// The folders in which changes stay. That nothing else can be changed through `hostfs` is the
/// business of the confinement around the guest, not of the guest.
fn writable_folders(start: &Start) -> Result<(), Error> {
    if start.writable.is_empty() {
        return Ok(());
    }
    match &start.root {
        RootSource::Hostfs => {
            attach("none", "/rw", "hostfs", MsFlags::empty(), "/")?;
            for path in &start.writable {
                bind(&below("/rw", path), &below(NEW_ROOT, path))?;
            }
        }
        RootSource::NineP { writable, .. } => {
            for (path, tag) in start.writable.iter().zip(writable) {
                let place = below(NEW_ROOT, path);
                attach(tag, &place, "9p", MsFlags::empty(), &format!("{NINE_P},cache=mmap"))?;
            }
        }
    }
    Ok(())
}

fn system_folders() -> Result<(), Error> {
    for name in ["proc", "sys", "dev"] {
        let (from, to) = (format!("/{name}"), below(NEW_ROOT, Path::new(name)));
        mount(Some(from.as_str()), &to, None::<&str>, MsFlags::MS_MOVE, None::<&str>)
            .context(|| format!("move {from}"))?;
    }
    let private = [
        ("devpts", "dev/pts", "gid=5,mode=620,ptmxmode=666"),
        ("tmpfs", "dev/shm", "mode=1777"),
        ("tmpfs", "run", "mode=755"),
    ];
    for (kind, name, options) in private {
        let place = below(NEW_ROOT, Path::new(name));
        fs::create_dir_all(&place).context(|| format!("make {}", place.display()))?;
        attach(kind, &place, kind, MsFlags::MS_NOSUID, options)?;
    }
    for (target, name) in
        [("/proc/self/fd", "fd"), ("fd/0", "stdin"), ("fd/1", "stdout"), ("fd/2", "stderr")]
    {
        let link = below(NEW_ROOT, &Path::new("dev").join(name));
        std::os::unix::fs::symlink(target, &link)
            .context(|| format!("make the link {}", link.display()))?;
    }
    Ok(())
}

fn switch_root() -> Result<(), Error> {
    std::env::set_current_dir(NEW_ROOT).context(|| "enter the new root".into())?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .context(|| "make the new root the root".into())?;
    nix::unistd::chroot(".").context(|| "make the new root the root".into())?;
    std::env::set_current_dir("/").context(|| "enter the new root".into())
}

/// Puts the modules where `modprobe` looks for them, too.
fn place_modules(from: &Path) -> Result<PathBuf, Error> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")
        .context(|| "read the kernel's release".into())?;
    let usual = Path::new("/lib/modules").join(release.trim());
    fs::create_dir_all(&usual).context(|| format!("make {}", usual.display()))?;
    bind(from, &usual)?;
    Ok(usual)
}

fn load_wanted(modules_dir: &Path, module: &Module) -> Result<(), Error> {
    let parameters = module.parameters.to_string_lossy();
    load(modules_dir, Path::new(&module.name), &parameters)
}

/// Loads a module by name, or by path when there is a slash in it, with all that it needs.
fn load(modules_dir: &Path, module: &Path, parameters: &str) -> Result<(), Error> {
    if module.as_os_str().as_bytes().contains(&b'/') {
        for name in modules::depends_of_file(module)? {
            load(modules_dir, Path::new(&name), "")?;
        }
        return load_file(module, parameters);
    }
    let files = modules::resolve(modules_dir, &module.to_string_lossy())?;
    let count = files.len();
    for (index, file) in files.iter().enumerate() {
        load_file(file, if index + 1 == count { parameters } else { "" })?;
    }
    Ok(())
}

/// Loads one file into the kernel. A module that is there already is no error.
pub(super) fn load_file(path: &Path, parameters: &str) -> Result<(), Error> {
    let file = File::open(path).context(|| format!("open the module {}", path.display()))?;
    let parameters = CString::new(parameters)
        .map_err(|_| Error::Usage("a module parameter with a zero byte in it".into()))?;
    let flags = match path.extension() {
        Some(extension) if extension != "ko" => ModuleInitFlags::from_bits_retain(COMPRESSED_FILE),
        _ => ModuleInitFlags::empty(),
    };
    match finit_module(&file, &parameters, flags) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno).context(|| format!("load the module {}", path.display())),
    }
}

/// `MODULE_INIT_COMPRESSED_FILE` of `<linux/module.h>`, which `nix` does not name yet.
const COMPRESSED_FILE: libc::c_uint = 4;

fn bind(from: &Path, to: &Path) -> Result<(), Error> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .context(|| format!("put {} at {}", from.display(), to.display()))
}

fn attach(
    source: &str,
    place: impl AsRef<Path>,
    kind: &str,
    flags: MsFlags,
    options: &str,
) -> Result<(), Error> {
    let place = place.as_ref();
    mount(Some(source), place, Some(kind), flags, Some(options))
        .context(|| format!("mount {kind} at {}", place.display()))
}

/// `path` of this machine, seen below `base`.
fn below(base: &str, path: &Path) -> PathBuf {
    Path::new(base).join(path.strip_prefix("/").unwrap_or(path))
}
