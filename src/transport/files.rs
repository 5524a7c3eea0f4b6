//! Opening, polling and closing a node's files, by whichever of their doors.

use std::sync::Arc;

use cuse_rs::Errno;
use vb2::FileId;

use super::doors::{Door, Left};
use super::mapped::MappedFile;
use super::node::NodeShared;
use super::users::Kind;
use crate::device::Device;
use crate::shrbuf::arena::ArenaKind;

/// Whose job a close is, for the workers' fairness.
const ROOT: u32 = 0;

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
            self.services.lookout.watch().ring();
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
    pub(super) fn is_open(&self, file: FileId) -> bool {
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
