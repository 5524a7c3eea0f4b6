//! The mount's files, and what each request of the kernel's comes to.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use cuse_rs::{
    Attr, AttrReply, BackingId, EmptyReply, Entry, EntryReply, Errno, FileSystem, Forget, Fsync,
    Getattr, Handler, Header, Ioctl, IoctlReply, Lookup, Lseek, LseekReply, Open, OpenFlags,
    OpenReply, Poll, PollReply, Read, ReadReply, Release, Retrieved, Setattr, Write, WriteReply,
};

use super::cache::Fetches;
use super::pieces::Pieces;
use super::{MAX_WRITE, Served};
use crate::sys::memfd::page_size;

/// The root's node.
const ROOT: u64 = 1;

/// How long what is told of a file may be kept: it never changes.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);

/// A regular file. Who may use it is decided by who has a descriptor.
const FILE_MODE: u32 = 0o100_600;
const ROOT_MODE: u32 = 0o040_700;

/// The longest file, in bytes: the kernel's own bound (`MAX_LFS_FILESIZE`) less the last page.
const LONGEST: u64 = i64::MAX as u64 - 0xffff;

/// How the names of all files begin.
pub const NAME: &str = "shrbuf-";

/// How a file is called on the mount: seen by people, in `/proc/<pid>/maps` and `/proc/<pid>/fd`.
pub(super) fn name(nodeid: u64) -> String {
    format!("{NAME}{nodeid}")
}

fn nodeid_of(name: &[u8]) -> Option<u64> {
    let nodeid = std::str::from_utf8(name).ok()?.strip_prefix(NAME)?.parse().ok()?;
    (self::name(nodeid).as_bytes() == name).then_some(nodeid)
}

/// All files.
#[derive(Default)]
pub(super) struct Files {
    table: Mutex<Table>,
    /// Bytes of page caches that somebody waits for.
    pub(super) fetches: Fetches,
    /// The thread that answers requests.
    reader: OnceLock<ThreadId>,
}

#[derive(Default)]
struct Table {
    last: u64,
    nodes: HashMap<u64, Node>,
    over: bool,
}

struct Node {
    state: State,
    /// Until its release.
    file: Option<Arc<File>>,
    size: u64,
    /// How many answers gave it to the kernel, less those that it gave back.
    lookups: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The daemon is about to open it.
    Expected,
    Open,
    /// Released, or never opened.
    Closed,
}

/// What a file is while it is open.
struct File {
    served: Arc<dyn Served>,
    content: Content,
    pieces: Pieces,
}

enum Content {
    Passthrough(BackingId),
    /// The bytes that can be cached.
    Cached(Range<u64>),
}

impl Files {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calling thread answers requests from now on.
    pub(super) fn served_here(&self) {
        let _ = self.reader.set(std::thread::current().id()); // there is one
    }

    pub(super) fn is_served_here(&self) -> bool {
        self.reader.get() == Some(&std::thread::current().id())
    }

    /// A file that is about to be opened, once. Its number is never used again.
    pub(super) fn expect(
        &self,
        served: Arc<dyn Served>,
        size: u64,
        backing: Option<BackingId>,
    ) -> Result<u64, Errno> {
        // The kernel's page cache has whole pages.
        let size = size.checked_next_multiple_of(page_size() as u64);
        let size = size.filter(|size| (1..=LONGEST).contains(size)).ok_or(Errno::EINVAL)?;
        let content = match backing {
            Some(backing) => Content::Passthrough(backing),
            None => Content::Cached(served.first_page().min(size)..size),
        };
        let file = Some(Arc::new(File { served, content, pieces: Pieces::new(MAX_WRITE) }));
        let mut table = self.table();
        if table.over {
            return Err(Errno::ENODEV);
        }
        let nodeid = table.last.max(ROOT) + 1;
        table.last = nodeid;
        table.nodes.insert(nodeid, Node { state: State::Expected, file, size, lookups: 0 });
        Ok(nodeid)
    }

    /// It is not wanted any more: nobody hears of its release.
    pub(super) fn abandon(&self, nodeid: u64) {
        let mut table = self.table();
        let Some(node) = table.nodes.get_mut(&nodeid) else { return };
        node.state = State::Closed;
        let file = node.file.take();
        if node.lookups == 0 {
            table.nodes.remove(&nodeid);
        }
        drop(table);
        drop(file); // without the lock: it takes the backing id back
    }

