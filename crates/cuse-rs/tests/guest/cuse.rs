//! Character devices on the kernel's own `/dev/cuse`, for both engines.

#[path = "../../examples/memo.rs"]
mod memo;

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::guest::{Counting, SOON, client, in_guest, succeeds, until};
use cuse_rs::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, seteuid};

/// Says that this process is to be the example.
const MEMO: &str = "CUSE_RS_MEMO";

pub(crate) fn the_memo_keeps_bytes_and_goes_when_it_is_told_to(engine: &str) {
    let name = "the_memo_keeps_bytes_and_goes_when_it_is_told_to";
    if std::env::var_os(MEMO).is_some() {
        return memo::main().expect("a device");
    }
    in_guest(engine, name, || {
        let myself = std::env::current_exe().expect("this program");
        let start = || {
            let mut command = Command::new(&myself);
            command.args(["--exact", name, "--nocapture"]).env(MEMO, "");
            command
        };
        let mut daemon = start().spawn().expect("it starts");
        until("a node", || Path::new("/dev/memo").exists());
        succeeds(client("memo", "/dev/memo"));
        // A second one of the name is told why it can't be; the first doesn't suffer.
        let second = start().output().expect("its end");
        let words = String::from_utf8_lossy(&second.stderr).into_owned();
        assert!(!second.status.success() && words.contains("Refused"), "{words}");
        assert!(Path::new("/dev/memo").exists() && daemon.try_wait().expect("a state").is_none());
        let pid = Pid::from_raw(daemon.id().try_into().expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("a signal");
        assert_eq!(daemon.wait().expect("its end").signal(), Some(libc::SIGTERM));
        until("no node", || !Path::new("/dev/memo").exists());
    });
}

/// Numbers of the caller's choice are had, or refused where another driver has them; and only root may ask.
pub(crate) fn numbers_of_ones_own_are_had_or_refused(engine: &str) {
    in_guest(engine, "numbers_of_ones_own_are_had_or_refused", || {
        let at = |device| CuseConfig { device: Some(device), ..CuseConfig::new("numbered") };
        let session = Session::<Cuse>::open(&at((400, 7))).expect("a device");
        let rdev = std::fs::metadata("/dev/numbered").expect("a node").rdev();
        assert_eq!((libc::major(rdev), libc::minor(rdev)), (400, 7));
        drop(session);
        until("no node", || !Path::new("/dev/numbered").exists());
        // 10 is the kernel's misc driver, that of /dev/cuse.
        let error = Session::<Cuse>::open(&at((10, 203))).expect_err("taken");
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");

        seteuid(Uid::from_raw(1000)).expect("another user");
        let error = Session::<Cuse>::open(&at((0, 0))).expect_err("forbidden");
        seteuid(Uid::from_raw(0)).expect("root again");
        let words = error.to_string();
        assert!(words.starts_with("can't open /dev/cuse: Permission denied"), "{words}");
        assert!(words.contains("root"), "{words}");
    });
}

/// Parks reads and the ioctl `WAIT`; only reads listen for interrupts.
#[derive(Default)]
struct Parker {
    reads: Arc<Mutex<Vec<ReadReply>>>,
    ioctl: Mutex<Option<IoctlReply>>,
}

impl Parker {
    fn waiting(&self) -> usize {
        self.reads.lock().expect("a lock").len()
    }
}

impl Handler for Parker {
    fn read(&self, _: &Header, _: &Read, reply: ReadReply) {
        let (interrupts, unique, reads) = (reply.interrupts(), reply.id(), Arc::clone(&self.reads));
        self.reads.lock().expect("a lock").push(reply);
        interrupts.on_interrupt(Box::new(move || {
            let mut reads = reads.lock().expect("a lock");
            if let Some(place) = reads.iter().position(|reply| reply.id() == unique) {
                reads.remove(place).error(Errno::EINTR);
            }
        }));
    }

    fn ioctl(&self, _: &Header, _: &Ioctl<'_>, reply: IoctlReply) {
        *self.ioctl.lock().expect("a lock") = Some(reply);
    }
}

/// Stops also when a test panics, or nobody would see why.
struct Stops(Stopper);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Runs `body` beside `count` reader threads, and ends the session in order.
fn served(count: usize, session: Session<Cuse>, handler: &impl Handler, body: impl FnOnce()) {
    std::thread::scope(|scope| {
        let stops = Stops(session.stopper());
        let readers: Vec<_> = (0..count).map(|_| scope.spawn(|| session.serve(handler))).collect();
        body();
        drop(stops);
        for reader in readers {
            reader.join().expect("its end").expect("no error");
        }
    });
    drop(session);
}

/// A thousand signals a second come to callers whose reads are answered at any moment: each read
/// returns once, and interrupts still work afterwards.
pub(crate) fn interrupts_meet_their_requests_in_a_storm(engine: &str) {
    in_guest(engine, "interrupts_meet_their_requests_in_a_storm", || {
        let session = Session::<Cuse>::open(&CuseConfig::new("storm")).expect("a device");
        let parker = Parker::default();
        served(3, session, &parker, || {
            let mut clients: Vec<_> = (0..4).map(|_| client("interrupted", "/dev/storm")).collect();
            let (mut answered, end) = (0, Instant::now() + SOON);
            // Every other time, leave them to their signals.
            while clients.iter_mut().any(|client| client.try_wait().expect("a state").is_none()) {
                assert!(Instant::now() < end, "the clients go on after {answered} answers");
                let reply = parker.reads.lock().expect("a lock").pop();
                if let Some(reply) = reply {
                    answered += 1;
                    reply.data(b"x");
                }
                for _ in 0..20 {
                    std::thread::yield_now();
                }
            }
            for client in clients {
                println!("{}", succeeds(client).trim());
            }
            // A caller who is killed goes at once: its kernel still sends interrupts.
            let mut last = client("waits", "/dev/storm");
            until("a read that waits", || parker.waiting() == 1);
            last.kill().expect("a signal");
            until("its end", || last.try_wait().expect("a state").is_some());
            until("its reply gone", || parker.waiting() == 0);
        });
    });
}

pub(crate) fn a_request_that_does_not_listen_is_not_interrupted(engine: &str) {
    in_guest(engine, "a_request_that_does_not_listen_is_not_interrupted", || {
        let (channel, interrupts) = Counting::new(false);
        let session = Session::<Cuse>::new(channel, &CuseConfig::new("deaf")).expect("a device");
        let parker = Parker::default();
        served(2, session, &parker, || {
            let client = client("deaf", "/dev/deaf");
            until("a parked ioctl", || parker.ioctl.lock().expect("a lock").is_some());
            until("an interrupt", || interrupts.load(Ordering::SeqCst) > 0);
            let reply = parker.ioctl.lock().expect("a lock").take().expect("a parked ioctl");
            assert_eq!(reply.ok(7, &[]), Delivery::Sent);
            succeeds(client);
        });
    });
}

/// One reader holds the request in its hands while the other reads the interrupt for it: the kernel
/// sends that again when it is told to.
pub(crate) fn an_interrupt_that_overtakes_comes_again(engine: &str) {
    in_guest(engine, "an_interrupt_that_overtakes_comes_again", || {
        let (channel, interrupts) = Counting::new(true);
        let session = Session::<Cuse>::new(channel, &CuseConfig::new("late")).expect("a device");
        served(2, session, &Parker::default(), || {
            assert_eq!(succeeds(client("alarmed", "/dev/late")), "-1 4\n");
        });
        assert!(interrupts.load(Ordering::SeqCst) >= 2);
    });
}

/// What is parked when a session stops can still be answered; what is not read is refused by the kernel.
pub(crate) fn a_stopped_session_answers_what_is_parked_and_goes(engine: &str) {
    in_guest(engine, "a_stopped_session_answers_what_is_parked_and_goes", || {
        let session = Session::<Cuse>::open(&CuseConfig::new("stops")).expect("a device");
        let parker = Parker::default();
        let mut clients = Vec::new();
        served(3, session, &parker, || {
            clients = (0..2).map(|_| client("waits", "/dev/stops")).collect();
            until("two reads that wait", || parker.waiting() == 2);
        });
        // The replies keep the connection.
        let late = client("waits", "/dev/stops");
        let replies: Vec<_> = std::mem::take(&mut *parker.reads.lock().expect("a lock"));
        for reply in replies {
            assert_eq!(reply.error(Errno::ENODEV), Delivery::Sent);
        }
        for client in clients {
            assert_eq!(succeeds(client), format!("-1 {}\n", libc::ENODEV));
        }
        // It was refused while opening, or there was no node any more.
        let output = late.wait_with_output().expect("its end");
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        until("no node", || !Path::new("/dev/stops").exists());
    });
}

/// The way out that the kernel offers to an administrator: it ends the session, which is no error of ours.
pub(crate) fn an_abort_through_sysfs_ends_the_session(engine: &str) {
    in_guest(engine, "an_abort_through_sysfs_ends_the_session", || {
        let session = Session::<Cuse>::open(&CuseConfig::new("aborted")).expect("a device");
        let parker = Parker::default();
        std::thread::scope(|scope| {
            let stops = Stops(session.stopper());
            let reader = scope.spawn(|| session.serve(&parker));
            let client = client("waits", "/dev/aborted");
            until("a read that waits", || parker.waiting() == 1);
            std::fs::write("/sys/class/cuse/aborted/abort", "1").expect("it is written");
            assert_eq!(succeeds(client), format!("-1 {}\n", libc::ECONNABORTED));
            reader.join().expect("its end").expect("no error");
            drop(stops);
        });
        let reply = parker.reads.lock().expect("a lock").pop().expect("the parked reply");
        assert_eq!(reply.data(b"x"), Delivery::Lost);
        // The kernel takes news for a connection that is over; when the session is gone, it is ours.
        let notifier = session.notifier();
        drop(session);
        let news = notifier.poll_wakeup(1).expect_err("it is over");
        assert_eq!(news.raw_os_error(), Some(libc::ENODEV));
    });
}

/// Sums the bytes that the argument points to, and turns them round.
struct Nested;

impl Handler for Nested {
    fn ioctl(&self, _: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        let whole = Piece { base: request.arg, len: 16 };
        let Some((head, bytes)) = request.data.split_first_chunk::<16>() else {
            return done(reply.retry(&[whole], &[]));
        };
        let word = |place| {
            head.iter().skip(place).take(4).rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let address = word(0) | word(4) << 32;
        if bytes.is_empty() {
            let nested = Piece { base: address, len: word(8) };
            return done(reply.retry(&[whole, nested], &[whole, nested]));
        }
        let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
        let mut out = head.to_vec();
        out.truncate(12);
        out.extend(sum.to_ne_bytes());
        out.extend(bytes.iter().rev());
        done(reply.ok(5, &out));
    }
}

fn done(delivery: Delivery) {
    assert_eq!(delivery, Delivery::Sent);
}

pub(crate) fn an_unrestricted_ioctl_reaches_memory_by_asking_again(engine: &str) {
    in_guest(engine, "an_unrestricted_ioctl_reaches_memory_by_asking_again", || {
        let config = CuseConfig { unrestricted_ioctl: true, ..CuseConfig::new("nested") };
        let session = Session::<Cuse>::open(&config).expect("a device");
        served(1, session, &Nested, || drop(succeeds(client("nested", "/dev/nested"))));
    });
}
