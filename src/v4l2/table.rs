//! The ioctls that there are: one row each, with what the core knows of them before it calls.

use super::uapi::*;
use super::{Direction, Node};

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
    /// What the device must have for it.
    pub part: Part,
    /// Leading bytes of the argument that are the caller's words; the rest is zeroed first.
    pub keep: usize,
    /// Whether the argument is given back with an errno too.
    pub always_copy: bool,
}

/// A part of a device that a family of ioctls works on. Without it they are `ENOTTY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// None in particular.
    Any,
    /// [`DeviceOps::controls`](super::DeviceOps::controls).
    Controls,
    /// [`DeviceOps::events`](super::DeviceOps::events).
    Events,
    /// [`DeviceOps::priority`](super::DeviceOps::priority).
    Priority,
}

impl Row {
    const fn new(cmd: u32, name: &'static str) -> Self {
        let keep = ioc_size(cmd);
        Self { cmd, name, only: None, priority: false, part: Part::Any, keep, always_copy: false }
    }

    const fn capture(mut self) -> Self {
        self.only = Some(Direction::Capture);
        self
    }

    const fn output(mut self) -> Self {
        self.only = Some(Direction::Output);
        self
    }

    /// It changes what others use too.
    const fn changes(mut self) -> Self {
        self.priority = true;
        self
    }

    const fn of(mut self, part: Part) -> Self {
        self.part = part;
        self
    }

    const fn keeps(mut self, bytes: usize) -> Self {
        self.keep = bytes;
        self
    }

    const fn always_copies(mut self) -> Self {
        self.always_copy = true;
        self
    }

    /// Whether a node of this kind has it.
    pub fn is_on(&self, node: Node) -> bool {
        self.only.is_none_or(|direction| direction == node.direction)
    }
}

/// All rows, by number. The bytes kept end behind the last field that is named there.
pub const TABLE: &[Row] = &[
    Row::new(VIDIOC_QUERYCAP, "QUERYCAP").keeps(0),
    Row::new(VIDIOC_ENUM_FMT, "ENUM_FMT").keeps(8), // index, type
    Row::new(VIDIOC_G_FMT, "G_FMT").keeps(4),       // type
    Row::new(VIDIOC_S_FMT, "S_FMT").changes(),
    Row::new(VIDIOC_REQBUFS, "REQBUFS").changes().keeps(12), // count, type, memory
    Row::new(VIDIOC_QUERYBUF, "QUERYBUF").keeps(76),         // … m, length
    Row::new(VIDIOC_QBUF, "QBUF"),
    Row::new(VIDIOC_EXPBUF, "EXPBUF").keeps(16), // type, index, plane, flags
    Row::new(VIDIOC_DQBUF, "DQBUF"),
    Row::new(VIDIOC_STREAMON, "STREAMON").changes(),
    Row::new(VIDIOC_STREAMOFF, "STREAMOFF").changes(),
    Row::new(VIDIOC_G_PARM, "G_PARM").keeps(4), // type
    Row::new(VIDIOC_S_PARM, "S_PARM").capture().changes(),
    Row::new(VIDIOC_ENUMINPUT, "ENUMINPUT").capture().keeps(4), // index
    Row::new(VIDIOC_G_CTRL, "G_CTRL").of(Part::Controls).keeps(4), // id
    Row::new(VIDIOC_S_CTRL, "S_CTRL").of(Part::Controls).changes(),
    Row::new(VIDIOC_QUERYCTRL, "QUERYCTRL").of(Part::Controls).keeps(4), // id
    Row::new(VIDIOC_QUERYMENU, "QUERYMENU").of(Part::Controls).keeps(8), // id, index
    Row::new(VIDIOC_G_INPUT, "G_INPUT").capture().keeps(0),
    Row::new(VIDIOC_S_INPUT, "S_INPUT").capture().changes(),
    Row::new(VIDIOC_G_OUTPUT, "G_OUTPUT").output().keeps(0),
    Row::new(VIDIOC_S_OUTPUT, "S_OUTPUT").output().changes(),
    Row::new(VIDIOC_ENUMOUTPUT, "ENUMOUTPUT").output().keeps(4), // index
    Row::new(VIDIOC_TRY_FMT, "TRY_FMT"),
    Row::new(VIDIOC_G_PRIORITY, "G_PRIORITY").of(Part::Priority).keeps(0),
    Row::new(VIDIOC_S_PRIORITY, "S_PRIORITY").of(Part::Priority).changes(),
    Row::new(VIDIOC_LOG_STATUS, "LOG_STATUS"),
    Row::new(VIDIOC_G_EXT_CTRLS, "G_EXT_CTRLS").of(Part::Controls).always_copies(),
    Row::new(VIDIOC_S_EXT_CTRLS, "S_EXT_CTRLS").of(Part::Controls).changes().always_copies(),
    Row::new(VIDIOC_TRY_EXT_CTRLS, "TRY_EXT_CTRLS").of(Part::Controls).always_copies(),
    Row::new(VIDIOC_ENUM_FRAMESIZES, "ENUM_FRAMESIZES").capture().keeps(8), // index, format
    Row::new(VIDIOC_ENUM_FRAMEINTERVALS, "ENUM_FRAMEINTERVALS").capture().keeps(16), // … height
    Row::new(VIDIOC_DQEVENT, "DQEVENT").of(Part::Events).keeps(0),
    Row::new(VIDIOC_SUBSCRIBE_EVENT, "SUBSCRIBE_EVENT").of(Part::Events),
    Row::new(VIDIOC_UNSUBSCRIBE_EVENT, "UNSUBSCRIBE_EVENT").of(Part::Events),
    Row::new(VIDIOC_CREATE_BUFS, "CREATE_BUFS").changes().keeps(224), // … memory, format
    Row::new(VIDIOC_PREPARE_BUF, "PREPARE_BUF"),
    Row::new(VIDIOC_QUERY_EXT_CTRL, "QUERY_EXT_CTRL").of(Part::Controls).keeps(4), // id
    Row::new(VIDIOC_REMOVE_BUFS, "REMOVE_BUFS").changes().keeps(12), // index, count, type
];

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_by_number_and_none_twice() {
        let numbers: Vec<u32> = TABLE.iter().map(|row| row.cmd & 0xff).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    }

    #[test]
    fn a_known_number_with_another_size_or_direction_is_unknown() {
        for row in TABLE {
            assert_eq!(name(row.cmd), Some(row.name));
            assert_eq!(name(row.cmd ^ (1 << 16)), None, "{} one byte larger", row.name);
            assert_eq!(name(row.cmd ^ (1 << 30)), None, "{} another direction", row.name);
            assert!(row.keep <= ioc_size(row.cmd), "{}", row.name);
        }
    }
}
