//! A connection as the kernel would speak it: the handshake, then messages with headers that are
//! right, and some that are not. Whoever waits gets one answer, which the kernel would take.

use std::collections::BTreeMap;
use std::sync::Mutex;

use cuse_rs::channel::script::Script;
use cuse_rs::{
    AttrReply, Cuse, CuseConfig, Delivery, DirectoryReply, EmptyReply, EntryReply, Errno,
    FileSystem, Fuse, FuseConfig, Getattr, Handler, Header, Ioctl, IoctlReply, Lookup, Open,
    OpenFlags, OpenReply, Piece, Poll, PollReply, Read, ReadReply, Readdir, Session, Waker, Write,
    WriteReply, abi,
};

use super::bytes::Bytes;
use super::seeds::Seeds;

const HEADER: usize = 40;
/// An answer's header.
const OUT: usize = 16;
const MOST_MESSAGES: u64 = 64;

/// Answers as `nodeid` says: at once, later, too much, or not at all.
#[derive(Default)]
struct Server {
    parked: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
    wakers: Mutex<Vec<Waker>>,
}

/// How a request is answered.
enum How {
    Now,
    Refuse,
    Park,
    /// More than there is room for.
    TooMuch,
    Drop,
}

impl Server {
    fn how(&self, header: &Header) -> How {
        match header.nodeid % 8 {
            0..=2 => How::Now,
            3 => How::Refuse,
            4 | 5 => How::Park,
            6 => How::TooMuch,
            _ => How::Drop,
        }
    }

    fn park(&self, answer: impl FnOnce() + Send + 'static) {
        self.parked.lock().expect("nobody has panicked").push(Box::new(answer));
    }

    /// Half of the answers that are owed.
    fn settle(&self, all: bool) {
        let mut parked = std::mem::take(&mut *self.parked.lock().expect("nobody has panicked"));
        let kept = if all { 0 } else { parked.len() / 2 };
        let due = parked.split_off(kept);
        self.parked.lock().expect("nobody has panicked").splice(0..0, parked);
        due.into_iter().for_each(|answer| answer());
    }
}

/// What becomes of an answer is looked at in the end.
fn sent(_: Delivery) {}

impl Handler for Server {
    fn open(&self, header: &Header, _: &Open, reply: OpenReply) {
        match self.how(header) {
            How::Park => self.park(move || sent(reply.opened(1, OpenFlags::DIRECT_IO))),
            How::Refuse => sent(reply.error(Errno::EBUSY)),
            How::Drop => drop(reply),
            _ => sent(reply.opened(header.unique, OpenFlags::DIRECT_IO)),
        }
    }

    fn read(&self, header: &Header, request: &Read, reply: ReadReply) {
        let size = request.size.min(1 << 16) as usize;
        match self.how(header) {
            How::Now => sent(reply.data(&vec![1; size])),
            How::TooMuch => sent(reply.data(&vec![1; size + 1])),
            How::Refuse => sent(reply.error(Errno::EAGAIN)),
            How::Drop => drop(reply),
            How::Park => {
                reply.on_interrupt(Box::new(|| {}));
                self.park(move || sent(reply.data(&[])));
            }
        }
    }

    fn write(&self, header: &Header, request: &Write<'_>, reply: WriteReply) {
        let size = request.data.len() as u32;
        match self.how(header) {
            How::TooMuch => sent(reply.written(size + 1)),
            How::Park => self.park(move || sent(reply.written(0))),
            How::Drop => drop(reply),
            _ => sent(reply.written(size)),
        }
    }

    fn ioctl(&self, header: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        let piece = Piece { base: request.arg, len: u64::from(request.cmd >> 16 & 0x3fff) };
        match self.how(header) {
            How::Now if header.nodeid.is_multiple_of(8) => sent(reply.retry(&[piece], &[piece; 3])),
            How::Now => sent(reply.ok(-1, request.data)),
            How::TooMuch => sent(reply.retry(&[piece; 200], &[piece; 57])),
            How::Refuse => sent(reply.error(Errno::ENOTTY)),
            How::Drop => drop(reply),
            How::Park => {
                let interrupts = reply.interrupts();
                self.park(move || sent(reply.ok(0, &[])));
                interrupts.on_interrupt(Box::new(|| {}));
            }
        }
    }

