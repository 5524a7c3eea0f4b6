//! How much memory clients may hold.

use std::fmt;

/// Bounds on allocation; over one of them [`super::Registry::allocate`] answers `ENOMEM`.
///
/// A node's bounds count the buffers whose allocator still has them. A uid's bounds count orphans
/// too, until they are really free: else a client could hold on to exports and allocate for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest buffer, bytes, page rounded.
    pub buffer_bytes: u64,
    /// Buffers of one node. A buffer is one plane.
    pub node_buffers: u64,
    /// Bytes of one node's buffers.
    pub node_bytes: u64,
    /// Buffers charged to one uid. Each costs the daemon a descriptor, and
    /// a second one where it is a dma-buf too (`RLIMIT_NOFILE`).
    pub uid_buffers: u64,
    /// Bytes charged to one uid.
    pub uid_bytes: u64,
    /// Bytes of one uid's orphans, beyond which it gets no more buffers.
    pub uid_orphaned_bytes: u64,
}

const MIB: u64 = 1 << 20;

impl Default for Limits {
    /// Enough for the largest queue that V4L2 allows here at 3840x2160 in 32 bits (64 buffers of
    /// 32 MiB), and for a capture and an output node of that kind for one uid.
    fn default() -> Self {
        Self {
            buffer_bytes: 256 * MIB,
            node_buffers: 512, // 64 buffers of 8 planes, the most that struct v4l2_buffer names
            node_bytes: 2048 * MIB,
            uid_buffers: 2048,
            uid_bytes: 4096 * MIB,
            uid_orphaned_bytes: 2048 * MIB,
        }
    }
}

/// Which bound was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`Limits::buffer_bytes`].
    BufferBytes,
    /// [`Limits::node_buffers`].
    NodeBuffers,
    /// [`Limits::node_bytes`].
    NodeBytes,
    /// [`Limits::uid_buffers`].
    UidBuffers,
    /// [`Limits::uid_bytes`].
    UidBytes,
    /// [`Limits::uid_orphaned_bytes`].
    UidOrphanedBytes,
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::BufferBytes => "bytes of one buffer",
            Self::NodeBuffers => "buffers of this node",
            Self::NodeBytes => "bytes of this node",
            Self::UidBuffers => "buffers of this user, orphans included",
            Self::UidBytes => "bytes of this user, orphans included",
            Self::UidOrphanedBytes => "bytes of this user's orphans",
        })
    }
}

/// What a node or a uid has at present.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Charge {
    /// Buffers.
    pub buffers: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Charge {
    pub(super) fn add(&mut self, bytes: u64) {
        self.buffers += 1;
        self.bytes += bytes;
    }

    pub(super) fn take(&mut self, bytes: u64) {
        self.buffers = self.buffers.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(super) fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl Limits {
    /// Whether `bytes` more fit beside what node and uid have; `orphaned` of the uid's bytes are
    /// orphans'.
    pub(super) fn admit(
        &self,
        bytes: u64,
        node: Charge,
        uid: Charge,
        orphaned: u64,
    ) -> Result<(), Limit> {
        let rows = [
            (bytes, self.buffer_bytes, Limit::BufferBytes),
            (node.buffers.saturating_add(1), self.node_buffers, Limit::NodeBuffers),
            (node.bytes.saturating_add(bytes), self.node_bytes, Limit::NodeBytes),
            (uid.buffers.saturating_add(1), self.uid_buffers, Limit::UidBuffers),
            (uid.bytes.saturating_add(bytes), self.uid_bytes, Limit::UidBytes),
            (orphaned, self.uid_orphaned_bytes, Limit::UidOrphanedBytes),
        ];
        match rows.iter().find(|(wanted, allowed, _)| wanted > allowed) {
            Some((_, _, limit)) => Err(*limit),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_admits_up_to_itself_and_names_itself_beyond() {
        let limits = Limits {
            buffer_bytes: 10,
            node_buffers: 2,
            node_bytes: 15,
            uid_buffers: 3,
            uid_bytes: 25,
            uid_orphaned_bytes: 5,
        };
        let have = |buffers, bytes| Charge { buffers, bytes };
        let none = Charge::default();
        let rows = [
            (10, none, none, Ok(())),
            (11, none, none, Err(Limit::BufferBytes)),
            (1, have(1, 14), have(2, 24), Ok(())),
            (1, have(2, 2), none, Err(Limit::NodeBuffers)),
            (1, have(1, 15), none, Err(Limit::NodeBytes)),
            (1, none, have(3, 3), Err(Limit::UidBuffers)),
            (1, none, have(1, 25), Err(Limit::UidBytes)),
            (u64::MAX, have(1, u64::MAX), have(1, u64::MAX), Err(Limit::BufferBytes)),
        ];
        for (bytes, node, uid, expected) in rows {
            assert_eq!(limits.admit(bytes, node, uid, 5), expected, "{bytes} {node:?} {uid:?}");
        }
        assert_eq!(limits.admit(1, none, have(1, 6), 6), Err(Limit::UidOrphanedBytes));
    }
}
