//! The table of files, without a kernel.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Counts its releases.
#[derive(Default)]
struct Nothing {
    released: AtomicUsize,
    first_page: u64,
}

impl Served for Nothing {
    fn ioctl(&self, _: &Header, _: &Ioctl<'_>, reply: IoctlReply) {
        reply.error(Errno::ENOTTY);
    }
    fn poll(&self, _: &Header, _: &Poll) -> u32 {
        0
    }
    fn read(&self, _: &Header, _: &Read, reply: ReadReply) {
        reply.data(b"");
    }
    fn write(&self, _: &Header, _: &Write<'_>, reply: WriteReply) {
        reply.written(0);
    }
    fn page_in(&self, offset: u64, len: usize) -> Vec<u8> {
        vec![offset as u8; len.min(3)]
    }
    fn first_page(&self) -> u64 {
        self.first_page
    }
    fn release(&self) {
        self.released.fetch_add(1, Ordering::SeqCst);
    }
}

fn expected(files: &Files, size: u64) -> (Arc<Nothing>, Result<u64, Errno>) {
    let served = Arc::new(Nothing::default());
    let nodeid = files.expect(Arc::clone(&served) as Arc<dyn Served>, size, None);
    (served, nodeid)
}

#[test]
fn a_file_is_found_and_opened_once_and_then_gone() {
    let files = Files::default();
    let (served, nodeid) = expected(&files, 5000);
    let nodeid = nodeid.expect("a file");
    let name = name(nodeid);
    assert!(files.look_up(nodeid, name.as_bytes()).is_none(), "not in the root");
    for wrong in ["shrbuf-1", "shrbuf-", "shrbuf-02", "shrbuf-+2", "2", "shrbuf-3", "."] {
        assert!(files.look_up(ROOT, wrong.as_bytes()).is_none(), "{wrong}");
    }
    let attr = files.look_up(ROOT, name.as_bytes()).expect("found");
    assert_eq!((attr.ino, attr.size, attr.mode), (nodeid, 8192, FILE_MODE));
    assert!(files.opened(nodeid).is_some());
    assert!(files.opened(nodeid).is_none(), "opened again");
    assert!(files.look_up(ROOT, name.as_bytes()).is_none(), "found again");
    assert_eq!(files.cached(nodeid), Ok(0..8192));

    let file = files.released(nodeid).expect("it was open");
    assert!(Arc::ptr_eq(&file.served, &(Arc::clone(&served) as Arc<dyn Served>)));
    assert!(files.released(nodeid).is_none());
    assert_eq!(files.cached(nodeid), Err(Errno::ENOENT));
    assert!(files.attr(nodeid).is_some(), "the kernel has it still");
    files.forgotten(nodeid, 1);
    assert!(files.attr(nodeid).is_none());
    files.forgotten(nodeid, 1);
    let (_, next) = expected(&files, 1);
    assert_eq!(next, Ok(nodeid + 1), "no number comes again");
}

#[test]
fn one_that_was_not_opened_leaves_nothing() {
    let files = Files::default();
    let (served, nodeid) = expected(&files, 1);
    files.abandon(nodeid.expect("a file"));
    assert!(files.table().nodes.is_empty());
    let (_, nodeid) = expected(&files, 1);
    let nodeid = nodeid.expect("a file");
    files.look_up(ROOT, name(nodeid).as_bytes()).expect("found");
    files.abandon(nodeid);
    assert!(files.opened(nodeid).is_none());
    assert!(files.attr(nodeid).is_some(), "the kernel has it still");
    files.forgotten(nodeid, 1);
    files.end();
    assert!(files.table().nodes.is_empty());
    assert_eq!(served.released.load(Ordering::SeqCst), 0);
    assert_eq!(expected(&files, 1).1, Err(Errno::ENODEV), "after the end");
}

#[test]
fn the_end_of_the_mount_is_the_release_of_open_files() {
    let files = Files::default();
    let [open, waits, closed] = [(); 3].map(|()| expected(&files, 1));
    for file in [&open, &closed] {
        let nodeid = *file.1.as_ref().expect("a file");
        files.look_up(ROOT, name(nodeid).as_bytes()).expect("found");
        files.opened(nodeid).expect("opened");
    }
    files.released(closed.1.expect("a file")).expect("open");
    files.end();
    files.end();
    let released = [open.0, waits.0, closed.0].map(|it| it.released.load(Ordering::SeqCst));
    assert_eq!(released, [1, 0, 0]);
}

#[test]
fn lengths_that_no_file_has_are_refused() {
    let files = Files::default();
    for size in [0, u64::MAX, i64::MAX as u64] {
        assert_eq!(expected(&files, size).1, Err(Errno::EINVAL), "{size}");
    }
    assert_eq!(expected(&files, 1 << 40).1, Ok(2));
}

#[test]
fn pages_are_whole_and_only_where_there_are_any() {
    let files = Files::default();
    let served = Arc::new(Nothing { first_page: 4096, ..Nothing::default() });
    let nodeid = files.expect(served, 3 * 4096, None).expect("a file");
    let file = files.file(nodeid).expect("a file");
    let mut page = vec![0; 8192];
    assert_eq!(file.page_in(8192, 8192), Ok(page.clone()));
    page[..3].fill(4097_u64 as u8);
    assert_eq!(file.page_in(4097, 8192), Ok(page));
    for offset in [0, 4095, 3 * 4096, u64::MAX] {
        assert_eq!(file.page_in(offset, 4096), Err(Errno::EINVAL), "{offset}");
    }
    assert_eq!(files.cached(nodeid), Ok(4096..3 * 4096));
}
