//! The dispatch over a device that does nothing: what is checked before a device is asked.

use nix::errno::Errno;
use shrbuf::v4l2::controls::Controls;
use shrbuf::v4l2::events::Events;
use shrbuf::v4l2::priority::Priority;
use shrbuf::v4l2::uapi::*;
use shrbuf::v4l2::{self, Answer, Context, DeviceOps, Direction, Node};
use vb2::{FileId, Ticket};

use super::bytes::Bytes;
use super::call::{self, Call};
use super::seeds::Seeds;

/// Longer sequences find nothing that these don't.
const MOST_CALLS: usize = 64;

/// Says yes to everything that a device may be asked, and holds what it is given to its contract.
struct Nothing {
    node: Node,
    priority: Option<Priority>,
    controls: Option<Controls>,
    events: Option<Events>,
}

impl Nothing {
    fn of_node(&self, kind: u32) {
        assert_eq!(kind, self.node.buf_type(), "another type reaches the device");
    }

    fn of_planes(&self, buffer: &v4l2_buffer, planes: &[v4l2_plane]) {
        self.of_node(buffer.type_);
        let count = if self.node.mplane { buffer.length as usize } else { 0 };
        assert_eq!(planes.len(), count, "as many planes as the buffer says");
    }
}

impl DeviceOps for Nothing {
    fn node(&self) -> Node {
        self.node
    }
    fn priority(&mut self) -> Option<&mut Priority> {
        self.priority.as_mut()
    }
    fn controls(&mut self) -> Option<&mut Controls> {
        self.controls.as_mut()
    }
    fn events(&mut self) -> Option<&mut Events> {
        self.events.as_mut()
    }
    fn querycap(&mut self, _: &Context<'_>, _: &mut v4l2_capability) -> Result<(), Errno> {
        Ok(())
    }
    fn log_status(&mut self, _: &Context<'_>) -> Result<(), Errno> {
        Ok(())
    }
    fn enum_input(&mut self, _: &Context<'_>, _: &mut v4l2_input) -> Result<(), Errno> {
        assert_eq!(self.node.direction, Direction::Capture);
        Ok(())
    }
    fn enum_output(&mut self, _: &Context<'_>, _: &mut v4l2_output) -> Result<(), Errno> {
        assert_eq!(self.node.direction, Direction::Output);
        Ok(())
    }
    fn s_input(&mut self, _: &Context<'_>, _: u32) -> Result<(), Errno> {
        Ok(())
    }
    fn enum_fmt(&mut self, _: &Context<'_>, fmt: &mut v4l2_fmtdesc) -> Result<(), Errno> {
        self.of_node(fmt.type_);
        Ok(())
    }
    fn g_fmt(&mut self, _: &Context<'_>, format: &mut v4l2_format) -> Result<(), Errno> {
        self.of_node(format.type_);
        Ok(())
    }
    fn try_fmt(&mut self, _: &Context<'_>, format: &mut v4l2_format) -> Result<(), Errno> {
        self.of_node(format.type_);
        Ok(())
    }
    fn s_fmt(&mut self, _: &Context<'_>, format: &mut v4l2_format) -> Result<(), Errno> {
        self.of_node(format.type_);
        Ok(())
    }
    fn g_parm(&mut self, _: &Context<'_>, parm: &mut v4l2_streamparm) -> Result<(), Errno> {
        self.of_node(parm.type_);
        Ok(())
    }
    fn s_parm(&mut self, _: &Context<'_>, parm: &mut v4l2_streamparm) -> Result<(), Errno> {
        self.of_node(parm.type_);
        Ok(())
    }
    fn reqbufs(&mut self, _: &Context<'_>, asked: &mut v4l2_requestbuffers) -> Result<(), Errno> {
        self.of_node(asked.type_);
        Ok(())
    }
    fn create_bufs(
        &mut self,
        _: &Context<'_>,
        asked: &mut v4l2_create_buffers,
    ) -> Result<(), Errno> {
        self.of_node(asked.format.type_);
        assert_eq!(asked.reserved, [0; 5]);
        Ok(())
    }
    fn remove_bufs(
        &mut self,
        _: &Context<'_>,
        asked: &mut v4l2_remove_buffers,
    ) -> Result<(), Errno> {
        self.of_node(asked.type_);
        Ok(())
    }
    fn querybuf(
        &mut self,
        _: &Context<'_>,
        buffer: &mut v4l2_buffer,
        planes: &mut [v4l2_plane],
    ) -> Result<(), Errno> {
        self.of_planes(buffer, planes);
        Ok(())
    }
    fn prepare_buf(
        &mut self,
        _: &Context<'_>,
        buffer: &mut v4l2_buffer,
        planes: &mut [v4l2_plane],
    ) -> Result<(), Errno> {
        self.of_planes(buffer, planes);
        Ok(())
    }
    fn qbuf(
        &mut self,
        ctx: &Context<'_>,
        buffer: &mut v4l2_buffer,
        planes: &mut [v4l2_plane],
    ) -> Result<(), Errno> {
        self.of_planes(buffer, planes);
        let planes = v4l2::buffer::plane_requests(ctx, self.node, buffer, planes);
        let _ = v4l2::buffer::request(buffer, &planes);
        Ok(())
    }
    fn dqbuf(
        &mut self,
        ctx: &Context<'_>,
        buffer: &mut v4l2_buffer,
        planes: &mut [v4l2_plane],
    ) -> Result<Answer, Errno> {
        self.of_planes(buffer, planes);
        if ctx.may_park { Ok(Answer::Park) } else { Err(Errno::EAGAIN) }
    }
    fn streamon(&mut self, _: &Context<'_>, _: u32) -> Result<(), Errno> {
        Ok(())
    }
    fn streamoff(&mut self, _: &Context<'_>, _: u32) -> Result<(), Errno> {
        Ok(())
    }
}

