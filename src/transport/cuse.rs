//! A node as a character device: its threads, its beginning and its end.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use cuse_rs::{
    Cuse, CuseConfig, EmptyReply, Handler, Header, Ioctl, IoctlReply, Open, OpenFlags, OpenReply,
    Poll, PollReply, Read, ReadReply, Release, Session, Stopper, Write, WriteReply,
};
use vb2::FileId;

use super::call::Call;
use super::doors::Door;
use super::node::{NodeShared, Services};
use super::pacer;
use crate::device::Device;

/// Threads that read a node's requests, where there are as many processors. One would do, as none of
/// them waits for a program; with two, one that takes buffers back does not hold up the others while
/// a frame is being filled. The kernel wakes all of them for each request, so that on one processor
/// a second one makes every call dearer.
const READERS: usize = 2;

/// Why a node could not be made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel has no character devices for user space, or refuses this one.
    #[error(transparent)]
    Session(#[from] cuse_rs::Error),
    /// A thread can't be started.
    #[error("a thread for {node} can't be started: {source}")]
    Thread {
        /// The node's name.
        node: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// A running node. Dropping it ends it.
pub struct CuseNode {
    shared: Arc<NodeShared>,
    stopper: Stopper,
    threads: Vec<JoinHandle<()>>,
}

impl CuseNode {
    /// Makes `/dev/video<number>` (owner root, mode 0600; who may use it is the daemon's to say) and
    /// serves it.
    ///
    /// # Errors
    /// See [`StartError`]; nothing of the node is left then.
    pub fn start(
        name: &str,
        number: u32,
        device: Device,
        services: &Arc<Services>,
    ) -> Result<Self, StartError> {
        let session = Arc::new(Session::<Cuse>::open(&CuseConfig::new(format!("video{number}")))?);
        let shared = NodeShared::new(
            name.to_owned(),
            number,
            device,
            Arc::clone(services),
            session.notifier(),
        );
        let mut node =
            Self { shared: Arc::new(shared), stopper: session.stopper(), threads: Vec::new() };
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        for reader in 0..READERS.min(processors) {
            let (session, shared) = (Arc::clone(&session), Arc::clone(&node.shared));
            node.spawn(format!("video{number}-{reader}"), move || {
                if let Err(error) = session.serve(&Front(&shared)) {
                    tracing::error!(node = shared.name, "requests can't be read any more: {error}");
                }
                shared.stop();
            })?;
        }
        let shared = Arc::clone(&node.shared);
        node.spawn(format!("video{number}-pace"), move || pacer::run(&shared))?;
        Ok(node)
    }

    fn spawn(
        &mut self,
        name: String,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), StartError> {
        let thread = std::thread::Builder::new().name(name).spawn(run);
        let node = || self.shared.name.clone();
        self.threads.push(thread.map_err(|source| StartError::Thread { node: node(), source })?);
        Ok(())
    }

    /// Looks at the device.
    pub fn with_device<T>(&self, look: impl FnOnce(&Device) -> T) -> T {
        look(&self.shared.device())
    }

    /// Whether requests are served no longer, though nobody has stopped it: the device was aborted
    /// from outside.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.shared.is_stopping()
    }
}

impl Drop for CuseNode {
    fn drop(&mut self) {
        self.shared.stop();
        self.stopper.stop();
        // Their buffers go with the node, but for those that are mapped.
        for mapped in self.shared.files.all_mapped() {
            self.shared.services.lookout.watch().file(&mapped);
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!(node = self.shared.name, "a thread of the node has panicked");
            }
        }
    }
}

/// Hands each request to the node.
struct Front<'a>(&'a Arc<NodeShared>);

impl Handler for Front<'_> {
    fn open(&self, header: &Header, request: &Open, reply: OpenReply) {
        match self.0.open(header.uid, request.flags) {
            Ok(file) => {
                tracing::debug!(
                    node = self.0.name,
                    tid = header.pid,
                    flags = request.flags,
                    "open"
                );
                reply.opened(file.0, OpenFlags::DIRECT_IO | OpenFlags::NONSEEKABLE);
            }
            Err(errno) => {
                tracing::info!(node = self.0.name, tid = header.pid, "open refused: {errno}");
                reply.error(errno);
            }
        }
    }

    fn release(&self, _header: &Header, request: &Release, reply: EmptyReply) {
        self.0.release(FileId(request.fh), Door::Cuse);
        reply.ok();
    }

    fn read(&self, header: &Header, request: &Read, reply: ReadReply) {
        self.0.read(FileId(request.fh), header, request, reply);
    }

    fn write(&self, header: &Header, request: &Write<'_>, reply: WriteReply) {
        self.0.write(FileId(request.fh), header, request, reply);
    }

    fn ioctl(&self, header: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        self.0.ioctl(Call::new(FileId(request.fh), Door::Cuse, header, request, reply));
    }

    fn poll(&self, header: &Header, request: &Poll, reply: PollReply) {
        let revents = self.0.poll(FileId(request.fh), Door::Cuse, header.uid, request);
        reply.events(revents);
    }
}
