//! Controls: what they are, their values, and the ioctls that ask for them.

use nix::errno::Errno;

/// What a control's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlKind {
    /// A number from `minimum` to `maximum` in steps.
    Integer {
        /// Smallest.
        minimum: i32,
        /// Largest.
        maximum: i32,
        /// From one to the next; more than 0.
        step: i32,
    },
    /// 0 or 1.
    Boolean,
    /// One of these texts, by number.
    Menu(&'static [&'static str]),
}

/// What a control is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// `V4L2_CID_…`.
    pub id: u32,
    /// Its name: the kernel's word for its id.
    pub name: &'static str,
    /// What its value is.
    pub kind: ControlKind,
    /// The value it starts with.
    pub default: i32,
    /// `V4L2_CTRL_FLAG_…` besides those that follow from the kind.
    pub flags: u32,
}

/// A device's controls and their values.
#[derive(Debug, Clone)]
pub struct Controls {
    list: Vec<(Control, i32)>,
}

impl Controls {
    /// These controls, each with its default value. Class controls are added.
    pub fn new(controls: impl IntoIterator<Item = Control>) -> Self {
        Self { list: controls.into_iter().map(|c| (c, c.default)).collect() }
    }

    /// What a camera has: brightness, contrast, saturation, hue, hflip, vflip, and a menu of test
    /// patterns if any are named.
    pub fn camera(patterns: &'static [&'static str]) -> Self {
        let _ = patterns;
        todo!()
    }

    /// A control's value; `None` if there is none of this id.
    pub fn value(&self, id: u32) -> Option<i32> {
        self.list.iter().find(|(c, _)| c.id == id).map(|(_, value)| *value)
    }

    /// Sets a control from inside the device. The change, if it is one, is to be given to
    /// [`Events::control_changed`](super::events::Events::control_changed).
    ///
    /// # Errors
    /// `EINVAL` for no such control, `ERANGE` for a value that it can't have.
    pub fn set(&mut self, id: u32, value: i32) -> Result<(), Errno> {
        let _ = (id, value);
        todo!()
    }
}
