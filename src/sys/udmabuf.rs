//! dma-bufs over pages of a memory file.
