//! Which nodes the daemon runs: the one place that joins it with [`crate::transport`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::nodes::{
    BufferRow, BufferState, Hold, Holder, Node, NodeFactory, NodeStatus, NodeUse, SnapshotError,
    StartError, Usage, Used, UserUse,
};
use super::privileges;
use crate::courier::ticket::Tickets;
use crate::courier::{self, Program, Workers};
use crate::device::clock::Monotonic;
use crate::device::spec::{ExportKind, MappingKind, MemorySpec, NodeSpec, SharedLimits};
use crate::device::{Device, SlotView};
use crate::shrbuf::arena::ArenaKind;
use crate::shrbuf::backing::{Handles, Udmabufs};
use crate::shrbuf::{self, Backings, BufferId, Limits, Reaper, Registry, Viewer};
use crate::sys::heap;
use crate::sys::pidfd::{DescriptorLimit, descriptor_limit};
use crate::transport::fuse::{Exports, LastingMount};
use crate::transport::{self, Counted, CuseNode, Lookout, Services, UserLimits, Users};

/// Descriptors that the daemon may have open: more than all limits of [`Limits`] and the courier's
/// need for several users together. One user's buffers must not leave none for the others.
const DESCRIPTORS: u64 = 65536;

/// The factory of nodes that stand in `/dev`. Raises this process's limit of descriptors.
///
/// # Errors
/// [`StartError::Io`] where the daemon can't have threads or helper processes.
pub fn factory(
    limits: SharedLimits,
    memory: MemorySpec,
) -> Result<Box<dyn NodeFactory>, StartError> {
    prepare();
    make(&Program::default(), limits, memory)
}

/// As [`factory`], for a process that is nothing but a daemon: it keeps only the capabilities that it
/// needs to the end. With `helpers` its helper processes are those that a service manager starts for
/// connections to that socket. `elsewhere`: the control socket may be in a folder that is not root's.
pub fn confined_factory(
    helpers: Option<PathBuf>,
    elsewhere: bool,
) -> impl Fn(SharedLimits, MemorySpec) -> Result<Box<dyn NodeFactory>, StartError> {
    let program = helpers.map_or_else(Program::default, Program::Socket);
    move |limits, memory| {
        prepare();
        privileges::give_up(elsewhere).map_err(failed("give up capabilities"))?;
        make(&program, limits, memory)
    }
}

