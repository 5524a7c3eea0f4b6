//! dma-bufs: synchronizing and reading them.
