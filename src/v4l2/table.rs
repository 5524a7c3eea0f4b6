//! The ioctls that there are: one row each.

use super::Direction;

/// One ioctl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The number, which holds direction and size.
    pub cmd: u32,
    /// The name without `VIDIOC_`.
    pub name: &'static str,
    /// The only direction of nodes that has it; `None`: each.
    pub only: Option<Direction>,
    /// Whether a file of lower priority than another gets `EBUSY`.
    pub priority: bool,
    /// Whether it needs the device's controls.
    pub control: bool,
    /// Whether the argument is given back with an errno too.
    pub always_copy: bool,
}

/// All rows, by number.
pub const TABLE: &[Row] = &[];

/// The row of a number; `None`: `ENOTTY`.
pub fn row(cmd: u32) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.cmd == cmd)
}

/// The ioctl's name for a log line; `None` if it is unknown.
pub fn name(cmd: u32) -> Option<&'static str> {
    row(cmd).map(|row| row.name)
}

/// Whether argument and nested array are given back though the call has failed with an errno:
/// always when there is a nested array, and for the calls whose argument says what was wrong.
pub fn gives_back(cmd: u32, has_nested: bool) -> bool {
    has_nested || row(cmd).is_some_and(|row| row.always_copy)
}
