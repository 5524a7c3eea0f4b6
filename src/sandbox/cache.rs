//! What is made once and used again: `$XDG_CACHE_HOME/shrbuf`, else `~/.cache/shrbuf`.
//!
//! An entry has a *purpose* (the beginning of its name) and a *key* (a hash of all that it was
//! made from). It is made under another name and published by `rename`, by one process at a
//! time, so a reader finds either a whole entry or none. A new key for a purpose replaces the
//! entry of the old one.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs::{self, DirBuilder, File};
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use super::{Context, Error};

/// A folder of entries that is ours and can be written.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The caller's cache folder; where that can't be written (a read-only home), a private
    /// folder under `$XDG_RUNTIME_DIR` or `$TMPDIR` (`/tmp`).
    ///
    /// # Errors
    /// [`Error::Environment`] when none of them can be written.
    pub fn open() -> Result<Self, Error> {
        let named =
            |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home =
            named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
        let private = format!("shrbuf-{}", geteuid());
        let spare = [named("XDG_RUNTIME_DIR"), named("TMPDIR"), Some("/tmp".into())];
        let spare = spare.into_iter().flatten().map(|folder| folder.join(&private));
        let mut tried = Vec::new();
        for folder in home.map(|home| home.join("shrbuf")).into_iter().chain(spare) {
            match usable(&folder) {
                Ok(()) => return Ok(Self { folder }),
                Err(error) => tried.push(format!("{}: {error}", folder.display())),
            }
        }
        Err(Error::environment(
            format!("no folder to keep the guest's kernel in ({})", tried.join("; ")),
            "set XDG_CACHE_HOME to a folder that you can write",
        ))
    }

    /// A cache in this folder (for tests, and for a machine's own image of one).
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The entry of this purpose and key, made by `make` at the path it is given (a file or a
    /// folder) when it is not there yet. Others who want it meanwhile wait.
    ///
    /// # Errors
    /// Those of `make`, and [`Error::Io`] of the folder.
    pub fn entry(
        &self,
        purpose: &str,
        key: &Key,
        make: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<PathBuf, Error> {
        let name = format!("{purpose}-{:016x}", key.0.finish());
        let entry = self.folder.join(&name);
        if entry.exists() {
            note_use(&entry);
            return Ok(entry);
        }
        let _lock = self.lock(purpose)?;
        if entry.exists() {
            return Ok(entry); // another process made it while we waited
        }
        self.remove_others(purpose, &name);
        let unfinished = self.folder.join(format!("{purpose}{MAKING}"));
        make(&unfinished)?;
        fs::rename(&unfinished, &entry).context(|| format!("publish {}", entry.display()))?;
        Ok(entry)
    }

    /// Removes an entry that turned out to be damaged.
    pub fn discard(&self, entry: &Path) {
        if entry.starts_with(&self.folder) {
            remove(entry);
        }
    }

    fn lock(&self, purpose: &str) -> Result<Flock<File>, Error> {
        let path = self.folder.join(format!("{purpose}.lock"));
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.context(|| format!("open {}", path.display()))?;
        Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| io::Error::from(errno))
            .context(|| format!("lock {}", path.display()))
    }

    /// Removes what was made from other inputs and not used lately, and what a maker that was
    /// killed left behind. Some of the others stay: two builds of the tool may be in use in turn.
    fn remove_others(&self, purpose: &str, name: &str) {
        let prefix = format!("{purpose}-");
        let Ok(listed) = fs::read_dir(&self.folder) else { return };
        let mut others: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in listed.flatten() {
            let other = entry.file_name();
            let other = other.to_string_lossy();
            if !other.starts_with(&prefix) || other == name {
                continue;
            }
            match entry.metadata().and_then(|found| found.modified()) {
                Ok(used) if !other.ends_with(MAKING) => others.push((used, entry.path())),
                _ => remove(&entry.path()),
            }
        }
        others.sort();
        let surplus = others.len().saturating_sub(OTHERS_KEPT);
        others.iter().take(surplus).for_each(|(_, path)| remove(path));
    }
}

