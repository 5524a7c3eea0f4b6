//! A buffer lives exactly as long as somebody holds it.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};

use super::*;
use crate::shrbuf::table::{State, Viewer};
use crate::shrbuf::{PlaneMemory, Reaper};
use crate::sys::mapping::Mapping;

/// What keeps a buffer when its allocator is gone.
enum Held {
    Descriptor(OwnedFd),
    Mapping { _mapping: Mapping },
    InFlight { _sender: OwnedFd, receiver: OwnedFd },
    Child(Child),
}

const WAYS: [&str; 4] = ["descriptor", "mapping", "in flight", "child"];

impl Held {
    fn new(way: &str, export: OwnedFd, len: usize) -> Self {
        match way {
            "descriptor" => Self::Descriptor(export),
            "mapping" => {
                let mapping = Mapping::new(export.as_fd(), len, false);
                Self::Mapping { _mapping: mapping.expect("mapped") }
            }
            "in flight" => {
                let (one, other) = socketpair(
                    AddressFamily::Unix,
                    SockType::SeqPacket,
                    None,
                    SockFlag::SOCK_CLOEXEC,
                )
                .expect("a pair");
                let fds = [export.as_raw_fd()];
                let control = [ControlMessage::ScmRights(&fds)];
                let bytes = [IoSlice::new(&[0])];
                sendmsg::<()>(one.as_raw_fd(), &bytes, &control, MsgFlags::empty(), None)
                    .expect("sent");
                Self::InFlight { _sender: one, receiver: other }
            }
            _ => {
                let mut command = Command::new("sleep");
                let child = command.arg("60").stdin(Stdio::from(export)).spawn();
                Self::Child(child.expect("a child"))
            }
        }
    }

    /// A descriptor for it again, where there is one.
    fn descriptor(&self) -> Option<OwnedFd> {
        match self {
            Self::Descriptor(fd) => fd.try_clone().ok(),
            Self::InFlight { receiver, .. } => Some(receive(receiver)),
            Self::Mapping { .. } | Self::Child(_) => None,
        }
    }

    fn let_go(self) {
        if let Self::Child(mut child) = self {
            child.kill().expect("killed");
            child.wait().expect("gone");
        }
    }
}

fn receive(socket: &OwnedFd) -> OwnedFd {
    let mut byte = [0];
    let mut bytes = [IoSliceMut::new(&mut byte)];
    let mut room = nix::cmsg_space!([i32; 1]);
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut bytes, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC)
            .expect("received");
    let mut messages = message.cmsgs().expect("whole");
    let Some(ControlMessageOwned::ScmRights(fds)) = messages.next() else { panic!("no rights") };
    crate::sys::process::adopt(fds[0]).expect("a new descriptor")
}

/// Every way of holding, every access mode, every backing: while it is held the memory is there
/// and charged, and once it is not everything is free.
#[test]
fn an_orphan_lives_until_its_last_holder_lets_go() {
    for backings in backings() {
        for way in WAYS {
            for access in [Access::ReadOnly, Access::WriteOnly, Access::ReadWrite, Access::Neither]
            {
                let row = format!("{} {way} {access:?}", backings.chosen().name());
                if way == "mapping" && matches!(access, Access::WriteOnly | Access::Neither) {
                    continue; // can't be mapped, see below
                }
                orphan_row(&registry(backings.clone()), way, access, &row);
            }
        }
    }
}

fn orphan_row(registry: &Arc<Registry>, way: &str, access: Access, row: &str) {
    let buffer = registry.allocate(&OWNER, 5000).expect("a buffer");
    let len = buffer.len();
    buffer.write_at(4990, b"frame").expect("inside");
    assert!(!buffer.held_elsewhere(), "{row}: a new buffer is nobody else's");
    let held = Held::new(way, export(&buffer, access), len);
    assert!(buffer.held_elsewhere(), "{row}");
    let id = buffer.id();
    drop(buffer);
    registry.reap();
    let sums = registry.accounting();
    let expected =
        Accounting { bytes: len as u64, buffers: 1, orphaned: 1, exports: 1, imports: 0 };
    assert_eq!(sums, expected, "{row}");
    assert_eq!(registry.charged_to_uid(OWNER.uid).bytes, len as u64, "{row}");
    assert_eq!(registry.charged_to_node(OWNER.node).buffers, 0, "{row}: the node has no orphans");
    if let Held::Child(child) = &held {
        let table = registry.table(Viewer::Root);
        let [line] = &table[..] else { panic!("{row}: {table:?}") };
        assert_eq!((line.id, line.state), (id, State::Orphan), "{row}");
        let is_child = |holder: &crate::shrbuf::holders::Holder| holder.pid == child.id();
        assert!(line.holders.iter().any(is_child), "{row}: {table:?}");
    }
    if let Some(fd) = held.descriptor() {
        let Identity::Ours(again) = identify(registry, &fd) else { panic!("{row}: unknown") };
        assert_eq!(again.id(), id, "{row}: import after orphaning");
        let mut bytes = [0; 5];
        again.read_at(4990, &mut bytes).expect("inside");
        assert_eq!(&bytes, b"frame", "{row}");
        assert_eq!(registry.accounting().imports, 1, "{row}");
        assert_eq!(registry.accounting().orphaned, 1, "{row}: an import adopts no orphan");
        drop(fd);
        held.let_go();
        assert!(soon(|| !again.held_elsewhere()), "{row}: only the importer is left");
        assert_eq!(registry.accounting().buffers, 1, "{row}: the importer keeps it");
    } else {
        held.let_go();
    }
    assert!(nothing_left(registry), "{row}: {:?}", registry.accounting());
}

