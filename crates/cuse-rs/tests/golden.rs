//! Every request as the kernel sends it, and every answer as the kernel reads it, byte by byte.
#![allow(clippy::expect_used, reason = "this is test code")]

mod support;

use std::sync::Mutex;
use std::time::Duration;

use cuse_rs::*;
use support::{file_system, hex, request, text};

/// Writes down what it is asked, and answers with numbers that show where they go.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    fn seen(&self, header: &Header, request: &dyn std::fmt::Debug) {
        let Header { unique, nodeid, uid, gid, pid, .. } = header;
        assert_eq!((*nodeid, *uid, *gid, *pid), (2, 1000, 100, 4242));
        assert!([0, 7].contains(unique));
        self.0.lock().expect("a lock").push(format!("{request:?}"));
    }
}

fn attr() -> Attr {
    Attr {
        ino: 0x11,
        size: 0x401,
        atime: Duration::new(0x21, 0x31),
        mtime: Duration::new(0x22, 0x32),
        ctime: Duration::new(0x23, 0x33),
        mode: 0o100_644,
        nlink: 1,
        uid: 0x41,
        gid: 0x42,
        rdev: 0x43,
    }
}

/// `attr()`: ino, size, blocks of 512; atime, mtime, ctime; their nanoseconds, mode; nlink, uid,
/// gid, rdev; blksize, flags.
const ATTR: &str = "1100000000000000 0104000000000000 0300000000000000
    2100000000000000 2200000000000000 2300000000000000
    31000000 32000000 33000000 a4810000
    01000000 41000000 42000000 43000000
    00000000 00000000";

impl Handler for Recorder {
    fn open(&self, header: &Header, request: &Open, reply: OpenReply) {
        self.seen(header, request);
        reply.opened(0x0102_0304_0506_0708, OpenFlags::DIRECT_IO | OpenFlags::NONSEEKABLE);
    }
    fn release(&self, header: &Header, request: &Release, reply: EmptyReply) {
        self.seen(header, request);
        reply.ok();
    }
    fn read(&self, header: &Header, request: &Read, reply: ReadReply) {
        self.seen(header, request);
        reply.data(b"abc");
    }
    fn write(&self, header: &Header, request: &Write<'_>, reply: WriteReply) {
        self.seen(header, request);
        reply.written(2);
    }
    fn flush(&self, header: &Header, request: &Flush, reply: EmptyReply) {
        self.seen(header, request);
        reply.ok();
    }
    fn fsync(&self, header: &Header, request: &Fsync, reply: EmptyReply) {
        self.seen(header, request);
        reply.error(Errno::EROFS);
    }
    fn ioctl(&self, header: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        self.seen(header, request);
        if request.flags.contains(IoctlFlags::UNRESTRICTED) {
            reply.retry(
                &[Piece { base: 0x7000, len: 8 }, Piece { base: 0x8000, len: 1 }],
                &[Piece { base: 0x9000, len: 4 }],
            );
        } else {
            reply.ok(-4, b"xyz");
        }
    }
    fn poll(&self, header: &Header, request: &Poll, reply: PollReply) {
        self.seen(header, request);
        reply.events(0x41);
    }
}

