use proptest::prelude::*;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

use super::*;
use crate::v4l2::controls::Controls;
use crate::v4l2::events::Events;
use crate::v4l2::modes::{Mode, ModeList, Sizes};
use crate::v4l2::priority::Priority;
use crate::v4l2::{Direction, FileId, Node, Ticket};

/// A device without a queue: buffers answer what they were asked.
struct Double {
    node: Node,
    controls: Controls,
    events: Events,
    priority: Priority,
    modes: ModeList,
    changed: Vec<(u32, i32)>,
}

impl Double {
    fn new(direction: Direction, mplane: bool) -> Self {
        let node = Node { direction, mplane };
        let second = v4l2_fract { numerator: 1, denominator: 30 };
        let mode = |fourcc| Mode { fourcc, width: 640, height: 480, intervals: vec![second] };
        let mut modes = vec![mode(V4L2_PIX_FMT_YUYV)];
        modes.extend(mplane.then(|| mode(V4L2_PIX_FMT_NV12M)));
        Self {
            node,
            controls: Controls::camera(&["Disabled", "Bars"]),
            events: Events::new(),
            priority: Priority::new(),
            modes: ModeList::new(node, Sizes::Discrete, modes).unwrap(),
            changed: Vec::new(),
        }
    }

    fn call<T: Argument>(&mut self, file: u64, cmd: u32, value: &mut T) -> Result<Answer, Errno> {
        dispatch(self, &context(file), cmd, value.as_mut_bytes(), &mut Vec::new())
    }
}

impl DeviceOps for Double {
    fn node(&self) -> Node {
        self.node
    }

    fn priority(&mut self) -> Option<&mut Priority> {
        Some(&mut self.priority)
    }

    fn controls(&mut self) -> Option<&mut Controls> {
        Some(&mut self.controls)
    }

    fn events(&mut self) -> Option<&mut Events> {
        Some(&mut self.events)
    }

    fn control_changed(&mut self, id: u32, value: i32) {
        self.changed.push((id, value));
    }

    fn querycap(&mut self, _: &Context<'_>, cap: &mut v4l2_capability) -> Result<(), Errno> {
        put_text(&mut cap.card, "a name that is longer than the field has room for");
        Ok(())
    }

    fn log_status(&mut self, _: &Context<'_>) -> Result<(), Errno> {
        Ok(())
    }

    fn enum_fmt(&mut self, _: &Context<'_>, fmt: &mut v4l2_fmtdesc) -> Result<(), Errno> {
        self.modes.enum_fmt(fmt)
    }

    fn g_fmt(&mut self, _: &Context<'_>, format: &mut v4l2_format) -> Result<(), Errno> {
        self.modes.default_layout().describe(self.node, format);
        Ok(())
    }

    fn try_fmt(&mut self, _: &Context<'_>, format: &mut v4l2_format) -> Result<(), Errno> {
        self.modes.try_fmt(format);
        Ok(())
    }

    fn s_fmt(&mut self, ctx: &Context<'_>, format: &mut v4l2_format) -> Result<(), Errno> {
        self.try_fmt(ctx, format)
    }

    fn enum_framesizes(
        &mut self,
        _: &Context<'_>,
        size: &mut v4l2_frmsizeenum,
    ) -> Result<(), Errno> {
        self.modes.enum_framesizes(size)
    }

    fn g_parm(&mut self, _: &Context<'_>, parm: &mut v4l2_streamparm) -> Result<(), Errno> {
        self.modes.describe_parm(self.modes.default_interval(), parm);
        Ok(())
    }

    fn s_parm(&mut self, ctx: &Context<'_>, parm: &mut v4l2_streamparm) -> Result<(), Errno> {
        let layout = self.modes.default_layout();
        self.modes.nearest_interval(&layout, self.modes.parm_interval(parm));
        self.g_parm(ctx, parm)
    }

    fn reqbufs(&mut self, _: &Context<'_>, _: &mut v4l2_requestbuffers) -> Result<(), Errno> {
        Ok(())
    }

    fn create_bufs(&mut self, _: &Context<'_>, _: &mut v4l2_create_buffers) -> Result<(), Errno> {
        Ok(())
    }

    fn qbuf(
        &mut self,
        ctx: &Context<'_>,
        buffer: &mut v4l2_buffer,
        planes: &mut [v4l2_plane],
    ) -> Result<(), Errno> {
        let planes = crate::v4l2::buffer::plane_requests(ctx, self.node, buffer, planes);
        crate::v4l2::buffer::request(buffer, &planes).planes.first().ok_or(Errno::EINVAL)?;
        Ok(())
    }

    fn streamon(&mut self, _: &Context<'_>, _: u32) -> Result<(), Errno> {
        Ok(())
    }
}

