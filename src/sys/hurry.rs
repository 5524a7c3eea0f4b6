//! A limit to what another's file can cost a thread of ours.
//!
//! Whoever looks at a stranger's descriptor by `/proc` or `kcmp` holds its file for a moment, inside the
//! kernel. If its owner closes it in that moment, the last reference is ours, and our thread is the one that
//! closes the file, on its way back from the kernel. Closing may wait: a socket that is told to linger
//! (`SO_LINGER`) does so for as long as its owner said, and even that owner could have lost patience long
//! ago. Such waits end with a signal, so one comes, again and again, to a thread that looks for too long.

use std::cell::OnceCell;
use std::time::Duration;

/// How long a look may take before it is hurried on: a thousand times what it takes.
pub const PATIENCE: Duration = Duration::from_millis(20);

/// `SIGEV_THREAD_ID` of `<asm-generic/siginfo.h>`.
const SIGEV_THREAD_ID: libc::c_int = 4;

thread_local! {
    /// This thread's timer; `None` where there is none to be had.
    static TIMER: OnceCell<Option<Timer>> = const { OnceCell::new() };
}

/// While this lives, its thread gets a signal every [`PATIENCE`], which does nothing but end waits.
#[must_use]
#[derive(Debug)]
pub struct Hurry(());

impl Hurry {
    /// From now on. Only one at a time counts.
    pub fn new() -> Self {
        set(PATIENCE);
        Self(())
    }
}

impl Default for Hurry {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        set(Duration::ZERO);
    }
}

fn set(every: Duration) {
    // It is gone where a thread looks while it ends: then it does so without.
    let _ = TIMER.try_with(|timer| {
        if let Some(timer) = timer.get_or_init(Timer::new) {
            timer.set(every);
        }
    });
}

struct Timer(libc::timer_t);

impl Timer {
    fn new() -> Option<Self> {
        // The first that no library claims; the standard one's handlers are for others.
        let signal = libc::SIGRTMIN().checked_add(7)?;
        listen(signal)?;
        // SAFETY: a struct of plain numbers and a pointer, for which zero is a value.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_signo = signal;
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_notify_thread_id = nix::unistd::gettid().as_raw();
        let mut timer = std::ptr::null_mut();
        // SAFETY: both pointers are to values of ours, for the time of the call.
        let made =
            unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
        (made == 0).then_some(Self(timer))
    }

    fn set(&self, every: Duration) {
        let time = libc::timespec {
            tv_sec: every.as_secs().cast_signed(),
            tv_nsec: every.subsec_nanos().into(),
        };
        let time = libc::itimerspec { it_interval: time, it_value: time };
        // SAFETY: the timer is this thread's own and lives; the times are read only.
        unsafe { libc::timer_settime(self.0, 0, &raw const time, std::ptr::null_mut()) };
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        unsafe { libc::timer_delete(self.0) };
    }
}

/// Has the signal do nothing. Without `SA_RESTART`: a wait is to end.
fn listen(signal: libc::c_int) -> Option<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: zero is a value of this struct of numbers, a set and a pointer; two are set below.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
    // SAFETY: the handler does nothing, so it may come at any moment; nothing else uses the signal.
    let answer = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    (answer == 0).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::time::Instant;

    /// A socket with more to send than anybody takes, which lingers for an hour when it is closed.
    fn lingering() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut here =
            TcpStream::connect(listener.local_addr().expect("its address")).expect("one");
        let (there, _) = listener.accept().expect("the other");
        here.set_nonblocking(true).expect("set");
        while here.write(&[0; 65536]).is_ok() {}
        here.set_nonblocking(false).expect("set");
        let linger = libc::linger { l_onoff: 1, l_linger: 3600 };
        let len = size_of_val(&linger) as libc::socklen_t;
        let (level, name) = (libc::SOL_SOCKET, libc::SO_LINGER);
        let value = (&raw const linger).cast();
        // SAFETY: the value is as long as is said, and read only.
        let set = unsafe { libc::setsockopt(here.as_raw_fd(), level, name, value, len) };
        assert_eq!(set, 0);
        (here, there)
    }

    #[test]
    fn a_file_that_wants_to_be_waited_for_is_closed_soon() {
        let (here, _there) = lingering();
        let start = Instant::now();
        let hurry = Hurry::new();
        drop(here);
        drop(hurry);
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
        assert!(start.elapsed() >= PATIENCE, "it would have waited: {:?}", start.elapsed());
    }

    #[test]
    fn it_is_over_with_the_value() {
        drop(Hurry::new());
        let start = Instant::now();
        // Poll is never begun again by the kernel after a handler.
        let mut none: [nix::poll::PollFd<'_>; 0] = [];
        assert_eq!(nix::poll::poll(&mut none, 100_u16), Ok(0));
        assert!(start.elapsed() >= Duration::from_millis(100));
        let hurry = Hurry::new();
        assert_eq!(nix::poll::poll(&mut none, 10_000_u16), Err(nix::errno::Errno::EINTR));
        drop(hurry);
    }
}
