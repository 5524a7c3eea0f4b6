//! How a node stands in `/dev`, and the way of one request through the daemon.
//!
//! [`CuseNode::start`] makes a character device and the threads that serve it. A request comes in
//! on a reader thread, which never waits for anything that a program can hold up:
//!
//! - what can be answered at once is (`node`);
//! - a call that has to wait is *parked* (`parked`): its reply is kept under a ticket, until the
//!   device completes it, a signal interrupts it, or the node ends;
//! - a call that needs the caller's memory or descriptors is carried on by a worker of the
//!   [`crate::courier`] (`errand`).
//!
//! What a call leaves to be done for others (parked calls that are complete, pollers to be woken)
//! comes out of the device as effects, and is carried out once the device is not locked any more.

mod call;
mod closing;
mod cuse;
mod doors;
mod errand;
mod files;
pub mod fuse;
mod io;
mod lookout;
mod looks;
mod mapped;
mod node;
mod nonblock;
mod pacer;
mod parked;
mod pollers;
mod served;
mod swap;
mod user;
mod users;

pub use cuse::{CuseNode, StartError};
pub use lookout::Lookout;
pub use node::Services;
pub use users::{Counted, UserLimits, Users};
