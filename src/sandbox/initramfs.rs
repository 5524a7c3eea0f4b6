//! The guest's initial file system: the first process, its libraries, and the modules it loads
//! before it can see this machine's files.
//!
//! Format: `Documentation/driver-api/early-userspace/buffer-format.rst`, "newc", not compressed
//! (a few MiB that are read once; unpacking would cost more than it saves).

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Cache, Key};
use super::{Context, Error};

const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// The initial file system in the cache, with `modules` (loaded in this order) in it.
///
/// # Errors
/// [`Error::Io`] naming the file that can't be read or written; [`Error::Environment`] when the
/// program's libraries can't be found or a module can't be unpacked.
pub fn build(
    cache: &Cache,
    purpose: &str,
    agent: &Path,
    modules: &[PathBuf],
) -> Result<PathBuf, Error> {
    let mut key = Key::new().with(env!("CARGO_PKG_VERSION")).with_content(agent)?;
    for module in modules {
        key = key.with_file(module)?;
    }
    cache.entry(purpose, &key, |path| write_archive(path, agent, modules))
}

fn write_archive(path: &Path, agent: &Path, modules: &[PathBuf]) -> Result<(), Error> {
    let libraries = libraries(agent)?;
    let file = File::create(path).context(|| format!("create {}", path.display()))?;
    let mut archive = Archive { out: BufWriter::new(file), folders: Vec::new(), inode: 0 };
    let written = archive.fill(agent, &libraries, modules)?;
    written.context(|| format!("write {}", path.display()))
}

/// The interpreter and the shared libraries of `program`, as the interpreter itself lists them;
/// none for a static program.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, Error> {
    let Some(interpreter) = interpreter(program)? else { return Ok(Vec::new()) };
    let answer = Command::new(&interpreter).arg("--list").arg(program).output();
    let answer = answer.context(|| format!("run {}", interpreter.display()))?;
    if !answer.status.success() {
        return Err(Error::environment(
            format!("{} can't list the libraries of {}", interpreter.display(), program.display()),
            "build shrbuf for this machine's C library",
        ));
    }
    // Lines are `name => /path (0xaddress)` or `/path (0xaddress)`.
    let paths = answer.stdout.split(|byte| *byte == b'\n').filter_map(|line| {
        let start = line.iter().position(|byte| *byte == b'/')?;
        let rest = line.get(start..)?;
        let end = rest.windows(2).rposition(|pair| pair == b" (")?;
        rest.get(..end).map(|path| PathBuf::from(OsStr::from_bytes(path)))
    });
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.push(interpreter);
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// The program header `PT_INTERP` of a 64-bit little-endian ELF file.
fn interpreter(program: &Path) -> Result<Option<PathBuf>, Error> {
    let bytes = fs::read(program).context(|| format!("read {}", program.display()))?;
    Ok(interpreter_in(&bytes))
}

fn interpreter_in(bytes: &[u8]) -> Option<PathBuf> {
    const PT_INTERP: u64 = 3;
    let number = |offset: usize, size: usize| -> Option<u64> {
        let field = bytes.get(offset..offset.checked_add(size)?)?;
        Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    let index = |offset: usize, size: usize| usize::try_from(number(offset, size)?).ok();
    bytes.starts_with(b"\x7fELF\x02\x01").then_some(())?;
    let (table, size, count) = (index(0x20, 8)?, index(0x36, 2)?, index(0x38, 2)?);
    let header = (0..count)
        .filter_map(|header| table.checked_add(header.checked_mul(size)?))
        .find(|header| number(*header, 4) == Some(PT_INTERP))?;
    let (start, length) =
        (index(header.checked_add(0x08)?, 8)?, index(header.checked_add(0x20)?, 8)?);
    let path = bytes.get(start..start.checked_add(length)?)?;
    let path = path.strip_suffix(b"\0").unwrap_or(path);
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

/// The bytes of a module, unpacked where the distribution packs them.
fn module_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let unpacker = match path.extension().and_then(OsStr::to_str) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some("gz") => "gzip",
        _ => return fs::read(path).context(|| format!("read {}", path.display())),
    };
    let answer = Command::new(unpacker).arg("-dc").arg(path).output();
    match answer {
        Ok(answer) if answer.status.success() => Ok(answer.stdout),
        _ => Err(Error::environment(
            format!("{unpacker} can't unpack {}", path.display()),
            format!("install it: apt-get install {unpacker}-utils (gzip, zstd: without -utils)"),
        )),
    }
}

struct Archive<W: Write> {
    out: W,
    folders: Vec<PathBuf>,
    inode: u32,
}

