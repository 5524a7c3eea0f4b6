//! `read(2)` and `write(2)` on their way: at once, or parked.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cuse_rs::Header;
use vb2::{FileId, Ticket};

use super::node::NodeShared;
use super::parked::Parked;
use crate::device::{Io, Piece};
use crate::v4l2::Context;

impl NodeShared {
    pub(super) fn read(
        self: &Arc<Self>,
        file: FileId,
        header: &Header,
        request: &cuse_rs::Read,
        reply: cuse_rs::ReadReply,
    ) {
        let interrupted = Arc::new(AtomicBool::new(false));
        let ticket = Ticket(header.id);
        reply.on_interrupt(self.interrupter(ticket, &interrupted));
        let ctx = self.io_context(file, ticket, header);
        let mut device = self.device();
        match device.read(&ctx, piece(request.offset, request.flags), request.size) {
            Ok(Io::Done(bytes)) => {
                self.let_go(device);
                reply.data(&bytes);
            }
            Ok(Io::Park) => self.keep(device, ticket, Parked::Read(reply), &interrupted),
            Err(errno) => {
                self.let_go(device);
                reply.error(errno);
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
        let interrupted = Arc::new(AtomicBool::new(false));
        let ticket = Ticket(header.id);
        reply.on_interrupt(self.interrupter(ticket, &interrupted));
        let ctx = self.io_context(file, ticket, header);
        let mut device = self.device();
        match device.write(&ctx, piece(request.offset, request.flags), request.data) {
            Ok(Io::Done(taken)) => {
                self.let_go(device);
                reply.written(taken);
            }
            Ok(Io::Park) => self.keep(device, ticket, Parked::Write(reply), &interrupted),
            Err(errno) => {
                self.let_go(device);
                reply.error(errno);
            }
        }
    }

    fn io_context(&self, file: FileId, ticket: Ticket, header: &Header) -> Context<'static> {
        Context {
            file,
            uid: header.uid,
            ticket,
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