/// The first byte chooses the node and what it has; calls follow.
pub fn run(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let first = bytes.byte();
    let has = |bit: u8| first & bit == 0;
    let direction = if has(1) { Direction::Capture } else { Direction::Output };
    let mut device = Nothing {
        node: Node { direction, mplane: !has(2) },
        priority: has(4).then(Priority::new),
        controls: has(8).then(|| Controls::camera(&["Disabled", "Bars"])),
        events: has(16).then(Events::new),
    };
    if let Some(priority) = &mut device.priority {
        priority.open(FileId(1));
        priority.open(FileId(2));
    }
    for number in 0..MOST_CALLS as u64 {
        if bytes.is_empty() {
            return;
        }
        let file = FileId(u64::from(bytes.byte() % 2) + 1);
        let call = Call::read(&mut bytes, device.node);
        let Ok(mut call) = call else { continue };
        let planes = v4l2::needs(call.cmd, &call.arg, &call.array);
        assert!(planes.len() <= VIDEO_MAX_PLANES);
        let lengths = (call.arg.len(), call.array.len());
        let ctx = Context {
            file,
            uid: 1000,
            ticket: Ticket(number),
            may_park: call.waits,
            now_ns: number,
            imports: &[],
            user: &[],
        };
        let answer = v4l2::dispatch(&mut device, &ctx, call.cmd, &mut call.arg, &mut call.array);
        call.check(lengths, &answer);
        if let Some(events) = &mut device.events {
            drop((events.take_completed(), events.take_wakes()));
        }
    }
}

/// Each ioctl on each kind of node, with an argument that fits.
pub fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    for (place, row) in v4l2::table::TABLE.iter().enumerate() {
        for node in 0..4 {
            let shape = call::FITS | call::WAITS | call::PATCH;
            let seed = vec![node, 0, place as u8, shape, 3, 1, 1, 0, 5];
            seeds.push((format!("{}-{node}", row.name), seed));
        }
    }
    seeds
}