    /// The bytes of an open file that can be cached.
    pub(super) fn cached(&self, nodeid: u64) -> Result<Range<u64>, Errno> {
        let file = self.file(nodeid).ok_or(Errno::ENOENT)?;
        match &file.content {
            Content::Cached(range) => Ok(range.clone()),
            Content::Passthrough(_) => Err(Errno::EINVAL),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.table().over
    }

    /// The mount has ended.
    pub(super) fn end(&self) {
        self.fetches.end();
        let mut table = self.table();
        table.over = true;
        let nodes: Vec<Node> = table.nodes.drain().map(|(_, node)| node).collect();
        drop(table);
        for node in nodes {
            if let (State::Open, Some(file)) = (node.state, node.file) {
                file.served.release();
            }
        }
    }

    fn file(&self, nodeid: u64) -> Option<Arc<File>> {
        self.table().nodes.get(&nodeid).and_then(|node| node.file.clone())
    }

    fn attr(&self, nodeid: u64) -> Option<Attr> {
        if nodeid == ROOT {
            return Some(Attr { ino: ROOT, mode: ROOT_MODE, nlink: 2, ..Attr::default() });
        }
        self.table().nodes.get(&nodeid).map(|node| attr_of(nodeid, node.size))
    }

    /// The kernel is given a file that the daemon is about to open.
    fn look_up(&self, parent: u64, name: &[u8]) -> Option<Attr> {
        let nodeid = nodeid_of(name).filter(|_| parent == ROOT)?;
        let mut table = self.table();
        let node = table.nodes.get_mut(&nodeid).filter(|node| node.state == State::Expected)?;
        node.lookups += 1;
        Some(attr_of(nodeid, node.size))
    }

    /// The one open that is answered.
    fn opened(&self, nodeid: u64) -> Option<Arc<File>> {
        let mut table = self.table();
        let node = table.nodes.get_mut(&nodeid).filter(|node| node.state == State::Expected)?;
        node.state = State::Open;
        node.file.clone()
    }

    fn released(&self, nodeid: u64) -> Option<Arc<File>> {
        let mut table = self.table();
        let node = table.nodes.get_mut(&nodeid)?;
        node.state = State::Closed;
        node.file.take()
    }

    fn forgotten(&self, nodeid: u64, count: u64) {
        let mut table = self.table();
        let Some(node) = table.nodes.get_mut(&nodeid) else { return };
        node.lookups = node.lookups.saturating_sub(count);
        if node.lookups == 0 {
            let node = table.nodes.remove(&nodeid);
            drop(table);
            drop(node);
        }
    }
}

fn attr_of(nodeid: u64, size: u64) -> Attr {
    Attr { ino: nodeid, size, mode: FILE_MODE, nlink: 1, ..Attr::default() }
}

impl File {
    /// Whole pages for the page cache. Anything less would change the file's length.
    fn page_in(&self, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let Content::Cached(range) = &self.content else { return Err(Errno::EINVAL) };
        // EINVAL is also what read(2) gives then, of a file that is no longer read directly.
        if !range.contains(&offset) {
            return Err(Errno::EINVAL);
        }
        let mut bytes = self.served.page_in(offset, size as usize);
        bytes.resize(size as usize, 0);
        Ok(bytes)
    }
}

impl Handler for Files {
    fn open(&self, header: &Header, _request: &Open, reply: OpenReply) {
        let Some(file) = self.opened(header.nodeid) else {
            tracing::info!(tid = header.pid, uid = header.uid, "a mapped file is not opened twice");
            reply.error(Errno::ENXIO);
            return;
        };
        tracing::debug!(nodeid = header.nodeid, "a mapped file is opened");
        match &file.content {
            Content::Passthrough(backing) => {
                let flags =
                    OpenFlags::DIRECT_IO | OpenFlags::NOFLUSH | OpenFlags::PARALLEL_DIRECT_WRITES;
                reply.passthrough(header.nodeid, backing, flags);
            }
            // A stream has no place in it, so that each read and write begins at 0, as in a
            // character device.
            Content::Cached(_) => {
                let flags = OpenFlags::KEEP_CACHE | OpenFlags::NOFLUSH | OpenFlags::STREAM;
                reply.opened(header.nodeid, flags);
            }
        }
    }