impl FileSystem for Recorder {
    fn lookup(&self, header: &Header, request: &Lookup<'_>, reply: EntryReply) {
        self.seen(header, request);
        let (entry_valid, attr_valid) = (Duration::new(1, 2), Duration::new(3, 4));
        reply.entry(&Entry { nodeid: 9, generation: 8, entry_valid, attr_valid, attr: attr() });
    }
    fn getattr(&self, header: &Header, request: &Getattr, reply: AttrReply) {
        self.seen(header, request);
        reply.attr(&attr(), Duration::new(3, 4));
    }
    fn setattr(&self, header: &Header, request: &Setattr, reply: AttrReply) {
        self.seen(header, request);
        reply.attr(&attr(), Duration::ZERO);
    }
    fn forget(&self, header: &Header, request: &Forget) {
        self.seen(header, request);
    }
    fn opendir(&self, header: &Header, request: &Opendir, reply: OpenReply) {
        self.seen(header, request);
        reply.opened(6, OpenFlags::CACHE_DIR);
    }
    fn readdir(&self, header: &Header, request: &Readdir, mut reply: DirectoryReply) {
        self.seen(header, request);
        assert!(reply.add(0x11, 1, 0o040_000, b"."));
        assert!(reply.add(0x12, 2, 0o020_000, b"video-sim"));
        assert!(!reply.add(0x13, 3, 0o020_000, b"one too many"));
        reply.send();
    }
    fn releasedir(&self, header: &Header, request: &Releasedir, reply: EmptyReply) {
        self.seen(header, request);
        reply.ok();
    }
    fn statfs(&self, header: &Header, reply: StatfsReply) {
        self.seen(header, &"statfs");
        reply.statfs(&Statfs {
            blocks: 1,
            bfree: 2,
            bavail: 3,
            files: 4,
            ffree: 5,
            bsize: 6,
            namelen: 7,
            frsize: 8,
        });
    }
    fn lseek(&self, header: &Header, request: &Lseek, reply: LseekReply) {
        self.seen(header, request);
        reply.offset(0x99);
    }
    fn destroy(&self, header: &Header, reply: EmptyReply) {
        self.seen(header, &"destroy");
        reply.ok();
    }
    fn retrieved(&self, header: &Header, request: &Retrieved<'_>) {
        self.seen(header, request);
    }
}

/// One request: its length and opcode, its body, what the handler sees, and the answer.
struct Case {
    length: &'static str,
    opcode: &'static str,
    body: &'static str,
    seen: &'static [&'static str],
    answer: Option<String>,
}

/// An answer to the request 7: its length and error, and its body.
fn answer(head: &str, body: &str) -> Option<String> {
    Some(format!("{head} 0700000000000000 {body}"))
}

const EMPTY: &str = "10000000 00000000";