/// A buffer that nobody else has goes with its last clone, without a reaper.
#[test]
fn without_holders_the_last_clone_frees_and_no_other_does() {
    for backings in backings() {
        let registry = registry(backings);
        let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
        let clones: Vec<Buffer> = (0..10).map(|_| buffer.clone()).collect();
        drop(buffer);
        for clone in &clones {
            assert_eq!(registry.accounting().buffers, 1, "{clone:?}");
        }
        drop(clones);
        assert_eq!(registry.accounting(), Accounting::default());
    }
}

/// `V4L2_BUF_FLAG_MAPPED` of a queue's own buffer goes up with an importer and down again.
#[test]
fn an_importer_holds_the_allocators_buffer_and_its_clones_count_once() {
    let registry = registry(Backings::memfd());
    let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
    let fd = export(&buffer, Access::ReadOnly);
    let Identity::Ours(import) = identify(&registry, &fd) else { panic!("unknown") };
    drop(fd);
    assert!(soon(|| registry.accounting().exports == 0));
    assert_eq!(import, buffer);
    assert!(buffer.held_elsewhere(), "by the importer");
    assert!(!import.held_elsewhere(), "nobody outside");
    let clone = import.clone();
    assert_eq!(registry.accounting().imports, 1);
    drop(import);
    assert!(buffer.held_elsewhere(), "by the importer's clone");
    drop(clone);
    assert!(!buffer.held_elsewhere());
}

/// Whoever has the file's name only (O_PATH), which no counter shows, has no memory of it.
#[test]
fn a_name_without_the_file_keeps_no_memory() {
    let registry = registry(Backings::memfd());
    let buffer = registry.allocate(&OWNER, 1 << 20).expect("a buffer");
    let fd = export(&buffer, Access::ReadOnly);
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let name = nix::fcntl::open(
        path.as_str(),
        nix::fcntl::OFlag::O_PATH | nix::fcntl::OFlag::O_CLOEXEC,
        nix::sys::stat::Mode::empty(),
    )
    .expect("a name");
    assert_eq!(identify(&registry, &name), Identity::Other, "is no import");
    drop(fd);
    drop(buffer);
    assert!(nothing_left(&registry));
    let stat = nix::sys::stat::fstat(&name).expect("stat");
    assert_eq!(stat.st_blocks, 0, "the pages are gone");
}

/// Who got a read-only export can't make more of it by opening it again.
#[test]
fn an_export_can_not_be_opened_again_for_writing() {
    use std::os::unix::process::CommandExt;
    let registry = registry(Backings::memfd());
    let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
    let mut shell = Command::new("/bin/sh");
    shell.env("LC_ALL", "C").args(["-c", "echo frame 1<>/proc/self/fd/0"]);
    if nix::unistd::geteuid().is_root() {
        shell.uid(OWNER.uid); // root may open anything
    }
    let shell = shell.stdin(Stdio::from(export(&buffer, Access::ReadOnly)));
    let answer = shell.output().expect("a shell");
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(!answer.status.success() && said.contains("Permission denied"), "{said}");
}

/// The reaper hears of the last holder and frees without being asked.
#[test]
fn the_reaper_frees_what_is_let_go() {
    for backings in backings() {
        let registry = registry(backings);
        let reaper = Reaper::start(Arc::clone(&registry)).expect("a thread");
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
            let fd = export(&buffer, access);
            let import = identify(&registry, &fd);
            drop(buffer);
            drop(import);
            assert_eq!(registry.charged_to_uid(OWNER.uid).buffers, 1);
            drop(fd);
            assert!(soon(|| registry.charged_to_uid(OWNER.uid).buffers == 0), "{access:?}");
        }
        drop(reaper);
    }
}

/// What each access mode allows, and that close-on-exec is what was asked for.
#[test]
fn an_export_allows_what_its_access_says() {
    use nix::fcntl::{FcntlArg, FdFlag, fcntl};
    let errno = |result: std::io::Result<Mapping>| result.err().and_then(|e| e.raw_os_error());
    for backings in backings() {
        let registry = registry(backings);
        let buffer = registry.allocate(&OWNER, 5000).expect("a buffer");
        let denied = Some(libc::EACCES);
        for (access, reading, writing) in [
            (Access::ReadOnly, None, denied),
            (Access::WriteOnly, denied, denied),
            (Access::ReadWrite, None, None),
            (Access::Neither, denied, denied),
        ] {
            for cloexec in [true, false] {
                let fd = buffer.export(ExportFlags { access, cloexec }).expect("a descriptor");
                let flag = FdFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFD).expect("flags"));
                assert_eq!(flag.contains(FdFlag::FD_CLOEXEC), cloexec, "{access:?}");
                let map = |writable| Mapping::new(fd.as_fd(), buffer.len(), writable);
                assert_eq!(errno(map(false)), reading, "{access:?}");
                assert_eq!(errno(map(true)), writing, "{access:?}");
                let end = nix::unistd::lseek(&fd, 0, nix::unistd::Whence::SeekEnd);
                assert_eq!(end.map(|end| end as usize), Ok(buffer.len()), "{access:?}");
            }
        }
        let one = export(&buffer, Access::ReadWrite);
        let other = export(&buffer, Access::ReadOnly);
        let one = Mapping::new(one.as_fd(), buffer.len(), true).expect("mapped");
        let other = Mapping::new(other.as_fd(), buffer.len(), false).expect("mapped");
        one.write_at(3, b"one memory").expect("inside");
        let mut bytes = [0; 10];
        other.read_at(3, &mut bytes).expect("inside");
        assert_eq!(&bytes, b"one memory");
        buffer.mapping().expect("ours").read_at(3, &mut bytes).expect("inside");
        assert_eq!(&bytes, b"one memory");
    }
}
