//! The mount's files, and what each request of the kernel's comes to.

use std::collections::HashMap;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cuse_rs::{
    Attr, AttrReply, BackingId, EmptyReply, Entry, EntryReply, Errno, FileSystem, Forget, Getattr,
    Handler, Header, Ioctl, IoctlReply, Lookup, Open, OpenFlags, OpenReply, Poll, PollReply, Read,
    ReadReply, Release, Retrieved, Setattr, Write, WriteReply,
};

use super::Served;

/// The root's node.
const ROOT: u64 = 1;

/// How long what is told of a file may be kept: it never changes.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);

/// A regular file. Who may use it is decided by who has a descriptor.
const FILE_MODE: u32 = 0o100_600;
const ROOT_MODE: u32 = 0o040_700;

/// All files.
#[derive(Default)]
pub(super) struct Files(Mutex<State>);

#[derive(Default)]
struct State {
    last: u64,
    nodes: HashMap<u64, Node>,
    /// Who waits for bytes of the page cache, by the number of the question.
    retrieves: HashMap<u64, SyncSender<Vec<u8>>>,
    last_retrieve: u64,
}

struct Node {
    served: Option<Arc<dyn Served>>,
    size: u64,
    backing: Option<BackingId>,
    /// The daemon is about to open it.
    expected: bool,
}

impl Files {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file that is about to be opened under this name, once.
    pub(super) fn expect(
        &self,
        served: Arc<dyn Served>,
        size: u64,
        backing: Option<BackingId>,
    ) -> (u64, String) {
        let mut state = self.lock();
        state.last = state.last.max(ROOT) + 1;
        let nodeid = state.last;
        state.nodes.insert(nodeid, Node { served: Some(served), size, backing, expected: true });
        (nodeid, nodeid.to_string())
    }

    /// The time for that is over.
    pub(super) fn expected(&self, nodeid: u64) {
        if let Some(node) = self.lock().nodes.get_mut(&nodeid) {
            node.expected = false;
        }
    }

    /// It was not opened.
    pub(super) fn abandon(&self, nodeid: u64) {
        let node = self.lock().nodes.remove(&nodeid);
        drop(node); // without the lock: it takes the backing id back
    }

    /// A number under which bytes of the page cache will come to `sender`.
    pub(super) fn ask(&self, sender: SyncSender<Vec<u8>>) -> u64 {
        let mut state = self.lock();
        state.last_retrieve += 1;
        let number = state.last_retrieve;
        state.retrieves.insert(number, sender);
        number
    }

    /// Nobody waits for them any more.
    pub(super) fn forget_question(&self, number: u64) {
        self.lock().retrieves.remove(&number);
    }

    fn served(&self, nodeid: u64) -> Option<Arc<dyn Served>> {
        self.lock().nodes.get(&nodeid)?.served.clone()
    }

    fn attr(&self, nodeid: u64) -> Option<Attr> {
        if nodeid == ROOT {
            return Some(Attr { ino: ROOT, mode: ROOT_MODE, nlink: 2, ..Attr::default() });
        }
        let size = self.lock().nodes.get(&nodeid)?.size;
        Some(Attr { ino: nodeid, size, mode: FILE_MODE, nlink: 1, ..Attr::default() })
    }
}

impl Handler for Files {
    fn open(&self, header: &Header, _request: &Open, reply: OpenReply) {
        let nodeid = header.nodeid;
        let mut state = self.lock();
        match state.nodes.get_mut(&nodeid).filter(|node| node.expected) {
            None => drop(reply.error(Errno::ENXIO)),
            Some(node) => {
                node.expected = false;
                match &node.backing {
                    Some(backing) => {
                        let flags = OpenFlags::DIRECT_IO | OpenFlags::NOFLUSH;
                        reply.passthrough(nodeid, backing, flags)
                    }
                    None => reply.opened(nodeid, OpenFlags::KEEP_CACHE | OpenFlags::NOFLUSH),
                };
            }
        }
    }

    fn release(&self, _header: &Header, request: &Release, reply: EmptyReply) {
        let (served, backing) = match self.lock().nodes.get_mut(&request.fh) {
            Some(node) => (node.served.take(), node.backing.take()),
            None => (None, None),
        };
        reply.ok();
        drop(backing);
        if let Some(served) = served {
            served.release();
        }
    }

    fn read(&self, header: &Header, request: &Read, reply: ReadReply) {
        let Some(served) = self.served(header.nodeid) else {
            reply.error(Errno::ENODEV);
            return;
        };
        if request.direct {
            served.read(header, request, reply);
        } else {
            reply.data(&served.page_in(request.offset, request.size as usize));
        }
    }

    fn write(&self, header: &Header, request: &Write<'_>, reply: WriteReply) {
        let Some(served) = self.served(header.nodeid) else {
            reply.error(Errno::ENODEV);
            return;
        };
        if request.from_cache {
            served.page_out(request.offset, request.data);
            reply.written(u32::try_from(request.data.len()).unwrap_or(u32::MAX));
        } else {
            served.write(header, request, reply);
        }
    }

    fn ioctl(&self, header: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        match self.served(header.nodeid) {
            Some(served) => served.ioctl(header, request, reply),
            None => drop(reply.error(Errno::ENODEV)),
        }
    }

    fn poll(&self, header: &Header, request: &Poll, reply: PollReply) {
        match self.served(header.nodeid) {
            Some(served) => drop(reply.events(served.poll(header, request))),
            None => drop(reply.error(Errno::ENODEV)),
        }
    }
}

impl FileSystem for Files {
    fn lookup(&self, header: &Header, request: &Lookup<'_>, reply: EntryReply) {
        let name = std::str::from_utf8(request.name).ok();
        let nodeid = name.and_then(|name| name.parse().ok()).filter(|_| header.nodeid == ROOT);
        let expected =
            nodeid.filter(|nodeid| self.lock().nodes.get(nodeid).is_some_and(|node| node.expected));
        match expected.and_then(|nodeid| Some((nodeid, self.attr(nodeid)?))) {
            Some((nodeid, attr)) => {
                reply.entry(&Entry {
                    nodeid,
                    generation: 0,
                    entry_valid: Duration::ZERO,
                    attr_valid: FOR_EVER,
                    attr,
                });
            }
            None => drop(reply.error(Errno::ENOENT)),
        }
    }

    fn getattr(&self, header: &Header, _request: &Getattr, reply: AttrReply) {
        match self.attr(header.nodeid) {
            Some(attr) => drop(reply.attr(&attr, FOR_EVER)),
            None => drop(reply.error(Errno::ENODEV)),
        }
    }

    /// Times of the page cache's writing are the kernel's affair; nothing else can be changed.
    fn setattr(&self, header: &Header, request: &Setattr, reply: AttrReply) {
        let untouched = request.mode.is_none() && request.size.is_none();
        match self.attr(header.nodeid).filter(|_| untouched) {
            Some(attr) => drop(reply.attr(&attr, FOR_EVER)),
            None => drop(reply.error(Errno::EINVAL)),
        }
    }

    fn forget(&self, _header: &Header, request: &Forget) {
        let node = self.lock().nodes.remove(&request.nodeid);
        drop(node);
    }

    fn retrieved(&self, _header: &Header, request: &Retrieved<'_>) {
        let asked = self.lock().retrieves.remove(&request.notify_unique);
        if let Some(asked) = asked {
            // Whoever asked may have given up.
            let _ = asked.try_send(request.data.to_vec());
        }
    }
}
