//! Arenas without a mount: what lies where, and who is told to hold it.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "this is test code")]

use std::os::fd::AsFd;
use std::sync::Arc;

use super::*;
use crate::shrbuf::{Access, Backings, ExportFlags, Limits, PlaneMemory};

const OWNER: Owner = Owner { uid: 1000, node: 256 };

fn registry() -> Arc<Registry> {
    Registry::new(Limits::default(), Backings::memfd())
}

fn range(arena: &Arena, buffer: &Buffer) -> Range<u64> {
    let start = u64::from(arena.offset(buffer).expect("a place"));
    start..start + buffer.len() as u64
}

#[test]
fn places_are_fresh_and_apart() {
    let arena = Arena::copies(&registry());
    let first = arena.allocate(&OWNER, 5000).expect("a buffer");
    let second = arena.allocate(&OWNER, 1).expect("a buffer");
    let base = u32::try_from(arena.first_offset()).expect("a place");
    assert_eq!(arena.offset(&first), Some(base));
    assert_eq!(arena.offset(&second), Some(base + 3 * 4096));
    drop(first);
    let third = arena.allocate(&OWNER, 1).expect("a buffer");
    assert_eq!(arena.offset(&third), Some(base + 5 * 4096));
    let stranger = registry().allocate(&OWNER, 1).expect("a buffer");
    let _ = stranger; // another registry's numbers are its own
}

#[test]
fn a_touched_page_has_the_buffers_bytes_and_its_changes_go_back() {
    let arena = Arena::copies(&registry());
    let buffer = arena.allocate(&OWNER, 8192).expect("a buffer");
    buffer.write_at(4096, &[7; 4096]).expect("inside");
    assert_eq!(arena.is_cached(&buffer), None);
    let base = arena.first_offset();
    let page = arena.page_in(base + 4096, 8192);
    assert!(page[..4096].iter().all(|byte| *byte == 7) && page[4096..].iter().all(|b| *b == 0));
    assert_eq!(arena.is_cached(&buffer), Some(base));
    arena.page_out(base, &[9; 4096]);
    let mut byte = [0];
    buffer.read_at(4095, &mut byte).expect("inside");
    assert_eq!(byte, [9]);
    arena.page_out(SPACE - 4096, &[9; 4096]);
}

#[test]
fn a_place_is_not_used_again_before_its_pages_are_gone() {
    let arena = Arena::copies(&registry());
    let [first, second, third, fourth] =
        [(); 4].map(|()| arena.allocate(&OWNER, 4096).expect("a buffer"));
    let base = arena.first_offset();
    let _ = arena.page_in(base, 5 * 4096); // of the first three
    arena.sweep(|range| panic!("{range:?} is in use"));
    drop((first, third, fourth));
    let sweep = |gone| {
        let mut told = Vec::new();
        arena.sweep(|range| {
            if gone {
                arena.sweep(|other| panic!("{other:?} is told of twice"));
            }
            told.push(range.clone());
            gone
        });
        told
    };
    let stale = [base..base + 2 * 4096, base + 4 * 4096..base + 6 * 4096];
    assert_eq!(sweep(false), stale);
    // Round the end.
    let large = usize::try_from(SPACE - LONGEST_FRAME - 8 * 4096 - 4096).expect("it fits");
    let place = |len: usize| {
        let offset = arena.places().reserve(len)?;
        arena.places().give_up(offset);
        Some(offset)
    };
    assert_eq!(place(large), Some(base + 8 * 4096));
    assert_eq!(place(2 * 4096), Some(base + 6 * 4096), "where the fourth was");
    assert_eq!(place(large), Some(base + 8 * 4096));
    assert_eq!(sweep(true), stale);
    assert_eq!(place(2 * 4096), Some(base));
    assert_eq!(sweep(true), []);
    drop(second);
}

#[test]
fn what_was_read_ahead_is_stored_over() {
    let arena = Arena::copies(&registry());
    let first = arena.allocate(&OWNER, 4096).expect("a buffer");
    let second = arena.allocate(&OWNER, 4096).expect("a buffer");
    let _ = arena.page_in(range(&arena, &first).start, 16 * 4096);
    assert!(arena.is_cached(&first).is_some() && arena.is_cached(&second).is_some());
    let [third, fourth] = [(); 2].map(|()| arena.allocate(&OWNER, 12 * 4096).expect("a buffer"));
    assert!(arena.is_cached(&third).is_some(), "zeros lie where it begins");
    assert_eq!(arena.is_cached(&fourth), None);
}

