use super::*;

const PATTERNS: &[&str] = &["Disabled", "Bars", "", "Black"];

fn controls() -> Controls {
    Controls::camera(PATTERNS)
}

fn ids(controls: &Controls, next: u32) -> Vec<u32> {
    let mut query = v4l2_query_ext_ctrl { id: next, ..Default::default() };
    let mut found = Vec::new();
    while controls.query_ext_ctrl(&mut query).is_ok() {
        found.push(query.id);
        query.id |= next;
    }
    found
}

#[test]
fn the_next_flag_walks_all_by_id_with_their_classes() {
    let expected = [
        V4L2_CID_USER_CLASS,
        V4L2_CID_BRIGHTNESS,
        V4L2_CID_CONTRAST,
        V4L2_CID_SATURATION,
        V4L2_CID_HUE,
        V4L2_CID_HFLIP,
        V4L2_CID_VFLIP,
        V4L2_CID_IMAGE_PROC_CLASS,
        V4L2_CID_TEST_PATTERN,
    ];
    let controls = controls();
    assert_eq!(ids(&controls, V4L2_CTRL_FLAG_NEXT_CTRL), expected);
    let both = V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_FLAG_NEXT_COMPOUND;
    assert_eq!(ids(&controls, both), expected);
    assert!(ids(&controls, V4L2_CTRL_FLAG_NEXT_COMPOUND).is_empty());
    let mut query =
        v4l2_queryctrl { id: V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_ID_MASK, ..Default::default() };
    assert_eq!(controls.queryctrl(&mut query), Err(Errno::EINVAL));
    for id in [0, V4L2_CID_BASE + 0xfff, 0x0099_0900] {
        query.id = id;
        assert_eq!(controls.queryctrl(&mut query), Err(Errno::EINVAL), "{id:#x}");
    }
}

#[test]
fn queries_say_what_the_control_is() {
    let controls = controls();
    let mut query = v4l2_queryctrl { id: V4L2_CID_BRIGHTNESS, ..Default::default() };
    assert_eq!(controls.queryctrl(&mut query), Ok(()));
    assert_eq!(&query.name[..11], b"Brightness\0");
    assert_eq!((query.minimum, query.maximum, query.step, query.default_value), (0, 255, 1, 128));
    assert_eq!((query.type_, query.flags), (V4L2_CTRL_TYPE_INTEGER, V4L2_CTRL_FLAG_SLIDER));
    let mut ext = v4l2_query_ext_ctrl { id: V4L2_CID_TEST_PATTERN, ..Default::default() };
    assert_eq!(controls.query_ext_ctrl(&mut ext), Ok(()));
    assert_eq!((ext.type_, ext.maximum, ext.step), (V4L2_CTRL_TYPE_MENU, 3, 1));
    assert_eq!((ext.elem_size, ext.elems, ext.nr_of_dims), (4, 1, 0));
    query.id = V4L2_CID_USER_CLASS;
    assert_eq!(controls.queryctrl(&mut query), Ok(()));
    assert_eq!((query.type_, query.flags), (V4L2_CTRL_TYPE_CTRL_CLASS, 0x44));
}

#[test]
fn menus_have_the_items_they_name() {
    let controls = controls();
    let item = |id, index| {
        let mut menu = v4l2_querymenu { id, index, reserved: 9, ..Default::default() };
        controls.querymenu(&mut menu).map(|()| (menu.name[0], menu.reserved))
    };
    assert_eq!(item(V4L2_CID_TEST_PATTERN, 0), Ok((b'D', 0)));
    assert_eq!(item(V4L2_CID_TEST_PATTERN, 3), Ok((b'B', 0)));
    for index in [2, 4, u32::MAX] {
        assert_eq!(item(V4L2_CID_TEST_PATTERN, index), Err(Errno::EINVAL), "{index}");
    }
    assert_eq!(item(V4L2_CID_BRIGHTNESS, 0), Err(Errno::EINVAL));
}

#[test]
fn values_out_of_range_become_the_nearest_but_in_menus() {
    let mut controls = controls();
    let mut set = |id, value| {
        let mut control = v4l2_control { id, value };
        controls.s_ctrl(&mut control).map(|change| (control.value, change.is_some()))
    };
    assert_eq!(set(V4L2_CID_BRIGHTNESS, 256), Ok((255, true)));
    assert_eq!(set(V4L2_CID_BRIGHTNESS, i32::MAX), Ok((255, false)));
    assert_eq!(set(V4L2_CID_BRIGHTNESS, i32::MIN), Ok((0, true)));
    assert_eq!(set(V4L2_CID_HFLIP, -7), Ok((1, true)));
    assert_eq!(set(V4L2_CID_TEST_PATTERN, 4), Err(Errno::ERANGE));
    assert_eq!(set(V4L2_CID_TEST_PATTERN, -1), Err(Errno::ERANGE));
    assert_eq!(set(V4L2_CID_USER_CLASS, 0), Err(Errno::EACCES));
    assert_eq!(set(0, 0), Err(Errno::EINVAL));
    let mut get = v4l2_control { id: V4L2_CID_USER_CLASS, value: 0 };
    assert_eq!(controls.g_ctrl(&mut get), Err(Errno::EACCES));
    get.id = V4L2_CID_TEST_PATTERN;
    assert_eq!(controls.g_ctrl(&mut get).map(|()| get.value), Ok(0));
}

