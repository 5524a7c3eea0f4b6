//! What is known of every buffer, under one lock: references, charges, and the way from a file to
//! its buffer.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::backing::Memory;
use super::buffer::BufferId;
use super::entry::{Entry, Origin};
use super::hold::Kind;
use super::limits::{Charge, Limit, Limits};
use super::registry::Owner;
use crate::sys::fdinfo::FileIdentity;
use crate::sys::memfd::Memfd;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    last_id: u64,
    slots: BTreeMap<BufferId, Slot>,
    files: HashMap<FileIdentity, BufferId>,
    nodes: HashMap<u32, Charge>,
    /// Bytes that nodes may have, where they have bounds of their own.
    node_bytes: HashMap<u32, u64>,
    uids: HashMap<u32, Charge>,
    remains: VecDeque<Remains>,
}

/// What is left of a buffer that nobody can use any more, but whose pages somebody may pin.
#[derive(Debug, Clone)]
pub(super) struct Remains {
    pub(super) id: BufferId,
    pub(super) owner: Owner,
    pub(super) bytes: u64,
    pub(super) file: Arc<Memfd>,
}

/// One buffer.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) entry: Arc<Entry>,
    /// Its allocator has it.
    pub(super) allocated: bool,
    /// Importers' references.
    pub(super) importers: u64,
    /// Its files are watched for being closed.
    watched: bool,
    /// The files by which it is found.
    files: Vec<FileIdentity>,
}

/// What became of a buffer.
#[derive(Debug)]
pub(super) enum Fate {
    /// This process has references, or the buffer is gone already.
    Kept,
    /// This process has none; others may.
    Abandoned,
    /// Nobody has any: taken out of the ledger, to be released by whoever got this.
    Free(Arc<Entry>),
}

impl Ledger {
    pub(super) fn get(&self, id: BufferId) -> Option<&Arc<Entry>> {
        self.slots.get(&id).map(|slot| &slot.entry)
    }

    pub(super) fn rows(&self) -> Vec<Slot> {
        self.slots.values().cloned().collect()
    }

    /// Those that this process has no reference to.
    pub(super) fn abandoned(&self) -> Vec<Arc<Entry>> {
        let slots = self.slots.values().filter(|slot| slot.is_abandoned());
        slots.map(|slot| Arc::clone(&slot.entry)).collect()
    }

    /// Whether nobody in this process has a reference to it.
    pub(super) fn is_orphan(&self, id: BufferId) -> bool {
        self.slots.get(&id).is_some_and(Slot::is_abandoned)
    }

    /// Whether the reaper has anything to look after.
    pub(super) fn has_abandoned(&self) -> bool {
        !self.remains.is_empty() || self.slots.values().any(Slot::is_abandoned)
    }

    pub(super) fn remains(&self) -> impl Iterator<Item = &Remains> {
        self.remains.iter()
    }

    pub(super) fn add_remains(&mut self, remains: Remains) {
        self.remains.push_back(remains);
    }

    /// The next to be asked, which goes to the end of the queue: a pinned one is not to keep
    /// the others waiting.
    pub(super) fn next_remains(&mut self) -> Option<Remains> {
        let next = self.remains.pop_front()?;
        self.remains.push_back(next.clone());
        Some(next)
    }

    /// They are free; whether nobody said so before.
    pub(super) fn bury(&mut self, id: BufferId) -> bool {
        let Some(place) = self.remains.iter().position(|remains| remains.id == id) else {
            return false;
        };
        if let Some(remains) = self.remains.remove(place) {
            self.refund_uid(remains.owner.uid, remains.bytes);
        }
        true
    }

    pub(super) fn uid(&self, uid: u32) -> Charge {
        self.uids.get(&uid).copied().unwrap_or_default()
    }

    pub(super) fn node(&self, node: u32) -> Charge {
        self.nodes.get(&node).copied().unwrap_or_default()
    }

    /// What of that are orphans. A look through all buffers: allocations are rare, and buffers few.
    pub(super) fn orphaned(&self, uid: u32) -> Charge {
        let mut orphaned = Charge::default();
        let is_theirs = |entry: &Entry| entry.owner().is_some_and(|owner| owner.uid == uid);
        let slots = self.slots.values().filter(|slot| !slot.allocated && is_theirs(&slot.entry));
        slots.for_each(|slot| orphaned.add(slot.entry.memory().len() as u64));
        let remains = self.remains.iter().filter(|remains| remains.owner.uid == uid);
        remains.for_each(|remains| orphaned.add(remains.bytes));
        orphaned
    }

    pub(super) fn limit_node(&mut self, node: u32, bytes: u64) {
        self.node_bytes.insert(node, bytes);
    }

    /// Who is charged for anything.
    pub(super) fn uids(&self) -> Vec<u32> {
        self.uids.keys().copied().collect()
    }

