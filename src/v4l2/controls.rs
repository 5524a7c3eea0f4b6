//! Controls: what they are, their values, and the ioctls that ask for them.
//!
//! A control's class has a control of its own (type `CTRL_CLASS`), which can be neither read nor
//! written. The list is kept by id, as `V4L2_CTRL_FLAG_NEXT_CTRL` walks it.

mod ext;

use nix::errno::Errno;

use super::uapi::*;

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
    /// The heading of a class; it has no value. [`Controls::new`] adds these.
    Class,
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
    /// `V4L2_CTRL_FLAG_…`.
    pub flags: u32,
}

impl Control {
    /// A slider.
    pub const fn slider(id: u32, name: &'static str, range: (i32, i32), default: i32) -> Self {
        let kind = ControlKind::Integer { minimum: range.0, maximum: range.1, step: 1 };
        Self { id, name, kind, default, flags: V4L2_CTRL_FLAG_SLIDER }
    }

    /// A switch, off at first.
    pub const fn switch(id: u32, name: &'static str) -> Self {
        Self { id, name, kind: ControlKind::Boolean, default: 0, flags: 0 }
    }

    /// A menu, its first item chosen at first.
    pub const fn menu(id: u32, name: &'static str, items: &'static [&'static str]) -> Self {
        Self { id, name, kind: ControlKind::Menu(items), default: 0, flags: 0 }
    }

    const fn class(id: u32, name: &'static str) -> Self {
        let flags = V4L2_CTRL_FLAG_READ_ONLY | V4L2_CTRL_FLAG_WRITE_ONLY;
        Self { id, name, kind: ControlKind::Class, default: 0, flags }
    }

    fn type_(&self) -> u32 {
        match self.kind {
            ControlKind::Integer { .. } => V4L2_CTRL_TYPE_INTEGER,
            ControlKind::Boolean => V4L2_CTRL_TYPE_BOOLEAN,
            ControlKind::Menu(_) => V4L2_CTRL_TYPE_MENU,
            ControlKind::Class => V4L2_CTRL_TYPE_CTRL_CLASS,
        }
    }

    /// Minimum, maximum, step.
    fn range(&self) -> (i32, i32, i32) {
        match self.kind {
            ControlKind::Integer { minimum, maximum, step } => (minimum, maximum, step),
            ControlKind::Boolean => (0, 1, 1),
            ControlKind::Menu(items) => {
                (0, i32::try_from(items.len()).unwrap_or(i32::MAX).saturating_sub(1), 1)
            }
            ControlKind::Class => (0, 0, 0),
        }
    }

    /// The value that the control takes when it's asked for this one. `ERANGE` where the nearest
    /// is of no use.
    fn validate(&self, value: i32) -> Result<i32, Errno> {
        match self.kind {
            ControlKind::Integer { minimum, maximum, step } => {
                let (low, high, step) =
                    (i64::from(minimum), i64::from(maximum), i64::from(step).max(1));
                let value = i64::from(value).saturating_add(step / 2).clamp(low, high.max(low));
                let value = low + (value - low) / step * step;
                i32::try_from(value).map_err(|_| Errno::ERANGE)
            }
            ControlKind::Boolean => Ok(i32::from(value != 0)),
            ControlKind::Menu(_) if (0..=self.range().1).contains(&value) => Ok(value),
            ControlKind::Menu(_) => Err(Errno::ERANGE),
            ControlKind::Class => Err(Errno::EACCES),
        }
    }
}

/// A control that has a new value, and what subscribers are told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The control.
    pub id: u32,
    /// Its value now.
    pub value: i32,
    /// The event's payload.
    pub event: v4l2_event_ctrl,
}

/// A device's controls and their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controls {
    /// By id.
    list: Vec<(Control, i32)>,
}

/// Names of the classes' own controls.
const CLASSES: [Control; 2] = [
    Control::class(V4L2_CID_USER_CLASS, "User Controls"),
    Control::class(V4L2_CID_IMAGE_PROC_CLASS, "Image Processing Controls"),
];

impl Controls {
    /// These controls, each with its default value. Class controls are added. Of two with one id
    /// the first counts.
    pub fn new(controls: impl IntoIterator<Item = Control>) -> Self {
        let mut list: Vec<_> =
            controls.into_iter().map(|control| (control, control.default)).collect();
        for class in CLASSES {
            if list.iter().any(|(control, _)| class_of(control.id) == class_of(class.id)) {
                list.push((class, 0));
            }
        }
        list.sort_by_key(|(control, _)| control.id);
        list.dedup_by_key(|(control, _)| control.id);
        Self { list }
    }

