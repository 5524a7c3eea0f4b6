//! The private mount under programs of an ordinary user, who have a descriptor of one of its files
//! and nothing else. A lane runs all of it in one guest.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

#[path = "killed.rs"]
mod killed;
#[path = "memory.rs"]
mod memory;

use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;
use shrbuf::transport::fuse::{Content, Mount, OpenFile};

pub(crate) use killed::serve_if_told;
use memory::Memory;

/// Set in a guest, to the client's program.
const CLIENT: &str = "SHRBUF_MAPPED_CLIENT";

/// For what must happen soon, on a busy machine too.
const SOON: Duration = Duration::from_secs(30);

/// What a lane takes at most.
const GUEST_SECONDS: &str = "400";

const PAGE: u64 = 4096;
/// Where the pages of a test's file begin, and where it ends; as in client.c.
const FIRST: u64 = 1 << 20;
const SIZE: u64 = 3 << 20;

const ORDINARY_USER: u32 = 1000;

/// The tests of a lane: their names, and whether they need a kernel that passes mappings through.
const ALL: [(&str, bool, fn()); 6] = [
    ("cached_calls", false, || calls(&cached_file)),
    ("cached_pages_are_stored_and_retrieved", false, cached_pages),
    ("cached_file_outlives_its_daemon", false, || killed::with_a_client("cached")),
    ("a_killed_daemon_leaves_nothing", false, killed::anywhere),
    ("passthrough_calls", true, || calls(&passthrough_file)),
    ("passthrough_shows_the_memory", true, passthrough_memory),
];

/// Outside it starts a guest that runs this very test inside, where it runs all. `passthrough`:
/// whether the guest's kernel is to have it.
pub(crate) fn lane(engine: &str, name: &str, passthrough: bool) {
    if std::env::var_os(CLIENT).is_none() {
        return outside(engine, name);
    }
    let mount = Mount::start().expect("a mount");
    assert_eq!(mount.has_passthrough(), passthrough);
    drop(mount);
    for (name, needs_passthrough, test) in ALL {
        if passthrough || !needs_passthrough {
            println!("{name}");
            test();
        }
    }
    if passthrough {
        println!("passthrough_file_outlives_its_daemon");
        killed::with_a_client("passthrough");
    }
}

fn outside(engine: &str, name: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_shrbuf"))
        .args(["sandbox", "--engine", engine, "--timeout", GUEST_SECONDS, "--"])
        .arg(std::env::current_exe().expect("a path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CLIENT, built())
        .stdin(Stdio::null())
        .output()
        .expect("the sandbox starts");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        println!("SKIP {name}: {}", said.trim().replace('\n', " "));
        return;
    }
    // Marked, since it has the summary of another test run in it.
    said.lines().filter(|line| !line.is_empty()).for_each(|line| println!("guest: {line}"));
    assert!(output.status.success() && said.contains("1 passed"), "{}", output.status);
}

fn built() -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mapped-client");
    let status = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o"])
        .arg(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mapped/client.c"))
        .status();
    assert!(status.expect("a compiler").success(), "the client can be built");
    program
}

/// The client at work.
struct Client {
    process: Child,
    socket: BufReader<UnixStream>,
}

impl Client {
    /// `file` is its standard input.
    fn start(what: &str, file: OwnedFd) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("sockets");
        let process = client(what)
            .stdin(Stdio::from(file))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .expect("it starts");
        ours.set_read_timeout(Some(2 * SOON)).expect("a timeout");
        Self { process, socket: BufReader::new(ours) }
    }

    /// It gets here next.
    fn says(&mut self, expected: &str) {
        let mut line = String::new();
        let read = self.socket.read_line(&mut line);
        let line = line.trim_end();
        assert!(read.is_ok() && line == expected, "'{line}' ({read:?}) and not '{expected}'");
        println!("  {line}");
    }

    fn go_on(&mut self) {
        self.socket.get_mut().write_all(b".").expect("it reads");
    }

    /// `action` happens when it gets to `what`.
    fn at(&mut self, what: &str, action: impl FnOnce()) {
        self.says(what);
        action();
        self.go_on();
    }

    fn ends_well(mut self) {
        self.says("done");
        assert!(self.process.wait().expect("its end").success());
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill(); // it may have ended
        if std::thread::panicking() {
            return; // it may not end, and nobody would see why
        }
        let _ = self.process.wait();
    }
}