    fn poll(&self, header: &Header, request: &Poll, reply: PollReply) {
        self.wakers.lock().expect("nobody has panicked").extend(reply.waker());
        match self.how(header) {
            How::Refuse => sent(reply.error(Errno::ENOSYS)),
            How::Drop => drop(reply),
            _ => sent(reply.events(request.events)),
        }
    }

    fn release(&self, _: &Header, _: &cuse_rs::Release, reply: EmptyReply) {
        self.settle(false);
        sent(reply.ok());
    }
}

impl FileSystem for Server {
    fn lookup(&self, _: &Header, request: &Lookup<'_>, reply: EntryReply) {
        assert!(!request.name.contains(&0));
        sent(reply.error(Errno::ENOENT));
    }

    fn getattr(&self, _: &Header, _: &Getattr, reply: AttrReply) {
        sent(reply.error(Errno::ENOENT));
    }

    fn readdir(&self, _: &Header, _: &Readdir, mut reply: DirectoryReply) {
        let mut entries = 0;
        while entries < 1000 && reply.add(1, 1, 0o020_000, b"name") {
            entries += 1;
        }
        sent(reply.send());
    }
}

/// Opcodes by a byte: those that there are, some that there are not, and any.
fn opcode(bytes: &mut Bytes<'_>) -> u32 {
    match bytes.byte() {
        0xff => abi::CUSE_INIT,
        0xfe => bytes.word(),
        byte => byte.into(),
    }
}

fn frame(opcode: u32, unique: u64, nodeid: u64, extensions: u16, body: &[u8]) -> Vec<u8> {
    let mut message = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend(opcode.to_ne_bytes());
    message.extend(unique.to_ne_bytes());
    message.extend(nodeid.to_ne_bytes());
    message.extend([0; 12]);
    message.extend(extensions.to_ne_bytes());
    message.extend([0; 2]);
    message.extend(body);
    message
}

fn word(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(place..place + 4)?.try_into().ok()?))
}

/// What is known of a message before it is answered.
struct Asked {
    opcode: u32,
    /// Most bytes that the kernel takes behind an answer's header, where the request tells.
    room: Option<usize>,
}

/// What the kernel would wait for, if it had sent these bytes.
fn asked(message: &[u8]) -> Option<(u64, Asked)> {
    let extensions = u16::from_ne_bytes(message.get(36..38)?.try_into().ok()?);
    let body = message.get(HEADER..)?;
    let sound = word(message, 0)? as usize == message.len();
    if !sound || usize::from(extensions) * 8 > body.len() {
        return None;
    }
    let unique = u64::from_ne_bytes(message.get(8..16)?.try_into().ok()?);
    let opcode = word(message, 4)?;
    let size = |place| word(body, place).map(|size| size as usize);
    let room = match opcode {
        abi::FUSE_READ | abi::FUSE_READDIR => size(16),
        // Its own head, and what is asked for, or the pieces of another try.
        abi::FUSE_IOCTL => size(28).map(|size| 16 + size.max(256 * 16)),
        _ => None,
    };
    Some((unique, Asked { opcode, room }))
}

/// The first byte says whether it is a device or a file system, and whether the handshake is right.
pub fn run(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let first = bytes.byte();
    let cuse = first & 1 == 0;
    let script = Script::new();
    let init: Vec<u8> =
        [7_u32, 39, 131_072, u32::MAX].into_iter().flat_map(u32::to_ne_bytes).collect();
    let mut init = [&init[..], &[0; 48]].concat();
    if first & 2 != 0 {
        for _ in 0..4 {
            let place = usize::from(bytes.byte()) % 64;
            init[place] = bytes.byte();
        }
        init.truncate(usize::from(bytes.byte()));
    }
    let opcode_of_init = if cuse { abi::CUSE_INIT } else { abi::FUSE_INIT };
    script.message(&frame(opcode_of_init, 1, 0, 0, &init));

    let mut waiting: BTreeMap<u64, Vec<Asked>> = BTreeMap::new();
    for number in 0..MOST_MESSAGES {
        if bytes.is_empty() {
            break;
        }
        let message = message(&mut bytes, 2 * number + 2);
        if let Some((unique, asked)) = asked(&message) {
            waiting.entry(unique).or_default().push(asked);
        }
        script.message(&message);
    }
    script.end();
    if serve(&script, cuse) {
        check(&script.sent(), waiting);
    }
}

