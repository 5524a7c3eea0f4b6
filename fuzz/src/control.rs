//! The control socket: bytes through a socket, split into lines, answered over nodes that are a
//! double.

use std::fs::{self, File};
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use nix::unistd::getegid;
use shrbuf::daemon::control::handle;
use shrbuf::daemon::control::line::{LineError, Lines};
use shrbuf::daemon::control::wire::{Answer, LONGEST_REQUEST, Request};
use shrbuf::daemon::links::Links;
use shrbuf::daemon::nodes::{
    BufferRow, BufferState, Node, NodeFactory, NodeStatus, SnapshotError, StartError,
};
use shrbuf::daemon::numbers::Numbers;
use shrbuf::daemon::spec::NodeSpec;
use shrbuf::daemon::supervisor::{Supervisor, Viewer};
use tempfile::TempDir;

use super::seeds::Seeds;

/// A socket takes so many bytes without a reader (`net.core.wmem_default` is 212992).
const MOST_BYTES: usize = 100_000;
/// Nobody is slow here: all is written before it is read.
const PATIENCE: Duration = Duration::from_secs(10);

/// A folder that plays the machine.
fn root() -> &'static Path {
    static ROOT: OnceLock<TempDir> = OnceLock::new();
    let folder = ROOT.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        for path in ["dev", "run", "sys/class/cuse", "sys/class/video4linux"] {
            fs::create_dir_all(folder.path().join(path)).expect("a folder");
        }
        folder
    });
    folder.path()
}

struct Double;
struct DoubleNode(NodeSpec);

fn device_of(spec: &NodeSpec) -> PathBuf {
    root().join(format!("dev/video{}", spec.number.unwrap_or_default()))
}

impl NodeFactory for Double {
    fn start(&self, spec: &NodeSpec) -> Result<Box<dyn Node>, StartError> {
        fs::write(device_of(spec), "").expect("a file");
        Ok(Box::new(DoubleNode(spec.clone())))
    }
}

impl Node for DoubleNode {
    fn status(&self) -> NodeStatus {
        NodeStatus {
            name: self.0.name.clone(),
            role: self.0.role(),
            number: self.0.number.unwrap_or_default(),
            card: self.0.card.clone(),
            mode: self.0.modes.first().map(ToString::to_string).unwrap_or_default(),
            transport: "double".into(),
            opens: u32::from(self.0.multiplanar),
            streaming: false,
            frames: 0,
            dropped: 0,
            ended: None,
        }
    }

    fn buffers(&self) -> Vec<BufferRow> {
        vec![BufferRow {
            id: 1,
            node: self.0.name.clone(),
            slot: Some(0),
            plane: 0,
            state: BufferState::Dequeued,
            len: 4096,
            uid: 1000,
            held: false,
            imported_by: Vec::new(),
            holders: Vec::new(),
        }]
    }

    fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        if self.0.multiplanar { Ok(b"a picture".to_vec()) } else { Err(SnapshotError::NoFrame) }
    }

    fn stop(self: Box<Self>) {
        fs::remove_file(device_of(&self.0)).expect("it is there");
    }
}

/// The first byte says who asks, how many descriptors come, and whether the first line is root's
/// all the same; a connection's bytes follow.
pub fn run(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let viewer = if first & 1 == 0 { Viewer::Privileged } else { Viewer::User(1000) };
    let bytes = &bytes[..bytes.len().min(MOST_BYTES)];
    let links = Links::below(root()).with(Some(getegid()), Duration::ZERO);
    let supervisor = Supervisor::new(Box::new(Double), links, Numbers::below(root()));

    let (mut client, server) = UnixStream::pair().expect("a pair of sockets");
    client.write_all(bytes).expect("there is room");
    client.shutdown(Shutdown::Write).expect("it is open");
    let mut lines = Lines::new(&server, LONGEST_REQUEST, 2);
    let mut read = 0;
    loop {
        match lines.next(PATIENCE, PATIENCE) {
            Ok((line, none)) => {
                read += line.len() + 1;
                assert!(line.len() < LONGEST_REQUEST && none.is_empty());
                let roots = first & 16 != 0 && read == line.len() + 1;
                let viewer = if roots { Viewer::Privileged } else { viewer };
                answered(&supervisor, viewer, &line, first / 2 % 4);
            }
            Err(LineError::Closed) => {
                assert_eq!(read, bytes.len(), "between lines");
                break;
            }
            Err(LineError::Io(_) | LineError::TooLong) => break,
            Err(error) => panic!("{error:?}"),
        }
    }
    supervisor.end();
    assert_eq!(supervisor.list(), []);
    let left = fs::read_dir(root().join("dev")).expect("a folder");
    assert_eq!(left.count(), 0, "something is left");
}

