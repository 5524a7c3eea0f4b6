//! What only a real dma-buf can show: foreign ones are taken, and ours that come back are ours.

use super::*;
use crate::shrbuf::table::{State, Viewer};
use crate::shrbuf::{ExportError, PlaneMemory};

/// Another registry's dma-buf stands for another driver's.
#[test]
fn a_foreign_dmabuf_is_read_written_and_let_go() {
    let Some(backings) = udmabufs() else { return };
    let camera = registry(backings);
    let display = registry(Backings::memfd());
    let len = 600 << 10; // more than one piece, and not a multiple of it
    let theirs = camera.allocate(&OWNER, len).expect("a buffer");
    let fd = export(&theirs, Access::ReadWrite);
    assert_eq!(identify(&display, &fd), Identity::Dmabuf, "not known yet");
    let import = display.import_dmabuf(fd.try_clone().expect("dup")).expect("a dma-buf");
    assert!(import.is_foreign());
    assert_eq!(import.len(), theirs.len());
    assert_eq!(identify(&display, &fd), Identity::Ours(import.clone()), "known now");
    let again = display.import_dmabuf(fd.try_clone().expect("dup")).expect("a dma-buf");
    assert_eq!(again, import, "one memory, one buffer");
    assert_eq!(display.accounting().imports, 2);
    assert_eq!(display.accounting().bytes, 0, "somebody else's memory");
    drop(again);

    let frame: Vec<u8> = (0..len).map(|place| (place % 251) as u8).collect();
    theirs.write_at(0, &frame).expect("inside");
    let mut seen = vec![0; len - 3];
    import.read_at(3, &mut seen).expect("inside");
    assert_eq!(seen[..], frame[3..]);
    import.write_at(5, &frame[..len - 5]).expect("inside");
    theirs.read_at(5, &mut seen[..len - 5]).expect("inside");
    assert_eq!(seen[..len - 5], frame[..len - 5]);
    assert!(import.write_at(import.len(), &[1]).is_err(), "beyond");
    assert!(import.mapping().is_none());
    let refused = import.export(flags(Access::ReadOnly)).expect_err("not ours to give");
    assert!(matches!(refused, ExportError::Imported));

    drop(fd);
    assert!(theirs.held_elsewhere(), "by the display");
    drop(import);
    assert!(soon(|| !theirs.held_elsewhere()));
    drop(theirs);
    assert!(nothing_left(&camera));
    assert!(nothing_left(&display));
}

/// What a descriptor was is a guess: another file under its number is another file.
#[test]
fn a_number_is_what_lies_under_it_now() {
    let Some(backings) = udmabufs() else { return };
    let registry = registry(backings);
    let [one, two] = [(); 2].map(|()| registry.allocate(&OWNER, 1).expect("a buffer"));
    let mut fd = export(&one, Access::ReadWrite);
    for _ in 0..3 {
        assert_eq!(identify(&registry, &fd), Identity::Ours(one.clone()));
    }
    assert_eq!(registry.accounting().imports, 0, "each was dropped");
    for (other, known) in [
        (export(&two, Access::ReadWrite), Identity::Ours(two.clone())),
        (export(&one, Access::ReadOnly), Identity::Ours(one.clone())),
        (tempfile::tempfile().expect("a file").into(), Identity::Other),
        (export(&one, Access::ReadWrite), Identity::Ours(one.clone())),
    ] {
        nix::unistd::dup2(&other, &mut fd).expect("another file under the number");
        for _ in 0..3 {
            assert_eq!(identify(&registry, &fd), known);
        }
    }
    drop(fd);
    drop(one);
    drop(two);
    assert!(nothing_left(&registry));
}

/// `read` and `write` on the descriptor are refused by the kernel itself.
#[test]
fn a_read_write_export_is_a_dmabuf() {
    use nix::errno::Errno;
    let Some(backings) = udmabufs() else { return };
    let registry = registry(backings);
    let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
    let fd = export(&buffer, Access::ReadWrite);
    assert!(crate::sys::dmabuf::is_dmabuf(fd.as_fd()).expect("fdinfo"));
    assert_eq!(nix::unistd::read(&fd, &mut [0]), Err(Errno::EINVAL));
    assert_eq!(nix::unistd::write(&fd, &[0]), Err(Errno::EINVAL));
}

/// Whoever has a dma-buf's name only (O_PATH) pins its pages, and no count shows it: the uid is
/// charged for as long.
#[test]
fn a_name_of_a_dmabuf_is_charged() {
    use nix::fcntl::{OFlag, open};
    let Some(backings) = udmabufs() else { return };
    let registry = registry(backings);
    let buffer = registry.allocate(&OWNER, 5000).expect("a buffer");
    let (id, len) = (buffer.id(), buffer.len() as u64);
    let fd = export(&buffer, Access::ReadWrite);
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let name = open(path.as_str(), flags, nix::sys::stat::Mode::empty()).expect("a name");
    drop(fd);
    drop(buffer);
    assert!(soon(|| registry.table(Viewer::Root).iter().any(|row| row.state == State::Pinned)));
    let expected = Accounting { bytes: len, buffers: 1, orphaned: 1, exports: 0, imports: 0 };
    assert_eq!(registry.accounting(), expected);
    assert_eq!(registry.charged_to_uid(OWNER.uid).bytes, len);
    assert_eq!(registry.table(Viewer::Root)[0].id, id);
    drop(name);
    assert!(nothing_left(&registry));
}

/// Longer than the module takes: the export is the memory file, and as safe.
#[test]
fn too_long_for_a_dmabuf_is_a_memory_file() {
    let Some(backings) = udmabufs() else { return };
    let registry = registry(backings);
    let buffer = registry.allocate(&OWNER, 65 << 20).expect("a buffer");
    let fd = export(&buffer, Access::ReadWrite);
    assert!(!crate::sys::dmabuf::is_dmabuf(fd.as_fd()).expect("fdinfo"));
    let seals = nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_GET_SEALS).expect("seals");
    assert_ne!(seals & nix::fcntl::SealFlag::F_SEAL_SEAL.bits(), 0);
    assert_eq!(identify(&registry, &fd), Identity::Ours(buffer.clone()));
    drop(fd);
    drop(buffer);
    assert!(nothing_left(&registry));
}