fn file_cases() -> Vec<Case> {
    vec![
        Case {
            length: "30000000",
            opcode: "0e000000", // OPEN
            body: "02880000 00000000 # flags: O_RDWR|O_NONBLOCK|O_LARGEFILE; open_flags",
            seen: &["Open { flags: 34818 }"],
            answer: answer(
                "20000000 00000000",
                "0807060504030201 05000000 00000000 # fh, open_flags, backing_id",
            ),
        },
        Case {
            length: "40000000",
            opcode: "12000000", // RELEASE
            body: "0500000000000000 02800000 01000000 0900000000000000 # fh, flags, release_flags, lock_owner",
            seen: &["Release { fh: 5, flags: 32770 }"],
            answer: answer(EMPTY, ""),
        },
        Case {
            length: "50000000",
            opcode: "0f000000", // READ
            body: "0500000000000000 0001000000000000 # fh, offset
                   10000000 00000000 # size, read_flags
                   0000000000000000 00080000 00000000 # lock_owner, flags, padding",
            seen: &["Read { fh: 5, offset: 256, size: 16, flags: 2048, direct: false }"],
            answer: answer("13000000 00000000", "616263"),
        },
        Case {
            length: "53000000",
            opcode: "10000000", // WRITE
            body: "0500000000000000 0001000000000000 # fh, offset
                   03000000 00000000 # size, write_flags
                   0000000000000000 01000000 00000000 # lock_owner, flags, padding
                   616263",
            seen: &[
                "Write { fh: 5, offset: 256, data: [97, 98, 99], flags: 1, direct: false, from_cache: false }",
            ],
            answer: answer("18000000 00000000", "02000000 00000000 # size, padding"),
        },
        Case {
            length: "50000000",
            opcode: "0f000000", // READ, a program's own
            body: "0500000000000000 0001000000000000 10000000 02000000 # read_flags: LOCKOWNER
                   0900000000000000 00080000 00000000",
            seen: &["Read { fh: 5, offset: 256, size: 16, flags: 2048, direct: true }"],
            answer: answer("13000000 00000000", "616263"),
        },
        Case {
            length: "53000000",
            opcode: "10000000", // WRITE, a program's own
            body: "0500000000000000 0001000000000000 03000000 02000000 # write_flags: LOCKOWNER
                   0900000000000000 01000000 00000000 616263",
            seen: &[
                "Write { fh: 5, offset: 256, data: [97, 98, 99], flags: 1, direct: true, from_cache: false }",
            ],
            answer: answer("18000000 00000000", "02000000 00000000"),
        },
        Case {
            length: "53000000",
            opcode: "10000000", // WRITE, of changed pages
            body: "0500000000000000 0001000000000000 03000000 01000000 # write_flags: CACHE
                   0000000000000000 01000000 00000000 616263",
            seen: &[
                "Write { fh: 5, offset: 256, data: [97, 98, 99], flags: 1, direct: false, from_cache: true }",
            ],
            answer: answer("18000000 00000000", "02000000 00000000"),
        },
        Case {
            length: "40000000",
            opcode: "19000000", // FLUSH
            body: "0500000000000000 00000000 00000000 0900000000000000 # fh, unused, padding, lock_owner",
            seen: &["Flush { fh: 5, lock_owner: 9 }"],
            answer: answer(EMPTY, ""),
        },
        Case {
            length: "38000000",
            opcode: "14000000", // FSYNC
            body: "0500000000000000 01000000 00000000 # fh, fsync_flags, padding",
            seen: &["Fsync { fh: 5, data_only: true }"],
            answer: answer("10000000 e2ffffff", ""), // -30
        },
        Case {
            length: "4b000000",
            opcode: "27000000", // IOCTL, restricted, from 32 bits
            body: "0500000000000000 09000000 # fh, flags
                   00566880 7856341200000000 # cmd, arg
                   03000000 04000000 # in_size, out_size
                   010203",
            seen: &["Ioctl { fh: 5, flags: COMPAT|BITS_32, cmd: 2154321408, arg: 305419896, \
                     data: [1, 2, 3], out_size: 4 }"],
            answer: answer(
                "23000000 00000000",
                "fcffffff 00000000 00000000 00000000 # result, flags, in_iovs, out_iovs
                 78797a",
            ),
        },
        Case {
            length: "48000000",
            opcode: "27000000", // IOCTL, unrestricted
            body: "0500000000000000 02000000 00566880 7856341200000000 00000000 00000000",
            seen: &[
                "Ioctl { fh: 5, flags: UNRESTRICTED, cmd: 2154321408, arg: 305419896, data: [], out_size: 0 }",
            ],
            answer: answer(
                "50000000 00000000",
                "00000000 04000000 02000000 01000000 # result, flags, in_iovs, out_iovs
                 0070000000000000 0800000000000000
                 0080000000000000 0100000000000000
                 0090000000000000 0400000000000000",
            ),
        },
        Case {
            length: "40000000",
            opcode: "28000000", // POLL
            body: "0500000000000000 0a00000000000000 01000000 43000000 # fh, kh, flags, events",
            seen: &["Poll { fh: 5, kh: 10, notify: true, events: 67 }"],
            answer: answer("18000000 00000000", "41000000 00000000 # revents, padding"),
        },
    ]
}

