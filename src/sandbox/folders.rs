//! Which folders a command may change.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::{Context, Error};

/// Folders that are no files of the person who calls: writing there is a request to the kernel.
const NEVER: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The folders that stay writable: the present one (unless it is `/`) and the named ones;
/// absolute, free of symbolic links, none inside another.
///
/// A command may have planted a symbolic link in a folder that was writable for it. Such a link
/// is not followed: below a writable folder every part of a named path must be a true folder.
///
/// # Errors
/// [`Error::Usage`] for a path that is no folder, lies in `/proc`, `/sys` or `/dev`, is `/`, or
/// leads through a symbolic link inside a writable folder.
pub fn writable(present: &Path, named: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut folders = Vec::new();
    if present != Path::new("/") {
        check_place(present)?;
        folders.push(present.to_path_buf());
    }
    for path in named {
        let folder = true_folder(&present.join(path), &folders)?;
        check_place(&folder)?;
        folders.push(folder);
    }
    Ok(outermost(folders))
}

fn check_place(folder: &Path) -> Result<(), Error> {
    let refused = folder == Path::new("/") || NEVER.iter().any(|never| folder.starts_with(never));
    if refused {
        let shown = folder.display();
        return Err(Error::Usage(format!("{shown} can't be made writable for a sandbox")));
    }
    Ok(())
}

fn true_folder(path: &Path, writable: &[PathBuf]) -> Result<PathBuf, Error> {
    let roundabout = path.components().any(|part| part == Component::ParentDir);
    let base = writable.iter().find(|base| path.starts_with(base));
    let folder = match base {
        Some(base) if !roundabout => without_links(base, path)?,
        _ => fs::canonicalize(path).context(|| format!("look at {}", path.display()))?,
    };
    // `..` may have led back into a writable folder through a link that lies in it.
    if roundabout && writable.iter().any(|base| path.starts_with(base)) {
        return Err(Error::Usage(format!("{}: name the folder without '..'", path.display())));
    }
    if fs::metadata(&folder).context(|| format!("look at {}", folder.display()))?.is_dir() {
        Ok(folder)
    } else {
        Err(Error::Usage(format!("{} is not a folder", folder.display())))
    }
}

fn without_links(base: &Path, path: &Path) -> Result<PathBuf, Error> {
    let mut place = base.to_path_buf();
    for part in path.strip_prefix(base).unwrap_or(path).components() {
        place.push(part);
        let found = fs::symlink_metadata(&place);
        if found.context(|| format!("look at {}", place.display()))?.is_symlink() {
            return Err(Error::Usage(format!(
                "{} is a symbolic link in a writable folder and is not followed: name the folder \
                 it leads to",
                place.display()
            )));
        }
    }
    Ok(place)
}

fn outermost(mut folders: Vec<PathBuf>) -> Vec<PathBuf> {
    folders.sort();
    let mut kept: Vec<PathBuf> = Vec::new();
    for folder in folders {
        if !kept.iter().any(|outer| folder.starts_with(outer)) {
            kept.push(folder);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = fs::canonicalize(dir.path()).expect("its path");
        (dir, path)
    }

    #[test]
    fn folders_inside_writable_ones_are_not_named_twice() {
        let (_dir, base) = folder();
        fs::create_dir_all(base.join("a/b")).expect("folders");
        let other = base.join("a");
        let named = [PathBuf::from("a/b"), other, base.join("a/b")];
        assert_eq!(writable(&base, &named).expect("folders"), [base]);
    }

    #[test]
    fn a_planted_link_is_not_followed() {
        let (_dir, base) = folder();
        symlink("/etc", base.join("planted")).expect("a link");
        for named in ["planted", "./planted", "planted/ssl"] {
            let answer = writable(&base, &[PathBuf::from(named)]);
            assert!(matches!(answer, Err(Error::Usage(_))), "{named}: {answer:?}");
        }
    }

    #[test]
    fn a_link_of_the_person_outside_is_followed() {
        let (_dir, base) = folder();
        let (_present, present) = folder();
        fs::create_dir(base.join("true")).expect("a folder");
        symlink("true", base.join("link")).expect("a link");
        let folders = writable(&present, &[base.join("link")]).expect("folders");
        assert!(folders.contains(&base.join("true")), "{folders:?}");
    }

    #[test]
    fn the_root_and_the_kernels_folders_are_refused() {
        let (_dir, base) = folder();
        for named in ["/", "/proc", "/sys/kernel", "/dev/shm"] {
            assert!(writable(&base, &[PathBuf::from(named)]).is_err(), "{named}");
        }
    }

    #[test]
    fn in_the_root_nothing_is_writable() {
        assert_eq!(writable(Path::new("/"), &[]).expect("folders"), Vec::<PathBuf>::new());
    }
}
