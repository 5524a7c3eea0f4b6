//! The keys of the configuration. A request that adds a device has the same ones, as JSON.

use serde::{Deserialize, Serialize};

use crate::device::spec::{FileFormat, MemorySpec, Pattern, Role};

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// One table per node.
    #[serde(default)]
    pub device: Vec<RawDevice>,
    /// For all nodes together.
    #[serde(default)]
    pub limits: RawSharedLimits,
    /// Where buffers lie.
    #[serde(default)]
    pub memory: MemorySpec,
}

/// `[limits]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSharedLimits {
    /// Bytes of buffers that one user may have alive.
    pub bytes_per_uid: Option<u64>,
    /// Of them, bytes that no queue has any more.
    pub orphaned_bytes_per_uid: Option<u64>,
    /// How many buffers.
    pub buffers_per_uid: Option<u64>,
    /// Open files of nodes.
    pub opens_per_uid: Option<u32>,
    /// Calls that wait.
    pub waiting_calls_per_uid: Option<u32>,
    /// Calls for which the daemon reaches into the caller.
    pub reaching_calls_per_uid: Option<u32>,
}

/// `[[device]]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawDevice {
    /// `/dev/NAME`.
    pub name: String,
    /// `capture` or `output`.
    pub role: Role,
    /// `videoN`; left out: the first free one from 256 up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// What programs show; left out: `shrbuf NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
    /// Like `YUYV:640x480@30/1`, the default first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modes: Option<Vec<String>>,
    /// The multi-planar API instead of the single-planar one.
    #[serde(default)]
    pub multiplanar: bool,
    /// Of a capture device; left out: the pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RawSource>,
    /// Of an output device; left out: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sink: Option<RawSink>,
    /// What the node may use.
    #[serde(default, skip_serializing_if = "RawLimits::is_default")]
    pub limits: RawLimits,
}

/// `source = { … }`: exactly one of `pattern`, `file` and `output`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSource {
    /// `smpte`, `ramp`, `checkerboard`, `grid`, `white`, `black` or `static`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// A file or FIFO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What is in it; left out: by the end of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// Start again at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<bool>,
    /// Burn the frame's number and time into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<bool>,
    /// An output device's name: a loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// `sink = { file = … }`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSink {
    /// A file or FIFO.
    pub file: String,
    /// What is written; left out: by the end of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
}

/// `limits = { … }` of one device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLimits {
    /// Open files at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opens: Option<u32>,
    /// Bytes of all its buffers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl RawLimits {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
