//! The kernel of a QEMU guest: the distribution's package, unpacked into the cache, not installed.
//!
//! `SHRBUF_KERNEL` names another one. The package is asked for with `apt-get download`; where this
//! machine has no package lists (a container's image), with lists of our own, fetched from the
//! same sources. A kernel that has been unpacked is kept until the cache folder is removed, so
//! that what was measured on it stays comparable.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::cache::{Cache, Key};
use super::{Context, Error};

/// Names another kernel (a bzImage) than the distribution's.
pub const KERNEL_VARIABLE: &str = "SHRBUF_KERNEL";

/// Packages that stand for a kernel, the most wanted first: FUSE passthrough is in 6.9 and later.
const PACKAGES: [&str; 2] = ["linux-image-6.12-amd64", "linux-image-amd64"];

/// A kernel to boot.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// What the machine loads: an ELF file (it boots faster) or a bzImage.
    pub image: PathBuf,
    /// Its `lib/modules/RELEASE`, with a `modules.dep`.
    pub modules: PathBuf,
}

impl Kernel {
    /// The kernel that the caller named, else the distribution's, fetched when it is not there.
    ///
    /// # Errors
    /// [`Error::Environment`] when there is none to be had.
    pub fn find(cache: &Cache) -> Result<Self, Error> {
        if let Some(named) = env::var_os(KERNEL_VARIABLE).filter(|value| !value.is_empty()) {
            return Self::named(Path::new(&named));
        }
        let key = Key::new().with(env!("CARGO_PKG_VERSION")).with(PACKAGES);
        let tree = cache.entry("kernel", &key, fetch)?;
        let modules = modules_in(&tree.join("lib/modules"))?;
        let unpacked = tree.join(UNPACKED);
        let image = if unpacked.is_file() { unpacked } else { bzimage_in(&tree.join("boot"))? };
        Ok(Self { image, modules })
    }

    fn named(path: &Path) -> Result<Self, Error> {
        let advice = "name a kernel's bzImage (vmlinuz), with its modules in ../lib/modules/RELEASE \
                      or /lib/modules/RELEASE, or unset the variable";
        let wrong = |what: String| Error::environment(format!("{KERNEL_VARIABLE}: {what}"), advice);
        let path = fs::canonicalize(path)
            .map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        let release = File::open(&path).ok().and_then(|mut file| release_of(&mut file));
        let release = release.ok_or_else(|| wrong(format!("{} is no bzImage", path.display())))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        let modules = [folder.join("../lib/modules"), "/lib/modules".into()]
            .iter()
            .map(|base| base.join(&release))
            .find(|folder| folder.join("modules.dep").is_file())
            .and_then(|folder| fs::canonicalize(folder).ok())
            .ok_or_else(|| wrong(format!("no modules of release {release}")))?;
        Ok(Self { image: path, modules })
    }
}

/// The ELF kernel that was inside the package's bzImage.
const UNPACKED: &str = "vmlinux";

fn fetch(tree: &Path) -> Result<(), Error> {
    for (tool, package) in [("apt-get", "apt"), ("dpkg-deb", "dpkg"), ("depmod", "kmod")] {
        find_tool(tool, package)?;
    }
    fs::create_dir_all(tree).context(|| format!("make {}", tree.display()))?;
    let scratch = tree.join("packages");
    fs::create_dir_all(&scratch).context(|| format!("make {}", scratch.display()))?;
    let apt = Apt::with_kernels(&scratch)?;
    for package in apt.packages()? {
        eprintln!("shrbuf sandbox: getting {package} for the guest (once; nothing is installed)");
        apt.download(&package)?;
    }
    let listed = fs::read_dir(&scratch).context(|| format!("list {}", scratch.display()))?;
    for entry in listed.flatten() {
        if entry.path().extension() == Some(OsStr::new("deb")) {
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("-x").arg(entry.path()).arg(tree);
            succeed(&mut unpack, "unpack the kernel's package")?;
        }
    }
    fs::remove_dir_all(&scratch).context(|| format!("remove {}", scratch.display()))?;
    settle_modules(tree)?;
    if let Err(error) = unpack_image(tree) {
        // The bzImage does as well, a second later.
        eprintln!("shrbuf sandbox: the kernel stays packed: {error}");
    }
    Ok(())
}

