//! The handshake of a character device.

use std::io::IoSlice;

use zerocopy::IntoBytes;

use super::{Agreed, Session, dispatch, first_message};
use crate::abi;
use crate::channel::{Channel, Device};
use crate::connection::Connection;
use crate::error::Error;
use crate::handler::Handler;
use crate::kind::Cuse;
use crate::op::cuse_init::{CuseConfig, CuseInit};
use crate::op::init::InitFlags;

impl Session<Cuse> {
    /// Makes the node `/dev/NAME`, through `/dev/cuse`. It is there when this returns (owner root,
    /// mode 0600).
    ///
    /// # Errors
    /// [`Error::Open`] if there is no `/dev/cuse` or it may not be opened, [`Error::Config`] for a name
    /// that is none, [`Error::Refused`] if the name or the numbers are taken.
    pub fn open(config: &CuseConfig) -> Result<Self, Error> {
        config.check()?;
        Self::new(Device::open::<Cuse>()?, config)
    }

    /// As [`open`](Self::open), through a channel of the caller's.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Error::Handshake`] if the first message is not `CUSE_INIT`.
    pub fn new(channel: impl Channel + 'static, config: &CuseConfig) -> Result<Self, Error> {
        config.check()?;
        let mut buffer = vec![0; abi::FUSE_MIN_READ_BUFFER];
        let message = first_message(&channel, &mut buffer)?;
        if message.header.opcode != abi::CUSE_INIT {
            let found = message.header.opcode_name();
            return Err(Error::Handshake(format!("{found} instead of CUSE_INIT")));
        }
        let init =
            CuseInit::decode(message.body).map_err(|error| Error::Handshake(error.to_string()))?;
        let (out, information) = config.answer(init.minor);
        let unique = message.header.unique;
        let connection = Connection::new(Box::new(channel));
        connection
            .send(unique, 0, &[IoSlice::new(out.as_bytes()), IoSlice::new(&information)])
            .map_err(|source| Error::Channel { what: "can't answer CUSE_INIT", source })?;
        // The kernel makes the node while it takes the answer. What goes wrong there ends the connection.
        if connection.channel().is_over() {
            return Err(Error::Refused { name: config.name.clone() });
        }
        let (minor, max_write) = (init.minor, config.max_write);
        Ok(Self::new_session(connection, Agreed { minor, flags: InitFlags::NONE, max_write }))
    }

    /// Serves requests until the node is gone ([`stopper`](Self::stopper), or an abort through
    /// sysfs). Call it from several threads for several requests at once.
    ///
    /// # Errors
    /// [`Error::Channel`]: requests can't be read.
    pub fn serve(&self, handler: &(impl Handler + ?Sized)) -> Result<(), Error> {
        self.run(|message| dispatch::cuse(self.connection(), handler, message))
    }
}
