//! V4L2 as the kernel's core speaks it: structs, one table of ioctls, dispatch, formats, controls, events.
