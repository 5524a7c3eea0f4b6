//! Capabilities of the calling thread (`capabilities(7)`): what it has, and giving some up for good.

use std::io;

use nix::errno::Errno;

use super::process::limit_capabilities;

/// A capability by its number in `<linux/capability.h>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Capability {
    /// Another owner or group for a file.
    Chown = 0,
    /// To read, write and make files of others and in folders of others.
    DacOverride = 1,
    /// To look into folders and read files of others.
    DacReadSearch = 2,
    /// Other groups for this process.
    SetGid = 6,
    /// To give up capabilities that no later `exec` is to bring back.
    SetPcap = 8,
    /// To trace, and to read and write the memory of, any process.
    SysPtrace = 19,
    /// Mounts, FUSE passthrough, and suspending the system call filters of a traced thread.
    SysAdmin = 21,
    /// To raise hard limits.
    SysResource = 24,
}

/// A set of capabilities, a bit for each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Set(u64);

impl Set {
    /// These.
    #[must_use]
    pub fn of(all: &[Capability]) -> Self {
        Self(all.iter().fold(0, |set, one| set | 1 << *one as u32))
    }

    /// What is in both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it is in the set.
    #[must_use]
    pub fn has(self, one: Capability) -> bool {
        self.0 & 1 << one as u32 != 0
    }
}

/// What the calling thread may use.
///
/// # Errors
/// Those of `capget(2)`.
pub fn effective() -> io::Result<Set> {
    let (mut header, mut halves) = (Header::default(), [Data::default(); 2]);
    // SAFETY:
    // - the header says version 3, for which the kernel writes two halves, and there are two
    // - both live across the call and are borrowed for writing
    let answer = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, halves.as_mut_ptr()) };
    Errno::result(answer)?;
    let [low, high] = halves;
    Ok(Set(u64::from(low.effective) | u64::from(high.effective) << 32))
}

/// Leaves the calling thread what it has of `kept`, and `bounding` as the most that an `exec` can
/// give back (without `CAP_SETPCAP` that stays as it is). Threads and processes that it starts
/// afterwards begin with the same; threads that are there already keep theirs.
///
/// # Errors
/// Those of `capget(2)`, `capset(2)` and `prctl(2)`.
pub fn keep(kept: Set, bounding: Set) -> io::Result<()> {
    let has = effective()?;
    if has.has(Capability::SetPcap) {
        let numbers: Vec<u32> = (0..u64::BITS).filter(|at| bounding.0 & 1 << at != 0).collect();
        limit_capabilities(&numbers)?;
    }
    // An unknown number is refused by kernels that have no ambient set; there is none then.
    // SAFETY: PR_CAP_AMBIENT takes plain numbers.
    let _ = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
    let Set(left) = has.and(kept);
    let half = |bits: u64| {
        let bits = u32::try_from(bits & 0xffff_ffff).unwrap_or_default();
        Data { effective: bits, permitted: bits, inheritable: 0 }
    };
    let (header, halves) = (Header::default(), [half(left), half(left >> 32)]);
    // SAFETY: as in `effective`; the kernel only reads what it is given here.
    let answer = unsafe { libc::syscall(libc::SYS_capset, &raw const header, halves.as_ptr()) };
    Errno::result(answer).map(drop).map_err(io::Error::from)
}

/// `_LINUX_CAPABILITY_VERSION_3`
const VERSION: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct`; thread 0 is the calling one.
#[repr(C)]
struct Header {
    version: u32,
    thread: libc::c_int,
}

impl Default for Header {
    fn default() -> Self {
        Self { version: VERSION, thread: 0 }
    }
}

/// `struct __user_cap_data_struct`, of which version 3 has two.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of this thread's status, as a number.
    fn said(key: &str) -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").expect("a status");
        let line = status.lines().find_map(|line| line.strip_prefix(key)).expect("a line");
        u64::from_str_radix(line.trim(), 16).expect("a number")
    }

    /// In a thread of its own: the others keep theirs.
    #[test]
    fn what_is_given_up_is_gone() {
        let before = said("CapPrm:\t");
        let kept = Set::of(&[Capability::SysPtrace]);
        let bounding = Set::of(&[Capability::SysPtrace, Capability::SysResource]);
        let thread = std::thread::spawn(move || {
            let may_limit = effective().expect("a set").has(Capability::SetPcap);
            let bound = said("CapBnd:\t");
            keep(kept, bounding).expect("given up");
            assert_eq!(said("CapPrm:\t"), before & kept.0);
            assert_eq!(said("CapEff:\t"), before & kept.0);
            assert_eq!(said("CapInh:\t"), 0);
            assert_eq!(said("CapAmb:\t"), 0);
            assert_eq!(said("CapBnd:\t"), if may_limit { bound & bounding.0 } else { bound });
            assert!(!effective().expect("a set").has(Capability::SysAdmin));
            assert!(
                keep(Set::of(&[Capability::SysAdmin]), bounding).is_ok(),
                "there is none to keep"
            );
            assert_eq!(said("CapPrm:\t"), 0);
        });
        thread.join().expect("the thread's checks");
        assert_eq!(said("CapPrm:\t"), before);
    }
}
