//! Random sequences of what clients and queues do, beside a model that counts on its fingers.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::shrbuf::BufferId;

#[derive(Debug, Clone, Copy)]
enum Op {
    Allocate,
    /// Of the reference of that number, modulo how many there are; and so on.
    Clone(usize),
    Drop(usize),
    Export(usize, Access),
    Close(usize),
    Import(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let access = prop_oneof![
        Just(Access::ReadOnly),
        Just(Access::WriteOnly),
        Just(Access::ReadWrite),
        Just(Access::Neither)
    ];
    prop_oneof![
        2 => Just(Op::Allocate),
        2 => any::<usize>().prop_map(Op::Clone),
        4 => any::<usize>().prop_map(Op::Drop),
        3 => (any::<usize>(), access).prop_map(|(which, access)| Op::Export(which, access)),
        3 => any::<usize>().prop_map(Op::Close),
        3 => any::<usize>().prop_map(Op::Import),
    ]
}

/// A reference and the number of the one that it was cloned from in the end.
struct Reference {
    buffer: Buffer,
    root: usize,
    is_import: bool,
}

#[derive(Default)]
struct World {
    references: Vec<Reference>,
    descriptors: Vec<(OwnedFd, BufferId)>,
    roots: usize,
}

impl World {
    fn add(&mut self, buffer: Buffer, is_import: bool) {
        self.roots += 1;
        self.references.push(Reference { buffer, root: self.roots, is_import });
    }

    fn apply(&mut self, registry: &Arc<Registry>, op: Op) {
        match op {
            Op::Allocate => self.add(registry.allocate(&OWNER, 1).expect("room"), false),
            Op::Clone(which) => {
                if let Some(chosen) = pick(&self.references, which) {
                    let of = &self.references[chosen];
                    let clone = Reference { buffer: of.buffer.clone(), ..*of };
                    self.references.push(clone);
                }
            }
            Op::Drop(which) => {
                if let Some(chosen) = pick(&self.references, which) {
                    self.references.swap_remove(chosen);
                }
            }
            Op::Export(which, access) => {
                if let Some(chosen) = pick(&self.references, which) {
                    let buffer = &self.references[chosen].buffer;
                    self.descriptors.push((export(buffer, access), buffer.id()));
                }
            }
            Op::Close(which) => {
                if let Some(chosen) = pick(&self.descriptors, which) {
                    self.descriptors.swap_remove(chosen);
                }
            }
            Op::Import(which) => {
                if let Some(chosen) = pick(&self.descriptors, which) {
                    let (fd, id) = &self.descriptors[chosen];
                    let Identity::Ours(buffer) = identify(registry, fd) else { panic!("lost") };
                    assert_eq!(buffer.id(), *id);
                    self.add(buffer, true);
                }
            }
        }
    }

    /// What the registry must say; of exports only whether there are any.
    fn expected(&self) -> Accounting {
        let mut buffers: BTreeMap<BufferId, bool> = BTreeMap::new();
        let mut imports: Vec<usize> = Vec::new();
        for reference in &self.references {
            *buffers.entry(reference.buffer.id()).or_default() |= !reference.is_import;
            imports.extend(reference.is_import.then_some(reference.root));
        }
        for (_, id) in &self.descriptors {
            buffers.entry(*id).or_default();
        }
        imports.sort_unstable();
        imports.dedup();
        Accounting {
            bytes: buffers.len() as u64 * crate::sys::memfd::page_size() as u64,
            buffers: buffers.len() as u64,
            orphaned: buffers.values().filter(|allocated| !**allocated).count() as u64,
            exports: u64::from(!self.descriptors.is_empty()),
            imports: imports.len() as u64,
        }
    }
}

fn pick<T>(all: &[T], which: usize) -> Option<usize> {
    which.checked_rem(all.len())
}

fn compare(backings: Backings, ops: &[Op]) {
    let registry = registry(backings);
    let mut world = World::default();
    for op in ops {
        world.apply(&registry, *op);
        let expected = world.expected();
        let mut said = Accounting::default();
        let same = soon(|| {
            said = registry.accounting();
            said.exports = said.exports.min(1);
            said == expected
        });
        assert!(same, "after {op:?}: {said:?}, expected {expected:?}");
        assert_eq!(registry.charged_to_uid(OWNER.uid).bytes, expected.bytes, "after {op:?}");
    }
    drop(world);
    assert!(nothing_left(&registry));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    /// In any order, from any holder: nothing lives longer or shorter, nothing is counted twice.
    #[test]
    fn any_order_of_holding_and_letting_go_adds_up(ops in proptest::collection::vec(op(), 1..40)) {
        for backings in backings() {
            compare(backings, &ops);
        }
    }
}