fn prepare() {
    raise_descriptor_limit();
    heap::keep_what_is_freed();
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> StartError {
    let what = what.to_owned();
    move |source| StartError::Io { what, source }
}

fn make(
    program: &Program,
    limits: SharedLimits,
    memory: MemorySpec,
) -> Result<Box<dyn NodeFactory>, StartError> {
    // First: a helper inherits what the daemon has at that moment.
    let calls = courier::Limits {
        per_uid: usize::try_from(limits.reaching_calls_per_uid).unwrap_or(usize::MAX),
        ..courier::Limits::default()
    };
    let workers =
        Workers::start(calls, program.clone()).map_err(failed("start the helper processes"))?;
    let workers = Arc::new(workers);
    fault!("start.helpers");
    let users = Users::new(UserLimits {
        opens: limits.opens_per_uid,
        waiting: limits.waiting_calls_per_uid,
    });
    let limits = Limits {
        uid_bytes: limits.bytes_per_uid,
        uid_orphaned_bytes: limits.orphaned_bytes_per_uid,
        uid_buffers: limits.buffers_per_uid,
        ..Limits::default()
    };
    let backings = backings(memory)?;
    let exports = backings.chosen().name();
    tracing::info!("exports are by {exports}");
    for (name, why) in backings.refused() {
        tracing::info!("exports are not by {name}: {why}");
    }
    let real_dmabufs = exports == "udmabuf";
    let registry = Registry::new(limits, backings);
    fault!("start.exports");
    let (mount, mapping) = mapping(memory, real_dmabufs)?;
    fault!("start.mount");
    let reaper = Reaper::start(Arc::clone(&registry))
        .map_err(failed("start the thread that frees orphans"))?;
    let lookout = Lookout::start(Arc::clone(&workers))
        .map_err(failed("start the thread that looks after mapped buffers"))?;
    let services = Services {
        registry,
        workers,
        users,
        tickets: Tickets::new(),
        clock: Arc::new(Monotonic),
        mount,
        mapping,
        lookout,
    };
    Ok(Box::new(CuseNodes { services: Arc::new(services), all: Arc::default(), _reaper: reaper }))
}

/// What the configuration wants of exports, or the best that there is.
fn backings(memory: MemorySpec) -> Result<Backings, StartError> {
    match memory.exports {
        None => Ok(Backings::probe(handles)),
        Some(ExportKind::Memfd) => Ok(Backings::memfd()),
        Some(ExportKind::Handle) => match handles() {
            Ok(handles) => Ok(Backings::only(Arc::new(handles))),
            Err(why) => {
                Err(StartError::Unfit(format!("memory.exports = \"handle\" can't be had: {why}")))
            }
        },
        Some(ExportKind::Udmabuf) => match Udmabufs::probe() {
            Ok(udmabufs) => Ok(Backings::only(Arc::new(udmabufs))),
            Err(error) => Err(StartError::Unfit(format!(
                "memory.exports = \"udmabuf\" needs {}: {error} (modprobe udmabuf)",
                crate::sys::udmabuf::PATH
            ))),
        },
    }
}

/// Exports that are files of a private mount, or why they can't be had.
fn handles() -> Result<Handles, String> {
    let exports = Exports::start().map_err(|error| error.to_string())?;
    Handles::probe(Arc::new(exports)).map_err(|error| {
        let remedy = match error.raw_os_error() {
            Some(libc::EINVAL) => " (sysctl fs.leases-enable=1)",
            _ => "",
        };
        format!("who holds such a file can't be told: {error}{remedy}")
    })
}

/// How nodes are mapped: as the configuration wants it, or in the best way that there is. What is
/// exported is what is mapped only where exports are slices of the same memory.
fn mapping(
    memory: MemorySpec,
    real_dmabufs: bool,
) -> Result<(Option<Arc<LastingMount>>, ArenaKind), StartError> {
    let nothing = Ok((None, ArenaKind::Copies));
    if memory.mapping == Some(MappingKind::None) {
        tracing::info!("nodes can't be mapped (mmap is ENODEV): the configuration says so");
        return nothing;
    }
    let mount = match LastingMount::start() {
        Ok(mount) => Arc::new(mount),
        Err(error) if memory.mapping.is_none() => {
            tracing::warn!("nodes can't be mapped (mmap is ENODEV): {error}");
            return nothing;
        }
        Err(error) => {
            return Err(StartError::Unfit(format!("memory.mapping can't be had: {error}")));
        }
    };
    let mapping = match (memory.mapping, mount.has_passthrough()) {
        (Some(MappingKind::Passthrough), false) => {
            return Err(StartError::Unfit(
                "memory.mapping = \"passthrough\" needs a kernel with FUSE passthrough (6.9 or newer)"
                    .into(),
            ));
        }
        (Some(MappingKind::Copies), _) | (_, false) => ArenaKind::Copies,
        _ if real_dmabufs => ArenaKind::Pages,
        _ => ArenaKind::Twins,
    };
    tracing::info!("nodes are mapped by {}", in_words(mapping));
    Ok((Some(mount), mapping))
}

fn in_words(mapping: ArenaKind) -> &'static str {
    match mapping {
        ArenaKind::Pages => "passthrough: what is mapped, exported and filled is one memory",
        ArenaKind::Twins => {
            "passthrough: what is mapped and filled is one memory, but for buffers that are exported"
        }
        ArenaKind::Copies => "copies in the page cache",
    }
}

fn raise_descriptor_limit() {
    let me = std::process::id();
    let raised = descriptor_limit(me, None).and_then(|limit| {
        let raised = |hard: u64| DescriptorLimit { soft: DESCRIPTORS.min(hard), hard };
        // Beyond the hard limit only with the right to.
        descriptor_limit(me, Some(raised(limit.hard.max(DESCRIPTORS))))
            .or_else(|_| descriptor_limit(me, Some(raised(limit.hard))))
    });
    if let Err(errno) = raised {
        tracing::warn!("the limit of descriptors stays as it is ({errno}): set LimitNOFILE");
    }
}

