//! The configuration: `shrbuf.toml`, one `[[device]]` per node.
//!
//! [`raw`] has the keys, [`check`] what they may say, [`place`] finds the line of a key that is
//! wrong, [`files`] opens what a device names.

pub mod check;
pub mod files;
pub mod place;
pub mod raw;

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::device::spec::{MemorySpec, NodeSpec, SharedLimits};
use check::Fault;
use files::Paths;
use raw::{RawConfig, RawDevice};

/// Where the configuration is looked for when none is named.
pub const DEFAULT_FILE: &str = "/etc/shrbuf/shrbuf.toml";

/// Longest configuration, in bytes: some thousand devices. A longer one is another file.
const LONGEST_FILE: u64 = 1 << 20;

/// What the daemon is to run.
#[derive(Debug, Clone)]
pub struct Config {
    /// The nodes, in the order in which they are started: a loopback comes after its output node.
    pub devices: Vec<NodeSpec>,
    /// What they may use together.
    pub limits: SharedLimits,
    /// Where buffers lie.
    pub memory: MemorySpec,
}

/// What is wrong in a configuration: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {}{what}\n  {remedy}", line_text(*line), key_text(key))]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The key, like `device[1].modes[0]`; empty where the whole file is meant.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

fn line_text(line: Option<usize>) -> String {
    line.map(|line| format!(":{line}")).unwrap_or_default()
}

fn key_text(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}

/// Says whether a node number is another device's already, and whose.
pub type InUse<'a> = &'a dyn Fn(u32) -> Option<String>;

impl Config {
    /// `video-sim` with the test pattern, and `display-sim`.
    ///
    /// # Errors
    /// None but for a mistake in this program, which a test would find.
    pub fn built_in() -> Result<Self, ConfigError> {
        let free = |_| None;
        Self::parse(BUILT_IN, "the built-in configuration", Path::new("/"), &free)
    }

    /// Reads a file. What it names is relative to the file's own folder, and is opened here.
    ///
    /// # Errors
    /// [`ConfigError`] at the first thing that is wrong.
    pub fn load(path: &Path, in_use: InUse<'_>) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let whole = |what: String, remedy: &str| ConfigError {
            file: shown.clone(),
            line: None,
            key: String::new(),
            what,
            remedy: remedy.into(),
        };
        let text = read(path).map_err(|what| {
            whole(what, "name a readable file with --config, or leave the option out for the built-in nodes")
        })?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Self::parse(&text, &shown, &folder, in_use)
    }

    /// Checks a configuration's text; `file` is its name in messages.
    ///
    /// # Errors
    /// [`ConfigError`] at the first thing that is wrong.
    pub fn parse(
        text: &str,
        file: &str,
        folder: &Path,
        in_use: InUse<'_>,
    ) -> Result<Self, ConfigError> {
        let mut paths = Paths::new(folder);
        let config = Self::parse_with(text, file, &mut paths, in_use)?;
        // Nothing is wrong, so that what a sink wrote before may go.
        paths.empty_sinks().map_err(|fault| at(text, file, fault))?;
        Ok(config)
    }

    /// The same, with the files that it names from elsewhere.
    ///
    /// # Errors
    /// [`ConfigError`] at the first thing that is wrong.
    pub fn parse_with(
        text: &str,
        file: &str,
        files: &mut dyn files::Files,
        in_use: InUse<'_>,
    ) -> Result<Self, ConfigError> {
        let raw: RawConfig =
            toml::from_str(text).map_err(|error| place::of_syntax(text, file, &error))?;
        check::config(raw, files, in_use).map_err(|fault| at(text, file, fault))
    }
}

fn at(text: &str, file: &str, fault: Fault) -> ConfigError {
    ConfigError {
        file: file.into(),
        line: place::line_of(text, &fault.key),
        key: fault.key.to_string(),
        what: fault.what,
        remedy: fault.remedy,
    }
}

fn read(path: &Path) -> Result<String, String> {
    let problem = |error: std::io::Error| format!("can't be read: {error}");
    if fs::metadata(path).map_err(problem)?.is_dir() {
        return Err("is a folder, not a file".into());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(problem)?;
    if bytes.len() as u64 > LONGEST_FILE {
        return Err(format!("has more than {LONGEST_FILE} bytes: that is no configuration"));
    }
    String::from_utf8(bytes).map_err(|_| "is not text in UTF-8".into())
}

/// What runs without a file. The sizes and rates that programs ask for most; the first is the
/// default.
const BUILT_IN: &str = r#"
[[device]]
name = "display-sim"
role = "output"
modes = [
    "YUYV:1280x720@30/1", "YUYV:640x480@30/1", "YUYV:1920x1080@30/1", "YUYV:3840x2160@30/1",
    "NV12:1280x720@30/1", "NV12:640x480@30/1", "NV12:1920x1080@30/1",
]

[[device]]
name = "video-sim"
role = "capture"
source = { pattern = "smpte" }
modes = [
    "YUYV:1280x720@30/1", "YUYV:640x480@30/1", "YUYV:1920x1080@30/1", "YUYV:3840x2160@30/1",
    "NV12:1280x720@30/1", "NV12:640x480@30/1", "NV12:1920x1080@30/1",
]
"#;

/// The modes of a device that names none.
pub const DEFAULT_MODES: &[&str] =
    &["YUYV:1280x720@30/1", "YUYV:640x480@30/1", "YUYV:1920x1080@30/1"];

/// One device of a request to the running daemon, by the same keys.
///
/// # Errors
/// [`Fault`] at the first thing that is wrong.
pub fn device(raw: RawDevice, files: &mut dyn files::Files) -> Result<NodeSpec, Fault> {
    check::device(raw, &check::Key::default(), files)
}
