//! A mount whose root is a flat folder of files, for the tests of both engines.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use cuse_rs::*;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// The file's node, and its name.
pub(crate) const FILE: u64 = 2;
const NAME: &str = "file";

/// For as long as nobody says otherwise.
const LONG: Duration = Duration::from_secs(1000);

/// What happened, and what the page cache gave back.
#[derive(Default)]
pub(crate) struct Folder {
    /// Opened as [`BackingId`] says, where there is one.
    pub(crate) backing: Mutex<Option<BackingId>>,
    /// How long the file is.
    pub(crate) size: u64,
    pub(crate) events: Mutex<Vec<String>>,
    /// Opened for the page cache, and not read directly.
    pub(crate) cached: bool,
}

impl Folder {
    fn note(&self, what: impl Into<String>) {
        self.events.lock().expect("a lock").push(what.into());
    }

    #[allow(dead_code, reason = "not every lane looks")]
    pub(crate) fn saw(&self, what: &str) -> bool {
        self.events.lock().expect("a lock").iter().any(|event| event == what)
    }

    fn attr(&self, nodeid: u64) -> Attr {
        let file =
            Attr { ino: FILE, size: self.size, mode: 0o100_666, nlink: 1, ..Attr::default() };
        if nodeid == FILE { file } else { Attr { ino: 1, mode: 0o040_755, nlink: 2, ..file } }
    }
}

impl Handler for Folder {
    fn open(&self, header: &Header, _: &Open, reply: OpenReply) {
        assert_eq!(header.nodeid, FILE);
        if let Some(backing) = &*self.backing.lock().expect("a lock") {
            reply.passthrough(7, backing, OpenFlags::DIRECT_IO | OpenFlags::NOFLUSH);
        } else if self.cached {
            reply.opened(7, OpenFlags::KEEP_CACHE);
        } else {
            reply.opened(7, OpenFlags::DIRECT_IO);
        }
    }

    fn release(&self, _: &Header, request: &Release, reply: EmptyReply) {
        self.note(format!("release {}", request.fh));
        reply.ok();
    }

    fn read(&self, _: &Header, request: &Read, reply: ReadReply) {
        self.note(format!("read {}", request.offset));
        let rest = self.size.saturating_sub(request.offset).min(request.size.into());
        reply.data(&vec![b'x'; rest as usize]);
    }

    fn write(&self, _: &Header, request: &Write<'_>, reply: WriteReply) {
        self.note(format!("write {} {:?}", request.offset, String::from_utf8_lossy(request.data)));
        reply.written(request.data.len() as u32);
    }

    fn flush(&self, _: &Header, request: &Flush, reply: EmptyReply) {
        self.note(format!("flush {}", request.fh));
        reply.ok();
    }

    fn fsync(&self, _: &Header, request: &Fsync, reply: EmptyReply) {
        self.note(format!("fsync {}", request.data_only));
        reply.ok();
    }
}

impl FileSystem for Folder {
    fn lookup(&self, header: &Header, request: &Lookup<'_>, reply: EntryReply) {
        if header.nodeid != 1 || request.name != NAME.as_bytes() {
            reply.error(Errno::ENOENT);
            return;
        }
        self.note("lookup");
        let attr = self.attr(FILE);
        let entry =
            Entry { nodeid: FILE, generation: 0, entry_valid: LONG, attr_valid: LONG, attr };
        reply.entry(&entry);
    }

    fn getattr(&self, header: &Header, _: &Getattr, reply: AttrReply) {
        reply.attr(&self.attr(header.nodeid), LONG);
    }

    fn setattr(&self, header: &Header, request: &Setattr, reply: AttrReply) {
        self.note(format!(
            "mode {:?}, size {:?}",
            request.mode.map(|mode| mode & 0o777),
            request.size
        ));
        reply.attr(&self.attr(header.nodeid), LONG);
    }

    fn forget(&self, _: &Header, request: &Forget) {
        self.note(format!("forget {} {}", request.nodeid, request.nlookup));
    }

    fn readdir(&self, _: &Header, request: &Readdir, mut reply: DirectoryReply) {
        let entries = [(1, 0o040_000, "."), (1, 0o040_000, ".."), (FILE, 0o100_000, NAME)];
        for (place, (ino, kind, name)) in (1..).zip(entries).skip(request.offset as usize) {
            if !reply.add(ino, place, kind, name.as_bytes()) {
                break;
            }
        }
        reply.send();
    }

    fn statfs(&self, _: &Header, reply: StatfsReply) {
        reply.statfs(&Statfs { files: 42, ..Statfs::default() });
    }

    fn lseek(&self, _: &Header, request: &Lseek, reply: LseekReply) {
        self.note(format!("lseek {} {}", request.offset, request.whence));
        reply.offset(12);
    }

    fn retrieved(&self, _: &Header, request: &Retrieved<'_>) {
        let (number, offset) = (request.notify_unique, request.offset);
        self.note(format!("{number}: {offset} {:?}", String::from_utf8_lossy(request.data)));
    }
}

/// Unmounts also when a test panics, or nobody would see why.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let force = if std::thread::panicking() { MntFlags::MNT_FORCE } else { MntFlags::empty() };
        let done = umount2(&self.0, force);
        assert!(std::thread::panicking() || done.is_ok(), "{done:?}");
    }
}

/// Mounts `folder`, and runs `body` beside two reader threads, with the path of the file; then unmounts.
pub(crate) fn mounted(
    folder: &Folder,
    config: &FuseConfig,
    body: impl FnOnce(&Session<Fuse>, &Path),
) {
    let at = PathBuf::from("/run/cuse-rs-test");
    fs::create_dir_all(&at).expect("a folder");
    let device = Device::open::<Fuse>().expect("/dev/fuse");
    let options = device.mount_options(0, 0);
    mount(Some("test"), &at, Some("fuse"), MsFlags::MS_NOSUID, Some(options.as_str()))
        .expect("a mount");
    let session = Session::<Fuse>::new(device, config).expect("a session");
    std::thread::scope(|scope| {
        let mount = Mount(at.clone());
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| session.serve(folder))).collect();
        body(&session, &at.join(NAME));
        drop(mount);
        for reader in readers {
            reader.join().expect("its end").expect("no error");
        }
    });
}
