//! One ioctl on its way: who calls, with what, and the reply that is owed.

use cuse_rs::{Errno, IoctlReply};
use vb2::{FileId, Ticket};

use super::doors::Door;
use crate::courier::{CallSite, Caller, Worker};
use crate::v4l2::table;
use crate::v4l2::uapi::{IOC_READ, ioc_dir, ioc_size};

/// `-ERESTARTSYS`: the kernel starts the call again where the signal's handler asked for that
/// (`SA_RESTART`) or there is none, and makes `EINTR` of it otherwise. The kernel never shows it to
/// a program (`include/linux/errno.h`).
const ERESTARTSYS: i32 = 512;

/// An ioctl that has not been answered yet. Dropped, its reply answers `EIO`.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) file: FileId,
    /// Through which of the file's doors it came.
    pub(super) door: Door,
    pub(super) ticket: Ticket,
    pub(super) site: CallSite,
    /// The argument, as large as the command says.
    pub(super) arg: Vec<u8>,
    /// The caller's array behind it, and where it lies there.
    pub(super) nested: Vec<u8>,
    pub(super) nested_at: Option<u64>,
    /// The array as it was read.
    nested_before: Vec<u8>,
    /// It has waited already for a file that was in its way.
    pub(super) waited: bool,
    reply: IoctlReply,
    out_size: usize,
}

impl Call {
    pub(super) fn new(
        file: FileId,
        door: Door,
        header: &cuse_rs::Header,
        request: &cuse_rs::Ioctl<'_>,
        reply: IoctlReply,
    ) -> Self {
        let size = ioc_size(request.cmd);
        let mut arg = request.data.get(..size).unwrap_or(request.data).to_vec();
        arg.resize(size, 0);
        let caller = Caller { tid: header.pid, uid: header.uid, gid: header.gid };
        Self {
            file,
            door,
            ticket: Ticket(header.id),
            site: CallSite { caller, cmd: request.cmd, arg: request.arg },
            arg,
            nested: Vec::new(),
            nested_at: None,
            nested_before: Vec::new(),
            waited: false,
            reply,
            out_size: request.out_size as usize,
        }
    }

    /// The open file description: what has an `O_NONBLOCK` of its own.
    pub(super) fn opened(&self) -> (FileId, Door) {
        (self.file, self.door)
    }

    pub(super) fn cmd(&self) -> u32 {
        self.site.cmd
    }

    pub(super) fn uid(&self) -> u32 {
        self.site.caller.uid
    }

    /// The caller's array, as it was read.
    pub(super) fn set_array(&mut self, bytes: Vec<u8>) {
        self.nested_before.clone_from(&bytes);
        self.nested = bytes;
    }

    /// Whether the array has to be written back.
    pub(super) fn array_changed(&self) -> bool {
        self.nested_at.is_some() && self.nested != self.nested_before
    }

    /// See [`IoctlReply::on_interrupt`].
    pub(super) fn on_interrupt(&self, callback: Box<dyn FnOnce() + Send>) {
        self.reply.on_interrupt(callback);
    }

    /// This result, and the argument as it is now.
    fn answer(self, result: i32) {
        let is_read = ioc_dir(self.cmd()) & IOC_READ != 0;
        let size = if is_read { self.arg.len().min(self.out_size) } else { 0 };
        self.reply.ok(result, self.arg.get(..size).unwrap_or_default());
    }

    /// 0, and the argument as it is now.
    pub(super) fn succeed(self) {
        self.answer(0);
    }

    /// The caller is held, and its call made what it is to be: see [`crate::courier::Worker::give`].
    pub(super) fn held(self) {
        self.reply.error(Worker::HELD);
    }

    /// This errno; with the argument too, where the kernel gives it back nevertheless.
    pub(super) fn fail(self, errno: Errno) {
        let name = table::name(self.cmd()).unwrap_or("unknown ioctl");
        tracing::debug!(tid = self.site.caller.tid, uid = self.uid(), "{name}: {errno}");
        if table::gives_back(self.cmd(), self.nested_at.is_some()) {
            self.answer(-(errno as i32));
        } else {
            self.reply.error(errno);
        }
    }

    /// A signal has come: begin again after it, or `EINTR`, as its handler says.
    pub(super) fn interrupted(self) {
        // Nothing is written: the call begins again with the argument as it was.
        self.reply.ok(-ERESTARTSYS, &[]);
    }
}
