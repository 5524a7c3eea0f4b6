//! Which nodes the daemon runs: the one place that joins it with `transport`.

use super::nodes::{NodeFactory, StartError};
use crate::device::spec::SharedLimits;

/// The factory of nodes that stand in `/dev`.
///
/// # Errors
/// [`StartError::Environment`] where this machine has nothing to carry them.
pub fn factory(limits: SharedLimits) -> Result<Box<dyn NodeFactory>, StartError> {
    let _ = limits;
    Err(StartError::Environment {
        what: "this build has no transport: it can't make a node in /dev".into(),
        remedy: "use a build that has src/transport".into(),
    })
}
