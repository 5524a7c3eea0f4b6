//! Tests on the kernel's own `/dev/cuse` and `/dev/fuse`: each starts itself again in a guest.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]
#![allow(dead_code, reason = "each lane uses its own part of this")]

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cuse_rs::{Channel, Cuse, Device, abi};

/// Says that this process is in the guest, and where the client is.
const CLIENT: &str = "CUSE_RS_CLIENT";

/// For what must happen soon, on a busy machine too.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Runs `body` in a guest of `engine`; `name` is the test's own.
pub(crate) fn in_guest(engine: &str, name: &str, body: impl FnOnce()) {
    if std::env::var_os(CLIENT).is_some() {
        return body();
    }
    let myself = std::env::current_exe().expect("this program");
    let built = myself.ancestors().nth(2).expect("a target folder");
    let shrbuf = built.join("shrbuf");
    assert!(shrbuf.exists(), "{} is not there: make build", shrbuf.display());
    let mut sandbox = Command::new(shrbuf);
    sandbox.args(["sandbox", "--engine", engine, "--timeout", "200", "--"]).arg(&myself);
    sandbox.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(CLIENT, compiled(name));
    let output = sandbox.stdin(Stdio::null()).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        println!("SKIP {name}: {}", said.replace('\n', " "));
        return;
    }
    // Marked, since it has the summary of another test run in it.
    said.lines().filter(|line| !line.is_empty()).for_each(|line| println!("guest: {line}"));
    assert!(output.status.success() && said.contains("1 passed"), "{}", output.status);
}

/// The client of `tests/guest/client.c`.
fn compiled(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.join(format!("client-{name}"));
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut build = cc::Build::new();
    build.opt_level(1).target(&target).host(&target).cargo_metadata(false).out_dir(folder);
    let mut compiler = build.get_compiler().to_command();
    compiler.args(["-Wall", "-Wextra", "-Werror", "-static", "-o"]).arg(&program);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest/client.c");
    let answer = compiler.arg(source).output().expect("a C compiler");
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    program
}

/// Starts the client: `what` as in its `main`.
pub(crate) fn client(what: &str, path: &str) -> Child {
    let program = std::env::var_os(CLIENT).expect("the client's path");
    Command::new(program).args([what, path]).stdout(Stdio::piped()).spawn().expect("it starts")
}

/// Waits for its end, and returns what it printed.
pub(crate) fn succeeds(client: Child) -> String {
    let output = client.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {said}", output.status);
    said
}

/// Waits until it is so.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < end, "it did not come to be: {what}");
        std::thread::yield_now();
    }
}

/// A device that counts the interrupts it brings. It can hold back reads until an interrupt has overtaken them.
pub(crate) struct Counting {
    device: Device,
    interrupts: Arc<AtomicUsize>,
    reads_come_late: bool,
}

impl Counting {
    pub(crate) fn new(reads_come_late: bool) -> (Self, Arc<AtomicUsize>) {
        let device = Device::open::<Cuse>().expect("/dev/cuse");
        let interrupts = Arc::default();
        (Self { device, interrupts: Arc::clone(&interrupts), reads_come_late }, interrupts)
    }
}

impl Channel for Counting {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.device.receive(buffer)?;
        let opcode = buffer.get(4..8).unwrap_or_default();
        if opcode == abi::FUSE_INTERRUPT.to_ne_bytes() {
            self.interrupts.fetch_add(1, Ordering::SeqCst);
        } else if opcode == abi::FUSE_READ.to_ne_bytes() && self.reads_come_late {
            until("an interrupt", || self.interrupts.load(Ordering::SeqCst) > 0);
        }
        Ok(length)
    }

    fn send(&self, parts: &[io::IoSlice<'_>]) -> io::Result<()> {
        self.device.send(parts)
    }

    fn shutdown(&self) {
        self.device.shutdown();
    }

    fn is_over(&self) -> bool {
        self.device.is_over()
    }
}
