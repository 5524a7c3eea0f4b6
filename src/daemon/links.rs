//! The names in `/dev`: `video-sim → video256`, and the record by which udev and we know them.
//!
//! Before a node is started its record is written, `/run/shrbuf/nodes/video256` with the line
//! `SHRBUF_NAME=video-sim`; udev's rule (`udev/70-shrbuf.rules`) imports it, so that the rule
//! needs no list of names and touches no other CUSE device. Where udev does not do it the daemon
//! makes the link. A link is ours when its record says so: nothing else is replaced or removed.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::{Gid, Group};

use crate::device::spec::Role;

/// How long udev may take to name a node: it does so in milliseconds, on a starting machine in a
/// second or two. Afterwards the daemon does it.
const UDEV_PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(10);

/// Mode of a video node.
const NODE_MODE: u32 = 0o660;

/// The group that owns video nodes.
pub const GROUP: &str = "video";

/// Makes and removes names.
#[derive(Debug, Clone)]
pub struct Links {
    dev: PathBuf,
    records: PathBuf,
    class: PathBuf,
    udev: PathBuf,
    patience: Duration,
    group: Option<Gid>,
}

/// Why a name could not be given.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Something that is not ours has the name.
    #[error(
        "{path} is there already and is not ours ({what})\n  give the device another name, or take {path} away"
    )]
    Foreign {
        /// Where.
        path: String,
        /// What is there.
        what: String,
    },
    /// The kernel made the device, and there is no node for it.
    #[error(
        "/dev/video{0} did not appear\n  in a container, mount the machine's /dev, or devtmpfs on /dev"
    )]
    NoNode(u32),
    /// A step failed on a named thing.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, and to what.
        what: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
}

fn doing(what: &str, path: &Path) -> impl FnOnce(io::Error) -> LinkError {
    let what = format!("{what} {}", path.display());
    move |source| LinkError::Io { what, source }
}

impl Links {
    /// For the machine whose files are below `root` (`/`, or a test's folder).
    #[must_use]
    pub fn below(root: &Path) -> Self {
        let group = Group::from_name(GROUP).ok().flatten().map(|group| group.gid);
        Self {
            dev: root.join("dev"),
            records: root.join("run/shrbuf/nodes"),
            class: root.join("sys/class/cuse"),
            udev: root.join("run/udev/control"),
            patience: UDEV_PATIENCE,
            group,
        }
    }

    /// With another group for the nodes, and other patience with udev and the kernel.
    #[must_use]
    pub fn with(self, group: Option<Gid>, patience: Duration) -> Self {
        Self { group, patience, ..self }
    }

    /// Writes down what `videoN` will be called: before the node is started, since udev looks at
    /// once.
    ///
    /// # Errors
    /// [`LinkError::Foreign`] where the name is somebody else's; [`LinkError::Io`].
    pub fn announce(&self, name: &str, number: u32, role: Role) -> Result<(), LinkError> {
        self.refuse_foreign(name, number)?;
        fs::create_dir_all(&self.records).map_err(doing("make", &self.records))?;
        let path = self.record(number);
        // `:capture:` and `:video_output:` are what udev's v4l_id says of other nodes.
        let capabilities = match role {
            Role::Capture => ":capture:",
            Role::Output => ":video_output:",
        };
        let text = format!(
            "SHRBUF_NAME={name}\nID_V4L_VERSION=2\nID_V4L_PRODUCT={name}\nID_V4L_CAPABILITIES={capabilities}\n"
        );
        let fresh = self.records.join(format!(".new-video{number}"));
        fs::write(&fresh, text).map_err(doing("write", &fresh))?;
        fs::rename(&fresh, &path).map_err(doing("write", &path))
    }

    /// Gives a started node its name, group and mode, unless udev does.
    ///
    /// # Errors
    /// [`LinkError::NoNode`], [`LinkError::Foreign`], [`LinkError::Io`].
    pub fn publish(&self, name: &str, number: u32) -> Result<(), LinkError> {
        let node = self.dev.join(format!("video{number}"));
        if self.udev_runs() {
            if self.wait(|| self.is_ours(name, number)) {
                return Ok(());
            }
            tracing::warn!(
                name,
                number,
                "udev runs and did not name the node: its rule is missing (udev/70-shrbuf.rules goes to /etc/udev/rules.d)"
            );
        }
        if !self.wait(|| node.symlink_metadata().is_ok()) {
            return Err(LinkError::NoNode(number));
        }
        match self.group {
            Some(group) => {
                let owned = std::os::unix::fs::chown(&node, None, Some(group.as_raw()));
                owned.map_err(doing("give to group video", &node))?;
                let mode = Permissions::from_mode(NODE_MODE);
                fs::set_permissions(&node, mode).map_err(doing("set the mode of", &node))?;
            }
            None => tracing::warn!(number, "there is no group video: the node stays root's alone"),
        }
        self.link(name, number)
    }