#[test]
fn steps_are_kept() {
    let kind = ControlKind::Integer { minimum: -10, maximum: 10, step: 4 };
    let control = Control { kind, ..Control::slider(V4L2_CID_HUE, "Hue", (0, 0), 0) };
    for (asked, taken) in [(-11, -10), (-9, -10), (-8, -6), (0, 2), (7, 6), (9, 10), (99, 10)] {
        assert_eq!(control.validate(asked), Ok(taken), "{asked}");
    }
}

fn ext(id: u32, value: i32) -> v4l2_ext_control {
    let mut control = v4l2_ext_control { id, ..Default::default() };
    control.set_value(value);
    control
}

fn head(which: u32, count: u32) -> v4l2_ext_controls {
    v4l2_ext_controls { which, count, ..Default::default() }
}

#[test]
fn only_try_says_which_one_was_wrong() {
    let mut controls = controls();
    let two = [ext(V4L2_CID_BRIGHTNESS, 7), ext(V4L2_CID_BASE + 0xfff, 0)];
    let (mut array, mut head) = (two, head(V4L2_CTRL_WHICH_CUR_VAL, 2));
    assert_eq!(controls.g_ext_ctrls(&mut head, &mut array), Err(Errno::EINVAL));
    assert_eq!(head.error_idx, 2);
    assert_eq!(controls.s_ext_ctrls(&mut head, &mut array), Err(Errno::EINVAL));
    assert_eq!(head.error_idx, 2);
    assert_eq!(controls.try_ext_ctrls(&mut head, &mut array), Err(Errno::EINVAL));
    assert_eq!(head.error_idx, 1);
    assert_eq!(controls.value(V4L2_CID_BRIGHTNESS), Some(128));
    let mut array = [ext(V4L2_CID_BRIGHTNESS, 7), ext(V4L2_CID_TEST_PATTERN, 9)];
    assert_eq!(controls.s_ext_ctrls(&mut head, &mut array), Err(Errno::ERANGE));
    assert_eq!(controls.value(V4L2_CID_BRIGHTNESS), Some(128), "all or nothing");
}

#[test]
fn which_names_a_class_or_the_defaults() {
    let mut controls = controls();
    let class = |which| {
        let mut head = head(which, 0);
        controls.g_ext_ctrls(&mut head, &mut [])
    };
    let codec = 0x0099_0000;
    assert_eq!(class(V4L2_CTRL_WHICH_CUR_VAL), Ok(()));
    assert_eq!(class(V4L2_CTRL_CLASS_USER), Ok(()));
    assert_eq!(class(codec), Err(Errno::EINVAL));
    controls.set(V4L2_CID_BRIGHTNESS, 7).unwrap();
    let mut one = [ext(V4L2_CID_BRIGHTNESS, 9)];
    let mut codec = head(codec, 1);
    assert_eq!(controls.g_ext_ctrls(&mut codec, &mut one), Err(Errno::EINVAL));
    let mut default = head(V4L2_CTRL_WHICH_DEF_VAL, 1);
    assert_eq!(controls.s_ext_ctrls(&mut default, &mut one), Err(Errno::EINVAL));
    assert_eq!(controls.try_ext_ctrls(&mut default, &mut one), Err(Errno::EINVAL));
    assert_eq!(controls.g_ext_ctrls(&mut default, &mut one), Ok(()));
    assert_eq!(one[0].value(), 128);
    let mut current = head(V4L2_CTRL_CLASS_USER, 1);
    assert_eq!(controls.g_ext_ctrls(&mut current, &mut one), Ok(()));
    assert_eq!(one[0].value(), 7);
    let mut request = head(V4L2_CTRL_WHICH_REQUEST_VAL, 1);
    assert_eq!(controls.try_ext_ctrls(&mut request, &mut one), Err(Errno::EINVAL));
    assert_eq!(request.error_idx, 1);
    let mut class = [ext(V4L2_CID_USER_CLASS, 0)];
    assert_eq!(controls.g_ext_ctrls(&mut current, &mut class), Err(Errno::EACCES));
    assert_eq!(controls.try_ext_ctrls(&mut current, &mut class), Err(Errno::EACCES));
}

#[test]
fn changes_come_out_once_each() {
    let mut controls = controls();
    let mut array = [ext(V4L2_CID_HUE, 500), ext(V4L2_CID_HFLIP, 0), ext(V4L2_CID_VFLIP, 1)];
    let mut head = head(V4L2_CTRL_WHICH_CUR_VAL, 3);
    let changes = controls.s_ext_ctrls(&mut head, &mut array).unwrap();
    let said: Vec<_> = changes.iter().map(|change| (change.id, change.value)).collect();
    assert_eq!(said, [(V4L2_CID_HUE, 127), (V4L2_CID_VFLIP, 1)]);
    assert_eq!(array[0].value(), 127);
    let event = changes[0].event;
    assert_eq!((event.changes, event.value64, event.minimum), (1, 127, -128));
    assert_eq!(controls.initial_event(V4L2_CID_HUE).unwrap().unwrap().changes, 3);
    assert_eq!(controls.initial_event(V4L2_CID_USER_CLASS), Ok(None));
    assert_eq!(controls.initial_event(1), Err(Errno::EINVAL));
}
