//! `/proc/<pid>/maps`: what a process has mapped.

use std::fs;
use std::ops::Range;

/// All processes but this one and its own, which map nothing of anybody's.
#[must_use]
pub fn processes() -> Vec<u32> {
    let listed = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|pid| *pid != std::process::id()).collect()
}

/// Adds the ranges of the file `ino` on `dev` (`st_dev`) that `pid` has mapped.
pub fn add(pid: u32, dev: u64, ino: u64, found: &mut Vec<Range<u64>>) {
    let Ok(mut text) = fs::read(format!("/proc/{pid}/maps")) else { return };
    if text.is_empty() {
        // A kernel thread; or a process whose first thread has ended, and others go on.
        text = others(pid);
    }
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
        add(std::process::id(), stat.st_dev, stat.st_ino, &mut found);
        assert!(found.is_empty());
        let mapping = crate::sys::mapping::Mapping::new(file.own(), 8192, true).expect("mapped");
        add(std::process::id(), stat.st_dev, stat.st_ino, &mut found);
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