    /// Makes the link under another name, and renames it: nobody sees it half made.
    fn link(&self, name: &str, number: u32) -> Result<(), LinkError> {
        self.refuse_foreign(name, number)?;
        let fresh = self.dev.join(format!(".shrbuf-{number}"));
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(doing("remove", &fresh)(error));
            }
            _ => symlink(format!("video{number}"), &fresh).map_err(doing("make", &fresh))?,
        }
        let path = self.dev.join(name);
        fs::rename(&fresh, &path).map_err(|error| {
            // What can be removed is ours: it was made above.
            let _ = fs::remove_file(&fresh);
            doing("make", &path)(error)
        })
    }

    /// Takes the name away, if it is still ours, and the record.
    pub fn withdraw(&self, name: &str, number: u32) {
        let path = self.dev.join(name);
        if self.is_ours(name, number)
            && let Err(error) = fs::remove_file(&path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a name could not be removed");
        }
        let record = self.record(number);
        match fs::remove_file(&record) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(path = %record.display(), %error, "a record could not be removed");
            }
            _ => {}
        }
    }

    /// Takes away what a daemon that was killed left behind: names and records of ours whose
    /// device is gone.
    pub fn clear_stale(&self) {
        for entry in fs::read_dir(&self.records).into_iter().flatten().flatten() {
            let file = entry.file_name();
            let Some(number) = file.to_str().and_then(number_of) else { continue };
            if self.class.join(&file).symlink_metadata().is_ok() {
                continue; // another daemon's, and alive
            }
            let Some(name) = self.name_of(number) else {
                let _ = fs::remove_file(entry.path());
                continue;
            };
            tracing::info!(name, number, "a name of a daemon that is gone is cleared");
            self.withdraw(&name, number);
        }
    }

    /// Whether udev runs on this machine.
    #[must_use]
    pub fn udev_runs(&self) -> bool {
        self.udev.symlink_metadata().is_ok()
    }

    fn record(&self, number: u32) -> PathBuf {
        self.records.join(format!("video{number}"))
    }

    fn name_of(&self, number: u32) -> Option<String> {
        let text = fs::read_to_string(self.record(number)).ok()?;
        let name = text.lines().find_map(|line| line.strip_prefix("SHRBUF_NAME="))?;
        // The record is root's, and the name becomes a path.
        let key = super::config::check::Key::default();
        super::config::check::check_name(name, &key).ok()?;
        Some(name.to_owned())
    }

    /// Whether `/dev/NAME` is a link to `videoN`.
    fn is_ours(&self, name: &str, number: u32) -> bool {
        let target = fs::read_link(self.dev.join(name)).unwrap_or_default();
        target == Path::new(&format!("video{number}"))
            && self.name_of(number).as_deref() == Some(name)
    }

    /// A name is free for `videoN` when nothing has it, or a link of ours that leads to `videoN`
    /// (udev may have been quicker) or to a device that is gone.
    fn refuse_foreign(&self, name: &str, number: u32) -> Result<(), LinkError> {
        let path = self.dev.join(name);
        let Ok(data) = path.symlink_metadata() else { return Ok(()) };
        let foreign =
            |what: String| Err(LinkError::Foreign { path: path.display().to_string(), what });
        if !data.is_symlink() {
            return foreign("it is no link".into());
        }
        let target = fs::read_link(&path).map_err(doing("read", &path))?;
        let Some(other) = target.to_str().and_then(number_of) else {
            return foreign(format!("a link to {}", target.display()));
        };
        if !self.is_ours(name, other) {
            return foreign(format!("a link to {} that no daemon of ours made", target.display()));
        }
        if other != number && self.class.join(&target).symlink_metadata().is_ok() {
            return foreign(format!("another daemon's name for {}", target.display()));
        }
        Ok(())
    }

    fn wait(&self, done: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + self.patience;
        while !done() {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }
}

/// 256 of `video256`.
fn number_of(file: &str) -> Option<u32> {
    let digits = file.strip_prefix("video")?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}
