//! The smallest node whose ioctls reach the courier: CUSE where the machine has it, else a file of
//! a FUSE mount (the two speak one protocol), in bytes, without the project's own wire crate, so
//! that the courier's tests need nothing but the courier.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::memfd::{MFdFlags, memfd_create};
use shrbuf::courier::ticket::{SHRBUF_IOC_EXPORT, Tickets};
use shrbuf::courier::{CallSite, Caller, FileOn, GiveError, Process, Worker, Workers};

/// `VIDIOC_EXPBUF`.
pub(crate) const EXPBUF: u32 = 0xc040_5610;
/// Ioctls of 64 bytes that try one of the other operations each: `_IOWR('T', n, char[64])`.
pub(crate) const READ: u32 = 0xc040_5401;
pub(crate) const WRITE: u32 = 0xc040_5402;
pub(crate) const FLAGS: u32 = 0xc040_5403;
pub(crate) const TAKE: u32 = 0xc040_5404;
pub(crate) const KEEP: u32 = 0xc040_5405;
pub(crate) const READ_KEPT: u32 = 0xc040_5406;
pub(crate) const WRITE_KEPT: u32 = 0xc040_5407;
pub(crate) const FILE_ON: u32 = 0xc040_5408;
/// `VIDIOC_REQBUFS` and `VIDIOC_CREATE_BUFS`: the caller's descriptor becomes another file.
pub(crate) const SWAPS: [u32; 2] = [0xc014_5608, 0xc100_565c];

const HEADER: usize = 40;

/// What a caller may ask its descriptor to become; 0 is memory.
const SOCKET: u32 = 1;
/// As if it were open on another device than ours.
const OTHER_DEVICE: u32 = 2;
/// Memory, and the answer to the old file's `RELEASE` comes late.
const SLOW_RELEASE: u32 = 3;

/// Longer than a system call on a caller's behalf usually may take.
const SLOW: Duration = Duration::from_millis(1500);

/// More than callers have open at once.
const SOCKETS: usize = 16;

/// What happens between "held" and the answer; for tests that kill somebody just then.
pub(crate) type Between = Box<dyn Fn(u32) + Send + Sync>;

/// What the serving thread knows.
pub(crate) struct Server {
    device: File,
    workers: Workers,
    shared: File,
    pub(crate) tickets: Tickets,
    between: Option<Between>,
    /// The CUSE device's name.
    name: String,
    /// Its `st_rdev`, once it stands.
    device_number: AtomicU64,
    kept: Arc<Mutex<Option<Process>>>,
    /// The other ends of the sockets that callers got.
    ends: Mutex<VecDeque<UnixStream>>,
    /// The next close is answered late.
    slow_release: AtomicBool,
    /// Calls that a worker has, or will have.
    under_way: AtomicU32,
    pub(crate) reasons: Arc<Mutex<Vec<GiveError>>>,
}

/// A node that stands, and ends with this value.
pub(crate) struct Node {
    pub(crate) path: PathBuf,
    mount: Option<tempfile::TempDir>,
    server: Arc<Server>,
    thread: Option<JoinHandle<()>>,
}

impl Node {
    /// Makes the node, or says why not.
    pub(crate) fn start(workers: Workers, between: Option<Between>) -> Result<Self, String> {
        let shared = memfd_create(c"shared", MFdFlags::MFD_CLOEXEC).expect("memory");
        let shared = File::from(shared);
        shared.write_all_at(b"shared", 0).expect("written");
        let (device, mount, path) = open_device()?;
        let server = Arc::new(Server {
            device,
            workers,
            shared,
            tickets: Tickets::new(),
            between,
            name: path.file_name().expect("a name").to_string_lossy().into_owned(),
            device_number: AtomicU64::new(0),
            kept: Arc::default(),
            ends: Mutex::default(),
            slow_release: AtomicBool::new(false),
            under_way: AtomicU32::new(0),
            reasons: Arc::default(),
        });
        let serving = Arc::clone(&server);
        let thread = Some(std::thread::spawn(move || serving.serve()));
        let node = Self { path, mount, server, thread };
        node.wait();
        Ok(node)
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let found = loop {
            match fs::metadata(&self.path) {
                Ok(found) => break found,
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
            assert!(Instant::now() < deadline, "{} does not appear", self.path.display());
        };
        self.server.device_number.store(found.rdev(), Ordering::Relaxed);
    }

    /// Why gives failed since the last time it was asked, at least `most` of them.
    pub(crate) fn reasons_of(&self, most: usize) -> Vec<GiveError> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.server.reasons.lock().expect("not poisoned").len() < most {
            assert!(Instant::now() < deadline, "{:?}", self.reasons());
            std::thread::sleep(Duration::from_millis(1));
        }
        self.reasons()
    }

