//! What the devices answer to ioctls: [`DeviceOps`] over the queue and its driver.

use std::sync::OnceLock;

use nix::errno::Errno;
use vb2::{BufferInfo, Create, Dequeue, MemoryType};

use super::effect::CopyOut;
use super::node::{Device, Parked, interval};
use crate::v4l2::controls::Controls;
use crate::v4l2::events::Events;
use crate::v4l2::priority::Priority;
use crate::v4l2::uapi::*;
use crate::v4l2::{Answer, Context, DeviceOps, Direction, Node, buffer};

/// `v4l2_capability.driver`.
const DRIVER: &str = "shrbuf";

/// The queue's refusal as the caller sees it; the reason goes into the log.
fn refused(error: vb2::Error) -> Errno {
    tracing::debug!("refused: {error}");
    buffer::errno(error)
}

impl Device {
    /// Runs one call of the queue's: charges what it allocates to the caller, and collects what it
    /// leaves to be done.
    fn on_queue<T>(
        &mut self,
        ctx: &Context<'_>,
        call: impl FnOnce(&mut Self) -> Result<T, vb2::Error>,
    ) -> Result<T, Errno> {
        self.driver.owner.uid = ctx.uid;
        let answer = call(self);
        self.collect();
        answer.map_err(refused)
    }

    /// [`Self::on_queue`] for calls whose buffers the program may map.
    fn allocating<T>(
        &mut self,
        ctx: &Context<'_>,
        call: impl FnOnce(&mut Self) -> Result<T, vb2::Error>,
    ) -> Result<T, Errno> {
        self.driver.allocator = Some(ctx.file);
        let answer = self.on_queue(ctx, call);
        self.driver.allocator = None;
        answer
    }

    /// Fills in a buffer on its way to the program, and notes what of it has to be copied there.
    pub(super) fn describe(
        &mut self,
        info: &BufferInfo,
        out: &mut v4l2_buffer,
        planes: &mut [v4l2_plane],
    ) {
        buffer::describe(info, self.node, out, planes);
        if info.memory == MemoryType::UserPtr && self.node.direction == Direction::Capture {
            self.copy_out = self.user_planes(info);
        }
    }

    fn user_planes(&self, info: &BufferInfo) -> Vec<CopyOut> {
        let Some(view) = self.queue.buffer(info.index) else { return Vec::new() };
        let pairs = view.planes.iter().zip(&info.planes);
        let copies = pairs.filter_map(|(plane, described)| match plane.backing() {
            vb2::PlaneBacking::UserPtr { address, memory } => Some(CopyOut {
                buffer: memory.clone(),
                address: *address,
                len: described.bytesused as usize,
            }),
            vb2::PlaneBacking::None
            | vb2::PlaneBacking::Mmap { .. }
            | vb2::PlaneBacking::DmaBuf { .. } => None,
        });
        copies.collect()
    }
}