/// A byte each for the opcode, the node and its kind, and the body's length; then the body.
fn message(bytes: &mut Bytes<'_>, unique: u64) -> Vec<u8> {
    let opcode = opcode(bytes);
    let (node, kind) = (bytes.byte(), bytes.byte());
    let extensions = if kind & 1 == 0 { 0 } else { bytes.byte().into() };
    let length = usize::from(bytes.byte());
    // A body is mostly longer than what is there: then zeros follow, as far as structs go.
    let mut body = bytes.take(length).to_vec();
    if kind & 2 == 0 {
        body.resize(length.max(64), 0);
    }
    let mut message = frame(opcode, unique, node.into(), extensions, &body);
    if kind & 4 != 0 {
        let (place, value) = (usize::from(bytes.byte()) % message.len(), bytes.byte());
        // The kernel gives no number twice.
        if !(8..16).contains(&place) {
            message[place] = value;
        }
    }
    if kind & 8 != 0 {
        message.truncate(usize::from(bytes.byte()));
    }
    message
}

/// Whether there was a session.
fn serve(script: &Script, cuse: bool) -> bool {
    let server = Server::default();
    let served = if cuse {
        let mut config = CuseConfig::new("name");
        config.unrestricted_ioctl = true;
        let Ok(session) = Session::<Cuse>::new(script.clone(), &config) else { return false };
        let served = session.serve(&server);
        server.settle(true);
        served
    } else {
        let config = FuseConfig::default();
        let Ok(session) = Session::<Fuse>::new(script.clone(), &config) else { return false };
        assert!(session.max_write() <= config.max_write);
        let served = session.serve(&server);
        server.settle(true);
        served
    };
    served.expect("nothing that comes ends a session");
    true
}

/// An answer is as long as its header says, has an errno that the kernel takes, and is asked for.
fn check(sent: &[Vec<u8>], mut waiting: BTreeMap<u64, Vec<Asked>>) {
    // The first answers the handshake.
    for answer in sent.iter().skip(1) {
        let (length, error) =
            (word(answer, 0).expect("a length"), word(answer, 4).expect("an errno"));
        assert_eq!(length as usize, answer.len());
        let error = error.cast_signed();
        assert!((-511..=0).contains(&error) && (error == 0 || answer.len() == OUT), "{error}");
        let unique = u64::from_ne_bytes(answer[8..16].try_into().expect("a number"));
        let asked = waiting.get_mut(&unique).and_then(Vec::pop);
        let asked = asked.unwrap_or_else(|| panic!("{unique} was not asked, or twice answered"));
        let room = asked.room.unwrap_or(usize::MAX);
        assert!(error != 0 || answer.len() - OUT <= room, "{} beyond {room}", answer.len());
        if asked.opcode == abi::FUSE_INTERRUPT {
            assert_eq!(error, -(Errno::EAGAIN as i32), "an interrupt");
        }
    }
    for (unique, asked) in waiting {
        for Asked { opcode, .. } in asked {
            let silent = [
                abi::FUSE_INTERRUPT,
                abi::FUSE_FORGET,
                abi::FUSE_BATCH_FORGET,
                abi::FUSE_NOTIFY_REPLY,
            ];
            assert!(silent.contains(&opcode), "{unique} ({opcode}) waits for ever");
        }
    }
}

/// Each opcode with a body of zeros, and one conversation.
pub fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    for kind in [0, 1] {
        for opcode in (0..60).chain([0xff]) {
            let seed = vec![kind, opcode, 1, 0, 80];
            seeds.push((format!("opcode-{opcode}-{kind}"), seed));
        }
        let mut talk = vec![kind];
        talk.extend([14, 1, 0, 0]); // open
        talk.extend([
            15, 4, 0, 24, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0,
        ]);
        talk.extend([36, 0, 0, 8, 4, 0, 0, 0, 0, 0, 0, 0]); // an interrupt for the read
        talk.extend([18, 0, 0, 0]); // release
        seeds.push((format!("talk-{kind}"), talk));
    }
    seeds
}
