//! `VIDIOC_G_EXT_CTRLS`, `S_EXT_CTRLS`, `TRY_EXT_CTRLS`: many controls in one call.
//!
//! `error_idx` names the control that was wrong only for `TRY`; for the others it is the count,
//! which says that nothing was done.

use nix::errno::Errno;

use super::{Change, Control, Controls, class_of};
use crate::v4l2::uapi::*;

impl Controls {
    /// `VIDIOC_G_EXT_CTRLS`.
    ///
    /// # Errors
    /// `EINVAL` for an unknown control or one of another class than `which`, `EACCES` for a class
    /// control.
    pub fn g_ext_ctrls(
        &self,
        head: &mut v4l2_ext_controls,
        array: &mut [v4l2_ext_control],
    ) -> Result<(), Errno> {
        head.error_idx = head.count;
        if array.is_empty() {
            return self.check_class(head.which);
        }
        let found = self.prepare(head.which, array).map_err(|(_, errno)| errno)?;
        if found.iter().any(|(control, _)| control.flags & V4L2_CTRL_FLAG_WRITE_ONLY != 0) {
            return Err(Errno::EACCES);
        }
        for (entry, (control, value)) in array.iter_mut().zip(&found) {
            let default = head.which == V4L2_CTRL_WHICH_DEF_VAL;
            entry.set_value(if default { control.default } else { *value });
        }
        set_error_idx(head, array.len().saturating_sub(1));
        Ok(())
    }

    /// `VIDIOC_S_EXT_CTRLS`. All or nothing: the values are looked at before any is set.
    ///
    /// # Errors
    /// As [`try_ext_ctrls`](Self::try_ext_ctrls), but `error_idx` is the count.
    pub fn s_ext_ctrls(
        &mut self,
        head: &mut v4l2_ext_controls,
        array: &mut [v4l2_ext_control],
    ) -> Result<Vec<Change>, Errno> {
        self.try_ext_ctrls(head, array).inspect_err(|_| head.error_idx = head.count)?;
        let mut changes = Vec::new();
        for entry in array {
            changes.extend(self.set(entry.id, entry.value())?);
        }
        Ok(changes)
    }

    /// `VIDIOC_TRY_EXT_CTRLS`: the values that would be taken come back.
    ///
    /// # Errors
    /// `EINVAL` for an unknown control, one of another class than `which`, or default values;
    /// `EACCES` for a class control; `ERANGE` for a value that the control can't have.
    /// `error_idx` is the place of the first wrong one.
    pub fn try_ext_ctrls(
        &self,
        head: &mut v4l2_ext_controls,
        array: &mut [v4l2_ext_control],
    ) -> Result<(), Errno> {
        head.error_idx = head.count;
        if head.which == V4L2_CTRL_WHICH_DEF_VAL {
            return Err(Errno::EINVAL);
        }
        if array.is_empty() {
            return self.check_class(head.which);
        }
        let found = match self.prepare(head.which, array) {
            Ok(found) => found,
            Err((place, errno)) => {
                // What no request can be made for has no place.
                if head.which != V4L2_CTRL_WHICH_REQUEST_VAL {
                    set_error_idx(head, place);
                }
                return Err(errno);
            }
        };
        let mut taken = Vec::with_capacity(array.len());
        for (place, (entry, (control, _))) in array.iter().zip(&found).enumerate() {
            set_error_idx(head, place);
            if control.flags & V4L2_CTRL_FLAG_READ_ONLY != 0 {
                return Err(Errno::EACCES);
            }
            taken.push(control.validate(entry.value())?);
        }
        array.iter_mut().zip(taken).for_each(|(entry, value)| entry.set_value(value));
        Ok(())
    }

    /// The controls that the array names, or the place of the first that can't be.
    fn prepare(
        &self,
        which: u32,
        array: &[v4l2_ext_control],
    ) -> Result<Vec<(Control, i32)>, (usize, Errno)> {
        let any = [V4L2_CTRL_WHICH_CUR_VAL, V4L2_CTRL_WHICH_DEF_VAL].contains(&which);
        let named = array.iter().enumerate().map(|(place, entry)| {
            let id = entry.id & V4L2_CTRL_ID_MASK;
            if id >= V4L2_CID_PRIVATE_BASE || (!any && class_of(id) != class_of(which)) {
                return Err((place, Errno::EINVAL));
            }
            self.find(id).copied().map_err(|errno| (place, errno))
        });
        named.collect()
    }

    /// Without any controls the call asks whether the device has some of this class.
    fn check_class(&self, which: u32) -> Result<(), Errno> {
        match which {
            V4L2_CTRL_WHICH_CUR_VAL | V4L2_CTRL_WHICH_DEF_VAL => Ok(()),
            class => self.find(class_of(class) | 1).map(|_| ()),
        }
    }
}

fn set_error_idx(head: &mut v4l2_ext_controls, place: usize) {
    head.error_idx = u32::try_from(place).unwrap_or(head.count);
}
