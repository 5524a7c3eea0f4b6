//! How a node stands in `/dev`.
