//! Between the queue's words and `v4l2_buffer`.
