//! Somebody else's dma-buf.