/// Makes CUSE nodes over one registry.
struct CuseNodes {
    services: Arc<Services>,
    all: Arc<All>,
    _reaper: Reaper,
}

/// The nodes that run, for questions about all of them.
#[derive(Default)]
struct All(Mutex<Vec<Weak<RunningNode>>>);

struct RunningNode {
    spec: NodeSpec,
    number: u32,
    cuse: CuseNode,
}

/// What the daemon has of a node.
struct Handle {
    running: Arc<RunningNode>,
    all: Arc<All>,
    registry: Arc<Registry>,
}

impl NodeFactory for CuseNodes {
    fn start(&self, spec: &NodeSpec) -> Result<Box<dyn Node>, StartError> {
        let number =
            spec.number.ok_or_else(|| StartError::Unfit("the node has no number".into()))?;
        let Services { registry, clock, .. } = &*self.services;
        registry.limit_node(number, spec.limits.bytes);
        let device = Device::from_spec(spec, Arc::clone(registry), Arc::clone(clock))?;
        let cuse = CuseNode::start(&spec.name, number, device, &self.services)
            .map_err(|error| start_error(error, number))?;
        let running = Arc::new(RunningNode { spec: spec.clone(), number, cuse });
        self.all.lock().push(Arc::downgrade(&running));
        let (all, registry) = (Arc::clone(&self.all), Arc::clone(registry));
        Ok(Box::new(Handle { running, all, registry }))
    }

    fn tickets(&self) -> Option<Tickets> {
        Some(self.services.tickets.clone())
    }

    fn usage(&self) -> Usage {
        let Services { registry, workers, users, .. } = &*self.services;
        let (bounds, limits) = (registry.limits(), users.limits());
        let counted: BTreeMap<u32, Counted> = users.all().into_iter().collect();
        let mut uids: BTreeSet<u32> = counted.keys().copied().collect();
        uids.extend(registry.charged_uids());
        let user = |uid: u32| {
            let counted = counted.get(&uid).copied().unwrap_or_default();
            let has = registry.charged_to_uid(uid);
            let (reaching, most) = workers.load(uid);
            UserUse {
                uid,
                opens: used(counted.opens, limits.opens),
                buffers: Used { now: has.buffers, limit: bounds.uid_buffers },
                bytes: Used { now: has.bytes, limit: bounds.uid_bytes },
                orphaned_bytes: Used {
                    now: registry.orphaned_of_uid(uid).bytes,
                    limit: bounds.uid_orphaned_bytes,
                },
                waiting_calls: used(counted.waiting, limits.waiting),
                reaching_calls: Used { now: reaching as u64, limit: most as u64 },
            }
        };
        let node = |running: &Arc<RunningNode>| NodeUse {
            node: running.spec.name.clone(),
            opens: Used {
                now: running.cuse.with_device(|device| device.files().len() as u64),
                limit: running.spec.limits.opens.into(),
            },
            bytes: Used {
                now: registry.charged_to_node(running.number).bytes,
                limit: running.spec.limits.bytes,
            },
        };
        Usage {
            nodes: self.all.running().iter().map(node).collect(),
            users: uids.into_iter().map(user).collect(),
        }
    }

    fn orphans(&self) -> Vec<BufferRow> {
        let mut rows = self.all.rows(&self.services.registry);
        rows.retain(|row| row.slot.is_none());
        rows
    }
}

fn used(now: u32, limit: u32) -> Used {
    Used { now: now.into(), limit: limit.into() }
}

fn start_error(error: transport::StartError, number: u32) -> StartError {
    match error {
        transport::StartError::Session(cuse_rs::Error::Open { path, source, remedy }) => {
            StartError::Environment { what: format!("{path} can't be opened: {source}"), remedy }
        }
        transport::StartError::Session(cuse_rs::Error::Refused { .. }) => {
            StartError::NumberTaken(number)
        }
        transport::StartError::Session(error) => StartError::Unfit(error.to_string()),
        transport::StartError::Thread { source, .. } => {
            StartError::Io { what: format!("start the threads of /dev/video{number}"), source }
        }
    }
}