    pub(super) fn charge(
        &mut self,
        limits: &Limits,
        owner: Owner,
        bytes: u64,
    ) -> Result<(), Limit> {
        let orphaned = self.orphaned(owner.uid).bytes;
        let own = self.node_bytes.get(&owner.node).copied();
        let limits = Limits { node_bytes: own.unwrap_or(limits.node_bytes), ..*limits };
        limits.admit(bytes, self.node(owner.node), self.uid(owner.uid), orphaned)?;
        self.nodes.entry(owner.node).or_default().add(bytes);
        self.uids.entry(owner.uid).or_default().add(bytes);
        Ok(())
    }

    /// What was charged came to nothing.
    pub(super) fn refund(&mut self, owner: Owner, bytes: u64) {
        take(&mut self.nodes, owner.node, bytes);
        self.refund_uid(owner.uid, bytes);
    }

    pub(super) fn refund_uid(&mut self, uid: u32, bytes: u64) {
        take(&mut self.uids, uid, bytes);
    }

    /// A new buffer, with its allocator's reference or (a foreign one) none yet.
    pub(super) fn insert(&mut self, origin: Origin, memory: Box<dyn Memory>) -> Arc<Entry> {
        self.last_id += 1;
        let id = BufferId(self.last_id);
        let allocated = matches!(origin, Origin::Allocated(_));
        let entry = Arc::new(Entry::new(id, origin, memory));
        let slot = Slot {
            entry: Arc::clone(&entry),
            allocated,
            importers: 0,
            watched: false,
            files: Vec::new(),
        };
        self.slots.insert(id, slot);
        self.index(&entry);
        entry
    }

    /// Files come and go: a dma-buf is made when it is asked for, and each handle is a file of its
    /// own, of which nothing is left here once the next is made.
    pub(super) fn index(&mut self, entry: &Entry) {
        let Some(slot) = self.slots.get_mut(&entry.id()) else { return };
        let now = entry.memory().files().into_iter().map(|key| key.identity).collect();
        let before = std::mem::replace(&mut slot.files, now);
        for identity in before.iter().filter(|identity| !slot.files.contains(identity)) {
            self.files.remove(identity);
        }
        for identity in &slot.files {
            self.files.insert(*identity, entry.id());
        }
    }

    /// How many files lead to a buffer.
    #[cfg(test)]
    pub(super) fn known_files(&self) -> usize {
        self.files.len()
    }

    pub(super) fn find(&self, identity: FileIdentity) -> Option<Arc<Entry>> {
        self.get(*self.files.get(&identity)?).cloned()
    }

    pub(super) fn add_importer(&mut self, id: BufferId) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.importers += 1;
        }
    }

    /// Whether importers hold it beside one more reference.
    pub(super) fn importers(&self, id: BufferId) -> u64 {
        self.slots.get(&id).map_or(0, |slot| slot.importers)
    }

    /// A reference of this process is gone; whether it was the last.
    pub(super) fn let_go(&mut self, id: BufferId, kind: Kind) -> bool {
        let Some(slot) = self.slots.get_mut(&id) else { return false };
        match (kind, slot.entry.owner()) {
            (Kind::Importer, _) => slot.importers = slot.importers.saturating_sub(1),
            (Kind::Allocator, owner) => {
                slot.allocated = false;
                let bytes = slot.entry.memory().len() as u64;
                if let Some(owner) = owner {
                    take(&mut self.nodes, owner.node, bytes);
                }
            }
        }
        slot.is_abandoned()
    }

    /// Takes the buffer out if nobody holds it. Once it is out no import can find it.
    pub(super) fn remove_if_free(&mut self, id: BufferId) -> Fate {
        match self.slots.get(&id) {
            Some(slot) if slot.is_abandoned() => {
                if slot.entry.owner().is_some() && slot.entry.held_outside() {
                    return Fate::Abandoned;
                }
            }
            _ => return Fate::Kept,
        }
        let Some(slot) = self.slots.remove(&id) else { return Fate::Kept };
        for identity in &slot.files {
            self.files.remove(identity);
        }
        Fate::Free(slot.entry)
    }

    /// Marks the buffer as watched; whether it was not.
    pub(super) fn first_watch(&mut self, id: BufferId) -> bool {
        self.slots.get_mut(&id).is_some_and(|slot| !std::mem::replace(&mut slot.watched, true))
    }
}

impl Slot {
    fn is_abandoned(&self) -> bool {
        !self.allocated && self.importers == 0
    }
}

fn take(charges: &mut HashMap<u32, Charge>, key: u32, bytes: u64) {
    if let Some(charge) = charges.get_mut(&key) {
        charge.take(bytes);
        if charge.is_zero() {
            charges.remove(&key); // uids come and go; the map is not to grow with them
        }
    }
}