fn node_cases() -> Vec<Case> {
    vec![
        Case {
            length: "2c000000",
            opcode: "01000000", // LOOKUP
            body: "61626300",
            seen: &["Lookup { name: [97, 98, 99] }"],
            answer: answer(
                "90000000 00000000",
                &format!("0900000000000000 0800000000000000 # nodeid, generation
                    0100000000000000 0300000000000000 02000000 04000000 # entry_valid, attr_valid, their nanoseconds
                    {ATTR}"),
            ),
        },
        Case {
            length: "38000000",
            opcode: "03000000", // GETATTR
            body: "01000000 00000000 0500000000000000 # getattr_flags, dummy, fh",
            seen: &["Getattr { fh: Some(5) }"],
            answer: answer("78000000 00000000", &format!("0300000000000000 04000000 00000000 {ATTR}")),
        },
        Case {
            length: "80000000",
            opcode: "04000000", // SETATTR
            body: "bb010000 00000000 # valid: MODE UID ATIME MTIME SIZE no GID, ATIME_NOW, MTIME_NOW
                   0500000000000000 0001000000000000 0000000000000000 # fh, size, lock_owner
                   0100000000000000 0200000000000000 0300000000000000 # atime, mtime, ctime
                   04000000 05000000 06000000 a4010000 # their nanoseconds, mode
                   00000000 e8030000 e9030000 00000000 # unused4, uid, gid, unused5",
            seen: &["Setattr { fh: None, mode: Some(420), uid: Some(1000), gid: None, size: Some(256), \
                     atime: Some(Now), mtime: Some(Now) }"],
            answer: answer("78000000 00000000", &format!("0000000000000000 00000000 00000000 {ATTR}")),
        },
        Case {
            length: "30000000",
            opcode: "02000000", // FORGET
            body: "0300000000000000",
            seen: &["Forget { nodeid: 2, nlookup: 3 }"],
            answer: None,
        },
        Case {
            length: "50000000",
            opcode: "2a000000", // BATCH_FORGET
            body: "02000000 00000000 # count, dummy
                   0400000000000000 0100000000000000
                   0500000000000000 0200000000000000",
            seen: &["Forget { nodeid: 4, nlookup: 1 }", "Forget { nodeid: 5, nlookup: 2 }"],
            answer: None,
        },
        Case {
            length: "30000000",
            opcode: "1b000000", // OPENDIR
            body: "00800100 00000000",
            seen: &["Opendir { flags: 98304 }"],
            answer: answer("20000000 00000000", "0600000000000000 08000000 00000000"),
        },
        Case {
            length: "50000000",
            opcode: "1c000000", // READDIR
            body: "0600000000000000 0100000000000000 60000000 00000000 0000000000000000 00800100 00000000",
            seen: &["Readdir { fh: 6, offset: 1, size: 96 }"],
            answer: answer(
                "58000000 00000000",
                "1100000000000000 0100000000000000 01000000 04000000 2e00000000000000 # ino, off, namelen, type, name
                 1200000000000000 0200000000000000 09000000 02000000 766964656f2d7369 6d00000000000000",
            ),
        },
        Case {
            length: "40000000",
            opcode: "1d000000", // RELEASEDIR
            body: "0600000000000000 00800100 00000000 0000000000000000",
            seen: &["Releasedir { fh: 6 }"],
            answer: answer(EMPTY, ""),
        },
        Case {
            length: "28000000",
            opcode: "11000000", // STATFS
            body: "",
            seen: &["\"statfs\""],
            answer: answer(
                "60000000 00000000",
                "0100000000000000 0200000000000000 0300000000000000 0400000000000000 0500000000000000
                 06000000 07000000 08000000 00000000 # bsize, namelen, frsize, padding
                 00000000 00000000 00000000 00000000 00000000 00000000",
            ),
        },
        Case {
            length: "40000000",
            opcode: "2e000000", // LSEEK
            body: "0500000000000000 0001000000000000 03000000 00000000 # fh, offset, whence",
            seen: &["Lseek { fh: 5, offset: 256, whence: 3 }"],
            answer: answer("18000000 00000000", "9900000000000000"),
        },
        Case {
            length: "53000000",
            opcode: "29000000", // NOTIFY_REPLY
            body: "0000000000000000 0001000000000000 03000000 00000000 0000000000000000 0000000000000000 616263",
            seen: &["Retrieved { notify_unique: 7, offset: 256, data: [97, 98, 99] }"],
            answer: None,
        },
        Case { length: "28000000", opcode: "26000000", body: "", seen: &["\"destroy\""], answer: answer(EMPTY, "") }, // DESTROY
        Case { length: "28000000", opcode: "05000000", body: "", seen: &[], answer: answer("10000000 daffffff", "") }, // READLINK: -38
    ]
}

#[test]
fn every_request_and_every_answer() {
    for case in file_cases().into_iter().chain(node_cases()) {
        let (script, session) = file_system();
        script.message(&request(case.length, case.opcode, 7, case.body)).end();
        let recorder = Recorder::default();
        session.serve(&recorder).expect("the end");
        assert_eq!(recorder.0.into_inner().expect("a lock"), case.seen, "opcode {}", case.opcode);
        let sent: Vec<String> = script.sent().iter().map(|bytes| text(bytes)).collect();
        let expected: Vec<String> = case.answer.iter().map(|answer| text(&hex(answer))).collect();
        assert_eq!(sent, expected, "opcode {}", case.opcode);
    }
}

/// A node's opcodes are none of a character device's.
#[test]
fn a_character_device_refuses_what_is_asked_of_file_systems() {
    for case in node_cases() {
        let (script, session) = support::device();
        script.message(&request(case.length, case.opcode, 7, case.body)).end();
        session.serve(&Recorder::default()).expect("the end");
        let expected = if case.answer.is_some() { vec![support::refusal(7, 38)] } else { vec![] };
        assert_eq!(script.sent(), expected, "opcode {}", case.opcode);
    }
}

#[test]
fn every_request_that_is_cut_short_is_answered_with_eio() {
    for case in file_cases().into_iter().chain(node_cases()) {
        let whole = request(case.length, case.opcode, 7, case.body);
        for length in 40..whole.len() {
            let (script, session) = file_system();
            let mut cut = whole[..length].to_vec();
            cut[..4].copy_from_slice(&u32::try_from(length).expect("small").to_le_bytes());
            script.message(&cut).end();
            let recorder = Recorder::default();
            session.serve(&recorder).expect("the end");
            let seen = recorder.0.into_inner().expect("a lock");
            assert_eq!(seen, [""; 0], "opcode {} cut to {length}", case.opcode);
            let expected =
                if case.answer.is_some() { vec![support::refusal(7, 5)] } else { vec![] };
            assert_eq!(script.sent(), expected, "opcode {} cut to {length}", case.opcode);
        }
    }
}

/// Who polls is woken by the name that the newest request gave, if it waits.
#[test]
fn a_waker_is_who_polls() {
    #[derive(Default)]
    struct Wakes(Mutex<Vec<Option<Waker>>>);
    impl Handler for Wakes {
        fn poll(&self, _: &Header, _: &Poll, reply: PollReply) {
            self.0.lock().expect("a lock").push(reply.waker());
            reply.events(0);
        }
    }
    let (script, session) = support::device();
    for flags in ["01000000", "00000000"] {
        let body = format!("0500000000000000 0a00000000000000 {flags} 43000000");
        script.message(&request("40000000", "28000000", 7, &body));
    }
    script.end();
    let wakes = Wakes::default();
    session.serve(&wakes).expect("the end");
    let wakers = wakes.0.into_inner().expect("a lock");
    let [Some(waker), None] = &wakers[..] else { panic!("{wakers:?}") };
    assert_eq!(script.sent().len(), 2);
    waker.wake().expect("it is told");
    let sent: Vec<String> = script.sent().iter().map(|bytes| text(bytes)).collect();
    assert_eq!(sent, [text(&hex("18000000 01000000 0000000000000000 0a00000000000000"))]);
    drop(session);
    assert_eq!(waker.wake().expect_err("over").raw_os_error(), Some(libc::ENODEV));
}

#[test]
fn every_notification() {
    type Tell = fn(&Notifier<Fuse>) -> std::io::Result<()>;
    let cases: [(&str, Tell); 5] = [
        ("18000000 01000000 0000000000000000 0a00000000000000", |it| it.poll_wakeup(10)),
        (
            "28000000 02000000 0000000000000000
             0200000000000000 ffffffffffffffff 0001000000000000 # ino, off, len",
            |it| it.inval_inode(2, -1, 256),
        ),
        (
            "24000000 03000000 0000000000000000
             0100000000000000 03000000 00000000 61626300 # parent, namelen, flags, name",
            |it| it.inval_entry(1, b"abc"),
        ),
        (
            "2b000000 04000000 0000000000000000
             0200000000000000 0010000000000000 03000000 00000000 # nodeid, offset, size, padding
             616263",
            |it| it.store(2, 4096, b"abc"),
        ),
        (
            "30000000 05000000 0000000000000000
             6300000000000000 0200000000000000 0010000000000000 03000000 00000000",
            |it| it.retrieve(99, 2, 4096, 3),
        ),
    ];
    for (expected, tell) in cases {
        let (script, session) = file_system();
        tell(&session.notifier()).expect("it is sent");
        let sent: Vec<String> = script.sent().iter().map(|bytes| text(bytes)).collect();
        assert_eq!(sent, [text(&hex(expected))]);
    }
}
