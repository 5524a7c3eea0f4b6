//! Properties of the decoder: what it does with bytes that no kernel sends.

use std::sync::Arc;

use nix::errno::Errno;
use proptest::prelude::*;

use super::dispatch;
use crate::abi;
use crate::channel::script::Script;
use crate::connection::Connection;
use crate::handler::{FileSystem, Handler};
use crate::message::{Header, Message};
use crate::op::getattr::{AttrReply, Getattr};
use crate::op::ioctl::{Ioctl, IoctlReply};
use crate::op::lookup::{EntryReply, Lookup};
use crate::op::readdir::{DirectoryReply, Readdir};
use crate::op::write::{Write, WriteReply};

/// Looks at all that it is given.
struct Looker;

impl Handler for Looker {
    fn write(&self, _: &Header, request: &Write<'_>, reply: WriteReply) {
        reply.written(request.data.len() as u32);
    }
    fn ioctl(&self, _: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        reply.ok(0, request.data);
    }
}

impl FileSystem for Looker {
    fn lookup(&self, _: &Header, request: &Lookup<'_>, reply: EntryReply) {
        assert!(!request.name.contains(&0));
        reply.error(Errno::ENOENT);
    }
    fn getattr(&self, _: &Header, _: &Getattr, reply: AttrReply) {
        reply.error(Errno::ENOENT);
    }
    fn readdir(&self, _: &Header, _: &Readdir, mut reply: DirectoryReply) {
        while reply.add(1, 1, 0, b"name") && reply.entries.len() < 1 << 16 {}
        reply.send();
    }
}

/// Messages whose header is right, so that the rest is looked at; lengths and opcodes of all kinds.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let opcode = prop_oneof![0..60_u32, Just(abi::CUSE_INIT), any::<u32>()];
    let extensions = prop_oneof![9 => Just(0_u16), 1 => any::<u16>()];
    // Small numbers make counts and sizes fit now and then.
    let byte = prop_oneof![3 => Just(0_u8), 2 => 0..16_u8, 1 => any::<u8>()];
    let body = prop::collection::vec(byte, 0..160);
    (opcode, any::<u64>(), extensions, body).prop_map(|(opcode, unique, extensions, body)| {
        let mut bytes = (40 + body.len() as u32).to_ne_bytes().to_vec();
        bytes.extend(opcode.to_ne_bytes());
        bytes.extend(unique.to_ne_bytes());
        bytes.extend([0; 20]);
        bytes.extend(extensions.to_ne_bytes());
        bytes.extend([0; 2]);
        bytes.extend(body);
        bytes
    })
}

/// Whoever waits gets one answer, of the length that its header says, and with an errno that the kernel takes.
fn every_message_has_its_answer(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    for of_file_system in [true, false] {
        let script = Script::new();
        let connection = Arc::new(Connection::new(Box::new(script.clone())));
        if of_file_system {
            dispatch::fuse(&connection, &Looker, &message);
        } else {
            dispatch::cuse(&connection, &Looker, &message);
        }
        let sent = script.sent();
        let opcode = message.header.opcode;
        let expected = match opcode {
            abi::FUSE_INTERRUPT => usize::from(message.body.0.len() >= 8), // EAGAIN: there is no such request
            abi::FUSE_FORGET | abi::FUSE_BATCH_FORGET | abi::FUSE_NOTIFY_REPLY => 0,
            _ => 1,
        };
        assert_eq!(sent.len(), expected, "opcode {opcode}");
        for answer in sent {
            let word = |place: usize| {
                u32::from_ne_bytes(answer[place..place + 4].try_into().expect("4 bytes"))
            };
            assert_eq!(word(0) as usize, answer.len());
            let error = word(4).cast_signed();
            assert!((-511..=0).contains(&error) && (error == 0 || answer.len() == 16), "{error}");
            assert_eq!(answer[8..16], message.header.unique.to_ne_bytes());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        every_message_has_its_answer(&bytes);
    }

    #[test]
    fn any_bytes_after_a_header_have_one_answer(bytes in messages()) {
        every_message_has_its_answer(&bytes);
    }

    /// Nothing depends on where a message lies in memory.
    #[test]
    fn any_bytes_may_lie_anywhere(bytes in messages(), shift in 0..8_usize) {
        let mut shifted = vec![0; shift];
        shifted.extend(&bytes);
        every_message_has_its_answer(&shifted[shift..]);
    }

    #[test]
    fn any_bytes_are_no_panic_in_a_handshake(bytes in messages(), cuse in any::<bool>()) {
        use crate::op::{cuse_init::CuseInit, init::Init};
        if let Ok(message) = Message::parse(&bytes) {
            let minor = match cuse {
                true => CuseInit::decode(message.body).map(|init| init.minor),
                false => Init::decode(message.body).map(|init| init.minor),
            };
            if let Ok(minor) = minor {
                prop_assert!((abi::OLDEST_MINOR..=abi::NEWEST_MINOR).contains(&minor));
            }
        }
    }
}
