//! What this machine can do, what is missing, and how to get it.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::utsname::{UtsName, uname};
use serde::Serialize;

use super::cuse::Cuse;
use super::links::GROUP;
use super::numbers::SCANNED_BY_BROWSERS;

/// How much a thing that is not there takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing is missing.
    Fine,
    /// Something works less well, or in another way.
    Limited,
    /// No node can be made without it.
    Missing,
}

/// One line of the doctor's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// In words.
    pub what: String,
    /// What to do, where anything can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn fine(name: &'static str, what: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Fine, what: what.into(), remedy: None }
    }

    /// Something is not as it could be.
    pub fn short(
        name: &'static str,
        verdict: Verdict,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { name, verdict, what: what.into(), remedy: Some(remedy.into()) }
    }
}

/// The machine that is looked at.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
    release: String,
    architecture: String,
    groups: Vec<u32>,
    is_root: bool,
}

impl Machine {
    /// This one, for who calls.
    #[must_use]
    pub fn here() -> Self {
        let name = uname().ok();
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let mut groups: Vec<u32> =
            nix::unistd::getgroups().unwrap_or_default().iter().map(|gid| gid.as_raw()).collect();
        groups.push(nix::unistd::getegid().as_raw());
        Self {
            root: "/".into(),
            release: text(name.as_ref().map(UtsName::release)),
            architecture: text(name.as_ref().map(UtsName::machine)),
            groups,
            is_root: nix::unistd::geteuid().is_root(),
        }
    }

    /// One whose files are below `root`, for who has these groups.
    #[must_use]
    pub fn at(root: &Path, release: &str, groups: &[u32], is_root: bool) -> Self {
        Self {
            root: root.to_owned(),
            release: release.into(),
            architecture: "x86_64".into(),
            groups: groups.to_vec(),
            is_root,
        }
    }

    /// Looks at everything.
    #[must_use]
    pub fn examine(&self) -> Vec<Finding> {
        let mut findings = vec![
            self.cuse(),
            self.fuse(),
            self.udmabuf(),
            self.passthrough(),
            self.injection(),
            self.group(),
            self.udev(),
        ];
        findings.extend(self.low_numbers());
        findings
    }

    fn cuse(&self) -> Finding {
        const NAME: &str = "cuse";
        const INSTEAD: &str = "meanwhile `shrbuf run -- CMD` goes into the sandbox by itself";
        let device = self.path("dev/cuse");
        match Cuse::look(&device) {
            Cuse::Usable => Finding::fine(NAME, "/dev/cuse can be opened"),
            Cuse::Forbidden if !self.is_root => {
                Finding::fine(NAME, "/dev/cuse is there, for root (the daemon runs as root)")
            }
            Cuse::Missing => self.without_cuse(NAME, INSTEAD),
            Cuse::Forbidden => Finding::short(
                NAME,
                Verdict::Missing,
                "/dev/cuse is there, and even root may not open it",
                format!("in a container, allow the device (--device /dev/cuse); {INSTEAD}"),
            ),
            Cuse::Broken(why) => {
                let what = format!("/dev/cuse can't be opened: {why}");
                Finding::short(NAME, Verdict::Missing, what, INSTEAD)
            }
        }
    }

    fn without_cuse(&self, name: &'static str, instead: &str) -> Finding {
        let (what, remedy) = if self.in_container() {
            (
                "/dev/cuse is not in this container",
                "start it with --device /dev/cuse, after `modprobe cuse` on the machine around it",
            )
        } else if self.has_module("kernel/fs/fuse/cuse.ko", "fs/fuse/cuse.ko") {
            (
                "/dev/cuse is not there, and the kernel has the module",
                "`modprobe cuse` as root; at every start: udev/modules-load.conf as /etc/modules-load.d/shrbuf.conf",
            )
        } else {
            (
                "/dev/cuse is not there, and no module for it is installed for this kernel",
                "install the kernel's modules (Debian: linux-image-amd64, not the cloud kernel), or a kernel with CONFIG_CUSE",
            )
        };
        Finding::short(name, Verdict::Missing, what, format!("{remedy}; {instead}"))
    }

    fn fuse(&self) -> Finding {
        const NAME: &str = "fuse";
        if self.path("dev/fuse").exists() {
            return Finding::fine(NAME, "/dev/fuse is there");
        }
        Finding::short(
            NAME,
            Verdict::Limited,
            "/dev/fuse is not there: nodes can't be mapped",
            "`modprobe fuse` as root; in a container, --device /dev/fuse",
        )
    }

    fn udmabuf(&self) -> Finding {
        const NAME: &str = "udmabuf";
        if self.path("dev/udmabuf").exists() {
            return Finding::fine(NAME, "/dev/udmabuf is there: exports are real dma-bufs");
        }
        let remedy = if self.has_module("kernel/drivers/dma-buf/udmabuf.ko", "dma-buf/udmabuf.ko") {
            "`modprobe udmabuf` as root"
        } else {
            "a kernel with CONFIG_UDMABUF (Debian has it from 6.12 on)"
        };
        let instead = if self.passes_through() && self.path("dev/fuse").exists() {
            "handles (files of a private FUSE mount), which other drivers do not take"
        } else {
            "sealed memory files, which other drivers do not take, and which can be read"
        };
        let what = format!("/dev/udmabuf is not there: exports are {instead}");
        Finding::short(NAME, Verdict::Limited, what, remedy)
    }