fn client(what: &str) -> Command {
    let mut command = Command::new(std::env::var_os(CLIENT).expect("the client's path"));
    command.arg(what).uid(ORDINARY_USER).gid(ORDINARY_USER).current_dir("/");
    command
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < end, "it did not come to be: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A file of the mount, and what is behind it.
struct Sample {
    memory: std::sync::Arc<Memory>,
    open: OpenFile,
    /// What mappings are passed through to.
    backing: Option<std::fs::File>,
}

const RDWR: u32 = libc::O_RDWR as u32;

fn cached_file(mount: &Mount) -> Sample {
    let memory = Memory::new();
    let content = Content::Cached { size: SIZE };
    let open = mount.open(memory.clone(), content, RDWR).expect("a file");
    Sample { memory, open, backing: None }
}

fn passthrough_file(mount: &Mount) -> Sample {
    let memory = Memory::new();
    let backing = memfd_create(c"arena", MFdFlags::MFD_CLOEXEC).expect("a file");
    ftruncate(&backing, SIZE.try_into().expect("small")).expect("its length");
    let other = backing.try_clone().expect("another");
    let content = Content::Passthrough(other, SIZE);
    let open = mount.open(memory.clone(), content, RDWR).expect("a file");
    Sample { memory, open, backing: Some(backing.into()) }
}

/// `ioctl`, `read`, `write` and `poll` come to the daemon, and what the kernel does by itself is
/// harmless.
fn calls(file: &dyn Fn(&Mount) -> Sample) {
    let mount = Mount::start().expect("a mount");
    let Sample { memory, open, .. } = file(&mount);
    let mut client = Client::start("calls", open.fd);
    client.says("poll");
    // Either it is asked about now, or its poll waits already.
    memory.is_readable(&mount);
    client.at("polled", || {});
    client.ends_well();
    until("the release", || memory.released() == 1);
    let unknown = open.pages.store(FIRST, b"late").expect_err("it is released");
    assert_eq!(unknown, Errno::ENOENT);
    drop(mount);
    assert_eq!(open.pages.store(FIRST, b"late"), Err(Errno::ENODEV));
    assert_eq!(memory.released(), 1);
}

fn cached_pages() {
    let mount = Mount::start().expect("a mount");
    let Sample { memory, open, .. } = cached_file(&mount);
    let pages = open.pages;
    let store = |offset: u64, bytes: &[u8]| {
        memory.store(offset, bytes);
        pages.store(offset, bytes).expect("stored");
    };
    for (offset, len) in [(0, 1), (FIRST - 1, 1), (SIZE - 1, 2), (SIZE, 1), (u64::MAX, 1)] {
        let bytes = vec![0; len as usize];
        assert_eq!(pages.store(offset, &bytes), Err(Errno::EINVAL), "{offset}");
        assert_eq!(pages.retrieve(offset, len, |_, _| {}), Err(Errno::EINVAL), "{offset}");
        assert_eq!(pages.invalidate(offset, len), Err(Errno::EINVAL), "{offset}");
    }
    let all = FIRST..SIZE;
    let nothing = pages.retrieve(FIRST, SIZE - FIRST, |at, _| panic!("{at}"));
    assert_eq!(nothing, Ok(vec![all.clone()]));
    store(FIRST, &[b'a'; PAGE as usize]);

    let mut client = Client::start("cached", open.fd);
    client.at("store b", || store(FIRST, &[b'b'; PAGE as usize]));
    client.at("retrieve", || {
        let mut seen = vec![b'?'; (SIZE - FIRST) as usize];
        let holes = pages.retrieve(FIRST, SIZE - FIRST, |at, bytes| {
            let at = (at - FIRST) as usize;
            seen[at..at + bytes.len()].copy_from_slice(bytes);
        });
        let holes = holes.expect("retrieved");
        println!("  holes: {holes:?}");
        assert_eq!(&seen[9..12], b"bWb");
        assert_eq!(&seen[3 * PAGE as usize..][..3], b"pXp");
        let far = FIRST + 300 * PAGE;
        assert!(holes.iter().any(|hole| hole.contains(&far)), "nobody has touched it");
        let touched = [FIRST, FIRST + 3 * PAGE];
        assert!(!holes.iter().any(|hole| touched.iter().any(|page| hole.contains(page))));
        assert_eq!(memory.at(FIRST + 10), b'b', "nothing was written out for that");
    });
    client.at("invalidate", || {
        pages.invalidate(FIRST, SIZE - FIRST).expect("invalidated");
        assert_eq!((memory.at(FIRST + 10), memory.at(FIRST + 3 * PAGE + 1)), (b'W', b'X'));
        let left = pages.retrieve(FIRST, SIZE - FIRST, |at, _| panic!("{at}"));
        assert_eq!(left, Ok(vec![all.clone()]));
    });
    client.at("store a frame", || {
        let frame: Vec<u8> = (0..SIZE - FIRST).map(|place| (place / PAGE) as u8).collect();
        store(FIRST, &frame);
    });
    client.at("retrieve a frame", || {
        let mut count = 0;
        let start = Instant::now();
        let holes = pages.retrieve(FIRST, SIZE - FIRST, |at, bytes| {
            assert_eq!(at, FIRST + count);
            assert!(bytes.iter().all(|byte| *byte == b'M'), "at {at}");
            count += bytes.len() as u64;
        });
        println!("  {count} bytes in {:?}", start.elapsed());
        assert_eq!((holes, count), (Ok(vec![]), SIZE - FIRST));
    });
    client.at("closed", || {
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(memory.released(), 0, "it is mapped still");
    });
    client.at("unmapped", || until("the release", || memory.released() == 1));
    client.ends_well();
    // What was changed last has come before the release.
    assert_eq!((memory.at(FIRST + 5), memory.at(FIRST + 6)), (b'L', b'L'));
    assert_eq!(pages.retrieve(FIRST, 1, |_, _| {}), Err(Errno::ENOENT));
}

fn passthrough_memory() {
    use std::os::unix::fs::FileExt;
    let mount = Mount::start().expect("a mount");
    let Sample { memory, open, backing } = passthrough_file(&mount);
    let backing = backing.expect("a memory file");
    let byte = |place: u64| {
        let mut byte = [0];
        backing.read_exact_at(&mut byte, FIRST + place).expect("a byte");
        byte[0]
    };
    let write = |place: u64, bytes: &[u8]| {
        backing.write_all_at(bytes, FIRST + place).expect("written");
    };
    assert_eq!(open.pages.store(FIRST, b"x"), Err(Errno::EINVAL), "it has no cache");
    write(0, b"a");
    let (dev, ino) = open.identity;
    let mut client = Client::start("passthrough", open.fd);
    client.at("written", || {
        assert_eq!(byte(1), b'W');
        write(2, b"D");
    });
    let maps = format!("/proc/{}/maps", client.process.id());
    client.at("maps", || {
        let maps = std::fs::read_to_string(maps).expect("mappings");
        let device = format!("{:02x}:{:02x} {ino}", libc::major(dev), libc::minor(dev));
        let line = maps.lines().find(|line| line.contains("shrbuf-"));
        println!("  {line:?}");
        assert!(line.is_some_and(|line| line.contains(&device)), "no {device} in {maps}");
    });
    client.at("closed", || until("the release", || memory.released() == 1));
    client.at("still mapped", || assert_eq!(byte(3), b'L'));
    client.at("unmapped", || {});
    client.ends_well();
}
