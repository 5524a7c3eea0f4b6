//! Opening, polling and closing a node's files, by whichever of their doors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cuse_rs::Errno;
use vb2::FileId;

use super::call::Call;
use super::doors::{Door, Left};
use super::errand;
use super::mapped::MappedFile;
use super::node::NodeShared;
use super::users::Kind;
use crate::courier::Worker;
use crate::device::Device;
use crate::shrbuf::arena::ArenaKind;

/// How long a call waits until the kernel tells of the close of a file that is in its way. It does so
/// after `close(2)` on the mount has returned, so a program that opens the node again may be faster;
/// before that it writes out what was written through a mapping, which takes its time on a busy machine.
const CLOSING: Duration = Duration::from_secs(5);

/// How long from then on it waits for the last mapping to go, which the kernel undoes later still.
const UNMAPPING: Duration = Duration::from_secs(1);

/// Whose job a close is, for the workers' fairness.
const ROOT: u32 = 0;

/// Between two looks at such a file.
const LOOK: Duration = Duration::from_millis(10);

impl NodeShared {
    pub(super) fn open(self: &Arc<Self>, uid: u32, flags: u32) -> Result<FileId, Errno> {
        if self.is_stopping() {
            return Err(Errno::ENODEV);
        }
        self.see_off();
        let permit = self.services.users.permit(uid, Kind::Open)?;
        let file = self.device().open()?;
        self.files.opened(file, permit);
        self.nonblocking.open((file, Door::Cuse), flags);
        Ok(file)
    }

    /// The last descriptor of one of the file's doors is gone.
    pub(super) fn release(self: &Arc<Self>, file: FileId, door: Door) {
        self.pollers.remove(file, door);
        self.nonblocking.close((file, door));
        if door == Door::Fuse
            && let Some(mapped) = self.files.mapped(file)
            && mapped.arena().kind() == ArenaKind::Copies
        {
            // The last descriptor is gone, and with it the last mapping of the page cache.
            mapped.arena().unmapped();
        }
        match self.files.leave(file, door) {
            Left::Open => {}
            Left::Nothing => self.close(file),
            // Its frame has to be waited for, and not on the mount's thread: see `NodeShared::ioctl`.
            Left::Mappings(mapped) if door == Door::Fuse && self.device().owns_queue(file) => {
                let on = Arc::clone(self);
                let job = move |_: Result<&mut _, _>| on.close_if_unmapped(file, &mapped);
                self.services.workers.submit_owed(ROOT, job);
            }
            Left::Mappings(mapped) => self.close_if_unmapped(file, &mapped),
        }
    }

    fn close(self: &Arc<Self>, file: FileId) {
        let mut device = self.device();
        if device.owns_queue(file) {
            device = self.frame_done(device);
        }
        device.close(file);
        let left = self.take_left(&mut device);
        drop(device);
        self.user.close(file);
        self.carry_out(left);
    }

    /// A file without descriptors is open as long as it is mapped, as a driver's is.
    fn close_if_unmapped(self: &Arc<Self>, file: FileId, mapped: &MappedFile) {
        if mapped.arena().held() {
            return self.services.lookout.watch().node(self);
        }
        if self.files.begin_close(file) {
            self.close(file);
            mapped.arena().unmapped();
            self.files.forget(file);
        }
    }

    /// Closes the files whose last mapping is gone. A system call for each file that only mappings
    /// keep open, of which there is mostly none.
    pub(super) fn see_off(self: &Arc<Self>) {
        for (file, mapped) in self.files.lingering() {
            self.close_if_unmapped(file, &mapped);
        }
    }

    /// Whether somebody is known to have the file open. Descriptors of the mount's file that are
    /// other processes' only are not known.
    fn is_open(&self, file: FileId) -> bool {
        self.files.is_open_by_device(file)
            || self.files.mapped(file).is_some_and(|mapped| mapped.is_open_there())
    }

    /// The file that has the queue, where that may be about to close. Asked under the lock under which
    /// the call was refused: whoever closes that file waits for it, and is done with it right after.
    pub(super) fn in_the_way(&self, device: &Device, file: FileId, errno: Errno) -> Option<FileId> {
        let other = device.queue_owner().filter(|owner| *owner != file)?;
        (errno == Errno::EBUSY && self.files.mapped(other).is_some()).then_some(other)
    }

    pub(super) fn poll(
        self: &Arc<Self>,
        file: FileId,
        door: Door,
        uid: u32,
        request: &cuse_rs::Poll,
    ) -> u32 {
        let mut device = self.device();
        let revents = device.poll(file, uid, request.events);
        // Under the device's lock: else news between the two would wake nobody.
        if request.notify {
            self.pollers.insert(file, door, request.kh);
        }
        self.let_go(device);
        revents
    }
}

/// A call that found the queue to be another file's: it is made once more when that is closed, or
/// refused if it is open still.
pub(super) fn wait_for_close(node: &Arc<NodeShared>, mut call: Call, other: FileId) {
    call.waited = true;
    let on = Arc::clone(node);
    when_closed(node, call.uid(), other, move |worker| match worker {
        Ok(worker) => errand::again(&on, worker, call),
        Err(errno) => call.fail(errno),
    });
}

/// Does something on a worker when `other` is closed, or turns out to be open still.
pub(super) fn when_closed(
    node: &Arc<NodeShared>,
    uid: u32,
    other: FileId,
    then: impl FnOnce(Result<&mut Worker, Errno>) + Send + 'static,
) {
    node.see_off();
    let on = Arc::clone(node);
    node.services.workers.submit(uid, move |worker| {
        let mut end = Instant::now() + CLOSING;
        let mut told = false;
        if on.files.mapped(other).is_some_and(|mapped| mapped.is_open_anywhere()) {
            return then(worker);
        }
        // Nobody tells when a swap that is being made is over, nor when the last of some mappings is
        // undone.
        while !on.is_open(other) && !on.files.await_closed(other, LOOK) && Instant::now() < end {
            if !told && on.files.lingers(other) {
                told = true;
                end = Instant::now() + UNMAPPING;
            }
            on.see_off();
        }
        then(worker);
    });
}
