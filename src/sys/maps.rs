//! `/proc/<pid>/maps`: what a process has mapped.
//!
//! Reading it waits for the lock of that process's address space, and a process can keep that for as
//! long as a file system of its user's takes to write a page. So that it stalls nobody else, it is
//! passed over, and with it all others of its user's, until it can be looked at again.

use std::fs;
use std::io;
use std::ops::Range;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::procfs;

/// How long a process may keep others from looking at it, which takes microseconds.
const PATIENCE: Duration = Duration::from_millis(300);

/// Who keeps a thread of this process from looking at him: the user, and the thread.
static WITHHELD: Mutex<Vec<(u32, JoinHandle<()>)>> = Mutex::new(Vec::new());

/// All processes but this one and its own, which map nothing of anybody's.
#[must_use]
pub fn processes() -> Vec<u32> {
    let listed = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|pid| *pid != std::process::id()).collect()
}

/// Shows to `see` what the processes have mapped: each one's number and the text of its `maps`. Who has
/// ended meanwhile maps nothing, and who lets nobody look is passed over.
///
/// # Errors
/// When no thread is to be had.
pub fn look(mut pids: Vec<u32>, mut see: impl FnMut(u32, &[u8])) -> io::Result<()> {
    while !pids.is_empty() {
        pass_over(&mut pids);
        let (tell, told) = channel();
        let queue = pids.clone();
        let thread = std::thread::Builder::new().name("look".into()).spawn(move || {
            for pid in queue {
                if tell.send((pid, text_of(pid))).is_err() {
                    return; // given up
                }
            }
        })?;
        let mut seen = 0;
        loop {
            match told.recv_timeout(PATIENCE) {
                Ok((pid, text)) => {
                    see(pid, &text);
                    seen += 1;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        pids.drain(..seen.min(pids.len()));
        if let Some(uid) = pids.first().and_then(|pid| user_of(*pid)) {
            WITHHELD.lock().unwrap_or_else(PoisonError::into_inner).push((uid, thread));
        }
    }
    Ok(())
}

/// Leaves out those of users who keep a thread waiting.
fn pass_over(pids: &mut Vec<u32>) {
    let mut withheld = WITHHELD.lock().unwrap_or_else(PoisonError::into_inner);
    withheld.retain(|(_, thread)| !thread.is_finished());
    if !withheld.is_empty() {
        pids.retain(|pid| !withheld.iter().any(|(uid, _)| Some(*uid) == user_of(*pid)));
    }
}

/// Whose process it is: `/proc/<pid>` itself is root's where a process lets nobody look.
fn user_of(pid: u32) -> Option<u32> {
    procfs::status(pid).ok().map(|status| status.fsuid)
}

fn text_of(pid: u32) -> Vec<u8> {
    let text = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    // A kernel thread; or a process whose first thread has ended, and others go on.
    if text.is_empty() { others(pid) } else { text }
}

/// Adds the ranges of the file `ino` on `dev` (`st_dev`) that a text of `maps` tells of.
pub fn add(text: &[u8], dev: u64, ino: u64, found: &mut Vec<Range<u64>>) {
    found.extend(text.split(|byte| *byte == b'\n').filter_map(|line| range_of(line, dev, ino)));
}

/// What a thread of the process that has not ended has mapped: they all have the same.
fn others(pid: u32) -> Vec<u8> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let texts = threads.filter_map(|thread| fs::read(thread.path().join("maps")).ok());
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

/// The range of the file that a line tells of, if it is of that file.
///
/// ```text
/// 7f8a1c000000-7f8a1c001000 rw-s 00002000 00:31 5    /5 (deleted)
/// ```
fn range_of(line: &[u8], dev: u64, ino: u64) -> Option<Range<u64>> {
    // The name behind may be anything; what comes before has none of it.
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let mut next = || std::str::from_utf8(words.next()?).ok();
    let (addresses, _permissions, offset) = (next()?, next()?, next()?);
    let (major, minor) = next()?.split_once(':')?;
    let hex = |text| u64::from_str_radix(text, 16).ok();
    let device = (hex(major)?, hex(minor)?);
    if next()?.parse() != Ok(ino)
        || device != (u64::from(libc::major(dev)), u64::from(libc::minor(dev)))
    {
        return None;
    }
    let (start, end) = addresses.split_once('-')?;
    let (len, offset) = (hex(end)?.checked_sub(hex(start)?)?, hex(offset)?);
    Some(offset..offset.checked_add(len)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_of_its_file_only() {
        let line = b"7f8a1c000000-7f8a1c003000 rw-s 00002000 00:31 5                  /5 (deleted)";
        let dev = libc::makedev(0, 0x31);
        assert_eq!(range_of(line, dev, 5), Some(0x2000..0x5000));
        assert_eq!(range_of(line, dev, 6), None);
        assert_eq!(range_of(line, libc::makedev(1, 0x31), 5), None);
        assert_eq!(range_of(b"7f8a1c000000-7f8a1c003000 rw-p 00000000 00:00 0", dev, 5), None);
        assert_eq!(range_of(b"", dev, 5), None);
    }

    #[test]
    fn own_mappings_are_found() {
        let file = crate::sys::memfd::Memfd::new(8192).expect("a memory file");
        let stat = nix::sys::stat::fstat(file.own()).expect("stat");
        let mut found = Vec::new();
        let me = std::process::id();
        add(&text_of(me), stat.st_dev, stat.st_ino, &mut found);
        assert!(found.is_empty());
        let mapping = crate::sys::mapping::Mapping::new(file.own(), 8192, true).expect("mapped");
        let seen = look(vec![me, 0], |pid, text| {
            assert!(pid == me || text.is_empty());
            add(text, stat.st_dev, stat.st_ino, &mut found);
        });
        seen.expect("a thread");
        assert_eq!((found.len(), found.first()), (1, Some(&(0..8192))));
        drop(mapping);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_line(line in proptest::collection::vec(any::<u8>(), 0..128)) {
            let _ = range_of(&line, 1, 1);
        }
    }
}
