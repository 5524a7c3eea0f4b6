//! What the daemon keeps of root's powers once its configuration is read.

use std::io;

use nix::unistd::{Group, setgroups};

use super::links::GROUP;
use crate::courier::HELPER_NEEDS;
use crate::sys::capability::{self, Capability, Set};

/// Who holds which buffer of whom (`kcmp`, `/proc/<pid>/fd`, `maps`), of every user; the private
/// mount and FUSE passthrough.
const NEEDS: [Capability; 3] =
    [Capability::SysPtrace, Capability::DacReadSearch, Capability::SysAdmin];

/// Gives up all capabilities but those that the daemon needs to the end. To be called before any
/// thread is started, by a process that does nothing else afterwards. `elsewhere` is for a control
/// socket in a folder that may not be root's.
///
/// What an `exec` can give back is what the helpers need, which are this program again.
///
/// # Errors
/// Those of `capset(2)`.
pub(super) fn give_up(elsewhere: bool) -> io::Result<()> {
    let has = capability::effective()?;
    let mut needs = NEEDS.to_vec();
    if elsewhere {
        needs.push(Capability::DacOverride);
    }
    // Who is in a group may give it a file of his own: nodes and sockets are root's.
    let group = Group::from_name(GROUP).ok().flatten();
    let joined = |group: Group| has.has(Capability::SetGid) && setgroups(&[group.gid]).is_ok();
    if !group.is_some_and(joined) {
        needs.push(Capability::Chown);
    }
    let all: Vec<Capability> = needs.iter().chain(HELPER_NEEDS).copied().collect();
    capability::keep(Set::of(&needs), Set::of(&all))
}
