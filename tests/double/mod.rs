//! Nodes that are nothing but files in a folder that plays the machine, and a daemon over them.
#![allow(dead_code, reason = "each test uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "this is test code")]

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::unistd::getegid;
use shrbuf::courier::ticket::Tickets;
use shrbuf::daemon::control::client::Client;
use shrbuf::daemon::control::server::Patience;
use shrbuf::daemon::links::Links;
use shrbuf::daemon::nodes::{
    BufferRow, BufferState, Hold, Holder, Node, NodeFactory, NodeStatus, SnapshotError, StartError,
};
use shrbuf::daemon::numbers::Numbers;
use shrbuf::daemon::serve::{Daemon, DaemonError, Options};
use shrbuf::daemon::spec::NodeSpec;
use tempfile::TempDir;

/// What the nodes are told to do, and what they were asked.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// One line a call.
    pub(crate) calls: Vec<String>,
    /// Numbers that somebody takes at the last moment.
    pub(crate) taken: Vec<u32>,
    /// The next start fails so.
    pub(crate) fail: Option<StartError>,
    /// Open files of each node.
    pub(crate) opens: u32,
    /// The buffer table of each node.
    pub(crate) rows: Vec<BufferRow>,
    /// What became of a node that was stopped.
    pub(crate) orphans: Vec<BufferRow>,
    /// The picture.
    pub(crate) picture: Option<Vec<u8>>,
}

#[derive(Clone)]
pub(crate) struct Double {
    root: PathBuf,
    pub(crate) tickets: Tickets,
    pub(crate) script: Arc<Mutex<Script>>,
}

struct DoubleNode {
    double: Double,
    spec: NodeSpec,
}

impl NodeFactory for Double {
    fn start(&self, spec: &NodeSpec) -> Result<Box<dyn Node>, StartError> {
        let number = spec.number.unwrap();
        let mut script = self.script.lock().unwrap();
        if script.taken.contains(&number) {
            return Err(StartError::NumberTaken(number));
        }
        if let Some(error) = script.fail.take() {
            return Err(error);
        }
        script.calls.push(format!("start {} {number}", spec.name));
        fs::write(self.root.join(format!("dev/video{number}")), "").unwrap();
        fs::create_dir(self.root.join(format!("sys/class/cuse/video{number}"))).unwrap();
        Ok(Box::new(DoubleNode { double: self.clone(), spec: spec.clone() }))
    }

    fn tickets(&self) -> Option<Tickets> {
        Some(self.tickets.clone())
    }

    fn orphans(&self) -> Vec<BufferRow> {
        self.script.lock().unwrap().orphans.clone()
    }
}

impl Node for DoubleNode {
    fn status(&self) -> NodeStatus {
        NodeStatus {
            name: self.spec.name.clone(),
            role: self.spec.role(),
            number: self.spec.number.unwrap(),
            card: self.spec.card.clone(),
            mode: self.spec.modes.first().map(ToString::to_string).unwrap_or_default(),
            transport: "double".into(),
            opens: self.double.script.lock().unwrap().opens,
            streaming: false,
            frames: 0,
            dropped: 0,
            ended: None,
        }
    }

    fn buffers(&self) -> Vec<BufferRow> {
        let rows = self.double.script.lock().unwrap().rows.clone();
        rows.into_iter().filter(|row| row.node == self.spec.name).collect()
    }

    fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        self.double.script.lock().unwrap().picture.clone().ok_or(SnapshotError::NoFrame)
    }

    fn stop(self: Box<Self>) {
        let number = self.spec.number.unwrap();
        fs::remove_file(self.double.root.join(format!("dev/video{number}"))).unwrap();
        fs::remove_dir(self.double.root.join(format!("sys/class/cuse/video{number}"))).unwrap();
        self.double.script.lock().unwrap().calls.push(format!("stop {}", self.spec.name));
    }
}

/// A folder that plays the machine.
pub(crate) struct Machine {
    pub(crate) folder: TempDir,
    pub(crate) double: Double,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for path in ["dev", "run", "sys/class/cuse", "sys/class/video4linux"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        let double = Double {
            root: folder.path().to_owned(),
            tickets: Tickets::new(),
            script: Arc::default(),
        };
        Self { folder, double }
    }

    /// One that is there already, made by another process with [`Machine::new`].
    pub(crate) fn in_folder(root: &Path) -> Self {
        let double =
            Double { root: root.to_owned(), tickets: Tickets::new(), script: Arc::default() };
        // Its own folder is of no use, and empty.
        Self { folder: tempfile::tempdir().unwrap(), double }
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn options(&self) -> Options {
        options(self.folder.path())
    }

    pub(crate) fn start(&self, options: &Options) -> Result<Daemon, DaemonError> {
        Daemon::start(options, &|_, _| Ok(Box::new(self.double.clone())))
    }

    pub(crate) fn daemon(&self) -> Daemon {
        self.start(&self.options()).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.options().socket).unwrap()
    }

    pub(crate) fn stream(&self) -> UnixStream {
        let stream = UnixStream::connect(self.options().socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.double.script.lock().unwrap().calls.clone()
    }

    /// Everything that a daemon may leave behind but its lock.
    pub(crate) fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for folder in ["dev", "run", "run/shrbuf/nodes", "sys/class/cuse"] {
            for entry in fs::read_dir(self.at(folder)).into_iter().flatten().flatten() {
                let name = entry.file_name().into_string().unwrap();
                if !["shrbuf", "nodes", "control.sock.lock"].contains(&name.as_str()) {
                    left.push(format!("{folder}/{name}"));
                }
            }
        }
        left
    }
}

pub(crate) fn options(root: &Path) -> Options {
    Options {
        socket: root.join("run/control.sock"),
        config: None,
        patience: Patience { idle: Duration::from_secs(60), slow: Duration::from_secs(60) },
        links: Links::below(root).with(Some(getegid()), Duration::ZERO),
        numbers: Numbers::below(root),
    }
}

pub(crate) fn row(id: u64, node: &str, uid: u32, holders: &[u32]) -> BufferRow {
    BufferRow {
        id,
        node: node.into(),
        slot: Some(0),
        plane: 0,
        state: BufferState::Dequeued,
        len: 4096,
        uid,
        held: !holders.is_empty(),
        imported_by: Vec::new(),
        holders: holders
            .iter()
            .map(|uid| Holder {
                pid: 1,
                uid: *uid,
                name: "program".into(),
                hold: Hold::Descriptor,
                count: 1,
            })
            .collect(),
    }
}

/// Waits for what must happen soon.
#[track_caller]
pub(crate) fn soon(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