    /// Why gives failed since the last time it was asked. Each is known a moment after its caller has its
    /// answer, or is gone: waits for a moment in which no call is under way.
    pub(crate) fn reasons(&self) -> Vec<GiveError> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.server.under_way.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::mem::take(&mut self.server.reasons.lock().expect("not poisoned"))
    }

    pub(crate) fn tickets(&self) -> Tickets {
        self.server.tickets.clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(folder) = &self.mount {
            umount2(folder.path(), MntFlags::MNT_DETACH).expect("unmounted");
        } else {
            let name = self.path.file_name().expect("a name").to_string_lossy().into_owned();
            let _ = fs::write(format!("/sys/class/cuse/{name}/abort"), "1");
        }
        self.thread.take().expect("a thread").join().expect("no panic");
    }
}

fn open_device() -> Result<(File, Option<tempfile::TempDir>, PathBuf), String> {
    let open = |path: &str| File::options().read(true).write(true).open(path);
    if let Ok(device) = open("/dev/cuse") {
        return Ok((device, None, PathBuf::from(format!("/dev/courier-{}", unique()))));
    }
    let device = open("/dev/fuse").map_err(|error| format!("/dev/cuse, /dev/fuse: {error}"))?;
    let folder = tempfile::tempdir().expect("a folder");
    let options =
        format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
    let nothing: Option<&Path> = None;
    mount(nothing, folder.path(), Some("fuse"), MsFlags::empty(), Some(options.as_str()))
        .map_err(|error| format!("mounting: {error}"))?;
    let path = folder.path().join("node");
    Ok((device, Some(folder), path))
}

fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{next}", std::process::id())
}

fn u32_at(bytes: &[u8], place: usize) -> u32 {
    u32::from_ne_bytes(bytes[place..place + 4].try_into().expect("four"))
}

fn u64_at(bytes: &[u8], place: usize) -> u64 {
    u64::from_ne_bytes(bytes[place..place + 8].try_into().expect("eight"))
}

