//! Buffers from birth to their real end, on the kernel's own counters. `udmabuf` rows run where
//! the machine has the device (the QEMU guest).

mod accounts;
mod handle;
mod identity;
mod lifetimes;
mod model;
mod udmabuf;

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::unistd::gettid;

use super::backing::{Backings, Udmabufs};
use super::{Access, Accounting, Buffer, ExportFlags, Identity, Limits, Owner, Registry};

const OWNER: Owner = Owner { uid: 1000, node: 256 };

fn registry(backings: Backings) -> Arc<Registry> {
    Registry::new(Limits::default(), backings)
}

fn flags(access: Access) -> ExportFlags {
    ExportFlags { access, cloexec: true }
}

fn export(buffer: &Buffer, access: Access) -> OwnedFd {
    buffer.export(flags(access)).expect("a descriptor")
}

/// What our own descriptor is, as if we were a client.
fn identify(registry: &Arc<Registry>, fd: &impl AsFd) -> Identity {
    identify_number(registry, fd.as_fd().as_raw_fd())
}

fn identify_number(registry: &Arc<Registry>, fd: i32) -> Identity {
    registry.identify(gettid().as_raw().cast_unsigned(), fd)
}

/// Waits until it is so. Another test may be starting a process, which has our descriptors too
/// until it gets to its `exec`.
fn soon(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

fn nothing_left(registry: &Registry) -> bool {
    soon(|| registry.accounting() == Accounting::default())
        && registry.charged_to_uid(OWNER.uid) == super::Charge::default()
        && registry.charged_to_node(OWNER.node) == super::Charge::default()
}

/// The backings that this machine has.
fn backings() -> Vec<Backings> {
    [Backings::memfd(), handle::backings()].into_iter().chain(udmabufs()).collect()
}

/// The backing of real dma-bufs, or a line that says why it is left out.
fn udmabufs() -> Option<Backings> {
    match Udmabufs::probe() {
        Ok(udmabufs) => Some(Backings::only(Arc::new(udmabufs))),
        Err(error) => {
            println!("SKIP shrbuf::tests/udmabuf: {}: {error}", crate::sys::udmabuf::PATH);
            None
        }
    }
}
