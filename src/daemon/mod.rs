//! Configuration, supervisor, control socket, doctor.

pub mod config;
pub mod control;
pub mod cuse;
pub mod doctor;
mod factory;
pub mod links;
pub mod nodes;
pub mod numbers;
mod privileges;
pub mod run;
pub mod serve;
pub mod signals;
pub mod socket;
pub mod supervisor;

pub use factory::{confined_factory, factory};

pub use crate::device::spec;