/// Debian 13 and later have `usr/lib/modules` in the package.
fn settle_modules(tree: &Path) -> Result<(), Error> {
    let (place, merged) = (tree.join("lib/modules"), tree.join("usr/lib/modules"));
    if !place.exists() && merged.exists() {
        fs::create_dir_all(tree.join("lib")).context(|| format!("make {}/lib", tree.display()))?;
        fs::rename(&merged, &place).context(|| format!("move {}", merged.display()))?;
    }
    let modules = modules_tree(&place)?;
    let release = modules.file_name().unwrap_or_default();
    let mut depmod = Command::new(find_tool("depmod", "kmod")?);
    depmod.arg("-b").arg(tree).arg(release);
    succeed(&mut depmod, "list what the kernel's modules need").map(|_| ())
}

fn modules_tree(base: &Path) -> Result<PathBuf, Error> {
    let mut listed = fs::read_dir(base).context(|| format!("list {}", base.display()))?;
    let found = listed.find_map(|entry| entry.ok().map(|entry| entry.path()));
    found.ok_or_else(|| Error::environment("the kernel's package has no modules", REFETCH))
}

fn modules_in(base: &Path) -> Result<PathBuf, Error> {
    let found = modules_tree(base)?;
    fs::canonicalize(&found).context(|| format!("look at {}", found.display()))
}

fn bzimage_in(boot: &Path) -> Result<PathBuf, Error> {
    let listed = fs::read_dir(boot).context(|| format!("list {}", boot.display()))?;
    let image = listed
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.file_name().unwrap_or_default().to_string_lossy().starts_with("vmlinuz"));
    image.ok_or_else(|| Error::environment("the kernel's package has no vmlinuz in it", REFETCH))
}

const REFETCH: &str = "remove the folder kernel-* from the cache to have it fetched again";

/// The machine's package manager, asked by whoever calls, without touching its state.
struct Apt {
    options: Vec<String>,
    scratch: PathBuf,
    package: &'static str,
}

impl Apt {
    fn with_kernels(scratch: &Path) -> Result<Self, Error> {
        let mut apt = Self { options: Vec::new(), scratch: scratch.into(), package: PACKAGES[0] };
        // As root, apt would download as a user of its own, who may not write here.
        apt.options.extend(["-q", "-o", "APT::Sandbox::User="].map(str::to_owned));
        if apt.find() {
            return Ok(apt);
        }
        eprintln!(
            "shrbuf sandbox: this machine's package lists are empty; fetching lists of our own"
        );
        let state = scratch.join("state");
        for folder in ["lists/partial", "archives/partial"] {
            let folder = state.join(folder);
            fs::create_dir_all(&folder).context(|| format!("make {}", folder.display()))?;
        }
        let state = state.display();
        apt.options.push("-o".into());
        apt.options.push(format!("Dir::State::lists={state}/lists"));
        apt.options.push("-o".into());
        apt.options.push(format!("Dir::Cache={state}"));
        succeed(&mut apt.command("apt-get", &["update"]), "fetch package lists")?;
        if apt.find() {
            return Ok(apt);
        }
        Err(Error::environment(
            format!("the package sources have none of {}", PACKAGES.join(", ")),
            format!("name a kernel of yours: {KERNEL_VARIABLE}=/path/to/vmlinuz"),
        ))
    }

