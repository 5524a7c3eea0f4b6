//! `read(2)` and `write(2)` on their way: at once, or parked.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cuse_rs::Header;
use vb2::{FileId, Ticket};

use super::closing;
use super::node::NodeShared;
use super::parked::Parked;
use crate::device::{Io, Piece};
use crate::v4l2::Context;

/// One request, on its way for the first time or, after it has waited for a file that was in its way,
/// for the second.
#[derive(Clone, Copy)]
struct Way {
    file: FileId,
    header: Header,
    piece: Piece,
    waited: bool,
}

impl NodeShared {
    pub(super) fn read(
        self: &Arc<Self>,
        file: FileId,
        header: &Header,
        request: &cuse_rs::Read,
        reply: cuse_rs::ReadReply,
    ) {
        let piece = piece(request.offset, request.flags);
        self.read_on(Way { file, header: *header, piece, waited: false }, request.size, reply);
    }

    fn read_on(self: &Arc<Self>, way: Way, size: u32, reply: cuse_rs::ReadReply) {
        let interrupted = Arc::new(AtomicBool::new(false));
        let ticket = Ticket(way.header.id);
        reply.on_interrupt(self.interrupter(ticket, &interrupted));
        let ctx = self.io_context(&way);
        let mut device = self.device();
        match device.read(&ctx, way.piece, size) {
            Ok(Io::Done(bytes)) => {
                self.let_go(device);
                reply.data(&bytes);
            }
            Ok(Io::Park) => self.keep(device, ticket, ctx.uid, Parked::Read(reply), &interrupted),
            Err(errno) => {
                let other = self.in_the_way(&device, way.file, errno).filter(|_| !way.waited);
                self.let_go(device);
                let Some(other) = other else {
                    reply.error(errno);
                    return;
                };
                let on = Arc::clone(self);
                closing::when_closed(self, way.header.uid, other, interrupted, move |_| {
                    on.read_on(Way { waited: true, ..way }, size, reply);
                });
            }
        }
    }

    pub(super) fn write(
        self: &Arc<Self>,
        file: FileId,
        header: &Header,
        request: &cuse_rs::Write<'_>,
        reply: cuse_rs::WriteReply,
    ) {
        let piece = piece(request.offset, request.flags);
        self.write_on(Way { file, header: *header, piece, waited: false }, request.data, reply);
    }

    fn write_on(self: &Arc<Self>, way: Way, data: &[u8], reply: cuse_rs::WriteReply) {
        let interrupted = Arc::new(AtomicBool::new(false));
        let ticket = Ticket(way.header.id);
        reply.on_interrupt(self.interrupter(ticket, &interrupted));
        let ctx = self.io_context(&way);
        let mut device = self.device();
        match device.write(&ctx, way.piece, data) {
            Ok(Io::Done(taken)) => {
                self.let_go(device);
                reply.written(taken);
            }
            Ok(Io::Park) => self.keep(device, ticket, ctx.uid, Parked::Write(reply), &interrupted),
            Err(errno) => {
                let other = self.in_the_way(&device, way.file, errno).filter(|_| !way.waited);
                self.let_go(device);
                let Some(other) = other else {
                    reply.error(errno);
                    return;
                };
                let (on, data) = (Arc::clone(self), data.to_vec());
                closing::when_closed(self, way.header.uid, other, interrupted, move |_| {
                    on.write_on(Way { waited: true, ..way }, &data, reply);
                });
            }
        }
    }

    fn io_context(&self, way: &Way) -> Context<'static> {
        Context {
            file: way.file,
            uid: way.header.uid,
            ticket: Ticket(way.header.id),
            now_ns: self.services.clock.now_ns(),
            may_park: true,
            imports: &[],
            user: &[],
        }
    }
}

fn piece(offset: u64, flags: u32) -> Piece {
    Piece { offset, nonblock: flags & libc::O_NONBLOCK as u32 != 0 }
}
