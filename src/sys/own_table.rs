//! A thread with a descriptor table of its own.
//!
//! The kernel closes a killed process's descriptors when the last of its threads is gone. A thread
//! that waits, unkillable, for an answer that the process itself owes would so wait for ever: the
//! descriptor whose closing ends its wait stays open because it waits. With a table of its own it
//! holds up nobody, and the rest of the process ends and releases it.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, unshare};

/// Starts a thread in which only the standard streams and `fds` are open, under the numbers they
/// have here; here they are closed then.
///
/// # Errors
/// Those of starting a thread, `unshare(2)` and `close_range(2)` (Linux 5.9).
pub fn spawn<const N: usize>(
    name: &str,
    fds: [OwnedFd; N],
    body: impl FnOnce([OwnedFd; N]) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let numbers = fds.each_ref().map(AsRawFd::as_raw_fd);
    let (ready, is_ready) = sync_channel(1);
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let separated = separate(&numbers);
        let own = separated.is_ok();
        // The owners stay out of reach until this is sent, so all of `numbers` are open until here.
        let told = ready.send(separated).is_ok();
        if own && told {
            // SAFETY:
            // - this thread's table is its own, so no value of another thread owns what is in it
            // - each number is open in it, as it was in the table it was copied from
            body(numbers.map(|number| unsafe { OwnedFd::from_raw_fd(number) }));
        }
    })?;
    // A thread that has panicked has told nothing.
    let separated = is_ready.recv().unwrap_or_else(|_| Err(io::Error::other("the thread is gone")));
    drop(fds);
    separated.map(|()| thread)
}

/// Gives the calling thread a table in which the standard streams and `kept` are open.
fn separate(kept: &[RawFd]) -> io::Result<()> {
    unshare(CloneFlags::CLONE_FILES)?;
    let mut kept = kept.to_vec();
    kept.sort_unstable();
    let mut first = libc::STDERR_FILENO + 1;
    for number in kept {
        if first < number {
            close(first, number - 1)?;
        }
        first = first.max(number + 1);
    }
    close(first, RawFd::MAX)
}

fn close(first: RawFd, last: RawFd) -> io::Result<()> {
    // SAFETY: the calling thread has just got a table of its own; nobody owns what is in it but the
    // caller, who keeps what it names.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Write};

    #[test]
    fn it_has_what_it_is_given_and_nothing_else() {
        let (reader, writer) = io::pipe().expect("a pipe");
        let (other_reader, other_writer) = io::pipe().expect("a pipe");
        let number = writer.as_raw_fd();
        let other = other_writer.as_raw_fd();
        let thread = spawn("own-table", [OwnedFd::from(writer)], move |[writer]| {
            let open =
                |number| std::path::Path::new(&format!("/proc/thread-self/fd/{number}")).exists();
            let seen = [open(number), open(other)];
            File::from(writer).write_all(&seen.map(u8::from)).expect("written");
        })
        .expect("a thread");
        thread.join().expect("no panic");
        let mut seen = Vec::new();
        // The end is seen: nobody else has the writing end.
        File::from(OwnedFd::from(reader)).read_to_end(&mut seen).expect("bytes");
        assert_eq!(seen, [1, 0]);
        drop((other_reader, other_writer));
    }
}