    fn find(&mut self) -> bool {
        let known = |package: &&'static str| {
            self.command("apt-cache", &["show", package])
                .output()
                .is_ok_and(|answer| answer.status.success() && !answer.stdout.is_empty())
        };
        let found = PACKAGES.into_iter().find(known);
        self.package = found.unwrap_or(self.package);
        found.is_some()
    }

    /// The packages with the kernel and its modules that the standing name points to.
    fn packages(&self) -> Result<Vec<String>, Error> {
        let image = self.needs(self.package, "linux-image-")?;
        let image = image.into_iter().next().ok_or_else(|| {
            Error::environment(format!("the package {} names no kernel", self.package), REFETCH)
        })?;
        let mut packages = self.needs(&image, "linux-modules-")?;
        packages.push(image);
        Ok(packages)
    }

    fn needs(&self, package: &str, prefix: &str) -> Result<Vec<String>, Error> {
        let mut command = self.command("apt-cache", &["depends", package]);
        let answer = succeed(&mut command, "ask for the kernel's package")?;
        let text = String::from_utf8_lossy(&answer.stdout).into_owned();
        let needed = text.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(needed.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect())
    }

    fn download(&self, package: &str) -> Result<(), Error> {
        let mut command = self.command("apt-get", &["download", package]);
        succeed(&mut command, "download the kernel's package").map(|_| ())
    }

    fn command(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options).args(words).current_dir(&self.scratch).env("LC_ALL", "C");
        command
    }
}

/// The path of a program, looked for where system programs lie, too.
fn find_tool(name: &str, package: &str) -> Result<PathBuf, Error> {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Error::environment(
                format!("{name} is missing"),
                format!("install it: apt-get install {package}"),
            )
        })
}

fn succeed(command: &mut Command, what: &str) -> Result<Output, Error> {
    let answer = command.stdin(Stdio::null()).output().context(|| what.to_owned())?;
    if answer.status.success() {
        return Ok(answer);
    }
    let said = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
    Err(Error::environment(
        format!("can't {what}: {said}"),
        format!(
            "is the package mirror reachable? Or name a kernel: {KERNEL_VARIABLE}=/path/to/vmlinuz"
        ),
    ))
}

/// Where the header of a bzImage has what (`Documentation/arch/x86/boot.rst`).
mod header {
    pub(super) const SETUP_SECTORS: u64 = 0x1f1;
    pub(super) const MAGIC: u64 = 0x202;
    pub(super) const VERSION_STRING: u64 = 0x20e;
    pub(super) const PAYLOAD_OFFSET: u64 = 0x248;
    pub(super) const PAYLOAD_LENGTH: u64 = 0x24c;
    pub(super) const SECTOR: u64 = 512;
}