impl DeviceOps for Device {
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
        match id {
            V4L2_CID_BRIGHTNESS => self.adjust.brightness = value,
            V4L2_CID_CONTRAST => self.adjust.contrast = value,
            V4L2_CID_SATURATION => self.adjust.saturation = value,
            V4L2_CID_HUE => self.adjust.hue = value,
            V4L2_CID_HFLIP => self.adjust.hflip = value != 0,
            V4L2_CID_VFLIP => self.adjust.vflip = value != 0,
            V4L2_CID_TEST_PATTERN => self.adjust.test_pattern = u32::try_from(value).unwrap_or(0),
            _ => {}
        }
    }

    fn can_subscribe(&self, event_type: u32, _id: u32) -> bool {
        match event_type {
            V4L2_EVENT_SOURCE_CHANGE | V4L2_EVENT_EOS => self.node.direction == Direction::Capture,
            V4L2_EVENT_FRAME_SYNC => true,
            _ => false,
        }
    }

    fn querycap(&mut self, _ctx: &Context<'_>, cap: &mut v4l2_capability) -> Result<(), Errno> {
        put_text(&mut cap.driver, DRIVER);
        put_text(&mut cap.card, &self.card);
        put_text(&mut cap.bus_info, &self.bus_info);
        cap.version = kernel_version();
        Ok(())
    }

    fn log_status(&mut self, _ctx: &Context<'_>) -> Result<(), Errno> {
        tracing::info!(
            card = self.card,
            number = self.number,
            layout = ?self.driver.layout,
            buffers = self.queue.num_buffers(),
            streaming = self.queue.is_streaming(),
            counts = ?self.counts,
            "LOG_STATUS"
        );
        Ok(())
    }

    fn enum_input(&mut self, _ctx: &Context<'_>, input: &mut v4l2_input) -> Result<(), Errno> {
        if input.index > 0 {
            return Err(Errno::EINVAL);
        }
        put_text(&mut input.name, "Camera");
        input.type_ = V4L2_INPUT_TYPE_CAMERA;
        Ok(())
    }

    fn g_input(&mut self, _ctx: &Context<'_>) -> Result<u32, Errno> {
        Ok(0)
    }

    fn s_input(&mut self, _ctx: &Context<'_>, index: u32) -> Result<(), Errno> {
        if index == 0 { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn enum_output(&mut self, _ctx: &Context<'_>, output: &mut v4l2_output) -> Result<(), Errno> {
        if output.index > 0 {
            return Err(Errno::EINVAL);
        }
        put_text(&mut output.name, "Display");
        output.type_ = V4L2_OUTPUT_TYPE_ANALOG;
        Ok(())
    }

    fn g_output(&mut self, _ctx: &Context<'_>) -> Result<u32, Errno> {
        Ok(0)
    }

    fn s_output(&mut self, _ctx: &Context<'_>, index: u32) -> Result<(), Errno> {
        if index == 0 { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn enum_fmt(&mut self, _ctx: &Context<'_>, fmt: &mut v4l2_fmtdesc) -> Result<(), Errno> {
        self.modes.enum_fmt(fmt)
    }

    fn g_fmt(&mut self, _ctx: &Context<'_>, format: &mut v4l2_format) -> Result<(), Errno> {
        self.driver.layout.describe(self.node, format);
        Ok(())
    }

    fn try_fmt(&mut self, _ctx: &Context<'_>, format: &mut v4l2_format) -> Result<(), Errno> {
        self.modes.try_fmt(format);
        Ok(())
    }

    fn s_fmt(&mut self, _ctx: &Context<'_>, format: &mut v4l2_format) -> Result<(), Errno> {
        let layout = self.modes.try_fmt(format);
        if self.queue.is_busy() {
            return Err(Errno::EBUSY);
        }
        let present = v4l2_fract {
            numerator: self.driver.interval.numerator,
            denominator: self.driver.interval.denominator,
        };
        self.driver.interval = interval(self.modes.nearest_interval(&layout, present));
        self.driver.layout = layout;
        Ok(())
    }

    fn enum_framesizes(
        &mut self,
        _ctx: &Context<'_>,
        size: &mut v4l2_frmsizeenum,
    ) -> Result<(), Errno> {
        self.modes.enum_framesizes(size)
    }

    fn enum_frameintervals(
        &mut self,
        _ctx: &Context<'_>,
        interval: &mut v4l2_frmivalenum,
    ) -> Result<(), Errno> {
        self.modes.enum_frameintervals(interval)
    }

    fn g_parm(&mut self, _ctx: &Context<'_>, parm: &mut v4l2_streamparm) -> Result<(), Errno> {
        let present = v4l2_fract {
            numerator: self.driver.interval.numerator,
            denominator: self.driver.interval.denominator,
        };
        self.modes.describe_parm(present, parm);
        Ok(())
    }

    fn s_parm(&mut self, ctx: &Context<'_>, parm: &mut v4l2_streamparm) -> Result<(), Errno> {
        let wanted = self.modes.parm_interval(parm);
        let nearest = self.modes.nearest_interval(&self.driver.layout, wanted);
        self.modes.describe_parm(nearest, parm);
        self.driver.interval = interval(nearest);
        if let Some(stream) = &mut self.driver.stream {
            stream.pace.change(stream.next, ctx.now_ns, self.driver.interval);
            self.driver.news = true;
        }
        Ok(())
    }

    fn reqbufs(
        &mut self,
        ctx: &Context<'_>,
        request: &mut v4l2_requestbuffers,
    ) -> Result<(), Errno> {
        let (buf_type, memory, count) = (request.type_, request.memory, request.count);
        request.capabilities = buffer::CAPABILITIES;
        request.flags = 0;
        let made = self.allocating(ctx, |device| {
            device.queue.reqbufs(ctx.file, buf_type, memory, count, &mut device.driver)
        })?;
        request.count = made.count;
        Ok(())
    }

    fn create_bufs(
        &mut self,
        ctx: &Context<'_>,
        create: &mut v4l2_create_buffers,
    ) -> Result<(), Errno> {
        // No planes at all is the queue's to refuse, after it has looked at the owner.
        let sizes = buffer::create_sizes(self.node, create);
        let wanted = Create {
            buf_type: create.format.type_,
            memory: create.memory,
            count: create.count,
            num_planes: u32::try_from(sizes.len()).unwrap_or(u32::MAX),
            sizes: &sizes,
        };
        let made = self.allocating(ctx, |device| {
            device.queue.create_bufs(ctx.file, &wanted, &mut device.driver)
        })?;
        create.index = made.index;
        create.count = made.count;
        create.max_num_buffers = made.max_num_buffers;
        create.capabilities = buffer::CAPABILITIES | V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS;
        create.flags = 0;
        Ok(())
    }

    fn remove_bufs(
        &mut self,
        ctx: &Context<'_>,
        remove: &mut v4l2_remove_buffers,
    ) -> Result<(), Errno> {
        let (buf_type, start, count) = (remove.type_, remove.index, remove.count);
        self.on_queue(ctx, |device| device.queue.remove_bufs(ctx.file, buf_type, start, count))
    }

    fn querybuf(
        &mut self,
        ctx: &Context<'_>,
        out: &mut v4l2_buffer,
        planes: &mut [v4l2_plane],
    ) -> Result<(), Errno> {
        let (buf_type, index) = (out.type_, out.index);
        let length = plane_count(planes);
        let info = self.on_queue(ctx, |device| {
            device.queue.querybuf(buf_type, index, length, &device.driver)
        })?;
        buffer::describe(&info, self.node, out, planes);
        Ok(())
    }

    fn prepare_buf(
        &mut self,
        ctx: &Context<'_>,
        out: &mut v4l2_buffer,
        planes: &mut [v4l2_plane],
    ) -> Result<(), Errno> {
        let sources = buffer::plane_requests(ctx, self.node, out, planes);
        let request = buffer::request(out, &sources);
        let info = self.on_queue(ctx, |device| {
            device.queue.prepare_buf(ctx.file, &request, &mut device.driver)
        })?;
        buffer::describe(&info, self.node, out, planes);
        Ok(())
    }

    fn qbuf(
        &mut self,
        ctx: &Context<'_>,
        out: &mut v4l2_buffer,
        planes: &mut [v4l2_plane],
    ) -> Result<(), Errno> {
        let sources = buffer::plane_requests(ctx, self.node, out, planes);
        let request = buffer::request(out, &sources);
        let info =
            self.on_queue(ctx, |device| device.queue.qbuf(ctx.file, &request, &mut device.driver))?;
        buffer::describe(&info, self.node, out, planes);
        Ok(())
    }

    fn dqbuf(
        &mut self,
        ctx: &Context<'_>,
        out: &mut v4l2_buffer,
        planes: &mut [v4l2_plane],
    ) -> Result<Answer, Errno> {
        let buf_type = out.type_;
        let length = plane_count(planes);
        let answer = self.on_queue(ctx, |device| {
            let (file, ticket, nonblock) = (ctx.file, ctx.ticket, !ctx.may_park);
            device.queue.dqbuf(file, ticket, buf_type, length, nonblock, &device.driver)
        })?;
        match answer {
            Dequeue::Done(info) => {
                self.describe(&info, out, planes);
                Ok(Answer::Done)
            }
            Dequeue::Wait => {
                let parked = Parked::Dequeue { buffer: *out, planes: planes.to_vec() };
                self.parked.insert(ctx.ticket, parked);
                Ok(Answer::Park)
            }
        }
    }

    fn expbuf(
        &mut self,
        ctx: &Context<'_>,
        export: &mut v4l2_exportbuffer,
    ) -> Result<Answer, Errno> {
        let v4l2_exportbuffer { type_, index, plane, flags, .. } = *export;
        let buffer =
            self.on_queue(ctx, |device| device.queue.expbuf(ctx.file, type_, index, plane, flags))?;
        Ok(Answer::Export { buffer, flags })
    }

    fn streamon(&mut self, ctx: &Context<'_>, buf_type: u32) -> Result<(), Errno> {
        self.on_queue(ctx, |device| device.queue.streamon(ctx.file, buf_type, &mut device.driver))
    }

    fn streamoff(&mut self, ctx: &Context<'_>, buf_type: u32) -> Result<(), Errno> {
        self.on_queue(ctx, |device| device.queue.streamoff(ctx.file, buf_type, &mut device.driver))
    }
}

fn plane_count(planes: &[v4l2_plane]) -> u32 {
    u32::try_from(planes.len()).unwrap_or(u32::MAX)
}

/// Copies as much of `text` as fits, with a NUL behind it.
fn put_text(field: &mut [u8], text: &str) {
    let room = field.len().saturating_sub(1);
    field.fill(0);
    for (place, byte) in field.iter_mut().take(room).zip(text.bytes()) {
        *place = byte;
    }
}

/// The running kernel's, as `LINUX_VERSION_CODE` packs it: what a driver of its own would say.
fn kernel_version() -> u32 {
    // It doesn't change, and asking costs as much as answering the program does.
    static VERSION: OnceLock<u32> = OnceLock::new();
    *VERSION.get_or_init(ask_kernel_version)
}

fn ask_kernel_version() -> u32 {
    let release =
        nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned());
    let release = release.unwrap_or_default();
    let mut parts = release
        .split(|letter: char| !letter.is_ascii_digit())
        .map(|part| part.parse::<u32>().unwrap_or(0).min(255));
    let mut next = || parts.next().unwrap_or(0);
    (next() << 16) | (next() << 8) | next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_too_long_for_its_field_keeps_its_nul() {
        let mut field = [7; 4];
        put_text(&mut field, "abcdef");
        assert_eq!(&field, b"abc\0");
        put_text(&mut field, "x");
        assert_eq!(&field, b"x\0\0\0");
    }

    #[test]
    fn the_version_is_a_kernels() {
        assert!(kernel_version() >= 5 << 16, "{:x}", kernel_version());
    }
}
