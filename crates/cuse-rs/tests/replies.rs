//! An answer is given once: whatever its handler does, and whenever an interrupt comes.
#![allow(clippy::expect_used, reason = "this is test code")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cuse_rs::channel::script::Script;
use cuse_rs::*;
use support::{NOTHING, device, hex, interrupt, open, read, refusal, request};

/// Parks the answers to `READ`, and does with them what it is told.
#[derive(Default)]
struct Parker {
    parked: Arc<Mutex<Vec<ReadReply>>>,
    listens: bool,
    told: Arc<AtomicUsize>,
}

impl Parker {
    fn listening() -> Self {
        Self { listens: true, ..Self::default() }
    }

    fn take(&self) -> ReadReply {
        self.parked.lock().expect("a lock").pop().expect("a parked answer")
    }
}

impl Handler for Parker {
    fn read(&self, _: &Header, _: &Read, reply: ReadReply) {
        if self.listens {
            let (parked, told, unique) =
                (Arc::clone(&self.parked), Arc::clone(&self.told), reply.id());
            self.parked.lock().expect("a lock").push(reply);
            let callback = Box::new(move || {
                told.fetch_add(1, Ordering::SeqCst);
                let mut parked = parked.lock().expect("a lock");
                if let Some(place) = parked.iter().position(|reply| reply.id() == unique) {
                    parked.remove(place).error(Errno::EINTR);
                }
            });
            // Outside the lock: an interrupt that is there already calls back at once.
            let handle = self.parked.lock().expect("a lock").last().map(ReadReply::interrupts);
            handle.expect("it was just parked").on_interrupt(callback);
        } else {
            self.parked.lock().expect("a lock").push(reply);
        }
    }
}

/// A callback that counts.
fn count_up(told: &Arc<AtomicUsize>) -> Box<dyn FnOnce() + Send> {
    let told = Arc::clone(told);
    Box::new(move || {
        told.fetch_add(1, Ordering::SeqCst);
    })
}

fn serve(script: &Script, session: &Session<Cuse>, handler: &impl Handler) -> Vec<Vec<u8>> {
    script.end();
    session.serve(handler).expect("the end");
    script.sent()
}

#[test]
fn a_parked_answer_is_sent_later_and_from_another_thread() {
    let (script, session) = device();
    let parker = Parker::default();
    script.message(&read(4)).message(&read(6));
    assert_eq!(serve(&script, &session, &parker), NOTHING, "nothing is sent yet");
    let reply = parker.take();
    let delivery = std::thread::spawn(move || reply.data(b"x")).join().expect("its end");
    assert_eq!(delivery, Delivery::Sent);
    assert_eq!(script.sent(), [hex("11000000 00000000 0600000000000000 78")]);
    parker.take().error(Errno::EPIPE);
    assert_eq!(script.sent(), [refusal(4, 32)]);
}

#[test]
fn a_dropped_answer_is_eio() {
    let (script, session) = device();
    let parker = Parker::default();
    script.message(&read(4));
    serve(&script, &session, &parker);
    drop(parker);
    assert_eq!(script.sent(), [refusal(4, 5)]);
}

#[test]
fn an_error_without_a_number_is_eio() {
    let (script, session) = device();
    let parker = Parker::default();
    script.message(&read(4));
    serve(&script, &session, &parker);
    parker.take().error(Errno::UnknownErrno);
    assert_eq!(script.sent(), [refusal(4, 5)]);
}

#[test]
fn an_answer_that_nobody_waits_for_is_lost() {
    for errno in [libc::ENOENT, libc::ENODEV] {
        let (script, session) = device();
        let parker = Parker::default();
        script.message(&read(4)).refuse(errno);
        serve(&script, &session, &parker);
        assert_eq!(parker.take().data(b"x"), Delivery::Lost);
        assert_eq!(script.sent(), NOTHING);
    }
}

/// The kernel would otherwise keep the caller waiting for an answer that it refused to take.
#[test]
fn an_answer_that_the_kernel_refuses_becomes_eio() {
    let (script, session) = device();
    let parker = Parker::default();
    script.message(&read(4)).refuse(libc::EINVAL);
    serve(&script, &session, &parker);
    assert_eq!(parker.take().data(b"x"), Delivery::Lost);
    assert_eq!(script.sent(), [refusal(4, 5)]);
}

/// Says more than was asked for, in every answer that has a length.
struct Talker;

impl Handler for Talker {
    fn read(&self, _: &Header, _: &Read, reply: ReadReply) {
        reply.data(&[0; 17]);
    }
    fn write(&self, _: &Header, _: &Write<'_>, reply: WriteReply) {
        reply.written(4);
    }
    fn ioctl(&self, _: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        let piece = Piece { base: 0, len: 1 };
        match request.cmd {
            0 => reply.ok(0, &[0; 5]),
            1 => reply.retry(&[], &[]),
            _ => reply.retry(&[piece; 200], &[piece; 57]),
        };
    }
}

