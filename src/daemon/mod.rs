//! Configuration, supervisor, control socket, doctor.

pub mod config;
pub mod control;
mod factory;
pub mod links;
pub mod nodes;
pub mod numbers;
pub mod socket;
pub mod supervisor;

pub use factory::factory;

pub use crate::device::spec;
