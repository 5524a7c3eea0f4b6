//! How often somebody may ask, and how many connections there may be.

use std::collections::HashMap;
use std::time::Instant;

/// Requests and connections that a user may make at once before the rate counts: a script that
/// looks at every node of a large configuration.
const BURST: f64 = 40.0;

/// Requests a second and user in the long run. A monitor that redraws ten times a second fits.
const PER_SECOND: f64 = 20.0;

/// Root's share is this much larger: it is the one who would stop the others.
const ROOT: f64 = 50.0;

/// Connections of one user at a time.
pub const PER_USER: usize = 8;

/// Connections of all users but root at a time; each is a thread.
pub const OF_USERS: usize = 24;

/// Connections of root, and of all together at most [`OF_USERS`] more.
pub const OF_ROOT: usize = 8;

/// Users that are remembered; beyond that those who have been quiet are forgotten.
const REMEMBERED: usize = 64;

#[derive(Debug, Default)]
struct User {
    left: f64,
    seen: Option<Instant>,
    connections: usize,
}

/// What each user has left.
#[derive(Debug, Default)]
pub struct Shares {
    users: HashMap<u32, User>,
}

impl Shares {
    /// Whether `uid` may ask now; counts it.
    pub fn ask(&mut self, uid: u32, now: Instant) -> bool {
        self.forget_quiet(now);
        let user = self.users.entry(uid).or_default();
        user.left = user.at(uid, now);
        user.seen = Some(now);
        let may = user.left >= 1.0;
        if may {
            user.left -= 1.0;
        }
        may
    }

    /// Whether `uid` may have one more connection; counts it until [`Shares::disconnect`].
    pub fn connect(&mut self, uid: u32) -> bool {
        let of_others: usize = self
            .users
            .iter()
            .filter(|(other, _)| **other != 0)
            .map(|(_, user)| user.connections)
            .sum();
        let user = self.users.entry(uid).or_default();
        let may = if uid == 0 {
            user.connections < OF_ROOT
        } else {
            user.connections < PER_USER && of_others < OF_USERS
        };
        user.connections += usize::from(may);
        may
    }

    /// A connection has ended.
    pub fn disconnect(&mut self, uid: u32) {
        if let Some(user) = self.users.get_mut(&uid) {
            user.connections = user.connections.saturating_sub(1);
        }
    }

    fn forget_quiet(&mut self, now: Instant) {
        if self.users.len() > REMEMBERED {
            self.users.retain(|uid, user| user.connections > 0 || user.at(*uid, now) < most(*uid));
        }
    }
}

impl User {
    fn at(&self, uid: u32, now: Instant) -> f64 {
        let Some(seen) = self.seen else { return most(uid) };
        let more = now.saturating_duration_since(seen).as_secs_f64() * PER_SECOND * share(uid);
        (self.left + more).min(most(uid))
    }
}

fn share(uid: u32) -> f64 {
    if uid == 0 { ROOT } else { 1.0 }
}

fn most(uid: u32) -> f64 {
    BURST * share(uid)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_free_and_then_the_rate_counts() {
        let mut shares = Shares::default();
        let start = Instant::now();
        assert_eq!((0..100).filter(|_| shares.ask(1000, start)).count(), 40);
        assert!(shares.ask(1001, start), "another user is not held up");
        let later = start + Duration::from_millis(500);
        assert_eq!((0..100).filter(|_| shares.ask(1000, later)).count(), 10);
        let much_later = start + Duration::from_secs(3600);
        assert_eq!((0..100).filter(|_| shares.ask(1000, much_later)).count(), 40);
    }

    #[test]
    fn users_leave_room_for_root_and_for_each_other() {
        let mut shares = Shares::default();
        assert_eq!((0..100).filter(|_| shares.connect(1000)).count(), PER_USER);
        let others = (1001..1100).filter(|uid| shares.connect(*uid)).count();
        assert_eq!(others, OF_USERS - PER_USER);
        assert_eq!((0..100).filter(|_| shares.connect(0)).count(), OF_ROOT);
        shares.disconnect(1000);
        assert!(shares.connect(1000) && !shares.connect(1000));
    }

    #[test]
    fn quiet_users_are_forgotten_and_busy_ones_are_not() {
        let mut shares = Shares::default();
        let start = Instant::now();
        assert!(shares.connect(7));
        for uid in 1000..2000 {
            shares.ask(uid, start);
        }
        shares.ask(1, start + Duration::from_secs(60));
        assert_eq!(shares.users.len(), 2, "the one who is connected, and the last one");
    }
}