#[test]
fn an_answer_that_is_too_much_is_a_mistake() {
    let ioctl = |flags: &str, cmd: &str| {
        let body = format!("0500000000000000 {flags} {cmd} 0000000000000000 00000000 04000000");
        request("48000000", "27000000", 4, &body)
    };
    let write = "0500000000000000 0000000000000000 03000000 00000000 0000000000000000 00000000 00000000 616263";
    let rows = [
        ("READ", read(4), 5),
        ("WRITE", request("53000000", "10000000", 4, write), 5),
        ("IOCTL, too long", ioctl("00000000", "00000000"), 5),
        ("IOCTL, retry when restricted", ioctl("00000000", "01000000"), 5),
        ("IOCTL, too many pieces", ioctl("02000000", "02000000"), 12),
    ];
    for (name, message, errno) in rows {
        let (script, session) = device();
        script.message(&message);
        assert_eq!(serve(&script, &session, &Talker), [refusal(4, errno)], "{name}");
    }
}

#[test]
fn what_is_not_written_has_the_errno_of_a_device_that_has_it_not() {
    struct Nothing;
    impl Handler for Nothing {}
    let ioctl = "0500000000000000 00000000 00000000 0000000000000000 00000000 00000000";
    let poll = "0500000000000000 0a00000000000000 01000000 43000000";
    let rows = [
        (read(4), refusal(4, libc::EINVAL)),
        (open(4), hex("20000000 00000000 0400000000000000 0000000000000000 00000000 00000000")),
        (request("48000000", "27000000", 4, ioctl), refusal(4, libc::ENOTTY)),
        (request("40000000", "28000000", 4, poll), refusal(4, libc::ENOSYS)),
    ];
    for (message, answer) in rows {
        let (script, session) = device();
        script.message(&message);
        assert_eq!(serve(&script, &session, &Nothing), [answer]);
    }
}

#[test]
fn an_interrupt_reaches_the_parked_answer() {
    let (script, session) = device();
    let parker = Parker::listening();
    script.message(&read(4)).message(&read(6)).message(&interrupt(4));
    assert_eq!(serve(&script, &session, &parker), [refusal(4, 4)], "and INTERRUPT has no answer");
    assert_eq!(parker.told.load(Ordering::SeqCst), 1);
    assert_eq!(parker.parked.lock().expect("a lock").len(), 1, "6 waits on");
}

/// Two readers: one has the request and has not handed it on, the other reads its interrupt.
#[test]
fn an_interrupt_that_overtakes_is_asked_for_again() {
    let (script, session) = device();
    let parker = Parker::listening();
    script.message(&interrupt(4)).message(&read(4)).message(&interrupt(4));
    assert_eq!(serve(&script, &session, &parker), [refusal(5, libc::EAGAIN), refusal(4, 4)]);
}

/// A handler that asks for interrupts late is told of the one that came before.
#[test]
fn an_interrupt_before_the_callback_calls_it_at_once() {
    let (script, session) = device();
    let parker = Parker::default();
    script.message(&read(4)).message(&interrupt(4)).message(&interrupt(4));
    assert_eq!(serve(&script, &session, &parker), NOTHING, "no answer: it is known, and ignored");
    let reply = parker.take();
    let told = Arc::new(AtomicUsize::new(0));
    reply.on_interrupt(count_up(&told));
    assert_eq!(told.load(Ordering::SeqCst), 1);
    reply.data(b"");
}

#[test]
fn an_interrupt_after_the_answer_calls_nobody() {
    let (script, session) = device();
    let parker = Parker::default();
    script.message(&read(4));
    serve(&script, &session, &parker);
    let told = Arc::new(AtomicUsize::new(0));
    let reply = parker.take();
    let interrupts = reply.interrupts();
    reply.on_interrupt(count_up(&told));
    reply.data(b"");
    script.message(&interrupt(4));
    session.serve(&parker).expect("the end");
    // The kernel takes no notice of EAGAIN for a request that is answered.
    assert_eq!(script.sent()[1..], [refusal(5, libc::EAGAIN)]);
    interrupts.on_interrupt(count_up(&told));
    assert_eq!(told.load(Ordering::SeqCst), 0);
    assert_eq!(Arc::strong_count(&told), 1, "the callbacks are dropped");
}

/// `ENOSYS` would end all interrupts of the connection.
#[test]
fn an_interrupt_that_cannot_be_read_has_no_answer() {
    let (script, session) = device();
    script.message(&request("2c000000", "24000000", 5, "04000000"));
    assert_eq!(serve(&script, &session, &Parker::default()), NOTHING);
}

/// An interrupt and an answer at the same time, many times over: one answer each.
#[test]
fn an_interrupt_and_an_answer_at_once_give_one_answer() {
    for _ in 0..200 {
        let (script, session) = device();
        let parker = Parker::listening();
        script.message(&read(4));
        serve(&script, &session, &parker);
        script.message(&interrupt(4));
        std::thread::scope(|scope| {
            scope.spawn(|| session.serve(&parker).expect("the end"));
            scope.spawn(|| {
                let reply = parker.parked.lock().expect("a lock").pop();
                reply.map(|reply| reply.data(b"x"))
            });
        });
        let sent = script.sent();
        let answers = sent.iter().filter(|bytes| bytes[8] == 4).count();
        assert_eq!(answers, 1, "{sent:?}");
    }
}
