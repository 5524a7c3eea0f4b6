//! How a session begins and ends, over a scripted kernel.
#![allow(clippy::expect_used, reason = "this is test code")]

mod support;

use cuse_rs::channel::script::Script;
use cuse_rs::*;
use support::{NOTHING, cuse_init, device, file_system, fuse_init, hex, open, request, text};

struct Nothing;
impl Handler for Nothing {}
impl FileSystem for Nothing {
    fn lookup(&self, _: &Header, _: &Lookup<'_>, reply: EntryReply) {
        reply.error(Errno::ENOENT);
    }
    fn getattr(&self, _: &Header, _: &Getattr, reply: AttrReply) {
        reply.error(Errno::ENOENT);
    }
}

fn texts(script: &Script) -> Vec<String> {
    script.sent().iter().map(|bytes| text(bytes)).collect()
}

#[test]
fn the_answer_to_cuse_init_names_the_device() {
    let config = CuseConfig {
        device: Some((81, 5)),
        unrestricted_ioctl: true,
        max_read: 4096,
        max_write: 8192,
        ..CuseConfig::new("video-sim")
    };
    let script = Script::new();
    script.message(&cuse_init());
    let session = Session::<Cuse>::new(script.clone(), &config).expect("a session");
    assert_eq!(session.minor(), 45);
    let expected = hex("6a000000 00000000 0200000000000000 # len, error, unique
         07000000 2d000000 00000000 01000000 # major, minor, unused, flags
         00100000 00200000 51000000 05000000 # max_read, max_write, dev_major, dev_minor
         0000000000000000000000000000000000000000 0000000000000000000000000000000000000000
         4445564e414d453d 766964656f2d73696d 00 # DEVNAME=video-sim");
    assert_eq!(texts(&script), [text(&expected)]);
}

#[test]
fn a_device_has_numbers_of_the_kernels_choice_and_restricted_ioctls_by_default() {
    let script = Script::new();
    script.message(&cuse_init());
    Session::<Cuse>::new(script.clone(), &CuseConfig::new("a")).expect("a session");
    let expected = "00000000 00000200 00000200 00000000 00000000"; // flags, max_read, max_write, major, minor
    let sent = texts(&script);
    assert!(sent[0].contains(&text(&hex(expected))), "{sent:?}");
}

/// Each flag alone is asked for only if it is wanted and offered.
#[test]
fn the_answer_to_init_has_what_is_wanted_and_offered() {
    let unused = "00000000".repeat(11);
    let offer = |flags: &str, flags2: &str| {
        let body = format!("07000000 29000000 00000200 {flags} {flags2} {unused}");
        request("68000000", "1a000000", 2, &body)
    };
    let passthrough = FuseConfig { flags: InitFlags::PASSTHROUGH, ..FuseConfig::default() };
    let always = InitFlags::ASYNC_READ | InitFlags::PARALLEL_DIROPS | InitFlags::INIT_EXT;
    // What is wanted, what is offered; flags, flags2 and max_stack_depth in the answer.
    let rows = [
        (
            FuseConfig::default(),
            offer("ffffffff", "ffffffff"),
            ["01000440", "00000000", "00000000"],
            always,
        ),
        (
            passthrough,
            offer("ffffffff", "ffffffff"),
            ["01000440", "20000000", "01000000"],
            always | InitFlags::PASSTHROUGH,
        ),
        (passthrough, offer("ffffffff", "00000000"), ["01000440", "00000000", "00000000"], always),
        // Without INIT_EXT the second word is not the kernel's.
        (
            passthrough,
            offer("0100003f", "ffffffff"),
            ["01000000", "00000000", "00000000"],
            InitFlags::ASYNC_READ,
        ),
    ];
    for (config, message, [flags, flags2, depth], agreed) in rows {
        let script = Script::new();
        script.message(&message);
        let session = Session::<Fuse>::new(script.clone(), &config).expect("a session");
        assert_eq!((session.flags(), session.minor()), (agreed, 41));
        let expected = hex(&format!(
            "50000000 00000000 0200000000000000
             07000000 29000000 00000200 {flags} # major, minor, max_readahead, flags
             0000 0000 00000200 01000000 0000 0000 # max_background, congestion_threshold, max_write, time_gran, max_pages, map_alignment
             {flags2} {depth} 0000 00000000000000000000000000000000000000000000"
        ));
        assert_eq!(texts(&script), [text(&expected)]);
    }
}

/// Long requests are had where the kernel has them, and are 128 KiB where it has not.
#[test]
fn the_answer_to_init_has_as_long_requests_as_the_kernel_offers() {
    let unused = "00000000".repeat(11);
    let wanted = |max_write| FuseConfig { max_write, ..FuseConfig::default() };
    // max_write wanted, flags offered; flags, max_write and max_pages in the answer.
    let rows = [
        (1 << 20, "ffffff7f", ["01004440", "00001000", "0001"], 1 << 20),
        (u32::MAX, "ffffff7f", ["01004440", "00001000", "0001"], 1 << 20),
        (300_000, "ffffff7f", ["01004440", "e0930400", "4a00"], 300_000),
        (1 << 20, "ffffbf7f", ["01000440", "00000200", "2000"], 131_072),
        (8192, "ffffff7f", ["01000440", "00200000", "0000"], 8192),
    ];
    for (max_write, offered, [flags, length, pages], agreed) in rows {
        let script = Script::new();
        let body = format!("07000000 29000000 00000200 {offered} 00000000 {unused}");
        script.message(&request("68000000", "1a000000", 2, &body));
        let session = Session::<Fuse>::new(script.clone(), &wanted(max_write)).expect("a session");
        assert_eq!(session.max_write(), agreed);
        let expected = hex(&format!(
            "50000000 00000000 0200000000000000
             07000000 29000000 00000200 {flags} # major, minor, max_readahead, flags
             0000 0000 {length} 01000000 {pages} 0000 # max_background, congestion_threshold, max_write, time_gran, max_pages, map_alignment
             00000000 00000000 0000 00000000000000000000000000000000000000000000"
        ));
        assert_eq!(texts(&script), [text(&expected)]);
    }
}

/// Two connections number their requests alike; the process tells them apart.
#[test]
fn requests_of_two_sessions_have_different_ids() {
    #[derive(Default)]
    struct Seen(std::sync::Mutex<Vec<(u64, u64)>>);
    impl Handler for Seen {
        fn read(&self, header: &Header, _: &Read, reply: ReadReply) {
            assert_eq!(reply.id(), header.id);
            self.0.lock().expect("a lock").push((header.unique, header.id));
            reply.data(b"");
        }
    }
    let seen = Seen::default();
    for _ in 0..2 {
        let (script, session) = device();
        script.message(&support::read(4)).end();
        session.serve(&seen).expect("the end");
    }
    let seen = seen.0.into_inner().expect("a lock");
    let [(4, first), (4, second)] = seen[..] else { panic!("{seen:?}") };
    assert_ne!(first, second);
}

#[test]
fn a_first_message_that_cannot_be_served_is_named() {
    let old = request("38000000", "00100000", 2, "07000000 1e000000 00000000 01000000");
    let other = request("38000000", "00100000", 2, "08000000 00000000 00000000 01000000");
    let rows = [
        (old, "protocol 7.30 is not served"),
        (other, "protocol 8.0 is not served"),
        (fuse_init(), "FUSE_INIT instead of CUSE_INIT"),
        (request("28000000", "00100000", 2, ""), "cuse_init_in needs 16 bytes, and has 0"),
        (hex("10000000 00100000"), "fuse_in_header needs 40 bytes, and has 8"),
        (request("29000000", "00100000", 2, ""), "the header says 41 bytes, and there are 40"),
    ];
    for (message, words) in rows {
        let script = Script::new();
        script.message(&message);
        let error = Session::<Cuse>::new(script, &CuseConfig::new("a")).expect_err("a refusal");
        assert!(matches!(error, Error::Handshake(_)), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let script = Script::new();
    script.message(&cuse_init());
    let error = Session::<Fuse>::new(script, &FuseConfig::default()).expect_err("a refusal");
    assert!(error.to_string().contains("CUSE_INIT instead of FUSE_INIT"), "{error}");
}

/// What the kernel dislikes in an answer it takes, it says by ending the connection.
#[test]
fn a_name_that_is_taken_is_an_error_that_says_so() {
    let script = Script::new();
    script.message(&cuse_init()).end();
    let error = Session::<Cuse>::new(script, &CuseConfig::new("video0")).expect_err("a refusal");
    let words = error.to_string();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(words.contains("video0") && words.contains("/sys/class/cuse"), "{words}");
}

#[test]
fn a_name_that_is_none_is_refused_before_the_kernel_is_asked() {
    for name in ["", ".", "..", "a b", "a\tb", "a\0b", "a/b", "a!b", "a\u{a0}b", &"a".repeat(256)] {
        let error =
            Session::<Cuse>::new(Script::new(), &CuseConfig::new(name)).expect_err("a refusal");
        assert!(matches!(error, Error::Config(_)), "{name:?}: {error:?}");
    }
    device(); // and "a" is one
}

#[test]
fn what_a_read_says_decides_whether_the_session_goes_on() {
    for errno in [libc::EINTR, libc::EAGAIN, libc::ENOENT] {
        let (script, session) = device();
        script.failure(errno).message(&open(4)).end();
        session.serve(&Nothing).expect("the end");
        assert_eq!(script.sent().len(), 1, "after errno {errno}");
    }
    let (script, session) = device();
    script.failure(libc::ENODEV).message(&open(4));
    session.serve(&Nothing).expect("the end");
    assert_eq!(script.sent().len(), 0);

    let (script, session) = device();
    script.failure(libc::EPERM).message(&open(4));
    let error = session.serve(&Nothing).expect_err("no permission");
    assert!(error.to_string().contains("can't read a request"), "{error}");
}

/// The first read too: a signal is no reason to have no device.
#[test]
fn a_handshake_goes_on_after_a_signal() {
    let script = Script::new();
    script.failure(libc::EINTR).message(&cuse_init());
    Session::<Cuse>::new(script, &CuseConfig::new("a")).expect("a session");
    let script = Script::new();
    script.failure(libc::EPERM);
    let error = Session::<Fuse>::new(script, &FuseConfig::default()).expect_err("not mounted");
    assert!(matches!(error, Error::Channel { .. }), "{error:?}");
}

#[test]
fn a_message_without_a_header_is_skipped() {
    let (script, session) = file_system();
    script
        .message(&[])
        .message(&[1, 2, 3])
        .message(&request("29000000", "0e000000", 4, ""))
        .message(&open(6))
        .end();
    session.serve(&Nothing).expect("the end");
    let sent = script.sent();
    assert_eq!((sent.len(), sent[0][8]), (1, 6));
}

/// What its own header doesn't count is no part of a message, so it is none.
#[test]
fn a_message_of_another_length_than_it_says_is_skipped() {
    let body = "02800000 00000000";
    for said in ["2c000000", "2f000000", "31000000"] {
        let (script, session) = file_system();
        script.message(&request(said, "0e000000", 4, body)).message(&open(6)).end();
        session.serve(&Nothing).expect("the end");
        let sent = script.sent();
        assert_eq!((sent.len(), sent[0][8]), (1, 6), "{said}");
    }
}

/// Extensions lie behind the body, and are none of it.
#[test]
fn what_follows_a_body_is_left_out() {
    let mut message = request("34000000", "01000000", 4, "6162 0000 0000 0000 0000 0000");
    message[36] = 1; // total_extlen: 8 bytes
    let (script, session) = file_system();
    script.message(&message).end();
    session.serve(&Nothing).expect("the end");
    assert_eq!(texts(&script), [text(&support::refusal(4, libc::ENOENT))]);
    message[36] = 2; // more than there is
    let (script, session) = file_system();
    script.message(&message).end();
    session.serve(&Nothing).expect("the end");
    assert_eq!(script.sent(), NOTHING);
}

#[test]
fn a_stop_brings_all_threads_back() {
    let (script, session) = device();
    let stopper = session.stopper();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(|| session.serve(&Nothing))).collect();
        stopper.stop();
        for thread in threads {
            thread.join().expect("its end").expect("no error");
        }
    });
    script.message(&open(4));
    session.serve(&Nothing).expect("it stays stopped");
    assert_eq!(script.sent().len(), 0);
}

#[test]
fn sessions_and_their_parts_may_go_anywhere() {
    fn anywhere<T: Send + Sync + 'static>() {}
    fn elsewhere<T: Send + 'static>() {}
    anywhere::<Session<Cuse>>();
    anywhere::<Session<Fuse>>();
    anywhere::<Notifier<Cuse>>();
    anywhere::<Stopper>();
    anywhere::<Interrupts>();
    anywhere::<BackingId>();
    elsewhere::<ReadReply>();
    let (script, session) = device();
    script.end();
    let handler: &dyn Handler = &Nothing;
    session.serve(handler).expect("the end");
    elsewhere::<DirectoryReply>();
}
