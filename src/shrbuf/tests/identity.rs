//! A descriptor is ours by what it is, never by its number, its name or its looks.

use std::ffi::CStr;
use std::fs::File;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::*;
use crate::shrbuf::{ExportError, ImportError};
use crate::sys::memfd::NAME;
use nix::errno::Errno;

/// Whatever a client may give: nothing of it is an import, and none is fetched.
#[test]
fn what_is_not_ours_is_other() {
    let registry = registry(Backings::memfd());
    let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
    let strange = super::registry(Backings::memfd()).allocate(&OWNER, 1).expect("a buffer");
    let memory = |name: &CStr| memfd_create(name, MFdFlags::MFD_CLOEXEC).expect("a memory file");
    let (pipe, _other) = std::io::pipe().expect("a pipe");
    let (socket, _peer) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let epoll = nix::sys::epoll::Epoll::new(nix::sys::epoll::EpollCreateFlags::EPOLL_CLOEXEC);
    let rows: [(&str, OwnedFd); 8] = [
        ("an epoll file, whose fdinfo can wait for ever", epoll.expect("an epoll file").0),
        ("a plain file", tempfile::tempfile().expect("a file").into()),
        ("/dev/null", File::open("/dev/null").expect("a device").into()),
        ("a pipe", pipe.into()),
        ("a socket", socket.into()),
        ("a foreign memory file", memory(c"x")),
        ("a foreign memory file of our name", memory(NAME)),
        ("an export of another daemon", export(&strange, Access::ReadWrite)),
    ];
    for (row, fd) in rows {
        assert_eq!(identify(&registry, &fd), Identity::Other, "{row}");
        let error = registry.import_dmabuf(fd).expect_err(row);
        assert!(matches!(error, ImportError::NotDmabuf), "{row}: {error}");
        assert_eq!(error.errno(), Errno::EINVAL);
    }
    for number in [-1, i32::MIN, i32::MAX, 1_000_000] {
        assert_eq!(identify_number(&registry, number), Identity::Other, "{number}");
    }
    let nobody = registry.identify(u32::MAX, 0);
    assert_eq!(nobody, Identity::Other);
    assert_eq!(registry.accounting().imports, 0);
    drop(buffer);
}

/// Each access mode, and however it was duplicated.
#[test]
fn every_export_is_recognised_and_two_buffers_are_told_apart() {
    for backings in backings() {
        let registry = registry(backings);
        let buffers = [(); 2].map(|()| registry.allocate(&OWNER, 1).expect("a buffer"));
        for access in [Access::ReadOnly, Access::WriteOnly, Access::ReadWrite, Access::Neither] {
            for buffer in &buffers {
                let fd = export(buffer, access);
                let copy = fd.try_clone().expect("dup");
                drop(fd);
                assert_eq!(
                    identify(&registry, &copy),
                    Identity::Ours(buffer.clone()),
                    "{access:?}"
                );
                let import = registry.import_dmabuf(copy).expect("ours as well");
                assert_eq!(&import, buffer, "{access:?}");
                assert!(!import.is_foreign());
            }
        }
        assert_ne!(buffers[0], buffers[1]);
        drop(buffers);
        assert!(nothing_left(&registry));
    }
}

/// A number that was ours and now is something else is something else.
#[test]
fn a_reused_number_is_not_ours() {
    let registry = registry(Backings::memfd());
    let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
    let mut fd = export(&buffer, Access::ReadOnly);
    let number = fd.as_raw_fd();
    assert!(matches!(identify_number(&registry, number), Identity::Ours(_)));
    let device = File::open("/dev/zero").expect("a device");
    nix::unistd::dup2(&device, &mut fd).expect("dup2");
    assert_eq!(identify_number(&registry, number), Identity::Other);
}

/// What is told of a buffer has no address in it.
#[test]
fn debug_output_names_no_address() {
    let registry = registry(Backings::memfd());
    let buffer = registry.allocate(&OWNER, 4096).expect("a buffer");
    let text = format!("{buffer:?} {:?} {:?}", buffer.mapping(), buffer.segments());
    assert!(!text.contains("0x"), "{text}");
    let foreign = ExportError::Imported;
    assert_eq!(foreign.errno(), Errno::EINVAL);
}
