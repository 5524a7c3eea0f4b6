//! What is behind the tests' files: bytes for the page cache, and answers that show that they came.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cuse_rs::*;
use shrbuf::transport::fuse::{Mount, Served};

use super::{FIRST, SIZE};

/// `_IOWR('T', 1, char[64])`: each byte one more; the call returns 7.
const ADD: u32 = 0xc040_5401;
/// `_IO('T', 2)`: waits for a signal.
const WAIT: u32 = 0x5402;

pub(super) struct Memory {
    bytes: Mutex<Vec<u8>>,
    released: AtomicUsize,
    readable: AtomicBool,
    /// Who polls, or 0.
    poller: AtomicU64,
    waiting: Arc<Mutex<Option<IoctlReply>>>,
}

impl Memory {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            bytes: Mutex::new(vec![b'p'; SIZE as usize]),
            released: AtomicUsize::new(0),
            readable: AtomicBool::new(false),
            poller: AtomicU64::new(0),
            waiting: Arc::default(),
        })
    }

    pub(super) fn at(&self, offset: u64) -> u8 {
        self.bytes.lock().expect("a lock")[offset as usize]
    }

    pub(super) fn store(&self, offset: u64, bytes: &[u8]) {
        let at = offset as usize;
        self.bytes.lock().expect("a lock")[at..at + bytes.len()].copy_from_slice(bytes);
    }

    pub(super) fn released(&self) -> usize {
        self.released.load(Ordering::SeqCst)
    }

    pub(super) fn is_readable(&self, mount: &Mount) {
        self.readable.store(true, Ordering::SeqCst);
        mount.wake(self.poller.load(Ordering::SeqCst)).expect("the mount is there");
    }
}

impl Served for Memory {
    fn ioctl(&self, header: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        assert!(header.uid == super::ORDINARY_USER && header.pid != 0, "{header:?}");
        match request.cmd {
            ADD => {
                let more: Vec<u8> = request.data.iter().map(|byte| byte + 1).collect();
                reply.ok(7, &more);
            }
            WAIT => {
                let (interrupts, waiting) = (reply.interrupts(), Arc::clone(&self.waiting));
                *waiting.lock().expect("a lock") = Some(reply);
                interrupts.on_interrupt(Box::new(move || {
                    if let Some(reply) = waiting.lock().expect("a lock").take() {
                        reply.error(Errno::EINTR);
                    }
                }));
            }
            _ => drop(reply.error(Errno::ENOTTY)),
        }
    }

    fn poll(&self, _: &Header, request: &Poll) -> u32 {
        if request.notify {
            self.poller.store(request.kh, Ordering::SeqCst);
        }
        if self.readable.load(Ordering::SeqCst) { libc::POLLIN as u32 } else { 0 }
    }

    fn read(&self, _: &Header, request: &Read, reply: ReadReply) {
        let text = format!("{}read", request.offset);
        reply.data(text.as_bytes().get(..request.size as usize).unwrap_or(text.as_bytes()));
    }

    fn write(&self, _: &Header, request: &Write<'_>, reply: WriteReply) {
        assert_eq!(request.offset, 0);
        reply.written(request.data.len().min(60) as u32);
    }

    fn page_in(&self, offset: u64, len: usize) -> Vec<u8> {
        let bytes = self.bytes.lock().expect("a lock");
        let rest = bytes.get(offset as usize..).unwrap_or_default();
        rest.get(..len).unwrap_or(rest).to_vec()
    }

    fn page_out(&self, offset: u64, bytes: &[u8]) {
        assert_eq!(self.released(), 0, "what is written out comes before the release");
        self.store(offset, bytes);
    }

    fn first_page(&self) -> u64 {
        FIRST
    }

    fn release(&self) {
        self.released.fetch_add(1, Ordering::SeqCst);
    }
}