fn context(file: u64) -> Context<'static> {
    let (file, ticket) = (FileId(file), Ticket(1));
    Context { file, uid: 0, ticket, may_park: false, now_ns: 0, imports: &[], user: &[] }
}

const UNKNOWN: u32 = 0x7fff_fff0;

#[test]
fn querycap_says_what_the_node_is_and_nothing_of_the_caller() {
    let mut double = Double::new(Direction::Output, true);
    let mut cap = v4l2_capability::new_zeroed();
    cap.reserved = [7; 3];
    assert_eq!(double.call(1, VIDIOC_QUERYCAP, &mut cap), Ok(Answer::Done));
    let caps = V4L2_CAP_VIDEO_OUTPUT_MPLANE | 0x0520_0000;
    assert_eq!((cap.device_caps, cap.capabilities), (caps, caps | V4L2_CAP_DEVICE_CAPS));
    assert_eq!((cap.reserved, cap.card[31]), ([0; 3], 0));
}

#[test]
fn what_the_other_direction_has_is_no_ioctl() {
    let mut camera = Double::new(Direction::Capture, false);
    let mut display = Double::new(Direction::Output, false);
    for cmd in [VIDIOC_ENUM_FRAMESIZES, VIDIOC_S_PARM, VIDIOC_ENUMINPUT, VIDIOC_S_INPUT] {
        let mut arg = vec![0; ioc_size(cmd)];
        let answer = dispatch(&mut display, &context(1), cmd, &mut arg, &mut Vec::new());
        assert_eq!(answer, Err(Errno::ENOTTY), "{:?}", table::name(cmd));
    }
    for cmd in [VIDIOC_ENUMOUTPUT, VIDIOC_G_OUTPUT, VIDIOC_S_OUTPUT] {
        let mut arg = vec![0; ioc_size(cmd)];
        let answer = dispatch(&mut camera, &context(1), cmd, &mut arg, &mut Vec::new());
        assert_eq!(answer, Err(Errno::ENOTTY), "{:?}", table::name(cmd));
    }
}

/// errors/*-priority-order: priority comes before the argument, an unknown ioctl before priority.
#[test]
fn a_lower_priority_is_seen_before_the_argument() {
    let mut double = Double::new(Direction::Output, false);
    double.priority.open(FileId(1));
    double.priority.open(FileId(2));
    let mut record = V4L2_PRIORITY_RECORD;
    assert_eq!(double.call(2, VIDIOC_S_PRIORITY, &mut record), Ok(Answer::Done));
    let mut format = v4l2_format { type_: UNKNOWN, ..Default::default() };
    assert_eq!(double.call(1, VIDIOC_S_FMT, &mut format), Err(Errno::EBUSY));
    assert_eq!(double.call(1, VIDIOC_G_FMT, &mut format), Err(Errno::EINVAL));
    let mut request = v4l2_requestbuffers { type_: UNKNOWN, ..Default::default() };
    assert_eq!(double.call(1, VIDIOC_REQBUFS, &mut request), Err(Errno::EBUSY));
    assert_eq!(double.call(1, VIDIOC_STREAMON, &mut UNKNOWN.clone()), Err(Errno::EBUSY));
    assert_eq!(double.call(1, VIDIOC_S_PRIORITY, &mut UNKNOWN.clone()), Err(Errno::EBUSY));
    assert_eq!(double.call(2, VIDIOC_S_PRIORITY, &mut UNKNOWN.clone()), Err(Errno::EINVAL));
    let mut parm = v4l2_streamparm::default();
    assert_eq!(double.call(1, VIDIOC_S_PARM, &mut parm), Err(Errno::ENOTTY));
    assert_eq!(double.call(1, VIDIOC_G_PRIORITY, &mut record), Ok(Answer::Done));
    assert_eq!(record, V4L2_PRIORITY_RECORD);
}

#[test]
fn changes_need_priority_exactly_where_the_kernel_wants_it() {
    let changes: Vec<_> =
        table::TABLE.iter().filter(|row| row.priority).map(|row| row.name).collect();
    let expected = [
        "S_FMT",
        "REQBUFS",
        "STREAMON",
        "STREAMOFF",
        "S_PARM",
        "S_CTRL",
        "S_INPUT",
        "S_OUTPUT",
        "S_PRIORITY",
        "S_EXT_CTRLS",
        "CREATE_BUFS",
        "REMOVE_BUFS",
    ];
    assert_eq!(changes, expected);
}