impl Node for Handle {
    fn status(&self) -> NodeStatus {
        let RunningNode { spec, number, cuse } = &*self.running;
        cuse.with_device(|device| NodeStatus {
            name: spec.name.clone(),
            role: device.role(),
            number: *number,
            card: spec.card.clone(),
            mode: device.mode_text(),
            transport: "cuse".into(),
            opens: u32::try_from(device.files().len()).unwrap_or(u32::MAX),
            streaming: device.is_streaming(),
            frames: device.counts().frames,
            dropped: device.counts().dropped,
            ended: cuse.has_ended().then(|| "the kernel has ended it".into()),
        })
    }

    fn buffers(&self) -> Vec<BufferRow> {
        let mut rows = self.all.rows(&self.registry);
        rows.retain(|row| row.slot.is_some() && row.node == self.running.spec.name);
        rows
    }

    fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        let picture =
            self.running.cuse.with_device(Device::picture).map_err(|_| SnapshotError::NoFrame)?;
        picture.png().map_err(|error| SnapshotError::Failed(error.to_string()))
    }

    fn stop(self: Box<Self>) {
        // Its threads end with the last reference; the daemon has the only one that lasts.
        drop(self);
    }
}

impl All {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<RunningNode>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> Vec<Arc<RunningNode>> {
        let mut all = self.lock();
        all.retain(|node| node.strong_count() > 0);
        all.iter().filter_map(Weak::upgrade).collect()
    }

    /// All buffers, each with its place in the queue of the node that allocated it, if it has one
    /// still. A foreign dma-buf counts as of the node that imported it.
    fn rows(&self, registry: &Registry) -> Vec<BufferRow> {
        let nodes = self.running();
        let mut places: BTreeMap<BufferId, Vec<(&RunningNode, SlotView)>> = BTreeMap::new();
        for node in &nodes {
            for slot in node.cuse.with_device(Device::slots) {
                places.entry(slot.buffer.id()).or_default().push((node, slot));
            }
        }
        let rows = registry.table(Viewer::Root).into_iter();
        rows.map(|row| {
            let found = places.get(&row.id).map_or(&[][..], Vec::as_slice);
            describe(&row, &nodes, found)
        })
        .collect()
    }
}

fn describe(
    row: &shrbuf::Row,
    nodes: &[Arc<RunningNode>],
    found: &[(&RunningNode, SlotView)],
) -> BufferRow {
    let owner = row.owner.map(|owner| owner.node);
    let own = found.iter().find(|(node, _)| owner.is_none_or(|number| number == node.number));
    let imports = found.iter().filter(|(node, _)| owner != Some(node.number));
    let named = nodes.iter().find(|node| Some(node.number) == owner);
    let node =
        named.map(|node| node.spec.name.clone()).or(own.map(|(node, _)| node.spec.name.clone()));
    let state = match row.state {
        shrbuf::State::Orphan => BufferState::Orphaned,
        _ => own.map_or(BufferState::Dequeued, |(_, slot)| slot.state),
    };
    BufferRow {
        id: row.id.0,
        node: node.unwrap_or_else(|| owner.map_or("?".into(), |number| format!("video{number}"))),
        slot: own.map(|(_, slot)| slot.slot),
        plane: own.map_or(0, |(_, slot)| slot.plane),
        state,
        len: row.len,
        uid: row.owner.map_or(0, |owner| owner.uid),
        held: row.exports > 0 || row.importers > 0,
        imported_by: imports.map(|(node, _)| node.spec.name.clone()).collect(),
        holders: holders(&row.holders),
    }
}

/// One line for each process and way of holding.
fn holders(found: &[shrbuf::holders::Holder]) -> Vec<Holder> {
    let mut holders: Vec<Holder> = Vec::new();
    for one in found {
        let hold = match one.how {
            shrbuf::holders::How::Descriptor(_) => Hold::Descriptor,
            shrbuf::holders::How::Mapping => Hold::Mapping,
        };
        match holders.iter_mut().find(|known| known.pid == one.pid && known.hold == hold) {
            Some(known) => known.count += 1,
            None => holders.push(Holder {
                pid: one.pid,
                uid: one.uid,
                name: one.name.clone(),
                hold,
                count: 1,
            }),
        }
    }
    holders
}