fn words(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

fn send(device: &File, unique: u64, error: i32, body: &[u8]) {
    let mut message = Vec::new();
    message.extend_from_slice(&u32::try_from(16 + body.len()).expect("small").to_ne_bytes());
    message.extend_from_slice(&error.to_ne_bytes());
    message.extend_from_slice(&unique.to_ne_bytes());
    message.extend_from_slice(body);
    // The caller may be gone (ENOENT); so may the node.
    let _ = (&*device).write(&message);
}

/// One answer to an ioctl.
struct Answer {
    device: File,
    unique: u64,
}

impl Answer {
    fn error(self, errno: Errno) {
        send(&self.device, self.unique, -(errno as i32), &[]);
    }

    fn ok(self, argument: &[u8]) {
        let body = [&[0; 16], argument].concat();
        send(&self.device, self.unique, 0, &body);
    }
}

impl Server {
    fn serve(self: &Arc<Self>) {
        let mut buffer = vec![0; 1 << 20];
        loop {
            match (&self.device).read(&mut buffer) {
                Ok(len) => self.answer(&buffer[..len]),
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EINTR | Errno::EAGAIN | Errno::ENOENT) => {}
                    _ => return,
                },
            }
        }
    }

    fn answer(self: &Arc<Self>, message: &[u8]) {
        let (opcode, unique) = (u32_at(message, 4), u64_at(message, 8));
        let (nodeid, body) = (u64_at(message, 16), &message[HEADER..]);
        let reply = |body: &[u8]| send(&self.device, unique, 0, body);
        match opcode {
            26 => {
                let mut out = [0_u8; 64];
                out[..4].copy_from_slice(&7_u32.to_ne_bytes());
                out[4..8].copy_from_slice(&31_u32.to_ne_bytes());
                out[20..24].copy_from_slice(&(1_u32 << 16).to_ne_bytes());
                reply(&out);
            }
            4096 => {
                let mut out = [0_u8; 72];
                out[..4].copy_from_slice(&7_u32.to_ne_bytes());
                out[4..8].copy_from_slice(&31_u32.to_ne_bytes());
                out[16..20].copy_from_slice(&(1_u32 << 16).to_ne_bytes());
                out[20..24].copy_from_slice(&(1_u32 << 16).to_ne_bytes());
                reply(&[&out[..], b"DEVNAME=", self.name.as_bytes(), b"\0"].concat());
            }
            1 => reply(&[words(&[2, 1, 3600, 3600, 0]), attributes(2)].concat()),
            3 => reply(&[words(&[3600, 0]), attributes(nodeid)].concat()),
            14 => reply(&words(&[1, 1])), // handle 1, FOPEN_DIRECT_IO
            18 if self.slow_release.swap(false, Ordering::Relaxed) => {
                let device = self.device.try_clone().expect("a clone");
                std::thread::spawn(move || {
                    std::thread::sleep(SLOW);
                    send(&device, unique, 0, &[]);
                });
            }
            18 | 25 => reply(&[]),
            39 => self.ioctl(message, body, unique),
            2 | 36 | 42 => {}
            _ => send(&self.device, unique, -(Errno::ENOSYS as i32), &[]),
        }
    }

    fn ioctl(self: &Arc<Self>, message: &[u8], body: &[u8], unique: u64) {
        let (uid, gid, tid) = (u32_at(message, 24), u32_at(message, 28), u32_at(message, 32));
        let (cmd, arg) = (u32_at(body, 12), u64_at(body, 16));
        let argument = body[32..].to_vec();
        let site = CallSite { caller: Caller { tid, uid, gid }, cmd, arg };
        let answer = Answer { device: self.device.try_clone().expect("a clone"), unique };
        if cmd == SHRBUF_IOC_EXPORT {
            return self.ticket(uid, argument, answer);
        }
        let known = [EXPBUF, READ, WRITE, FLAGS, TAKE, KEEP, READ_KEPT, WRITE_KEPT, FILE_ON];
        if !known.contains(&cmd) && !SWAPS.contains(&cmd) {
            return answer.error(Errno::ENOTTY);
        }
        let server = Arc::clone(self);
        self.under_way.fetch_add(1, Ordering::AcqRel);
        self.workers.submit(uid, move |worker| {
            match worker {
                Ok(worker) if cmd == EXPBUF => server.give(worker, &site, argument, answer),
                Ok(worker) if SWAPS.contains(&cmd) => server.swap(worker, &site, argument, answer),
                Ok(worker) => match server.other(worker, &site, argument) {
                    Ok(argument) => answer.ok(&argument),
                    Err(errno) => answer.error(errno),
                },
                Err(errno) => answer.error(errno),
            }
            server.under_way.fetch_sub(1, Ordering::AcqRel);
        });
    }

    fn ticket(&self, uid: u32, mut argument: Vec<u8>, answer: Answer) {
        let shared = OwnedFd::from(self.shared.try_clone().expect("a clone"));
        match self.tickets.issue(uid, shared) {
            Ok(ticket) => {
                argument[16..32].copy_from_slice(&ticket);
                answer.ok(&argument);
            }
            Err(errno) => answer.error(errno),
        }
    }

    fn give(&self, worker: &mut Worker, site: &CallSite, mut argument: Vec<u8>, answer: Answer) {
        let cloexec = u32_at(&argument, 12) & 0o2_000_000 != 0;
        argument[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        argument[20..].fill(0);
        let helper = worker.helper_id().expect("a helper");
        assert!(helper > 1);
        let descriptor = self.shared.try_clone().expect("a clone").into();
        let given = worker.give(site, descriptor, cloexec, &argument, |go| match go {
            Ok(()) => {
                if let Some(between) = &self.between {
                    between(helper);
                }
                answer.error(Worker::HELD);
            }
            Err(errno) => answer.error(errno),
        });
        self.note(given);
    }

    fn note(&self, given: Result<i32, GiveError>) {
        if let Err(error) = given {
            self.reasons.lock().unwrap_or_else(PoisonError::into_inner).push(error);
        }
    }

    /// The argument's first word says what the descriptor is to become, the second is answered.
    fn swap(&self, worker: &mut Worker, site: &CallSite, mut argument: Vec<u8>, answer: Answer) {
        let kind = u32_at(&argument, 0);
        let device = self.device_number.load(Ordering::Relaxed);
        let device = if kind == OTHER_DEVICE { device + 1 } else { device };
        self.slow_release.store(kind == SLOW_RELEASE, Ordering::Relaxed);
        let replacement: OwnedFd = if kind == SOCKET {
            let (theirs, ours) = UnixStream::pair().expect("a pair");
            (&ours).write_all(b"!").expect("written");
            let mut ends = self.ends.lock().expect("not poisoned");
            ends.push_front(ours);
            ends.truncate(SOCKETS);
            theirs.into()
        } else {
            let path = format!("/proc/self/fd/{}", self.shared.as_raw_fd());
            File::options().read(true).write(true).open(path).expect("opened anew").into()
        };
        argument[4..8].copy_from_slice(&0x5a_u32.to_ne_bytes());
        let helper = worker.helper_id().expect("a helper");
        let swapped = worker.swap(site, device, replacement, &argument, |go| match go {
            Ok(()) => {
                if let Some(between) = &self.between {
                    between(helper);
                }
                answer.error(Worker::HELD);
            }
            Err(errno) => answer.error(errno),
        });
        self.note(swapped);
    }

    fn other(
        &self,
        worker: &mut Worker,
        site: &CallSite,
        mut argument: Vec<u8>,
    ) -> Result<Vec<u8>, Errno> {
        let (address, len) = (u64_at(&argument, 0), u64_at(&argument, 8));
        let len = usize::try_from(len).expect("64 bits");
        let value = match site.cmd {
            READ => sum(&worker.read_memory(site, address, len)?),
            WRITE => {
                let bytes: Vec<u8> = (0..len).map(pattern).collect();
                worker.write_memory(site, address, &bytes)?;
                0
            }
            FLAGS => {
                worker.open_flags_on(site, self.device_number.load(Ordering::Relaxed), 0)?.into()
            }
            FILE_ON => {
                let device = self.device_number.load(Ordering::Relaxed);
                let FileOn { fd, flags, cloexec } = worker.file_on(site, device)?;
                argument[24..32].copy_from_slice(&u64::from(cloexec).to_ne_bytes());
                u64::from(flags) << 32 | u64::from(fd.cast_unsigned())
            }
            TAKE => {
                let taken = File::from(worker.take(site, address as i32)?);
                taken.metadata().expect("metadata").ino()
            }
            KEEP => {
                *self.kept.lock().expect("not poisoned") = Some(worker.process(site)?);
                0
            }
            READ_KEPT => {
                let kept = self.kept.lock().expect("not poisoned");
                let (process, mut total) = (kept.as_ref().ok_or(Errno::EINVAL)?, 0_u64);
                worker.read_process(process, address, len, |_, bytes| {
                    total = total.wrapping_add(sum(bytes));
                    Ok(())
                })?;
                total
            }
            _ => {
                let kept = self.kept.lock().expect("not poisoned");
                let process = kept.as_ref().ok_or(Errno::EINVAL)?;
                worker.write_process(process, address, len, |offset, bytes| {
                    for (place, byte) in bytes.iter_mut().enumerate() {
                        *byte = pattern(offset + place);
                    }
                    Ok(())
                })?;
                0
            }
        };
        argument[16..24].copy_from_slice(&value.to_ne_bytes());
        Ok(argument)
    }
}

/// Byte `place` of what is written.
pub(crate) fn pattern(place: usize) -> u8 {
    (place % 251) as u8
}

/// What is told of bytes that were read.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

fn attributes(nodeid: u64) -> Vec<u8> {
    let (mode, links) = if nodeid == 1 { (0o40_755, 2_u32) } else { (0o100_666, 1) };
    let mut bytes = words(&[nodeid, 0, 0, 0, 0, 0]);
    for number in [0, 0, 0, mode, links, 0, 0, 0, 4096, 0_u32] {
        bytes.extend_from_slice(&number.to_ne_bytes());
    }
    bytes
}
