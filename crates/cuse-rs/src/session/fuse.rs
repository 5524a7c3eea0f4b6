//! The handshake of a file system.

use std::io::IoSlice;

use zerocopy::IntoBytes;

use super::{Agreed, Session, dispatch, first_message};
use crate::abi;
use crate::channel::Channel;
use crate::connection::Connection;
use crate::error::Error;
use crate::handler::FileSystem;
use crate::kind::Fuse;
use crate::op::init::{FuseConfig, Init, InitFlags};

impl Session<Fuse> {
    /// Agrees with the kernel over a channel whose file system is mounted already
    /// ([`Device::mount_options`](crate::Device::mount_options)); until then, users of the mount wait.
    ///
    /// # Errors
    /// [`Error::Handshake`] if the first message is not `INIT`, [`Error::Channel`] (`EPERM`) if
    /// nothing is mounted.
    pub fn new(channel: impl Channel + 'static, config: &FuseConfig) -> Result<Self, Error> {
        let mut buffer = vec![0; abi::FUSE_MIN_READ_BUFFER];
        let message = first_message(&channel, &mut buffer)?;
        if message.header.opcode != abi::FUSE_INIT {
            let found = message.header.opcode_name();
            return Err(Error::Handshake(format!("{found} instead of FUSE_INIT")));
        }
        let init =
            Init::decode(message.body).map_err(|error| Error::Handshake(error.to_string()))?;
        let (out, flags) = config.answer(&init);
        let unique = message.header.unique;
        let connection = Connection::new(Box::new(channel));
        connection
            .send(unique, 0, &[IoSlice::new(out.as_bytes())])
            .map_err(|source| Error::Channel { what: "can't answer INIT", source })?;
        let agreed = Agreed { minor: init.minor, flags, max_write: out.max_write };
        Ok(Self::new_session(connection, agreed))
    }

    /// What both agreed on.
    #[must_use]
    pub fn flags(&self) -> InitFlags {
        self.agreed.flags
    }

    /// The longest `write` in one request, and the longest
    /// [`retrieve`](crate::Notifier::retrieve), in bytes.
    #[must_use]
    pub fn max_write(&self) -> u32 {
        self.agreed.max_write
    }

    /// Serves requests until it is unmounted or [stopped](Self::stopper). Call it from several
    /// threads for several requests at once.
    ///
    /// # Errors
    /// [`Error::Channel`]: requests can't be read.
    pub fn serve(&self, handler: &(impl FileSystem + ?Sized)) -> Result<(), Error> {
        self.run(|message| dispatch::fuse(self.connection(), handler, message))
    }
}
