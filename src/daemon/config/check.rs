//! What the keys may say. Pure but for [`Files`], which opens what a device names.

use std::collections::BTreeMap;
use std::fmt;

use super::files::{Files, Use};
use super::raw::{RawConfig, RawDevice, RawSharedLimits, RawSink, RawSource};
use super::{Config, DEFAULT_MODES, InUse};
use crate::device::spec::{
    FileFormat, Flow, Mode, NodeLimits, NodeSpec, OpenFile, Pattern, Role, SharedLimits, SinkSpec,
    SourceSpec,
};
use crate::v4l2::formats;

/// A key inside the file, like `device[1].modes[0]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Key(pub Vec<Step>);

/// One step on the way to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Into a table.
    Name(&'static str),
    /// Into a list.
    Index(usize),
}

/// What is wrong with which key, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}\n  {remedy}", if key.0.is_empty() { String::new() } else { format!("{key}: ") })]
pub struct Fault {
    /// The key.
    pub key: Key,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Key {
    /// The key inside this one.
    #[must_use]
    pub fn name(&self, name: &'static str) -> Self {
        self.and(Step::Name(name))
    }

    /// The list's entry.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.and(Step::Index(index))
    }

    fn and(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// A fault at this key.
    pub fn fault(&self, what: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault { key: self.clone(), what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Name(name) if place == 0 => f.write_str(name)?,
                Step::Name(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Longest name of a device, in bytes: far below what the kernel takes.
const LONGEST_NAME: usize = 64;

/// Longest card, in bytes: `v4l2_capability.card` has 32 with its zero.
const LONGEST_CARD: usize = 31;

/// Most modes of one device. Programs list them all, some for every file they open.
const MOST_MODES: usize = 256;

/// The whole file.
pub(super) fn config(
    raw: RawConfig,
    files: &mut dyn Files,
    in_use: InUse<'_>,
) -> Result<Config, Fault> {
    let list = Key::default().name("device");
    let mut devices = Vec::with_capacity(raw.device.len());
    let mut names = BTreeMap::new();
    let mut numbers = BTreeMap::new();
    // Cheap things first: a file is opened only where nothing else is wrong.
    for (place, device) in raw.device.iter().enumerate() {
        let key = list.index(place);
        if let Some(first) = names.insert(device.name.clone(), place) {
            return Err(key.name("name").fault(
                format!("'{}' is the name of device[{first}], too", device.name),
                "give each device a name of its own",
            ));
        }
        let Some(number) = device.number else { continue };
        let key = key.name("number");
        if let Some(first) = numbers.insert(number, place) {
            return Err(key.fault(
                format!("{number} is the number of device[{first}], too"),
                "give each device a number of its own, or leave the key out for a free one",
            ));
        }
        if let Some(owner) = in_use(number) {
            return Err(key.fault(
                format!("{number} is in use: {owner}"),
                "take another number, or leave the key out for the first free one from 256 up",
            ));
        }
    }
    for (place, raw) in raw.device.into_iter().enumerate() {
        devices.push(device(raw, &list.index(place), files)?);
    }
    for (place, device) in devices.iter().enumerate() {
        let Some(output) = device.follows() else { continue };
        let is_output = |other: &NodeSpec| other.name == output && other.role() == Role::Output;
        if !devices.iter().any(is_output) {
            return Err(list.index(place).name("source").name("output").fault(
                format!("there is no output device '{output}'"),
                "name a [[device]] of this file that has role = \"output\"",
            ));
        }
    }
    devices.sort_by_key(|device| device.follows().is_some());
    let limits = shared_limits(&raw.limits)?;
    Ok(Config { devices, limits, memory: raw.memory })
}

fn shared_limits(raw: &RawSharedLimits) -> Result<SharedLimits, Fault> {
    let default = SharedLimits::default();
    let limits = SharedLimits {
        bytes_per_uid: raw.bytes_per_uid.unwrap_or(default.bytes_per_uid),
        orphaned_bytes_per_uid: raw
            .orphaned_bytes_per_uid
            .unwrap_or(default.orphaned_bytes_per_uid),
        buffers_per_uid: raw.buffers_per_uid.unwrap_or(default.buffers_per_uid),
        opens_per_uid: raw.opens_per_uid.unwrap_or(default.opens_per_uid),
        waiting_calls_per_uid: raw.waiting_calls_per_uid.unwrap_or(default.waiting_calls_per_uid),
        reaching_calls_per_uid: raw
            .reaching_calls_per_uid
            .unwrap_or(default.reaching_calls_per_uid),
    };
    for (key, value) in [
        ("opens_per_uid", limits.opens_per_uid),
        ("reaching_calls_per_uid", limits.reaching_calls_per_uid),
    ] {
        if value == 0 {
            let key = Key::default().name("limits").name(key);
            return Err(key.fault("0 means that nobody may use the nodes", "1 is the least"));
        }
    }
    Ok(limits)
}

/// One device, at `key`.
pub(super) fn device(raw: RawDevice, key: &Key, files: &mut dyn Files) -> Result<NodeSpec, Fault> {
    check_name(&raw.name, &key.name("name"))?;
    let card = card(raw.card, &raw.name, &key.name("card"))?;
    let modes = modes(raw.modes, raw.multiplanar, &key.name("modes"))?;
    let limits = NodeLimits {
        opens: raw.limits.opens.unwrap_or(NodeLimits::default().opens),
        bytes: raw.limits.bytes.unwrap_or(NodeLimits::default().bytes),
    };
    if limits.opens == 0 {
        let key = key.name("limits").name("opens");
        return Err(key.fault("0 means that nobody may open the device", "1 is the least"));
    }
    let flow = match (raw.role, raw.source, raw.sink) {
        (Role::Capture, source, None) => Flow::Capture(match source {
            None => SourceSpec::Pattern(Pattern::Smpte),
            Some(source) => self::source(source, &key.name("source"), files)?,
        }),
        (Role::Output, None, sink) => Flow::Output(match sink {
            None => SinkSpec::Null,
            Some(sink) => self::sink(sink, &key.name("sink"), files)?,
        }),
        (Role::Capture, _, Some(_)) => {
            return Err(key.name("sink").fault(
                "a capture device has no sink: its frames go to the programs that read it",
                "take the key away, or write role = \"output\"",
            ));
        }
        (Role::Output, Some(_), _) => {
            return Err(key.name("source").fault(
                "an output device has no source: its frames come from the programs that write it",
                "take the key away, or write role = \"capture\"",
            ));
        }
    };
    let (name, number) = (raw.name, raw.number);
    Ok(NodeSpec { name, card, number, modes, multiplanar: raw.multiplanar, flow, limits })
}

/// Whether a device may be called so.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str, key: &Key) -> Result<(), Fault> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(fits) {
        return Err(key.fault(
            format!("'{}' is no name for a device", name.escape_default()),
            format!(
                "use small letters, digits and '-', {LONGEST_NAME} of them at most, like video-sim"
            ),
        ));
    }
    let digits = name.strip_prefix("video").unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(key.fault(
            format!("'{name}' is a name that the kernel gives"),
            "choose another name, and for /dev/videoN the key number",
        ));
    }
    Ok(())
}

fn card(card: Option<String>, name: &str, key: &Key) -> Result<String, Fault> {
    let Some(card) = card else {
        let mut card = format!("shrbuf {name}");
        card.truncate(LONGEST_CARD); // a name is ASCII
        return Ok(card);
    };
    if card.is_empty() || card.len() > LONGEST_CARD || card.chars().any(char::is_control) {
        let remedy = format!("it has 1 to {LONGEST_CARD} bytes and no control characters");
        return Err(key.fault("this can't be a card's name", remedy));
    }
    Ok(card)
}

fn modes(modes: Option<Vec<String>>, multiplanar: bool, key: &Key) -> Result<Vec<Mode>, Fault> {
    let usual = || DEFAULT_MODES.iter().map(|text| (*text).to_owned()).collect();
    let texts = modes.unwrap_or_else(usual);
    if texts.is_empty() || texts.len() > MOST_MODES {
        return Err(key.fault(
            format!("a device has 1 to {MOST_MODES} modes, this one has {}", texts.len()),
            "list some, or leave the key out for the usual ones",
        ));
    }
    let mut modes: Vec<Mode> = Vec::with_capacity(texts.len());
    for (place, text) in texts.iter().enumerate() {
        let key = key.index(place);
        let mode: Mode = text.parse().map_err(|error: crate::device::spec::ModeError| {
            key.fault(
                error.to_string(),
                "`v4l2-ctl --list-formats-ext` shows modes of a device that is there",
            )
        })?;
        possible(&mode, multiplanar, &key)?;
        if modes.contains(&mode) {
            return Err(
                key.fault(format!("{mode} is in the list already"), "take one of them away")
            );
        }
        modes.push(mode);
    }
    Ok(modes)
}

/// Whether a frame can be so.
fn possible(mode: &Mode, multiplanar: bool, key: &Key) -> Result<(), Fault> {
    let Some(format) = formats::find(mode.fourcc.packed()) else {
        let names = formats::FORMATS.iter().map(|format| formats::fourcc_name(format.fourcc));
        let names = names.collect::<Vec<_>>().join(", ");
        return Err(key.fault(
            format!("{} is a format that no node has", mode.fourcc),
            format!("take one of {names}"),
        ));
    };
    if format.num_planes() > 1 && !multiplanar {
        return Err(key.fault(
            format!("the planes of {} lie in memory of their own", mode.fourcc),
            "add multiplanar = true to the device, or take the format whose planes lie together (NV12, YU12)",
        ));
    }
    let (x, y) = format.steps();
    if !mode.width.is_multiple_of(x) || !mode.height.is_multiple_of(y) {
        return Err(key.fault(
            format!("a frame of {} can't have {}x{} pixels", mode.fourcc, mode.width, mode.height),
            format!("take a width that {x} divides and a height that {y} divides"),
        ));
    }
    Ok(())
}

fn source(raw: RawSource, key: &Key, files: &mut dyn Files) -> Result<SourceSpec, Fault> {
    const KINDS: &str = "write one of { pattern = \"smpte\" }, { file = \"clip.y4m\" }, { output = \"display-sim\" }";
    let of_file = [
        ("format", raw.format.is_some()),
        ("repeat", raw.repeat.is_some()),
        ("stamp", raw.stamp.is_some()),
    ];
    let stray = of_file.into_iter().find(|(_, there)| *there && raw.file.is_none());
    match (raw.pattern, raw.file, raw.output) {
        (Some(pattern), None, None) if stray.is_none() => Ok(SourceSpec::Pattern(pattern)),
        (None, None, Some(output)) if stray.is_none() => {
            check_name(&output, &key.name("output"))?;
            Ok(SourceSpec::Output(output))
        }
        (None, Some(name), None) => {
            let format = format(raw.format, &name, key)?;
            let file = files.open(&key.name("file"), &name, Use::Source)?;
            let file = OpenFile { file: file.into(), name };
            let (repeat, stamp) = (raw.repeat.unwrap_or_default(), raw.stamp.unwrap_or_default());
            if stamp && format == FileFormat::Raw {
                return Err(key.name("stamp").fault(
                    "raw frames are passed on as they are",
                    "take the key away, or a y4m file",
                ));
            }
            Ok(SourceSpec::File { file, format, repeat, stamp })
        }
        (None, None, None) => Err(key.fault("it does not say where frames come from", KINDS)),
        _ => match stray {
            Some((name, _)) => {
                Err(key.name(name).fault("this belongs to a source that is a file", KINDS))
            }
            None => Err(key.fault("frames come from one place only", KINDS)),
        },
    }
}

fn sink(raw: RawSink, key: &Key, files: &mut dyn Files) -> Result<SinkSpec, Fault> {
    let format = format(raw.format, &raw.file, key)?;
    if format == FileFormat::Png {
        return Err(key.fault(
            "a stream of frames is no PNG",
            "take y4m or raw; `shrbuf snapshot NODE out.png` makes a picture at any time",
        ));
    }
    let file = files.open(&key.name("file"), &raw.file, Use::Sink)?;
    Ok(SinkSpec::File { file: OpenFile { file: file.into(), name: raw.file }, format })
}

fn format(format: Option<FileFormat>, name: &str, key: &Key) -> Result<FileFormat, Fault> {
    let by_name = || match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "y4m" => Some(FileFormat::Y4m),
        "png" => Some(FileFormat::Png),
        "raw" | "yuv" => Some(FileFormat::Raw),
        _ => None,
    };
    format.or_else(by_name).ok_or_else(|| {
        key.name("file").fault(
            format!("the name '{name}' does not tell what is in the file"),
            "add format = \"y4m\", \"png\" or \"raw\"",
        )
    })
}
