//! What each user has of what all share: open files, and calls that wait.
//!
//! Each is counted by a [`Permit`], and counts as long as that lives.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cuse_rs::Errno;

/// How much one user may have, over all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserLimits {
    /// Open files of nodes; one more `open(2)` is `EMFILE`.
    pub opens: u32,
    /// Calls that wait: for a frame, an event, or the end of a file that is in their way. One more is
    /// `EBUSY`.
    pub waiting: u32,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Waiting,
}

/// What one user has at present.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Open files.
    pub opens: u32,
    /// Calls that wait.
    pub waiting: u32,
}

/// All users.
#[derive(Debug)]
pub struct Users {
    limits: UserLimits,
    counts: Mutex<HashMap<u32, Counted>>,
}

/// One thing that a user has.
pub(super) struct Permit {
    users: Arc<Users>,
    uid: u32,
    kind: Kind,
}

impl Users {
    /// Nobody has anything yet.
    #[must_use]
    pub fn new(limits: UserLimits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    /// How much one may have.
    #[must_use]
    pub fn limits(&self) -> UserLimits {
        self.limits
    }

    /// Who has anything, in the order of their numbers.
    #[must_use]
    pub fn all(&self) -> Vec<(u32, Counted)> {
        let mut all: Vec<_> = self.lock().iter().map(|(uid, counted)| (*uid, *counted)).collect();
        all.sort_by_key(|(uid, _)| *uid);
        all
    }

    /// One more.
    pub(super) fn permit(self: &Arc<Self>, uid: u32, kind: Kind) -> Result<Permit, Errno> {
        let (limit, errno) = match kind {
            Kind::Open => (self.limits.opens, Errno::EMFILE),
            Kind::Waiting => (self.limits.waiting, Errno::EBUSY),
        };
        let mut counts = self.lock();
        let counted = counts.entry(uid).or_default();
        let count = counted.of(kind);
        if *count >= limit {
            if *counted == Counted::default() {
                counts.remove(&uid);
            }
            drop(counts);
            tracing::info!(uid, limit, "refused ({errno}): {kind}");
            return Err(errno);
        }
        *count += 1;
        Ok(Permit { users: Arc::clone(self), uid, kind })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Counted>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counted {
    fn of(&mut self, kind: Kind) -> &mut u32 {
        match kind {
            Kind::Open => &mut self.opens,
            Kind::Waiting => &mut self.waiting,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.users.lock();
        let Some(counted) = counts.get_mut(&self.uid) else { return };
        let count = counted.of(self.kind);
        *count = count.saturating_sub(1);
        if *counted == Counted::default() {
            counts.remove(&self.uid); // users come and go
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Permit").field(&self.uid).field(&self.kind).finish()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Open => {
                "this user has as many open files of nodes as [limits] opens_per_uid says"
            }
            Self::Waiting => {
                "as many calls of this user wait as [limits] waiting_calls_per_uid says"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_as_much_as_the_limits_say_and_gets_it_back() {
        let users = Users::new(UserLimits { opens: 2, waiting: 1 });
        let open = |uid| users.permit(uid, Kind::Open);
        let wait = |uid| users.permit(uid, Kind::Waiting);
        let [first, second] = [(); 2].map(|()| open(7).expect("within the limit"));
        assert_eq!(open(7).map(drop), Err(Errno::EMFILE));
        let waiting = wait(7).expect("within the limit");
        assert_eq!(wait(7).map(drop), Err(Errno::EBUSY));
        let other = open(8).expect("another user's");
        assert_eq!(
            users.all(),
            [(7, Counted { opens: 2, waiting: 1 }), (8, Counted { opens: 1, waiting: 0 })]
        );
        drop(first);
        let third = open(7).expect("there is room again");
        assert_eq!(open(7).map(drop), Err(Errno::EMFILE));
        drop((second, third, waiting, other));
        assert_eq!(users.all(), []);
    }

    #[test]
    fn who_may_have_nothing_is_not_remembered() {
        let users = Users::new(UserLimits { opens: 0, waiting: 0 });
        assert_eq!(users.permit(7, Kind::Open).map(drop), Err(Errno::EMFILE));
        assert_eq!(users.permit(7, Kind::Waiting).map(drop), Err(Errno::EBUSY));
        assert_eq!(users.all(), []);
    }
}