    fn release(&self, header: &Header, _request: &Release, reply: EmptyReply) {
        let file = self.released(header.nodeid);
        reply.ok();
        if let Some(file) = file {
            let served = Arc::clone(&file.served);
            // The backing id first: it is a holder of the file that was passed through to.
            drop(file);
            served.release();
        }
    }

    fn read(&self, header: &Header, request: &Read, reply: ReadReply) {
        let Some(file) = self.file(header.nodeid) else {
            reply.error(Errno::ENODEV);
            return;
        };
        if request.direct {
            let offset = file.before(header, request.offset, request.size as usize);
            file.served.read(header, &Read { offset, ..*request }, reply);
            return;
        }
        match file.page_in(request.offset, request.size) {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(errno),
        };
    }

    fn write(&self, header: &Header, request: &Write<'_>, reply: WriteReply) {
        let Some(file) = self.file(header.nodeid) else {
            reply.error(Errno::ENODEV);
            return;
        };
        if request.direct {
            let offset = file.before(header, request.offset, request.data.len());
            file.served.write(header, &Write { offset, ..*request }, reply);
        } else if request.from_cache {
            file.served.page_out(request.offset, request.data);
            reply.written(u32::try_from(request.data.len()).unwrap_or(u32::MAX));
        } else {
            // The rest of what was taken in part, which ends the write(2); or one that is not direct.
            reply.error(Errno::EINVAL);
        }
    }

    fn ioctl(&self, header: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        match self.file(header.nodeid) {
            Some(file) => file.served.ioctl(header, request, reply),
            None => drop(reply.error(Errno::ENODEV)),
        }
    }

    fn fsync(&self, header: &Header, _request: &Fsync, reply: EmptyReply) {
        let file = self.file(header.nodeid);
        reply.error(file.map_or(Errno::ENODEV, |file| file.served.fsync()));
    }

    fn poll(&self, header: &Header, request: &Poll, reply: PollReply) {
        match self.file(header.nodeid) {
            Some(file) => reply.events(file.served.poll(header, request)),
            None => reply.error(Errno::ENODEV),
        };
    }
}

impl File {
    /// How much this read or write has had before this piece of it.
    fn before(&self, header: &Header, offset: u64, size: usize) -> u64 {
        match &self.content {
            Content::Passthrough(_) => self.pieces.before(header.pid, offset, size as u64),
            Content::Cached(_) => offset,
        }
    }
}

impl FileSystem for Files {
    fn lookup(&self, header: &Header, request: &Lookup<'_>, reply: EntryReply) {
        match self.look_up(header.nodeid, request.name) {
            Some(attr) => reply.entry(&Entry {
                nodeid: attr.ino,
                generation: 0,
                // The kernel lets go of the name, and of the node with it, when the file is closed.
                entry_valid: Duration::ZERO,
                attr_valid: FOR_EVER,
                attr,
            }),
            None => reply.error(Errno::ENOENT),
        };
    }

    fn getattr(&self, header: &Header, _request: &Getattr, reply: AttrReply) {
        match self.attr(header.nodeid) {
            Some(attr) => reply.attr(&attr, FOR_EVER),
            None => reply.error(Errno::ENOENT),
        };
    }

    fn setattr(&self, _header: &Header, request: &Setattr, reply: AttrReply) {
        // As of a character device: it has no length.
        reply.error(if request.size.is_some() { Errno::EINVAL } else { Errno::EPERM });
    }

    fn lseek(&self, header: &Header, _request: &Lseek, reply: LseekReply) {
        let file = self.file(header.nodeid);
        reply.error(file.map_or(Errno::ENODEV, |file| file.served.seek_data()));
    }

    fn fallocate(&self, header: &Header, reply: EmptyReply) {
        let file = self.file(header.nodeid);
        reply.error(file.map_or(Errno::ENODEV, |file| file.served.fallocate()));
    }

    fn forget(&self, _header: &Header, request: &Forget) {
        self.forgotten(request.nodeid, request.nlookup);
    }

    fn retrieved(&self, _header: &Header, request: &Retrieved<'_>) {
        self.fetches.came(request.notify_unique, request.data);
    }
}

#[cfg(test)]
mod tests;
