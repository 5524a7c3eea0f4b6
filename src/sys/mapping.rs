//! Memory shared with other processes, touched by copies only.
