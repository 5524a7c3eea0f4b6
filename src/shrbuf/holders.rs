//! The names of those who hold a buffer: a look through `/proc`, good for people, not for
//! decisions (it misses descriptors in flight, and is out of date at once).

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::buffer::BufferId;
use crate::sys::fdinfo::{self, FileIdentity, FileKey};
use crate::sys::maps;

/// How a process holds a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// By this descriptor.
    Descriptor(i32),
    /// By a mapping.
    Mapping,
}

/// One way in which one process holds a buffer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Process id as this process sees it.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Its name (`comm`), which it may choose itself: printable characters only.
    pub name: String,
    /// Descriptor or mapping.
    pub how: How,
}

/// Which file is which buffer.
#[derive(Debug, Default)]
pub(super) struct Files {
    by_identity: HashMap<FileIdentity, BufferId>,
    by_device: HashMap<(u64, u64), BufferId>,
}

impl Files {
    pub(super) fn add(&mut self, key: FileKey, id: BufferId) {
        self.by_identity.insert(key.identity, id);
        self.by_device.insert((key.dev, key.identity.ino), id);
    }

    /// Everybody else who holds one of them, processes of `only` alone where it is given. Who
    /// ends meanwhile, or may not be looked at, is left out.
    pub(super) fn holders(&self, only: Option<u32>) -> HashMap<BufferId, Vec<Holder>> {
        let mut found: HashMap<BufferId, Vec<Holder>> = HashMap::new();
        let mut add = |ways: Vec<(BufferId, How)>, pid, (name, uid): &(String, u32)| {
            for (id, how) in ways {
                let holder = Holder { pid, uid: *uid, name: name.clone(), how };
                let holders = found.entry(id).or_default();
                if !holders.contains(&holder) {
                    holders.push(holder);
                }
            }
        };
        let mut who = HashMap::new();
        for pid in maps::processes() {
            let Some(named) = name_and_uid(pid) else { continue };
            if only.is_none_or(|only| only == named.1) {
                add(self.descriptors(pid), pid, &named);
                who.insert(pid, named);
            }
        }
        let looked = maps::look(who.keys().copied().collect(), |pid, text| {
            who.get(&pid).into_iter().for_each(|named| add(self.mappings(text), pid, named));
        });
        if let Err(error) = looked {
            tracing::warn!("who has buffers mapped can't be seen: {error}");
        }
        found.values_mut().for_each(|holders| holders.sort());
        found
    }

    fn descriptors(&self, pid: u32) -> Vec<(BufferId, How)> {
        let theirs = fdinfo::descriptors(pid, looks_like_a_buffer).into_iter();
        let known = |(fd, identity)| Some((*self.by_identity.get(&identity)?, How::Descriptor(fd)));
        theirs.filter_map(known).collect()
    }

    fn mappings(&self, text: &[u8]) -> Vec<(BufferId, How)> {
        let text = String::from_utf8_lossy(text);
        let files = text.lines().filter_map(mapped_file);
        files.filter_map(|file| Some((*self.by_device.get(&file)?, How::Mapping))).collect()
    }
}

/// Device and inode of a line of `/proc/<pid>/maps` that could be a buffer's.
fn mapped_file(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_ascii_whitespace().skip(3);
    let (major, minor) = words.next()?.split_once(':')?;
    let device =
        libc::makedev(u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    let inode = words.next()?.parse().ok()?;
    looks_like_a_buffer(words.next()?).then_some((device, inode))
}

fn looks_like_a_buffer(link: &str) -> bool {
    let memory = link.strip_prefix("/memfd:");
    memory.is_some_and(|rest| rest.as_bytes().starts_with(crate::sys::memfd::NAME.to_bytes()))
        || link.starts_with("/dmabuf:")
        // A handle, as far as its name goes.
        || link.starts_with("/shrbuf-")
}

fn name_and_uid(pid: u32) -> Option<(String, u32)> {
    let status = fs::read(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
    parse_status(&String::from_utf8_lossy(&status))
}

/// Name and real uid of `/proc/<pid>/status`.
fn parse_status(status: &str) -> Option<(String, u32)> {
    let value = |key| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let name = value("Name:")?;
    let name = name.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    let uid = value("Uid:")?.split_ascii_whitespace().next()?.parse().ok()?;
    Some((name, uid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::mapping::Mapping;
    use crate::sys::memfd::Memfd;
    use proptest::prelude::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn lines_of_maps_that_could_be_buffers_have_device_and_inode() {
        let rows = [
            ("7f00-7f01 rw-s 00000000 00:01 77    /memfd:shrbuf (deleted)", Some((1, 77))),
            ("7f00-7f01 r--s 00000000 00:0b 5     /dmabuf:", Some((11, 5))),
            ("7f00-7f01 rw-s 00000000 00:01 78    /memfd:other (deleted)", None),
            ("7f00-7f01 rw-p 00000000 00:00 0", None),
            ("7f00-7f01 r-xp 00000000 08:01 9     /usr/bin/cat", None),
        ];
        for (line, expected) in rows {
            assert_eq!(mapped_file(line), expected, "{line}");
        }
    }

    /// This process is left out of tables; here it stands for another one.
    #[test]
    fn descriptors_and_mappings_of_a_process_are_found() {
        let file = Memfd::new(1).expect("a file");
        let mut files = Files::default();
        files.add(FileKey::own(file.own()).expect("a key"), BufferId(7));
        let fd = file.own().as_raw_fd();
        let me = std::process::id();
        assert!(files.descriptors(me).contains(&(BufferId(7), How::Descriptor(fd))));
        let mappings = || {
            let mut found = Vec::new();
            let seen = maps::look(vec![me], |_, text| found = files.mappings(text));
            seen.map(|()| found).expect("a thread")
        };
        assert_eq!(mappings(), []);
        let _mapping = Mapping::new(file.own(), file.len(), false).expect("a mapping");
        assert_eq!(mappings(), [(BufferId(7), How::Mapping)]);
    }

    #[test]
    fn a_name_is_shown_without_control_characters() {
        let status = "Name:\ta\u{1b}[2J\nUmask:\t0022\nUid:\t1000\t0\t0\t0\n";
        assert_eq!(parse_status(status), Some(("a?[2J".to_owned(), 1000)));
        assert_eq!(parse_status("Name:\ta\n"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_mapping_or_none(line in ".{0,80}") {
            let _ = mapped_file(&line);
            let _ = parse_status(&line);
        }
    }
}