    /// What a camera has: brightness, contrast, saturation, hue, hflip, vflip, and a menu of test
    /// patterns if any are named. Brightness, contrast and saturation go from 0 to 255 and change
    /// nothing at 128; hue from -128 to 127, nothing at 0.
    pub fn camera(patterns: &'static [&'static str]) -> Self {
        let pictures = [
            Control::slider(V4L2_CID_BRIGHTNESS, "Brightness", (0, 255), 128),
            Control::slider(V4L2_CID_CONTRAST, "Contrast", (0, 255), 128),
            Control::slider(V4L2_CID_SATURATION, "Saturation", (0, 255), 128),
            Control::slider(V4L2_CID_HUE, "Hue", (-128, 127), 0),
        ];
        Self::new(pictures.into_iter().chain(Self::common(patterns)))
    }

    /// What a display has: hflip, vflip, and a menu of test patterns if any are named.
    pub fn display(patterns: &'static [&'static str]) -> Self {
        Self::new(Self::common(patterns))
    }

    fn common(patterns: &'static [&'static str]) -> impl Iterator<Item = Control> {
        let menu = Control::menu(V4L2_CID_TEST_PATTERN, "Test Pattern", patterns);
        let flips = [
            Control::switch(V4L2_CID_HFLIP, "Horizontal Flip"),
            Control::switch(V4L2_CID_VFLIP, "Vertical Flip"),
        ];
        flips.into_iter().chain((!patterns.is_empty()).then_some(menu))
    }

    /// A control's value; `None` if there is none of this id.
    pub fn value(&self, id: u32) -> Option<i32> {
        self.find(id).ok().map(|(_, value)| *value)
    }

    /// Every control with its value, by id; class controls are left out.
    pub fn iter(&self) -> impl Iterator<Item = (&Control, i32)> {
        let all = self.list.iter().filter(|(control, _)| control.kind != ControlKind::Class);
        all.map(|(control, value)| (control, *value))
    }

    /// Sets a control, from inside the device too. `None`: it had this value. Else the change is
    /// to be given to [`Events::control_changed`](super::events::Events::control_changed).
    ///
    /// # Errors
    /// `EINVAL` for no such control, `ERANGE` for a value that it can't have, `EACCES` for a
    /// class.
    pub fn set(&mut self, id: u32, value: i32) -> Result<Option<Change>, Errno> {
        let (control, current) = self.find_mut(id)?;
        let value = control.validate(value)?;
        if value == *current {
            return Ok(None);
        }
        *current = value;
        let event = event(control, value, V4L2_EVENT_CTRL_CH_VALUE);
        Ok(Some(Change { id: control.id, value, event }))
    }

    /// The event that says how a control is, for `V4L2_EVENT_SUB_FL_SEND_INITIAL`; a class has
    /// none.
    ///
    /// # Errors
    /// `EINVAL` for no such control.
    pub fn initial_event(&self, id: u32) -> Result<Option<v4l2_event_ctrl>, Errno> {
        let (control, value) = self.find(id)?;
        let changes = V4L2_EVENT_CTRL_CH_VALUE | V4L2_EVENT_CTRL_CH_FLAGS;
        let has_value = control.kind != ControlKind::Class;
        Ok(has_value.then(|| event(control, *value, changes)))
    }

    /// `VIDIOC_QUERY_EXT_CTRL`.
    ///
    /// # Errors
    /// `EINVAL` for no such control, or none after it.
    pub fn query_ext_ctrl(&self, query: &mut v4l2_query_ext_ctrl) -> Result<(), Errno> {
        let control = self.queried(query.id)?;
        let (minimum, maximum, step) = control.range();
        *query = v4l2_query_ext_ctrl {
            id: control.id,
            type_: control.type_(),
            minimum: minimum.into(),
            maximum: maximum.into(),
            step: step.unsigned_abs().into(),
            default_value: control.default.into(),
            flags: control.flags,
            elem_size: if control.kind == ControlKind::Class { 0 } else { 4 },
            elems: 1,
            ..v4l2_query_ext_ctrl::default()
        };
        put_text(&mut query.name, control.name);
        Ok(())
    }

    /// `VIDIOC_QUERYCTRL`.
    ///
    /// # Errors
    /// `EINVAL` for no such control, or none after it.
    pub fn queryctrl(&self, query: &mut v4l2_queryctrl) -> Result<(), Errno> {
        let control = self.queried(query.id)?;
        let (minimum, maximum, step) = control.range();
        *query = v4l2_queryctrl {
            id: control.id,
            type_: control.type_(),
            minimum,
            maximum,
            step,
            default_value: control.default,
            flags: control.flags,
            ..v4l2_queryctrl::default()
        };
        put_text(&mut query.name, control.name);
        Ok(())
    }

    /// `VIDIOC_QUERYMENU`.
    ///
    /// # Errors
    /// `EINVAL` for what is no menu, and for an item that it doesn't have.
    pub fn querymenu(&self, menu: &mut v4l2_querymenu) -> Result<(), Errno> {
        let (control, _) = self.find(menu.id)?;
        let ControlKind::Menu(items) = control.kind else { return Err(Errno::EINVAL) };
        let index = usize::try_from(menu.index).map_err(|_| Errno::EINVAL)?;
        let item = items.get(index).filter(|item| !item.is_empty()).ok_or(Errno::EINVAL)?;
        put_text(&mut menu.name, item);
        menu.reserved = 0;
        Ok(())
    }

    /// `VIDIOC_G_CTRL`.
    ///
    /// # Errors
    /// `EINVAL` for no such control, `EACCES` for a class.
    pub fn g_ctrl(&self, control: &mut v4l2_control) -> Result<(), Errno> {
        let (found, value) = self.find(control.id)?;
        if found.flags & V4L2_CTRL_FLAG_WRITE_ONLY != 0 {
            return Err(Errno::EACCES);
        }
        control.value = *value;
        Ok(())
    }

    /// `VIDIOC_S_CTRL`: the value that was taken comes back.
    ///
    /// # Errors
    /// `EINVAL` for no such control, `EACCES` for one that can't be set, `ERANGE` for a value
    /// that it can't have.
    pub fn s_ctrl(&mut self, control: &mut v4l2_control) -> Result<Option<Change>, Errno> {
        if self.find(control.id)?.0.flags & V4L2_CTRL_FLAG_READ_ONLY != 0 {
            return Err(Errno::EACCES);
        }
        let change = self.set(control.id, control.value)?;
        control.value = self.value(control.id).unwrap_or(control.value);
        Ok(change)
    }

    fn find(&self, id: u32) -> Result<&(Control, i32), Errno> {
        let id = id & V4L2_CTRL_ID_MASK;
        self.list.iter().find(|(control, _)| control.id == id).ok_or(Errno::EINVAL)
    }

    fn find_mut(&mut self, id: u32) -> Result<&mut (Control, i32), Errno> {
        let id = id & V4L2_CTRL_ID_MASK;
        self.list.iter_mut().find(|(control, _)| control.id == id).ok_or(Errno::EINVAL)
    }

    /// The control itself, or the next one where the id asks for it. There are no compound ones,
    /// so the next of these alone is none.
    fn queried(&self, id: u32) -> Result<&Control, Errno> {
        let wanted = id & V4L2_CTRL_ID_MASK;
        if id & V4L2_CTRL_FLAG_NEXT_CTRL != 0 {
            let next = self.list.iter().find(|(control, _)| control.id > wanted);
            return next.map(|(control, _)| control).ok_or(Errno::EINVAL);
        }
        if id & V4L2_CTRL_FLAG_NEXT_COMPOUND != 0 {
            return Err(Errno::EINVAL);
        }
        self.find(wanted).map(|(control, _)| control)
    }
}

/// `V4L2_CTRL_ID2WHICH`.
const fn class_of(id: u32) -> u32 {
    id & 0x0fff_0000
}

fn event(control: &Control, value: i32, changes: u32) -> v4l2_event_ctrl {
    let (minimum, maximum, step) = control.range();
    v4l2_event_ctrl {
        changes,
        type_: control.type_(),
        value64: value.into(),
        flags: control.flags,
        minimum,
        maximum,
        step,
        default_value: control.default,
        _pad: 0,
    }
}

#[cfg(test)]
mod tests;