impl<W: Write> Archive<W> {
    /// The outer result is about what goes in, the inner one about writing.
    fn fill(
        &mut self,
        agent: &Path,
        libraries: &[PathBuf],
        modules: &[PathBuf],
    ) -> Result<io::Result<()>, Error> {
        let read = |path: &Path| fs::read(path).context(|| format!("read {}", path.display()));
        let mut files = vec![(PathBuf::from("/init"), read(agent)?)];
        for library in libraries {
            files.push((library.clone(), read(library)?));
        }
        for (index, module) in modules.iter().enumerate() {
            let name = module.file_name().unwrap_or_default().to_string_lossy();
            let stem = name.split_once(".ko").map_or(&*name, |(stem, _)| stem);
            let place = PathBuf::from(format!("/modules/{index:03}-{stem}.ko"));
            files.push((place, module_bytes(module)?));
        }
        Ok(self.write(&files))
    }

    fn write(&mut self, files: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
        self.folder(Path::new("/dev"))?;
        // The kernel opens it for its first process before any folder is mounted.
        self.entry(Path::new("/dev/console"), CHARACTER_DEVICE, (5, 1), &[])?;
        self.entry(Path::new("/dev/null"), CHARACTER_DEVICE | 0o666, (1, 3), &[])?;
        for (path, bytes) in files {
            path.parent().map_or(Ok(()), |parent| self.folder(parent))?;
            self.entry(path, PROGRAM, (0, 0), bytes)?;
        }
        self.entry(Path::new("TRAILER!!!"), 0, (0, 0), &[])?;
        self.out.flush()
    }

    fn folder(&mut self, path: &Path) -> io::Result<()> {
        if path == Path::new("/") || self.folders.iter().any(|known| known == path) {
            return Ok(());
        }
        path.parent().map_or(Ok(()), |parent| self.folder(parent))?;
        self.folders.push(path.to_path_buf());
        self.entry(path, FOLDER, (0, 0), &[])
    }

    fn entry(&mut self, path: &Path, mode: u32, device: (u32, u32), data: &[u8]) -> io::Result<()> {
        let name = path.strip_prefix("/").unwrap_or(path).as_os_str().as_bytes();
        let too_long = |_| io::Error::new(io::ErrorKind::InvalidData, "too long for an archive");
        let size = u32::try_from(data.len()).map_err(too_long)?;
        let name_size = u32::try_from(name.len() + 1).map_err(too_long)?;
        self.inode += 1;
        // ino mode uid gid nlink mtime size devmajor devminor rdevmajor rdevminor namesize check
        let fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0];
        let mut header = b"070701".to_vec();
        for field in fields {
            header.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        header.extend_from_slice(name);
        header.push(0);
        pad(&mut header);
        self.out.write_all(&header)?;
        self.out.write_all(data)?;
        let rest = data.len().next_multiple_of(4) - data.len();
        self.out.write_all([0u8; 3].get(..rest).unwrap_or_default())
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_entry_has_the_bytes_of_the_kernels_document() {
        let mut archive = Archive { out: Vec::new(), folders: Vec::new(), inode: 0 };
        archive.entry(Path::new("/a"), PROGRAM, (0, 0), b"hello").expect("written");
        let expected = b"070701\
            00000001\
            000081ed\
            00000000\
            00000000\
            00000001\
            00000000\
            00000005\
            00000000\
            00000000\
            00000000\
            00000000\
            00000002\
            00000000\
            a\0hello\0\0\0";
        assert_eq!(archive.out, expected);
    }

    #[test]
    fn folders_come_before_what_is_in_them_and_once() {
        let mut archive = Archive { out: Vec::new(), folders: Vec::new(), inode: 0 };
        archive.folder(Path::new("/lib/a")).expect("written");
        archive.folder(Path::new("/lib/b")).expect("written");
        assert_eq!(archive.folders, [Path::new("/lib"), Path::new("/lib/a"), Path::new("/lib/b")]);
    }

    #[test]
    fn the_interpreter_of_this_test_is_found() {
        let me = std::env::current_exe().expect("this program");
        let found = libraries(&me).expect("its libraries");
        assert!(found.iter().any(|path| path.to_string_lossy().contains("libc")), "{found:?}");
    }

    #[test]
    fn bytes_that_are_no_program_have_no_interpreter() {
        let long = [b"\x7fELF\x02\x01".as_slice(), &[0xff; 90]].concat();
        for bytes in [&b""[..], b"#!/bin/sh", b"\x7fELF\x02\x01", &long] {
            assert_eq!(interpreter_in(bytes), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_interpreter_or_none(
            table in prop_oneof![0..128u64, any::<u64>()],
            sizes in any::<[u16; 2]>(),
            rest in prop::collection::vec(prop_oneof![Just(0u8), Just(3), any::<u8>()], 0..256),
        ) {
            let mut bytes = b"\x7fELF\x02\x01".to_vec();
            bytes.resize(0x20, 0);
            bytes.extend(table.to_le_bytes());
            bytes.resize(0x36, 0);
            bytes.extend(sizes.iter().flat_map(|size| (size % 64).to_le_bytes()));
            bytes.extend(rest);
            if let Some(path) = interpreter_in(&bytes) {
                prop_assert!(path.as_os_str().len() <= bytes.len());
            }
        }
    }
}