    /// `FUSE_PASSTHROUGH` came with 6.9.
    fn passes_through(&self) -> bool {
        version(&self.release).is_some_and(|version| version >= (6, 9))
    }

    fn passthrough(&self) -> Finding {
        const NAME: &str = "passthrough";
        let release = &self.release;
        if self.passes_through() {
            return Finding::fine(NAME, format!("kernel {release} has FUSE passthrough"));
        }
        Finding::short(
            NAME,
            Verdict::Limited,
            format!("kernel {release} has no FUSE passthrough: a mapped node costs a copy a frame"),
            "kernel 6.9 or newer",
        )
    }

    fn injection(&self) -> Finding {
        const NAME: &str = "export";
        if self.architecture != "x86_64" {
            return Finding::short(
                NAME,
                Verdict::Limited,
                format!(
                    "on {} VIDIOC_EXPBUF works only for programs that use include/shrbuf.h",
                    self.architecture
                ),
                "an x86_64 machine",
            );
        }
        let scope = self.read("proc/sys/kernel/yama/ptrace_scope");
        match scope.as_deref().map(str::trim) {
            Some("3") => Finding::short(
                NAME,
                Verdict::Limited,
                "kernel.yama.ptrace_scope is 3: VIDIOC_EXPBUF works only for programs that use include/shrbuf.h",
                "set it to 2 or less in /etc/sysctl.d and restart the machine: 3 can't be lowered while it runs",
            ),
            Some(scope) => Finding::fine(
                NAME,
                format!("kernel.yama.ptrace_scope is {scope}, which root may pass"),
            ),
            None => {
                Finding::fine(NAME, "there is no Yama: root may give descriptors to every program")
            }
        }
    }

    fn group(&self) -> Finding {
        const NAME: &str = "group";
        let text = self.read("etc/group").unwrap_or_default();
        let gid = text.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(GROUP)).then(|| fields.nth(1)?.parse::<u32>().ok()).flatten()
        });
        match gid {
            None => Finding::short(
                NAME,
                Verdict::Limited,
                "there is no group video: nodes and control socket are root's alone",
                "`groupadd --system video`",
            ),
            Some(_) if self.is_root => Finding::fine(NAME, "root may use every node"),
            Some(gid) if self.groups.contains(&gid) => {
                Finding::fine(NAME, "you are in group video and may use the nodes")
            }
            Some(_) => Finding::short(
                NAME,
                Verdict::Limited,
                "you are not in group video, which owns the nodes",
                "`usermod -a -G video USER` as root, and log in again",
            ),
        }
    }

    fn udev(&self) -> Finding {
        const NAME: &str = "udev";
        const RULE: &str = "70-shrbuf.rules";
        if !self.path("run/udev/control").exists() {
            return Finding::fine(NAME, "udev does not run: the daemon makes the links itself");
        }
        let folders =
            ["etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d"];
        match folders.iter().find(|folder| self.path(folder).join(RULE).exists()) {
            Some(folder) => Finding::fine(NAME, format!("udev runs, with /{folder}/{RULE}")),
            None => Finding::short(
                NAME,
                Verdict::Limited,
                "udev runs without our rule: the daemon makes the links after a wait of some seconds",
                format!("copy udev/{RULE} to /etc/udev/rules.d, then `udevadm control --reload`"),
            ),
        }
    }

    /// Nodes of ours where a webcam wants to be.
    fn low_numbers(&self) -> Option<Finding> {
        let mut low: Vec<u32> = fs::read_dir(self.path("run/shrbuf/nodes"))
            .ok()?
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("video")?.parse().ok())
            .filter(|number| *number < SCANNED_BY_BROWSERS)
            .collect();
        low.sort_unstable();
        let list: Vec<String> = low.iter().map(|number| format!("/dev/video{number}")).collect();
        (!low.is_empty()).then(|| {
            Finding::short(
                "numbers",
                Verdict::Limited,
                format!("{} of ours: a webcam plugged in later that wants this number gets no node", list.join(", ")),
                "for browsers, which look no further than video63, take a number near it; else 256 or more",
            )
        })
    }

    fn in_container(&self) -> bool {
        [".dockerenv", "run/.containerenv", "run/systemd/container"]
            .iter()
            .any(|path| self.path(path).exists())
    }

    fn has_module(&self, file: &str, builtin: &str) -> bool {
        let folder = self.path("lib/modules").join(&self.release);
        let loadable = ["", ".xz", ".zst", ".gz"]
            .iter()
            .any(|ending| folder.join(format!("{file}{ending}")).exists());
        let list = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
        loadable || list.lines().any(|line| line.ends_with(builtin))
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }
}

/// 6 and 12 of `6.12.3+deb13-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|letter: char| !letter.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
