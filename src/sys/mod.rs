//! The system calls that need `unsafe`, and nothing else.
//!
//! Every function here is safe to call: what the kernel demands of its arguments is either in
//! the types or checked before the call. Whoever needs another call adds it here, one call to a
//! block, with the reason why the block is sound.
#![allow(unsafe_code, reason = "this is the room for it; see the module's first lines")]

pub mod capability;
pub mod dmabuf;
pub mod epoll;
#[cfg(feature = "faults")]
pub mod fault;
pub mod fdinfo;
pub mod guest;
pub mod heap;
pub mod hurry;
pub mod kcmp;
pub mod lease;
pub mod mapping;
pub mod maps;
pub mod memfd;
pub mod mount;
pub mod own_table;
pub mod pidfd;
pub mod process;
pub mod process_vm;
pub mod procfs;
pub mod ptrace;
pub mod scm_rights;
pub mod seccomp;
pub mod terminal;
pub mod udmabuf;