#[test]
fn a_type_that_is_not_the_nodes_is_refused() {
    for mplane in [false, true] {
        let mut double = Double::new(Direction::Capture, mplane);
        let own = double.node.buf_type();
        for type_ in (0..=14).chain([UNKNOWN, u32::MAX]).filter(|type_| *type_ != own) {
            let mut format = v4l2_format { type_, ..Default::default() };
            for cmd in [VIDIOC_G_FMT, VIDIOC_S_FMT, VIDIOC_TRY_FMT] {
                assert_eq!(double.call(1, cmd, &mut format), Err(Errno::EINVAL), "{type_}");
            }
            let mut fmt = v4l2_fmtdesc { type_, ..Default::default() };
            assert_eq!(double.call(1, VIDIOC_ENUM_FMT, &mut fmt), Err(Errno::EINVAL), "{type_}");
            let mut parm = v4l2_streamparm { type_, parm: [0; 200] };
            assert_eq!(double.call(1, VIDIOC_S_PARM, &mut parm), Err(Errno::EINVAL), "{type_}");
            let mut buffer = v4l2_buffer { type_, ..Default::default() };
            assert_eq!(double.call(1, VIDIOC_QBUF, &mut buffer), Err(Errno::EINVAL), "{type_}");
            assert_eq!(double.call(1, VIDIOC_STREAMON, &mut type_.clone()), Ok(Answer::Done));
        }
    }
}

/// errors/*-reserved-*: what nobody has a use for yet comes back zeroed.
#[test]
fn rubbish_in_reserved_fields_does_not_come_back() {
    for mplane in [false, true] {
        let mut double = Double::new(Direction::Capture, mplane);
        let type_ = double.node.buf_type();
        let mut fmt = v4l2_fmtdesc { type_, mbus_code: 1, reserved: [1; 3], ..Default::default() };
        double.call(1, VIDIOC_ENUM_FMT, &mut fmt).unwrap();
        assert_eq!((fmt.mbus_code, fmt.reserved), (0, [0; 3]));
        assert_eq!(&fmt.description[..11], b"YUYV 4:2:2\0");
        for cmd in [VIDIOC_G_FMT, VIDIOC_TRY_FMT, VIDIOC_S_FMT] {
            let mut format = v4l2_format { type_, fmt: [0xff; 200], ..Default::default() };
            double.call(1, cmd, &mut format).unwrap();
            let mut clean = v4l2_format { type_, ..Default::default() };
            double.modes.default_layout().describe(double.node, &mut clean);
            assert_eq!(format, clean);
        }
        let mut parm = v4l2_streamparm { type_, parm: [0xff; 200] };
        double.call(1, VIDIOC_G_PARM, &mut parm).unwrap();
        assert_eq!((parm.capture().extendedmode, parm.capture().reserved), (0, [0; 4]));
        let mut request = v4l2_requestbuffers {
            type_,
            capabilities: 1,
            flags: 255,
            reserved: [9; 3],
            ..Default::default()
        };
        double.call(1, VIDIOC_REQBUFS, &mut request).unwrap();
        assert_eq!((request.capabilities, request.flags), (0x117, 0));
        assert_eq!(request.reserved, [0; 3]);
        let mut create = v4l2_create_buffers { flags: 1, reserved: [9; 5], ..Default::default() };
        create.format.type_ = type_;
        double.call(1, VIDIOC_CREATE_BUFS, &mut create).unwrap();
        assert_eq!((create.capabilities, create.flags, create.reserved), (0x197, 0, [0; 5]));
        let mut sub =
            v4l2_event_subscription { type_: V4L2_EVENT_SOURCE_CHANGE, ..Default::default() };
        double.call(1, VIDIOC_SUBSCRIBE_EVENT, &mut sub).unwrap();
        double.events.source_changed(0);
        let mut event = v4l2_event { reserved: [9; 8], ..Default::default() };
        double.call(1, VIDIOC_DQEVENT, &mut event).unwrap();
        assert_eq!((event.type_, event.reserved), (V4L2_EVENT_SOURCE_CHANGE, [0; 8]));
    }
}

#[test]
fn without_the_magic_number_the_later_fields_do_not_count() {
    let mut double = Double::new(Direction::Output, false);
    let mut format = v4l2_format { type_: double.node.buf_type(), ..Default::default() };
    let colorspace = V4L2_COLORSPACE_REC709;
    let old = v4l2_pix_format { colorspace, ycbcr_enc: 2, flags: u32::MAX, ..Default::default() };
    format.set_pix(&old);
    double.call(1, VIDIOC_TRY_FMT, &mut format).unwrap();
    let pix = format.pix();
    assert_eq!((pix.priv_, pix.flags, pix.ycbcr_enc), (V4L2_PIX_FMT_PRIV_MAGIC, 0, 0));
    assert_eq!(pix.colorspace, colorspace);
}

