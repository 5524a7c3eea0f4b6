//! Which files a kernel module needs, and in what order they are loaded.
//!
//! Used on both sides: by the engines for what comes along in the guest's initial file system,
//! and by the guest's first process for `--module`.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Context, Error};

/// The files to load for module `name`, in order; none when it is built into the kernel.
///
/// `dir` is a kernel's folder `lib/modules/RELEASE`. In names `-` and `_` are the same.
///
/// # Errors
/// [`Error::Usage`] when the kernel has no such module, [`Error::Io`] when `modules.dep` can't
/// be read.
pub fn resolve(dir: &Path, name: &str) -> Result<Vec<PathBuf>, Error> {
    let read = |file: &str| {
        let path = dir.join(file);
        fs::read_to_string(&path).context(|| format!("read {}", path.display()))
    };
    if let Some(files) = in_dependencies(&read("modules.dep")?, name) {
        return Ok(files.into_iter().map(|file| dir.join(file)).collect());
    }
    if read("modules.builtin").is_ok_and(|list| list.lines().any(|file| is_named(file, name))) {
        return Ok(Vec::new());
    }
    let release = dir.file_name().unwrap_or_default().to_string_lossy();
    Err(Error::Usage(format!("the guest's kernel {release} has no module '{name}'")))
}

/// The modules that a `.ko` file from elsewhere needs (its `depends=`).
///
/// # Errors
/// [`Error::Io`] when the file can't be read.
pub fn depends_of_file(file: &Path) -> Result<Vec<String>, Error> {
    let bytes = fs::read(file).context(|| format!("read the module {}", file.display()))?;
    Ok(depends_in(&bytes))
}

/// A line of `modules.dep` is `file.ko: needs-this.ko which-needs-this.ko …`: what is needed
/// first stands last.
fn in_dependencies(list: &str, name: &str) -> Option<Vec<String>> {
    list.lines().filter_map(|line| line.split_once(':')).find(|(file, _)| is_named(file, name)).map(
        |(file, needed)| {
            let needed = needed.split_ascii_whitespace().rev();
            needed.chain([file]).map(str::to_owned).collect()
        },
    )
}

fn is_named(file: &str, name: &str) -> bool {
    let base = file.rsplit('/').next().unwrap_or(file);
    let stem = base.split_once(".ko").map_or(base, |(stem, _)| stem);
    normal(stem).eq(normal(name))
}

fn normal(name: &str) -> impl Iterator<Item = char> {
    name.chars().map(|letter| if letter == '-' { '_' } else { letter })
}

/// The section `.modinfo` is a row of `key=value` strings, each ended by a zero byte.
fn depends_in(bytes: &[u8]) -> Vec<String> {
    let strings = bytes.split(|byte| *byte == 0);
    let value = strings.into_iter().find_map(|text| text.strip_prefix(b"depends="));
    let value = String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    value.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIST: &str = "kernel/fs/fuse/fuse.ko:\n\
        kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz\n\
        kernel/drivers/a-b.ko.zst:\n";

    #[test]
    fn what_is_needed_comes_first() {
        let files = in_dependencies(LIST, "9p").expect("9p is there");
        let order =
            ["kernel/fs/netfs/netfs.ko.xz", "kernel/net/9p/9pnet.ko.xz", "kernel/fs/9p/9p.ko.xz"];
        assert_eq!(files, order);
    }

    #[test]
    fn a_dash_is_an_underscore() {
        assert_eq!(
            in_dependencies(LIST, "a_b").expect("a-b is there"),
            ["kernel/drivers/a-b.ko.zst"]
        );
        assert_eq!(in_dependencies(LIST, "fus"), None);
    }

    #[test]
    fn an_unknown_module_is_named_in_the_message() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("modules.dep"), LIST).expect("a file");
        fs::write(dir.path().join("modules.builtin"), "kernel/drivers/udmabuf.ko\n")
            .expect("a file");
        assert_eq!(resolve(dir.path(), "udmabuf").expect("built in"), Vec::<PathBuf>::new());
        let error = resolve(dir.path(), "nosuch").expect_err("not there");
        assert!(error.to_string().contains("'nosuch'"), "{error}");
    }

    #[test]
    fn the_needs_of_a_foreign_file_are_read() {
        assert_eq!(
            depends_in(b"\x7fELF\0license=GPL\0depends=videodev,mc\0name=x\0"),
            ["videodev", "mc"]
        );
        assert_eq!(depends_in(b"\0depends=\0"), Vec::<String>::new());
        assert_eq!(depends_in(b""), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn any_bytes_have_needs_or_none(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let section = [&b"\0depends="[..], &bytes].concat();
            for name in depends_in(&bytes).iter().chain(&depends_in(&section)) {
                prop_assert!(!name.is_empty() && !name.contains([',', '\0']));
            }
        }
    }
}
