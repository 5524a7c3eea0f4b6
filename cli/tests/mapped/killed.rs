//! Daemons that are killed: nobody hangs, not the program that has a file of theirs, and not they.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use shrbuf::transport::fuse::{Content, Mount};

use super::memory::Memory;
use super::{Client, FIRST, PAGE, RDWR, SIZE, SOON, cached_file, client, passthrough_file, until};

/// Says what kind of daemon this process is to be.
const DAEMON: &str = "SHRBUF_MAPPED_DAEMON";

/// How often a daemon is killed at whatever moment.
const TIMES: u32 = 12;

/// Called by what is no test: the process that another test kills.
pub(crate) fn serve_if_told() {
    let Some(kind) = std::env::var_os(DAEMON) else { return };
    let mount = Mount::start().expect("a mount");
    match kind.to_str().expect("text") {
        // Opens and closes for ever.
        "open" => loop {
            let content = Content::Cached { size: SIZE };
            drop(mount.open(Memory::new(), content, RDWR).expect("a file"));
            say("opened");
        },
        // Is about to answer its own open.
        "stuck" => {
            let stuck = || Stuck(std::io::stderr());
            let log = tracing_subscriber::fmt().with_writer(stuck);
            log.with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG).init();
            let content = Content::Cached { size: SIZE };
            drop(mount.open(Memory::new(), content, RDWR));
        }
        // Has a file of its own open, of which a page is cached.
        "hold" => {
            let sample = cached_file(&mount);
            sample.open.pages.store(FIRST, &[b'a'; PAGE as usize]).expect("stored");
            say("opened");
            std::thread::sleep(10 * SOON);
        }
        // A client has one.
        kind => {
            let sample = match kind {
                "cached" => cached_file(&mount),
                _ => passthrough_file(&mount),
            };
            let first = [b'a'; PAGE as usize];
            sample.memory.store(FIRST, &first);
            match &sample.backing {
                None => sample.open.pages.store(FIRST, &first).expect("stored"),
                Some(backing) => {
                    use std::os::unix::fs::FileExt;
                    backing.write_all_at(&first, FIRST).expect("written");
                }
            }
            say("opened"); // ends the line that the test's own process has begun
            let file = sample.open.fd.as_fd().try_clone_to_owned().expect("another");
            let mut client =
                client("bereaved").stdin(Stdio::from(file)).spawn().expect("it starts");
            let _ = client.wait(); // this process is killed before
        }
    }
}

/// A log that never comes back from the line that is written between the kernel's request for a file
/// and the answer.
struct Stuck(std::io::Stderr);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if String::from_utf8_lossy(bytes).contains("a mapped file is opened") {
            say("opening");
            std::thread::sleep(10 * SOON);
        }
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "\n{line}").and_then(|()| out.flush()); // the test may have read enough
}

fn daemon(kind: &str) -> (Child, BufReader<UnixStream>) {
    let (ours, theirs) = UnixStream::pair().expect("sockets");
    let process = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "serving", "--nocapture"])
        .env(DAEMON, kind)
        .stdin(Stdio::null())
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .expect("it starts");
    ours.set_read_timeout(Some(2 * SOON)).expect("a timeout");
    (process, BufReader::new(ours))
}

/// Reads what the test's own process says too, up to this line.
fn wait_for(expected: &str, socket: &mut BufReader<UnixStream>) {
    let mut line = String::new();
    while line.trim_end() != expected {
        line.clear();
        assert!(socket.read_line(&mut line).expect("a line") > 0, "the end before {expected}");
    }
}

fn ends(mut daemon: Child) {
    daemon.kill().expect("a signal");
    let start = Instant::now();
    until("the daemon's end", || daemon.try_wait().expect("a state").is_some());
    println!("  ended after {:?}", start.elapsed());
}

/// Killed with a client that has mapped its file and is left with it.
pub(super) fn with_a_client(kind: &str) {
    let (daemon, mut socket) = daemon(kind);
    wait_for("kill", &mut socket);
    ends(daemon);
    // The client writes to the same socket.
    socket.get_mut().write_all(b".").expect("it reads");
    // A page that nobody had read in can't be had any more, if it was to come from the daemon.
    wait_for(if kind == "cached" { "lost" } else { "kept" }, &mut socket);
    socket.get_mut().write_all(b".").expect("it reads");
    wait_for("done", &mut socket);
    let mut line = String::new();
    assert_eq!(socket.read_line(&mut line).expect("its end"), 0, "{line}");
}

/// Killed with a file open that it has not handed over; while it owes itself the answer to an open,
/// for which no signal ends the wait; and while it opens others.
pub(super) fn anywhere() {
    for (kind, line) in [("hold", "opened"), ("stuck", "opening")] {
        let (daemon, mut socket) = daemon(kind);
        wait_for(line, &mut socket);
        ends(daemon);
    }
    for time in 0..TIMES {
        let (daemon, mut socket) = daemon("open");
        for _ in 0..=time {
            wait_for("opened", &mut socket);
        }
        std::thread::sleep(Duration::from_micros(u64::from(time) * 137));
        ends(daemon);
    }
    // And the mount works for the next.
    let mount = Mount::start().expect("a mount");
    let sample = cached_file(&mount);
    let client = Client::start("nothing", sample.open.fd);
    drop(client);
    until("the release", || sample.memory.released() == 1);
}
