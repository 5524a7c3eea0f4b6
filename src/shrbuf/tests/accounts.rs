//! Limits and charges, on the double: holders and failures are what the test says.

use super::*;
use crate::shrbuf::backing::Heap;
use crate::shrbuf::table::{State, Viewer};
use crate::shrbuf::{AllocError, Charge, Limit};
use crate::sys::memfd::page_size;
use nix::errno::Errno;

fn with_heap(limits: Limits) -> (Arc<Registry>, Arc<Heap>) {
    let heap = Arc::new(Heap::default());
    (Registry::new(limits, Backings::only(Arc::clone(&heap) as _)), heap)
}

fn limit_of(result: Result<Buffer, AllocError>) -> Limit {
    let error = result.expect_err("over the limit");
    assert_eq!(error.errno(), Errno::ENOMEM);
    match error {
        AllocError::Limit { limit, .. } => limit,
        other => panic!("{other}"),
    }
}

/// Else a client could keep exports and allocate for ever.
#[test]
fn an_orphan_is_charged_to_its_uid_and_not_to_the_node_until_it_is_free() {
    let page = page_size() as u64;
    let limits =
        Limits { node_buffers: 2, uid_buffers: 3, uid_bytes: 100 * page, ..Limits::default() };
    let (registry, heap) = with_heap(limits);
    let buffers = [(); 2].map(|()| registry.allocate(&OWNER, 1).expect("a buffer"));
    assert_eq!(limit_of(registry.allocate(&OWNER, 1)), Limit::NodeBuffers);
    heap.hold(true);
    for buffer in &buffers {
        export(buffer, Access::ReadOnly);
    }
    drop(buffers);
    assert_eq!(registry.charged_to_uid(OWNER.uid), Charge { buffers: 2, bytes: 2 * page });
    let third = registry.allocate(&OWNER, 1).expect("the node has room");
    assert_eq!(limit_of(registry.allocate(&OWNER, 1)), Limit::UidBuffers);
    let stranger = Owner { uid: OWNER.uid + 1, ..OWNER };
    registry.allocate(&stranger, 1).expect("another user has room");
    heap.hold(false);
    registry.allocate(&OWNER, 1).expect("the limit frees what nobody holds");
    assert_eq!(heap.released(), 4, "two orphans, and the two that were dropped at once");
    drop(third);
    assert!(nothing_left(&registry));
}

#[test]
fn a_failed_allocation_charges_nothing() {
    let (registry, heap) = with_heap(Limits::default());
    heap.fail(true);
    let error = registry.allocate(&OWNER, 1).expect_err("no memory");
    assert_eq!(error.errno(), Errno::ENOMEM);
    assert!(nothing_left(&registry));
    heap.fail(false);
    for len in [0, usize::MAX] {
        let error = registry.allocate(&OWNER, len).expect_err("no such length");
        assert_eq!(error.errno(), Errno::EINVAL, "{len}");
    }
    let huge = registry.allocate(&OWNER, isize::MAX as usize / 2);
    assert_eq!(limit_of(huge), Limit::BufferBytes);
    assert!(nothing_left(&registry));
}

/// A failed export is none: nothing is waited for.
#[test]
fn a_failed_export_holds_nothing() {
    let (registry, heap) = with_heap(Limits::default());
    let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
    heap.fail(true);
    heap.hold(true);
    let error = buffer.export(flags(Access::ReadOnly)).expect_err("refused");
    assert_eq!(error.errno(), Errno::ENOMEM);
    assert!(!buffer.held_elsewhere());
    drop(buffer);
    assert!(nothing_left(&registry));
}

#[test]
fn the_table_tells_state_owner_and_counts() {
    let (registry, heap) = with_heap(Limits::default());
    let live = registry.allocate(&OWNER, 5000).expect("a buffer");
    let orphan = registry.allocate(&OWNER, 1).expect("a buffer");
    heap.hold(true);
    export(&orphan, Access::ReadOnly);
    let ids = [live.id(), orphan.id()];
    drop(orphan);
    let table = registry.table(Viewer::from(OWNER.uid));
    assert_eq!([table[0].id, table[1].id], ids);
    assert_eq!([table[0].state, table[1].state], [State::Live, State::Orphan]);
    assert_eq!([table[0].exports, table[1].exports], [0, 1]);
    assert_eq!(table[0].owner, Some(OWNER));
    assert_eq!(table[0].len, 2 * page_size() as u64);
    drop(live);
}

/// Rows are shown to everybody, the processes behind them to their own user.
#[test]
fn a_table_for_a_user_has_no_holders_of_others() {
    let registry = registry(Backings::memfd());
    let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
    let export = export(&buffer, Access::ReadOnly);
    let mut child = std::process::Command::new("sleep");
    let mut child = child.arg("60").stdin(export).spawn().expect("a child");
    let own = nix::unistd::getuid().as_raw();
    let rows = [(Viewer::Uid(own), true), (Viewer::Uid(own + 1), false), (Viewer::Root, true)];
    let shown = rows.map(|(viewer, _)| {
        let table = registry.table(viewer);
        table.len() == 1 && table[0].holders.iter().any(|holder| holder.pid == child.id())
    });
    child.kill().expect("killed");
    child.wait().expect("gone");
    assert_eq!(shown, rows.map(|(_, expected)| expected));
}

/// Threads that get, put, export and import at the same time: the sums come out.
#[test]
fn counts_add_up_under_threads() {
    let registry = registry(Backings::memfd());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
                    let fd = export(&buffer, Access::ReadOnly);
                    drop(buffer);
                    let import = identify(&registry, &fd);
                    assert!(matches!(import, Identity::Ours(_)));
                    drop(fd);
                    registry.reap();
                    drop(import);
                }
            });
        }
    });
    assert!(nothing_left(&registry), "{:?}", registry.accounting());
}