/// Bytes of a bzImage at `offset`; `None` where it ends before.
fn bytes_at<const N: usize>(image: &mut (impl Read + Seek), offset: u64) -> Option<[u8; N]> {
    let mut bytes = [0u8; N];
    image.seek(SeekFrom::Start(offset)).ok()?;
    image.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// The release that a bzImage says it is; `None` when it is none.
fn release_of(image: &mut (impl Read + Seek)) -> Option<String> {
    (bytes_at(image, header::MAGIC)? == *b"HdrS").then_some(())?;
    let place = u16::from_le_bytes(bytes_at(image, header::VERSION_STRING)?);
    let text: [u8; 64] = bytes_at(image, u64::from(place) + header::SECTOR)?;
    let word = text.split(|byte| *byte == b' ' || *byte == 0).next()?;
    let release = String::from_utf8(word.to_vec()).ok()?;
    let sound = !release.is_empty() && !release.contains('/') && !release.starts_with('.');
    sound.then_some(release)
}

/// Where the packed ELF kernel lies in a bzImage: offset and length.
fn payload_of(image: &mut (impl Read + Seek)) -> Option<(u64, u64)> {
    (bytes_at(image, header::MAGIC)? == *b"HdrS").then_some(())?;
    let [sectors] = bytes_at(image, header::SETUP_SECTORS)?;
    // 0 stands for 4, from the time of floppy disks.
    let setup = (u64::from(if sectors == 0 { 4 } else { sectors }) + 1) * header::SECTOR;
    let offset = u32::from_le_bytes(bytes_at(image, header::PAYLOAD_OFFSET)?);
    let length = u32::from_le_bytes(bytes_at(image, header::PAYLOAD_LENGTH)?);
    Some((setup + u64::from(offset), u64::from(length)))
}

fn unpack_image(tree: &Path) -> Result<(), Error> {
    let path = bzimage_in(&tree.join("boot"))?;
    let mut image = File::open(&path).context(|| format!("open {}", path.display()))?;
    let odd = |what: &str| Error::Guest(format!("{}: {what}", path.display()));
    let (offset, length) = payload_of(&mut image).ok_or_else(|| odd("no bzImage"))?;
    let mut packed = Vec::new();
    image
        .seek(SeekFrom::Start(offset))
        .and_then(|_| image.take(length).read_to_end(&mut packed))
        .context(|| format!("read {}", path.display()))?;
    let tool: &[&str] = match packed.as_slice() {
        [0xfd, b'7', b'z', b'X', b'Z', ..] => &["xz", "-dc", "--single-stream"],
        [0x28, 0xb5, 0x2f, 0xfd, ..] => &["zstd", "-dcq"],
        [0x1f, 0x8b, ..] => &["gzip", "-dcq"],
        _ => return Err(odd("packed in an unknown way")),
    };
    let place = tree.join(UNPACKED);
    let unfinished = tree.join("vmlinux-unpacking");
    let out = File::create(&unfinished).context(|| format!("create {}", unfinished.display()))?;
    unpack(tool, &packed, out)?;
    let mut magic = [0u8; 4];
    let read = File::open(&unfinished).and_then(|mut file| file.read_exact(&mut magic));
    read.context(|| format!("read {}", unfinished.display()))?;
    if magic != *b"\x7fELF" {
        let _ = fs::remove_file(&unfinished);
        return Err(odd("what is packed in it is no ELF file"));
    }
    fs::rename(&unfinished, &place).context(|| format!("publish {}", place.display()))
}

/// After the packed data four bytes with the unpacked size follow, about which the tools
/// complain; so it is the result that is looked at, not their exit status.
fn unpack(tool: &[&str], packed: &[u8], out: File) -> Result<(), Error> {
    let [program, args @ ..] = tool else { return Ok(()) };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(out)
        .stderr(Stdio::null())
        .spawn()
        .context(|| format!("run {program}"))?;
    if let Some(mut input) = child.stdin.take() {
        let _ = input.write_all(packed);
    }
    child.wait().context(|| format!("wait for {program}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn image() -> Vec<u8> {
        let mut bytes = vec![0u8; 0x1000];
        let mut put = |offset: usize, value: &[u8]| {
            bytes.get_mut(offset..offset + value.len()).expect("room").copy_from_slice(value);
        };
        put(0x1f1, &[2]);
        put(0x202, b"HdrS");
        put(0x20e, &0x300u16.to_le_bytes());
        put(0x500, b"6.12.1-test (builder) #1\0");
        put(0x248, &0x40u32.to_le_bytes());
        put(0x24c, &0x80u32.to_le_bytes());
        bytes
    }

    #[test]
    fn a_bzimage_tells_its_release_and_where_its_kernel_lies() {
        let bytes = image();
        assert_eq!(release_of(&mut Cursor::new(&bytes)).as_deref(), Some("6.12.1-test"));
        assert_eq!(payload_of(&mut Cursor::new(&bytes)), Some((3 * 512 + 0x40, 0x80)));
    }

    #[test]
    fn what_is_no_bzimage_has_neither() {
        let mut path = image();
        path.get_mut(0x500..0x508).expect("room").copy_from_slice(b"../../..");
        assert_eq!(release_of(&mut Cursor::new(&path)), None);
        for bytes in [&b""[..], &[0; 0x300], image().get(..0x240).expect("a part")] {
            assert_eq!(release_of(&mut Cursor::new(bytes)), None);
            assert_eq!(payload_of(&mut Cursor::new(bytes)), None);
        }
    }

    #[test]
    fn a_named_kernel_that_is_none_is_refused_with_advice() {
        let error = Kernel::named(Path::new("/etc/hostname")).expect_err("no kernel");
        assert_eq!(error.exit_status(), 77);
        assert!(error.to_string().contains(KERNEL_VARIABLE), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_release_without_a_slash_or_none(
            place in any::<u16>(),
            rest in prop::collection::vec(any::<u8>(), 0..0x400),
        ) {
            let mut bytes = image();
            bytes.splice(0x20e..0x210, place.to_le_bytes());
            bytes.splice(0x210.., rest);
            let release = release_of(&mut Cursor::new(&bytes));
            prop_assert!(release.is_none_or(|release| !release.is_empty() && !release.contains('/')));
            payload_of(&mut Cursor::new(&bytes));
        }
    }
}