#[test]
fn a_changed_control_is_an_event_for_the_others_and_a_word_to_the_device() {
    let mut double = Double::new(Direction::Capture, false);
    let id = V4L2_CID_HUE;
    let flags = V4L2_EVENT_SUB_FL_SEND_INITIAL;
    let mut sub =
        v4l2_event_subscription { type_: V4L2_EVENT_CTRL, id, flags, ..Default::default() };
    double.call(2, VIDIOC_SUBSCRIBE_EVENT, &mut sub).unwrap();
    let mut event = v4l2_event::default();
    double.call(2, VIDIOC_DQEVENT, &mut event).unwrap();
    assert_eq!(event.ctrl().changes, 3);
    assert_eq!(double.call(2, VIDIOC_DQEVENT, &mut event), Err(Errno::ENOENT));
    let ctx = Context { may_park: true, ..context(2) };
    let arg = event.as_mut_bytes();
    let parked = dispatch(&mut double, &ctx, VIDIOC_DQEVENT, arg, &mut Vec::new());
    assert_eq!(parked, Ok(Answer::Park));
    let mut control = v4l2_control { id, value: 5 };
    double.call(1, VIDIOC_S_CTRL, &mut control).unwrap();
    double.call(1, VIDIOC_S_CTRL, &mut control).unwrap();
    assert_eq!(double.changed, [(id, 5)]);
    let completed = double.events.take_completed();
    assert_eq!(completed.len(), 1);
    assert_eq!((completed[0].0, completed[0].1.ctrl().value64), (Ticket(1), 5));
    for (type_, id) in
        [(0, 0), (V4L2_EVENT_CTRL, 0), (V4L2_EVENT_CTRL, 9), (UNKNOWN, 0), (1 << 27, 0)]
    {
        let mut sub = v4l2_event_subscription { type_, id, ..Default::default() };
        assert_eq!(double.call(1, VIDIOC_SUBSCRIBE_EVENT, &mut sub), Err(Errno::EINVAL));
        let unsubscribe = double.call(1, VIDIOC_UNSUBSCRIBE_EVENT, &mut sub);
        assert_eq!(unsubscribe, Ok(Answer::Done));
    }
}

#[test]
fn extended_controls_come_back_with_what_was_wrong() {
    let mut double = Double::new(Direction::Capture, false);
    let bad = v4l2_ext_control { id: 1, reserved2: [7], ..Default::default() };
    let mut head = v4l2_ext_controls { count: 1, ..Default::default() };
    let mut nested = bad.as_bytes().to_vec();
    let arg = head.as_mut_bytes();
    let answer = dispatch(&mut double, &context(1), VIDIOC_TRY_EXT_CTRLS, arg, &mut nested);
    assert_eq!((answer, head.error_idx), (Err(Errno::EINVAL), 0));
    assert!(table::gives_back(VIDIOC_TRY_EXT_CTRLS, false) && table::gives_back(VIDIOC_QBUF, true));
    assert!(!table::gives_back(VIDIOC_QBUF, false));
    assert_eq!(v4l2_ext_control::read_from_bytes(&nested).unwrap().reserved2, [0]);
}

proptest! {
    /// Whatever a caller sends, with whatever number: no panic, the lengths stay, and an unknown
    /// number is no ioctl.
    #[test]
    fn any_bytes_with_any_command_get_an_answer(
        known in proptest::option::of(0..table::TABLE.len()),
        other in any::<u32>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        array in proptest::collection::vec(any::<u8>(), 0..600),
        type_ in proptest::option::of(0u32..16),
        (output, mplane) in any::<(bool, bool)>(),
    ) {
        let direction = if output { Direction::Output } else { Direction::Capture };
        let mut double = Double::new(direction, mplane);
        let cmd = known.map_or(other, |place| table::TABLE[place].cmd);
        let mut arg = bytes;
        if known.is_some() {
            arg.resize(ioc_size(cmd), 0xaa);
        }
        if let (Some(type_), Some(field)) = (type_, arg.get_mut(..4)) {
            field.copy_from_slice(&type_.to_ne_bytes());
        }
        let mut array = array;
        let lengths = (arg.len(), array.len());
        if let Ok(Some(nested)) = crate::v4l2::nested(cmd, &arg) {
            prop_assert!(nested.len > 0 && nested.len <= 20480);
        }
        prop_assert!(crate::v4l2::needs(cmd, &arg, &array).len() <= 600 / 64 + 1);
        let answer = dispatch(&mut double, &context(1), cmd, &mut arg, &mut array);
        prop_assert_eq!(lengths, (arg.len(), array.len()));
        if table::row(cmd).is_none() {
            prop_assert_eq!(answer, Err(Errno::ENOTTY));
        }
    }
}
