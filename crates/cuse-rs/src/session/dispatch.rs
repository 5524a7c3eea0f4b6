//! From the opcode to the handler's method: a list.

use std::sync::Arc;

use nix::errno::Errno;

use crate::abi;
use crate::connection::Connection;
use crate::error::Malformed;
use crate::handler::{FileSystem, Handler};
use crate::message::Message;
use crate::op::batch_forget::BatchForget;
use crate::op::flush::Flush;
use crate::op::forget::Forget;
use crate::op::fsync::Fsync;
use crate::op::getattr::{AttrReply, Getattr};
use crate::op::interrupt::Interrupt;
use crate::op::ioctl::{Ioctl, IoctlReply};
use crate::op::lookup::{EntryReply, Lookup};
use crate::op::lseek::{Lseek, LseekReply};
use crate::op::notify_reply::Retrieved;
use crate::op::open::{Open, OpenReply};
use crate::op::opendir::Opendir;
use crate::op::poll::{Poll, PollReply};
use crate::op::read::{Read, ReadReply};
use crate::op::readdir::{DirectoryReply, Readdir};
use crate::op::release::Release;
use crate::op::releasedir::Releasedir;
use crate::op::setattr::Setattr;
use crate::op::statfs::StatfsReply;
use crate::op::write::{Write, WriteReply};
use crate::reply::{EmptyReply, Responder};

/// A request of a character device.
pub(super) fn cuse(
    connection: &Arc<Connection>,
    handler: &(impl Handler + ?Sized),
    message: &Message<'_>,
) {
    let call = Call { connection, message };
    settle(&call, file(&call, handler));
}

/// A request of a file system.
pub(super) fn fuse(
    connection: &Arc<Connection>,
    handler: &(impl FileSystem + ?Sized),
    message: &Message<'_>,
) {
    let call = Call { connection, message };
    let outcome = node(&call, handler).and_then(|found| match found {
        Found::Yes => Ok(Found::Yes),
        Found::No => file(&call, handler),
    });
    settle(&call, outcome);
}

/// One request on its way.
struct Call<'a> {
    connection: &'a Arc<Connection>,
    message: &'a Message<'a>,
}

impl Call<'_> {
    fn responder(&self) -> Responder {
        Responder::new(self.connection, &self.message.header)
    }
}

/// Whether the opcode was in the list.
enum Found {
    Yes,
    No,
}

/// The one answer to what is unknown, and the one to what can't be read.
fn settle(call: &Call<'_>, outcome: Result<Found, Malformed>) {
    let header = &call.message.header;
    let errno = match outcome {
        Ok(Found::Yes) => return,
        Ok(Found::No) => {
            tracing::debug!(opcode = header.opcode, "an opcode is not served: ENOSYS");
            Errno::ENOSYS
        }
        Err(error) => {
            tracing::warn!(
                unique = header.unique,
                "{} can't be read: {error}",
                header.opcode_name()
            );
            Errno::EIO
        }
    };
    if has_answer(header.opcode) {
        call.responder().error(errno);
    }
}

/// Whether somebody waits. An `INTERRUPT` that can't be read is dropped: `ENOSYS` and its like are
/// forbidden for it.
fn has_answer(opcode: u32) -> bool {
    !matches!(
        opcode,
        abi::FUSE_FORGET | abi::FUSE_BATCH_FORGET | abi::FUSE_NOTIFY_REPLY | abi::FUSE_INTERRUPT
    )
}

fn file(call: &Call<'_>, handler: &(impl Handler + ?Sized)) -> Result<Found, Malformed> {
    let (header, body) = (&call.message.header, call.message.body);
    let empty = || EmptyReply { responder: call.responder() };
    match header.opcode {
        abi::FUSE_OPEN => {
            let request = Open::decode(body)?;
            handler.open(header, &request, OpenReply { responder: call.responder() });
        }
        abi::FUSE_RELEASE => handler.release(header, &Release::decode(body)?, empty()),
        abi::FUSE_READ => {
            let request = Read::decode(body)?;
            let reply = ReadReply { responder: call.responder(), size: request.size };
            handler.read(header, &request, reply);
        }
        abi::FUSE_WRITE => {
            let request = Write::decode(body)?;
            let size = u32::try_from(request.data.len()).unwrap_or(u32::MAX);
            handler.write(header, &request, WriteReply { responder: call.responder(), size });
        }
        abi::FUSE_FLUSH => handler.flush(header, &Flush::decode(body)?, empty()),
        abi::FUSE_FSYNC => handler.fsync(header, &Fsync::decode(body)?, empty()),
        abi::FUSE_IOCTL => {
            let request = Ioctl::decode(body)?;
            let Ioctl { flags, out_size, .. } = request;
            handler.ioctl(
                header,
                &request,
                IoctlReply { responder: call.responder(), flags, out_size },
            );
        }
        abi::FUSE_POLL => {
            let request = Poll::decode(body)?;
            let kh = request.notify.then_some(request.kh);
            handler.poll(header, &request, PollReply { responder: call.responder(), kh });
        }
        abi::FUSE_INTERRUPT => Interrupt::decode(body)?.deliver(call.connection, header),
        _ => return Ok(Found::No),
    }
    Ok(Found::Yes)
}

fn node(call: &Call<'_>, handler: &(impl FileSystem + ?Sized)) -> Result<Found, Malformed> {
    let (header, body) = (&call.message.header, call.message.body);
    let empty = || EmptyReply { responder: call.responder() };
    match header.opcode {
        abi::FUSE_LOOKUP => {
            let request = Lookup::decode(body)?;
            handler.lookup(header, &request, EntryReply { responder: call.responder() });
        }
        abi::FUSE_GETATTR => {
            let request = Getattr::decode(body)?;
            handler.getattr(header, &request, AttrReply { responder: call.responder() });
        }
        abi::FUSE_SETATTR => {
            let request = Setattr::decode(body)?;
            handler.setattr(header, &request, AttrReply { responder: call.responder() });
        }
        abi::FUSE_OPENDIR => {
            let request = Opendir::decode(body)?;
            handler.opendir(header, &request, OpenReply { responder: call.responder() });
        }
        abi::FUSE_READDIR => {
            let request = Readdir::decode(body)?;
            let (size, entries) = (request.size, Vec::new());
            let reply = DirectoryReply { responder: call.responder(), size, entries };
            handler.readdir(header, &request, reply);
        }
        abi::FUSE_RELEASEDIR => handler.releasedir(header, &Releasedir::decode(body)?, empty()),
        abi::FUSE_STATFS => handler.statfs(header, StatfsReply { responder: call.responder() }),
        abi::FUSE_LSEEK => {
            let request = Lseek::decode(body)?;
            handler.lseek(header, &request, LseekReply { responder: call.responder() });
        }
        abi::FUSE_FALLOCATE => handler.fallocate(header, empty()),
        abi::FUSE_FORGET => handler.forget(header, &Forget::decode(header, body)?),
        abi::FUSE_BATCH_FORGET => {
            BatchForget::decode(body)?.each().for_each(|forget| handler.forget(header, &forget));
        }
        abi::FUSE_DESTROY => handler.destroy(header, empty()),
        abi::FUSE_NOTIFY_REPLY => handler.retrieved(header, &Retrieved::decode(header, body)?),
        _ => return Ok(Found::No),
    }
    Ok(Found::Yes)
}