#[test]
fn a_mapped_buffer_is_held_and_outlives_its_queue() {
    let registry = registry();
    let arena = Arena::copies(&registry);
    let buffer = arena.allocate(&OWNER, 4096).expect("a buffer");
    buffer.write_at(0, b"kept").expect("inside");
    let range = range(&arena, &buffer);
    assert!(!buffer.held_elsewhere() && !arena.looked_yet(&buffer));
    assert!(!arena.looked(std::slice::from_ref(&range), false));
    assert!(buffer.held_elsewhere() && arena.looked_yet(&buffer));
    drop(buffer);
    let sums = registry.accounting();
    assert_eq!((sums.buffers, sums.orphaned, sums.bytes), (1, 1, 4096));
    assert_eq!(registry.charged_to_uid(1000).bytes, 4096);
    assert!(arena.has_mapped_orphans());
    assert_eq!(&arena.page_in(arena.first_offset(), 4096)[..4], b"kept");
    // Who was looked at doesn't map it; others may.
    assert!(arena.looked(&[], false));
    assert_eq!(registry.accounting().buffers, 1);
    arena.unmapped();
    assert!(!arena.has_mapped_orphans());
    assert_eq!(registry.accounting(), crate::shrbuf::Accounting::default());
    assert_eq!(registry.charged_to_uid(1000).bytes, 0);
}

#[test]
fn ten_thousand_rounds_find_their_places() {
    let registry = registry();
    let arena = Arena::copies(&registry);
    let held = arena.allocate(&OWNER, 4096).expect("a buffer");
    let kept = range(&arena, &held);
    for round in 0..10_000 {
        let buffers = [(); 2].map(|()| arena.allocate(&OWNER, 600_000).expect("a buffer"));
        for buffer in &buffers {
            let place = range(&arena, buffer);
            assert!(place.start >= kept.end, "round {round}: {place:?}");
            arena.looked(&[place], true);
        }
        arena.unmapped();
    }
    drop(held);
    assert_eq!(registry.accounting(), crate::shrbuf::Accounting::default());
}

#[test]
fn twins_are_charged_once_and_leave_nothing() {
    let registry = registry();
    let arena = Arena::twins(&registry).expect("an arena");
    assert_eq!((arena.kind(), arena.first_offset()), (ArenaKind::Twins, 0));
    let file = arena.backing_file().expect("a file");
    let blocks = || nix::sys::stat::fstat(&file).expect("stat").st_blocks;
    let [first, second] = [(); 2].map(|()| arena.allocate(&OWNER, 8192).expect("a buffer"));
    let range = range(&arena, &second);
    let node = crate::sys::mapping::Mapping::slice(file.as_fd(), range.start, 8192, true);
    let node = node.expect("mapped");
    second.write_at(0, b"filled").expect("inside");
    let mut seen = [0; 6];
    node.read_at(0, &mut seen).expect("inside");
    assert_eq!(&seen, b"filled");
    assert_eq!(arena.is_cached(&second), None, "it needs no page cache");

    let flags = ExportFlags { access: Access::ReadWrite, cloexec: true };
    let export = second.export(flags).expect("an export");
    assert_eq!(registry.charged_to_uid(1000).bytes, 16384);
    assert!(!first.held_elsewhere() && second.held_elsewhere());
    second.write_at(0, b"second").expect("inside");
    second.publish(6).expect("published");
    node.read_at(0, &mut seen).expect("inside");
    assert_eq!(&seen, b"second");

    // Mapped and exported when the queue lets go: each alone keeps it as it is.
    arena.looked(std::slice::from_ref(&range), true);
    drop([first, second]);
    assert_eq!((registry.accounting().buffers, blocks()), (1, 16));
    arena.unmapped();
    node.read_at(0, &mut seen).expect("inside");
    assert_eq!((registry.accounting().buffers, &seen), (1, b"second"));
    drop(export);
    assert_eq!(registry.accounting(), crate::shrbuf::Accounting::default());
    assert_eq!((registry.charged_to_uid(1000).bytes, blocks()), (0, 0));
}

/// Whoever maps what was let go of would else see the next one's frames.
#[test]
fn a_place_is_not_used_again_while_it_is_mapped() {
    let page = page_size() as u64;
    // Two pages a buffer, the one behind it included.
    let places = Mutex::new(Places::new(LONGEST_FRAME..LONGEST_FRAME + 4 * page));
    let arena = Arena { registry: registry(), pages: None, places };
    let first = arena.allocate(&OWNER, 1).expect("a buffer");
    let kept = range(&arena, &first);
    arena.looked(std::slice::from_ref(&kept), true);
    drop(first);
    for round in 0..3 {
        let next = arena.allocate(&OWNER, 1).expect("a buffer");
        assert_eq!(range(&arena, &next).start, kept.start + 2 * page, "round {round}");
        assert!(arena.allocate(&OWNER, 1).is_err(), "round {round}: there is no other place");
    }
    arena.unmapped();
    let last = arena.allocate(&OWNER, 1).expect("a buffer");
    assert_eq!(range(&arena, &last), kept);
}