fn answered(supervisor: &Supervisor, viewer: Viewer, line: &[u8], descriptors: u8) {
    let files = (0..descriptors).map(|_| {
        File::options().read(true).write(true).open("/dev/null").expect("it is there").into()
    });
    let before = supervisor.list();
    let (answer, file) = handle::line(supervisor, viewer, line, files.collect());
    // What is said can be read, and says the same.
    let said = serde_json::to_vec(&answer).expect("an answer is JSON");
    assert!(!said.contains(&b'\n'), "a line");
    let read: Answer = serde_json::from_slice(&said).expect("and an answer");
    assert_eq!(read, answer);
    assert_eq!(file.is_some(), matches!(answer, Answer::Snapshot { .. }));
    let changed = supervisor.list() != before;
    let changes = matches!(answer, Answer::Added { .. } | Answer::Removed { .. });
    assert_eq!(changed, changes, "{answer:?}");
    assert!(!changes || viewer == Viewer::Privileged, "{viewer:?} has changed something");
    // A request that was understood can be said again.
    if let Ok(request) = serde_json::from_slice::<Request>(line) {
        let said = serde_json::to_string(&request).expect("a request is JSON");
        serde_json::from_str::<Request>(&said).expect("and a request");
    } else {
        assert!(matches!(answer, Answer::Error { .. }), "{answer:?} to what is no request");
    }
}

/// Each request, and some that are none.
pub fn seeds() -> Seeds {
    let lines = [
        r#"{"request":"hello"}"#,
        r#"{"request":"list"}"#,
        r#"{"request":"buffers"}"#,
        r#"{"request":"buffers","node":"a"}"#,
        r#"{"request":"snapshot","node":"a"}"#,
        r#"{"request":"add","device":{"name":"a","role":"capture"}}"#,
        r#"{"request":"add","device":{"name":"b","role":"output","number":9,"card":"B","multiplanar":true,"modes":["NM12:16x16@5/1"],"limits":{"opens":1}}}"#,
        r#"{"request":"add","device":{"name":"c","role":"capture","source":{"output":"b"}}}"#,
        r#"{"request":"add","device":{"name":"d","role":"capture","source":{"file":"a.y4m","repeat":true}}}"#,
        r#"{"request":"remove","node":"b","force":true}"#,
        r#"{"request":"none"}"#,
        r#"[{"a":1e400}]"#,
    ];
    let one = |(place, line): (usize, &&str)| {
        (
            place.to_string(),
            [&[2 * u8::from(line.contains("file"))], line.as_bytes(), b"\n"].concat(),
        )
    };
    let mut seeds: Seeds = lines.iter().enumerate().map(one).collect();
    seeds.push(("all".into(), [b"\0", lines.join("\n").as_bytes(), b"\n"].concat()));
    // What a user can do to a node that is there.
    for (name, line) in [("remove", lines[9]), ("picture", lines[4]), ("rows", lines[3])] {
        let lines = [lines[6], line].join("\n");
        seeds.push((format!("user-{name}"), [b"\x11", lines.as_bytes(), b"\n"].concat()));
    }
    seeds.push(("user".into(), [b"\x01", lines.join("\n").as_bytes(), b"\n"].concat()));
    seeds
}