/// How many entries of one purpose stay besides the one in use.
const OTHERS_KEPT: usize = 2;

/// The end of an entry's name while it is made.
const MAKING: &str = "-making";

/// The time of change of an entry is that of its last use; see [`Cache::remove_others`].
fn note_use(entry: &Path) {
    // A cache that is not ours to change is as good as one that is.
    let _ = File::open(entry).and_then(|entry| entry.set_modified(SystemTime::now()));
}

fn remove(path: &Path) {
    // One of the two is right; that nothing is there any more is right, too.
    if fs::remove_file(path).is_err() {
        let _ = fs::remove_dir_all(path);
    }
}

/// Makes the folder and checks that it is a true folder of the caller's, not somebody's trap.
fn usable(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() {
        return Err(io::Error::other("not a folder of yours"));
    }
    nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK)?;
    Ok(())
}

/// A hash over everything that an entry is made from.
#[derive(Debug, Clone, Default)]
pub struct Key(DefaultHasher);

impl Key {
    /// A key of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a value that matters.
    #[must_use]
    pub fn with(mut self, value: impl Hash) -> Self {
        value.hash(&mut self.0);
        self
    }

    /// With all that is in a file, wherever it lies.
    ///
    /// # Errors
    /// [`Error::Io`] when it can't be read.
    pub fn with_content(self, path: &Path) -> Result<Self, Error> {
        let bytes = fs::read(path).context(|| format!("read {}", path.display()))?;
        Ok(self.with(bytes))
    }

    /// With a file: its path, size, and time of change.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no such file.
    pub fn with_file(self, path: &Path) -> Result<Self, Error> {
        let found = fs::metadata(path).context(|| format!("look at {}", path.display()))?;
        Ok(self.with((path, found.len(), found.mtime(), found.mtime_nsec(), found.ino())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().expect("a folder");
        let cache = Cache::at(dir.path().to_path_buf());
        (dir, cache)
    }

    fn write(text: &'static str) -> impl FnOnce(&Path) -> Result<(), Error> {
        move |path| fs::write(path, text).context(|| "write".into())
    }

    #[test]
    fn two_callers_make_an_entry_once() {
        let (_dir, cache) = cache();
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let entry = cache.entry("thing", &Key::new().with(1), |path| {
                        made.fetch_add(1, Ordering::Relaxed);
                        write("whole")(path)
                    });
                    let text = fs::read_to_string(entry.expect("an entry")).expect("its text");
                    assert_eq!(text, "whole");
                });
            }
        });
        assert_eq!(made.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn entries_not_used_lately_go_and_what_a_dead_maker_left() {
        let (dir, cache) = cache();
        fs::create_dir_all(dir.path().join("thing-making/half")).expect("a folder");
        let entry = |number: u8, text| {
            let key = Key::new().with(number);
            let entry = cache.entry("thing", &key, write(text)).expect("an entry");
            // Long before the next one is used, whatever the clock's grain.
            let used = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(number));
            let file = File::options().write(true).open(&entry).expect("the entry");
            file.set_modified(used).expect("its time");
            entry
        };
        let [first, second, third] = [entry(1, "1"), entry(2, "2"), entry(3, "3")];
        assert!(!dir.path().join("thing-making").exists());
        cache.entry("thing", &Key::new().with(1u8), write("no")).expect("it is there still");
        let fourth = entry(4, "4");
        assert!(first.exists() && !second.exists() && third.exists());
        assert_eq!(fs::read_to_string(fourth).expect("its text"), "4");
    }

    #[test]
    fn a_maker_that_fails_leaves_no_entry() {
        let (_dir, cache) = cache();
        let failed = cache.entry("thing", &Key::new(), |_| Err(Error::Usage("no".into())));
        assert!(failed.is_err());
        cache.entry("thing", &Key::new(), write("1")).expect("the next one succeeds");
    }

    #[test]
    fn a_link_is_no_folder_of_ours() {
        let (dir, _cache) = cache();
        std::os::unix::fs::symlink("/tmp", dir.path().join("link")).expect("a link");
        assert!(usable(&dir.path().join("link")).is_err());
    }
}
