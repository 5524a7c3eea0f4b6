//! Configuration, supervisor, control socket, doctor.

mod factory;
pub mod nodes;

pub use factory::factory;

pub use crate::device::spec;
