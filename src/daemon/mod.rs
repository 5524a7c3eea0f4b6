//! Configuration, supervisor, control socket, doctor.

pub mod config;
mod factory;
pub mod links;
pub mod nodes;
pub mod numbers;

pub use factory::factory;

pub use crate::device::spec;
